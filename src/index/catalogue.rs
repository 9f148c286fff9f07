//! The vector indexes of a database, and what of the server matters to them.

use super::note::Note;
use super::rebuild::{OLD_SUFFIX, SWAP_SUFFIX};
use super::{DEFAULT_EF_CONSTRUCTION, DEFAULT_EF_SEARCH, DEFAULT_LISTS, DEFAULT_M, Element, Method, Metric};
use crate::error::{Error, Exit, Result};
use crate::postgres::connect::{RowExt, Session, quote_ident, server_error};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// One index.
#[derive(Debug, Clone, Serialize)]
pub struct VectorIndex {
    /// Its OID now; a rebuild gives it another.
    pub oid: u32,
    /// Schema of index and table.
    pub schema: String,
    /// Name.
    pub name: String,
    /// The table's OID.
    pub table_oid: u32,
    /// The table.
    pub table: String,
    /// How it finds its way.
    pub method: Method,
    /// Whether it is the parent of partitions' indexes and holds nothing itself.
    pub partitioned: bool,
    /// The parent index, where it is a partition's.
    pub parent: Option<String>,
    /// Type of the indexed value.
    pub element: Element,
    /// Its dimensions.
    pub dimensions: u32,
    /// What near means.
    pub metric: Metric,
    /// The operator class.
    pub opclass: String,
    /// Schema of the extension.
    #[serde(skip)]
    pub extension_schema: String,
    /// The indexed column or expression, as SQL.
    pub expression: String,
    /// The condition of a partial index, as SQL.
    pub predicate: Option<String>,
    /// `lists`, `m`, `ef_construction` as set (reloptions); what a build would use, not what the index was built with.
    pub options: BTreeMap<String, String>,
    /// Whether queries may use it.
    pub valid: bool,
    /// Bytes on disk.
    pub bytes: u64,
    /// The whole comment.
    pub comment: Option<String>,
    /// What we noted in it.
    pub note: Note,
    /// The statement that would create it.
    pub definition: String,
    /// Owner of the table.
    pub owner: String,
    /// Whether this session's role may act as the owner.
    pub may_alter: bool,
    /// Pages of the table.
    #[serde(skip)]
    pub heap_blocks: u64,
    /// The planner's estimate of the table's rows; `None` when never analysed.
    pub estimated_rows: Option<f64>,
    /// Rows changed since ANALYZE.
    pub modified: u64,
    /// Dead rows that VACUUM has not removed.
    pub dead: u64,
    /// Rows inserted since VACUUM.
    #[serde(skip)]
    pub inserted: u64,
    /// Share of NULLs in the column, where statistics may be read.
    #[serde(skip)]
    pub null_share: Option<f64>,
    /// The server's own estimate of the rows that the index holds.
    #[serde(skip)]
    pub index_rows: f64,
    /// A function that the index calls and whose owner this session's role has no reason to trust: reading the rows by
    /// the index's expression would run that owner's code with this role's rights. REINDEX runs it as the table's owner.
    pub foreign_code: Option<String>,
    /// Its tablespace, where it is not the database's own.
    pub tablespace: Option<String>,
    /// Folder of that tablespace.
    #[serde(skip)]
    pub tablespace_folder: Option<String>,
}

impl VectorIndex {
    /// Whether it is the index of that name, whatever has become of it since.
    #[must_use]
    pub fn is(&self, other: &VectorIndex) -> bool {
        (&self.schema, &self.name) == (&other.schema, &other.name)
    }

    /// `"schema"."name"`.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }

    /// `"schema"."table"`.
    #[must_use]
    pub fn quoted_table(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.table))
    }

    /// `schema.name`, for people.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Whether enough has changed since VACUUM and ANALYZE that they are worth their time after a rebuild: a hundredth
    /// of the rows, or statistics that never were.
    #[must_use]
    pub fn wants_vacuum(&self) -> bool {
        let changed = self.modified.max(self.dead).max(self.inserted) as f64;
        self.estimated_rows.is_none_or(|rows| changed > rows / 100.0)
    }

    /// The number an option is set to.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<u32> {
        self.options.get(name)?.parse().ok()
    }

    /// The lists a build would use now.
    #[must_use]
    pub fn configured_lists(&self) -> u32 {
        self.option("lists").unwrap_or(DEFAULT_LISTS)
    }

    /// `m` and `ef_construction` that a build would use (hnsw), after these changes of its options.
    #[must_use]
    pub fn graph(&self, changes: &BTreeMap<String, String>) -> (u32, u32) {
        let option = |name, default| {
            let change = changes.get(name).and_then(|value| value.parse().ok());
            change.or_else(|| self.option(name)).unwrap_or(default)
        };
        (option("m", DEFAULT_M), option("ef_construction", DEFAULT_EF_CONSTRUCTION))
    }

    /// `WHERE` for the rows that the index holds.
    #[must_use]
    pub fn condition(&self) -> String {
        match &self.predicate {
            Some(predicate) => format!("({predicate}) AND ({}) IS NOT NULL", self.expression),
            None => format!("({}) IS NOT NULL", self.expression),
        }
    }

    /// The operator that queries order by, with its schema.
    #[must_use]
    pub fn operator(&self) -> String {
        format!("OPERATOR({}.{})", quote_ident(&self.extension_schema), self.metric.operator())
    }

    /// The value's type as SQL, with its schema.
    #[must_use]
    pub fn type_sql(&self) -> String {
        let schema = quote_ident(&self.extension_schema);
        match self.element {
            Element::Vector => format!("{schema}.vector({})", self.dimensions),
            Element::Halfvec => format!("{schema}.halfvec({})", self.dimensions),
            Element::Sparsevec => format!("{schema}.sparsevec({})", self.dimensions),
            Element::Bit => format!("bit({})", self.dimensions),
        }
    }
}

/// What is left of a rebuild that failed: an index named after one that is there. PostgreSQL's are invalid; those of a
/// swap may be valid.
#[derive(Debug, Clone, Serialize)]
pub struct Leftover {
    /// Its OID.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name: `docs_embedding_idx_ccnew`.
    pub name: String,
    /// OID of the table.
    pub table_oid: u32,
    /// The index it was to replace.
    pub of: String,
    /// Whether a run of ours was interrupted there, so that we may drop it.
    pub ours: bool,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Leftover {
    /// `"schema"."name"`.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
    }
}

/// Probes configured for sessions of a role, of a database, or of both.
#[derive(Debug, Clone, Serialize)]
pub struct ProbesSetting {
    /// The setting: `ivfflat.probes` or `hnsw.ef_search`.
    pub setting: String,
    /// The role, where it is for one.
    pub role: Option<String>,
    /// Whether it is for this database.
    pub database: bool,
    /// The value.
    pub value: String,
}

/// The server and the database, as far as vector indexes are concerned.
#[derive(Debug, Clone, Serialize)]
pub struct Server {
    /// `db1:5432/shop as ada`.
    pub place: String,
    /// The database.
    pub database: String,
    /// The cluster's own number and the database's OID, whatever way the connection took; `None` where this role may
    /// not know them.
    #[serde(skip)]
    pub identity: Option<String>,
    /// `server_version_num`.
    pub version_num: u32,
    /// Whether it is a standby.
    pub standby: bool,
    /// Whether this session's role is a superuser.
    pub superuser: bool,
    /// Whether it sees what sessions of other roles do.
    #[serde(skip)]
    pub sees_all: bool,
    /// Version of pgvector, where it is installed here.
    pub pgvector: Option<String>,
    /// Schema of pageinspect, where it is installed and this role may use it.
    #[serde(skip)]
    pub pageinspect: Option<String>,
    /// Why the pages cannot be read.
    pub pages_unreadable: Option<String>,
    /// Schema of tsm_system_rows, where it is installed.
    #[serde(skip)]
    pub system_rows: Option<String>,
    /// Bytes of a page.
    pub block_bytes: u64,
    /// `maintenance_work_mem` in bytes.
    pub maintenance_work_mem: u64,
    /// `shared_buffers` in bytes.
    pub shared_buffers: u64,
    /// `max_parallel_maintenance_workers`.
    pub parallel_maintenance_workers: u32,
    /// `max_parallel_workers`.
    pub parallel_workers: u32,
    /// The data folder, where this role may know it.
    #[serde(skip)]
    pub data_directory: Option<String>,
    /// The port of the server itself.
    #[serde(skip)]
    pub port: String,
    /// Probes configured for roles and databases.
    pub probes: Vec<ProbesSetting>,
    /// `ivfflat.probes` of this session, once the extension is loaded.
    pub session_probes: Option<u32>,
}

impl Server {
    /// The probes that queries here use: those of the database, or else of a role, or of this session.
    #[must_use]
    pub fn probes_in_force(&self) -> Option<u32> {
        self.configured("ivfflat.probes").or(self.session_probes)
    }

    /// The `hnsw.ef_search` that queries here use.
    #[must_use]
    pub fn ef_search(&self) -> u32 {
        self.configured("hnsw.ef_search").unwrap_or(DEFAULT_EF_SEARCH)
    }

    /// A setting of the database, or else of a role.
    fn configured(&self, name: &str) -> Option<u32> {
        let settings = || self.probes.iter().filter(|s| s.setting == name);
        settings()
            .find(|s| s.database && s.role.is_none())
            .and_then(|s| s.value.parse().ok())
            .or_else(|| settings().find_map(|s| s.value.parse().ok()))
    }
}

/// Reads the server.
///
/// # Errors
/// Those of the connection, and that it goes through a statement pooler (exit 13).
pub async fn server(session: &Session) -> Result<Server> {
    session.under(&[], read_server(session)).await.map_err(|error| {
        // PgBouncer's words, where every statement may get another back end.
        let by_statement = server_error(&error).is_some_and(|e| e.message.contains("statement pooling"));
        if by_statement { pooled(session, "statement") } else { error }
    })
}

/// The error of a connection whose back end is not its own.
#[must_use]
pub fn pooled(session: &Session, how: &str) -> Error {
    Error::new(Exit::Precondition, "index.pooler", format!("the connection goes through a {how} pooler"))
        .at(session.place())
        .next("connect to PostgreSQL itself: its own host and port, not PgBouncer's")
}

async fn read_server(session: &Session) -> Result<Server> {
    let row = session
        .query_one(
            "SELECT current_database()::text AS database, current_setting('server_version_num')::int AS num, \
             pg_is_in_recovery() AS standby, current_setting('is_superuser') = 'on' AS superuser, \
             has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS identified, \
             pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all, \
             current_setting('block_size')::int8 AS block, \
             pg_size_bytes(current_setting('maintenance_work_mem')) AS mwm, \
             pg_size_bytes(current_setting('shared_buffers')) AS sb, \
             current_setting('max_parallel_maintenance_workers')::int AS pmw, \
             current_setting('max_parallel_workers')::int AS pw, \
             CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS dir, \
             current_setting('port') AS port, \
             (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS pgvector, \
             (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector') AS schema, \
             (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'pageinspect') AS pageinspect, \
             (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'tsm_system_rows') AS rows",
            &[],
        )
        .await?;
    let superuser: bool = row.value("superuser")?;
    let installed: Option<String> = row.value("pageinspect")?;
    let pages_unreadable = match (&installed, superuser) {
        (None, _) => Some("the extension pageinspect is not installed in this database".to_owned()),
        (Some(_), false) => Some("only a superuser may read an index's pages".to_owned()),
        (Some(_), true) => None,
    };
    let unsigned = |column: &str| -> Result<u64> { Ok(u64::try_from(row.value::<i64>(column)?).unwrap_or_default()) };
    let small = |column: &str| -> Result<u32> { Ok(u32::try_from(row.value::<i32>(column)?).unwrap_or_default()) };
    let mut server = Server {
        place: session.place().to_owned(),
        database: row.value("database")?,
        identity: if row.value("identified")? { Some(identity(session).await?) } else { None },
        version_num: small("num")?,
        standby: row.value("standby")?,
        superuser,
        sees_all: row.value("sees_all")?,
        pgvector: row.value("pgvector")?,
        pageinspect: if pages_unreadable.is_none() { installed } else { None },
        pages_unreadable,
        system_rows: row.value("rows")?,
        block_bytes: unsigned("block")?,
        maintenance_work_mem: unsigned("mwm")?,
        shared_buffers: unsigned("sb")?,
        parallel_maintenance_workers: small("pmw")?,
        parallel_workers: small("pw")?,
        data_directory: row.value("dir")?,
        port: row.value("port")?,
        probes: probes(session).await?,
        session_probes: None,
    };
    if server.version_num < 140_000 {
        return Err(Error::usage("postgresql.version", "this server is older than PostgreSQL 14")
            .at(session.place())
            .next("PostgreSQL 14 and later are supported"));
    }
    if let Some(schema) = row.value::<Option<String>>("schema")? {
        // Any call into the library loads it, and only then are its settings there.
        let sql = format!(
            "SELECT '[1]'::{}.vector::text, current_setting('ivfflat.probes', true) AS probes",
            quote_ident(&schema)
        );
        let row = session.query_one(&sql, &[]).await?;
        server.session_probes = row.value::<Option<String>>("probes")?.and_then(|p| p.parse().ok());
    }
    Ok(server)
}

/// The probes configured for roles and databases, as far as they concern this one.
///
/// # Errors
/// Those of the connection.
pub async fn probes(session: &Session) -> Result<Vec<ProbesSetting>> {
    session
        .query(
            "SELECT split_part(c, '=', 1) AS setting, r.rolname::text AS role, s.setdatabase <> 0 AS database, \
             split_part(c, '=', 2) AS value \
             FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c LEFT JOIN pg_roles r ON r.oid = s.setrole \
             WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) \
             AND split_part(c, '=', 1) IN ('ivfflat.probes', 'hnsw.ef_search') ORDER BY 3 DESC, 2 NULLS FIRST",
            &[],
        )
        .await?
        .iter()
        .map(|r| {
            Ok(ProbesSetting {
                setting: r.value("setting")?,
                role: r.value("role")?,
                database: r.value("database")?,
                value: r.value("value")?,
            })
        })
        .collect()
}

/// Whether the database has other ivfflat indexes than this one, which its probes serve too.
///
/// # Errors
/// Those of the connection.
pub async fn has_others(session: &Session, index: &VectorIndex) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
               JOIN pg_am a ON a.oid = c.relam AND a.amname = 'ivfflat' JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind = 'i' AND i.indisvalid AND (n.nspname, c.relname) <> ($1, $2)) AS others";
    session.query_one(sql, &[(&index.schema, Type::TEXT), (&index.name, Type::TEXT)]).await?.value("others")
}

async fn identity(session: &Session) -> Result<String> {
    let sql = "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || oid::text AS identity \
               FROM pg_database WHERE datname = current_database()";
    session.query_one(sql, &[]).await?.value("identity")
}

/// The vector indexes of the session's database, and what failed rebuilds left.
///
/// # Errors
/// Those of the connection.
pub async fn indexes(session: &Session) -> Result<(Vec<VectorIndex>, Vec<Leftover>)> {
    let rows = session.under(&[], session.query(SQL, &[])).await?;
    let mut all: Vec<VectorIndex> = Vec::new();
    let mut odd: Vec<VectorIndex> = Vec::new();
    for row in &rows {
        // What a newer pgvector brings and we do not know is left alone.
        let Some(index) = read(row)? else { continue };
        let swapped = [SWAP_SUFFIX, OLD_SUFFIX].iter().any(|suffix| index.name.ends_with(suffix));
        if (!index.valid || swapped) && !index.partitioned && base_name(&index.name).is_some() {
            odd.push(index);
        } else {
            all.push(index);
        }
    }
    let mut leftovers = Vec::new();
    for index in odd {
        let base = base_name(&index.name).unwrap_or_default();
        let of = all.iter().find(|of| {
            of.table_oid == index.table_oid
                && of.method == index.method
                && of.expression == index.expression
                && of.predicate == index.predicate
                // A long name is cut so that the suffix fits.
                && (of.name == base || (index.name.len() >= 60 && !base.is_empty() && of.name.starts_with(base)))
        });
        match of {
            Some(of) => leftovers.push(Leftover {
                oid: index.oid,
                schema: index.schema.clone(),
                name: index.name.clone(),
                table_oid: index.table_oid,
                of: of.name.clone(),
                ours: of.note.is_ours(index.oid),
                bytes: index.bytes,
            }),
            None => all.push(index),
        }
    }
    all.sort_by(|a, b| (&a.schema, &a.table, &a.name).cmp(&(&b.schema, &b.table, &b.name)));
    Ok((all, leftovers))
}

/// The name before PostgreSQL's `_ccnew`, `_ccold`, or a suffix of our own swap, with the number of a second try.
fn base_name(name: &str) -> Option<&str> {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    ["_ccnew", "_ccold", SWAP_SUFFIX, OLD_SUFFIX].iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// The index again, as it is now.
///
/// # Errors
/// Exit 1 where it has gone.
pub async fn again(session: &Session, index: &VectorIndex) -> Result<VectorIndex> {
    find(session, &index.schema, &index.name).await?.ok_or_else(|| gone(session, index))
}

/// The error of an index that was there before.
#[must_use]
pub fn gone(session: &Session, index: &VectorIndex) -> Error {
    Error::failed("index.gone", "the index is no longer there")
        .at(format!("{} {}", session.place(), index.label()))
        .next("it, or its table, was dropped meanwhile: nothing is left to do")
}

/// The index of that name.
///
/// # Errors
/// Those of the connection.
pub async fn find(session: &Session, schema: &str, name: &str) -> Result<Option<VectorIndex>> {
    let sql = format!("SELECT * FROM ({SQL}) x WHERE schema = $1 AND name = $2");
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] = [(&schema, Type::TEXT), (&name, Type::TEXT)];
    let row = session.under(&[], session.query_opt(&sql, &params)).await?;
    row.as_ref().map(read).transpose().map(Option::flatten)
}

const SQL: &str = "\
SELECT c.oid AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'I' AS partitioned, am.amname::text AS method, \
 t.oid AS table_oid, t.relname::text AS relation, ty.typname::text AS element, a.atttypmod AS dimensions, \
 oc.opcname::text AS opclass, ocn.nspname::text AS extension_schema, pg_get_indexdef(c.oid, 1, true) AS expression, \
 pg_get_expr(i.indpred, i.indrelid, true) AS predicate, coalesce(c.reloptions, '{}') AS options, i.indisvalid AS valid, \
 CASE WHEN c.relkind = 'i' THEN coalesce(pg_relation_size(c.oid), 0) ELSE 0 END AS bytes, \
 CASE WHEN t.relkind = 'p' THEN 0 ELSE coalesce(pg_relation_size(t.oid), 0) / current_setting('block_size')::int8 END AS blocks, \
 obj_description(c.oid, 'pg_class') AS comment, pg_get_indexdef(c.oid) AS definition, \
 pg_get_userbyid(t.relowner)::text AS owner, pg_has_role(t.relowner, 'USAGE') AS may_alter, t.reltuples::float8 AS tuples, \
 coalesce(pg_stat_get_mod_since_analyze(t.oid), 0) AS modified, coalesce(pg_stat_get_dead_tuples(t.oid), 0) AS dead, \
 coalesce(pg_stat_get_ins_since_vacuum(t.oid), 0) AS inserted, \
 (SELECT s.null_frac::float8 FROM pg_stats s JOIN pg_attribute ta ON ta.attrelid = t.oid AND ta.attnum = i.indkey[0] \
   WHERE s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = ta.attname AND NOT s.inherited) AS nulls, \
 (SELECT p.relname::text FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent WHERE h.inhrelid = c.oid) AS parent, \
 ts.spcname::text AS tablespace, nullif(pg_tablespace_location(ts.oid), '') AS folder, c.reltuples::float8 AS index_rows, \
 (SELECT min(p.oid::regprocedure::text || ' of ' || quote_ident(r.rolname)) FROM pg_depend d \
   LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid \
   JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END \
   JOIN pg_roles r ON r.oid = p.proowner JOIN pg_language l ON l.oid = p.prolang AND l.lanpltrusted \
   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND NOT r.rolsuper AND r.rolname <> current_user) AS foreign_code \
 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam AND am.amname IN ('ivfflat', 'hnsw') \
 JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class t ON t.oid = i.indrelid \
 JOIN pg_opclass oc ON oc.oid = i.indclass[0] JOIN pg_namespace ocn ON ocn.oid = oc.opcnamespace \
 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1 JOIN pg_type ty ON ty.oid = a.atttypid \
 LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace \
 WHERE c.relpersistence <> 't'";

fn read(row: &Row) -> Result<Option<VectorIndex>> {
    let (method, element): (String, String) = (row.value("method")?, row.value("element")?);
    let opclass: String = row.value("opclass")?;
    let (Some(element), Some(metric)) = (Element::of(&element), Metric::of_opclass(&opclass)) else { return Ok(None) };
    // NULL where it is dropped while we read.
    let (Some(expression), Some(definition)) = (row.value("expression")?, row.value("definition")?) else {
        return Ok(None);
    };
    let comment: Option<String> = row.value("comment")?;
    let unsigned = |column: &str| -> Result<u64> { Ok(u64::try_from(row.value::<i64>(column)?).unwrap_or_default()) };
    let tuples: f64 = row.value("tuples")?;
    Ok(Some(VectorIndex {
        oid: row.value("oid")?,
        schema: row.value("schema")?,
        name: row.value("name")?,
        table_oid: row.value("table_oid")?,
        table: row.value("relation")?,
        method: if method == "hnsw" { Method::Hnsw } else { Method::Ivfflat },
        partitioned: row.value("partitioned")?,
        parent: row.value("parent")?,
        element,
        dimensions: u32::try_from(row.value::<i32>("dimensions")?).unwrap_or_default(),
        metric,
        opclass,
        extension_schema: row.value("extension_schema")?,
        expression,
        predicate: row.value("predicate")?,
        options: row
            .value::<Vec<String>>("options")?
            .iter()
            .filter_map(|o| o.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
        valid: row.value("valid")?,
        bytes: unsigned("bytes")?,
        note: comment.as_deref().map(Note::read).unwrap_or_default(),
        comment,
        definition,
        owner: row.value("owner")?,
        may_alter: row.value("may_alter")?,
        heap_blocks: unsigned("blocks")?,
        estimated_rows: (tuples >= 0.0).then_some(tuples),
        modified: unsigned("modified")?,
        dead: unsigned("dead")?,
        inserted: unsigned("inserted")?,
        null_share: row.value("nulls")?,
        index_rows: row.value("index_rows")?,
        foreign_code: row.value("foreign_code")?,
        tablespace: row.value("tablespace")?,
        tablespace_folder: row.value("folder")?,
    }))
}

/// Settings to read rows under: a policy is an error and not a wrong answer, and no timeout of the database cuts it.
pub(super) const ALL_ROWS: &[&str] = &["row_security = off", "statement_timeout = 0"];

/// Rows the index holds, counted; where its code is not to be run ([`VectorIndex::foreign_code`]), the server's own
/// estimate. Says whether it counted.
///
/// # Errors
/// Those of the connection; a row-security policy is an error and not a wrong count.
pub async fn count_rows(session: &Session, index: &VectorIndex) -> Result<(u64, bool)> {
    if index.foreign_code.is_some() {
        return Ok((index.index_rows.max(0.0).round() as u64, false));
    }
    let sql = format!("SELECT count(*) AS rows FROM {} WHERE {}", index.quoted_table(), index.condition());
    let row = session.under(ALL_ROWS, session.query_one(&sql, &[])).await;
    let row = row.map_err(|e| e.at(format!("{} {}", session.place(), index.label())))?;
    Ok((u64::try_from(row.value::<i64>("rows")?).unwrap_or_default(), true))
}

/// Rows the index holds: the planner's estimate where it can be trusted, counted otherwise. Says whether it counted.
///
/// # Errors
/// As [`count_rows`].
pub async fn rows(session: &Session, index: &VectorIndex) -> Result<(u64, bool)> {
    if let (Some(estimate), None, Some(nulls)) = (index.estimated_rows, &index.predicate, index.null_share)
        && (index.modified as f64) < 0.1 * estimate
    {
        return Ok(((estimate * (1.0 - nulls)).round() as u64, false));
    }
    count_rows(session, index).await
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn only_postgresqls_own_suffixes_are_leftovers() {
        assert_eq!(base_name("docs_idx_ccnew"), Some("docs_idx"));
        assert_eq!(base_name("docs_idx_ccold12"), Some("docs_idx"));
        assert_eq!(base_name("docs_idx"), None);
        assert_eq!(base_name("docs_ccnew_idx"), None);
    }
}
