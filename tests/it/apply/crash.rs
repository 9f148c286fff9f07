//! A kill, an I/O error or a full disk at every system call that matters, by strace: every file is exactly old or exactly
//! new, and after `recover` all are old or all are new. CI takes an even sample; LLMSQL_EXTENDED=1 the whole.

use super::tree::{Found, Tree};
use crate::support::Llmsql;
use crate::support::faults::{FAULTS, KILL, Point, log_of, points, sampled};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// How many points of each command CI tries.
const SAMPLE: usize = 40;

fn run(tree: &Tree, args: &[&str]) -> Llmsql {
    Llmsql::new().root(tree.dir()).args(args).dir(tree.dir())
}

/// Every point of a good run on a path of the tree.
fn points_of(tree: &Tree, args: &[&str]) -> Vec<Point> {
    points(&log_of(run(tree, args)), &[tree.dir()], FAULTS)
}

type State = BTreeMap<String, Found>;

/// Every file is as before or as after, whole, and nothing else is there but temporary files.
fn each_old_or_new(now: &State, old: &State, new: &State, what: &str) {
    for (path, found) in now {
        // The kernel's values are written in place, and neither temporary files nor folders count.
        if path.starts_with("proc") || path.starts_with("sys") || path.contains("/.llmsql-") || found.0.is_empty() {
            continue;
        }
        assert!(
            old.get(path) == Some(found) || new.get(path) == Some(found),
            "{what}: {path} is neither old nor new: {:?}",
            String::from_utf8_lossy(&found.0)
        );
    }
    for path in old.keys().filter(|path| new.contains_key(*path)) {
        assert!(now.contains_key(path), "{what}: {path} is gone");
    }
}

/// Tries the points of one command, which leads from `old` to `new`.
fn matrix(name: &str, base: &Tree, args: &[&str], ends: (&State, &State)) {
    let (old, new) = ends;
    let all = points_of(&base.copy(), args);
    let (mut tried, mut hit, mut forward, mut back) = (0, 0, 0, 0);
    for point in sampled(&all, SAMPLE) {
        let tree = base.copy();
        let what = format!("{name}, {point}");
        let run = point.strike(run(&tree, args)).run();
        let said = run.stderr;
        tried += 1;
        hit += usize::from(run.code != Some(0));
        let now = tree.snapshot();
        each_old_or_new(&now, old, new, &what);
        // Only a kill, or an error that it announced, leaves work to be done.
        let code = run.code;
        let waits = code == Some(4) || (name == "recover" && code != Some(0));
        if point.fault != KILL && !waits {
            assert!(
                now == *old || now == *new,
                "{what}: half done, exit {code:?}: {said}\n{}",
                difference(&now, old, new)
            );
        }
        tree.llmsql("recover").arg("--yes").run().success();
        let now = tree.snapshot();
        assert!(now == *old || now == *new, "{what}: half done after recover: {said}\n{}", difference(&now, old, new));
        if now == *new {
            forward += 1
        } else {
            back += 1
        }
        let history = tree.llmsql("history").args(["--format", "json"]).run().success().json();
        for generation in history.as_array().expect("a list") {
            assert_ne!(generation["outcome"], "pending", "{what}");
        }
        no_password(&tree.path("var"), &what);
    }
    // Past the harness, which shows what is printed only of a test that fails.
    let all = all.len();
    let line = format!("{name}: {tried} of {all} points tried, {hit} ended the run, {forward} ended new, {back} old\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");
    assert!(hit > tried / 3, "{name}: the faults do not strike");
}

fn difference(now: &State, old: &State, new: &State) -> String {
    let side = |path: &String| match (now.get(path) == old.get(path), now.get(path) == new.get(path)) {
        (true, true) => None,
        (true, false) => Some("old"),
        (false, true) => Some("new"),
        (false, false) => Some("neither"),
    };
    let mut paths: Vec<&String> = now.keys().chain(old.keys()).chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().filter_map(|p| Some(format!("{p}: {}\n", side(p)?))).collect()
}

/// No file below a folder holds the operator's password.
fn no_password(dir: &Path, what: &str) {
    let found = Command::new("grep").args(["-rl", super::tree::PASSWORD]).arg(dir).output().expect("grep");
    assert!(found.stdout.is_empty(), "{what}: {}", String::from_utf8_lossy(&found.stdout));
}

/// A tree with a saved plan, so that runs need not gather facts; and the states before and after it.
fn planned() -> (Tree, State, State) {
    let tree = Tree::new();
    tree.llmsql("diff").arg("--save").arg(tree.path("plan")).run().success();
    let old = tree.snapshot();
    let done = tree.copy();
    done.llmsql_plain("apply").arg(done.path("plan")).arg("--yes").run().success();
    let new = done.snapshot();
    assert_ne!(old, new);
    (tree, old, new)
}

impl Tree {
    /// The program on this tree without the flags of a plan.
    fn llmsql_plain(&self, command: &str) -> Llmsql {
        Llmsql::new().root(self.dir()).arg(command)
    }
}

/// Kills a run in the middle of its set of files.
pub(super) fn interrupt_in_the_middle(tree: &Tree, args: &[&str]) {
    let renames: Vec<Point> =
        points_of(&tree.copy(), args).into_iter().filter(|p| p.call.starts_with("rename") && p.fault == KILL).collect();
    // Past the file that says who holds the lock.
    let point = &renames[renames.len() / 2];
    point.strike(run(tree, args)).run();
}

#[test]
fn an_apply_interrupted_anywhere_is_all_or_nothing() {
    let (tree, old, new) = planned();
    matrix("apply", &tree, &["apply", "plan", "--yes"], (&old, &new));
}

#[test]
fn a_rollback_interrupted_anywhere_is_all_or_nothing() {
    let (tree, old, new) = planned();
    tree.llmsql_plain("apply").arg(tree.path("plan")).arg("--yes").run().success();
    let back = tree.copy();
    back.llmsql_plain("rollback").arg("--yes").run().success();
    assert_eq!(back.snapshot(), old, "a rollback brings everything back");
    matrix("rollback", &tree, &["rollback", "--yes"], (&new, &old));
}

#[test]
fn a_recover_interrupted_anywhere_can_be_run_again() {
    let (tree, old, new) = planned();
    let args = ["apply", "plan", "--yes"];
    interrupt_in_the_middle(&tree, &args);
    tree.llmsql("apply").arg("--yes").run().code(4).stderr_has(" recover");
    tree.llmsql("rollback").arg("--yes").run().code(4);
    matrix("recover", &tree, &["recover", "--yes"], (&old, &new));
}

/// The journal is on disk before anything is replaced, and every file before it is renamed, and its folder after: what a
/// loss of power needs.
#[test]
fn everything_is_synced_in_the_order_that_a_loss_of_power_needs() {
    let (tree, _, _) = planned();
    let here = tree.dir().display().to_string();
    let lines: Vec<String> = log_of(run(&tree, &["apply", "plan", "--yes"]));
    let first_rename = lines.iter().position(|l| l.starts_with("rename") && l.contains("/etc/")).expect("a rename");
    let journal = lines
        .iter()
        .position(|l| l.starts_with("fsync(") && l.contains("/generations/00001/change.json"))
        .expect("the journal is synced");
    assert!(journal < first_rename);
    let mut renames = 0;
    for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.starts_with("rename") && l.contains("/etc/")) {
        let names: Vec<&str> = line.split('"').filter(|part| part.starts_with(&here)).collect();
        let [from, to] = names.as_slice() else { panic!("{line}") };
        let folder = Path::new(to).parent().expect("a folder").display().to_string();
        let synced = |lines: &[String], path: &str| {
            lines.iter().any(|l| l.starts_with("fsync(") && l.contains(&format!("<{path}>")))
        };
        assert!(synced(&lines[..at], from), "{from} is not synced before {line}");
        let next = lines[at + 1..]
            .iter()
            .position(|l| l.starts_with("rename") && l.contains("/etc/"))
            .map_or(lines.len(), |n| at + 1 + n);
        assert!(synced(&lines[at..next], &folder), "{folder} is not synced after {line}");
        renames += 1;
    }
    assert!(renames >= 4, "only {renames} files were replaced");
}
