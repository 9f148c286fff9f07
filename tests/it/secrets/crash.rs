//! A rotation interrupted anywhere: after `secrets recover` the env file, the server and the userlist agree, and a login
//! works, old or new. CI takes an even sample; LLMSQL_EXTENDED=1 the whole.

use super::stack::{OLD, Stack};
use crate::support::Llmsql;
use crate::support::faults::{FAULTS, KILL, Point, log_of, points, sampled};
use crate::support::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

/// The env file, but for the password that was rotated.
fn frame(stack: &Stack) -> String {
    let text = stack.env();
    ["APP_PASSWORD", "APP_USER"].iter().fold(text, |text, name| text.replace(&stack.value(name), name))
}

/// Every point of a good run that writes the env file's folder, the state or PgBouncer's folder.
fn points_of(stack: &Stack, run: Llmsql, faults: &[&'static str]) -> Vec<Point> {
    let all = points(&log_of(run), &[stack.dir(), stack.bouncer.as_ref().expect("a PgBouncer").dir()], faults);
    for wanted in ["/.env\"", "userlist.txt\"", ".llmsql-pending\"", "/secrets/", "state.db"] {
        assert!(all.iter().any(|p| p.line.contains(wanted)), "nothing strikes {wanted}");
    }
    all
}

/// Tries points of a command; each begins where the one before has ended.
fn matrix(name: &str, stack: &Stack, sample: usize, start: impl Fn() -> Llmsql) {
    let frame_before = frame(stack);
    start().run().success();
    let all = points_of(stack, start(), FAULTS);
    let (mut tried, mut ended, mut recovered, mut forward, mut back) = (0, 0, 0, 0, 0);
    for point in sampled(&all, sample) {
        let what = format!("{name}, {point}");
        let before = stack.env();
        let run = point.strike(start()).run();
        tried += 1;
        ended += usize::from(run.code != Some(0));
        let told = format!("{what}: exit {:?}\n{}", run.code, run.stderr);
        assert_eq!(frame(stack), frame_before, "{told}");
        let waits = stack.path(".env.llmsql-pending").exists();
        match run.code {
            None => assert_eq!(point.fault, KILL, "{told}"),
            Some(0) => assert!(!waits, "{told}"),
            // An end that was announced: recover is needed where it says so, and only there.
            Some(4) => assert!(waits || stack.env() != before, "{told}"),
            Some(_) => assert!(!waits && stack.env() == before, "{told}"),
        }
        if run.code == Some(0) && point.fault != KILL {
            assert_ne!(stack.env(), before, "{told}");
        }
        if waits {
            stack.secrets(&["status"]).run().code(4);
            recovered += 1;
        }
        stack.secrets(&["recover", "--yes"]).run().success();
        stack.agrees();
        if stack.env() == before {
            back += 1
        } else {
            forward += 1
        }
        // What was killed may have left a temporary file, which the next run takes away.
        if run.code.is_none() {
            start().run().success();
        }
        assert_eq!(stack.left_behind(), Vec::<String>::new(), "{told}");
    }
    println!(
        "{name}: {tried} of {} points tried, {ended} ended the run, {recovered} waited for recover, {forward} ended new, {back} old",
        all.len()
    );
    assert!(ended > tried / 3, "{name}: the faults do not strike");
}

#[test]
fn a_rotation_interrupted_anywhere_ends_old_or_new() {
    let stack = Stack::new();
    matrix("rotate", &stack, 14, || stack.secrets(&["rotate", "APP_PASSWORD", "--yes"]));
}

#[test]
fn two_roles_interrupted_anywhere_end_old_or_new() {
    let stack = Stack::alternating();
    matrix("rotate --strategy alternate", &stack, 8, || stack.secrets(&["rotate", "APP_PASSWORD", "--yes"]));
}

#[test]
fn a_restore_interrupted_anywhere_ends_old_or_new() {
    let stack = Stack::new();
    stack.rotate(&["APP_PASSWORD"]).success();
    // Each restores what the one before has replaced.
    matrix("restore", &stack, 8, || stack.secrets(&["restore", "--yes"]));
}

#[test]
fn a_recover_interrupted_anywhere_can_be_run_again() {
    let stack = Stack::new();
    let rotate = || stack.secrets(&["rotate", "APP_PASSWORD", "--yes"]);
    rotate().run().success();
    let killed = points_of(&stack, rotate(), &[KILL]);
    // PgBouncer's file is new, the env file old.
    let killed = killed.iter().find(|p| p.call.starts_with("rename") && p.line.contains("/.env\"")).expect("a rename");
    let interrupt = || {
        let run = killed.strike(rotate()).run();
        assert!(stack.path(".env.llmsql-pending").exists(), "{run:?}");
    };
    for way in ["--finish", "--undo"] {
        interrupt();
        let recover = || stack.secrets(&["recover", way, "--yes"]);
        let all = points(&log_of(recover()), &[stack.dir(), stack.bouncer.as_ref().expect("one").dir()], FAULTS);
        let mut tried = 0;
        for point in sampled(&all, 6) {
            interrupt();
            let before = stack.value("APP_PASSWORD");
            let run = point.strike(recover()).run();
            tried += 1;
            if stack.path(".env.llmsql-pending").exists() {
                recover().run().success();
            }
            stack.agrees();
            let old = stack.value("APP_PASSWORD") == before;
            assert_eq!(old, way == "--undo", "{point}: {run:?}");
        }
        println!("recover {way}: {tried} of {} points tried", all.len());
    }
}

/// The run is held at each step that others could see, the server is killed there, and the run goes on without it.
#[test]
fn a_server_killed_between_steps_leaves_what_recover_ends() {
    let mut stack = Stack::new();
    let steps = {
        let rotate = || stack.secrets(&["rotate", "APP_PASSWORD", "--yes"]);
        rotate().run().success();
        let all = points_of(&stack, rotate(), &["signal=STOP"]);
        let seen = |p: &Point| {
            (p.call.starts_with("rename") || p.call.starts_with("unlink") || p.call == "fsync")
                && [".llmsql-pending", "userlist.txt", "/.env\""].iter().any(|n| p.line.contains(n))
        };
        all.into_iter().filter(seen).collect::<Vec<_>>()
    };
    let (mut tried, mut waited) = (0, 0);
    for step in sampled(&steps, 4) {
        let log = stack.path("strace.log");
        let before = stack.env();
        let run = stack.secrets(&["rotate", "APP_PASSWORD", "--yes"]);
        let trace = format!("trace={}", step.call);
        let run = run.strace(&["-o", &log.display().to_string(), "-e", &trace, "-e", &step.inject(step.fault)]).start();
        let pid = wait_for("the run to be held", || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let held = text.lines().find(|l| l.ends_with("--- stopped by SIGSTOP ---"))?.to_owned();
            held.split(' ').next()?.parse().ok().map(Pid::from_raw)
        });
        stack.server.kill();
        kill(pid, Signal::SIGCONT).expect("the run is held");
        let run = run.wait();
        fs::remove_file(&log).expect("the log");
        stack.server.start_again();
        tried += 1;
        waited += usize::from(run.code == Some(4));
        assert!(run.code == Some(4) || !stack.path(".env.llmsql-pending").exists(), "{step}: {run:?}");
        stack.secrets(&["recover", "--yes"]).run().success();
        stack.agrees();
        assert!(run.code != Some(0) || stack.env() != before, "{step}: {run:?}");
    }
    println!("server killed: at {tried} of {} steps, {waited} waited for recover", steps.len());
    assert!(waited > 0, "the server was never missed");
}

/// Before the first secret is read nothing of this process can reach a core file or another process.
#[test]
fn core_dumps_are_off_before_a_secret_is_read() {
    let stack = Stack::without_bouncer("");
    let log = stack.path("strace.log");
    let trace = "trace=prctl,prlimit64,setrlimit,openat,connect";
    stack.server.query("CREATE EXTENSION vector");
    let dsn = format!("postgresql://app:{OLD}@127.0.0.1:{}/postgres", stack.server.port());
    for (first, run) in [
        (".env\"", stack.secrets(&["verify"])),
        ("htons(", stack.llmsql().args(["harden", "check"]).env("LLMSQL_DSN", &dsn)),
        ("htons(", stack.llmsql().args(["index", "list"]).env("LLMSQL_DSN", &dsn)),
    ] {
        run.strace(&["-o", &log.display().to_string(), "-e", trace]).run().success();
        let text = fs::read_to_string(&log).expect("strace's log");
        let at = |wanted: &str| text.lines().position(|l| l.contains(wanted)).unwrap_or_else(|| panic!("no {wanted}"));
        assert!(at("PR_SET_DUMPABLE, SUID_DUMP_DISABLE") < at(first), "{text}");
        assert!(at("RLIMIT_CORE, {rlim_cur=0") < at(first), "{text}");
    }
}
