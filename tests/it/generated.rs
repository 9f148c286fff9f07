//! Completions, manual pages and the schema of a plan: what is checked in is what the program prints, and the shells and mandoc accept it.
//!
//! `LLMSQL_REWRITE=1` writes them anew instead of comparing.

use crate::support::{Llmsql, program};
use llmsql::cli::{completions::For, man};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares a folder with what it should hold, or writes it.
fn compare(name: &str, expected: &BTreeMap<String, String>) {
    let dir = folder(name);
    if std::env::var_os("LLMSQL_REWRITE").is_some() {
        fs::create_dir_all(&dir).expect("a folder");
        for old in fs::read_dir(&dir).expect("a folder").flatten() {
            fs::remove_file(old.path()).expect("an old file");
        }
        for (file, text) in expected {
            fs::write(dir.join(file), text).expect("a file");
        }
        return;
    }
    let hint = "LLMSQL_REWRITE=1 cargo test --release --test it generated writes them anew";
    let found: Vec<String> = fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}; {hint}", dir.display()))
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    for (file, text) in expected {
        let old = fs::read_to_string(dir.join(file)).unwrap_or_default();
        assert!(old == *text, "{name}/{file} is not what the program prints; {hint}");
    }
    let stale: Vec<_> = found.iter().filter(|f| !expected.contains_key(*f)).collect();
    assert!(stale.is_empty(), "{name} holds files that the program does not print: {stale:?}; {hint}");
}

/// A program of the test servers; where it is missing the test fails with the package's name.
fn checker(name: &str) -> Command {
    let command = program(name);
    assert!(
        Path::new(command.get_program()).exists(),
        "{name} is missing: run tools/test-servers, or install the Debian package {name}"
    );
    command
}

fn accepts(mut command: Command, what: &str) {
    let run = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.is_empty(), "{what}: {:?}\n{said}", run.status.code());
}

fn scripts() -> BTreeMap<String, String> {
    [For::Bash, For::Zsh, For::Fish].into_iter().map(|shell| (shell.file().to_owned(), shell.script())).collect()
}

fn pages() -> BTreeMap<String, String> {
    man::pages().expect("the pages").into_iter().map(|page| (page.file, page.roff)).collect()
}

#[test]
fn the_schema_is_what_the_program_prints() {
    let schema = Llmsql::new().args(["plan", "--schema"]).run().success().stdout;
    compare("schema", &[("plan.schema.json".to_owned(), schema)].into());
}

#[test]
fn completions_are_those_the_program_prints() {
    compare("completions", &scripts());
    for (shell, file) in [("bash", "llmsql.bash"), ("zsh", "_llmsql"), ("fish", "llmsql.fish")] {
        let run = Llmsql::new().args(["completions", shell]).run().success();
        assert_eq!(run.stdout, fs::read_to_string(folder("completions").join(file)).unwrap_or_default(), "{shell}");
    }
}

#[test]
fn manual_pages_are_those_the_program_writes() {
    let expected = pages();
    compare("man", &expected);
    let dir = tempfile::tempdir().unwrap();
    // Neither the terminal's width nor the operator's settings may show.
    let run = Llmsql::new().env("COLUMNS", "40").env("LLMSQL_FORMAT", "json").env("LLMSQL_CONFIG", "/secret");
    run.args(["man", "--out"]).arg(dir.path()).run().success();
    for (file, text) in &expected {
        assert!(fs::read_to_string(dir.path().join(file)).unwrap_or_default() == *text, "{file}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), expected.len());
    assert_eq!(Llmsql::new().arg("man").run().success().stdout, expected["llmsql.1"]);
}

#[test]
fn the_shells_accept_the_completions() {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in scripts() {
        fs::write(dir.path().join(&file), text).unwrap();
    }
    let check = |mut command: Command, file: &str| {
        command.arg("-n").arg(dir.path().join(file));
        accepts(command, file);
    };
    check(Command::new("bash"), "llmsql.bash");
    check(checker("zsh"), "_llmsql");
    check(checker("fish"), "llmsql.fish");
}

#[test]
fn bash_completes_what_the_program_has() {
    let script = For::Bash.script();
    let ask = |words: &str| {
        let list: Vec<&str> = words.split(' ').collect();
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}) COMP_CWORD={}\n_llmsql llmsql '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            list.len() - 1,
            list[list.len() - 1],
            list[list.len() - 2]
        );
        // As a file: a script of this size is too long for an argument.
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), ask).expect("a file");
        let run = Command::new("bash").arg("--norc").arg(file.path()).output().expect("bash");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    assert_eq!(ask("llmsql prof"), "profile\n");
    assert_eq!(ask("llmsql config un"), "unset\n");
    assert_eq!(ask("llmsql plan --worklo"), "--workload\n");
    assert_eq!(ask("llmsql plan --disk nv"), "nvme\n");
}

#[test]
fn mandoc_finds_nothing_wrong_with_the_pages() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = checker("mandoc");
    command.args(["-T", "lint", "-W", "warning"]);
    for (file, text) in pages() {
        let path = dir.path().join(&file);
        fs::write(&path, text).unwrap();
        command.arg(path);
    }
    accepts(command, "mandoc");
}

#[test]
fn every_page_tells_the_exit_codes() {
    for (file, text) in pages() {
        for (exit, meaning) in llmsql::error::Exit::TABLE {
            let line = meaning.replace('-', "\\-");
            assert!(text.contains(&line), "{file} lacks {}: {meaning}", exit.code());
        }
    }
}
