//! Which data is asked, and with how much of this host.

use crate::cli::Global;
use crate::error::{Error, Result};
use crate::profile::config::{self, Document};
use crate::query::care::Given;
use crate::query::engine::{Engine, Scratch, Setup};
use crate::query::launch::{self, Worker};
use crate::query::protocol::{Limits, Tuning};
use crate::query::settings::Settings;
use crate::query::sources;
use crate::units::{self, GB, MB};
use clap::Args;
use std::path::Path;
use std::time::Duration;

/// How long a query may take.
const TIMEOUT: Duration = Duration::from_mins(5);
/// The least memory that a query needs, and what the programs themselves take beside it.
const LEAST: u64 = 32 * MB;
const PROGRAMS: u64 = 150 * MB;

/// Which data, and with how much of this host.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Data to ask, as [NAME=]PATH: a CSV, TSV, JSON, NDJSON, Parquet, SQLite or DuckDB file, a folder or a pattern of
    /// them, postgres://…, - for stdin, or a name of [sources] in llmsql.toml; may be repeated [default: all of [sources]]
    #[arg(long = "source", value_name = "SOURCE", help_heading = "Data options")]
    sources: Vec<String>,
    /// Memory a query may use, as in 2GB; the programs themselves take some 150 MB more, and a query that holds more than a quarter and 256 MB beyond is ended [default: what the plan gives DuckDB, else half of the memory that is free, within its cgroup's limit]
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, help_heading = "Data options")]
    memory: Option<u64>,
    /// Threads a query may use [default: what the plan gives DuckDB, else the CPUs]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1024), help_heading = "Data options")]
    threads: Option<u64>,
    /// How long a query may take, as in 30s [default: 5min]
    #[arg(long, value_name = "TIME", value_parser = units::parse_millis, help_heading = "Data options")]
    timeout: Option<u64>,
}

impl DataArgs {
    /// The settings, and data that can be asked, by `worker` if there is one yet. `target` is where the result goes,
    /// `output` a folder on its way there.
    ///
    /// # Errors
    /// A wrong configuration, sources that are not there, a `target` of the result that is one of them.
    pub fn engine(
        &self,
        global: &Global,
        worker: Option<Worker>,
        target: Option<&Path>,
        output: Option<&Path>,
        tuning: Tuning,
    ) -> Result<(Settings, Engine)> {
        let worker = worker.or_else(launch::fork);
        let root = global.root();
        let document = Document::read(&config::locate(global.config.as_deref(), &root)?)?;
        let settings = Settings::read(&document)?;
        // What the plan gives DuckDB counts where neither a flag nor [query] says it.
        let given = crate::cli::duckdb::given(global);
        let scratch = Scratch::new(given.as_ref().and_then(|g| g.temp.as_deref()), target, output)?;
        let sources = sources::resolve(&self.sources, &settings.sources, scratch.path())?;
        target.map_or(Ok(()), |target| sources::refuse_overwriting(&sources, target))?;
        let limits = self.limits(&settings, given.as_ref(), scratch.path())?;
        let setup = Setup {
            sources,
            limits,
            output: output.map(Path::to_owned),
            zone: settings.zone_name(),
            tuning,
            extensions: crate::cli::extensions::folder(&document, &root)?,
        };
        Ok((settings, Engine::new(setup, scratch, worker)?))
    }

    /// Whether a source is stdin.
    ///
    /// # Errors
    /// A wrong configuration.
    pub fn reads_stdin(&self, global: &Global) -> Result<bool> {
        let document = Document::read(&config::locate(global.config.as_deref(), &global.root())?)?;
        Ok(sources::read_stdin(&self.sources, &Settings::read(&document)?.sources))
    }

    /// How long a query may take.
    #[must_use]
    pub fn timeout(&self, settings: &Settings) -> Duration {
        self.timeout.map(Duration::from_millis).or(settings.timeout).unwrap_or(TIMEOUT)
    }

    /// The same, without regard to llmsql.toml, for what takes longer than a query.
    #[must_use]
    pub fn timeout_or(&self, default: Duration) -> Duration {
        self.timeout.map_or(default, Duration::from_millis)
    }

    fn limits(&self, settings: &Settings, given: Option<&Given>, scratch: &Path) -> Result<Limits> {
        let memory = self.memory.or(settings.memory).or(given.and_then(|g| g.memory)).unwrap_or_else(spare_memory);
        if memory < LEAST {
            return Err(Error::usage("query.memory", "32MB are the least that a query needs").at("--memory"));
        }
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let free = nix::sys::statvfs::statvfs(scratch)
            .map_or(10 * GB, |s| s.blocks_available().saturating_mul(s.fragment_size()));
        Ok(Limits {
            memory,
            threads: self.threads.or(settings.threads).or(given.and_then(|g| g.threads)).unwrap_or(cpus),
            spill: free / 2,
        })
    }
}

/// What a query may have of this host where nobody says.
fn spare_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let free = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok()).map(|kb| kb * units::KB);
    share(free, crate::facts::own_memory_limit())
}

/// Half of the memory that is free, at most 16 GB, and no more than a cgroup leaves beside the programs themselves: what
/// goes beyond is ended by the kernel instead of spilled by DuckDB.
fn share(free: Option<u64>, limit: Option<u64>) -> u64 {
    let half = (free.unwrap_or(2 * GB) / 2).clamp(256 * MB, 16 * GB);
    limit.map_or(half, |limit| half.min((limit.saturating_sub(PROGRAMS) / 4 * 3).max(LEAST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_gets_no_more_than_its_cgroup_leaves_it() {
        assert_eq!(share(Some(8 * GB), None), 4 * GB);
        assert_eq!(share(Some(8 * GB), Some(64 * GB)), 4 * GB);
        assert_eq!(share(Some(8 * GB), Some(550 * MB)), 300 * MB);
        assert_eq!(share(Some(8 * GB), Some(100 * MB)), LEAST);
        assert_eq!(share(None, None), GB);
    }
}
