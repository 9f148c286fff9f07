//! How a CSV file is written, found out once: DuckDB would look at it anew for every statement, and take a file that has
//! no quotes in its first rows for one that has none at all.

use super::answer;
use super::catalogue::Engine;
use crate::error::{Error, Result};
use crate::postgres::connect::quote_literal;
use crate::query::protocol::Response;
use crate::query::sources::Told;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes that are read at once to find it out: the rows that are looked at are fewer than those of DuckDB's own buffer,
/// and the longest row that it takes is a half of this.
const SNIFFED: usize = 4 << 20;
/// Lines that are looked at where it is in doubt what they are: as many as DuckDB looks at.
const LINES: usize = 20_480;

/// The table function that reads a file as it was found to be written; nothing where that could not be found out.
///
/// # Errors
/// Rows of another number of fields than the first, where DuckDB would take a part of them for the file, or each for one
/// text.
pub fn reader(engine: &Engine, path: &Path, told: Told) -> Result<Option<String>> {
    // What was piped in lies under a name of our own.
    let shown = match told {
        Told::Piped => path.file_stem().map_or(path, Path::new),
        _ => path,
    };
    let found = sniff(engine, path);
    let (columns, skip) = found.as_ref().map_or((1, 0), |found| (found.columns, found.skip));
    if columns == 1 || skip > 0 {
        doubt(engine, path, shown, skip)?;
    }
    if found.is_none() && has_both_ends(path) {
        return Err(Error::failed("source.damaged", "some of its lines end in CR LF, and some in LF")
            .at(shown.display())
            .next("make them alike, as by `dos2unix` or: tr -d '\\r' < FILE"));
    }
    if told == Told::Nothing
        && !is_named_so(path)
        && found.as_ref().is_some_and(|found| found.may_be_prose)
        && is_prose(engine, path)
    {
        answer(&Response::Note(format!(
            "note: {}: no columns are found in it; each line is a text in the column \"line\"",
            shown.display()
        )))?;
        return Ok(Some(lines(&[path.to_owned()])));
    }
    Ok(found.map(|found| found.reader))
}

/// The table function that reads files line by line, each as one text in the column `line`. No line holds the delimiter,
/// which is the end of a line itself.
pub fn lines(paths: &[PathBuf]) -> String {
    let list: Vec<String> = paths.iter().map(|p| quote_literal(&p.to_string_lossy())).collect();
    format!(
        "read_csv([{}], auto_detect = false, header = false, delim = '\n', quote = '', escape = '', strict_mode = false,
           columns = {{'line': 'VARCHAR'}})",
        list.join(", ")
    )
}

/// Whether a file says by its name that it holds columns.
fn is_named_so(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    [".csv", ".tsv", ".tab"].iter().any(|ending| name.ends_with(ending))
}

/// Whether lines end in both ways, which DuckDB reads as one line.
fn has_both_ends(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SNIFFED as u64).read_to_end(&mut head));
    let before = |at: usize| at.checked_sub(1).and_then(|i| head.get(i)).copied();
    let mut ends = memchr::memchr_iter(b'\n', &head).map(|at| before(at) == Some(b'\r'));
    read.is_ok() && ends.next().is_some_and(|first| ends.any(|other| other != first))
}

/// How a file is written.
struct Found {
    reader: String,
    columns: usize,
    skip: u64,
    /// What was taken for the name of the only column has a space, as a line of text has.
    may_be_prose: bool,
}

fn sniff(engine: &Engine, path: &Path) -> Option<Found> {
    let file = quote_literal(&path.to_string_lossy());
    let rows = engine
        .rows(&format!(
            "SELECT Delimiter, Quote, Escape, NewLineDelimiter, Comment, SkipRows::VARCHAR, HasHeader::VARCHAR, DateFormat,
                    TimestampFormat, to_json(Columns)::VARCHAR, (contains(Prompt, 'strict_mode=false'))::VARCHAR
             FROM sniff_csv({file}, buffer_size = {SNIFFED})"
        ))
        .ok()?;
    let row = rows.into_iter().next()?;
    let [delimiter, quote, escape, line, comment, skip, header, date, timestamp, columns, lenient] = row.as_slice()
    else {
        return None;
    };
    let skip = skip.as_deref()?.parse::<u64>().ok()?;
    let columns: Vec<Column> = serde_json::from_str(columns.as_deref()?).ok()?;
    let may_be_prose = header.as_deref() == Some("true")
        && matches!(columns.as_slice(), [only] if only.name.contains(' ') && only.sql_type == "VARCHAR");
    let columns: Vec<String> =
        columns.iter().map(|c| format!("{}: {}", quote_literal(&c.name), quote_literal(&c.sql_type))).collect();
    // "(empty)" is how "none" is shown.
    let said = |value: &Option<String>| value.clone().filter(|v| !v.is_empty() && v != "(empty)" && v != "\0");
    let quote = said(quote).unwrap_or_else(|| "\"".to_owned());
    let mut options = vec![
        format!("delim = {}", quote_literal(&said(delimiter)?)),
        format!("escape = {}", quote_literal(&said(escape).unwrap_or_else(|| quote.clone()))),
        format!("quote = {}", quote_literal(&quote)),
        format!("skip = {skip}"),
        format!("header = {}", header.as_deref()? == "true"),
        format!("columns = {{{}}}", columns.join(", ")),
    ];
    // Written as the two or four characters that stand for it.
    options.extend(
        said(line).filter(|l| ["\\n", "\\r", "\\r\\n"].contains(&l.as_str())).map(|l| format!("new_line = '{l}'")),
    );
    options.extend(said(comment).map(|c| format!("comment = {}", quote_literal(&c))));
    options.extend(said(date).map(|f| format!("dateformat = {}", quote_literal(&f))));
    options.extend(said(timestamp).map(|f| format!("timestampformat = {}", quote_literal(&f))));
    if lenient.as_deref() == Some("true") {
        options.push("strict_mode = false".to_owned());
    }
    let reader = format!("read_csv({file}, auto_detect = false, {})", options.join(", "));
    Some(Found { reader, columns: columns.len(), skip, may_be_prose })
}

/// Whether most lines after the first have spaces, too.
fn is_prose(engine: &Engine, path: &Path) -> bool {
    let spaced = engine.rows(&format!(
        "SELECT (coalesce(avg(contains(trim(line), ' ')::INTEGER), 1) > 0.5)::VARCHAR
         FROM (SELECT line FROM {} LIMIT {LINES} OFFSET 1) WHERE line <> ''",
        lines(&[path.to_owned()])
    ));
    spaced.is_ok_and(|rows| rows.into_iter().flatten().flatten().any(|said| said == "true"))
}

/// Looks at the lines of a file that was taken for one column, or only in part.
fn doubt(engine: &Engine, path: &Path, shown: &Path, skip: u64) -> Result<()> {
    let lines = engine.rows(&format!("SELECT line FROM {} LIMIT {LINES}", lines(&[path.to_owned()])));
    // What cannot be read like this is no reason to doubt.
    let lines: Vec<String> = lines.unwrap_or_default().into_iter().flatten().flatten().collect();
    if let Some(ragged) = ragged(&lines) {
        return Err(Error::failed(
            "source.damaged",
            format!("line {} has {} fields, and the first line has {}", ragged.line, ragged.fields, ragged.first),
        )
        .at(shown.display())
        .next("mend that line: every row has to have the fields of the first one"));
    }
    if skip > 0 {
        answer(&Response::Note(format!(
            "note: {}: the first {} left out, since what follows is written otherwise",
            shown.display(),
            if skip == 1 { "line is".to_owned() } else { format!("{skip} lines are") }
        )))?;
    }
    Ok(())
}

/// A line that differs from the first.
#[derive(Debug, PartialEq, Eq)]
struct Ragged {
    line: usize,
    fields: usize,
    first: usize,
}

/// The first line of another number of fields than the first one has, where most have as many.
fn ragged(lines: &[String]) -> Option<Ragged> {
    let (head, rest) = lines.split_first()?;
    let delimiter = [',', ';', '\t', '|'].into_iter().max_by_key(|d| fields(head, *d))?;
    let first = fields(head, delimiter);
    let counts: Vec<usize> = rest.iter().map(|line| fields(line, delimiter)).collect();
    let alike = counts.iter().filter(|n| **n == first).count() + 1;
    if first < 2 || alike * 2 <= lines.len() {
        return None;
    }
    let at = rest.iter().zip(&counts).position(|(line, n)| *n != first && !line.is_empty())?;
    Some(Ragged { line: at + 2, fields: *counts.get(at)?, first })
}

fn fields(line: &str, delimiter: char) -> usize {
    let mut quoted = false;
    let between = line.chars().filter(|c| {
        quoted ^= *c == '"';
        *c == delimiter && !quoted
    });
    between.count() + 1
}

#[derive(serde::Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    sql_type: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_differs_from_most_is_found() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let found = |text| ragged(&lines(text)).map(|r| (r.line, r.fields, r.first));
        assert_eq!(found("id,name\n1,a\n2,b,c\n3,d"), Some((3, 3, 2)));
        assert_eq!(found("a;b\n1;2\n3;4;5"), Some((3, 3, 2)));
        assert_eq!(found("id,name\n1,\"a,b\"\n\n2,c"), None);
        // Prose, and a heading above the table.
        assert_eq!(found("text\nhello, world\nbye\na, b, c"), None);
        assert_eq!(found("of march, 2026\n\nid,name,x\n1,a,x\n2,b,x\n3,c,x"), None);
    }
}
