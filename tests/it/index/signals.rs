//! Ctrl-C and SIGTERM at any moment.

use super::Bench;
use crate::support::wait_for;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Child;

fn send(run: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(run.id()).expect("a process id")), signal).expect("a signal");
}

#[test]
fn the_first_signal_puts_everything_back() {
    let bench = Bench::with_docs("", 5000);
    let transaction = bench.open_transaction("SELECT 1");
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let mut run = bench.spawn(&["rebuild", "--all", "--set-probes", "database"]);
        bench.wait_until_reindex_waits();
        assert_eq!(bench.lists("docs_idx"), "lists=70");
        send(&run, signal);
        assert_eq!(run.wait().expect("the program ends").code(), Some(code));
        bench.assert_as_before("");
        assert_eq!(bench.sql("SELECT count(*) FROM pg_db_role_setting"), "0");
    }
    drop(transaction);
    bench.index(&["rebuild", "--all"]).success();
}

#[test]
fn the_second_signal_ends_at_once_and_the_next_run_cleans_up() {
    let bench = Bench::with_docs("", 5000);
    // A transaction that has read the table keeps what is left from being dropped for some seconds.
    let transaction = bench.open_transaction("SELECT count(*) FROM docs");
    let mut run = bench.spawn(&["rebuild", "--all"]);
    bench.wait_until_reindex_waits();
    send(&run, Signal::SIGINT);
    wait_for("the clean-up to wait", || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%' AND wait_event_type = 'Lock'";
        (bench.sql(waits) == "1").then_some(())
    });
    send(&run, Signal::SIGINT);
    assert_eq!(run.wait().expect("the program ends").code(), Some(130));
    assert!(bench.sql("SELECT obj_description('docs_idx'::regclass)").contains("rebuilding="));
    // The server notices that the client has gone.
    wait_for("the clean-up to end", || {
        let drops = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DROP INDEX%' AND state = 'active' AND pid <> pg_backend_pid()";
        (bench.sql(drops) == "0").then_some(())
    });
    drop(transaction);
    bench.index(&["list"]).success().stdout_has("rebuild begun").stderr_has("the next rebuild drops it");
    bench.index(&["rebuild", "--all"]).success();
    assert_eq!((bench.lists("docs_idx").as_str(), bench.leftovers().as_str()), ("lists=70", ""));
}

#[test]
fn a_signal_is_heard_while_rows_are_counted() {
    let bench = Bench::with_docs("", 3000);
    // Counting runs through this function, until the lock is released.
    bench.sql(
        "CREATE TABLE gate (); CREATE FUNCTION wait(int8) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS \
         'BEGIN PERFORM pg_advisory_lock_shared(7); RETURN true; END'; \
         CREATE INDEX slow_idx ON docs USING ivfflat (embedding vector_l2_ops) WHERE wait(id)",
    );
    let _gate = bench.gate(7);
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*)%wait(id)%' \
                   AND wait_event_type = 'Lock' AND application_name = 'llmsql'";
    let mut run = bench.spawn(&["rebuild", "slow_idx"]);
    wait_for("the count to wait", || (bench.sql(waiting) == "1").then_some(()));
    send(&run, Signal::SIGTERM);
    assert_eq!(run.wait().expect("the program ends").code(), Some(143));
    wait_for("the count to be cancelled", || (bench.sql(waiting) == "0").then_some(()));
    assert_eq!(bench.lists("slow_idx"), "");
}
