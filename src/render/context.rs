//! What templates see.

use super::edge::Edge;
use super::files::FileSpec;
use crate::error::{Error, Result};
use crate::formats::postgresql_conf;
use crate::plan::{Component, Plan, Setting};
use crate::value::Value;
use serde::Serialize;
use std::collections::BTreeMap;

/// How long a comment line may be, marker included.
const WIDTH: usize = 110;

/// How many comment lines a value gets; the whole reason is a matter of `explain`.
const LINES: usize = 3;

/// The variables of one file's template.
#[derive(Debug, Serialize)]
pub(super) struct Context {
    /// Lines for the file's head, without a comment marker.
    header: Vec<String>,
    /// What a comment of the file begins with.
    comment: &'static str,
    /// llmsql's version.
    version: &'static str,
    /// The profile in force.
    profile: String,
    /// `budget` or `guide`.
    sizing: String,
    /// The file's settings under their headings.
    groups: Vec<Group>,
    /// Lines of PgBouncer's `[databases]`.
    databases: Vec<Entry>,
    /// Every value of the plan as its component writes it: `settings.postgresql.work_mem`.
    settings: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// Why each value is what it is, in lines without a comment marker, by key: `nginx.api_rate`.
    why: BTreeMap<String, Vec<String>>,
    /// What NGINX's files need to know of its version, build and settings; only where it is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    edge: Option<Edge>,
    /// The devices that hold databases, with what is planned for them.
    devices: Vec<Device>,
    /// Mount points that hold databases, with the options that are advised.
    mounts: Vec<Entry>,
    /// The containers that are planned, with the names of their services.
    services: Vec<Service>,
    /// The application's database as SQL writes it.
    database: Database,
    /// The unit of the planned cluster; empty where there is none.
    postgresql_unit: String,
}

/// A block device.
#[derive(Debug, Serialize)]
struct Device {
    /// `nvme0n1`.
    name: String,
    /// Whether it has a rotating disk, where the kernel says.
    rotational: Option<bool>,
    /// What a rule matches it by: KERNEL, or the own name of a mapped device, whose kernel's name may be another after a
    /// reboot.
    matched: String,
    scheduler: Option<Entry>,
    read_ahead_kb: Option<Entry>,
}

/// A container.
#[derive(Debug, Serialize)]
struct Service {
    /// The component's name, with which its settings begin.
    name: &'static str,
    /// The service's name in the compose files.
    service: String,
    /// The services it reaches by their names, which have to be there when it starts.
    depends_on: Vec<String>,
}

/// A name as SQL writes it.
#[derive(Debug, Serialize)]
struct Database {
    /// `'llm_analytics'`.
    literal: String,
    /// `"llm_analytics"`.
    identifier: String,
}

/// The names of [`Context`]'s variables.
pub(super) const VARIABLES: &[&str] = &[
    "header",
    "comment",
    "version",
    "profile",
    "sizing",
    "groups",
    "databases",
    "settings",
    "why",
    "edge",
    "devices",
    "mounts",
    "services",
    "database",
    "postgresql_unit",
];

/// Settings under one heading.
#[derive(Debug, Serialize)]
struct Group {
    /// `Memory`.
    name: String,
    /// `Memory (guide 1.1)`.
    title: String,
    /// The sections of the guide its settings come from.
    #[serde(skip)]
    sections: Vec<&'static str>,
    settings: Vec<Entry>,
}

impl Group {
    fn new(setting: &Setting, entry: Entry) -> Self {
        let mut letters = setting.group.chars();
        let name: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        let mut group = Group { name, title: String::new(), sections: Vec::new(), settings: Vec::new() };
        group.title.clone_from(&group.name);
        group.push(setting, entry);
        group
    }

    fn is_for(&self, setting: &Setting) -> bool {
        self.settings.first().is_some_and(|first| first.group == setting.group)
    }

    fn push(&mut self, setting: &Setting, entry: Entry) {
        self.settings.push(entry);
        if let Some(section) = setting.reason.guide
            && !self.sections.contains(&section)
        {
            self.sections.push(section);
            self.title = format!("{} (guide {})", self.name, self.sections.join(", "));
        }
    }
}

/// One setting.
#[derive(Debug, Serialize)]
struct Entry {
    /// `postgresql.work_mem`.
    key: String,
    /// `work_mem`.
    name: String,
    /// The plan's name of its group.
    group: &'static str,
    /// As the component writes it, without quotes.
    value: String,
    /// The same, quoted for `postgresql.conf` where that is needed.
    quoted: String,
    /// The same for YAML.
    yaml: String,
    /// The same for SQL: numbers and words as they are, texts and sizes in quotes.
    sql: String,
    /// The name in `[databases]`: the name behind `databases.`.
    entry: String,
    /// The user of a limit.
    user: String,
    /// The item of a limit.
    item: String,
    /// Why, in one line or two, without a comment marker.
    why: Vec<String>,
    /// Whether Patroni takes it from the cluster-wide configuration alone.
    patroni_dynamic: bool,
    /// Whether Patroni decides it and ignores what is set.
    patroni_own: bool,
}

/// Parameters Patroni takes from its dynamic configuration alone (Patroni's documentation, "PostgreSQL parameters
/// controlled by Patroni").
const PATRONI_DYNAMIC: &[&str] = &[
    "max_connections",
    "max_locks_per_transaction",
    "max_worker_processes",
    "max_prepared_transactions",
    "wal_level",
    "track_commit_timestamp",
    "max_wal_senders",
    "max_replication_slots",
    "wal_keep_size",
    "wal_log_hints",
];

/// Parameters Patroni sets itself, from other parts of its configuration.
const PATRONI_OWN: &[&str] = &[
    "listen_addresses",
    "port",
    "cluster_name",
    "hot_standby",
    "primary_conninfo",
    "primary_slot_name",
    "config_file",
    "hba_file",
    "ident_file",
    "data_directory",
];

/// The variables for one file.
///
/// # Errors
/// A value that no line of the file can hold, or one that looks like a secret.
pub(super) fn context(plan: &Plan, spec: &FileSpec) -> Result<Context> {
    let mut groups: Vec<Group> = Vec::new();
    let mut databases = Vec::new();
    let (mut devices, mut mounts) = (Vec::new(), Vec::new());
    for setting in spec.settings(plan) {
        let entry = entry(setting)?;
        if setting.component == Component::Disk {
            disk(plan, entry, &mut devices, &mut mounts);
            continue;
        }
        if setting.component == Component::PgBouncer && setting.name.starts_with("databases.") {
            databases.push(entry);
            continue;
        }
        match groups.iter_mut().find(|g| g.is_for(setting)) {
            Some(group) => group.push(setting, entry),
            None => groups.push(Group::new(setting, entry)),
        }
    }
    let mut settings: BTreeMap<&'static str, BTreeMap<String, String>> = BTreeMap::new();
    for setting in &plan.settings {
        settings.entry(setting.component.name()).or_default().insert(setting.name.clone(), setting.value.clone());
    }
    let sizing = plan.host.sizing.to_owned();
    let database = plan.profile.text("postgresql.database").unwrap_or("llm_analytics");
    Ok(Context {
        comment: spec.syntax.comment(),
        devices,
        mounts,
        services: services(plan),
        database: Database {
            literal: sql_literal(database),
            identifier: format!("\"{}\"", database.replace('"', "\"\"")),
        },
        postgresql_unit: super::files::text(plan, "limits.units.postgresql.name").to_owned(),
        header: header(plan, spec, &sizing),
        version: env!("CARGO_PKG_VERSION"),
        profile: plain(&plan.profile.name),
        sizing,
        groups,
        databases,
        settings,
        why: plan.settings.iter().map(|s| (s.key.clone(), why(s))).collect(),
        edge: Edge::new(plan)?,
    })
}

/// The containers that are planned, and which of them reaches which.
fn services(plan: &Plan) -> Vec<Service> {
    let planned = Component::ALL.iter().filter_map(|component| {
        let service = plan.setting(&format!("containers.{}.service", component.name()))?;
        Some((*component, service.value.clone()))
    });
    let planned: Vec<(Component, String)> = planned.collect();
    let reaches = |from: Component, name: &str| {
        plan.settings.iter().filter(|s| s.component == from).any(|s| {
            let host = match s.name.as_str() {
                "api_upstream" | "duckdb_upstream" | "llm_upstream" => s.value.rsplit_once(':').map(|(host, _)| host),
                "database_host" => Some(s.value.as_str()),
                entry if entry.starts_with("databases.") => {
                    s.value.split_whitespace().find_map(|word| word.strip_prefix("host="))
                }
                _ => None,
            };
            host == Some(name)
        })
    };
    let services = planned.iter().map(|(component, service)| Service {
        name: component.name(),
        service: service.clone(),
        depends_on: planned.iter().map(|(_, name)| name).filter(|name| reaches(*component, name)).cloned().collect(),
    });
    services.collect()
}

/// Puts what is planned for a device or mount point with what stands there of it.
fn disk(plan: &Plan, entry: Entry, devices: &mut Vec<Device>, mounts: &mut Vec<Entry>) {
    if entry.item == "mount_options" {
        mounts.push(entry);
        return;
    }
    let name = entry.user.clone();
    if !devices.iter().any(|d: &Device| d.name == name) {
        let known = plan.facts.disks.iter().flat_map(|d| &d.devices).find(|d| d.name == name);
        let rotational = known.and_then(|d| d.rotational);
        let stacked = plan.facts.disks.iter().filter_map(|d| d.stacked.as_ref()).find(|s| s.name == name);
        // Other characters would be patterns.
        let plain = |own: &&String| own.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
        let matched = match stacked.and_then(|s| s.mapped_as.as_ref()).filter(plain) {
            Some(own) => format!("ENV{{DM_NAME}}==\"{own}\""),
            None => format!("KERNEL==\"{name}\""),
        };
        devices.push(Device { name: name.clone(), rotational, matched, scheduler: None, read_ahead_kb: None });
    }
    if let Some(device) = devices.iter_mut().find(|d| d.name == name) {
        match entry.item.as_str() {
            "scheduler" => device.scheduler = Some(entry),
            _ => device.read_ahead_kb = Some(entry),
        }
    }
}

/// A text as SQL writes it.
fn sql_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn header(plan: &Plan, spec: &FileSpec, sizing: &str) -> Vec<String> {
    let known = |s: &&Setting| matches!(s.name.as_str(), "work_mem" | "default_pool_size" | "vm.swappiness");
    let example = spec.settings(plan).find(known).or_else(|| spec.settings(plan).find(|s| !s.value.is_empty()));
    let pin = example
        .map_or_else(String::new, |s| format!("; pin a value with `llmsql config set {} {}`", s.key, plain(&s.value)));
    let profile = plain(&plan.profile.name);
    let mut lines = vec![format!("llmsql {}, profile {profile}, sizing {sizing}.", env!("CARGO_PKG_VERSION"))];
    lines.push(match spec.ownership {
        super::Ownership::Whole => format!("Ours alone: edits are lost{pin}."),
        super::Ownership::Shared => format!("Only the keys below are ours, others stay{pin}."),
        super::Ownership::Adopt => format!("Written where no other file is in its place{pin}."),
    });
    lines
}

fn entry(setting: &Setting) -> Result<Entry> {
    let Setting { key, name, value, .. } = setting;
    let refuse = |what: &str| Error::failed("render.value", what).at(key);
    let quoted = postgresql_conf::quote(value).ok_or_else(|| refuse("the value has a NUL, which no file can hold"))?;
    if let Some(what) = unfit(setting) {
        return Err(refuse(what));
    }
    if super::shared::has_password(value) {
        return Err(refuse("the value holds a password, which must not stand in a rendered file").next(
            "leave the password out: PgBouncer takes it from auth_file, clients from a service or password file",
        ));
    }
    let (user, item) = name.rsplit_once('.').unwrap_or(("", name));
    Ok(Entry {
        key: key.clone(),
        name: name.clone(),
        group: setting.group,
        value: value.clone(),
        quoted,
        yaml: yaml(setting),
        sql: match setting.typed {
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => value.clone(),
            _ => sql_literal(value),
        },
        entry: name.strip_prefix("databases.").unwrap_or(name).to_owned(),
        user: user.to_owned(),
        item: item.to_owned(),
        why: why(setting),
        patroni_dynamic: PATRONI_DYNAMIC.contains(&name.as_str()),
        patroni_own: PATRONI_OWN.contains(&name.as_str()),
    })
}

/// Why the setting's file cannot hold its value. PostgreSQL's quoting can hold any text; in the others a value must not be
/// able to become anything else than a value.
fn unfit(setting: &Setting) -> Option<&'static str> {
    let Setting { component, name, value, .. } = setting;
    if *component != Component::PostgreSql && value.contains(['\n', '\r']) {
        return Some("the value has a line end, which this file cannot hold");
    }
    let blank = || value.contains(char::is_whitespace);
    let quoting = || value.contains(['"', '\'', '\\', '#', '$', '`', '%']);
    match component {
        Component::Nginx if value.contains([';', '{', '}', '"', '\'', '\\', '#', '$']) => {
            Some("the value has one of ; { } \" ' \\ # $, which nginx would take for more than a value")
        }
        Component::Limits if name.ends_with(".name") && !is_unit_name(value) => {
            Some("the value is no unit's name, such as api-server.service")
        }
        Component::Api | Component::Disk | Component::Limits | Component::Maintenance | Component::Containers
            if quoting() =>
        {
            Some("the value has one of \" ' \\ # $ ` %, which readers of this file take in different ways")
        }
        Component::Disk | Component::Containers if name != "placement" && blank() => {
            Some("the value has a blank, which this file cannot hold")
        }
        Component::Api if !matches!(setting.typed, Value::List(_)) && blank() => {
            Some("the value has a blank, which readers of this file take in different ways")
        }
        Component::Maintenance
            if name != "secrets_rotation" && (blank() || value.contains([';', '&', '|', '<', '>'])) =>
        {
            Some("the value has a blank or one of ; & | < >, which a shell would take for more than a value")
        }
        _ => None,
    }
}

/// systemd.unit(5): the name of a service.
fn is_unit_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.@".contains(c);
    name.strip_suffix(".service")
        .is_some_and(|stem| !stem.is_empty() && !stem.starts_with('.') && stem.chars().all(allowed))
}

/// A YAML scalar: numbers as they are, everything else in double quotes, since YAML 1.1 readers take `on` for a boolean.
fn yaml(setting: &Setting) -> String {
    match &setting.typed {
        Value::Int(_) | Value::Float(_) => setting.value.clone(),
        _ => serde_json::Value::String(setting.value.clone()).to_string(),
    }
}

/// Why the value is what it is: who set it or the formula with this host's numbers and the caps that bit, then what else
/// is worth a sentence.
pub(super) fn why(setting: &Setting) -> Vec<String> {
    let reason = &setting.reason;
    let mut first = match (&setting.origin, reason.formula.as_str(), reason.worked.as_str()) {
        (Some(origin), _, _) => format!("set by {origin}"),
        (None, formula, "") => formula.to_owned(),
        (None, "", worked) => worked.to_owned(),
        (None, formula, worked) if formula == worked => formula.to_owned(),
        (None, formula, worked) => format!("{formula} = {worked}"),
    };
    if !reason.caps.is_empty() {
        first = format!("{first}; {}", reason.caps.join("; "));
    }
    let mut lines = Vec::new();
    // Where a pin changed the value, the last note says who set it and what it would be without.
    let pin = setting.origin.as_ref().and_then(|_| reason.notes.last()).filter(|note| note.starts_with("Set by "));
    wrap(&plain(pin.unwrap_or(&first)), &mut lines);
    if lines.len() < LINES
        && let Some(note) = reason.notes.first().filter(|note| Some(*note) != pin)
    {
        wrap(&plain(note), &mut lines);
    }
    if lines.len() > LINES {
        lines.truncate(LINES - 1);
        lines.push(format!("… `llmsql explain {}` says the rest.", setting.key));
    }
    lines
}

/// Text that cannot leave its comment line: control characters and runs of blanks become one blank.
fn plain(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ")
}

fn wrap(text: &str, lines: &mut Vec<String>) {
    let mut line = String::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH - 2 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
}
