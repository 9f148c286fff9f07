//! Files as tables of DuckDB: one table or several, and how each is to be read.

use super::access::{self, Logs};
use super::answer;
use super::catalogue::{Engine, FileKind, Target};
use super::{csv, times};
use crate::error::Result;
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::query::protocol::Response;
use crate::query::sources::{FileFormat, LOOKED_INTO, Source, Told, stem};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

impl Engine {
    pub(super) fn add_files(
        &mut self,
        source: &Source,
        paths: &[PathBuf],
        format: FileFormat,
        one: bool,
        told: Told,
    ) -> Result<()> {
        if one || paths.len() < 2 || self.alike(paths, format)? {
            return self.add_file(source, &source.name, paths, format, told);
        }
        for path in paths {
            self.add_file(source, &stem(path), std::slice::from_ref(path), format, told)?;
        }
        Ok(())
    }

    /// Whether files of a folder have the same columns, judged by some of them.
    fn alike(&self, paths: &[PathBuf], format: FileFormat) -> Result<bool> {
        let step = paths.len().div_ceil(LOOKED_INTO).max(1);
        let mut first: Option<BTreeSet<String>> = None;
        for path in paths.iter().step_by(step) {
            let columns = self.rows(&format!("DESCRIBE SELECT * FROM {}", reader(std::slice::from_ref(path), format)));
            let columns = columns.map_err(|e| e.at(path.display()))?;
            let names: BTreeSet<String> = columns.into_iter().filter_map(|r| r.into_iter().next().flatten()).collect();
            match &first {
                None => first = Some(names),
                // Of JSON, values may be missing.
                Some(have) if format == FileFormat::Json && (have.is_subset(&names) || names.is_subset(have)) => {}
                Some(have) if *have != names => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(true)
    }

    fn add_file(
        &mut self,
        source: &Source,
        name: &str,
        paths: &[PathBuf],
        format: FileFormat,
        told: Told,
    ) -> Result<()> {
        let found = match (paths, format) {
            (_, FileFormat::Csv) if let Some(logs) = access::among(self, paths) => {
                return self.add_logs(source, name, &logs);
            }
            ([only], FileFormat::Csv) => csv::reader(self, only, told)?.map(|from| ("*".to_owned(), from)),
            ([first, ..], FileFormat::Json) => times::columns(first).map(|columns| (columns, reader(paths, format))),
            _ => None,
        };
        self.add_view(source, name, paths, format, found)
    }

    /// Access logs as one table; of what stands beside them the lines, by the files' names.
    fn add_logs(&mut self, source: &Source, name: &str, logs: &Logs) -> Result<()> {
        if logs.mixed {
            answer(&Response::Note(format!(
                "note: {}: lines that are no access log's stand in the column \"unparsed\"",
                source.place.shown()
            )))?;
        }
        self.add_view(source, name, &logs.logs, FileFormat::Csv, Some(access::columns(&logs.logs)))?;
        let mut others: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for path in &logs.others {
            others.entry(stem(path)).or_default().push(path.clone());
        }
        for (name, paths) in others {
            let from = csv::lines(&paths);
            self.add_view(source, &name, &paths, FileFormat::Csv, Some(("*".to_owned(), from)))?;
            let name = self.tables.last().map_or(name.as_str(), |t| t.table.name.as_str());
            for path in paths {
                answer(&Response::Note(format!(
                    "note: {}: is no access log as others are; its lines are in the table \"{name}\"",
                    path.display()
                )))?;
            }
        }
        Ok(())
    }

    fn add_view(
        &mut self,
        source: &Source,
        name: &str,
        paths: &[PathBuf],
        format: FileFormat,
        found: Option<(String, String)>,
    ) -> Result<()> {
        let name = self.free(source, name);
        let shown = source.place.shown();
        let create = |(columns, from): (String, String)| {
            let view = format!("SELECT {columns} FROM {from}");
            self.execute(&format!("CREATE VIEW memory.main.{} AS {view}", quote_ident(&name))).map(|()| view)
        };
        // Where DuckDB does not take what was found out, it is left to find it out each time.
        let view = match found.and_then(|found| create(found).ok()) {
            Some(view) => view,
            None => create(("*".to_owned(), reader(paths, format))).map_err(|e| e.at(&shown))?,
        };
        self.packed.add(&name, paths);
        let kind = if format == FileFormat::Parquet { FileKind::Columns } else { FileKind::Text };
        self.add_native(source, name.clone(), Target::new("memory", "main", &name), kind, view);
        Ok(())
    }
}

/// The table function that reads files.
fn reader(paths: &[PathBuf], format: FileFormat) -> String {
    let list: Vec<String> = paths.iter().map(|p| quote_literal(&p.to_string_lossy())).collect();
    let (function, several) = match format {
        FileFormat::Csv => ("read_csv", ", union_by_name = true"),
        FileFormat::Json => ("read_json", ", union_by_name = true"),
        FileFormat::Parquet => ("read_parquet", ", union_by_name = true"),
    };
    format!("{function}([{}]{})", list.join(", "), if paths.len() > 1 { several } else { "" })
}
