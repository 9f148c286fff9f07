//! The rendered files in the programs they are for: systemd, docker-compose, DuckDB, SQLite, Python's logging, shells.

use crate::support::{Llmsql, program, python};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const STACK: &str = "host.components=postgresql,pgbouncer,nginx,api,duckdb,sqlite,llm";

/// The files of a host of which nothing is known but what the flags say.
pub struct Rendered {
    out: PathBuf,
    dir: TempDir,
}

impl Rendered {
    pub fn new(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (host, out) = (dir.path().join("host"), dir.path().join("out"));
        fs::create_dir_all(host.join("proc")).unwrap();
        let run = Llmsql::new().arg("render").root(&host).arg("--out").arg(&out);
        let run = run.args(["--ram", "32GB", "--cpus", "8", "--disk", "nvme", "--set", STACK]);
        run.args(["--set", "llm.memory=4GB", "--set", "host.containers=on"]).args(flags).run().success();
        Rendered { out, dir }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.out.join(path)
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A program that writes what it is called with and the variables it is given into a file beside it.
fn witness(dir: &Path) -> PathBuf {
    let path = dir.join("witness");
    fs::write(&path, "#!/bin/sh\n{ echo \"$@\"; env; } >\"$(dirname \"$0\")/called\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn systemd_takes_every_unit_drop_in_and_timer() {
    let set = format!("maintenance.program={}", Llmsql::path().display());
    let timers = ["--set", "maintenance.secrets_rotation=monthly", "--set", "maintenance.index_user=root"];
    let rendered = Rendered::new(&[&timers[..], &["--set", &set]].concat());
    let units = rendered.path("etc/systemd/system");
    let mut names = Vec::new();
    for entry in fs::read_dir(&units).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        match name.strip_suffix(".d") {
            // A drop-in needs the unit of the package.
            Some(service) => {
                let user = if service.starts_with("duckdb") { "User=daemon\n" } else { "" };
                fs::write(units.join(service), format!("[Service]\n{user}ExecStart=/bin/true\n")).unwrap();
                names.push(service.to_owned());
            }
            None => names.push(name),
        }
    }
    assert_eq!(names.len(), 6 + 1 + 2 + 2, "{names:?}");
    let mut verify = program("systemd-analyze");
    // The folder alone, then the system's own, where the targets stand.
    let output = verify.args(["verify", "--man=no"]).args(&names).current_dir(&units);
    let output = output.env("SYSTEMD_UNIT_PATH", format!("{}:", units.display())).output().unwrap();
    let text = said(&output);
    let ours: Vec<&str> =
        text.lines().filter(|l| names.iter().any(|n| l.contains(n.as_str())) || l.contains("50-llmsql")).collect();
    assert!(output.status.success() && ours.is_empty(), "{text}");
    // And it would say so: a name it does not know is told.
    fs::write(units.join("duckdb-server.service.d/60-wrong.conf"), "[Service]\nMemoryMaximum=1G\n").unwrap();
    let mut verify = program("systemd-analyze");
    verify.args(["verify", "--man=no", "duckdb-server.service"]).current_dir(&units);
    let wrong = verify.env("SYSTEMD_UNIT_PATH", format!("{}:", units.display())).output().unwrap();
    assert!(said(&wrong).contains("MemoryMaximum"), "{}", said(&wrong));
}

#[test]
fn a_services_memory_is_what_the_budget_gives_it() {
    let rendered = Rendered::new(&[]);
    let duck = rendered.read("etc/systemd/system/duckdb-server.service.d/50-llmsql.conf");
    let megabytes = |text: &str, name: &str| -> u64 {
        let value =
            text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('=')).unwrap_or_else(|| panic!("{name}"));
        let (number, unit) = value.split_at(value.len() - 1);
        number.parse::<u64>().unwrap() * if unit == "G" { 1024 } else { 1 }
    };
    let limit = rendered.read("etc/llmsql/duckdb/settings.sql");
    let limit = limit.lines().find_map(|l| l.strip_prefix("SET GLOBAL memory_limit = '")).unwrap();
    let limit: u64 = limit.trim_end_matches("KiB';").parse::<u64>().unwrap() / 1024;
    let (high, max) = (megabytes(&duck, "MemoryHigh"), megabytes(&duck, "MemoryMax"));
    assert!(limit < high && high < max, "DuckDB's limit {limit} MB, MemoryHigh {high} MB, MemoryMax {max} MB");
    assert!(duck.contains("StateDirectory=duckdb/tmp duckdb/extensions\nStateDirectoryMode=0750\n"), "{duck}");
    let api = rendered.read("etc/systemd/system/api-server.service.d/50-llmsql.conf");
    let environment = api.lines().find_map(|l| l.strip_prefix("EnvironmentFile=-/")).unwrap();
    assert!(rendered.path(environment).is_file(), "what the API is told reaches it");
    let server = rendered.read("etc/systemd/system/postgresql@18-main.service.d/50-llmsql.conf");
    assert!(!server.contains("MemoryMax"), "a back end over a limit would take every session with it");
    assert!(server.contains("OOMScoreAdjust=-900\n") && server.contains("PG_OOM_ADJUST_VALUE=0"), "{server}");
}

#[test]
fn nothing_of_systemd_is_written_where_another_init_runs() {
    let dir = tempfile::tempdir().unwrap();
    let facts = dir.path().join("facts.json");
    fs::write(&facts, json!({ "schema": 1, "absent": [], "container": { "systemd": false } }).to_string()).unwrap();
    let run = Llmsql::new().args(["render", "--format", "json", "--ram", "8GB", "--facts"]).arg(&facts);
    let files = run.args(["--set", STACK]).run().success().json();
    let paths: Vec<&str> = files.as_array().unwrap().iter().filter_map(|f| f["path"].as_str()).collect();
    assert!(paths.iter().all(|p| !p.contains("systemd")), "{paths:?}");
    assert!(paths.contains(&"/etc/cron.d/llmsql"), "{paths:?}");
}

#[test]
fn crons_line_works_in_an_empty_environment_and_gives_way_to_the_timer() {
    let dir = tempfile::tempdir().unwrap();
    let own = witness(dir.path());
    let env_file = dir.path().join("index.env");
    fs::write(&env_file, "PGHOST=db.example\n").unwrap();
    let sets = [
        format!("maintenance.program={}", own.display()),
        format!("maintenance.index_env_file={}", env_file.display()),
    ];
    let rendered = Rendered::new(&["--set", &sets[0], "--set", &sets[1]]);
    let cron = rendered.read("etc/cron.d/llmsql");
    assert!(cron.ends_with('\n'), "cron leaves out a last line without an end");
    let line = cron.lines().find(|l| l.starts_with("17 3 * * 0 postgres ")).unwrap();
    let command = line.strip_prefix("17 3 * * 0 postgres ").unwrap();
    let called = dir.path().join("called");
    for (running, there) in [(dir.path().display().to_string(), false), ("/nonexistent/systemd".to_owned(), true)] {
        let command = command.replace("/run/systemd/system", &running);
        let shell =
            Command::new("/bin/sh").args(["-c", &command]).env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
        assert!(shell.status.success() && said(&shell).is_empty(), "{}", said(&shell));
        assert_eq!(called.exists(), there);
    }
    let called = fs::read_to_string(called).unwrap();
    assert!(called.starts_with("index rebuild --all-databases --all --if-needed\n"), "{called}");
    assert!(called.contains("\nPGHOST=db.example\n"), "{called}");
    Llmsql::new().args(["index", "rebuild", "--all-databases", "--all", "--if-needed", "--help"]).run().success();
}

#[test]
fn the_timer_of_secrets_rotates_what_is_due_without_asking() {
    let set = format!("maintenance.program={}", Llmsql::path().display());
    let dir = tempfile::tempdir().unwrap();
    let env = dir.path().join("app.env");
    let file = format!("maintenance.secrets_env_file={}", env.display());
    let rendered = Rendered::new(&["--set", "maintenance.secrets_rotation=monthly", "--set", &set, "--set", &file]);
    let unit = rendered.read("etc/systemd/system/llmsql-secrets.service");
    let command = unit.lines().find_map(|l| l.strip_prefix("ExecStart=")).unwrap();
    fs::write(&env, "SECRET_KEY=0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&env, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.path().join("llmsql.toml"), "[secrets]\nreload = [\"touch reloaded\"]\nmax_age = \"1s\"\n").unwrap();
    crate::support::wait_for("a secret of a second to be due", || {
        let mut run = Command::new("sh");
        run.args(["-c", command]).current_dir(dir.path()).env("STATE_DIRECTORY", dir.path().join("state"));
        let output = run.stdin(std::process::Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output).contains("rotated: SECRET_KEY").then_some(())
    });
    assert!(dir.path().join("reloaded").exists());
    assert!(!fs::read_to_string(&env).unwrap().contains("0123456789abcdef"));
}

/// The three files put together by docker-compose, and how each is read on its own.
fn composed(rendered: &Rendered) -> Value {
    let services = ["pgbouncer", "nginx", "api-server", "duckdb-server", "llm-gateway"];
    // The database's image is the rendered one.
    let images: BTreeMap<&str, Value> = services.iter().map(|s| (*s, json!({ "image": "scratch" }))).collect();
    let base = rendered.dir.path().join("docker-compose.yml");
    fs::write(&base, serde_json::to_string(&json!({ "version": "3.8", "services": images })).unwrap()).unwrap();
    let mut compose = program("docker-compose");
    compose.arg("-f").arg(&base);
    for name in ["resources", "security"] {
        // Its own version key is that of the first file; today's compose takes none.
        let text = rendered.read(&format!("etc/llmsql/docker-compose.{name}.yml"));
        let path = rendered.dir.path().join(format!("{name}.yml"));
        fs::write(&path, format!("version: \"3.8\"\n{text}")).unwrap();
        compose.arg("-f").arg(&path);
    }
    let output = compose.arg("config").current_dir(rendered.dir.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    serde_yaml::from_slice(&output.stdout).unwrap()
}

fn megabytes(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no size"));
    let (number, unit) = text.split_at(text.len() - 1);
    number.parse::<u64>().unwrap() * if unit == "G" { 1024 } else { 1 }
}

#[test]
fn docker_compose_takes_both_files_and_their_limits_hold_the_budget() {
    let rendered = Rendered::new(&[]);
    let config = composed(&rendered);
    let services = config["services"].as_object().unwrap();
    let limit = |s: &Value| megabytes(&s["deploy"]["resources"]["limits"]["memory"]);
    let total: u64 = services.values().map(limit).sum();
    assert!(total < 32 * 1024, "{total} MB of limits on a host of 32 GB");
    let server = &services["postgres18"];
    let conf = rendered.read("etc/postgresql/18/main/conf.d/50-llmsql.conf");
    let parsed = llmsql::formats::postgresql_conf::Document::parse(conf.as_bytes());
    let planned = |name: &str| llmsql::units::parse_bytes(parsed.get(name).unwrap()).unwrap() >> 20;
    assert!(limit(server) > 2 * planned("shared_buffers"), "the guide's limit equals shared_buffers");
    assert!(megabytes(&server["shm_size"]) >= planned("maintenance_work_mem"));
    assert_eq!(server["volumes"], json!(["postgres18_data:/var/lib/postgresql:rw"]), "18's image refuses …/data");
    assert_eq!(server["image"], "pgvector/pgvector:pg18", "image, name and path are of one version");
    assert_eq!(server["deploy"].get("placement"), None, "only swarm has placement");
    assert_eq!(server["networks"]["llm-network"]["ipv4_address"], "172.28.0.10");
    assert_eq!(server["environment"]["POSTGRES_HOST_AUTH_METHOD"], "scram-sha-256");
    assert_eq!(server.get("command"), None, "without a certificate no TLS is asked for");
    let reserved = &server["deploy"]["resources"]["reservations"];
    assert!(megabytes(&reserved["memory"]) <= limit(server), "{reserved}");
    for (name, service) in services {
        assert!(service["networks"].get("llm-network").is_some(), "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
    }
}

#[test]
fn tls_swarm_and_an_older_image_are_there_where_they_are_asked_for() {
    let rendered = Rendered::new(&[
        "--set",
        "containers.postgresql.tls_certificate=/srv/tls/db.crt",
        "--set",
        "containers.postgresql.tls_certificate_key=/srv/tls/db.key",
        "--set",
        "containers.placement=node.role == manager",
        "--set",
        "postgresql.version=17",
    ]);
    let config = composed(&rendered);
    let server = &config["services"]["postgres17"];
    assert_eq!(server["image"], "pgvector/pgvector:pg17");
    let command: Vec<&str> = server["command"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(command[..3], ["postgres", "-c", "ssl=on"]);
    assert!(command.iter().all(|c| !c.contains("memory") && !c.contains("buffers")), "it would outrank the file");
    let volumes: Vec<&str> = server["volumes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(volumes.contains(&"/srv/tls/db.key:/etc/ssl/llmsql/server.key:ro"), "{volumes:?}");
    assert!(volumes.contains(&"postgres17_data:/var/lib/postgresql/data:rw"), "{volumes:?}");
    assert_eq!(server["deploy"]["placement"]["constraints"], json!(["node.role == manager"]));
}

#[test]
fn duckdb_takes_its_settings_and_has_them_then() {
    for flags in [&[][..], &["--ram", "2GB", "--cpus", "2"], &["--sizing", "guide", "--ram", "64GB", "--cpus", "16"]] {
        // The first of two equal flags would be refused: the host's own come from Rendered.
        let rendered = sized(flags);
        let sql = rendered.read("etc/llmsql/duckdb/settings.sql");
        let duck = duckdb::Connection::open_in_memory().unwrap();
        duck.execute_batch(&sql).unwrap_or_else(|e| panic!("{e}\n{sql}"));
        let planned = sql.lines().filter_map(|l| l.strip_prefix("SET GLOBAL ")?.strip_suffix(';')?.split_once(" = "));
        let mut seen = 0;
        for (name, value) in planned {
            let (value, query) = (value.trim_matches('\''), "SELECT value FROM duckdb_settings() WHERE name = ?");
            let shown: String =
                duck.query_row(query, [name], |row| row.get(0)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let same = match (binary(value), binary(&shown)) {
                // It shows one digit behind the point.
                (Some(ours), Some(theirs)) => (ours - theirs).abs() <= ours * 0.06,
                _ => value.eq_ignore_ascii_case(&shown),
            };
            assert!(same, "{name}: planned {value}, shown {shown}");
            seen += 1;
        }
        assert_eq!(seen, 9, "{sql}");
    }
}

/// Files of a host of another size than [`Rendered`]'s.
fn sized(flags: &[&str]) -> Rendered {
    if !flags.contains(&"--ram") {
        return Rendered::new(flags);
    }
    let dir = tempfile::tempdir().unwrap();
    let (host, out) = (dir.path().join("host"), dir.path().join("out"));
    fs::create_dir_all(host.join("proc")).unwrap();
    let run = Llmsql::new().arg("render").root(&host).arg("--out").arg(&out).args(flags);
    run.args(["--set", "host.components=postgresql,duckdb,sqlite"]).run().success();
    Rendered { out, dir }
}

/// A size with a binary unit, in bytes.
fn binary(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text.get(number.len()..)?.trim() {
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

#[test]
fn sqlite_takes_its_pragmas_and_has_them_then() {
    let rendered = Rendered::new(&[]);
    let sql = rendered.read("etc/llmsql/sqlite/pragmas.sql");
    let dir = tempfile::tempdir().unwrap();
    let lite = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    lite.execute_batch(&sql).unwrap();
    let shown = |name: &str| -> String {
        let value: rusqlite::types::Value = lite.pragma_query_value(None, name, |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Integer(i) => i.to_string(),
            rusqlite::types::Value::Text(t) => t,
            other => panic!("{name}: {other:?}"),
        }
    };
    for (name, value) in [
        ("journal_mode", "wal"),
        ("synchronous", "1"),
        ("busy_timeout", "5000"),
        ("cache_size", "-16384"),
        ("mmap_size", "268435456"),
        ("journal_size_limit", "67108864"),
        ("wal_autocheckpoint", "1000"),
        ("foreign_keys", "1"),
        ("temp_store", "2"),
    ] {
        assert!(sql.contains(&format!("PRAGMA {name} = ")), "{name}");
        assert_eq!(shown(name), value, "{name}");
    }
}

#[test]
fn pythons_logging_takes_the_configuration_and_follows_a_request() {
    let rendered = Rendered::new(&["--set", "api.log_fields=correlation_id,scheme,tls_version,tier"]);
    // As uvicorn reads it, which takes YAML of 1.1: there `on` is a boolean.
    let script = "import logging, logging.config, sys, yaml\n\
        logging.config.dictConfig(yaml.safe_load(open(sys.argv[1])))\n\
        request = dict(correlation_id='abc-1', scheme='https', tls_version='TLSv1.3', tier='premium')\n\
        logging.getLogger('api').warning('slow \"query\"', extra=request)\n\
        logging.getLogger('api').info('started')\n\
        logging.getLogger('uvicorn.access').info('%s - \"%s %s HTTP/%s\" %d', '1.2.3.4', 'GET', '/x', '1.1', 200, extra=request)\n\
        logging.getLogger('uvicorn.error').info('up')\n\
        logging.getLogger('api').debug('not shown')\n";
    let file = rendered.path("etc/llmsql/api/logging.yaml");
    let output = python().args(["-c", script]).arg(&file).output().unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "each record once: {text}");
    let chain = "correlation_id=abc-1 scheme=https tls_version=TLSv1.3 tier=premium";
    assert!(lines[0].contains("level=WARNING logger=api ") && lines[0].contains(chain), "{text}");
    assert!(lines[1].contains("correlation_id=- scheme=- tls_version=- tier=- message=started"), "{text}");
    assert!(lines[2].contains(chain) && lines[2].ends_with("\"GET /x HTTP/1.1\" 200"), "{text}");
}

#[test]
fn a_shell_reads_the_environment_files_as_they_are_written() {
    let rendered = Rendered::new(&[]);
    for (path, least) in [("etc/llmsql/api/api.env", 20), ("etc/llmsql/.env.example", 8)] {
        let text = rendered.read(path);
        let written: BTreeMap<&str, &str> =
            text.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once('=')).collect();
        assert!(written.len() > least, "{text}");
        if path.ends_with("example") {
            // A mark is for `llmsql secrets`, not for a shell.
            let marks = written.values().filter(|v| v.starts_with("<generate-with-openssl-rand-")).count();
            assert_eq!((marks, written["POSTGRES_USER"]), (7, "pgadmin"), "{text}");
            continue;
        }
        let script = "set -a; . \"$1\"; env";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(rendered.path(path)).env_clear().env("PATH", "/usr/bin:/bin");
        let shown = said(&shell.output().unwrap());
        for (name, value) in written {
            assert!(shown.lines().any(|l| l == format!("{name}={value}")), "{name}: {shown}");
        }
    }
    let api = rendered.read("etc/llmsql/api/api.env");
    let edge = rendered.read("etc/nginx/conf.d/llmsql.conf");
    for quota in ["FREE_PER_HOUR=100", "PREMIUM_PER_HOUR=1000", "ENTERPRISE_PER_HOUR=10000"] {
        assert!(api.contains(&format!("API_QUOTA_{quota}\n")), "{api}");
    }
    assert!(api.contains("METRICS_PATH=/metrics\n") && edge.contains("location = /metrics {"));
    for header in ["X-Correlation-ID", "X-Forwarded-Proto", "X-TLS-Version", "X-API-Tier"] {
        assert!(
            api.contains(&format!("={header}\n")) && edge.contains(&format!("proxy_set_header {header} ")),
            "{header}"
        );
    }
    let moved = Rendered::new(&["--set", "api.metrics_path=/internal/metrics"]);
    assert!(moved.read("etc/nginx/conf.d/llmsql.conf").contains("location = /internal/metrics {"));
}

#[test]
fn a_value_that_would_become_more_than_a_value_is_refused() {
    for set in [
        "limits.units.api.name=../../tmp/x.service",
        "maintenance.program=/bin/true; reboot",
        "maintenance.index_user=root rm",
        "api.database_name=a b",
        "api.host=$(id)",
        "containers.subnet=10.0.0.0/8\n  x: y",
    ] {
        let key = set.split('=').next().unwrap();
        let run = Llmsql::new().args([
            "render",
            "--ram",
            "32GB",
            "--cpus",
            "8",
            "--set",
            STACK,
            "--set",
            "host.containers=on",
        ]);
        let facts = ["--facts", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/db1.facts.json")];
        run.args(facts).args(["--set", set]).run().code(1).stderr_has(key);
    }
}
