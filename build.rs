//! Moves the prebuilt DuckDB library along with the binary, and has the loader look beside the binary for it.

#[path = "tools/bind.rs"]
mod bind;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=tools/bind.rs");
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return Ok(());
    }
    // Test binaries live one folder below the program.
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN");
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/..");
    let (Some(lib_dir), Some(out_dir)) = (env::var_os("DUCKDB_LIB_DIR"), env::var_os("OUT_DIR")) else {
        return Ok(());
    };
    let library = PathBuf::from(lib_dir).join("libduckdb.so");
    println!("cargo::rerun-if-changed={}", library.display());
    // OUT_DIR is <target>/<profile>/build/<package>-<hash>/out.
    let Some(profile_dir) = Path::new(&out_dir).ancestors().nth(3) else {
        return Ok(());
    };
    if !library.exists() {
        println!("cargo::error={} is missing: run ./setup, or build with --features bundled", library.display());
        return Ok(());
    }
    // A new file and a rename: a running program may have the old one mapped.
    let copy = profile_dir.join("libduckdb.so");
    let temporary = profile_dir.join(".libduckdb.so.new");
    let official = fs::read(&library)?;
    fs::write(&temporary, bind::bind(&official).unwrap_or(official))?;
    fs::rename(&temporary, &copy)
}
