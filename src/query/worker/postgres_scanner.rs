//! Large tables of a PostgreSQL server through DuckDB's own extension for it, which reads one over several connections.
//!
//! It is used where it keeps what [`super::postgres`] promises, and else the table is read as where there is no extension:
//! - One snapshot for all tables: each of its connections takes over the snapshot of our transaction, which is read-only as
//!   theirs are. It does not do so on a standby, nor on servers that call themselves RDS, where it is not used.
//! - The same values: measured with 1.5.5, it reads `numeric` NaN as 0 and lets timestamps after the year 294246 go round to
//!   290000 before Christ. Tables are not read through it for columns of `numeric`, nor of types whose text depends on a
//!   session's settings; a timestamp that PostgreSQL cannot hold is looked for in what it has read.
//! - The password: it goes to DuckDB as a secret, which is dropped once the server is attached. DuckDB's list of databases
//!   then shows the address alone, and what the extension says about a connection that failed is told to nobody.
//! - TLS as far as libpq needs no file for it: where certificates are to be checked, it is not used.

use super::catalogue::{Engine, Target};
use super::columns::Fill;
use super::postgres::{Described, Postgres};
use super::scanner;
use crate::error::{Error, Result};
use crate::postgres::connect::{RowExt, quote_ident, quote_literal};
use crate::postgres::conninfo::{Address, Binding, Conninfo, Server, SslMode};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::net::ToSocketAddrs;

/// Rows, by the server's estimate, from which on a table is read faster so, the loading of the extension included.
const LARGE: u64 = 2_000_000;
/// Connections beside ours, one of which leads: a server has others to serve.
const CONNECTIONS: u32 = 5;
/// Before what no timestamp of PostgreSQL lies.
const FIRST: &str = "4714-01-01 (BC)";

/// Our snapshot, where every connection of the extension will take it over.
const SNAPSHOT: &str = "
SELECT CASE WHEN getdatabaseencoding() <> 'SQL_ASCII' AND NOT pg_is_in_recovery()
    AND NOT EXISTS (SELECT FROM pg_stat_wal_receiver) AND NOT EXISTS (SELECT FROM pg_settings WHERE name LIKE 'rds%')
    AND has_function_privilege('pg_catalog.pg_export_snapshot()', 'EXECUTE')
  THEN pg_export_snapshot() END AS snapshot";

/// How a server is read.
#[derive(Debug)]
pub struct Scan {
    /// What stands in DuckDB's list of databases.
    address: String,
    /// The port, where it is not a socket.
    pub port: Option<u16>,
    snapshot: String,
    /// The tables that are large enough, and those of their columns that come out the same.
    tables: BTreeMap<(String, String), BTreeSet<String>>,
    /// The name under which it is attached.
    name: Option<String>,
}

impl Scan {
    /// Whether and how a server can be read so; it has to be asked before the process gives up looking up names.
    ///
    /// # Errors
    /// What the server said.
    pub fn plan(server: &Postgres) -> Result<Option<Scan>> {
        // DuckDB takes two names for one where they differ in case alone.
        let same = |a: &Described, b: &Described| {
            a.schema.eq_ignore_ascii_case(&b.schema) && a.table.name.eq_ignore_ascii_case(&b.table.name)
        };
        let large = |t: &&Described| {
            t.stored
                && t.table.rows.is_some_and(|rows| rows >= LARGE)
                && server.tables.iter().filter(|other| same(other, t)).count() == 1
        };
        let tables: BTreeMap<_, _> = server
            .tables
            .iter()
            .filter(large)
            .map(|t| ((t.schema.clone(), t.table.name.clone()), t.scans.clone()))
            .collect();
        let Some((address, port)) = server.reached().and_then(|at| address(&server.info, at)) else { return Ok(None) };
        if tables.is_empty() {
            return Ok(None);
        }
        let snapshot = || -> Result<Option<String>> {
            let version = server.session.query_one("SELECT version() AS version", &[])?.value::<String>("version")?;
            if !is_known(&version) {
                return Ok(None);
            }
            server.session.query_one(SNAPSHOT, &[])?.value::<Option<String>>("snapshot")
        };
        match snapshot() {
            Ok(snapshot) => Ok(snapshot.map(|snapshot| Scan { address, port, snapshot, tables, name: None })),
            // What a server cannot do ends the transaction, and not the query: it is read without the extension.
            Err(_) => server.begin_again().map(|()| None),
        }
    }

    /// Attaches the server under a name that no query can use. Where that fails, it stays unattached.
    ///
    /// # Errors
    /// Those of asking DuckDB for its databases; a password that it does not forget again.
    pub fn attach(&mut self, engine: &Engine, catalog: &str, server: &Postgres) -> Result<()> {
        let name = engine.catalog(&format!("{catalog}_scanned"))?;
        let password = server.reached().and_then(|at| at.password.as_ref());
        let password = password.map(|p| format!(", PASSWORD {}", quote_literal(p.expose_secret()))).unwrap_or_default();
        let attach = format!(
            "SET pg_connection_limit = {CONNECTIONS};
             CREATE OR REPLACE TEMPORARY SECRET llmsql_login (TYPE postgres, USER {}, DATABASE {}{password});
             ATTACH {} AS {} (TYPE postgres, READ_ONLY, SECRET llmsql_login)",
            quote_literal(&server.info.user),
            quote_literal(&server.info.dbname),
            quote_literal(&self.address),
            quote_ident(&name)
        );
        let attached = engine.execute(&attach).is_ok();
        engine.execute("DROP SECRET IF EXISTS llmsql_login")?;
        self.name = attached.then_some(name);
        Ok(())
    }

    /// Fills a table with these columns, made anew; says whether it has.
    pub fn fill(
        &self,
        engine: &Engine,
        target: &Target,
        (schema, table): (&str, &str),
        columns: &[(String, Fill)],
    ) -> bool {
        let scans = self.tables.get(&(schema.to_owned(), table.to_owned()));
        let (Some(name), Some(scans)) = (&self.name, scans) else { return false };
        if !columns.iter().all(|(column, _)| scans.contains(column)) {
            return false;
        }
        let from = format!("{}.{}.{}", quote_ident(name), quote_ident(schema), quote_ident(table));
        let filled = self.begin(engine, name).and_then(|()| copy(engine, target, &from, columns));
        // What it says may hold the address it was told; where it fails, the table is read without it.
        let ended = engine.execute(if filled.is_ok() { "COMMIT" } else { "ROLLBACK" });
        filled.is_ok() && ended.is_ok()
    }

    /// Begins a transaction that sees what ours sees.
    fn begin(&self, engine: &Engine, name: &str) -> Result<()> {
        let take = format!(
            "SET TRANSACTION SNAPSHOT {}; SET LOCAL statement_timeout = 0",
            // As the server takes it.
            quote_literal(&self.snapshot)
        );
        engine.execute("BEGIN")?;
        engine.execute(&format!("CALL postgres_execute({}, {})", quote_literal(name), quote_literal(&take)))
    }
}

fn copy(engine: &Engine, target: &Target, from: &str, columns: &[(String, Fill)]) -> Result<()> {
    let quoted: Vec<String> = columns.iter().map(|(name, _)| quote_ident(name)).collect();
    let have = scanner::types(engine, &format!("SELECT {} FROM {from}", quoted.join(", ")))?;
    let wrong = |what: &str| Error::failed("query.failed", what).at(&target.table);
    if have.len() != columns.len() || !have.iter().zip(columns).all(|(have, (_, fill))| alike(have, *fill)) {
        return Err(wrong("the columns have other types"));
    }
    let list: Vec<String> =
        quoted.iter().zip(columns).map(|(quoted, (_, fill))| format!("{} AS {quoted}", fill.of(quoted))).collect();
    engine.execute(&format!("CREATE OR REPLACE TABLE {} AS SELECT {} FROM {from}", target.sql(), list.join(", ")))?;
    let times: Vec<String> = quoted
        .iter()
        .zip(columns)
        .filter(|(_, (_, fill))| matches!(fill, Fill::Timestamp | Fill::Instant))
        .map(|(quoted, (_, fill))| format!("(isfinite({quoted}) AND {quoted} < '{FIRST}'::{})", fill.sql()))
        .collect();
    if !times.is_empty() {
        let sql = format!("SELECT 1::VARCHAR FROM {} WHERE {} LIMIT 1", target.sql(), times.join(" OR "));
        if !engine.rows(&sql)?.is_empty() {
            return Err(wrong("a timestamp is out of range"));
        }
    }
    Ok(())
}

/// Whether a server is PostgreSQL itself, and of a version of which the extension reads a table in parts.
fn is_known(version: &str) -> bool {
    let number = version.strip_prefix("PostgreSQL ").and_then(|rest| rest.split(['.', ' ']).next());
    number.and_then(|n| n.parse::<u32>().ok()).is_some_and(|major| major >= 14) && !version.contains("-YB-")
}

/// Whether the type that the extension gives a column holds its values exactly as the other will.
fn alike(have: &str, fill: Fill) -> bool {
    match fill {
        Fill::Int | Fill::Since(_) => matches!(have, "SMALLINT" | "INTEGER" | "BIGINT"),
        Fill::Float => matches!(have, "FLOAT" | "DOUBLE"),
        Fill::Text => have == "VARCHAR" || have.starts_with("ENUM("),
        Fill::Json => have == "VARCHAR",
        Fill::Decimal(..) => false,
        Fill::Bool | Fill::Date | Fill::Timestamp | Fill::Instant | Fill::Bytes | Fill::Time | Fill::Uuid => {
            have == fill.sql()
        }
    }
}

/// Where libpq finds the server at which we are, and all else that it would take from the environment or from files;
/// nothing where it cannot do as we did.
fn address(info: &Conninfo, server: &Server) -> Option<(String, Option<u16>)> {
    let mode = match info.sslmode {
        SslMode::Disable => "disable",
        SslMode::Allow => "allow",
        SslMode::Prefer => "prefer",
        SslMode::Require => "require",
        SslMode::VerifyCa | SslMode::VerifyFull => return None,
    };
    if info.roots.is_some()
        || info.client_certificate.is_some()
        || info.ssl_direct
        || info.channel_binding == Binding::Require
        || info.tls_versions != (None, None)
    {
        return None;
    }
    let mut parts: Vec<(&str, String)> = Vec::new();
    let port = match &server.address {
        Address::Socket(folder) => {
            parts.push(("host", folder.to_str()?.to_owned()));
            None
        }
        Address::Tcp { addr: Some(addr), .. } => {
            parts.push(("hostaddr", addr.to_string()));
            Some(server.port)
        }
        Address::Tcp { host, addr: None } => {
            let found = (host.as_str(), server.port).to_socket_addrs().ok()?;
            let mut all: Vec<String> = found.map(|a| a.ip().to_string()).collect();
            all.dedup();
            parts.push(("hostaddr", all.join(",")));
            Some(server.port)
        }
    };
    parts.extend([
        ("port", server.port.to_string()),
        ("sslmode", mode.to_owned()),
        ("gssencmode", "disable".to_owned()),
        ("client_encoding", "UTF8".to_owned()),
        ("target_session_attrs", "any".to_owned()),
        ("load_balance_hosts", "disable".to_owned()),
        // A file that is not there: without a password it would look for one.
        ("passfile", "/dev/null/none".to_owned()),
        ("application_name", info.application_name.clone()),
        ("connect_timeout", info.connect_timeout.unwrap_or(0).to_string()),
    ]);
    parts.extend(info.options.clone().map(|options| ("options", options)));
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let parts: Vec<String> = parts.iter().map(|(key, value)| format!("{key}='{}'", quoted(value))).collect();
    Some((parts.join(" "), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::conninfo::{Environment, resolve};

    #[test]
    fn only_postgresql_itself_is_read_so() {
        for version in ["PostgreSQL 18.1 on x86_64-pc-linux-gnu", "PostgreSQL 14.20 (Debian 14.20-1)"] {
            assert!(is_known(version), "{version}");
        }
        for version in [
            "PostgreSQL 13.2 on x86_64",
            "PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64",
            "CockroachDB CCL v25.1.0",
            "PostgreSQL 8.0.2 on i686, Redshift 1.0",
            "",
        ] {
            assert!(!is_known(version), "{version}");
        }
    }

    #[test]
    fn an_address_holds_no_password_and_libpq_takes_nothing_else_from_elsewhere() {
        let planned = |url: &str| {
            let info = resolve(Some(url), &Environment::default()).unwrap();
            address(&info, &info.servers[0])
        };
        let (address, port) = planned("postgresql://ada:s3cret@127.0.0.1:5433/shop?options=-c%20a=it's").unwrap();
        assert_eq!(port, Some(5433));
        assert!(address.starts_with("hostaddr='127.0.0.1' port='5433' sslmode='prefer'"), "{address}");
        assert!(!address.contains("s3cret") && address.ends_with("options='-c a=it\\'s'"), "{address}");
        let (address, port) = planned("host=/run/x user=ada dbname=shop").unwrap();
        assert!(port.is_none() && address.starts_with("host='/run/x' port='5432'"), "{address}");
        for end in ["sslmode=verify-full", "sslrootcert=/x sslmode=require", "channel_binding=require"] {
            assert!(planned(&format!("host=127.0.0.1 user=ada dbname=shop {end}")).is_none(), "{end}");
        }
    }
}
