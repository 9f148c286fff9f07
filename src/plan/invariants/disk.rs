//! Disks: WAL and spilling, archiving, schedulers, DuckDB's extensions.

use super::{Court, number, size};
use crate::plan::{Check, Component, Severity};
use crate::units;
use crate::value::Value;

impl Court<'_> {
    pub(super) fn wal(&mut self) {
        let Some(wal) = self.count("postgresql.max_wal_size") else { return };
        let slots = self.count("postgresql.max_slot_wal_keep_size").unwrap_or(0);
        let temp = self.count("duckdb.max_temp_directory_size");
        let data = self.host.mount_of(self.host.data_dir());
        let spill = self.host.mount_of("/var/lib/duckdb/tmp");
        let same = matches!((data, spill), (Some(a), Some(b)) if a.mount == b.mount);
        let mut numbers = vec![size("max_wal_size", wal), size("slot limit", slots)];
        let Some(free) = data.and_then(|d| d.free_bytes) else {
            let message = "what is free on the WAL's file system is not known".to_owned();
            self.verdict("disk.wal", None, numbers, message, "");
            return;
        };
        let wanted = wal.saturating_add(slots).saturating_add(if same { temp.unwrap_or(0) } else { 0 });
        numbers.push(size("free", free));
        if let Some(temp) = temp {
            numbers.push(size("DuckDB's temp limit", temp));
        }
        let apart = spill.filter(|_| !same).and_then(|disk| Some((disk, temp?, disk.free_bytes?)));
        numbers.extend(apart.map(|(disk, _, free)| size(&format!("free on {}", disk.mount), free)));
        let spills = apart.filter(|(_, temp, free)| temp > free);
        let human = units::human_bytes;
        let (mut faults, mut keys) = (Vec::new(), Vec::new());
        if wanted > free || spills.is_none() {
            faults.push(format!("{} may be written to {} of free space", human(wanted), human(free)));
        }
        if wanted > free {
            keys.extend(["postgresql.max_wal_size", "postgresql.max_slot_wal_keep_size"]);
        }
        if let Some((disk, temp, free)) = spills {
            faults.push(format!("DuckDB may spill {} to {} of free space on {}", human(temp), human(free), disk.mount));
        }
        if spills.is_some() || same {
            keys.push("duckdb.max_temp_directory_size");
        }
        let holds = wanted <= free && spills.is_none();
        let next = format!("free space there, or {}", self.lower(&keys, ""));
        self.verdict("disk.wal", Some(holds), numbers, faults.join("; "), &next);
    }

    pub(super) fn archive(&mut self) {
        let planned = self.value("postgresql.archive_mode").is_some();
        if let Some(severity) = self.archives_to_nowhere() {
            let message = "archive_mode is on and neither archive_command nor archive_library is set: every segment of WAL \
                           is kept for an archive that never comes, until the disk is full";
            let next = "set postgresql.archive_dir to a folder on another file system, or postgresql.archive_command, or \
                        postgresql.archive_mode to off";
            let numbers = vec![number("archive_mode", "on")];
            return self.verdict_of("disk.archive", Some(false), severity, numbers, message.to_owned(), next);
        }
        let Some(dir) = self.host.profile.text("postgresql.archive_dir") else {
            if planned {
                let message = "archive_mode is pinned; the command and its folder are the operator's".to_owned();
                self.verdict("disk.archive", None, Vec::new(), message, "");
            }
            return;
        };
        if self.host.archives_by_itself() {
            let message = "the cluster archives already; its command is not replaced".to_owned();
            self.verdict("disk.archive", Some(true), vec![number("archive_dir", dir)], message, "");
            return;
        }
        let numbers = vec![number("archive_dir", dir), number("data folder", self.host.data_dir())];
        if planned {
            let message = format!("{dir} is on another file system than the database");
            self.verdict("disk.archive", Some(true), numbers, message, "");
            let premise = format!("{dir} is taken to exist and to be writable by the server");
            let user = "sudo -u postgres test -w ".to_owned() + dir;
            self.note("disk.archive", Severity::Assumption, premise, &user);
            return;
        }
        // Nothing unsafe is planned, so nothing is broken: the wish was not followed, and that is a warning.
        self.checks.push(Check {
            invariant: "disk.archive",
            holds: Some(true),
            numbers,
            message: "archiving is not planned".to_owned(),
        });
        let message = format!(
            "archiving to {dir} is left out: it is not on another file system than the database, or its path needs quoting"
        );
        self.note("disk.archive", Severity::Warning, message, "name a folder on another file system");
    }

    /// How bad it is that the server would archive and has nothing to do it with: an error where the plan's values make
    /// it so, a warning where the cluster's own files have it already.
    fn archives_to_nowhere(&self) -> Option<Severity> {
        let files = |name: &str| Some(self.host.cluster()?.settings.get(name)?.value.as_str());
        let running = |name: &str| Some(self.host.facts.database.as_ref()?.settings.get(name)?.as_str());
        let (mode, ours) = match self.value("postgresql.archive_mode") {
            Some(Value::Text(mode)) => (Some(mode.as_str()), true),
            _ => (running("archive_mode").or_else(|| files("archive_mode")), false),
        };
        mode.filter(|mode| *mode != "off")?;
        let told = ["archive_command", "archive_library"].into_iter().any(|name| {
            let value = match self.value(&format!("postgresql.{name}")) {
                Some(Value::Text(command)) => Some(command.as_str()),
                _ => running(name).or_else(|| files(name)),
            };
            value.is_some_and(|value| !value.is_empty() && value != "(disabled)")
        });
        match (told, ours, self.host.sizing) {
            (true, ..) => None,
            (false, true, crate::plan::host::Sizing::Budget) => Some(Severity::Error),
            (false, ..) => Some(Severity::Warning),
        }
    }

    pub(super) fn scheduler(&mut self) {
        let planned: Vec<(String, String)> = self
            .settings
            .iter()
            .filter(|s| s.component == Component::Disk && s.name.ends_with(".scheduler"))
            .map(|s| (s.name.trim_end_matches(".scheduler").to_owned(), s.value.clone()))
            .collect();
        let devices = || self.host.facts.disks.iter().flat_map(|d| &d.devices);
        let missing: Vec<String> = planned
            .iter()
            .filter(|(name, wanted)| devices().any(|d| &d.name == name && !d.schedulers.contains(wanted)))
            .map(|(name, wanted)| format!("{name} does not offer {wanted}"))
            .collect();
        if planned.is_empty() {
            return;
        }
        let holds = missing.is_empty();
        let message =
            if holds { "every planned scheduler is offered by its device".to_owned() } else { missing.join("; ") };
        self.verdict("disk.scheduler", Some(holds), planned, message, "unset the pinned disk.*.scheduler");
    }

    pub(super) fn extensions(&mut self) {
        let Some(Value::Text(dir)) = self.value("duckdb.extension_directory") else { return };
        let volatile =
            ["/tmp", "/var/tmp", "/dev/shm", "/run"].iter().any(|v| std::path::Path::new(dir).starts_with(v));
        let memory =
            self.host.mount_of(dir).is_some_and(|d| matches!(d.filesystem.as_deref(), Some("tmpfs" | "ramfs")));
        let holds = !volatile && !memory;
        let message = if holds {
            format!("{dir} outlives a reboot")
        } else {
            format!("{dir} is emptied at a reboot or writable by everybody")
        };
        self.verdict(
            "extensions",
            Some(holds),
            vec![number("folder", dir)],
            message,
            "set duckdb.extension_directory to a folder of the service",
        );
    }
}
