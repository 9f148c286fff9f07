//! Every setting of the stack with its reason, and the invariants between them. Pure: the same facts and profile give
//! the same plan.

mod api;
pub mod budget;
mod build;
mod containers;
mod disk;
mod draft;
mod duckdb;
pub mod host;
pub mod invariants;
mod kernel;
mod limits;
mod maintenance;
pub(crate) mod nginx;
mod pgbouncer;
mod postgresql;
mod services;
pub mod specs;
mod sqlite;

pub use build::build;

use crate::facts::Facts;
use crate::profile::{Origin, Profile};
use crate::value::{Dialect, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the stack that settings belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// The database server.
    PostgreSql,
    /// The connection pooler.
    PgBouncer,
    /// The reverse proxy.
    Nginx,
    /// The API server (uvicorn).
    Api,
    /// The analytical engine.
    DuckDb,
    /// The embedded store.
    Sqlite,
    /// The LLM gateway.
    Llm,
    /// sysctl and transparent huge pages.
    Kernel,
    /// Descriptor and process limits.
    Limits,
    /// Devices and mounts.
    Disk,
    /// Limits of containers.
    Containers,
    /// Timers, and what is run against a database once.
    Maintenance,
}

impl Component {
    /// All, in the order plans show them.
    pub const ALL: &[Component] = &[
        Component::PostgreSql,
        Component::PgBouncer,
        Component::Nginx,
        Component::Api,
        Component::DuckDb,
        Component::Sqlite,
        Component::Llm,
        Component::Kernel,
        Component::Limits,
        Component::Disk,
        Component::Containers,
        Component::Maintenance,
    ];

    /// The name keys begin with.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Component::PostgreSql => "postgresql",
            Component::PgBouncer => "pgbouncer",
            Component::Nginx => "nginx",
            Component::Api => "api",
            Component::DuckDb => "duckdb",
            Component::Sqlite => "sqlite",
            Component::Llm => "llm",
            Component::Kernel => "kernel",
            Component::Limits => "limits",
            Component::Disk => "disk",
            Component::Containers => "containers",
            Component::Maintenance => "maintenance",
        }
    }

    /// How its file writes values.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            Component::PostgreSql => Dialect::PostgreSql,
            Component::PgBouncer => Dialect::PgBouncer,
            Component::Nginx => Dialect::Nginx,
            Component::Api | Component::Llm | Component::Maintenance => Dialect::Env,
            Component::DuckDb => Dialect::DuckDb,
            Component::Sqlite => Dialect::Sqlite,
            Component::Kernel | Component::Disk => Dialect::Sysctl,
            Component::Limits | Component::Containers => Dialect::Systemd,
        }
    }
}

/// When a changed value starts to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TakesEffect {
    /// At once, when it is written to the kernel or set in a session.
    Runtime,
    /// After a reload of the service.
    Reload,
    /// After a restart of the service.
    Restart,
    /// After a reboot or a remount.
    Reboot,
}

/// Where an input of a formula comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Read off the host, a server or a measurement.
    Measured,
    /// Said by a flag, the environment, `llmsql.toml` or a profile.
    Configured,
    /// A premise that was not checked.
    Assumed,
    /// Another value of this plan.
    Derived,
}

/// One input of a formula.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Input {
    /// Its name in the formula.
    pub name: String,
    /// Its value, for people.
    pub value: String,
    /// Where it comes from.
    pub basis: Basis,
    /// Exactly where: the fact's path, the origin, or the command that would measure it.
    pub source: String,
}

/// Why a value is what it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Reason {
    /// The rule in symbols: `S/4`.
    pub formula: String,
    /// The rule with this host's numbers put in.
    pub worked: String,
    /// What went in.
    pub inputs: Vec<Input>,
    /// The caps that bit, each with its name.
    pub caps: Vec<String>,
    /// The guide's section.
    pub guide: Option<&'static str>,
    /// Where and why it differs from the guide, and other remarks, a sentence each.
    pub notes: Vec<String>,
}

/// One value of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Setting {
    /// `postgresql.shared_buffers`.
    pub key: String,
    /// The component.
    pub component: Component,
    /// The name in the component's file.
    pub name: String,
    /// The heading it stands under in tables and files.
    pub group: &'static str,
    /// The value, typed; JSON shows it as the file writes it.
    #[serde(skip)]
    pub typed: Value,
    /// The value as written in the file.
    pub value: String,
    /// The size in bytes, where it is a size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why.
    pub reason: Reason,
    /// Who set it; `None` where it was derived.
    pub origin: Option<Origin>,
    /// When a change counts.
    pub takes_effect: TakesEffect,
    /// What the host's files set now, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// A premise that could not be checked, with the command that would measure it.
    Assumption,
    /// Works, but not as well as it should.
    Warning,
    /// `render` and `apply` refuse.
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Assumption => "assumption",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// The verdict of one invariant.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// Stable name: `memory.total`.
    pub invariant: String,
    /// How bad.
    pub severity: Severity,
    /// The numbers it was judged by, by name.
    pub numbers: Vec<(String, String)>,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One invariant, judged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// Stable name: `memory.total`.
    pub invariant: &'static str,
    /// Whether it holds; `None` where a fact that it needs is absent.
    pub holds: Option<bool>,
    /// The numbers it was judged by, by name.
    pub numbers: Vec<(String, String)>,
    /// One sentence with the verdict.
    pub message: String,
}

/// One part of the host's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Share {
    /// Who: `postgresql`, `duckdb`, `reserve`, …
    pub name: String,
    /// How much at worst, in bytes.
    pub bytes: u64,
}

/// What was planned for, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Target {
    /// Memory planned for, in bytes.
    pub ram_bytes: u64,
    /// CPUs planned for.
    pub cpus: u64,
    /// Class of the disk that holds the database.
    pub disk: &'static str,
    /// `budget` or `guide`.
    pub sizing: &'static str,
    /// `oltp`, `mixed`, `analytics` or `vector`.
    pub workload: &'static str,
    /// PostgreSQL's major version.
    pub postgresql_version: u32,
    /// The parts of the stack that live here.
    pub components: Vec<&'static str>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Plan {
    /// What was planned for, in short.
    pub host: Target,
    /// What the host is.
    pub facts: Facts,
    /// What was wanted.
    pub profile: Profile,
    /// Every value.
    pub settings: Vec<Setting>,
    /// Every verdict that is not simply "holds".
    pub findings: Vec<Finding>,
    /// Every invariant that was judged, with its numbers, also those that hold.
    pub checks: Vec<Check>,
    /// Who gets how much of the memory.
    pub memory: Vec<Share>,
}

impl Plan {
    /// The setting with this key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|s| s.key == key)
    }
}

#[cfg(test)]
mod tests;
