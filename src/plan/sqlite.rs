//! SQLite's pragmas, for every connection the API opens.

use super::Component;
use super::draft::{Draft, constant};
use crate::units::MB;
use crate::value::Value;

const SQLITE: Component = Component::Sqlite;

pub(super) fn settings(draft: &mut Draft<'_>) {
    let text = |s: &str| Value::Text(s.to_owned());
    draft.put(SQLITE, "journal_mode", text("wal"), constant("wal: readers do not wait for the writer"));
    draft.put(
        SQLITE,
        "synchronous",
        text("normal"),
        constant("normal: with wal the file survives any crash; the last commits may be lost on power failure, never consistency"),
    );
    draft.put(
        SQLITE,
        "busy_timeout",
        Value::Millis(5000),
        constant("5s: a writer waits for another instead of failing at once"),
    );
    draft.put(
        SQLITE,
        "cache_size",
        Value::Int(-16_384),
        constant("-16384: 16MB for each connection (negative counts kB), within the API worker's 200MB"),
    );
    draft.put(
        SQLITE,
        "mmap_size",
        Value::Bytes(256 * MB),
        constant("256MB: reads go through the kernel's page cache, which can give it back"),
    );
    draft.put(
        SQLITE,
        "journal_size_limit",
        Value::Bytes(64 * MB),
        constant("64MB: the write-ahead log is cut back to this"),
    );
    draft.put(SQLITE, "wal_autocheckpoint", Value::Int(1000), constant("1000 pages, SQLite's default"));
    draft.put(SQLITE, "foreign_keys", Value::Bool(true), constant("on: SQLite's default leaves keys unchecked"));
    draft.put(SQLITE, "temp_store", text("memory"), constant("memory: temporary tables are small here"));
}
