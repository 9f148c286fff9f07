//! Everything in examples/ is run, or is valid and in force.

use crate::support::{Llmsql, program};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// Runs a shell with the program on its PATH, in this folder.
fn bash(script: &str, here: &Path) -> (Option<i32>, String, String) {
    let programs = Llmsql::path().parent().expect("the program has a folder").display().to_string();
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script]).current_dir(here).env("NO_COLOR", "1").stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if ["LLMSQL_", "PG"].iter().any(|p| name.to_string_lossy().starts_with(p)) {
            command.env_remove(name);
        }
    }
    let run = command
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()))
        .output()
        .expect("bash");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (run.status.code(), text(run.stdout), text(run.stderr))
}

#[test]
fn there_is_a_sound_file_for_every_built_in_profile() {
    let list = Llmsql::new().args(["profile", "list", "--format", "json"]).run().success().json();
    for profile in list.as_array().expect("a list") {
        let name = profile["name"].as_str().expect("a name");
        let file = examples().join(format!("llmsql.{name}.toml"));
        let run = Llmsql::new()
            .arg("--config")
            .arg(&file)
            .args(["plan", "--check", "--format", "json", "--ram", "32GB", "--cpus", "8"])
            .run()
            .success();
        assert_eq!(run.json()["profile"]["name"], name, "{}", file.display());
        // What stands in comments as a proposal has to be valid as well.
        let text = fs::read_to_string(&file).expect("the file");
        let proposed: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(proposal) if proposal.contains(" = ") => format!("{proposal}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("llmsql.toml"), proposed).unwrap();
        Llmsql::new().dir(dir.path()).args(["config", "list"]).run().success();
    }
}

#[test]
fn the_profile_of_ones_own_is_valid() {
    let run = Llmsql::new().args(["profile", "show", "--format", "json"]).arg(examples().join("my-profile.yaml"));
    let shown = run.run().success().json();
    assert_eq!(shown["chain"], serde_json::json!(["my-profile", "dedicated-database"]));
}

#[test]
fn the_provisioning_step_leaves_files_and_stops_at_a_broken_plan() {
    let here = tempfile::tempdir().unwrap();
    let script = examples().join("ci-provision.sh").display().to_string();
    let (code, stdout, stderr) = bash(&format!("LLMSQL_HOST_RAM=16GB {script}"), here.path());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(fs::read_dir(here.path().join("rendered")).unwrap().count() > 0);
    let plan = fs::read_to_string(here.path().join("rendered.plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["profile"]["values"]["host.ram"]["origin"]["name"], "LLMSQL_HOST_RAM");

    let broken = tempfile::tempdir().unwrap();
    let variables = "LLMSQL_HOST_RAM=4GB LLMSQL_POSTGRESQL_SHARED_BUFFERS=8GB";
    let (code, _, stderr) = bash(&format!("{variables} {script}"), broken.path());
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stderr.contains("memory.fit"), "{stderr}");
    assert_eq!(fs::read_dir(broken.path()).unwrap().count(), 0, "nothing is left");

    let (code, _, stderr) = bash(&format!("LLMSQL_HOST_RMA=4GB {script}"), broken.path());
    assert_eq!(code, Some(64), "{stderr}");
}

#[test]
fn the_cron_line_is_silent_unless_an_invariant_breaks() {
    let text = fs::read_to_string(examples().join("llmsql.cron")).unwrap();
    let jobs: Vec<&str> = text.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_digit() || c == '*')).collect();
    let [job] = jobs.as_slice() else { panic!("one job is expected: {jobs:?}") };
    let fields: Vec<&str> = job.splitn(7, ' ').collect();
    let [_, _, _, _, _, "root", command] = fields.as_slice() else { panic!("{fields:?}") };
    // cron ends a command at a bare percent sign.
    assert!(!command.contains('%'), "{command}");
    let here = tempfile::tempdir().unwrap();
    let silent = bash(&format!("export LLMSQL_HOST_RAM=16GB; {command}"), here.path());
    assert_eq!(silent, (Some(0), String::new(), String::new()));
    let variables = "export LLMSQL_HOST_RAM=4GB LLMSQL_POSTGRESQL_SHARED_BUFFERS=8GB";
    let (_, stdout, stderr) = bash(&format!("{variables}; {command}"), here.path());
    assert!(stdout.contains("memory.fit"), "{stdout}{stderr}");
}

#[test]
fn another_host_is_planned_from_its_facts() {
    let here = tempfile::tempdir().unwrap();
    let facts = examples().join("db1.facts.json").display().to_string();
    let script = examples().join("plan-another-host.sh").display().to_string();
    let (code, stdout, stderr) = bash(&format!("{script} {facts} out"), here.path());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.starts_with("db1"), "{stdout}");
    assert!(fs::read_dir(here.path().join("out")).unwrap().count() > 0);
}

/// The example and the rendered files, put together by docker-compose as the example says.
#[test]
fn the_stack_in_containers_is_one_with_its_rendered_files() {
    let here = tempfile::tempdir().unwrap();
    for name in ["docker-compose.yml", "containers.toml"] {
        fs::copy(examples().join(name), here.path().join(name)).unwrap();
    }
    let text = fs::read_to_string(examples().join("docker-compose.yml")).unwrap();
    let render = text.lines().find_map(|line| line.strip_prefix("#   llmsql --config ")).expect("how it is rendered");
    let facts = examples().join("db1.facts.json");
    let script = format!("llmsql --config {render} --facts {}", facts.display());
    let (code, stdout, stderr) = bash(&script, here.path());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let mut compose = program("docker-compose");
    for name in [
        "docker-compose.yml",
        "rendered/etc/llmsql/docker-compose.resources.yml",
        "rendered/etc/llmsql/docker-compose.security.yml",
    ] {
        // Today's compose takes no version; the one that tests use wants one.
        let path = here.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("version: \"3.8\"\n{text}")).unwrap();
        compose.arg("-f").arg(&path);
    }
    let output = compose.arg("config").current_dir(here.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config: serde_json::Value = serde_yaml::from_slice(&output.stdout).unwrap();
    let services = config["services"].as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["api-server", "duckdb-server", "nginx", "pgbouncer", "postgres18"],
        "no service stands in one file alone"
    );
    for (name, service) in services {
        assert!(service["image"].is_string() && service["networks"]["llm-network"].is_object(), "{name}: {service}");
        assert!(service["deploy"]["resources"]["limits"]["memory"].is_string(), "{name}: {service}");
        // What is mounted from the rendered files is there.
        for volume in service["volumes"].as_array().into_iter().flatten().filter_map(|v| v.as_str()) {
            let source = volume.split(':').next().unwrap();
            assert!(!source.contains("/rendered/") || Path::new(source).exists(), "{name}: {volume}");
        }
    }
    assert_eq!(services["postgres18"]["image"], "pgvector/pgvector:pg18");
    let depends = |name: &str| services[name]["depends_on"].to_string();
    assert!(depends("nginx").contains("api-server") && depends("pgbouncer").contains("postgres18"), "{services:?}");
    let read = |path: &str| fs::read_to_string(here.path().join("rendered").join(path)).unwrap();
    let nginx = read("etc/nginx/conf.d/llmsql.conf");
    assert!(nginx.contains("server api-server:8000") && !nginx.contains("server 127.0.0.1"), "{nginx}");
    assert!(read("etc/nginx/nginx.conf").contains("user nginx;"), "the image's user");
    assert!(read("etc/pgbouncer/pgbouncer.ini").contains("host=postgres18 "));
    assert!(read("etc/llmsql/api/api.env").contains("DATABASE_HOST=pgbouncer"));
}

#[test]
fn every_file_is_tried() {
    let tried = [
        "ci-provision.sh",
        "llmsql.cron",
        "plan-another-host.sh",
        "db1.facts.json",
        "my-profile.yaml",
        "docker-compose.yml",
        "containers.toml",
    ];
    let list = Llmsql::new().args(["profile", "list", "--format", "json"]).run().success().json();
    let profiles: Vec<String> =
        list.as_array().unwrap().iter().map(|p| format!("llmsql.{}.toml", p["name"].as_str().unwrap())).collect();
    for file in fs::read_dir(examples()).unwrap().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        assert!(tried.contains(&name.as_str()) || profiles.contains(&name), "no test tries examples/{name}");
    }
}
