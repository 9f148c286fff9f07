//! How long `llmsql plan` takes as a whole process, and how much memory, beside the best peer for PostgreSQL alone,
//! pg-configurator, run in turns on the same machine: `cargo bench --bench plan`.
//!
//! It ends with 1 where `llmsql plan` misses its goal: five times as fast as the peer, under 50 ms and 40 MB (medians).
//! `tools/test-servers` fetches the peer. The peer plans PostgreSQL alone and reads nothing of the host; `llmsql plan`
//! plans the whole stack, and in the second of its rows reads the host first.

use nix::sys::resource::{UsageWho, getrusage};
use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Runs of each program.
const ROUNDS: usize = 40;
const GOAL_RATIO: f64 = 5.0;
const GOAL_MS: f64 = 50.0;
const GOAL_MB: f64 = 40.0;

/// What one run took.
#[derive(Clone, Copy)]
struct Run {
    ms: f64,
    /// The most memory it held at once (resident).
    mb: f64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = env::args_os().skip(1);
    // This program runs itself once for each measured run, since what the kernel tells of ended children is the most
    // of them all.
    if args.next().is_some_and(|a| a == "--one") {
        let mut command = Command::new(args.next().ok_or("no program")?);
        let start = Instant::now();
        let status = command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        if !status.success() {
            return Err(format!("{command:?} failed: {status}").into());
        }
        println!("{ms} {}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
        return Ok(ExitCode::SUCCESS);
    }

    let python = env::var_os("LLMSQL_TEST_SERVERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/servers"), PathBuf::from)
        .join("python");
    if !python.exists() {
        return Err("pg-configurator is not installed: run tools/test-servers".into());
    }
    let ours = env!("CARGO_BIN_EXE_llmsql");
    let peer = python.join("bin/pg-configurator").display().to_string();
    let programs: [(&str, Vec<&str>); 3] = [
        (
            "pg-configurator",
            vec!["python3", &peer, "--db-cpu=16", "--db-ram=64Gi", "--db-disk-type=NVME", "--output-format=json"],
        ),
        ("llmsql plan, same host", vec![ours, "plan", "--ram=64GB", "--cpus=16", "--disk=nvme", "--format=json"]),
        ("llmsql plan, this host", vec![ours, "plan", "--format=json"]),
    ];

    let mut runs: [Vec<Run>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (runs, (_, command)) in runs.iter_mut().zip(&programs) {
            let output = Command::new(env::current_exe()?)
                .arg("--one")
                .args(command)
                .env("PYTHONPATH", &python)
                .stderr(Stdio::inherit())
                .output()?;
            let text = String::from_utf8(output.stdout)?;
            let mut numbers = text.split_whitespace().map(str::parse::<f64>);
            let (Some(Ok(ms)), Some(Ok(kb))) = (numbers.next(), numbers.next()) else {
                return Err(format!("{} could not be run", command.join(" ")).into());
            };
            // The first round warms the caches of the disk, for all alike.
            if round > 0 {
                runs.push(Run { ms, mb: kb / 1024.0 });
            }
        }
    }

    println!("{ROUNDS} runs each, in turns\n");
    println!("{:<24} {:>9} {:>9} {:>9} {:>9}", "", "median ms", "least ms", "most ms", "peak MB");
    let mut medians = Vec::new();
    for (runs, (name, _)) in runs.iter_mut().zip(&programs) {
        runs.sort_by(|a, b| a.ms.total_cmp(&b.ms));
        let (Some(least), Some(middle), Some(most)) = (runs.first(), runs.get(ROUNDS / 2), runs.last()) else {
            return Err("no runs".into());
        };
        let peak = runs.iter().map(|r| r.mb).fold(0.0, f64::max);
        println!("{name:<24} {:>9.1} {:>9.1} {:>9.1} {peak:>9.1}", middle.ms, least.ms, most.ms);
        medians.push(Run { ms: middle.ms, mb: peak });
    }
    let [peer, same, this] = medians[..] else { return Err("no medians".into()) };
    println!(
        "\nllmsql plan is {:.1} times as fast for the same host, {:.1} times with reading this one",
        peer.ms / same.ms,
        peer.ms / this.ms
    );
    let met = [same, this].iter().all(|r| peer.ms / r.ms >= GOAL_RATIO && r.ms < GOAL_MS && r.mb < GOAL_MB);
    println!(
        "goal ({GOAL_RATIO} times as fast, under {GOAL_MS} ms and {GOAL_MB} MB): {}",
        if met { "met" } else { "missed" }
    );
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
