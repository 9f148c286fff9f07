//! Dates that a SQLite file holds as text: SQLite has no type for them.
//!
//! A column of text whose first rows hold nothing else is one of dates or times for everybody who asks, SQL and exports
//! included, as [`super::study`] finds it for questions. A value further on that is none makes it text again when it is
//! loaded.

use super::catalogue::{Engine, Loaded, Origin, kind_of};
use super::columns::Fill;

/// Rows that are looked at.
const ROWS: u64 = 1_000;

/// Makes dates of the columns of a table that a query is to read, unless they have been looked at before.
pub fn needed(engine: &mut Engine, at: usize) {
    let Some(entry) = engine.tables.get(at).filter(|entry| !entry.dated) else { return };
    let Origin::Sqlite(file, table) = &entry.origin else { return };
    let columns = entry.table.columns.iter().zip(&entry.fills);
    let names: Vec<String> = columns.filter(|(_, fill)| **fill == Fill::Text).map(|(c, _)| c.name.clone()).collect();
    let found = match engine.sqlite.get(*file).filter(|_| !names.is_empty()) {
        Some(file) => file.dates(table, &names, ROWS),
        None => Vec::new(),
    };
    let Some(entry) = engine.tables.get_mut(at) else { return };
    entry.dated = true;
    for (name, fill) in names.iter().zip(found) {
        let position = entry.table.columns.iter().position(|c| c.name == *name);
        if let Some((i, fill)) = position.zip(fill)
            && let (Some(old), Some(column)) = (entry.fills.get_mut(i), entry.table.columns.get_mut(i))
        {
            *old = fill;
            column.sql_type = fill.sql();
            column.kind = kind_of(&fill.sql());
            // What was loaded before has it as text.
            entry.loaded = Loaded::Nothing;
        }
    }
}
