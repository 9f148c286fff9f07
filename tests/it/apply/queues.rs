//! Queues of block devices: scheduler and read-ahead, on a tree and on a device of this machine.

use super::tree::Tree;
use crate::support::Llmsql;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A host of tests/cases, whose devices are links as in a kernel.
fn host(case: &str) -> Tree {
    let tree = Tree::bare();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(case).join("root/.");
    assert!(Command::new("cp").arg("-a").arg(from).arg(tree.dir()).status().expect("cp").success());
    tree
}

fn disks(tree: &Tree, command: &str) -> Llmsql {
    Llmsql::new().root(tree.dir()).arg(command).args(["--only", "disk"])
}

#[test]
fn queues_are_set_seen_to_drift_and_given_back() {
    let tree = host("08-md-on-hdd");
    // The array is what is read ahead, its disks have the schedulers.
    let (scheduler, ahead) = ("sys/block/sda/queue/scheduler", "sys/block/md1/queue/read_ahead_kb");
    // As a kernel with these schedulers shows them.
    tree.write(scheduler, "none mq-deadline [bfq]\n");
    tree.write(ahead, "128\n");
    let first = tree.snapshot_of(&["etc", "sys"]);
    let diff = disks(&tree, "diff").run().success();
    diff.stdout_has("bfq → mq-deadline").stdout_has("128 → 4096").stdout_has("disk.sda.scheduler");
    disks(&tree, "apply").arg("--yes").run().success();
    assert_eq!(tree.read(scheduler), "none [mq-deadline] bfq\n");
    assert_eq!(tree.read(ahead), "4096\n");
    disks(&tree, "apply").arg("--yes").run().success().stderr_has("nothing to change");
    disks(&tree, "status").arg("--detailed-exitcode").run().success();

    tree.write(ahead, "64\n");
    let status = disks(&tree, "status").arg("--detailed-exitcode").run().code(2);
    let line = status.stdout.lines().find(|l| l.contains("disk.md1.read_ahead_kb")).expect("it is seen");
    assert!(line.contains("applied 4096, runs 64"), "{line}");
    disks(&tree, "apply").arg("--yes").run().success();
    assert_eq!(tree.read(ahead), "4096\n");
    for generation in ["2", "1"] {
        Llmsql::new().root(tree.dir()).args(["rollback", generation, "--discard-edits", "--yes"]).run().success();
    }
    assert_eq!(tree.snapshot_of(&["etc", "sys"]), first);
}

/// The same words are taken by a kernel: a queue of this machine gets its own value once more, and another one.
#[test]
fn a_queue_of_this_kernel_takes_what_a_plan_writes() {
    let place = "/sys/block/loop0/queue/read_ahead_kb";
    let Some(own) = fs::read_to_string(place).ok().filter(|own| fs::write(place, own).is_ok()) else {
        println!("{place} may not be written here, so this is not judged");
        return;
    };
    assert!(fs::write(place, "4096\n").is_ok());
    let now = fs::read_to_string(place).expect("it is read");
    fs::write(place, &own).expect("its own value again");
    assert_eq!(now, "4096\n");
}
