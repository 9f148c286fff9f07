//! The tables of databases: DuckDB's own files, SQLite's, and those of PostgreSQL servers.

use super::answer;
use super::catalogue::{Engine, Entry, FileKind, Loaded, Origin, Target, kind_of};
use super::columns::Fill;
use super::counted;
use crate::error::Result;
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::query::export::archives;
use crate::query::protocol::Response;
use crate::query::schema::{Column, ForeignKey, Table};
use crate::query::sources::Source;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

impl Engine {
    pub(super) fn add_duckdb(&mut self, source: &Source, path: &Path, granted: Option<&[PathBuf]>) -> Result<()> {
        let catalog = &self.catalog(&source.name)?;
        let shown = path.display();
        let attach =
            format!("ATTACH {} AS {} (READ_ONLY)", quote_literal(&path.to_string_lossy()), quote_ident(catalog));
        self.execute(&attach).map_err(|e| e.at(&shown))?;
        let sql = format!(
            "SELECT schema_name, table_name, NULL, (sql ILIKE '%collate%')::VARCHAR FROM duckdb_tables() WHERE database_name = {0} AND NOT internal
             UNION ALL SELECT schema_name, view_name, sql, (sql ILIKE '%collate%')::VARCHAR FROM duckdb_views() WHERE database_name = {0} AND NOT internal
             ORDER BY ALL",
            quote_literal(catalog)
        );
        let rows = self.rows(&sql)?;
        if rows.iter().any(|row| row.get(3).is_none_or(|collated| collated.as_deref() != Some("false"))) {
            self.collated.insert(catalog.clone());
        }
        let read = |row: &[Option<String>]| row.get(2).and_then(Option::as_deref).map_or_else(Vec::new, archives);
        let wanted: Vec<PathBuf> = rows.iter().flat_map(|row| read(row)).collect();
        if granted.is_none() && !wanted.is_empty() {
            self.archives.extend(wanted);
            return Ok(());
        }
        for row in rows {
            let [Some(schema), Some(table), ..] = row.as_slice() else { continue };
            let missing = read(&row).into_iter().find(|p| !granted.unwrap_or_default().contains(p));
            if let Some(missing) = missing {
                answer(&Response::Note(format!(
                    "note: {shown}: the view {table} is left out: {} is no Parquet file and no export, or is gone",
                    missing.display()
                )))?;
                continue;
            }
            let name = self.free(source, table);
            let target = Target::new(catalog, schema, table);
            // A view may name files that are not there, which is no reason to leave out the rest.
            let view = format!("SELECT * FROM {}", target.sql());
            let expose = format!("CREATE VIEW memory.main.{} AS {view}", quote_ident(&name));
            match self.execute(&expose) {
                Ok(()) => self.add_native(source, name, target, FileKind::Columns, view),
                Err(e) => answer(&Response::Note(format!("note: {shown}: the view {table} is left out: {e}")))?,
            }
        }
        self.duckdb_keys(catalog)
    }

    fn duckdb_keys(&mut self, catalog: &str) -> Result<()> {
        let sql = format!(
            "SELECT schema_name, table_name, constraint_type, to_json(constraint_column_names), referenced_table,
                    to_json(referenced_column_names)
             FROM duckdb_constraints() WHERE database_name = {} AND constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY')",
            quote_literal(catalog)
        );
        for row in self.rows(&sql)? {
            let [Some(schema), Some(table), Some(kind), Some(columns), to_table, to_columns] = row.as_slice() else {
                continue;
            };
            let list = |json: &str| serde_json::from_str::<Vec<String>>(json).unwrap_or_default();
            let exposed = |t: &str| {
                let target = Target::new(catalog, schema, t);
                self.tables.iter().position(|e| e.target == target)
            };
            let Some(at) = exposed(table) else { continue };
            if kind == "PRIMARY KEY" {
                if let Some(entry) = self.tables.get_mut(at) {
                    entry.table.primary_key = list(columns);
                    entry.table.key_declared = true;
                }
            } else if let (Some(to), Some(to_columns)) = (to_table, to_columns)
                && let Some(to) = exposed(to).and_then(|i| self.tables.get(i))
                && let Some(from) = self.tables.get(at)
            {
                let key = ForeignKey {
                    table: from.table.name.clone(),
                    columns: list(columns),
                    to_table: to.table.name.clone(),
                    to_columns: list(to_columns),
                    declared: true,
                };
                self.keys.push(key);
            }
        }
        Ok(())
    }

    /// Finds the columns of DuckDB's own tables, which a query that names them does without.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub fn describe(&mut self) -> Result<()> {
        let mut known = self.columns()?;
        let mut tables = std::mem::take(&mut self.tables);
        for mut entry in tables.drain(..) {
            if let Some(columns) = known.remove(&entry.target).filter(|_| entry.table.columns.is_empty()) {
                entry.table.columns = columns;
            } else if entry.table.columns.is_empty() {
                match self.rows(&format!("DESCRIBE SELECT * FROM {}", entry.target.sql())) {
                    Ok(rows) => {
                        entry.table.columns = rows.into_iter().filter_map(|row| column(row.into_iter())).collect()
                    }
                    Err(e) if entry.target.catalog == "memory" => return Err(e.at(&entry.table.name)),
                    // A view of a DuckDB file that cannot be read is no reason to leave out the rest.
                    Err(e) => {
                        let (name, source) = (&entry.table.name, &entry.table.source);
                        answer(&Response::Note(format!("note: {source}: the view {name} is left out: {}", e.what)))?;
                        continue;
                    }
                }
            }
            // Where a query was before, they are known already.
            entry.tell_times();
            self.tables.push(entry);
        }
        for at in 0..self.tables.len() {
            counted::settle(self, at);
        }
        Ok(())
    }

    /// The columns of the tables of DuckDB files, in one statement; those of views are not known until one is planned.
    fn columns(&self) -> Result<HashMap<Target, Vec<Column>>> {
        let files =
            self.tables.iter().filter(|e| matches!(e.origin, Origin::Native(_)) && e.target.catalog != "memory");
        let files: BTreeSet<String> = files.map(|e| quote_literal(&e.target.catalog)).collect();
        let mut known: HashMap<Target, Vec<Column>> = HashMap::new();
        if files.is_empty() {
            return Ok(known);
        }
        let sql = format!(
            "SELECT database_name, schema_name, table_name, column_name, data_type FROM duckdb_columns()
             SEMI JOIN duckdb_tables() USING (database_oid, schema_oid, table_oid)
             WHERE database_name IN ({}) ORDER BY database_name, schema_name, table_name, column_index",
            files.into_iter().collect::<Vec<_>>().join(", ")
        );
        for row in self.rows(&sql)? {
            let [Some(catalog), Some(schema), Some(table), ..] = row.as_slice() else { continue };
            let target = Target::new(catalog, schema, table);
            known.entry(target).or_default().extend(column(row.into_iter().skip(3)));
        }
        Ok(known)
    }

    pub(super) fn add_sqlite(&mut self, source: &Source, at: usize) -> Result<()> {
        let catalog = &self.catalog(&source.name)?;
        self.execute(&format!("ATTACH ':memory:' AS {}", quote_ident(catalog)))?;
        let Some(file) = self.sqlite.get(at) else { return Ok(()) };
        let declared = file.tables()?;
        let mut keys = Vec::new();
        let mut names: Vec<(String, String)> = Vec::new();
        for table in &declared {
            keys.extend(file.keys(&table.name)?);
        }
        for table in declared {
            let name = self.free(source, &table.name);
            names.push((table.name.to_lowercase(), name.clone()));
            let fills: Vec<Fill> = table.columns.iter().map(|c| c.fill).collect();
            let columns = table.columns.into_iter().map(|c| Column {
                name: c.name,
                kind: kind_of(&c.fill.sql()),
                sql_type: c.fill.sql(),
                nullable: c.nullable,
                ..Column::default()
            });
            let entry = Table {
                name,
                source: source.name.clone(),
                columns: columns.collect(),
                key_declared: !table.primary_key.is_empty(),
                primary_key: table.primary_key,
                ..Table::default()
            };
            self.tables.push(Entry {
                table: entry,
                target: Target::new(catalog, "main", &table.name),
                origin: Origin::Sqlite(at, table.name),
                loaded: Loaded::Nothing,
                fills,
                view: String::new(),
                times: None,
                dated: false,
            });
        }
        let exposed = |table: &str| names.iter().find(|(n, _)| *n == table.to_lowercase()).map(|(_, e)| e.clone());
        for key in keys {
            if let (Some(table), Some(to_table)) = (exposed(&key.table), exposed(&key.to_table)) {
                self.keys.push(ForeignKey { table, to_table, ..key });
            }
        }
        Ok(())
    }

    pub(super) fn add_postgres(&mut self, source: &Source, at: usize) -> Result<()> {
        let catalog = &self.catalog(&source.name)?;
        self.execute(&format!("ATTACH ':memory:' AS {}", quote_ident(catalog)))?;
        let Some(server) = self.postgres.get_mut(at) else { return Ok(()) };
        let (described, keys) = (std::mem::take(&mut server.tables), server.keys()?);
        let mut names: Vec<((String, String), String)> = Vec::new();
        for table in described {
            let create = format!("CREATE SCHEMA IF NOT EXISTS {}.{}", quote_ident(catalog), quote_ident(&table.schema));
            self.execute(&create)?;
            let original = (table.schema.clone(), table.table.name.clone());
            let name = self.free(source, &original.1);
            names.push((original.clone(), name.clone()));
            let primary = keys.iter().find(|k| k.table == original && k.to.is_none());
            let entry = Table {
                name,
                source: source.name.clone(),
                key_declared: primary.is_some(),
                primary_key: primary.map(|k| k.columns.clone()).unwrap_or_default(),
                ..table.table
            };
            self.tables.push(Entry {
                table: entry,
                target: Target::new(catalog, &original.0, &original.1),
                origin: Origin::Postgres(at, original.0, original.1),
                loaded: Loaded::Nothing,
                fills: table.fills,
                view: String::new(),
                times: None,
                dated: false,
            });
        }
        let exposed = |table: &(String, String)| names.iter().find(|(n, _)| n == table).map(|(_, e)| e.clone());
        self.keys.extend(keys.iter().filter_map(|key| key.reference(exposed)));
        Ok(())
    }
}

/// A name and a type, as DESCRIBE has them first.
pub(super) fn column(mut row: impl Iterator<Item = Option<String>>) -> Option<Column> {
    let (name, sql_type) = (row.next()??, row.next()??);
    Some(Column { name, kind: kind_of(&sql_type), sql_type, nullable: true, ..Column::default() })
}
