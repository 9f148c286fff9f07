//! Hardening a live database: who may do what, who may log in and how, what is logged (the guide, sections 5.1 and 5.2).
//!
//! ```text
//! server ──► look ──► checks (findings, each with its changes) ──► apply, undone by itself where a login fails
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`look`] | what the server says, read once |
//! | [`checks`] | every check: what is wrong, why it matters, the exact SQL |
//! | [`roles`] | the checks of the read-only and the application role, and of row-level security |
//! | [`hba`] | rules of `pg_hba.conf`: which one a login meets, and which should be stricter |
//! | [`journal`] | what was changed and how to take it back |
//! | [`apply`] | making the changes and taking them back |

pub mod apply;
pub mod checks;
pub mod hba;
pub mod journal;
pub mod look;
pub mod roles;

use crate::error::{Error, Result};
use crate::postgres::connect::{quote_ident, quote_literal};
use serde::Serialize;

/// What is wanted beyond what every database should have.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// A role that may read and nothing else.
    pub readonly_role: Option<String>,
    /// The role of the application.
    pub app_role: Option<String>,
    /// The schemas that both may read; none: every schema with tables.
    pub schemas: Vec<String>,
    /// The schemas in which the application may also insert; none: none.
    pub write_schemas: Vec<String>,
    /// Tables of which the application is to see its own rows only.
    pub isolate: Vec<Isolation>,
    /// Want TLS over the loopback interface as well.
    pub loopback_tls: bool,
    /// How this host's PgBouncer uses TLS towards the server (`server_tls_sslmode`), where there is one.
    pub pooler_tls: Option<String>,
}

/// One table of which a session sees only the rows that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// `schema.table`.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// The column that says to whom a row belongs.
    pub column: String,
    /// The variable that the application sets in each transaction: `app.client`.
    pub variable: String,
}

impl std::str::FromStr for Isolation {
    type Err = String;

    /// Reads `schema.table=column` or `schema.table=column:variable`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let form = || format!("{text:?} is not SCHEMA.TABLE=COLUMN or SCHEMA.TABLE=COLUMN:VARIABLE");
        let (table, rest) = text.split_once('=').ok_or_else(form)?;
        let (schema, table) = table.split_once('.').ok_or_else(form)?;
        let (column, variable) = rest.split_once(':').unwrap_or((rest, "app.client"));
        let is_name = |s: &str| s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !s.is_empty();
        if !variable.split_once('.').is_some_and(|(class, name)| is_name(class) && is_name(name)) {
            return Err(format!("the variable {variable:?} needs a prefix of its own, as in app.client"));
        }
        if [schema, table, column].contains(&"") {
            return Err(form());
        }
        let [schema, table, column, variable] = [schema, table, column, variable].map(str::to_owned);
        Ok(Isolation { schema, table, column, variable })
    }
}

/// How much it matters; its value in the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// 1 point.
    Low,
    /// 3 points.
    Medium,
    /// 10 points.
    High,
}

impl Severity {
    fn points(self) -> u32 {
        match self {
            Severity::Low => 1,
            Severity::Medium => 3,
            Severity::High => 10,
        }
    }
}

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It holds.
    Ok,
    /// It does not.
    Fails,
    /// It could not be judged; not counted.
    Unknown,
}

/// One check's result.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// A stable name: `hba.tls`.
    pub check: &'static str,
    /// Whether it holds.
    pub status: Status,
    /// How much it matters.
    pub severity: Severity,
    /// What was found, a sentence without a full stop.
    pub what: String,
    /// Why it matters, and what the change does.
    pub why: &'static str,
    /// The exact SQL, and the lines of pg_hba.conf as comments.
    pub sql: Vec<String>,
    /// What no command can do, or not safely: what a person has to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<String>,
    /// The same, to be run.
    #[serde(skip)]
    pub changes: Vec<Change>,
}

impl Finding {
    fn new(check: &'static str, severity: Severity, why: &'static str) -> Self {
        let (what, sql, changes) = (String::new(), Vec::new(), Vec::new());
        Finding { check, status: Status::Ok, severity, what, why, sql, by_hand: None, changes }
    }

    fn ok(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    fn unknown(mut self, what: impl Into<String>) -> Self {
        self.status = Status::Unknown;
        self.what = what.into();
        self
    }

    fn fails(mut self, what: impl Into<String>) -> Self {
        self.status = Status::Fails;
        self.what = what.into();
        self
    }

    fn by_hand(mut self, what: impl Into<String>) -> Self {
        self.by_hand = Some(what.into());
        self
    }

    fn change(mut self, change: Change) -> Self {
        self.sql.push(change.shown());
        self.changes.push(change);
        self
    }

    fn changes(self, changes: impl IntoIterator<Item = Change>) -> Self {
        changes.into_iter().fold(self, Finding::change)
    }

    /// One point an item that is wrong, or all well.
    fn judge(self, changes: Vec<Change>, fails: impl Into<String>, ok: impl Into<String>) -> Self {
        if changes.is_empty() { self.ok(ok) } else { self.fails(fails).changes(changes) }
    }
}

/// One change, with its inverse where the change itself tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Statements of the one transaction.
    Sql {
        /// To be run.
        run: String,
        /// Takes it back.
        undo: String,
    },
    /// A setting, by ALTER SYSTEM, which cannot run in a transaction.
    System {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A line of `pg_hba.conf`.
    Hba {
        /// Its number, from 1.
        line: usize,
        /// As it is, for showing.
        now: String,
        /// The type it shall have; `None`: its own.
        kind: Option<crate::formats::pg_hba::Kind>,
        /// The method it shall have; `None`: its own.
        method: Option<&'static str>,
    },
}

impl Change {
    fn sql(run: impl Into<String>, undo: impl Into<String>) -> Self {
        Change::Sql { run: run.into(), undo: undo.into() }
    }

    fn shown(&self) -> String {
        match self {
            Change::Sql { run, .. } => format!("{run};"),
            Change::System { name, value } => format!("{};", alter_system(name, Some(value))),
            Change::Hba { line, now, kind, method } => {
                let wanted: Vec<&str> = kind.map(|k| k.written()).into_iter().chain(*method).collect();
                format!("-- pg_hba.conf, line {line}: {} (now: {now})", wanted.join(" … "))
            }
        }
    }
}

/// `ALTER SYSTEM` for a value, or for none.
fn alter_system(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("ALTER SYSTEM SET {name} = {}", quote_literal(value)),
        None => format!("ALTER SYSTEM RESET {name}"),
    }
}

/// `"schema"."name"`.
fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// The part of a hundred points that the judged checks have; a hundred where none could be judged.
#[must_use]
pub fn score(findings: &[Finding]) -> u32 {
    let sum = |wanted: fn(Status) -> bool| -> u32 {
        findings.iter().filter(|f| wanted(f.status)).map(|f| f.severity.points()).sum()
    };
    let all = sum(|s| s != Status::Unknown);
    (sum(|s| s == Status::Ok) * 100).checked_div(all).unwrap_or(100)
}

/// Everything wrong with a wish itself, before anything is asked of the server.
///
/// # Errors
/// A role that is to be both, rows to be isolated for nobody (exit 64).
pub fn check_wish(wish: &Wish) -> Result<()> {
    if wish.readonly_role.is_some() && wish.readonly_role == wish.app_role {
        return Err(Error::usage("harden.roles", "the read-only and the application role have to be two"));
    }
    if wish.app_role.is_none() && !wish.isolate.is_empty() {
        return Err(Error::usage("harden.isolate", "--isolate is about what the application sees")
            .next("name its role: --app-role ROLE"));
    }
    if wish.app_role.is_none() && !wish.write_schemas.is_empty() {
        return Err(Error::usage("harden.write", "--write-schema is about where the application may insert")
            .next("name its role: --app-role ROLE"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isolation_is_read_and_its_faults_are_said() {
        let read: Isolation = "analytics.query_logs=client_ip:app.ip".parse().unwrap();
        assert_eq!((read.table.as_str(), read.variable.as_str()), ("query_logs", "app.ip"));
        assert_eq!("a.b=c".parse::<Isolation>().unwrap().variable, "app.client");
        for wrong in ["a=b", "a.b", "a.b=c:d", "a.b=c:d.e;f", ".b=c", "a.b="] {
            assert!(wrong.parse::<Isolation>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_score_counts_what_could_be_judged() {
        let finding = |severity| Finding::new("x", severity, "");
        let findings = [finding(Severity::High).ok("a"), finding(Severity::Medium).fails("b")];
        assert_eq!(score(&findings), 76);
        assert_eq!(score(&[finding(Severity::High).unknown("a")]), 100);
    }
}
