//! DuckDB's errors as ours: what, and what to do next.

use crate::error::{Error, Exit};

/// The most characters of a row in a message.
const SHOWN: usize = 120;

/// How DuckDB begins an error that ends a result which is on its way.
const WHILE_ROWS_COME: &str =
    "Invalid Input Error: Attempting to execute an unsuccessful or closed pending query result\nError:";

/// An error of running a query or of opening data, by the kind that DuckDB's message begins with.
pub fn from_duckdb(error: &duckdb::Error) -> Error {
    let message = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    from_message(&message)
}

/// The same for a message.
pub fn from_message(message: &str) -> Error {
    // An error while rows come is told within another one.
    let message = message.strip_prefix(WHILE_ROWS_COME).map_or(message, str::trim_start);
    let (kind, rest) = message.split_once(": ").unwrap_or(("", message));
    // Advice about settings is of no use where they are locked, and long messages repeat the statement.
    let cut = [
        "\nPossible",
        "\n\nPossible",
        "\nTry increasing",
        "\nThis limit",
        "\n\nLINE",
        "\nLINE",
        "\n*",
        "\n\nThis error",
    ]
    .iter()
    .filter_map(|mark| rest.find(mark))
    .min()
    .unwrap_or(rest.len());
    let text = rest.get(..cut).unwrap_or(rest).trim();
    let line = text.lines().map(|l| short(l.trim())).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ");
    let line: String = line.chars().take(600).collect();
    match kind {
        "IO Error" | "Out of Memory Error"
            if message.contains("No space left") || message.contains("max_temp_directory_size") =>
        {
            Error::failed("query.disk", format!("there is no room left to spill to: {line}"))
                .next("free some disk space, set another TMPDIR, or ask for less")
        }
        "Out of Memory Error" => {
            Error::new(Exit::Failed, "query.memory", format!("the query needs more memory than it may use: {line}"))
                .next("ask for less (a filter, fewer columns, a limit), or raise --memory")
        }
        "INTERRUPT Error" => timeout(),
        "Parser Error" => Error::failed("query.syntax", format!("the SQL cannot be parsed: {line}")),
        "Binder Error" if line.contains("TIMESTAMP WITH TIME ZONE") => {
            Error::failed("query.syntax", format!("the SQL does not fit the tables: {line}"))
                .next("compare a time with a time; epoch(column) and epoch_ms(column) give what it counts since 1970")
        }
        "Binder Error" | "Catalog Error" => {
            Error::failed("query.syntax", format!("the SQL does not fit the tables: {line}"))
                .next("`llmsql schema` shows the tables and their columns")
        }
        _ if message.contains("not utf-8 encoded") => {
            Error::failed("source.damaged", format!("the data cannot be read: {line}"))
                .next("write it as UTF-8, as by: iconv -f LATIN1 -t UTF-8 FILE (or UTF-16, where Windows wrote it)")
        }
        _ if message.contains("Error when sniffing file") => {
            Error::failed("source.damaged", "is no table of text: no delimiter makes columns of its lines")
                .next("look at it with `file`; what is compressed has to end in .gz or .zst")
        }
        "Conversion Error" if message.contains("CSV Error") => {
            Error::failed("source.damaged", format!("a value does not fit its column: {line}"))
                .next("mend that line; the types come from the first 20,000 rows")
        }
        "Conversion Error" => Error::failed("query.failed", format!("a value does not fit its type: {line}"))
            .next("use TRY_CAST for values of several kinds"),
        "Permission Error" => {
            Error::new(Exit::Unanswered, "guard.refused", format!("the query wants what it may not have: {line}"))
        }
        "Invalid Input Error" if message.contains("CSV Error") || message.contains("JSON") => damaged(&line),
        "IO Error" if message.contains("lock on file") => {
            Error::new(Exit::Locked, "source.locked", "the DuckDB file is open in another program that writes it")
                .next("ask again when it has ended, or ask a copy of the file")
        }
        _ if message.contains("Corrupt database file") || message.contains("Could not read enough bytes") => {
            Error::failed("source.damaged", format!("is damaged: {line}")).next("take the file from a backup")
        }
        _ if message.contains("not a GZIP stream") || message.contains("Data corruption detected") => {
            Error::failed("source.damaged", format!("is damaged, or compressed otherwise than its name says: {line}"))
                .next("look at it with `file`, and fetch it again")
        }
        _ if message.contains("No magic bytes")
            || message.contains("Footer length")
            || message.contains("footer")
            || message.contains("Parquet")
            || message.contains("thrift") =>
        {
            damaged(&line)
        }
        _ => Error::failed("query.failed", if line.is_empty() { message.trim().to_owned() } else { line }),
    }
}

fn damaged(line: &str) -> Error {
    Error::failed("source.damaged", format!("the data cannot be read: {line}")).next(if line.contains("CSV Error") {
        "repair or leave out what the message names: every row has to fit the columns of the first ones"
    } else {
        "repair or leave out what the message names"
    })
}

/// A line of a message, of a row that it shows only the beginning: what is wrong stands behind it.
fn short(line: &str) -> String {
    if line.starts_with("Original Line: ") && line.chars().count() > SHOWN {
        line.chars().take(SHOWN).chain(['…']).collect()
    } else {
        line.to_owned()
    }
}

/// A query that took too long.
pub fn timeout() -> Error {
    Error::failed("query.timeout", "the query was ended: it took longer than it may")
        .next("ask for less (a filter, a limit), or raise --timeout")
}

/// The worker held more than it may, or the kernel ended it.
#[must_use]
pub fn memory(most: u64) -> Error {
    let most = crate::units::human_bytes(most);
    Error::failed("query.memory", format!("the query was ended: it needed more than its {most} of memory"))
        .next("ask for less (a filter, fewer columns, a limit), or raise --memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_says_what_to_do() {
        assert_eq!(
            from_message("Out of Memory Error: failed to allocate\nPossible solutions:\n* x").code,
            "query.memory"
        );
        let spill = "Out of Memory Error: failed to offload data block of size 96.0 KiB (128.0 KiB/128.0 KiB used).\nThis limit \
                     was set by the 'max_temp_directory_size' setting.";
        assert_eq!(from_message(spill).code, "query.disk");
        assert_eq!(from_message("IO Error: Could not set lock on file \"x\": Conflicting lock").exit, Exit::Locked);
        let binder = from_message("Binder Error: no column \"x\"\n\nLINE 1: SELECT x\n        ^");
        assert_eq!(binder.what, "the SQL does not fit the tables: no column \"x\"");
        assert_eq!(from_message("").what, "");
    }
}
