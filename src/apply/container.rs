//! A PostgreSQL server in a container: its files are written to the host's side of its mounts, and it is judged, asked
//! and told to reload by `docker exec`.

use super::servers::process;
use crate::error::{Error, Exit, Result};
use crate::facts::{Cluster, Facts, cluster_at};
use crate::root::Root;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Programs that speak Docker's command line, the first that is found.
const ENGINES: &[&str] = &["docker", "podman"];

/// Where the official image has its data since 18, and where it had them before.
const DATA: &[&str] = &["/var/lib/postgresql/data", "/var/lib/postgresql"];

/// Between the fields and the records of an answer.
const FIELD: char = '\u{1f}';
const RECORD: char = '\u{1e}';

/// A container with a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct Container {
    engine: PathBuf,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Its first process, as the host numbers it.
    pub pid: Option<i32>,
    /// What its server was told on its command line.
    pub arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    mounts: Vec<Mount>,
    memory: Option<u64>,
    cpus: Option<f64>,
}

/// What `inspect` says of it, as far as it is needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
    #[serde(default)]
    mounts: Vec<Mount>,
    #[serde(default)]
    args: Vec<String>,
    config: Config,
    #[serde(default)]
    host_config: HostConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    #[serde(default)]
    pid: i32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    source: String,
    destination: String,
    #[serde(default, rename = "RW")]
    writable: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    env: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    memory: u64,
    nano_cpus: u64,
}

impl Container {
    /// Looks at a container.
    ///
    /// # Errors
    /// There is no engine, or no such container (64); the engine refuses (13).
    pub fn inspect(name: &str) -> Result<Container> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let find = |program: &&str| std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file());
        let engine = ENGINES.iter().find_map(find).ok_or_else(|| {
            Error::usage("apply.container", format!("neither {} is on the PATH", ENGINES.join(" nor ")))
                .at("--container")
                .next("run it on the host of the container")
        })?;
        let refused = |words: &str| {
            Error::new(Exit::Precondition, "apply.container", format!("cannot be looked at: {words}"))
                .at(format!("container {name}"))
                .next(format!("look at it with: {} inspect {name}", engine.display()))
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(refused("that is no name of a container"));
        }
        let output = run(&engine, ["inspect", "--type", "container", name], None)?;
        if !output.status.success() {
            return Err(refused(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let all: Vec<Inspected> = serde_json::from_slice(&output.stdout).map_err(|e| refused(&e.to_string()))?;
        let Some(found) = all.into_iter().next() else { return Err(refused("nothing is said of it")) };
        let HostConfig { memory, nano_cpus } = found.host_config;
        Ok(Container {
            engine,
            name: name.to_owned(),
            running: found.state.running,
            pid: Some(found.state.pid).filter(|pid| *pid > 0),
            arguments: found.args,
            environment: found
                .config
                .env
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            mounts: found.mounts,
            memory: Some(memory).filter(|bytes| *bytes > 0),
            cpus: Some(nano_cpus).filter(|n| *n > 0).map(|n| n as f64 / 1e9),
        })
    }

    /// Where a path of the container stands on the host; `None` where no writable folder is mounted there.
    #[must_use]
    pub fn on_host(&self, inside: &str) -> Option<String> {
        let above = self.mounts.iter().filter(|m| m.writable && Path::new(inside).starts_with(&m.destination));
        let nearest = above.max_by_key(|m| m.destination.len())?;
        let rest = Path::new(inside).strip_prefix(&nearest.destination).ok()?;
        // A file that is mounted by itself cannot be replaced: the container would keep the old one.
        (!rest.as_os_str().is_empty()).then(|| Path::new(&nearest.source).join(rest).display().to_string())
    }

    /// Its data folder, as a path of the container.
    #[must_use]
    pub fn data_dir(&self) -> String {
        let said = self.option("-D").or_else(|| self.environment.get("PGDATA").cloned());
        said.unwrap_or_else(|| {
            let mounted = |dir: &&&str| self.mounts.iter().any(|m| m.destination == ***dir);
            DATA.iter().find(mounted).unwrap_or(&"/var/lib/postgresql/data").to_string()
        })
    }

    fn config_file(&self) -> String {
        let said = self.settings().into_iter().find_map(|word| word.strip_prefix("config_file=").map(str::to_owned));
        said.unwrap_or_else(|| format!("{}/postgresql.conf", self.data_dir()))
    }

    fn option(&self, name: &str) -> Option<String> {
        let at = self.arguments.iter().position(|word| word == name)?;
        self.arguments.get(at + 1).cloned()
    }

    /// The settings of its command line: `name=value`.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        process::settings(&self.arguments)
    }

    /// The role and the system user that administer it.
    #[must_use]
    pub fn role(&self) -> &str {
        self.environment.get("POSTGRES_USER").map_or("postgres", String::as_str)
    }

    /// Leaves its server as the one cluster of the facts, and plans for what the container may use.
    ///
    /// # Errors
    /// Its configuration is on no folder of the host (13).
    pub fn put_into(&self, root: &Root, facts: &mut Facts) -> Result<()> {
        let config = self.config_file();
        let unmounted = |what: &str, path: &str| {
            Error::new(Exit::Precondition, "apply.container", format!("{what} {path} is on no writable folder of the host"))
                .at(format!("container {}", self.name))
                .next("mount the folder it stands in (-v HOST_FOLDER:FOLDER), not the single file, which could not be replaced")
        };
        let host = self.on_host(&config).ok_or_else(|| unmounted("the configuration", &config))?;
        let data = self.on_host(&format!("{}/PG_VERSION", self.data_dir()));
        let data = data.and_then(|file| Path::new(&file).parent().map(|dir| dir.display().to_string()));
        let version = data.as_ref().and_then(|dir| root.read_line(format!("{dir}/PG_VERSION")).ok());
        let major = version.or_else(|| self.environment.get("PG_MAJOR").cloned()).and_then(|v| v.trim().parse().ok());
        let Some(major) = major else {
            return Err(Error::new(Exit::Precondition, "apply.container", "its version of PostgreSQL is not known")
                .at(format!("container {}", self.name))
                .next("start it once, so that its data folder has a PG_VERSION, or set PG_MAJOR in its environment"));
        };
        let cluster = cluster_at(root, &format!("container {}", self.name), major, &host, data);
        facts.software.clusters = vec![Cluster { running: Some(self.running), ..cluster }];
        let memory = &mut facts.memory;
        if let Some(limit) = self.memory.filter(|limit| memory.effective_bytes.is_none_or(|now| *limit < now)) {
            (memory.limit_bytes, memory.effective_bytes) = (Some(limit), Some(limit));
        }
        let cpu = &mut facts.cpu;
        if let Some(quota) = self.cpus.filter(|quota| cpu.quota.is_none_or(|now| *quota < now)) {
            cpu.quota = Some(quota);
            let whole = quota.ceil().max(1.0) as u32;
            cpu.effective = Some(cpu.effective.map_or(whole, |now| now.min(whole)));
        }
        Ok(())
    }

    /// Runs a command in it, with these bytes as its input.
    ///
    /// # Errors
    /// It cannot be started, or does not end in time.
    pub fn exec<S: AsRef<OsStr>>(
        &self,
        user: Option<(u32, u32)>,
        command: &[S],
        input: Option<&[u8]>,
    ) -> Result<std::process::Output> {
        let mut words: Vec<std::ffi::OsString> = vec!["exec".into(), "-i".into()];
        if let Some((uid, gid)) = user {
            words.extend(["-u".into(), format!("{uid}:{gid}").into()]);
        }
        words.push(self.name.clone().into());
        words.extend(command.iter().map(|word| word.as_ref().to_owned()));
        run(&self.engine, words, input)
    }

    /// The owner of its data folder, as whom its server runs.
    #[must_use]
    pub fn owner(&self, data: Option<&Path>) -> Option<(u32, u32)> {
        let found = std::fs::metadata(data?).ok()?;
        Some((found.uid(), found.gid()))
    }

    /// What its server answers to a statement, as psql in the container asks it.
    ///
    /// # Errors
    /// psql's words.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let (field, record) = (FIELD.to_string(), RECORD.to_string());
        let command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", &field, "-R", &record];
        let command: Vec<&str> = command.into_iter().chain(["-U", self.role(), "-d", "postgres", "-c", sql]).collect();
        let output = self.exec(None, &command, None)?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::failed("connect.failed", words).at(format!("container {}", self.name)));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = text.strip_suffix('\n').unwrap_or(&text);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        Ok(text.split(RECORD).map(|row| row.split(FIELD).map(str::to_owned).collect()).collect())
    }

    /// Has its first process hear a signal.
    ///
    /// # Errors
    /// The engine's words.
    pub fn signal(&self, signal: &str) -> Result<()> {
        self.engine(&["kill", "--signal", signal, &self.name])
    }

    /// Restarts it, which ends with the server's own way of stopping.
    ///
    /// # Errors
    /// The engine's words.
    pub fn restart(&self) -> Result<()> {
        self.engine(&["restart", "-t", "120", &self.name])
    }

    fn engine(&self, words: &[&str]) -> Result<()> {
        let output = run(&self.engine, words, None)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::failed("apply.container", format!("{} fails: {said}", words.join(" ")))
            .at(format!("container {}", self.name)))
    }

    /// The last lines of its log, for an error.
    #[must_use]
    pub fn last_words(&self) -> String {
        let Ok(output) = run(&self.engine, ["logs", "--tail", "5", &self.name], None) else { return String::new() };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).trim().replace('\n', "\n  ");
        if text.is_empty() { String::new() } else { format!("; the last lines of its log:\n  {text}") }
    }
}

fn run<S: AsRef<OsStr>>(
    engine: &Path,
    words: impl IntoIterator<Item = S>,
    input: Option<&[u8]>,
) -> Result<std::process::Output> {
    let failed = |e: std::io::Error| Error::failed("apply.container", "cannot be run").at(engine.display()).because(e);
    let scratch = tempfile::tempdir().map_err(failed)?;
    let mut command = Command::new(engine);
    command.args(words);
    match input {
        None => command.stdin(std::process::Stdio::null()),
        Some(bytes) => {
            let path = scratch.path().join(".stdin");
            File::create(&path).and_then(|mut file| file.write_all(bytes)).map_err(failed)?;
            command.stdin(File::open(&path).map_err(failed)?)
        }
    };
    process::output(&mut command, scratch.path(), Duration::from_secs(180)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(mounts: &[(&str, &str, bool)], arguments: &[&str]) -> Container {
        let mount = |(source, destination, writable): &(&str, &str, bool)| Mount {
            source: (*source).to_owned(),
            destination: (*destination).to_owned(),
            writable: *writable,
        };
        Container {
            engine: PathBuf::from("/bin/false"),
            name: "db".to_owned(),
            running: true,
            pid: None,
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            environment: BTreeMap::new(),
            mounts: mounts.iter().map(mount).collect(),
            memory: None,
            cpus: None,
        }
    }

    #[test]
    fn a_path_of_the_container_is_found_on_the_host_below_the_nearest_writable_folder() {
        let c = container(
            &[
                ("/srv/pg", "/var/lib/postgresql", true),
                ("/srv/data", "/var/lib/postgresql/data", true),
                ("/srv/ro", "/etc/postgresql", false),
                ("/srv/one.conf", "/opt/postgresql.conf", true),
            ],
            &["postgres"],
        );
        assert_eq!(c.config_file(), "/var/lib/postgresql/data/postgresql.conf");
        assert_eq!(c.on_host(&c.config_file()).as_deref(), Some("/srv/data/postgresql.conf"));
        assert_eq!(c.on_host("/etc/postgresql/postgresql.conf"), None, "read-only");
        assert_eq!(c.on_host("/opt/postgresql.conf"), None, "mounted by itself");
        assert_eq!(c.on_host("/elsewhere"), None);
        let c = container(&[("/srv/etc", "/etc/pg", true)], &["postgres", "-c", "config_file=/etc/pg/a.conf"]);
        assert_eq!(c.on_host(&c.config_file()).as_deref(), Some("/srv/etc/a.conf"));
    }
}
