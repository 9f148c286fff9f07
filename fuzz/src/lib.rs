//! What is fuzzed, taken in by its path: the parsers and the guard need nothing of the rest, and so neither DuckDB nor
//! any other library has to be built with the fuzzer's instruments.
#![allow(dead_code, reason = "the program uses the rest")]

#[path = "../../src/formats/mod.rs"]
pub mod formats;
#[path = "../../src/query/guard/mod.rs"]
pub mod guard;

/// A new value for an edit, taken from the end of the input.
pub fn value(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(12)..]).into_owned()
}
