//! The tables of all sources, and DuckDB, opened and locked.

use super::answer;
use super::columns::Fill;
use super::counted::Unit;
use super::extension;
use super::postgres::Postgres;
use super::postgres_scanner::Scan;
use super::sandbox::{self, Allowed, Kept};
use super::scanner;
use super::sqlite::Sqlite;
use super::whole::Packed;
use crate::error::{Error, Result};
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::process;
use crate::query::failure;
use crate::query::guard::Named;
use crate::query::protocol::{Limits, Response, Tuning};
use crate::query::schema::{ForeignKey, Kind, Schema, Table};
use crate::query::sources::{Place, Source, free_name};
use duckdb::{Config, Connection};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The extension that has the zones of timestamps.
const ZONES: &str = "icu";
/// Whether DuckDB has it: the source that is compiled in on request comes without.
const ZONES_BUILT_IN: bool = !cfg!(feature = "bundled");

/// DuckDB with the sources in it.
#[derive(Debug)]
pub struct Engine {
    /// DuckDB.
    pub duckdb: Connection,
    /// The tables that may be asked about.
    pub tables: Vec<Entry>,
    /// The references that sources declare.
    pub keys: Vec<ForeignKey>,
    /// The open SQLite files.
    pub sqlite: Vec<Sqlite>,
    /// The names under which DuckDB's extension has them, where it has.
    pub scanned: Vec<Option<String>>,
    /// The servers, connected.
    pub postgres: Vec<Postgres>,
    /// How DuckDB's extension reads large tables of theirs, where it does.
    pub scans: Vec<Option<Scan>>,
    /// The databases in which a table or view has a collation.
    pub collated: BTreeSet<String>,
    /// What views of the sources read and may not be opened by this process: it is to be told to another one.
    pub archives: Vec<PathBuf>,
    /// The compressed files.
    pub packed: Packed,
    /// Numbers that count time stay numbers.
    pub numbers: bool,
}

/// What may be opened beside the sources.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The worker's own folder.
    pub scratch: &'a Path,
    /// A folder for files that a query makes.
    pub output: Option<&'a Path>,
    /// Archives that views of the sources read; nothing where it is not known yet which they are.
    pub archives: Option<&'a [PathBuf]>,
    /// The folder of DuckDB's extensions.
    pub extensions: &'a Path,
}

/// A table of DuckDB.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The attached database.
    pub catalog: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl Target {
    /// By its names, unquoted.
    #[must_use]
    pub fn new(catalog: &str, schema: &str, table: &str) -> Self {
        Target { catalog: catalog.to_owned(), schema: schema.to_owned(), table: table.to_owned() }
    }

    /// Quoted, for SQL.
    #[must_use]
    pub fn sql(&self) -> String {
        format!("{}.{}.{}", quote_ident(&self.catalog), quote_ident(&self.schema), quote_ident(&self.table))
    }

    /// Rows can be appended to it.
    ///
    /// # Errors
    /// A table that is not there.
    pub fn appender<'c>(&self, duckdb: &'c Connection) -> Result<duckdb::Appender<'c>> {
        duckdb
            .appender_to_catalog_and_db(&self.table, &self.catalog, &self.schema)
            .map_err(|e| failure::from_duckdb(&e))
    }
}

/// Where the rows of a table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// DuckDB reads them by itself.
    Native(FileKind),
    /// A SQLite file, by its position, and the table's name there.
    Sqlite(usize, String),
    /// A PostgreSQL server, by its position, and the table's schema and name there.
    Postgres(usize, String, String),
}

/// How much it takes to read a table of DuckDB's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Text: everything is read for whatever is asked.
    Text,
    /// Columns: only what is asked for is read.
    Columns,
}

/// How much of a table is in DuckDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// Nothing.
    Nothing,
    /// These columns.
    Columns(BTreeSet<String>),
    /// What one query needs: these columns of a part of the rows.
    Part(BTreeSet<String>, Rows),
    /// Everything, or it never has to be loaded.
    All,
}

/// Which rows of a table are loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Those that fulfil this condition in the source's SQL; all where there is none.
    pub condition: Option<String>,
    /// The first so many.
    pub most: Option<u64>,
}

impl Rows {
    /// The first so many.
    #[must_use]
    pub fn first(most: u64) -> Self {
        Rows { condition: None, most: Some(most) }
    }

    /// As what follows the table's name.
    #[must_use]
    pub fn sql(&self) -> String {
        let condition = self.condition.as_ref().map(|c| format!(" WHERE {c}")).unwrap_or_default();
        condition + &self.most.map(|n| format!(" LIMIT {n}")).unwrap_or_default()
    }
}

/// A table that may be asked about.
#[derive(Debug)]
pub struct Entry {
    /// What is known about it.
    pub table: Table,
    /// Where it stands in DuckDB.
    pub target: Target,
    /// Where its rows come from.
    pub origin: Origin,
    /// How much of it is there.
    pub loaded: Loaded,
    /// What its columns are filled with; empty where DuckDB reads it by itself.
    pub fills: Vec<Fill>,
    /// What its view selects, where DuckDB reads it by itself.
    pub view: String,
    /// The columns that count time, and in what; nothing where nobody has looked yet.
    pub times: Option<Vec<(String, Unit)>>,
    /// Whether it has been looked for dates in its columns of text.
    pub dated: bool,
}

impl Entry {
    /// Where its rows are found, for SQL: a table of DuckDB's own, or what has made times of its numbers.
    #[must_use]
    pub fn relation(&self) -> String {
        match (&self.origin, &self.times) {
            (Origin::Native(_), Some(times)) if !times.is_empty() => {
                Target::new("memory", "main", &self.table.name).sql()
            }
            _ => self.target.sql(),
        }
    }

    /// Has the columns that count time say so.
    pub fn tell_times(&mut self) {
        for (name, unit) in self.times.iter().flatten() {
            let Some(column) = self.table.columns.iter_mut().find(|c| c.name == *name) else { continue };
            column.sql_type = Fill::Since(*unit).sql();
            column.kind = kind_of(&column.sql_type);
            if column.comment.as_ref().is_some_and(|own| own.ends_with(unit.said())) {
                continue;
            }
            let comment = column.comment.take().map(|own| format!("{own}; ")).unwrap_or_default();
            column.comment = Some(comment + unit.said());
        }
    }

    /// Whether SQL means this table. A name without a schema means the table under the name that `schema` shows; one
    /// with a schema or database means the table in its source.
    #[must_use]
    pub fn is(&self, named: &Named) -> bool {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let here = same(&named.table, &self.target.table) && same(&named.catalog, &self.target.catalog);
        match (named.catalog.as_str(), named.schema.as_str()) {
            ("", "") => same(&named.table, &self.table.name),
            ("", "main") | ("memory", "main" | "") => same(&named.table, &self.table.name),
            // `shop.orders`: DuckDB takes the first part for the database where there is no such schema.
            ("", database) => {
                same(database, &self.target.catalog)
                    && self.target.schema == "main"
                    && same(&named.table, &self.target.table)
            }
            (_, "") => here && self.target.schema == "main",
            (_, schema) => here && same(schema, &self.target.schema),
        }
    }
}

impl Engine {
    /// Opens the sources, gives up everything else, and locks DuckDB, which [`start`] made.
    ///
    /// # Errors
    /// A source that cannot be opened.
    pub fn open(
        duckdb: Connection,
        sources: &[Source],
        limits: &Limits,
        places: &Places<'_>,
        zone: &str,
        tuning: Tuning,
    ) -> Result<Engine> {
        sandbox::limit(limits)?;
        let (mut sqlite, mut postgres) = (Vec::new(), Vec::new());
        for source in sources {
            match &source.place {
                Place::Sqlite(path) => sqlite.push(Sqlite::open(path)?),
                Place::Postgres(url, password) => postgres.push(Postgres::open(url, password.as_deref(), zone)?),
                Place::Files { .. } | Place::DuckDb(_) => {}
            }
        }
        let files: Vec<PathBuf> =
            sources.iter().flat_map(|s| s.place.paths()).flat_map(|p| sandbox::with_journals(p)).collect();
        let write: Vec<PathBuf> = std::iter::once(places.scratch).chain(places.output).map(Path::to_owned).collect();
        let archives = places.archives.unwrap_or_default();
        let large = |s: &Source| matches!(&s.place, Place::Sqlite(path) if scanner::is_large(path));
        let sqlite_scans = sources.iter().any(large) && extension::installed(places.extensions, scanner::SQLITE);
        let mut scans: Vec<Option<Scan>> = Vec::new();
        let postgres_scans = !postgres.is_empty() && extension::installed(places.extensions, scanner::POSTGRES);
        for server in &postgres {
            scans.push(if postgres_scans { Scan::plan(server)? } else { None });
        }
        let scanners: Vec<&str> =
            [(sqlite_scans, scanner::SQLITE), (scans.iter().any(Option::is_some), scanner::POSTGRES)]
                .into_iter()
                .filter_map(|(wanted, name)| wanted.then_some(name))
                .collect();
        let mut loaded: Vec<&str> = Vec::new();
        for name in scanners {
            loaded.extend(extension::load(&duckdb, places.extensions, name)?.then_some(name));
        }
        if !loaded.contains(&scanner::POSTGRES) {
            scans.iter_mut().for_each(|scan| *scan = None);
        }
        let connect: Vec<u16> = scans.iter().flatten().filter_map(|scan| scan.port).collect();
        let zones = ZONES_BUILT_IN
            || extension::installed(places.extensions, ZONES) && extension::load(&duckdb, places.extensions, ZONES)?;
        let read = files.iter().chain(archives).cloned().collect();
        if sandbox::keep_in(&Allowed { read, write, connect })? == Kept::No {
            answer(&Response::Note(
                "note: this kernel has no Landlock; queries are held by the other layers of the guard alone".to_owned(),
            ))?;
        }
        let mut engine = Engine {
            duckdb,
            tables: Vec::new(),
            keys: Vec::new(),
            sqlite,
            scanned: Vec::new(),
            postgres,
            scans: Vec::new(),
            collated: BTreeSet::new(),
            archives: Vec::new(),
            packed: Packed::default(),
            numbers: tuning.numbers,
        };
        engine.limit(limits, places.scratch)?;
        if zones {
            engine.execute(&format!("SET TimeZone = {}", quote_literal(zone)))?;
        } else {
            answer(&Response::Note(format!(
                "note: DuckDB was compiled without time zones: instants are shown in UTC, and what needs a zone fails; \
                 `llmsql extensions install {ZONES}` mends that"
            )))?;
        }
        let (mut next_sqlite, mut next_postgres) = (0, 0);
        for source in sources {
            match &source.place {
                Place::Files { paths, format, one, told } => engine.add_files(source, paths, *format, *one, *told)?,
                Place::DuckDb(path) => engine.add_duckdb(source, path, places.archives)?,
                Place::Sqlite(path) => {
                    engine.add_sqlite(source, next_sqlite)?;
                    let scans = loaded.contains(&scanner::SQLITE) && large(source);
                    let scanned = if scans { scanner::attach(&engine, &source.name, path)? } else { None };
                    engine.scanned.push(scanned);
                    next_sqlite += 1;
                }
                Place::Postgres(..) => {
                    engine.add_postgres(source, next_postgres)?;
                    let mut scan = scans.get_mut(next_postgres).and_then(Option::take);
                    if let (Some(scan), Some(server)) = (&mut scan, engine.postgres.get(next_postgres)) {
                        scan.attach(&engine, &source.name, server)?;
                    }
                    engine.scans.push(scan);
                    next_postgres += 1;
                }
            }
        }
        if tuning.unordered {
            engine.execute("SET preserve_insertion_order = false")?;
        }
        if tuning.profile {
            engine.execute("PRAGMA enable_profiling = 'no_output'")?;
        }
        engine.lock(&files, places)?;
        Ok(engine)
    }

    /// What DuckDB may use; its threads are started here.
    fn limit(&self, limits: &Limits, scratch: &Path) -> Result<()> {
        let Limits { memory, threads, spill } = limits;
        let folder = quote_literal(&scratch.join("spill").to_string_lossy());
        // What stands at a Parquet file's end is read once, not for every statement; what else was read of a file is in the
        // system's cache already.
        let settings = format!(
            "SET memory_limit = '{memory}B'; SET threads = {threads}; SET temp_directory = {folder};
             SET max_temp_directory_size = '{spill}B'; SET parquet_metadata_cache = true; SET enable_external_file_cache = false"
        );
        self.execute(&settings).map_err(|e| {
            Error::failed("query.worker", "DuckDB cannot be started")
                .next("give it more memory (--memory) or fewer threads (--threads)")
                .because(e)
        })
    }

    /// Runs a statement of our own.
    pub(super) fn execute(&self, sql: &str) -> Result<()> {
        self.duckdb.execute_batch(sql).map_err(|e| failure::from_duckdb(&e))
    }

    /// The rows of a statement of our own, each value as text.
    pub(super) fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let read = || -> duckdb::Result<Vec<Vec<Option<String>>>> {
            let mut statement = self.duckdb.prepare(sql)?;
            let mut rows = statement.query([])?;
            let width = rows.as_ref().map_or(0, duckdb::Statement::column_count);
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push((0..width).map(|i| row.get(i)).collect::<duckdb::Result<_>>()?);
            }
            Ok(all)
        };
        read().map_err(|e| failure::from_duckdb(&e))
    }

    /// A database's name for a source: its own, unless DuckDB has it already.
    pub(super) fn catalog(&self, name: &str) -> Result<String> {
        let taken = self.rows("SELECT database_name FROM duckdb_databases()")?;
        let reserved = ["main", "memory", "system", "temp", "pg_catalog", "information_schema"];
        let is_taken = |n: &str| {
            reserved.iter().any(|r| r.eq_ignore_ascii_case(n))
                || taken.iter().flatten().flatten().any(|t| t.eq_ignore_ascii_case(n))
        };
        Ok(if is_taken(name) { free_name(&format!("{name}_db"), is_taken) } else { name.to_owned() })
    }

    /// A table's name among all sources.
    pub(super) fn free(&self, source: &Source, table: &str) -> String {
        let taken = |n: &str| self.tables.iter().any(|t| t.table.name.eq_ignore_ascii_case(n));
        if taken(table) { free_name(&format!("{}_{table}", source.name), taken) } else { table.to_owned() }
    }

    pub(super) fn add_native(&mut self, source: &Source, name: String, target: Target, kind: FileKind, view: String) {
        let table = Table { name, source: source.name.clone(), ..Table::default() };
        let (origin, fills) = (Origin::Native(kind), Vec::new());
        self.tables.push(Entry { table, target, origin, loaded: Loaded::All, fills, view, times: None, dated: true });
    }

    /// From here on nothing but the sources' files can be opened, and no setting changed.
    fn lock(&self, files: &[PathBuf], places: &Places<'_>) -> Result<()> {
        let list = |paths: Vec<&Path>| {
            paths.into_iter().map(|p| quote_literal(&p.to_string_lossy())).collect::<Vec<_>>().join(", ")
        };
        let archives = places.archives.unwrap_or_default().iter().map(PathBuf::as_path);
        let (folders, archived): (Vec<&Path>, Vec<&Path>) = archives.partition(|p| p.is_dir());
        let paths = files.iter().map(PathBuf::as_path).chain(archived).collect();
        let mut settings = format!("SET allowed_paths = [{}];", list(paths));
        let folders: Vec<&Path> = folders.into_iter().chain(places.output).collect();
        if !folders.is_empty() {
            settings += &format!("SET allowed_directories = [{}];", list(folders));
        }
        settings += "SET enable_external_access = false; SET lock_configuration = true;";
        self.execute(&settings)
    }

    /// The tables and columns, and the declared keys.
    #[must_use]
    pub fn schema(&self) -> Schema {
        Schema { tables: self.tables.iter().map(|e| e.table.clone()).collect(), keys: self.keys.clone() }
    }

    /// What DuckDB's memory is used for.
    ///
    /// # Errors
    /// Those of asking.
    pub fn memory(&self) -> Result<Vec<(String, u64, u64)>> {
        let rows = self.rows("SELECT tag, memory_usage_bytes::VARCHAR, temporary_storage_bytes::VARCHAR FROM duckdb_memory() ORDER BY memory_usage_bytes DESC, tag")?;
        let number = |v: &Option<String>| v.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
        Ok(rows
            .iter()
            .filter_map(|row| match row.as_slice() {
                [Some(tag), memory, disk] => Some((tag.clone(), number(memory), number(disk))),
                _ => None,
            })
            .collect())
    }
}

/// Starts DuckDB with a single thread, this one, so that it can be kept in after that: what it needs of the host is read by
/// then, and the threads that it starts when it is told its limits are kept in as well.
///
/// # Errors
/// A DuckDB that does not start, or has a thread of its own already.
pub fn start() -> Result<Connection> {
    let config = || -> duckdb::Result<Config> {
        Config::default()
            .threads(1)?
            .enable_autoload_extension(false)?
            .with("autoinstall_known_extensions", "false")?
            .with("allow_community_extensions", "false")
    };
    let wrong = |why: String| Error::failed("query.worker", "DuckDB cannot be started").because(why);
    let duckdb = config().and_then(Connection::open_in_memory_with_flags);
    let duckdb = duckdb.map_err(|e| wrong(failure::from_duckdb(&e).what))?;
    match process::threads() {
        Some(1) => Ok(duckdb),
        Some(_) => Err(wrong("it has threads that the sandbox would not hold".to_owned())),
        None => Err(wrong("/proc does not tell whether it has threads that the sandbox would not hold".to_owned())
            .next("mount /proc")),
    }
}

/// What a type is to a question.
#[must_use]
pub fn kind_of(sql_type: &str) -> Kind {
    let base = sql_type.split('(').next().unwrap_or(sql_type);
    if sql_type.ends_with(']')
        || sql_type.starts_with("STRUCT")
        || sql_type.starts_with("MAP")
        || sql_type.starts_with("UNION")
    {
        return Kind::Other;
    }
    match base {
        "VARCHAR" | "UUID" | "ENUM" => Kind::Text,
        "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" | "HUGEINT" | "UTINYINT" | "USMALLINT" | "UINTEGER"
        | "UBIGINT" | "UHUGEINT" => Kind::Integer,
        "FLOAT" | "DOUBLE" | "DECIMAL" => Kind::Float,
        "BOOLEAN" => Kind::Boolean,
        "DATE" => Kind::Date,
        "TIME" | "TIME WITH TIME ZONE" => Kind::Time,
        t if t.starts_with("TIMESTAMP") => Kind::Timestamp,
        _ => Kind::Other,
    }
}
