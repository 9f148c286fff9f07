//! What cron and systemd start, and what they hear of it.

use super::{Bench, rows};
use crate::files::Rendered;
use crate::support::Llmsql;
use std::fs;
use std::process::{Command, Output};

#[test]
fn cron_hears_nothing_outside_the_window_and_prometheus_reads_the_rest() {
    let bench = Bench::with_docs("", 3000);
    let file = bench.state.path().join("index.prom");
    // A minute that is not now, whatever the clock says.
    let hour = jiff::Zoned::now().time().hour();
    let closed = format!("{:02}:00-{:02}:01", (hour + 12) % 24, (hour + 12) % 24);
    let run = bench.index(&["rebuild", "--all", "--window", &closed]).success();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_eq!(bench.lists("docs_idx"), "lists=10");
    let open = format!("{:02}:00-{:02}:00", (hour + 23) % 24, (hour + 2) % 24);
    let run = ["rebuild", "--all", "--if-needed", "--window", &open, "--textfile", file.to_str().expect("a path")];
    bench.index(&run).success().stdout_has("54 lists");
    let text = std::fs::read_to_string(&file).expect("the metrics");
    assert!(text.contains("llmsql_index_rebuilt 1\n"), "{text}");
    assert!(
        text.contains("llmsql_index_target_lists{database=\"postgres\",schema=\"public\",index=\"docs_idx\"} 54\n"),
        "{text}"
    );
    bench.index(&["recall", "--target", "0.9"]).success().stdout_has("is the smallest that reaches 0.9");
    bench.index(&["rebuild"]).code(64).stderr_has("--all");
    bench.index(&["rebuild", "nowhere"]).code(64).stderr_has("public.docs_idx");
}

/// What it printed on stdout; the run must have ended with 0 and nothing on stderr, and what it says there is only for
/// a run that rebuilt.
#[track_caller]
fn quiet(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.contains("rebuilt") || stderr.is_empty(), "{stderr}");
    stdout.into_owned()
}

#[test]
fn the_rendered_cron_line_and_service_rebuild_what_needs_it_and_say_nothing_else() {
    let bench = Bench::with_docs("", 3000);
    let env_file = bench.state.path().join("index.env");
    let environment = [
        ("PGHOST", "127.0.0.1".to_owned()),
        ("PGPORT", bench.server.port().to_string()),
        ("PGUSER", "postgres".to_owned()),
        ("STATE_DIRECTORY", bench.state.path().display().to_string()),
    ];
    let lines: String = environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    fs::write(&env_file, lines).expect("a file in a temporary folder");
    let program = format!("maintenance.program={}", Llmsql::path().display());
    let env_file = format!("maintenance.index_env_file={}", env_file.display());
    let rendered = Rendered::new(&["--set", &program, "--set", &env_file]);

    let table = rendered.read("etc/cron.d/llmsql");
    let line = table.lines().find(|l| l.contains("index rebuild")).expect("a line for indexes");
    // Five fields of time, the user, and the command; on a host without systemd.
    let command = line.splitn(7, ' ').last().expect("a command").replace("/run/systemd/system", "/nonexistent");
    let cron = || {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &command]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/");
        quiet(&shell.output().expect("a shell"))
    };
    let unit = rendered.read("etc/systemd/system/llmsql-index.service");
    let start = unit.lines().find_map(|l| l.strip_prefix("ExecStart=")).expect("a command");
    let service = || {
        let mut words = start.split(' ');
        let mut process = Command::new(words.next().expect("a program"));
        process.args(words).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/").envs(environment.clone());
        quiet(&process.output().expect("the program"))
    };

    let first = cron();
    assert!(first.starts_with("postgres public.docs_idx: rebuilt with 54 lists (was 10)"), "{first}");
    assert_eq!(first.lines().count(), 1, "{first}");
    assert_eq!((cron(), service()), (String::new(), String::new()));
    bench.sql(&rows(12_000, 40));
    let grown = service();
    assert!(grown.contains("rebuilt with 122 lists (was 54)") && grown.lines().count() == 1, "{grown}");
    assert_eq!((service(), cron()), (String::new(), String::new()));
}
