//! What the files of systemd give a service: its unit file and drop-ins, and those of its slices (systemd.unit(5),
//! systemd.resource-control(5)). They hold also while the service is down, and in a tree taken from another host.

use super::read::{Host, Set, parse_list};
use super::{Cluster, ClusterSetting, Postgres, Unit};
use crate::units::{GB, KB, MB, TB};
use std::collections::{BTreeMap, BTreeSet};

/// Folders of units, the strongest first; the `.control` ones hold what `systemctl set-property` was told.
const DIRS: &[&str] = &[
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The directives that matter here.
const DIRECTIVES: &[&str] =
    &["Slice", "MemoryMax", "MemoryLimit", "CPUQuota", "AllowedCPUs", "CPUAffinity", "LimitNOFILE"];

/// The file of ours among a unit's drop-ins, which says nothing of what the operator wants.
pub(crate) const OUR_DROP_IN: &str = "50-llmsql.conf";

/// Services of the stack by the names that packages and the guide give them; PostgreSQL's has its version in it.
const SERVICES: &[&str] = &[
    "pgbouncer.service",
    "nginx.service",
    "api-server.service",
    "duckdb-server.service",
    "llm-gateway.service",
    "ollama.service",
];

/// What the folders of units hold, each listed once.
struct Units<'a> {
    host: &'a Host<'a>,
    names: Vec<BTreeSet<String>>,
}

/// The unit that runs a cluster, by its distribution's naming: Debian has an instance of its template for each, others a
/// unit for each version.
#[must_use]
pub fn of_cluster(cluster: &Cluster) -> Option<String> {
    let config = cluster.config_file.as_deref()?;
    if let Some((version, rest)) = config.strip_prefix("/etc/postgresql/").and_then(|rest| rest.split_once('/')) {
        let name = rest.split('/').next()?;
        return Some(format!("postgresql@{version}-{name}.service"));
    }
    let version = config.strip_prefix("/var/lib/pgsql/").and_then(|rest| rest.split('/').next());
    match version.filter(|v| !v.is_empty() && v.chars().all(|c| c.is_ascii_digit())) {
        Some(version) => Some(format!("postgresql-{version}.service")),
        None => Some("postgresql.service".to_owned()),
    }
}

/// The services of the stack that have files here, with what these set.
pub(super) fn collect(host: &Host, clusters: &[Cluster], servers: &[Postgres]) -> Vec<Unit> {
    let units = Units::new(host);
    let mut names: Vec<String> = clusters.iter().filter_map(of_cluster).collect();
    for major in servers.iter().filter_map(|s| s.major) {
        names.extend([format!("postgresql@{major}-main.service"), format!("postgresql-{major}.service")]);
    }
    names.push("postgresql.service".to_owned());
    names.extend(SERVICES.iter().map(|name| (*name).to_owned()));
    let mut found: Vec<Unit> = Vec::new();
    for name in names {
        if !found.iter().any(|unit| unit.name == name) {
            found.extend(units.read(&name));
        }
    }
    found
}

/// One service, where it has files here.
pub(super) fn one(host: &Host, name: &str) -> Option<Unit> {
    Units::new(host).read(name)
}

impl<'a> Units<'a> {
    fn new(host: &'a Host<'a>) -> Self {
        let names = DIRS.iter().map(|dir| host.names(dir).into_iter().collect()).collect();
        Units { host, names }
    }

    /// A unit that has a file or a drop-in of its own, or whose template has; its slices' limits are in it.
    fn read(&self, name: &str) -> Option<Unit> {
        let own = [Some(name.to_owned()), template(name)];
        let there = own.iter().flatten().any(|name| {
            let drop_ins = format!("{name}.d");
            self.names.iter().any(|names| names.contains(name) || names.contains(&drop_ins))
        });
        if !there {
            return None;
        }
        let mut unit = Unit { name: name.to_owned(), settings: self.settings(name), ..Unit::default() };
        let slice = match unit.settings.get("Slice") {
            Some(slice) if !slice.value.is_empty() => slice.value.clone(),
            _ => default_slice(name),
        };
        unit.slices = ancestors(&slice)
            .into_iter()
            .map(|name| Unit { settings: self.settings(&name), name, slices: Vec::new() })
            .collect();
        Some(unit)
    }

    /// What the unit's file and then its drop-ins set, the last one wins, an empty value takes back.
    fn settings(&self, name: &str) -> BTreeMap<String, ClusterSetting> {
        let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
        let section = if kind == "slice" { "Slice" } else { "Service" };
        let mut settings = BTreeMap::new();
        let fragment = [Some(name.to_owned()), template(name)].into_iter().flatten().find_map(|name| self.first(&name));
        for path in fragment.into_iter().chain(self.drop_ins(name, kind)) {
            let Some(text) = self.host.text(&path) else { continue };
            read(&text, section, &path, &mut settings);
        }
        settings
    }

    /// The strongest file of this name.
    fn first(&self, name: &str) -> Option<String> {
        let at = self.names.iter().position(|names| names.contains(name))?;
        Some(format!("{}/{name}", DIRS.get(at)?))
    }

    /// The drop-ins of a unit in the order they are read: by file name, of one name the strongest alone.
    fn drop_ins(&self, name: &str, kind: &str) -> Vec<String> {
        let mut folders = vec![format!("{name}.d")];
        folders.extend(template(name).map(|template| format!("{template}.d")));
        let stem = name.split(['@', '.']).next().unwrap_or(name);
        let dashes = stem.match_indices('-').filter_map(|(at, _)| stem.get(..=at));
        folders.extend(dashes.rev().map(|prefix| format!("{prefix}.{kind}.d")));
        folders.push(format!("{kind}.d"));
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for folder in folders {
            for (dir, names) in DIRS.iter().zip(&self.names) {
                if !names.contains(&folder) {
                    continue;
                }
                for file in self.host.names(&format!("{dir}/{folder}")) {
                    if file.ends_with(".conf") && file != OUR_DROP_IN {
                        let path = format!("{dir}/{folder}/{file}");
                        files.entry(file).or_insert(path);
                    }
                }
            }
        }
        files.into_values().collect()
    }
}

/// `postgresql@.service` of `postgresql@18-main.service`.
fn template(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{kind}"))
}

/// The slice of a service that names none: instances of a template have one of their own.
fn default_slice(name: &str) -> String {
    match name.split_once('@') {
        Some((prefix, _)) => format!("system-{}.slice", prefix.replace('-', "\\x2d")),
        None => "system.slice".to_owned(),
    }
}

/// A slice and those above it, the topmost first: `a-b.slice` lies in `a.slice`.
fn ancestors(slice: &str) -> Vec<String> {
    let stem = slice.strip_suffix(".slice").unwrap_or(slice);
    let mut all = vec!["-.slice".to_owned()];
    if stem != "-" {
        all.extend(stem.match_indices('-').filter_map(|(at, _)| stem.get(..at)).map(|above| format!("{above}.slice")));
        all.push(format!("{stem}.slice"));
    }
    all
}

/// Reads one file.
fn read(text: &str, section: &str, path: &str, settings: &mut BTreeMap<String, ClusterSetting>) {
    let mut here = false;
    let mut pending: Option<(u32, String)> = None;
    for (number, line) in (1u32..).zip(text.lines()) {
        let (number, line) = match pending.take() {
            Some((first, start)) => (first, format!("{start} {}", line.trim())),
            None => (number, line.trim().to_owned()),
        };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(start) = line.strip_suffix('\\') {
            pending = Some((number, start.to_owned()));
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            here = name == section;
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| here) else { continue };
        let (name, value) = (name.trim(), value.trim());
        if !DIRECTIVES.contains(&name) {
            continue;
        }
        if value.is_empty() {
            settings.remove(name);
        } else {
            let setting = ClusterSetting { value: value.to_owned(), file: path.to_owned(), line: Some(number) };
            settings.insert(name.to_owned(), setting);
        }
    }
}

/// A limit that a unit's files set, and the file that does.
pub(super) struct Told<T> {
    pub value: T,
    pub file: String,
}

impl Unit {
    /// This unit, and the slices it lies in.
    fn chain(&self) -> impl Iterator<Item = &Unit> {
        std::iter::once(self).chain(&self.slices)
    }

    /// Its place below a hierarchy's mount: `/system.slice/pgbouncer.service`.
    pub(super) fn cgroup(&self) -> String {
        let slices = self.slices.iter().filter(|slice| slice.name != "-.slice").map(|slice| slice.name.as_str());
        slices.chain([self.name.as_str()]).map(|name| format!("/{name}")).collect()
    }

    /// The smallest limit of memory, in bytes; a percentage is of the host's memory.
    pub(super) fn memory_max(&self, host: &Host, total: Option<u64>) -> Option<Told<u64>> {
        self.memory_settings()
            .filter_map(|set| told(host, set, memory(&set.value, total)))
            .min_by_key(|told| told.value)
    }

    /// The smallest limit of memory that this unit's files and those of its slices set, in bytes, and the file that does.
    #[must_use]
    pub fn memory_limit(&self, total: Option<u64>) -> Option<(u64, &str)> {
        let limits = self.memory_settings().filter_map(|set| Some((memory(&set.value, total)??, set.file.as_str())));
        limits.min_by_key(|(bytes, _)| *bytes)
    }

    /// MemoryMax of it and its slices; MemoryLimit is the directive of the first hierarchy, which MemoryMax stands for
    /// where both are set.
    fn memory_settings(&self) -> impl Iterator<Item = &ClusterSetting> {
        self.chain().filter_map(|u| u.settings.get("MemoryMax").or_else(|| u.settings.get("MemoryLimit")))
    }

    /// The smallest bandwidth, in CPUs.
    pub(super) fn cpu_quota(&self, host: &Host) -> Option<f64> {
        let quotas = self.chain().filter_map(|u| u.settings.get("CPUQuota"));
        let read = |text: &str| text.strip_suffix('%')?.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
        quotas
            .filter_map(|set| told(host, set, read(&set.value).map(|n| Some(n / 100.0))))
            .map(|told| told.value)
            .min_by(f64::total_cmp)
    }

    /// The CPUs it is bound to, by each directive that binds it.
    pub(super) fn cpu_sets(&self, host: &Host) -> Vec<Set> {
        let sets = self.chain().flat_map(|u| ["AllowedCPUs", "CPUAffinity"].map(|name| u.settings.get(name)));
        let read = |text: &str| parse_list(&text.split_whitespace().collect::<Vec<_>>().join(","));
        sets.flatten()
            // CPUAffinity=numa follows the memory's policy, which binds nothing by itself.
            .filter(|set| set.value != "numa")
            .filter_map(|set| told(host, set, read(&set.value).map(Some)))
            .map(|told| told.value)
            .filter(|set| !set.is_empty())
            .collect()
    }

    /// Open files it may have (the hard limit), and the file that says so; `u64::MAX` is as many as the kernel allows.
    #[must_use]
    pub fn nofile(&self) -> Option<(u64, &str)> {
        let set = self.settings.get("LimitNOFILE")?;
        let hard = set.value.rsplit(':').next()?.trim();
        let value = if hard == "infinity" { u64::MAX } else { hard.parse().ok()? };
        Some((value, &set.file))
    }
}

/// What was read of a directive: an odd value is noted, and "no limit" is none.
fn told<T>(host: &Host, set: &ClusterSetting, read: Option<Option<T>>) -> Option<Told<T>> {
    match read {
        Some(value) => value.map(|value| Told { value, file: set.file.clone() }),
        None => {
            host.absent(set.file.clone(), format!("{:?} is no limit", set.value));
            None
        }
    }
}

/// `4G`, `50%`, `infinity`, as systemd reads a size: powers of 1024.
fn memory(text: &str, total: Option<u64>) -> Option<Option<u64>> {
    if text == "infinity" {
        return Some(None);
    }
    let number = |text: &str| text.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    if let Some(percent) = text.strip_suffix('%') {
        let percent = number(percent)?;
        return Some(total.map(|total| (total as f64 * percent / 100.0) as u64));
    }
    let (text, unit) = match text.strip_suffix('B').unwrap_or(text) {
        t if t.ends_with('K') => (t.trim_end_matches('K'), KB),
        t if t.ends_with('M') => (t.trim_end_matches('M'), MB),
        t if t.ends_with('G') => (t.trim_end_matches('G'), GB),
        t if t.ends_with('T') => (t.trim_end_matches('T'), TB),
        t => (t, 1),
    };
    Some(Some((number(text)? * unit as f64) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_systemd_reads_them() {
        let total = Some(8 * GB);
        assert_eq!(memory("4G", total), Some(Some(4 * GB)));
        assert_eq!(memory("1.5G", total), Some(Some(3 * GB / 2)));
        assert_eq!(memory("512M", None), Some(Some(512 * MB)));
        assert_eq!(memory("1073741824", None), Some(Some(GB)));
        assert_eq!(memory("50%", total), Some(Some(4 * GB)));
        assert_eq!(memory("infinity", total), Some(None));
        assert_eq!(memory("a lot", total), None);
    }

    #[test]
    fn slices_lie_in_one_another_by_their_names() {
        assert_eq!(ancestors("db-main.slice"), ["-.slice", "db.slice", "db-main.slice"]);
        assert_eq!(ancestors("-.slice"), ["-.slice"]);
        assert_eq!(default_slice("postgresql@18-main.service"), "system-postgresql.slice");
        assert_eq!(default_slice("pgbouncer.service"), "system.slice");
    }

    #[test]
    fn the_last_line_of_the_right_section_wins_and_an_empty_one_takes_back() {
        let mut settings = BTreeMap::new();
        let text = "[Unit]\nMemoryMax=1G\n[Service]\n# MemoryMax=2G\nMemoryMax=3G\nCPUQuota=\\\n 150%\nMemoryMax=\n";
        read(text, "Service", "/u", &mut settings);
        assert_eq!(settings.keys().collect::<Vec<_>>(), ["CPUQuota"]);
        assert_eq!((settings["CPUQuota"].value.as_str(), settings["CPUQuota"].line), ("150%", Some(6)));
    }
}
