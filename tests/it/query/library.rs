//! DuckDB's library beside the program.

use super::Shop;
use crate::support::Llmsql;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program at this path, with no library but the one beside it.
fn run(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// The program with this library beside it.
fn program(dir: &Path, library: &Path) -> PathBuf {
    fs::copy(library, dir.join("libduckdb.so")).expect("the library");
    let program = dir.join("llmsql");
    fs::copy(Llmsql::path(), &program).expect("the program");
    program
}

/// How many symbols the dynamic linker looks up before the program runs.
fn looked_up(program: &Path) -> u64 {
    let out = run(program).arg("--version").env("LD_DEBUG", "statistics").output().expect("the program");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    let line = told.lines().find(|l| l.contains("number of relocations:") && !l.contains("final")).expect("a line");
    line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
#[cfg(all(target_arch = "x86_64", target_env = "gnu", not(feature = "bundled")))]
fn the_library_is_bound_and_the_official_one_serves_as_well() {
    let shop = Shop::new();
    let official = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/duckdb/libduckdb.so");
    let mut symbols = Vec::new();
    for library in [Llmsql::path().with_file_name("libduckdb.so"), official] {
        let dir = tempfile::tempdir().expect("a folder");
        let program = program(dir.path(), &library);
        // Once as calls are made, once with every symbol looked up at once.
        for at_once in [false, true] {
            let mut query = run(&program);
            query.args(["query", "--no-history", "--source", "items.csv", "--format", "csv"]);
            query.args(["--sql", "SELECT count(*) AS n, max(name) AS last FROM items"]).current_dir(shop.path(""));
            let query = if at_once { query.env("LD_BIND_NOW", "1") } else { &mut query };
            let out = query.output().expect("the program");
            assert_eq!(String::from_utf8_lossy(&out.stdout), "n,last\r\n3,table\r\n", "{out:?}");
        }
        symbols.push(looked_up(&program));
    }
    let [bound, official] = symbols.as_slice() else { unreachable!("two libraries") };
    assert!(bound * 3 < *official, "{bound} of {official} symbols are looked up");
}
