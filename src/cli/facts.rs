//! `llmsql facts`: what the host is.

use super::Global;
use crate::error::{Error, Exit, Result};
use crate::facts::{self, Absent, Facts, Failure, Measured, Package, Request, Software, Stacked};
use crate::output::plan::{paragraph, width};
use crate::output::{self, Format};
use crate::units::{counted, human_bytes};
use clap::Args as ClapArgs;
use console::measure_text_width;
use indicatif::ProgressBar;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Where the facts come from.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Source {
    /// Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree
    /// only the configuration (etc/llmsql) is read
    #[arg(long = "facts", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

impl Source {
    /// The facts of the file, if one is named, else those of the host or tree.
    ///
    /// # Errors
    /// Those of [`facts::load`].
    pub fn facts(&self, global: &Global) -> Result<Facts> {
        match &self.file {
            Some(file) => {
                if let Some(root) = &global.root {
                    output::note(&format!(
                        "note: the host's facts are those of {}; of --root {} only etc/llmsql is read",
                        file.display(),
                        root.display()
                    ));
                }
                facts::load(file)
            }
            None => Ok(facts::collect(&global.root())),
        }
    }
}

/// Show what this host is: CPUs, memory, disks, kernel, limits and what is installed
///
/// Everything is read, nothing is changed. What cannot be read is null, and the list "absent" says why. The JSON can be
/// fed back with --facts FILE, here or to `llmsql plan`, on another machine.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  llmsql facts\n  llmsql facts --format json > db1.json\n  llmsql facts --root /mnt/image\n  \
                  sudo llmsql facts --measure\n  llmsql facts --measure --mount /srv/data --measure-seconds 10"
)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Measure the file systems too: random reads of 8 kB one and sixteen at a time, sequential reads, writes with fsync.
    ///
    /// Each file system gets a scratch file without a name, of 256 MB or a quarter of what is free, which is gone when
    /// the run ends, however it ends. The figures are kept in /var/lib/llmsql (as root) or ~/.local/state/llmsql, and
    /// plans use them.
    #[arg(long, conflicts_with = "file")]
    measure: bool,
    /// How long one file system may take, in seconds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600), requires = "measure")]
    measure_seconds: u64,
    /// Measure the file system of this folder, with the scratch file in it [default: every file system for data]
    #[arg(long = "mount", value_name = "PATH", num_args = 1.., requires = "measure")]
    mounts: Vec<PathBuf>,
}

impl Arguments {
    /// Reads, measures if asked, and prints.
    ///
    /// # Errors
    /// Those of [`Source::facts`], of keeping the figures and of printing; a file system that was named and cannot be
    /// measured, or none that can (exit code 13), after the rest was measured and printed.
    pub fn run(&self, global: &Global) -> Result<()> {
        let mut facts = self.source.facts(global)?;
        if self.source.file.is_none() {
            facts::ask_programs(&global.root(), &mut facts);
        }
        let refusal = if self.measure { self.measure(global, &mut facts)? } else { None };
        match global.format {
            Format::Table => output::stdout(&table(&facts))?,
            format => output::document(&facts, format)?,
        }
        if self.source.file.is_none() {
            self.hint_at_root(&facts);
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Says that root would see more, where that is so.
    fn hint_at_root(&self, facts: &Facts) {
        let refused = facts.absent.iter().filter(|a| a.reason.contains("permission denied")).count();
        if refused > 0 && !nix::unistd::geteuid().is_root() {
            output::note(&format!(
                "note: {} may be read by root only; `sudo llmsql facts` shows what is in there",
                counted(refused as u64, "path")
            ));
        }
    }

    /// Measures into the facts. What could not be measured stands in `absent`; the error is for when that is all, or
    /// what was asked for.
    fn measure(&self, global: &Global, facts: &mut Facts) -> Result<Option<Error>> {
        let request = Request { time: Duration::from_secs(self.measure_seconds), paths: self.mounts.clone() };
        let bar = if output::interactive() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(100));
        let result = facts::measure(&global.root(), &facts.disks, &request, &|what| bar.set_message(what.to_owned()));
        bar.finish_and_clear();
        let Measured { found, failures, not_kept } = result?;
        if let Some(e) = not_kept {
            let how = "they are in this output: keep it with --format json > FILE, and plan with --facts FILE";
            output::note(&format!("note: {e}; {how}, or {}", e.next.as_deref().unwrap_or_default()));
        }
        facts.measurements.retain(|old| !found.iter().any(|new| new.mount == old.mount));
        facts.measurements.extend(found.iter().cloned());
        facts.measurements.sort_by(|a, b| a.mount.cmp(&b.mount));
        for failure in &failures {
            let path = format!("measurements {}", failure.path.display());
            facts.absent.push(Absent { path, reason: format!("cannot be measured: {}", failure.reason) });
        }
        facts.absent.sort();
        let refused = |failure: &Failure| {
            Error::new(Exit::Precondition, "measure.refused", format!("cannot be measured: {}", failure.reason))
                .at(failure.path.display())
                .next("name a folder you may write, on a file system with 4 MB free, with --mount")
        };
        Ok(failures.iter().find(|failure| failure.named || found.is_empty()).map(refused))
    }
}

/// A device made of others, which is what is mounted.
fn stacked(stacked: &Stacked) -> String {
    let own = stacked.mapped_as.as_ref().map(|own| format!("{own}, ")).unwrap_or_default();
    let ahead = stacked.read_ahead_kb.map_or("unknown".to_owned(), |kb| format!("{kb} kB"));
    format!("{} ({own}read-ahead {ahead})", stacked.name)
}

/// What is installed, a line each.
fn software(software: &Software) -> Vec<(String, Option<String>)> {
    let mut rows = Vec::new();
    for server in &software.postgresql {
        let major = || server.major.map(|n| n.to_string());
        let version = server.version.clone().or_else(major).unwrap_or_else(|| "version unknown".to_owned());
        rows.push(("PostgreSQL".to_owned(), Some(format!("{version}, {}", server.bin_dir))));
    }
    for cluster in &software.clusters {
        let state = match (cluster.running, cluster.standby) {
            (Some(true), Some(true)) => ", runs as a standby",
            (Some(true), _) => ", runs",
            (Some(false), _) => ", stopped",
            (None, _) => "",
        };
        let port = cluster.port.map(|port| format!(", port {port}")).unwrap_or_default();
        let dir = cluster.data_dir.as_deref().filter(|dir| *dir != cluster.name).map(|dir| format!(", {dir}"));
        rows.push(("cluster".to_owned(), Some(format!("{}{}{port}{state}", cluster.name, dir.unwrap_or_default()))));
    }
    let nginx = software.nginx.as_ref().map(|n| Package { version: n.version.clone(), path: n.path.clone() });
    let packages = [
        ("PgBouncer", &software.pgbouncer),
        ("NGINX", &nginx),
        ("uvicorn", &software.uvicorn),
        ("DuckDB", &software.duckdb),
        ("SQLite", &software.sqlite),
        ("LLM gateway", &software.llm),
        ("Docker", &software.docker),
    ];
    rows.extend(packages.into_iter().filter_map(|(name, package)| {
        let package = package.as_ref()?;
        let version = package.version.as_deref().unwrap_or("version unknown");
        Some((name.to_owned(), Some(format!("{version}, {}", package.path.as_deref().unwrap_or_default()))))
    }));
    rows
}

/// Longer names stand on a line of their own.
const NAME_WIDTH: usize = 38;

/// The facts for people: groups of names and values, at most as wide as the terminal, or 80 columns.
fn table(facts: &Facts) -> String {
    let mut text = String::new();
    let mut group = |name: &str, rows: Vec<(String, Option<String>)>| {
        let rows: Vec<(String, String)> = rows.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(text, "{}", console::style(name).bold());
        let names = rows.iter().map(|(key, _)| measure_text_width(key)).filter(|width| *width <= NAME_WIDTH);
        let indent = names.max().unwrap_or(0) + 4;
        for (key, value) in rows {
            let mut folded = String::new();
            paragraph(&mut folded, if value.is_empty() { "(empty)" } else { &value }, &" ".repeat(indent), width());
            let _ = match measure_text_width(&key) {
                // A path is not broken, so that it can be copied.
                wide if wide > NAME_WIDTH => write!(text, "  {key}\n{folded}"),
                wide => write!(text, "  {key}{}{}", " ".repeat(indent - 2 - wide), folded.trim_start()),
            };
        }
        text.push('\n');
    };
    let row = |name: &str, value: Option<String>| (name.to_owned(), value);
    let number = |value: Option<u32>| value.map(|n| n.to_string());
    let bytes = |value: Option<u64>| value.map(human_bytes);

    let (cpu, memory, kernel) = (&facts.cpu, &facts.memory, &facts.kernel);
    group(
        "Host",
        vec![
            row("name", facts.hostname.clone()),
            row("system", facts.software.os.clone()),
            row("architecture", facts.architecture.clone()),
            row("kernel", kernel.release.clone()),
            row("container", facts.container.kind.clone()),
            row("virtualization", facts.container.virtualization.clone()),
        ],
    );
    let hybrid = cpu.performance.zip(cpu.efficiency).map(|(p, e)| format!("{p} on fast cores, {e} on efficient ones"));
    group(
        "CPU",
        vec![
            row("model", cpu.model.clone()),
            row("online", number(cpu.online)),
            row("hybrid", hybrid),
            row("cores", number(cpu.cores)),
            row("sockets", number(cpu.sockets)),
            row("cpuset", number(cpu.cpuset)),
            row("quota", cpu.quota.map(|q| format!("{q} CPU{}", if q == 1.0 { "" } else { "s" }))),
            row("effective", number(cpu.effective)),
        ],
    );
    group(
        "NUMA",
        facts
            .numa
            .nodes
            .iter()
            .map(|node| {
                let cpus = node.cpus.map_or_else(|| "CPUs unknown".to_owned(), |n| counted(u64::from(n), "CPU"));
                let memory = node.memory_bytes.map_or_else(|| "memory unknown".to_owned(), human_bytes);
                (format!("node {}", node.id), Some(format!("{cpus}, {memory}")))
            })
            .collect(),
    );
    let huge = memory.huge_pages.map(|n| match memory.huge_page_size_bytes {
        Some(size) if n > 0 => format!("{n} of {}", human_bytes(size)),
        _ => n.to_string(),
    });
    let limit = bytes(memory.limit_bytes).map(|limit| match &facts.container.cgroup_of {
        Some(cluster) => format!("{limit}, of the unit of {cluster}"),
        None => limit,
    });
    group(
        "Memory",
        vec![
            row("total", bytes(memory.total_bytes)),
            row("available", bytes(memory.available_bytes)),
            row("cgroup limit", limit),
            row("effective", bytes(memory.effective_bytes)),
            row("swap", bytes(memory.swap_bytes)),
            row("huge pages", huge),
            row("transparent huge pages", memory.thp.clone()),
            row("held by others", bytes(memory.foreign_bytes)),
        ],
    );
    for disk in &facts.disks {
        let devices: Vec<String> = disk
            .devices
            .iter()
            .map(|device| {
                let kind = match (device.transport.as_deref(), device.rotational) {
                    (Some(transport), Some(true)) => format!("{transport}, rotating"),
                    (Some(transport), _) => transport.to_owned(),
                    (None, Some(true)) => "rotating".to_owned(),
                    (None, _) => "unknown".to_owned(),
                };
                let scheduler = device.scheduler.as_ref().map(|s| format!(", scheduler {s}")).unwrap_or_default();
                let ahead = device.read_ahead_kb.map(|kb| format!(", read-ahead {kb} kB")).unwrap_or_default();
                format!("{} ({kind}{scheduler}{ahead})", device.name)
            })
            .collect();
        let size = disk.size_bytes.zip(disk.free_bytes);
        // An overlay's folders are long, and no option anybody sets.
        let folder = |option: &&String| ["lowerdir=", "upperdir=", "workdir="].iter().any(|f| option.starts_with(f));
        let options: Vec<&str> = disk.options.iter().filter(|o| !folder(o)).map(String::as_str).collect();
        group(
            &format!("Disk {}", disk.mount),
            vec![
                row("file system", disk.filesystem.clone()),
                row("options", Some(options.join(", ")).filter(|o| !o.is_empty())),
                row("size", size.map(|(size, free)| format!("{}, {} free", human_bytes(size), human_bytes(free)))),
                row("mounted", disk.stacked.as_ref().map(stacked)),
                row("devices", Some(devices.join("\n")).filter(|d| !d.is_empty())),
            ],
        );
    }
    group("Installed", software(&facts.software));
    for measured in &facts.measurements {
        let figure = |value: Option<f64>, unit: &str| value.map(|v| format!("{v:.0} {unit}"));
        group(
            &format!("Measured {}", measured.mount),
            vec![
                row("random read of 8 kB", figure(measured.random_read_us, "us")),
                row("reads per second", figure(measured.random_read_iops_1, "one at a time")),
                row("", figure(measured.random_read_iops_16, "sixteen at a time")),
                row("sequential read", measured.sequential_read_bytes.map(|b| human_bytes(b as u64) + "/s")),
                row("write and fsync", figure(measured.fsync_us, "us")),
                row("writes per second", figure(measured.fsyncs_per_second, "each with fsync")),
                row("page cache", Some(if measured.direct { "passed by" } else { "in the way" }.to_owned())),
                row("when", measured.at.clone()),
            ],
        );
    }
    let limit = |value: Option<u64>| value.map(|n| if n == u64::MAX { "unlimited".to_owned() } else { n.to_string() });
    let pair = |soft, hard| limit(soft).zip(limit(hard)).map(|(soft, hard)| format!("{soft}, at most {hard}"));
    group(
        "Limits of this login",
        vec![
            row("open files", pair(facts.limits.nofile_soft, facts.limits.nofile_hard)),
            row("processes", pair(facts.limits.nproc_soft, facts.limits.nproc_hard)),
            row("locked bytes", pair(facts.limits.memlock_soft, facts.limits.memlock_hard)),
        ],
    );
    group(
        "Kernel",
        kernel
            .sysctl
            .iter()
            .map(|(key, value)| (key.clone(), Some(value.clone())))
            .chain([
                row("tuned profile", kernel.tuned_profile.clone()),
                row(
                    "io_uring",
                    kernel.io_uring_reason.clone().map(|why| match kernel.io_uring {
                        Some(true) => format!("usable: {why}"),
                        Some(false) => format!("not usable: {why}"),
                        None => why,
                    }),
                ),
            ])
            .collect(),
    );
    group("Not known", facts.absent.iter().map(|absent| (absent.path.clone(), Some(absent.reason.clone()))).collect());
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
