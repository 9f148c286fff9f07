//! PostgreSQL clusters and the settings their files make now.

use super::process::Process;
use super::read::{Host, reason};
use super::{Cluster, ClusterSetting, Postgres};
use crate::formats::redact::redact;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How deep configuration files may include one another, as PostgreSQL's own limit.
const MAX_DEPTH: usize = 10;

/// The clusters of the distribution's folders, of PGDATA and of running servers, each once.
pub(super) fn collect(host: &Host, servers: &[Postgres], processes: &[Process]) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    // Debian keeps the configuration apart from the data.
    for major in host.names("/etc/postgresql") {
        for name in host.names(&format!("/etc/postgresql/{major}")) {
            let config = format!("/etc/postgresql/{major}/{name}/postgresql.conf");
            if host.root.exists(&config) {
                let data = format!("/var/lib/postgresql/{major}/{name}");
                clusters.push(cluster(host, &format!("{major}/{name}"), major.parse().ok(), &config, Some(data)));
            }
        }
    }
    let mut dirs: Vec<String> =
        vec!["/var/lib/pgsql/data".into(), "/var/lib/postgres/data".into(), "/usr/local/pgsql/data".into()];
    dirs.extend(host.names("/var/lib/pgsql").iter().map(|major| format!("/var/lib/pgsql/{major}/data")));
    dirs.push("/var/lib/postgresql/data".into());
    // The folder of the official container image since 18.
    dirs.extend(host.names("/var/lib/postgresql").iter().map(|major| format!("/var/lib/postgresql/{major}/docker")));
    dirs.extend(host.names("/var/lib/postgresql").iter().map(|major| format!("/var/lib/postgresql/{major}/data")));
    if host.root.is_live()
        && let Some(dir) = std::env::var_os("PGDATA")
    {
        dirs.push(dir.to_string_lossy().into_owned());
    }
    let mut configs: BTreeMap<String, String> = BTreeMap::new();
    for process in processes.iter().filter(|p| p.is_postmaster()) {
        let Some(dir) = process.data_dir() else { continue };
        if let Some(config) = process.config_file() {
            configs.insert(dir.clone(), config);
        }
        dirs.push(dir);
    }
    let mut seen: BTreeSet<String> = clusters.iter().filter_map(|c| c.data_dir.clone()).collect();
    for dir in dirs {
        let dir = dir.trim_end_matches('/').to_owned();
        let major: Option<u32> = host.line(&format!("{dir}/PG_VERSION")).and_then(|v| v.parse().ok());
        let config = configs.get(&dir).cloned().unwrap_or_else(|| format!("{dir}/postgresql.conf"));
        if (major.is_none() && !host.root.exists(&config)) || !seen.insert(dir.clone()) {
            continue;
        }
        clusters.push(cluster(host, &dir.clone(), major, &config, Some(dir)));
    }
    for cluster in &mut clusters {
        state(host, cluster, processes);
        if cluster.major.is_none()
            && let [only] = servers
        {
            cluster.major = only.major;
        }
    }
    clusters
}

/// A cluster whose place is known.
pub(super) fn at(host: &Host, name: &str, major: u32, config: &str, data_dir: Option<String>) -> Cluster {
    let mut cluster = cluster(host, name, Some(major), config, data_dir);
    state(host, &mut cluster, &[]);
    cluster
}

fn cluster(host: &Host, name: &str, major: Option<u32>, config: &str, data_dir: Option<String>) -> Cluster {
    let mut reader = Reader { host, settings: BTreeMap::new() };
    reader.file(config, 0);
    let data_dir = reader.settings.get("data_directory").map(|s| s.value.clone()).or(data_dir);
    if let Some(dir) = &data_dir {
        let auto = format!("{dir}/postgresql.auto.conf");
        match host.root.read(&auto) {
            Ok(text) => reader.text(&auto, &text, 0),
            Err(e) => host.absent(auto, reason(&e)),
        }
    }
    let port = reader.settings.get("port").map_or(Some(5432), |s| s.value.parse().ok());
    Cluster {
        name: name.to_owned(),
        major,
        data_dir,
        config_file: Some(config.to_owned()),
        port,
        settings: reader.settings,
        ..Cluster::default()
    }
}

/// Whether the cluster runs, and as a standby.
fn state(host: &Host, cluster: &mut Cluster, processes: &[Process]) {
    let Some(dir) = &cluster.data_dir else { return };
    if processes.iter().any(|p| p.is_postmaster() && p.data_dir().as_deref() == Some(dir)) {
        cluster.running = Some(true);
    }
    match host.root.list(dir) {
        Ok(names) => {
            let has = |name: &str| names.iter().any(|n| n == name);
            cluster.standby = Some(has("standby.signal") || has("recovery.conf"));
            // The first line of postmaster.pid is the server's process.
            let pid: Option<u32> = host.line(&format!("{dir}/postmaster.pid")).and_then(|pid| pid.parse().ok());
            let running = pid.is_some_and(|pid| host.root.exists(format!("/proc/{pid}")));
            cluster.running = cluster.running.or(Some(running));
            cluster.wal_segment_bytes = wal_segment(host, dir);
        }
        Err(e) => host.absent(dir.clone(), format!("whether it is a standby is not known: {}", reason(&e))),
    }
}

/// A running cluster's first process.
pub(super) struct Postmaster {
    /// The cluster's name.
    pub cluster: String,
    pub pid: u32,
}

/// The first process of the first cluster that runs.
pub(super) fn postmaster(host: &Host, clusters: &[Cluster], processes: &[Process]) -> Option<Postmaster> {
    clusters.iter().filter(|cluster| cluster.running == Some(true)).find_map(|cluster| {
        let dir = cluster.data_dir.as_deref()?;
        let listed = processes.iter().find(|p| p.is_postmaster() && p.data_dir().as_deref() == Some(dir));
        let pid = listed.map(|p| p.pid).or_else(|| host.number(&format!("{dir}/postmaster.pid")))?;
        Some(Postmaster { cluster: cluster.name.clone(), pid })
    })
}

/// Size of a WAL segment: every file of that name in pg_wal has it. `None` where the folder may not be read.
fn wal_segment(host: &Host, dir: &str) -> Option<u64> {
    let folder = format!("{dir}/pg_wal");
    let is_segment = |name: &&String| name.len() == 24 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let names = host.names(&folder);
    let segment = names.iter().find(is_segment)?;
    let path = host.root.resolve(format!("{folder}/{segment}")).ok()?;
    std::fs::metadata(path).ok().map(|m| m.len()).filter(|size| size.is_power_of_two())
}

/// A tolerant reader of PostgreSQL's configuration files: what it does not understand it passes over.
struct Reader<'a> {
    host: &'a Host<'a>,
    settings: BTreeMap<String, ClusterSetting>,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        match self.host.root.read(path) {
            Ok(text) => self.text(path, &text, depth),
            Err(e) => self.host.absent(path, reason(&e)),
        }
    }

    fn text(&mut self, path: &str, text: &str, depth: usize) {
        let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
        for (number, line) in (1u32..).zip(text.lines()) {
            let Some((name, value)) = assignment(line) else { continue };
            let place = || folder.join(&value).display().to_string();
            match name.as_str() {
                _ if depth >= MAX_DEPTH => {}
                "include" => self.file(&place(), depth + 1),
                "include_if_exists" if self.host.root.exists(place()) => self.file(&place(), depth + 1),
                "include_dir" => {
                    let dir = place();
                    // PostgreSQL reads them in the order of the C locale and passes over hidden ones.
                    for name in self.host.names(&dir) {
                        if name.ends_with(".conf") && !name.starts_with('.') {
                            self.file(&format!("{}/{name}", dir.trim_end_matches('/')), depth + 1);
                        }
                    }
                }
                _ => {}
            }
            if !name.starts_with("include") {
                let setting =
                    ClusterSetting { value: without_secrets(&value), file: path.to_owned(), line: Some(number) };
                self.settings.insert(name, setting);
            }
        }
    }
}

/// `name = value`, the equals sign optional, the value perhaps in quotes, a comment perhaps behind it.
fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let value = match rest.strip_prefix('\'') {
        Some(quoted) => unquote(quoted),
        None => rest.split(|c: char| c == '#' || c.is_whitespace()).next().unwrap_or_default().to_owned(),
    };
    Some((name.to_ascii_lowercase(), value))
}

/// The value with every password in it covered: facts are shown, stored and sent to others.
fn without_secrets(value: &str) -> String {
    String::from_utf8_lossy(&redact(value.as_bytes()).0).into_owned()
}

/// The text up to the closing quote; a quote inside is doubled or behind a backslash.
fn unquote(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.peek() == Some(&'\'') => {
                chars.next();
                out.push('\'');
            }
            '\'' => break,
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_as_the_server_reads_them() {
        let set = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(assignment("shared_buffers = 128MB   # min 128kB"), set("shared_buffers", "128MB"));
        assert_eq!(assignment("  Port 5433"), set("port", "5433"));
        assert_eq!(assignment("search_path = '\"$user\", public'#x"), set("search_path", "\"$user\", public"));
        assert_eq!(assignment("archive_command='test ''x'' \\'y'"), set("archive_command", "test 'x' 'y"));
        assert_eq!(assignment("pg_stat_statements.max=10000"), set("pg_stat_statements.max", "10000"));
        assert_eq!(assignment("#port = 5432"), None);
        assert_eq!(assignment(""), None);
    }
}
