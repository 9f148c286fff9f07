//! The commands that the documents show are run, and end as they say (CONTRIBUTING.md, "Commands in documents").

use crate::support::Llmsql;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command of a document, what it is shown to print, and how it is to end.
#[derive(Debug, PartialEq)]
struct Shown {
    line: usize,
    command: String,
    output: Vec<String>,
    exit: i32,
}

/// The commands of a Markdown text: those of its ```console blocks.
fn commands(text: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside && line.trim() == "```console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            shown.push(Shown { line: index + 1, command: command.to_owned(), output: Vec::new(), exit: 0 });
            continue;
        }
        let last = shown.last_mut().unwrap_or_else(|| panic!("line {}: output before any command", index + 1));
        if let Some(more) = line.strip_prefix("> ").filter(|_| last.output.is_empty()) {
            last.command.push('\n');
            last.command.push_str(more);
        } else if let Some(exit) = line.strip_prefix("# exit ") {
            last.exit = exit.trim().parse().unwrap_or_else(|e| panic!("line {}: {e}", index + 1));
        } else {
            last.output.push(line.trim_end().to_owned());
        }
    }
    shown
}

/// Whether a line is as shown; `…` stands for any text.
fn line_fits(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Whether the output is as shown; a line `…` stands for any lines.
fn output_fits(shown: &[String], lines: &[&str]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first.trim() == "…" => (0..=lines.len()).any(|skip| output_fits(rest, &lines[skip..])),
        Some((first, rest)) => match lines.split_first() {
            Some((line, more)) => line_fits(first, line) && output_fits(rest, more),
            None => false,
        },
    }
}

/// Runs every command of a document in one folder that holds a copy of examples/.
fn run_document(name: &str) {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(home.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let here = tempfile::tempdir().expect("a temporary folder");
    let examples = here.path().join("examples");
    fs::create_dir(&examples).expect("a folder");
    for file in fs::read_dir(home.join("examples")).expect("examples").flatten() {
        fs::copy(file.path(), examples.join(file.file_name())).expect("a copy");
    }
    let path = format!(
        "{}:{}",
        Llmsql::path().parent().expect("the program has a folder").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    for shown in commands(&text) {
        let place = format!("{name}:{}: {}", shown.line, shown.command);
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &format!("exec 2>&1\n{}", shown.command)])
            .current_dir(here.path())
            .env("PATH", &path)
            .env("HOME", here.path())
            .env("NO_COLOR", "1")
            .env("COLUMNS", "80")
            .stdin(Stdio::null());
        for (variable, _) in std::env::vars_os() {
            if ["LLMSQL_", "PG", "CLICOLOR"].iter().any(|p| variable.to_string_lossy().starts_with(p)) {
                bash.env_remove(variable);
            }
        }
        let run = bash.output().expect("bash");
        let output = String::from_utf8_lossy(&run.stdout);
        assert_eq!(run.status.code(), Some(shown.exit), "{place}\n{output}");
        let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
        if !shown.output.is_empty() {
            assert!(
                output_fits(&shown.output, &lines),
                "{place}\nis shown as:\n{}\nis:\n{output}",
                shown.output.join("\n")
            );
        }
    }
}

#[test]
fn the_readme_tells_the_truth() {
    run_document("README.md");
}

#[test]
fn the_examples_of_the_contributors_guide_run() {
    run_document("CONTRIBUTING.md");
}

#[test]
fn a_document_is_read_as_its_convention_says() {
    let text = "```sh\n$ not run\n```\n```console\n$ one \\\n>   two\nout …\n…\n# exit 3\n$ three\n```\n$ not run\n";
    let shown = commands(text);
    assert_eq!(
        shown,
        [
            Shown { line: 5, command: "one \\\n  two".into(), output: vec!["out …".into(), "…".into()], exit: 3 },
            Shown { line: 10, command: "three".into(), output: vec![], exit: 0 }
        ]
    );
    let fits =
        |shown: &[&str], lines: &[&str]| output_fits(&shown.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(), lines);
    assert!(fits(&["a", "…", "z"], &["a", "b", "c", "z"]) && fits(&["a", "…"], &["a"]));
    assert!(!fits(&["a", "…", "z"], &["a", "b"]) && !fits(&["a"], &["a", "b"]));
    assert!(line_fits("RAM … GB of … CPUs", "RAM 64 GB of 16 CPUs") && !line_fits("RAM … GB", "RAM 64 MB"));
    assert!(!line_fits("aba…aba", "aba"));
}
