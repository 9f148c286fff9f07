//! The files of a folder, and those that fit a pattern.

use super::content::{Content, content_by_name, sniff};
use super::{FileFormat, Place, Source, Told, UNREADABLE, identifier, place_of, stem};
use crate::error::{Error, Result};
use crate::output;
use crate::query::export;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The most files of one source.
const MOST_FILES: usize = 20_000;

/// The files of a folder and of those below it, by format; databases each for itself.
pub(super) fn folder(name: Option<&str>, path: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    walk(path, 0, &mut files)?;
    files.sort();
    // A file to which several links lead is one.
    files.dedup();
    if export::is_unfinished(path) {
        output::note(&export::unfinished(path));
    }
    let place = format!("--source {}", path.display());
    let mut by_format: BTreeMap<FileFormat, Vec<PathBuf>> = BTreeMap::new();
    let mut sources = Vec::new();
    for file in files {
        match content_by_name(&file) {
            Some(Content::Table(format)) => by_format.entry(format).or_default().push(file),
            Some(content) => {
                sources.push(Source { name: stem(&file), named: false, place: place_of(&file, content, Told::Nothing) })
            }
            None => {}
        }
    }
    let base = fs::canonicalize(path).ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    let base = name.map_or_else(|| identifier(&base.unwrap_or_default()), str::to_owned);
    let mixed = by_format.len() > 1;
    for (format, paths) in by_format {
        // Beside files of other formats, an only one is no part of a table that has the folder's name.
        let own = paths.first().filter(|_| mixed && paths.len() == 1).map(|only| stem(only));
        sources.push(Source {
            named: name.is_some() && own.is_none(),
            name: own.unwrap_or_else(|| base.clone()),
            place: Place::Files { paths, format, one: false, told: Told::Nothing },
        });
    }
    if sources.is_empty() {
        return Err(Error::usage("source.empty_folder", "the folder holds no data file")
            .at(place)
            .next("data files end in .csv, .tsv, .json, .ndjson, .jsonl, .parquet, .db, .sqlite or .duckdb, also with .gz or .zst"));
    }
    Ok(sources)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let wrong = |e| Error::usage(UNREADABLE, "cannot be read").at(format!("--source {}", folder.display())).because(e);
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_']));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if depth < 16 {
                walk(&path, depth + 1, files)?;
            }
        } else if let Ok(path) = fs::canonicalize(&path) {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(Error::usage("source.many", format!("there are more than {MOST_FILES} files"))
                .at(folder.display())
                .next("name a part of them"));
        }
    }
    Ok(())
}

/// The files that fit a pattern: `*` and `?` and `[…]` within a name, `**` for folders of any depth. All one table.
pub(super) fn pattern(name: Option<&str>, location: &str) -> Result<Vec<Source>> {
    let place = format!("--source {location}");
    let fixed: PathBuf = Path::new(location)
        .components()
        .take_while(|c| !c.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    let start = if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed.clone() };
    let mut files = Vec::new();
    if start.is_dir() {
        let parts: Vec<String> = Path::new(location)
            .components()
            .skip(fixed.components().count())
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .collect();
        matching(&start, &parts, 0, &mut files);
    }
    files.sort();
    let formats: BTreeSet<FileFormat> = files
        .iter()
        .filter_map(|f| match content_by_name(f).or_else(|| sniff(f).ok()) {
            Some(Content::Table(format)) => Some(format),
            _ => None,
        })
        .collect();
    let Some(format) = formats.first().copied() else {
        return Err(Error::usage("source.no_match", "no data file fits the pattern")
            .at(place)
            .next("check it with `ls`"));
    };
    if formats.len() > 1 {
        return Err(Error::usage("source.mixed", "the pattern takes files of several formats")
            .at(place)
            .next("name one format, as in *.parquet"));
    }
    if files.len() > MOST_FILES {
        return Err(Error::usage("source.many", format!("the pattern takes more than {MOST_FILES} files")).at(place));
    }
    let text = fixed.file_name().map_or_else(|| "data".to_owned(), |n| n.to_string_lossy().into_owned());
    let last = location.rsplit('/').next().unwrap_or_default().split(['*', '?', '[', '.']).next().unwrap_or_default();
    let last = last.trim_matches(['-', '_']);
    let default = identifier(if last.is_empty() { &text } else { last });
    let mut files: Vec<PathBuf> = files.into_iter().filter_map(|f| fs::canonicalize(f).ok()).collect();
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(vec![Source {
        name: name.unwrap_or(&default).to_owned(),
        named: name.is_some(),
        place: Place::Files { paths: files, format, one: true, told: Told::Nothing },
    }])
}

fn matching(folder: &Path, parts: &[String], depth: usize, files: &mut Vec<PathBuf>) {
    let Some((first, rest)) = parts.split_first() else { return };
    if first == "**" {
        matching(folder, rest, depth, files);
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|e| Some(e.ok()?.path())) {
        if files.len() > MOST_FILES || depth > 16 {
            return;
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') && !first.starts_with('.') {
            continue;
        }
        if first == "**" {
            if path.is_dir() {
                matching(&path, parts, depth + 1, files);
            }
        } else if fits(first, &name) {
            if rest.is_empty() {
                if path.is_file() {
                    files.push(path);
                }
            } else if path.is_dir() {
                matching(&path, rest, depth + 1, files);
            }
        }
    }
}

/// Whether a name fits a shell's pattern; in linear space, without backtracking over more than one `*`.
fn fits(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < n.len() {
        match p.get(i) {
            Some('*') => {
                star = Some((i, j));
                i += 1;
                continue;
            }
            Some(c) => {
                if let Some(next) = n.get(j).and_then(|have| single(*c, &p, i, *have)) {
                    i = next;
                    j += 1;
                    continue;
                }
            }
            None => {}
        }
        match star {
            Some((at, from)) => {
                star = Some((at, from + 1));
                i = at + 1;
                j = from + 1;
            }
            None => return false,
        }
    }
    p.get(i..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

/// Where the pattern goes on after taking one character, if it takes it.
fn single(c: char, pattern: &[char], at: usize, have: char) -> Option<usize> {
    if c == '[' {
        let close = pattern.iter().skip(at + 2).position(|c| *c == ']').map(|p| p + at + 2);
        if let Some(close) = close {
            let set = pattern.get(at + 1..close)?;
            let (negated, set) = match set.first() {
                Some('!' | '^') => (true, set.get(1..)?),
                _ => (false, set),
            };
            let ranges = set.windows(3).any(|w| matches!(w, [a, '-', b] if (*a..=*b).contains(&have)));
            return ((set.contains(&have) || ranges) != negated).then_some(close + 1);
        }
    }
    (c == '?' || c == have).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_those_of_the_shell() {
        for (pattern, name, want) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("*a*b*", "xaxxb", true),
            ("*", "", true),
            ("a[b", "a[b", true),
        ] {
            assert_eq!(fits(pattern, name), want, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[*?a\\[\\]!-]{0,12}", name in "[a-]{0,12}") {
            let _ = fits(&pattern, &name);
            prop_assert!(fits("*", &name));
        }
    }
}
