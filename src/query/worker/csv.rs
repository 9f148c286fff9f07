//! How a CSV file is written, found out once: DuckDB would look at it anew for every statement, and take a file that has
//! no quotes in its first rows for one that has none at all.

use super::catalogue::Engine;
use crate::postgres::connect::quote_literal;
use std::path::Path;

/// Bytes that are read at once to find it out: the rows that are looked at are fewer than those of DuckDB's own buffer,
/// and the longest row that it takes is a half of this.
const SNIFFED: usize = 4 << 20;

/// The table function that reads a file as it was found to be written; nothing where that could not be found out.
pub fn reader(engine: &Engine, path: &Path) -> Option<String> {
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
    let columns: Vec<Column> = serde_json::from_str(columns.as_deref()?).ok()?;
    let columns: Vec<String> =
        columns.iter().map(|c| format!("{}: {}", quote_literal(&c.name), quote_literal(&c.sql_type))).collect();
    // "(empty)" is how "none" is shown.
    let said = |value: &Option<String>| value.clone().filter(|v| !v.is_empty() && v != "(empty)" && v != "\0");
    let quote = said(quote).unwrap_or_else(|| "\"".to_owned());
    let mut options = vec![
        format!("delim = {}", quote_literal(&said(delimiter)?)),
        format!("escape = {}", quote_literal(&said(escape).unwrap_or_else(|| quote.clone()))),
        format!("quote = {}", quote_literal(&quote)),
        format!("skip = {}", skip.as_deref()?.parse::<u64>().ok()?),
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
    Some(format!("read_csv({file}, auto_detect = false, {})", options.join(", ")))
}

#[derive(serde::Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    sql_type: String,
}
