//! `llmsql index list|plan|rebuild|recall`.

mod history;
pub mod list;
pub mod plan;
pub mod rebuild;
pub mod recall;

use super::Global;
use super::connection::ConnectionArgs;
use crate::error::{Error, Exit, Result};
use crate::index::catalogue::{self, Leftover, Server, VectorIndex};
use crate::index::obstacles::unreadable;
use crate::index::plan::{Host, Wish};
use crate::index::rule::Rule;
use crate::output::{self, Format};
use crate::postgres::connect::{RowExt, Session, is_sqlstate, quote_ident};
use crate::postgres::conninfo::Conninfo;
use crate::root::Root;
use crate::units;
use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use tokio_postgres::error::SqlState;

/// What to do with vector indexes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every ivfflat and hnsw index: rows, lists it has and should have, probes, size, last build, last verdict
    ///
    /// HAS is what the index was built with, from its pages or our note in its comment; SET what the next build would
    /// use; SHOULD what the rule asks for on that many rows, within the memory allowed (hnsw: m/ef_construction). PROBES
    /// are those in force (hnsw: ef_search).
    #[command(after_help = "Examples:\n  llmsql index list\n  llmsql index list --dsn service=shop --format json\n  \
                      llmsql index list --all-databases\n  llmsql index list --history public.docs_idx")]
    List(list::Arguments),
    /// Say for each index whether to rebuild it and why, what that takes, and what stands in its way
    ///
    /// Changes nothing. The drift is read from the index's pages, which takes a superuser and the extension pageinspect;
    /// without them, growth and the number of lists still speak.
    #[command(after_help = "Examples:\n  llmsql index plan\n  llmsql index plan --table public.docs --count\n  \
                      llmsql index plan --memory 2GB --rule pgvector\n  llmsql index plan --detailed-exitcode || echo due")]
    Plan(plan::Arguments),
    /// Rebuild indexes while queries go on using them
    ///
    /// Sets the lists that the rows ask for and runs REINDEX CONCURRENTLY on a connection of its own; queries use the
    /// old index until the new one is valid. When it fails, or on Ctrl-C, what it left is dropped and the old lists are
    /// put back; a second Ctrl-C ends at once, and the next run cleans up. It says one line on stdout for each index
    /// rebuilt and none where nothing was to be done.
    #[command(
        after_help = "Examples:\n  llmsql index rebuild public.docs_idx --dry-run\n  llmsql index rebuild --table docs --set-probes database\n  \
                      llmsql index rebuild docs_idx --method swap --opclass vector_ip_ops\n\nFrom cron, every night:\n  \
                      llmsql index rebuild --all --if-needed --window 01:00-05:00 \\\n      --textfile /var/lib/node_exporter/llmsql_index.prom"
    )]
    Rebuild(Box<rebuild::Arguments>),
    /// Measure how many of the nearest rows queries find, and find the smallest probes for a target
    ///
    /// Asks for rows of the table itself, exactly and by the index, with ever more probes (hnsw: ef_search). Ends with 1
    /// where no number of probes reaches the target.
    #[command(
        after_help = "Examples:\n  llmsql index recall docs_idx\n  llmsql index recall docs_idx --target 0.95\n  \
                      llmsql index recall --table docs --queries 200 --nearest 20"
    )]
    Recall(recall::Arguments),
}

/// Which databases.
#[derive(Debug, Clone, Args)]
pub struct Databases {
    /// Server to talk to.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// A database, instead of the connection's own; may be given several times
    #[arg(long = "database", value_name = "NAME")]
    pub names: Vec<String>,
    /// Every database that pgvector is installed in
    #[arg(long, conflicts_with = "names")]
    pub all_databases: bool,
}

/// Which indexes.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// An index: name or schema.name; may be given several times
    #[arg(value_name = "INDEX")]
    pub indexes: Vec<String>,
    /// The indexes of a table: name or schema.name
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// The indexes of a schema
    #[arg(long, value_name = "SCHEMA")]
    pub schema: Option<String>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.indexes.is_empty() && self.table.is_none() && self.schema.is_none()
    }

    /// Whether it takes the index. A partitioned index stands for its parts.
    fn takes(&self, index: &VectorIndex) -> bool {
        let named = |wanted: &str, name: &str| wanted == name || wanted == format!("{}.{name}", index.schema);
        (self.indexes.is_empty()
            || self
                .indexes
                .iter()
                .any(|i| named(i, &index.name) || index.parent.as_deref().is_some_and(|parent| named(i, parent))))
            && self.table.as_deref().is_none_or(|t| named(t, &index.table))
            && self.schema.as_deref().is_none_or(|s| s == index.schema)
    }
}

/// How the lists are chosen.
#[derive(Debug, Clone, Args)]
pub struct Sizing {
    /// The rule for the number of lists
    #[arg(long, value_enum, default_value_t)]
    pub rule: Rule,
    /// Memory the builds may use together, as in 2GB [default: a part of this host's or the server's]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    pub memory: Option<u64>,
}

/// Other options for hnsw.
#[derive(Debug, Clone, Default, Args)]
pub struct Graph {
    /// hnsw: connections a layer (2 to 100)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100))]
    pub m: Option<u32>,
    /// hnsw: candidates while building (4 to 1000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub ef_construction: Option<u32>,
}

/// What plans depend on, on this host.
fn wish(sizing: &Sizing, graph: &Graph, jobs: u32) -> Wish {
    let options = [("m", graph.m), ("ef_construction", graph.ef_construction)];
    Wish {
        rule: sizing.rule,
        memory: sizing.memory,
        jobs,
        hnsw: options.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_string()))).collect(),
        host: Host::read(&Root::live()),
    }
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// Those of connecting; what fails for one index of several is in the result, and in the exit code.
    pub fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::List(arguments) => arguments.run(global),
            Command::Plan(arguments) => arguments.run(global),
            Command::Rebuild(arguments) => arguments.run(global),
            Command::Recall(arguments) => arguments.run(global),
        }
    }
}

/// A database to work in.
struct Database {
    info: Conninfo,
    session: Session,
    server: Server,
    indexes: Vec<VectorIndex>,
    leftovers: Vec<Leftover>,
}

impl Database {
    /// What the history calls it: by its own identity, else by how it was reached.
    fn place(&self) -> String {
        let reached = || format!("{}/{}", self.session.server(), self.server.database);
        self.server.identity.clone().unwrap_or_else(reached)
    }

    /// The indexes a selection takes.
    fn select<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = &'a VectorIndex> {
        self.indexes.iter().filter(|index| selection.takes(index))
    }
}

/// The databases of a run, and what could not be looked at.
struct Opened {
    databases: Vec<Database>,
    failures: Vec<Failure>,
    /// How many databases were asked for.
    wanted: usize,
}

/// A database or an index of several that could not be looked at; the others are.
struct Failure {
    database: String,
    index: Option<String>,
    error: Error,
}

impl Failure {
    fn of(database: &Database, index: &VectorIndex, error: Error) -> Self {
        let error = unreadable(error, &database.session, index, false);
        Failure { database: database.server.database.clone(), index: Some(index.label()), error }
    }

    fn document(&self) -> serde_json::Value {
        serde_json::json!({
            "database": self.database,
            "index": self.index,
            "code": self.error.code,
            "error": self.error.to_string(),
            "next": self.error.next,
            "exit": self.error.exit.code(),
        })
    }
}

/// What could not be looked at, for machines.
fn documents(failures: &[Failure]) -> Vec<serde_json::Value> {
    failures.iter().map(Failure::document).collect()
}

/// Names what could not be looked at, and counts the databases among them.
fn show(failures: &[Failure], wanted: usize) {
    failures.iter().for_each(|f| output::error(&f.error, Format::Table));
    let databases = failures.iter().filter(|f| f.index.is_none()).count();
    if databases > 0 {
        output::note(&format!("{databases} of {wanted} databases could not be looked at"));
    }
}

/// The exit code of a whole run: the gravest of its parts.
fn worst(codes: impl IntoIterator<Item = u8>) -> Exit {
    let codes: Vec<u8> = codes.into_iter().filter(|code| *code != Exit::Done.code()).collect();
    [Exit::Interrupted, Exit::Terminated, Exit::Failed, Exit::Precondition, Exit::Locked, Exit::Usage]
        .into_iter()
        .find(|exit| codes.contains(&exit.code()))
        .unwrap_or(if codes.is_empty() { Exit::Done } else { Exit::Failed })
}

impl Databases {
    /// Opens each and finds its indexes, of which the selection must take some where it names any. What refuses, one of
    /// several, is a failure beside the others.
    async fn open(&self, selection: &Selection) -> Result<Opened> {
        let info = self.connection.conninfo()?;
        let names = match self.all_databases {
            true => all_databases(&info).await?,
            false if self.names.is_empty() => vec![Ok(info.dbname.clone())],
            false => self.names.iter().cloned().map(Ok).collect(),
        };
        let mut out = Opened { databases: Vec::new(), failures: Vec::new(), wanted: names.len() };
        for name in names {
            let (database, opened) = match name {
                Ok(dbname) => (dbname.clone(), self.open_one(Conninfo { dbname, ..info.clone() }).await),
                Err((dbname, refusal)) => (dbname, Err(refusal)),
            };
            match opened {
                Ok(opened) => out.databases.extend(opened),
                Err(error) if out.wanted == 1 => return Err(error),
                Err(error) => out.failures.push(Failure { database, index: None, error }),
            }
        }
        if out.failures.is_empty() {
            nothing_selected(&out.databases, selection)?;
        }
        Ok(out)
    }

    /// Opens one; `None` where pgvector need not be installed, and is not.
    async fn open_one(&self, info: Conninfo) -> Result<Option<Database>> {
        let session = Session::open(&info).await?;
        let server = catalogue::server(&session).await?;
        if server.pgvector.is_some() {
            let (indexes, leftovers) = catalogue::indexes(&session).await?;
            return Ok(Some(Database { info, session, server, indexes, leftovers }));
        }
        if self.all_databases {
            return Ok(None);
        }
        Err(Error::new(Exit::Precondition, "index.pgvector", "pgvector is not installed in this database")
            .at(session.place())
            .next("name another database, or CREATE EXTENSION vector"))
    }
}

/// The names of all databases; with an error those that this role may not connect to.
async fn all_databases(info: &Conninfo) -> Result<Vec<Result<String, (String, Error)>>> {
    let session = match Session::open(info).await {
        // Which database leads to the others does not matter; by default it is the one with the role's name.
        Err(e) if is_sqlstate(&e, &SqlState::INVALID_CATALOG_NAME) => {
            let usual = Conninfo { dbname: "postgres".to_owned(), ..info.clone() };
            Session::open(&usual).await.map_err(|_| e)?
        }
        opened => opened?,
    };
    let sql = "SELECT datname::text AS name, has_database_privilege(oid, 'CONNECT') AS may FROM pg_database \
               WHERE datallowconn AND NOT datistemplate ORDER BY 1";
    let rows = session.under(&[], session.query(sql, &[])).await?;
    let name = |row: &tokio_postgres::Row| {
        let (name, may): (String, bool) = (row.value("name")?, row.value("may")?);
        if may {
            return Ok(Ok(name));
        }
        let user = session.user();
        let refusal = Error::new(Exit::Precondition, "index.connect", format!("role {user} may not connect"))
            .at(format!("{}/{name}", session.server()))
            .next(format!("GRANT CONNECT ON DATABASE {} TO {}", quote_ident(&name), quote_ident(user)));
        Ok(Err((name, refusal)))
    };
    rows.iter().map(name).collect()
}

fn nothing_selected(databases: &[Database], selection: &Selection) -> Result<()> {
    if selection.is_empty() || databases.iter().any(|d| d.select(selection).next().is_some()) {
        return Ok(());
    }
    let known: Vec<String> = databases.iter().flat_map(|d| d.indexes.iter().map(VectorIndex::label)).collect();
    let next = if known.is_empty() {
        "there is none in this database".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    Err(Error::usage("index.unknown", "no vector index is selected").at("index").next(next))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}
