//! What the program tells its user to run works, fits into 80 columns, and ends with an error where it cannot be shown.

use crate::support::Llmsql;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn cases() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Every text below a folder.
fn texts(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { todo.push(path) } else { found.push(fs::read_to_string(&path).unwrap()) }
        }
    }
    found
}

/// The commands that a text tells, `llmsql explain X` and `llmsql config set X VALUE`, as far as they have no placeholder.
fn told(text: &str) -> BTreeSet<Vec<String>> {
    let flat =
        text.lines().map(|l| l.trim_start().trim_start_matches(['#', ';', '-']).trim()).collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for (start, words) in [("llmsql explain ", 1), ("llmsql config set ", 2)] {
        for (at, _) in flat.match_indices(start) {
            let rest = &flat[at + start.len()..];
            let rest = rest.split('`').next().unwrap();
            let arguments: Vec<String> =
                rest.split_whitespace().take(words).map(|w| w.trim_end_matches([',', '.', ';']).to_owned()).collect();
            let placeholder = |w: &String| w.chars().all(|c| c.is_ascii_uppercase() || c == '|');
            if arguments.len() == words && !arguments.iter().any(placeholder) {
                found.insert(start.split_whitespace().skip(1).map(str::to_owned).chain(arguments).collect());
            }
        }
    }
    found
}

#[test]
fn every_command_that_plans_and_files_tell_works() {
    let mut commands = 0;
    for case in cases() {
        let arguments = fs::read_to_string(case.join("arguments")).unwrap_or_default();
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let plan =
            Llmsql::new().args(["plan", "--format", "json"]).args(&arguments).root(case.join("root")).run().success();
        let plan = plan.json();
        let mut said: BTreeSet<Vec<String>> =
            texts(&case.join("expected")).iter().flat_map(|text| told(text)).collect();
        for finding in plan["findings"].as_array().unwrap() {
            let next = finding["next"].as_str().unwrap_or_default();
            said.extend(told(&format!("{} `{next}", finding["message"].as_str().unwrap())));
            said.insert(vec!["explain".to_owned(), finding["invariant"].as_str().unwrap().to_owned()]);
        }
        for setting in plan["settings"].as_array().unwrap() {
            let notes = setting["reason"]["notes"].as_array().unwrap();
            said.extend(notes.iter().flat_map(|note| told(note.as_str().unwrap())));
        }
        assert!(!said.is_empty());
        let config = tempfile::tempdir().unwrap();
        let config = config.path().join("llmsql.toml");
        for command in said {
            let run = Llmsql::new().args(&command);
            if command[0] == "explain" {
                run.args(&arguments).root(case.join("root")).run().success();
            } else {
                fs::create_dir_all(config.parent().unwrap()).unwrap();
                run.arg("--config").arg(&config).run().success();
            }
            commands += 1;
        }
    }
    assert!(commands > 40, "{commands}");
}

#[test]
fn what_config_get_says_of_an_unset_key_can_be_run() {
    let keys = Llmsql::new().args(["config", "list", "--all", "--format", "json"]).run().success().json();
    let case = &cases()[0];
    // One of each table, and every input.
    let mut tables = BTreeSet::new();
    for key in keys.as_array().unwrap().iter().map(|k| k["key"].as_str().unwrap()) {
        let table = key.split('.').next().unwrap();
        if !["host", "plan"].contains(&table) && !tables.insert(table.to_owned()) {
            continue;
        }
        let get = Llmsql::new().args(["config", "get", key]).root(case.join("root")).run();
        if get.code == Some(0) {
            continue;
        }
        get.stderr_has(&format!("llmsql explain {key}"));
        Llmsql::new().args(["explain", key]).root(case.join("root")).run().success().stdout_has(key);
    }
}

#[test]
fn an_input_is_explained_with_where_it_comes_from() {
    let explain = |key: &str, flags: &[&str]| {
        Llmsql::new().args(["explain", key]).args(flags).root(cases()[0].join("root")).run().success()
    };
    explain("host.ram", &[]).stdout_has("an input of the plan").stdout_has("measured: facts memory.total_bytes");
    explain("host.ram", &["--ram", "64GB"])
        .stdout_has("RAM = 64GB (configured: flag --ram)")
        .stdout_has("set by       flag --ram");
    for key in ["shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem"] {
        explain(key, &["--ram", "64GB"]).stdout_has("RAM = 64GB (configured: flag --ram)");
        explain(key, &[]).stdout_has("(measured: facts memory.total_bytes");
    }
    let limited = Llmsql::new().args(["explain", "shared_buffers"]).root(cases()[1].join("root")).run().success();
    limited.stdout_has("the cgroup limit").stdout_has("memory.max");
}

#[test]
fn a_profile_is_shown_without_a_flag_that_nobody_gave() {
    let small = ["--ram", "8GB", "--cpus", "2", "--set", "host.components=postgresql"];
    for name in ["small", "analytics", "edge-proxy", "vector-search"] {
        let run = Llmsql::new().args(["profile", "show", name]).args(small).run().success();
        assert!(!run.stdout.contains("--profile"), "{}", run.stdout);
        let force =
            if name == "small" { "in force here: RAM 8.00 GB < 20.0 GB" } else { "not in force here, small is" };
        let run = run.stdout_has(force);
        assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{}", run.stdout);
    }
    let named = Llmsql::new().args(["profile", "show", "--profile", "analytics"]).args(small).run().success();
    named.stdout_has("chosen: named by flag --profile");
}

/// Help of every subcommand, by what clap itself lists.
fn helps(words: &mut Vec<String>, found: &mut Vec<(String, String)>) {
    let run = Llmsql::new().args(words.iter()).arg("--help").run().success();
    let commands = run.stdout.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let named = |l: &str| {
        l.strip_prefix("  ")
            .filter(|l| !l.starts_with(' '))
            .and_then(|l| l.split_whitespace().next())
            .map(str::to_owned)
    };
    let names: Vec<String> = commands.filter_map(named).filter(|name| name != "help").collect();
    found.push((words.join(" "), run.stdout.clone()));
    for name in names {
        words.push(name);
        helps(words, found);
        words.pop();
    }
}

#[test]
fn help_fits_into_80_columns_and_its_examples_are_whole() {
    let mut found = Vec::new();
    helps(&mut Vec::new(), &mut found);
    assert!(found.len() > 40, "{}", found.len());
    for (command, text) in found {
        let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{command}: {long:#?}");
        let Some((_, examples)) = text.split_once("Example") else { continue };
        // Other text may stand between and behind them, from the first column on.
        let paragraphs = examples.split("\n\n").enumerate();
        let of_examples = paragraphs.filter(|(n, p)| *n == 0 || p.starts_with(' ') || p.starts_with("From cron"));
        for (n, paragraph) in of_examples {
            let mut more = false;
            for line in paragraph.lines().skip(usize::from(n == 0)) {
                // A line that clap has folded begins with no command of its own.
                let begins =
                    line.contains("llmsql ") || line.starts_with("From cron") || line.trim_start().starts_with("$ ");
                assert!(begins || more, "{command}: folded example: {line}");
                more = line.ends_with('\\');
            }
        }
    }
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for arguments in [&["--help"][..], &["--version"], &["plan", "--help"], &["plan", "--ram", "8GB"], &["facts"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let run = Command::new(Llmsql::path()).args(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(run.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8(run.stderr).unwrap();
        assert!(said.contains("cannot write the result"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_value_that_cannot_be_is_refused_in_a_short_sentence() {
    let plan = |set: &str| Llmsql::new().args(["plan", "--ram", "8GB", "--set", set]).run().code(64);
    for set in ["host.components=", "host.components=,"] {
        plan(set).stderr_has("at least one of postgresql");
    }
    let run = plan("postgresql.random_page_cost=-1").stderr_has("-1 is below 0");
    assert!(run.stderr.len() < 120, "{}", run.stderr);
    let keys = Llmsql::new().args(["config", "list", "--all"]).run().success();
    assert!(!keys.stdout.contains("17976931348623157"), "the largest number there is says nothing");
}

#[test]
fn archiving_with_nothing_to_archive_with_is_refused() {
    let small = ["--ram", "8GB", "--set", "host.components=postgresql", "--set", "postgresql.version=18"];
    let on = ["--set", "postgresql.archive_mode=on"];
    let check = |more: &[&str]| Llmsql::new().args(["plan", "--check"]).args(small).args(on).args(more).run();
    check(&[]).code(5).stdout_has("error: disk.archive").stdout_has("neither archive_command nor archive_library");
    check(&["--set", "postgresql.archive_command="]).code(5);
    check(&["--set", "postgresql.archive_command=cp %p /mnt/wal/%f"]).success();
    check(&["--set", "postgresql.archive_library=basic_archive"]).success();
    // What the cluster's own files have is told, and no reason to refuse another change.
    let tree = tempfile::tempdir().unwrap();
    let conf = tree.path().join("etc/postgresql/18/main/postgresql.conf");
    fs::create_dir_all(conf.parent().unwrap()).unwrap();
    fs::write(&conf, "archive_mode = on\n").unwrap();
    let run = Llmsql::new().args(["plan", "--check"]).args(small).root(tree.path()).run().success();
    run.stdout_has("warning: disk.archive");
    fs::write(&conf, "archive_mode = on\narchive_command = 'cp %p /mnt/wal/%f'\n").unwrap();
    let run = Llmsql::new().args(["plan", "--check"]).args(small).root(tree.path()).run().success();
    assert!(!run.stdout.contains("disk.archive"), "{}", run.stdout);
}

#[test]
fn what_reserves_too_many_connections_is_named() {
    let host = ["--ram", "8GB", "--cpus", "2", "--set", "host.components=postgresql", "--set", "postgresql.version=15"];
    let set = ["--set", "postgresql.superuser_reserved_connections=150", "--set", "postgresql.max_connections=100"];
    let run = Llmsql::new().args(["plan", "--check"]).args(host).args(set).run().code(5);
    let run = run.stdout_has("→ lower postgresql.superuser_reserved_connections, or raise");
    assert!(!run.stdout.contains("lower postgresql.reserved_connections"), "15 has no such setting: {}", run.stdout);
}
