//! `llmsql facts --measure`: bounded, honest about the page cache, and nothing left behind.

use crate::support::{Llmsql, Tmpfs, faults};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A run that keeps its figures in a folder of the test.
fn measure(state: &TempDir, mount: &Path, seconds: &str) -> Llmsql {
    Llmsql::new()
        .args(["facts", "--format", "json", "--measure", "--measure-seconds", seconds, "--mount"])
        .arg(mount)
        .env("STATE_DIRECTORY", state.path())
}

#[test]
fn a_memory_file_system_is_measured_and_the_page_cache_admitted() {
    let Some(tmpfs) = Tmpfs::new("64m") else { return };
    let state = tempfile::tempdir().unwrap();
    let facts = measure(&state, tmpfs.path(), "1").run().success().json();
    let mount = fs::canonicalize(tmpfs.path()).unwrap();
    let figures = facts["measurements"].as_array().unwrap();
    let figures = figures.iter().find(|m| m["mount"] == mount.to_str().unwrap()).expect("the figures of that mount");
    assert_eq!(figures["direct"], false);
    for name in ["random_read_us", "random_read_iops_1", "random_read_iops_16", "sequential_read_bytes", "fsync_us"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name} of {figures}");
    }
    assert_eq!(fs::read_dir(tmpfs.path()).unwrap().count(), 0, "something was left behind");
}

#[test]
fn a_full_file_system_is_refused_with_what_is_missing() {
    let Some(tmpfs) = Tmpfs::new("2m") else { return };
    fs::write(tmpfs.path().join("data"), vec![1u8; 1 << 20]).unwrap();
    let state = tempfile::tempdir().unwrap();
    let run = measure(&state, tmpfs.path(), "1").run().code(13).stderr_has("no space is left");
    run.stdout_has("\"cpu\"").stdout_has("cannot be measured");
    let names: Vec<_> = fs::read_dir(tmpfs.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["data"]);
}

#[test]
fn a_folder_without_the_right_to_write_is_refused_and_others_are_measured() {
    let state = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    // Nobody may write into /proc, root included.
    let run = measure(&state, Path::new("/proc"), "1").arg(here.path()).run().code(13);
    let facts = run.json();
    assert!(!facts["measurements"].as_array().unwrap().is_empty(), "{facts}");
    assert!(run.stderr.contains("/proc"), "{}", run.stderr);
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
}

#[test]
fn a_killed_run_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut child = Command::new(Llmsql::path())
        .args(["facts", "--measure", "--measure-seconds", "60", "--mount"])
        .arg(dir.path())
        .env("STATE_DIRECTORY", state.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until it has its scratch file open.
    let start = Instant::now();
    let fds = format!("/proc/{}/fd", child.id());
    let real = fs::canonicalize(dir.path()).unwrap();
    while start.elapsed() < Duration::from_secs(30) {
        let open = fs::read_dir(&fds).into_iter().flatten().flatten();
        if open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|path| path.starts_with(&real)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(start.elapsed() < Duration::from_secs(30), "no scratch file was opened");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the scratch file was left behind");
}

#[test]
fn figures_are_kept_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let measured = measure(&state, dir.path(), "1").run().success().json();
    let kept =
        Llmsql::new().args(["facts", "--format", "json"]).env("STATE_DIRECTORY", state.path()).run().success().json();
    assert_eq!(measured["measurements"], kept["measurements"]);
    let file = state.path().join("measurements.json");
    fs::write(&file, "{\"schema\": 1, \"measure").unwrap();
    let run = Llmsql::new().args(["facts", "--format", "json"]).env("STATE_DIRECTORY", state.path()).run().success();
    run.stdout_has("measurements.json").stdout_has("EOF");
}

#[test]
fn a_tree_cannot_be_measured() {
    let dir = tempfile::tempdir().unwrap();
    Llmsql::new().args(["facts", "--measure"]).root(dir.path()).run().code(64).stderr_has("only the running host");
    Llmsql::new().args(["facts", "--measure-seconds", "3"]).run().code(64);
}

#[test]
fn figures_that_cannot_be_kept_are_printed_all_the_same() {
    let here = tempfile::tempdir().expect("a temporary folder");
    // A file where the folder should be: not even root can make one there.
    let state = here.path().join("state");
    fs::write(&state, "").expect("a file");
    let mount = here.path().join("data");
    fs::create_dir(&mount).expect("a folder");
    let run = Llmsql::new()
        .args(["facts", "--measure", "--measure-seconds", "1", "--format", "json", "--mount"])
        .arg(&mount)
        .env("STATE_DIRECTORY", state.join("below"))
        .run()
        .success();
    assert!(run.json()["measurements"].as_array().is_some_and(|m| !m.is_empty()), "{run:?}");
    run.stderr_has("cannot be kept").stderr_has("--facts FILE");
}

/// An ext4 on a loop device that a cgroup lets do so many reads and writes a second, and read 100 MB in it; all gone with
/// the value.
struct Throttled {
    /// Memory holds the image, so that nothing but the throttle decides.
    memory: Tmpfs,
    device: String,
    cgroup: PathBuf,
}

impl Throttled {
    /// `None`, with the reason, where the machine does not allow it.
    fn new(operations: u32) -> Option<Self> {
        let memory = Tmpfs::new("500m")?;
        let image = memory.path().join("image");
        fs::File::create(&image).and_then(|file| file.set_len(400 << 20)).expect("an image");
        let told = |command: &mut Command| {
            let output = command.output().map_err(|e| e.to_string())?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
        };
        let make = || -> Result<Throttled, String> {
            told(Command::new("mkfs.ext4").args(["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(&image))?;
            let device = told(Command::new("losetup").args(["-f", "--show"]).arg(&image))?;
            let number = told(Command::new("lsblk").args(["-dno", "MAJ:MIN", &device]))?;
            let unique = format!("llmsql-test-{}", std::process::id());
            let old = Path::new("/sys/fs/cgroup/blkio");
            let cgroup = if old.exists() { old.join(&unique) } else { Path::new("/sys/fs/cgroup").join(&unique) };
            let throttled = Throttled { memory, device, cgroup };
            let put = |file: &str, text: String| {
                fs::write(throttled.cgroup.join(file), text).map_err(|e| format!("{file}: {e}"))
            };
            fs::create_dir(&throttled.cgroup).map_err(|e| e.to_string())?;
            if old.exists() {
                put("blkio.throttle.read_iops_device", format!("{number} {operations}"))?;
                put("blkio.throttle.write_iops_device", format!("{number} {operations}"))?;
                put("blkio.throttle.read_bps_device", format!("{number} {}", 100 << 20))?;
            } else {
                put("io.max", format!("{number} riops={operations} wiops={operations} rbps={}", 100 << 20))?;
            }
            let mount = throttled.mount();
            fs::create_dir(&mount).map_err(|e| e.to_string())?;
            told(Command::new("mount").arg(&throttled.device).arg(mount))?;
            Ok(throttled)
        };
        make().map_err(|why| eprintln!("not judged: no throttled device can be made here: {why}")).ok()
    }

    fn mount(&self) -> PathBuf {
        self.memory.path().join("mounted")
    }

    /// Runs a program inside the cgroup; its output, as JSON.
    fn json(&self, program: &Path, args: &[&str]) -> serde_json::Value {
        let output = Command::new("sh")
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.cgroup.join("cgroup.procs"))
            .arg(program)
            .args(args)
            .env("STATE_DIRECTORY", self.memory.path())
            .current_dir(self.mount())
            .output()
            .expect("sh can be run");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    }
}

/// What fio finds with these options, per second; `json` runs a program on the file system.
fn fio(json: &dyn Fn(&Path, &[&str]) -> serde_json::Value, options: &[&str], side: &str) -> f64 {
    let fio = crate::support::servers().join("bin/fio");
    // Threads, as ours: fio's processes each begin a session, and so get more of a busy machine.
    let common = ["--name=test", "--filename=fio", "--size=64m", "--ioengine=psync", "--runtime=4", "--thread"];
    let args: Vec<&str> = common
        .iter()
        .chain(options)
        .copied()
        .chain(["--time_based", "--group_reporting", "--output-format=json"])
        .collect();
    let told = json(&fio, &args);
    told.pointer(&format!("/jobs/0/{side}")).and_then(serde_json::Value::as_f64).expect("a figure")
}

/// Compares every figure with fio's, on the file system where `json` runs programs; `direct` is fio's word for reads past
/// the page cache.
fn compare(json: &dyn Fn(&Path, &[&str]) -> serde_json::Value, direct: &str) {
    let reads = fio(json, &["--rw=randread", "--bs=8k", direct], "read/iops");
    let deep = fio(json, &["--rw=randread", "--bs=8k", "--numjobs=16", direct], "read/iops");
    let sequence = fio(json, &["--rw=read", "--bs=1m", direct], "read/bw_bytes");
    let synced = ["--rw=write", "--bs=8k", "--fsync=1", "--direct=0", "--overwrite=1", "--fallocate=none"];
    let writes = fio(json, &synced, "write/iops");
    let args = ["facts", "--measure", "--measure-seconds", "12", "--format", "json", "--mount", "."];
    let facts = json(&Llmsql::path(), &args);
    let ours = &facts["measurements"][0];
    let mut wrong = Vec::new();
    for (name, fio) in [
        ("random_read_iops_1", reads),
        ("random_read_iops_16", deep),
        ("sequential_read_bytes", sequence),
        ("fsyncs_per_second", writes),
    ] {
        let found = ours[name].as_f64().expect("a figure");
        println!("{name}: {found:.0}, fio {fio:.0}");
        if !(0.5..=2.0).contains(&(found / fio)) {
            wrong.push(format!("{name}: {found:.0}, fio {fio:.0}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Whether the long comparisons with fio are wanted: `LLMSQL_EXTENDED=1`.
fn wanted() -> bool {
    let wanted = faults::extended();
    if !wanted {
        eprintln!("not judged: LLMSQL_EXTENDED=1 compares with fio");
    }
    wanted
}

impl Drop for Throttled {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.mount()).output();
        let _ = Command::new("losetup").args(["-d", &self.device]).output();
        let _ = fs::remove_dir(&self.cgroup);
    }
}

/// Needs root, a loop device and half a minute.
#[test]
fn figures_of_a_throttled_device_are_within_a_factor_of_two_of_fios() {
    if !wanted() {
        return;
    }
    let Some(throttled) = Throttled::new(400) else { return };
    compare(&|program, args| throttled.json(program, args), "--direct=1");
    let left: Vec<_> = fs::read_dir(throttled.mount()).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().all(|name| name == "fio" || name == "lost+found"), "{left:?}");
}

#[test]
fn figures_of_a_memory_file_system_are_within_a_factor_of_two_of_fios() {
    if !wanted() {
        return;
    }
    let Some(tmpfs) = Tmpfs::new("400m") else { return };
    let state = tempfile::tempdir().expect("a temporary folder");
    let json = |program: &Path, args: &[&str]| {
        let mut run = Command::new(program);
        run.args(args).current_dir(tmpfs.path()).env("STATE_DIRECTORY", state.path());
        let output = run.output().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    };
    compare(&json, "--direct=0");
}
