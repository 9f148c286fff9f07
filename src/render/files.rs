//! The one table of files: template, target, ownership, component.

use super::Ownership;
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
}

/// One row.
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
    /// Permission bits.
    pub mode: u32,
    /// Its language.
    pub syntax: Syntax,
}

/// Every file, in the order they are shown.
pub static TABLE: &[FileSpec] = &[
    FileSpec {
        template: "postgresql/50-llmsql.conf.j2",
        target: |plan| format!("{}/conf.d/50-llmsql.conf", postgresql_dir(plan)),
        ownership: Ownership::Whole,
        component: Component::PostgreSql,
        takes: |_| true,
        mode: 0o644,
        syntax: Syntax::PostgreSql,
    },
    FileSpec {
        template: "postgresql/postgresql.conf.j2",
        target: |plan| format!("{}/postgresql.conf", postgresql_dir(plan)),
        ownership: Ownership::Shared,
        component: Component::PostgreSql,
        takes: |_| true,
        mode: 0o644,
        syntax: Syntax::PostgreSql,
    },
    FileSpec {
        template: "pgbouncer/pgbouncer.ini.j2",
        target: |_| "/etc/pgbouncer/pgbouncer.ini".to_owned(),
        ownership: Ownership::Shared,
        component: Component::PgBouncer,
        takes: |_| true,
        mode: 0o640,
        syntax: Syntax::Ini,
    },
    FileSpec {
        template: "nginx/nginx.conf.j2",
        target: |_| "/etc/nginx/nginx.conf".to_owned(),
        ownership: Ownership::Adopt,
        component: Component::Nginx,
        takes: |_| true,
        mode: 0o644,
        syntax: Syntax::Nginx,
    },
    FileSpec {
        template: "nginx/rate-limiting.conf.j2",
        target: |_| "/etc/nginx/conf.d/rate-limiting.conf".to_owned(),
        ownership: Ownership::Whole,
        component: Component::Nginx,
        takes: |_| true,
        mode: 0o644,
        syntax: Syntax::Nginx,
    },
    FileSpec {
        template: "nginx/caching.conf.j2",
        target: |_| "/etc/nginx/conf.d/caching.conf".to_owned(),
        ownership: Ownership::Whole,
        component: Component::Nginx,
        takes: |_| true,
        mode: 0o644,
        syntax: Syntax::Nginx,
    },
    FileSpec {
        template: "nginx/llmsql.conf.j2",
        target: |_| "/etc/nginx/conf.d/llmsql.conf".to_owned(),
        ownership: Ownership::Whole,
        component: Component::Nginx,
        takes: |_| true,
        mode: 0o644,
        syntax: Syntax::Nginx,
    },
    FileSpec {
        template: "kernel/99-llm-sql-tuning.conf.j2",
        target: |_| "/etc/sysctl.d/99-llm-sql-tuning.conf".to_owned(),
        ownership: Ownership::Whole,
        component: Component::Kernel,
        takes: is_sysctl,
        mode: 0o644,
        syntax: Syntax::Sysctl,
    },
    FileSpec {
        template: "limits/99-llm-sql.conf.j2",
        target: |_| "/etc/security/limits.d/99-llm-sql.conf".to_owned(),
        ownership: Ownership::Whole,
        component: Component::Limits,
        takes: |setting| !setting.name.starts_with("units."),
        mode: 0o644,
        syntax: Syntax::Limits,
    },
];

/// What `render --patroni` prints instead: Patroni writes PostgreSQL's files itself.
pub static PATRONI: FileSpec = FileSpec {
    template: "postgresql/patroni.yml.j2",
    target: |_| "/etc/patroni/patroni.yml".to_owned(),
    ownership: Ownership::Shared,
    component: Component::PostgreSql,
    takes: |_| true,
    mode: 0o600,
    syntax: Syntax::Yaml,
};

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
