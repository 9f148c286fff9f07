//! The profiles there are: those in the program, those in the operator's folder, and any file named by its path.

use super::rules::Host;
use super::yaml::{self, ProfileFile};
use super::{Origin, Profile, config};
use crate::error::{Error, Result};
use crate::root::Root;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The operator's profiles.
pub const FOLDER: &str = "/etc/llmsql/profiles";

/// The built-in profiles: name and file. Where no profile is named, their conditions are tried in this order.
const BUILT_IN: &[(&str, &str)] = &[
    ("edge-proxy", include_str!("../../profiles/edge-proxy.yaml")),
    ("large", include_str!("../../profiles/large.yaml")),
    ("medium", include_str!("../../profiles/medium.yaml")),
    ("small", include_str!("../../profiles/small.yaml")),
    ("dedicated-database", include_str!("../../profiles/dedicated-database.yaml")),
    ("all-in-one", include_str!("../../profiles/all-in-one.yaml")),
    ("analytics", include_str!("../../profiles/analytics.yaml")),
    ("vector-search", include_str!("../../profiles/vector-search.yaml")),
];

/// What is taken where no condition holds, which is the case where the host's memory is not known.
const FALLBACK: &str = "small";

/// Where a profile comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// In the program.
    BuiltIn(&'static str),
    /// A file, by its path on this machine.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::BuiltIn(_) => f.write_str("built in"),
            Source::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A profile that was found and read.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// What it says.
    pub file: ProfileFile,
}

/// The profiles of one host.
#[derive(Debug, Clone)]
pub struct Library {
    /// The operator's, by name.
    own: BTreeMap<String, PathBuf>,
}

impl Library {
    /// Looks what profiles the operator's folder holds, without reading them. A profile there hides the built-in of
    /// the same name.
    ///
    /// # Errors
    /// A folder that exists and cannot be read, or holds two files of one name.
    pub fn open(root: &Root) -> Result<Library> {
        let mut own = BTreeMap::new();
        let names = match root.list(FOLDER) {
            Ok(names) => names,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::usage("profile.folder", "cannot be read").at(FOLDER).because(e)),
        };
        for file in names {
            let Some(name) = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")) else { continue };
            let path = root
                .resolve(Path::new(FOLDER).join(&file))
                .map_err(|e| Error::usage("profile.folder", "cannot be read").at(FOLDER).because(e))?;
            if let Some(other) = own.insert(name.to_owned(), path) {
                return Err(Error::usage("profile.twice", format!("two files hold a profile \"{name}\""))
                    .at(other.display())
                    .next(format!("remove {file} or the other")));
            }
        }
        Ok(Library { own })
    }

    /// The names, the operator's first, the built-in ones in the order in which they are tried.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let built_in = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !self.own.contains_key(name));
        self.own.keys().cloned().chain(built_in).collect()
    }

    /// The profile with this name, or at this path where it has a `/` or ends in `.yaml` or `.yml`. A relative path
    /// is looked up from `folder`.
    ///
    /// # Errors
    /// A name that does not exist (with the nearest one), a file that cannot be read or is no profile.
    pub fn find(&self, name: &str, folder: &Path) -> Result<Entry> {
        if name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml") {
            let path = folder.join(name);
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            return Self::read(None, stem, path);
        }
        if let Some(path) = self.own.get(name) {
            return Self::read(Some(name), name.to_owned(), path.clone());
        }
        if let Some((name, text)) = BUILT_IN.iter().find(|(n, _)| *n == name) {
            let file = yaml::parse(text, &format!("profiles/{name}.yaml"))?;
            return Ok(Entry { name: (*name).to_owned(), source: Source::BuiltIn(name), file });
        }
        let known = self.names();
        let near = known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, name));
        let what = match near.filter(|k| strsim::damerau_levenshtein(k, name) <= (name.chars().count() / 3).max(2)) {
            Some(near) => format!("there is no profile \"{name}\"; the nearest is \"{near}\""),
            None => format!("there is no profile \"{name}\"; there are {}", known.join(", ")),
        };
        Err(Error::usage("profile.unknown", what)
            .next("`llmsql profile list` shows them; a file is named by its path, as in ./my.yaml"))
    }

    /// Reads a profile's file; `called` is the name the library knows it by.
    fn read(called: Option<&str>, stem: String, path: PathBuf) -> Result<Entry> {
        let text = config::read_text(&path).map_err(|e| e.into_error(&path))?;
        let file = yaml::parse(&text, &path.display().to_string())?;
        let name = file.name.clone().unwrap_or(stem);
        if let Some(called) = called
            && called != name
        {
            return Err(Error::usage(
                "profile.name",
                format!("the profile calls itself \"{name}\", its file \"{called}\""),
            )
            .at(path.display())
            .next("give both the same name, or leave `name:` out"));
        }
        Ok(Entry { name, source: Source::File(path), file })
    }

    /// A profile and its ancestors, nearest first.
    ///
    /// # Errors
    /// Those of [`Library::find`], and a chain that comes back to itself; both name the chain.
    pub fn chain(&self, name: &str, folder: &Path) -> Result<Vec<Entry>> {
        let mut chain: Vec<Entry> = vec![self.find(name, folder)?];
        while let Some(last) = chain.last()
            && let Some(parent) = last.file.extends.clone()
        {
            let folder = match &last.source {
                Source::File(path) => path.parent().unwrap_or(Path::new("")).to_owned(),
                Source::BuiltIn(_) => PathBuf::new(),
            };
            let place = match &last.source {
                Source::File(path) => path.display().to_string(),
                Source::BuiltIn(name) => format!("profiles/{name}.yaml"),
            };
            let so_far = chain.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(" → ");
            let next = self.find(&parent, &folder).map_err(|mut e| {
                // Named by its path, the profile does not stand among the names, its own included.
                if e.code == "profile.unknown" && parent == last.name {
                    return itself(&place, &so_far, &parent);
                }
                e.what = format!("{} ({so_far} → {parent})", e.what);
                e.place.get_or_insert_with(|| format!("{place}: extends"));
                e
            })?;
            if chain.iter().any(|e| same(&e.source, &next.source)) {
                if same(&last.source, &next.source) {
                    return Err(itself(&place, &so_far, &next.name));
                }
                return Err(cycle(
                    &place,
                    format!("the profiles extend each other in a circle ({so_far} → {})", next.name),
                ));
            }
            chain.push(next);
        }
        Ok(chain)
    }

    /// The profile for a host on which none is named: the first whose conditions hold, and the conditions in words.
    ///
    /// # Errors
    /// An operator's profile that cannot be read.
    pub fn choose(&self, host: &Host) -> Result<(String, String)> {
        for name in self.names() {
            let entry = self.find(&name, Path::new(""))?;
            if let Some(when) = entry.file.when.as_ref().filter(|when| when.holds(host)) {
                return Ok((name, when.words(Some(host))));
            }
        }
        Ok((FALLBACK.to_owned(), "no other profile's conditions hold".to_owned()))
    }
}

fn itself(place: &str, so_far: &str, name: &str) -> Error {
    cycle(place, format!("the profile extends itself ({so_far} → {name})"))
}

fn cycle(place: &str, what: String) -> Error {
    Error::usage("profile.cycle", what)
        .at(format!("{place}: extends"))
        .next("extend a profile that stands on its own, such as a built-in one under another name")
}

/// Whether two profiles are one, symlinks and `..` followed.
fn same(a: &Source, b: &Source) -> bool {
    match (a, b) {
        (Source::File(a), Source::File(b)) => {
            a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
        }
        (a, b) => a == b,
    }
}

/// Puts a chain's values into a profile, the nearest one winning.
pub(super) fn merge(chain: &[Entry], into: &mut Profile) {
    for entry in chain.iter().rev() {
        for (key, value) in &entry.file.values {
            into.set(key.clone(), value.clone(), Origin::Profile { name: entry.name.clone() });
        }
    }
}
