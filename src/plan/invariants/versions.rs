//! What the planned version of PostgreSQL takes: names, limits, relations between settings, and what it preloads.

use super::{Court, number};
use crate::plan::{Component, budget};
use crate::postgres::catalogue;
use crate::profile::keys;
use crate::units;
use crate::value::Value;

impl Court<'_> {
    pub(super) fn versions(&mut self) {
        if !self.host.has(Component::PostgreSql) {
            return;
        }
        let mut wrong = self.beyond_limits();
        wrong.extend(self.not_in_this_version());
        wrong.extend(self.too_many_backends());
        wrong.extend(self.below_two_segments());
        wrong.extend(self.not_installed());
        wrong.extend(self.without_rings());
        wrong.extend(self.more_than_minimal_wal());
        let numbers = vec![
            number("version", self.host.major),
            number("settings", self.settings.iter().filter(|s| s.component == Component::PostgreSql).count()),
        ];
        let holds = wrong.is_empty();
        let message = if holds {
            format!("PostgreSQL {} knows every setting and its value", self.host.major)
        } else {
            wrong.join("; ")
        };
        self.verdict("versions", Some(holds), numbers, message, "correct or unset the pinned value");
    }

    fn beyond_limits(&self) -> Vec<String> {
        let settings = self.settings.iter().filter(|s| s.component == Component::PostgreSql);
        settings
            .filter_map(|s| match catalogue::find(&s.name, self.host.major) {
                None => Some(catalogue::absence(&s.name, self.host.major)),
                Some(e) => e.check(&s.value).err().map(|e| format!("{} = {}: {e}", s.name, s.value)),
            })
            .collect()
    }

    /// Pinned settings that the planned version lacks, and that are therefore no part of the plan.
    fn not_in_this_version(&self) -> Vec<String> {
        let pinned = self.host.profile.values.keys().filter(|key| self.value(key).is_none());
        pinned
            .filter(|key| !keys::KEYS.iter().any(|k| k.name == key.as_str()))
            .filter_map(|key| key.strip_prefix("postgresql."))
            .filter(|name| catalogue::find(name, self.host.major).is_none())
            .map(|name| catalogue::absence(name, self.host.major))
            .collect()
    }

    /// The server adds up its back ends of all kinds, and does not start with more than 262143.
    fn too_many_backends(&self) -> Option<String> {
        let pg = self.budget.postgresql.as_ref()?;
        let connections = self.count("postgresql.max_connections")?;
        let others = pg.other_backends(self.host.major);
        let all = connections.saturating_add(others);
        (all > budget::MOST_BACKENDS).then(|| {
            format!(
                "max_connections {connections} and {others} autovacuum workers, background workers and WAL senders are \
                 {all} back ends; the server takes {} at most",
                budget::MOST_BACKENDS
            )
        })
    }

    /// The server takes no less than two WAL segments for either end of the WAL's size.
    fn below_two_segments(&self) -> Vec<String> {
        let least = 2 * self.host.wal_segment();
        ["max_wal_size", "min_wal_size"]
            .into_iter()
            .filter_map(|name| {
                let size = self.count(&format!("postgresql.{name}")).filter(|size| *size < least)?;
                let (size, least) = (units::format_bytes(size), units::format_bytes(least));
                Some(format!("{name} = {size}: the server takes no less than two WAL segments, {least}"))
            })
            .collect()
    }

    /// What the server does not start with, or cannot do, where wal_level is minimal.
    fn more_than_minimal_wal(&self) -> Vec<String> {
        if !self.host.wal_is_minimal() {
            return Vec::new();
        }
        let senders = self.count("postgresql.max_wal_senders").filter(|n| *n > 0);
        let archiving = match self.value("postgresql.archive_mode") {
            Some(Value::Text(mode)) => mode != "off",
            _ => self.host.archives_by_itself(),
        };
        let replicas = self.budget.postgresql.as_ref().map(|p| p.replicas.value).filter(|n| *n > 0);
        let against = [
            senders.map(|n| format!("max_wal_senders = {n}")),
            archiving.then(|| "archiving (archive_mode)".to_owned()),
            (self.value("postgresql.summarize_wal") == Some(&Value::Bool(true))).then(|| "summarize_wal".to_owned()),
            replicas.map(|n| units::counted(n, "replica")),
        ];
        let against = against.into_iter().flatten();
        against.map(|what| format!("{what} needs wal_level replica or logical, and minimal is pinned")).collect()
    }

    /// io_uring that the build or the host does not have: the server would not start.
    fn without_rings(&self) -> Option<String> {
        let pinned = self.value("postgresql.io_method") == Some(&Value::Text("io_uring".to_owned()));
        let options = self.host.server().and_then(|server| server.build_options.as_ref());
        let kernel = &self.host.facts.kernel;
        let why = match options {
            Some(options) if !options.iter().any(|o| o == "--with-liburing") => {
                "this PostgreSQL was built without liburing"
            }
            _ if kernel.io_uring_tried && kernel.io_uring == Some(false) => kernel.io_uring_reason.as_deref()?,
            _ => return None,
        };
        pinned.then(|| format!("io_method = io_uring: {why}; the server would not start"))
    }

    /// Pinned libraries that are not installed: the server would not start. Only where the host's own folder of
    /// libraries is known: several (auto_explain) are no extensions, which is all that a live server names.
    fn not_installed(&self) -> Option<String> {
        let setting = self.settings.iter().find(|s| s.key == "postgresql.shared_preload_libraries")?;
        setting.origin.as_ref()?;
        let Value::List(libraries) = &setting.typed else { return None };
        let installed = self.host.server()?.extensions.as_ref()?;
        let missing: Vec<&str> = libraries
            .iter()
            .map(|name| name.trim_start_matches("$libdir/").trim_end_matches(".so"))
            .filter(|name| !name.contains('/') && !installed.iter().any(|i| i == name))
            .collect();
        (!missing.is_empty()).then(|| {
            let verb = if missing.len() == 1 { "is" } else { "are" };
            format!(
                "shared_preload_libraries: {} {verb} not installed beside PostgreSQL {}, which would not start",
                missing.join(", "),
                self.host.major
            )
        })
    }
}
