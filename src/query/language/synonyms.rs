//! Words of the same meaning.

/// Stems that may stand for `stem` in the name of a table or column.
#[must_use]
pub fn of(_stem: &str) -> &'static [&'static str] {
    &[]
}
