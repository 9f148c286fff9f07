//! `llmsql extensions`.

use super::Shop;
use crate::support::servers;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A signed extension for this DuckDB (tools/requirements-test.txt).
pub(super) fn signed(name: &str) -> PathBuf {
    let folder = servers().join(format!("python/duckdb_extension_{name}/extensions"));
    let version = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}: run tools/test-servers", folder.display()));
    let version = version.flatten().next().expect("a version").path();
    version.join(format!("{name}.duckdb_extension"))
}

#[test]
fn one_is_installed_from_a_file_listed_and_proved() {
    let shop = Shop::new();
    let file = signed("sqlite_scanner");
    let dir = shop.path("ext").display().to_string();
    let run =
        |arguments: &[&str]| shop.command("extensions").args(arguments).args(["--dir", &dir, "--format", "json"]).run();
    let list = run(&["list"]).success().json();
    let find = |list: &serde_json::Value, name: &str| {
        list["extensions"].as_array().unwrap().iter().find(|e| e["name"] == name).unwrap().clone()
    };
    assert_eq!(find(&list, "sqlite_scanner")["installed"], false);
    assert_eq!(find(&list, "parquet")["built_in"], true);
    run(&["install", "sqlite_scanner"]).code(64).stderr_has("nothing says from where");
    let done = run(&["install", "sqlite_scanner", "--from", file.to_str().unwrap()]).success().json();
    assert_eq!(done["extensions"][0]["changed"], true);
    let sum = done["extensions"][0]["sha256"].as_str().unwrap().to_owned();
    assert_eq!(run(&["install", "sqlite_scanner"]).success().json()["extensions"][0]["changed"], false);
    assert_eq!(find(&run(&["list"]).success().json(), "sqlite_scanner")["installed"], true);
    assert_eq!(run(&["verify"]).success().json()["extensions"][0]["sha256"], sum.as_str());
    let from = file.to_str().unwrap();
    run(&["install", "sqlite_scanner", "--force", "--from", from, "--sha256", &"0".repeat(64)]).code(1);
    run(&["install", "sqlite_scanner", "--force", "--from", from, "--sha256", &sum]).success();
    let list = shop.command("extensions").args(["list", "--dir", &dir]).run().success().stdout;
    let words = |l: &str| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(list.lines().map(words).any(|w| w.starts_with(&["sqlite_scanner".into(), "installed".into()])), "{list}");
    let sql = shop.command("extensions").args(["sql", "--dir", &dir]).run().success();
    assert!(sql.stdout.contains("LOAD sqlite_scanner;") && !sql.stdout.contains("http_timeout"), "{}", sql.stdout);
    shop.command("extensions").args(["sql", "--s3-region", "eu-central-1", "--dir", &dir]).run().code(64);
}

#[test]
fn one_that_was_changed_is_refused_and_the_old_one_stays() {
    let shop = Shop::new();
    let dir = shop.path("ext").display().to_string();
    let file = signed("sqlite_scanner");
    let mut bytes = fs::read(&file).unwrap();
    let install = |from: &str| {
        let run = shop.command("extensions").args(["install", "sqlite_scanner", "--force", "--from", from]);
        run.args(["--dir", &dir]).run()
    };
    install(file.to_str().unwrap()).success();
    bytes[5000] ^= 1;
    let changed = shop.path("sqlite_scanner.duckdb_extension");
    fs::write(&changed, &bytes).unwrap();
    install(changed.to_str().unwrap()).code(1).stderr_has("signature");
    shop.command("extensions").args(["verify", "--dir", &dir]).run().success().stdout_has("sqlite_scanner loads");
    fs::write(&changed, "no extension").unwrap();
    install(changed.to_str().unwrap()).code(1);
    install(shop.path("gone").to_str().unwrap()).code(64);
    // One that is spoiled where it stands does not load, and verify says so.
    let place = fs::read_dir(shop.path("ext")).unwrap().flatten().next().unwrap().path();
    let place = fs::read_dir(place).unwrap().flatten().next().unwrap().path().join("sqlite_scanner.duckdb_extension");
    fs::write(&place, &bytes).unwrap();
    shop.command("extensions").args(["verify", "--dir", &dir]).run().code(1).stdout_has("does not load");
    // A folder that everybody may write is not used.
    fs::set_permissions(shop.path("ext"), fs::Permissions::from_mode(0o777)).unwrap();
    shop.command("extensions").args(["list", "--dir", &dir]).run().code(13).stderr_has("chmod o-w");
}

#[test]
fn folders_and_registries_are_known_by_their_layout() {
    let shop = Shop::new();
    let file = signed("sqlite_scanner");
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    let platform: String = duckdb.query_row("SELECT platform FROM pragma_platform()", [], |r| r.get(0)).unwrap();
    let version: String = duckdb.query_row("SELECT library_version FROM pragma_version()", [], |r| r.get(0)).unwrap();
    let flat = file.parent().unwrap().to_str().unwrap().to_owned();
    let laid_out = shop.path("repo").join(&version).join(&platform);
    fs::create_dir_all(&laid_out).unwrap();
    fs::copy(&file, laid_out.join("sqlite_scanner.duckdb_extension")).unwrap();
    let above = file.ancestors().nth(2).unwrap().to_str().unwrap().to_owned();
    for (n, from) in [flat, shop.path("repo").display().to_string(), above].iter().enumerate() {
        let run = shop.command("extensions").args(["install", "sqlite_scanner", "--from", from]);
        run.args(["--dir", shop.path(&format!("ext{n}")).to_str().unwrap()]).run().success().stdout_has("and loads");
    }
    shop.command("extensions")
        .args([
            "install",
            "httpfs",
            "--from",
            shop.path("repo").to_str().unwrap(),
            "--dir",
            shop.path("ext").to_str().unwrap(),
        ])
        .run()
        .code(64)
        .stderr_has("has no httpfs");
    // Of several, what was put there before one failed is said.
    let (repo, dir) = (shop.path("repo"), shop.path("ext-some"));
    let some =
        ["install", "sqlite_scanner", "httpfs", "--from", repo.to_str().unwrap(), "--dir", dir.to_str().unwrap()];
    let run = shop.command("extensions").args(some).run().code(64);
    run.stderr_has("sqlite_scanner is installed").stderr_has("has no httpfs");
    let run = shop.command("extensions").args(["verify", "httpfs", "--dir", dir.to_str().unwrap()]).run().code(64);
    run.stderr_has("httpfs is not installed").stderr_has("extensions install httpfs");

    // A registry over HTTP serves them compressed.
    let zipped = std::process::Command::new("gzip").arg("-1c").arg(&file).output().expect("gzip").stdout;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let path = format!("GET /{version}/{platform}/sqlite_scanner.duckdb_extension.gz ");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut line).unwrap();
            let (status, body) = if line.starts_with(&path) { (200, zipped.as_slice()) } else { (404, &[][..]) };
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    let dir = shop.path("ext-http").display().to_string();
    let install = |name: &str| shop.command("extensions").args(["install", name, "--from", &url, "--dir", &dir]).run();
    install("sqlite_scanner").success().stdout_has("installed, and loads");
    install("httpfs").code(1).stderr_has("404");
}

#[test]
fn http_and_s3_are_set_in_todays_units() {
    let shop = Shop::new();
    let dir = shop.path("ext").display().to_string();
    let file = signed("httpfs");
    let run = shop.command("extensions").args(["install", "httpfs", "--from", file.to_str().unwrap(), "--dir", &dir]);
    run.run().success();
    let run = shop.command("extensions").args(["sql", "--dir", &dir, "--s3-region", "eu-central-1"]).run().success();
    let duckdb = duckdb::Connection::open_in_memory().unwrap();
    duckdb.execute_batch(&run.stdout).unwrap();
    let shown = |name: &str| -> String {
        duckdb.query_row(&format!("SELECT current_setting('{name}')::VARCHAR"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((shown("http_timeout").as_str(), shown("s3_region").as_str()), ("120", "eu-central-1"));
    assert_eq!(shown("http_retries"), "3");
}

/// The extension's file below a folder.
pub(super) fn walk(folder: &std::path::Path) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|e| e.path());
    let mut found = entries.filter(|p| p.is_dir() || p.extension().is_some_and(|e| e == "duckdb_extension"));
    let found = found.next().expect("an extension");
    if found.is_dir() { walk(&found) } else { found }
}
