//! The one table of files: template, target, ownership, component.

use super::Ownership;
use crate::facts::OUR_DROP_IN;
use crate::plan::host::OUR_POSTGRESQL_FILE;
use crate::plan::{Component, Plan, Setting};
use std::path::Path;

/// The language of a file, by which its own parser checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `postgresql.conf`.
    PostgreSql,
    /// `pgbouncer.ini`.
    Ini,
    /// `sysctl.d`.
    Sysctl,
    /// `limits.d`.
    Limits,
    /// NGINX.
    Nginx,
    /// YAML.
    Yaml,
    /// A unit of systemd, or a drop-in.
    Unit,
    /// Rules of udev.
    Udev,
    /// `NAME=value`, as systemd, Docker and a shell read it alike.
    Env,
    /// `cron.d`.
    Cron,
    /// SQL.
    Sql,
}

impl Syntax {
    /// What a comment begins with.
    #[must_use]
    pub fn comment(self) -> &'static str {
        if self == Syntax::Sql { "--" } else { "#" }
    }
}

/// One row.
#[derive(Clone, Copy)]
pub struct FileSpec {
    /// Name of the template, as a path below `templates/`.
    pub template: &'static str,
    /// Where the file stands on the host.
    pub target: fn(&Plan) -> String,
    /// Whose it is.
    pub ownership: Ownership,
    /// The component it configures.
    pub component: Component,
    /// Which of the component's settings stand in it.
    pub takes: fn(&Setting) -> bool,
    /// Whether this plan has the file: most need a setting to stand in it.
    here: Option<fn(&Plan) -> bool>,
    /// Permission bits.
    pub mode: u32,
    /// Its language.
    pub syntax: Syntax,
}

impl FileSpec {
    /// A file of ours alone, readable by everybody, with all settings of its component.
    const fn whole(component: Component, template: &'static str, target: fn(&Plan) -> String, syntax: Syntax) -> Self {
        FileSpec {
            template,
            target,
            ownership: Ownership::Whole,
            component,
            takes: |_| true,
            here: None,
            mode: 0o644,
            syntax,
        }
    }

    /// A unit or drop-in, with these settings of its component, where systemd runs and the test holds.
    const fn unit(
        component: Component,
        template: &'static str,
        target: fn(&Plan) -> String,
        here: fn(&Plan) -> bool,
    ) -> Self {
        FileSpec { here: Some(here), ..Self::whole(component, template, target, Syntax::Unit) }
    }

    const fn owned(self, ownership: Ownership) -> Self {
        FileSpec { ownership, ..self }
    }

    const fn takes(self, takes: fn(&Setting) -> bool) -> Self {
        FileSpec { takes, ..self }
    }

    const fn here(self, here: fn(&Plan) -> bool) -> Self {
        FileSpec { here: Some(here), ..self }
    }

    const fn mode(self, mode: u32) -> Self {
        FileSpec { mode, ..self }
    }

    /// Whether this plan has the file.
    #[must_use]
    pub fn is_wanted(&self, plan: &Plan) -> bool {
        match self.here {
            Some(here) => here(plan),
            None => plan.settings.iter().any(|s| s.component == self.component && (self.takes)(s)),
        }
    }

    /// The settings that stand in it.
    pub fn settings<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a Setting> {
        plan.settings.iter().filter(|s| s.component == self.component && (self.takes)(s))
    }
}

/// The settings of one service's drop-in: its own, and what every service gets. The unit's usual name is for the list of
/// files, where the service is not planned.
macro_rules! drop_in {
    ($name:literal, $usual:literal) => {
        FileSpec::unit(
            Component::Limits,
            "systemd/service.conf.j2",
            |plan| {
                let unit = plan.setting(concat!("limits.units.", $name, ".name")).map_or($usual, |s| s.value.as_str());
                format!("/etc/systemd/system/{unit}.d/{OUR_DROP_IN}")
            },
            |plan| plan.setting(concat!("limits.units.", $name, ".name")).is_some(),
        )
        .takes(|s| s.name == "units.nofile" || is_of_unit(&s.name, $name))
    };
}

/// Every file, in the order they are shown.
pub static TABLE: &[FileSpec] = {
    use Component::{Api, Containers, Disk, DuckDb, Kernel, Limits, Maintenance, Nginx, PgBouncer, PostgreSql, Sqlite};
    &[
        FileSpec::whole(
            PostgreSql,
            "postgresql/50-llmsql.conf.j2",
            |plan| format!("{}{OUR_POSTGRESQL_FILE}", postgresql_dir(plan)),
            Syntax::PostgreSql,
        ),
        FileSpec::whole(
            PostgreSql,
            "postgresql/postgresql.conf.j2",
            |plan| format!("{}/postgresql.conf", postgresql_dir(plan)),
            Syntax::PostgreSql,
        )
        .owned(Ownership::Shared),
        FileSpec::whole(
            PgBouncer,
            "pgbouncer/pgbouncer.ini.j2",
            |_| "/etc/pgbouncer/pgbouncer.ini".to_owned(),
            Syntax::Ini,
        )
        .owned(Ownership::Shared)
        .mode(0o640),
        FileSpec::whole(Nginx, "nginx/nginx.conf.j2", |_| "/etc/nginx/nginx.conf".to_owned(), Syntax::Nginx)
            .owned(Ownership::Adopt),
        FileSpec::whole(
            Nginx,
            "nginx/rate-limiting.conf.j2",
            |_| "/etc/nginx/conf.d/rate-limiting.conf".to_owned(),
            Syntax::Nginx,
        ),
        FileSpec::whole(Nginx, "nginx/caching.conf.j2", |_| "/etc/nginx/conf.d/caching.conf".to_owned(), Syntax::Nginx),
        FileSpec::whole(Nginx, "nginx/llmsql.conf.j2", |_| "/etc/nginx/conf.d/llmsql.conf".to_owned(), Syntax::Nginx),
        FileSpec::whole(Api, "api/api.env.j2", |_| "/etc/llmsql/api/api.env".to_owned(), Syntax::Env),
        FileSpec::whole(Api, "api/logging.yaml.j2", |_| "/etc/llmsql/api/logging.yaml".to_owned(), Syntax::Yaml),
        FileSpec::whole(
            DuckDb,
            "duckdb/settings.sql.j2",
            |_| "/etc/llmsql/duckdb/settings.sql".to_owned(),
            Syntax::Sql,
        ),
        FileSpec::whole(Sqlite, "sqlite/pragmas.sql.j2", |_| "/etc/llmsql/sqlite/pragmas.sql".to_owned(), Syntax::Sql),
        FileSpec::whole(
            Kernel,
            "kernel/99-llm-sql-tuning.conf.j2",
            |_| "/etc/sysctl.d/99-llm-sql-tuning.conf".to_owned(),
            Syntax::Sysctl,
        )
        .takes(is_sysctl),
        FileSpec::unit(
            Kernel,
            "systemd/llmsql-thp.service.j2",
            |_| "/etc/systemd/system/llmsql-thp.service".to_owned(),
            |plan| has_systemd(plan) && has_both_thp(plan),
        )
        .takes(|s| !is_sysctl(s)),
        FileSpec::whole(
            Limits,
            "limits/99-llm-sql.conf.j2",
            |_| "/etc/security/limits.d/99-llm-sql.conf".to_owned(),
            Syntax::Limits,
        )
        .takes(|s| !s.name.starts_with("units.")),
        drop_in!("postgresql", "postgresql.service"),
        drop_in!("pgbouncer", "pgbouncer.service"),
        drop_in!("nginx", "nginx.service"),
        drop_in!("api", "api-server.service"),
        drop_in!("duckdb", "duckdb-server.service"),
        drop_in!("llm", "llm-gateway.service"),
        FileSpec::whole(
            Disk,
            "udev/60-llmsql.rules.j2",
            |_| "/etc/udev/rules.d/60-llmsql.rules".to_owned(),
            Syntax::Udev,
        ),
        FileSpec::whole(
            Containers,
            "compose/docker-compose.resources.yml.j2",
            |_| "/etc/llmsql/docker-compose.resources.yml".to_owned(),
            Syntax::Yaml,
        )
        .here(limits_containers),
        FileSpec::whole(
            Containers,
            "compose/docker-compose.security.yml.j2",
            |_| "/etc/llmsql/docker-compose.security.yml".to_owned(),
            Syntax::Yaml,
        ),
        FileSpec::whole(Maintenance, "secrets/env.example.j2", |_| "/etc/llmsql/.env.example".to_owned(), Syntax::Env)
            .takes(|_| false)
            .here(has_database),
        FileSpec::whole(
            Maintenance,
            "sql/hardening.sql.j2",
            |_| "/etc/llmsql/sql/hardening.sql".to_owned(),
            Syntax::Sql,
        )
        .takes(|_| false)
        .here(has_database),
        FileSpec::whole(
            Maintenance,
            "sql/connection-limits.sql.j2",
            |_| "/etc/llmsql/sql/connection-limits.sql".to_owned(),
            Syntax::Sql,
        )
        .takes(|s| s.name == "database_connection_limit"),
        FileSpec::unit(
            Maintenance,
            "systemd/llmsql-index.service.j2",
            |_| "/etc/systemd/system/llmsql-index.service".to_owned(),
            |plan| has_systemd(plan) && has_database(plan),
        )
        .takes(is_of_job),
        FileSpec::unit(
            Maintenance,
            "systemd/llmsql-index.timer.j2",
            |_| "/etc/systemd/system/llmsql-index.timer".to_owned(),
            |plan| has_systemd(plan) && has_database(plan),
        )
        .takes(is_of_job),
        FileSpec::whole(Maintenance, "cron/llmsql.j2", |_| "/etc/cron.d/llmsql".to_owned(), Syntax::Cron)
            .takes(is_of_job),
        FileSpec::unit(
            Maintenance,
            "systemd/llmsql-secrets.service.j2",
            |_| "/etc/systemd/system/llmsql-secrets.service".to_owned(),
            |plan| has_systemd(plan) && rotates(plan),
        )
        .takes(|s| s.name.starts_with("secrets_")),
        FileSpec::unit(
            Maintenance,
            "systemd/llmsql-secrets.timer.j2",
            |_| "/etc/systemd/system/llmsql-secrets.timer".to_owned(),
            |plan| has_systemd(plan) && rotates(plan),
        )
        .takes(|s| s.name.starts_with("secrets_")),
    ]
};

/// What `render --patroni` prints instead: Patroni writes PostgreSQL's files itself.
pub static PATRONI: FileSpec = FileSpec::whole(
    Component::PostgreSql,
    "postgresql/patroni.yml.j2",
    |_| "/etc/patroni/patroni.yml".to_owned(),
    Syntax::Yaml,
)
.owned(Ownership::Shared)
.mode(0o600);

/// Whether systemd's files count here: where it runs, or where nothing is known of the host.
fn has_systemd(plan: &Plan) -> bool {
    plan.facts.container.systemd != Some(false)
}

fn has_both_thp(plan: &Plan) -> bool {
    ["kernel.thp.enabled", "kernel.thp.defrag"].iter().all(|key| plan.setting(key).is_some())
}

/// Whether a container gets a limit: without one the file would name no service, which compose refuses.
fn limits_containers(plan: &Plan) -> bool {
    plan.settings.iter().any(|s| s.component == Component::Containers && s.name.ends_with(".memory"))
}

/// Whether there is a database to maintain.
fn has_database(plan: &Plan) -> bool {
    plan.setting("maintenance.program").is_some()
}

/// Whether secrets are rotated by a timer, which is only on request.
fn rotates(plan: &Plan) -> bool {
    !text(plan, "maintenance.secrets_rotation").is_empty()
}

fn is_of_job(setting: &Setting) -> bool {
    setting.name == "program" || setting.name.starts_with("index_")
}

fn is_of_unit(name: &str, unit: &str) -> bool {
    name.strip_prefix("units.").and_then(|rest| rest.strip_prefix(unit)).is_some_and(|rest| rest.starts_with('.'))
}

/// A setting as its file writes it; empty where it is not planned.
pub(super) fn text<'a>(plan: &'a Plan, key: &str) -> &'a str {
    plan.setting(key).map_or("", |s| s.value.as_str())
}

/// Transparent huge pages are kernel settings too, but no sysctl key sets them.
fn is_sysctl(setting: &Setting) -> bool {
    !setting.name.starts_with("thp.")
}

/// The folder with the planned cluster's `postgresql.conf`: that of the first cluster of the planned version, else
/// Debian's for it.
#[must_use]
pub fn postgresql_dir(plan: &Plan) -> String {
    let major = plan.host.postgresql_version;
    let cluster = plan.facts.software.clusters.iter().find(|c| c.major == Some(major));
    let folder = cluster.and_then(|cluster| {
        let beside = cluster.config_file.as_deref().and_then(|file| Path::new(file).parent());
        beside.map(|dir| dir.display().to_string()).or_else(|| cluster.data_dir.clone())
    });
    folder.unwrap_or_else(|| format!("/etc/postgresql/{major}/main"))
}
