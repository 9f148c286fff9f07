//! `llmsql render`: files laid out whole or not at all.

use crate::support::Llmsql;
use llmsql::formats;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const STACK: &str = "host.components=postgresql,pgbouncer,nginx,api,duckdb,sqlite";

fn render() -> Llmsql {
    Llmsql::new().arg("render").args(["--ram", "16GB", "--cpus", "8", "--disk", "nvme", "--set", STACK])
}

/// Every file below a folder with its content, by path.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// An empty tree that stands for a host on which nothing is installed.
fn bare_host() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("proc")).unwrap();
    root
}

#[test]
fn the_same_host_gives_the_same_bytes_and_a_later_render_takes_the_place_of_the_first() {
    let (host, dir) = (bare_host(), tempfile::tempdir().unwrap());
    let out = dir.path().join("out");
    render().root(host.path()).arg("--out").arg(&out).run().success();
    let first = tree(&out);
    render().root(host.path()).arg("--out").arg(&out).run().success();
    assert_eq!(tree(&out), first);
    render().root(host.path()).args(["--only", "kernel", "--out"]).arg(&out).run().success();
    let paths: Vec<String> = tree(&out).keys().map(|p| p.display().to_string()).collect();
    let kernel = ["etc/sysctl.d/99-llm-sql-tuning.conf", "etc/systemd/system/llmsql-thp.service"];
    assert_eq!(paths, [".llmsql-render.json", kernel[0], kernel[1]]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside the folder");
}

#[test]
fn every_file_is_read_back_by_its_own_parser() {
    let (host, dir) = (bare_host(), tempfile::tempdir().unwrap());
    let out = dir.path().join("out");
    render().root(host.path()).arg("--out").arg(&out).run().success();
    let files = tree(&out);
    let bytes = |end: &str| files.iter().find(|(path, _)| path.ends_with(end)).unwrap().1.as_slice();
    let conf = formats::postgresql_conf::Document::parse(bytes("conf.d/50-llmsql.conf"));
    assert_eq!(conf.problems().count(), 0);
    assert!(conf.get("shared_buffers").is_some());
    let ini = formats::ini::Document::parse(bytes("pgbouncer.ini"));
    assert_eq!(ini.problems().count(), 0);
    assert_eq!(ini.get("databases", "llm_analytics"), Some("host=127.0.0.1 port=5432 dbname=llm_analytics"));
    let sysctl = formats::sysctl::Document::parse(bytes("99-llm-sql-tuning.conf"));
    assert_eq!(sysctl.problems().count(), 0);
    for entry in sysctl.entries() {
        assert!(!entry.value.contains('#'), "a trailing comment would be part of {}", entry.key);
        assert!(!entry.key.starts_with("thp"), "{} is no key of sysctl", entry.key);
    }
    let limits = formats::limits::Document::parse(bytes("limits.d/99-llm-sql.conf"));
    assert_eq!(limits.problems().count(), 0);
    assert_eq!(limits.get("postgres", formats::limits::Kind::Hard, "nofile"), Some("65536"));
}

#[test]
fn the_operators_own_file_keeps_what_is_not_ours_and_its_passwords_stay_at_home() {
    let (host, dir) = (bare_host(), tempfile::tempdir().unwrap());
    let etc = host.path().join("etc/pgbouncer");
    fs::create_dir_all(&etc).unwrap();
    let own = "; mine\n[databases]\nllm_analytics = host=old password=hunter2 pool_size=7\n\n[pgbouncer]\nadmin_users = ops\n";
    fs::write(etc.join("pgbouncer.ini"), own).unwrap();
    let out = dir.path().join("out");
    let run = render().root(host.path()).args(["--only", "pgbouncer", "--out"]).arg(&out).run().success();
    assert!(run.stderr.contains("1 password"), "{}", run.stderr);
    let text = fs::read_to_string(out.join("etc/pgbouncer/pgbouncer.ini")).unwrap();
    assert!(!text.contains("hunter2"));
    let ini = formats::ini::Document::parse(text.as_bytes());
    assert_eq!(ini.get("pgbouncer", "admin_users"), Some("ops"));
    assert_eq!(
        ini.get("databases", "llm_analytics"),
        Some("host=old password=REDACTED pool_size=7"),
        "where its clients are sent is the operator's"
    );
    let pinned = "pgbouncer.databases.llm_analytics=host=new port=5432";
    let run = render().root(host.path()).args(["--only", "pgbouncer", "--set", pinned]).run().success();
    let line = "\nllm_analytics = host=new password=REDACTED pool_size=7 port=5432\n";
    assert!(run.stdout.contains(line), "{}", run.stdout);
    assert!(text.starts_with("; mine\n"));
    assert_eq!(fs::read_to_string(etc.join("pgbouncer.ini")).unwrap(), own, "the host's file is not touched");
}

#[test]
fn a_folder_with_other_things_in_it_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    render().arg("--out").arg(dir.path()).run().code(64).stderr_has("thesis.txt");
    assert_eq!(tree(dir.path()).len(), 1);
}

#[test]
fn a_folder_one_may_not_write_is_refused_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("closed")).unwrap();
    let out = dir.path().join("closed/a/out");
    // Root without its capabilities is bound by permissions like anybody else.
    let script = r#"chmod 555 "$1"
        drop=; if [ "$(id -u)" = 0 ]; then drop='setpriv --bounding-set -all --inh-caps -all --'; fi
        exec $drop "$3" render --ram 8GB --out "$2""#;
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([&dir.path().join("closed"), &out, &Llmsql::path()])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(13), "{stderr}");
    assert!(stderr.contains("closed/a") && stderr.contains("Permission denied"), "{stderr}");
    assert_eq!(fs::read_dir(dir.path().join("closed")).unwrap().count(), 0);
}

#[test]
fn a_full_file_system_is_said_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    // A file system of its own, in a mount namespace of its own that ends with the shell.
    let script = r#"mount -t tmpfs -o size=16k none "$1" || exit 99
        "$2" render --ram 8GB --out "$1/out"; code=$?; ls -A "$1"; exit $code"#;
    let own = if nix::unistd::geteuid().is_root() { "-m" } else { "-Urm" };
    let output = Command::new("unshare")
        .args([own, "sh", "-c", script, "sh"])
        .args([dir.path(), &Llmsql::path()])
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_ne!(output.status.code(), Some(99), "this machine lets no test mount a file system: {stderr}");
    assert_eq!(output.status.code(), Some(13), "{stdout}{stderr}");
    assert!(stderr.contains("No space left"), "{stderr}");
    assert_eq!(stdout, "", "something is left in the folder");
}

#[test]
fn a_template_with_an_unknown_variable_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let templates = dir.path().join("templates");
    fs::create_dir_all(templates.join("kernel")).unwrap();
    let template = templates.join("kernel/99-llm-sql-tuning.conf.j2");
    fs::write(&template, "# ours\n\nvm.swappiness = {{ settings.kernel.swapiness }}\n").unwrap();
    let out = dir.path().join("out");
    let run = render().arg("--templates").arg(&templates).arg("--out").arg(&out).run().code(64);
    assert!(run.stderr.contains(&format!("{}:3", template.display())), "{}", run.stderr);
    assert!(run.stderr.contains("swapiness"), "{}", run.stderr);
    assert!(!out.exists());
    fs::write(&template, "# ours\nvm.swappiness = {{ settings.kernel['vm.swappiness'] }}\n").unwrap();
    render().arg("--templates").arg(&templates).arg("--out").arg(&out).run().success();
    let rendered = fs::read_to_string(out.join("etc/sysctl.d/99-llm-sql-tuning.conf")).unwrap();
    assert_eq!(rendered, "# ours\nvm.swappiness = 10\n");
    fs::rename(&template, templates.join("kernel/99-llm-sql-tunning.conf.j2")).unwrap();
    render().arg("--templates").arg(&templates).run().code(64).stderr_has("kernel/99-llm-sql-tuning.conf.j2");
}

#[test]
fn a_violated_invariant_renders_nothing_until_it_is_allowed_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let small = || Llmsql::new().arg("render").args(["--ram", "256MB", "--cpus", "1", "--set", STACK]);
    let run = small().arg("--out").arg(&out).run().code(5);
    assert!(!out.exists());
    let flags = run.stderr.split("--allow ").skip(1).map(|rest| rest.split_whitespace().next().unwrap());
    let flags: Vec<String> = flags.flat_map(|name| ["--allow".to_owned(), name.to_owned()]).collect();
    assert!(!flags.is_empty(), "{}", run.stderr);
    small().args(&flags).arg("--out").arg(&out).run().success();
    assert!(out.exists());
}

#[test]
fn stdout_holds_one_file_as_it_is_and_several_under_their_paths() {
    let one = render().args(["--only", "limits"]).run().success();
    let parsed = formats::limits::Document::parse(one.stdout.as_bytes());
    assert_eq!((parsed.problems().count(), parsed.entries().count() > 0), (0, true));
    render().run().success().stdout_has("==> /etc/security/limits.d/99-llm-sql.conf <==\n");
    let json = render().args(["--format", "json", "--only", "kernel"]).run().success().json();
    assert_eq!(json[0]["path"], "/etc/sysctl.d/99-llm-sql-tuning.conf");
    assert!(json[0]["content"].as_str().unwrap().contains("vm.swappiness = 10"));
}

#[test]
fn the_list_says_for_each_template_where_it_goes_and_what_it_reads() {
    let rows = render().args(["--list", "--format", "json"]).run().success().json();
    let row = rows.as_array().unwrap().iter().find(|r| r["template"] == "pgbouncer/pgbouncer.ini.j2").unwrap();
    assert_eq!(row["target"], "/etc/pgbouncer/pgbouncer.ini");
    assert_eq!(row["ownership"], "shared");
    assert_eq!(row["variables"], serde_json::json!(["comment", "databases", "groups", "header"]));
    let targets: std::collections::BTreeSet<&str> =
        rows.as_array().unwrap().iter().map(|r| r["target"].as_str().unwrap()).collect();
    assert_eq!(targets.len(), rows.as_array().unwrap().len(), "each has a place of its own, planned or not");
}

#[test]
fn each_template_of_the_list_can_be_replaced_alone() {
    let host = bare_host();
    let stack = ["--set", "host.containers=on", "--set", "maintenance.secrets_rotation=monthly", "--format", "json"];
    let render = || render().root(host.path()).args(stack);
    let rows = render().arg("--list").run().success().json();
    let content = |files: &serde_json::Value| -> BTreeMap<String, (String, String)> {
        let file = |f: &serde_json::Value| {
            let field = |name: &str| f[name].as_str().unwrap().to_owned();
            (field("path"), (field("template"), field("content")))
        };
        files.as_array().unwrap().iter().map(file).collect()
    };
    let ours = content(&render().run().success().json());
    let mut replaced = std::collections::BTreeSet::new();
    for row in rows.as_array().unwrap().iter().filter(|r| r["rendered"] == true) {
        let template = row["template"].as_str().unwrap();
        assert!(["whole", "shared", "adopt"].contains(&row["ownership"].as_str().unwrap()), "{row}");
        assert!(row["target"].as_str().unwrap().starts_with('/'), "{row}");
        // The file that holds one line alone, and the two that the guide has word for word, read nothing but the head.
        let reads = row["variables"].as_array().unwrap().len();
        assert!(reads >= 2 || template == "postgresql/postgresql.conf.j2", "{row}");
        if !replaced.insert(template.to_owned()) {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let mine = dir.path().join(template);
        fs::create_dir_all(mine.parent().unwrap()).unwrap();
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates").join(template);
        let mark = if template.ends_with(".sql.j2") { "-- mine\n" } else { "# mine\n" };
        fs::write(&mine, fs::read_to_string(original).unwrap() + mark).unwrap();
        let theirs = content(&render().arg("--templates").arg(dir.path()).run().success().json());
        assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
        for (path, (from, text)) in &theirs {
            assert_eq!(text.ends_with(mark), from == template, "{path}");
            assert_eq!(text.trim_end_matches(mark), ours[path].1, "{path}");
        }
    }
    assert!(replaced.len() > 20, "{replaced:?}");
}

#[test]
fn patronis_yaml_holds_every_setting_once() {
    let run = render().arg("--patroni").run().success();
    let yaml: serde_yaml::Value = serde_yaml::from_str(&run.stdout).unwrap();
    let dynamic = yaml["bootstrap"]["dcs"]["postgresql"]["parameters"].as_mapping().unwrap();
    let local = yaml["postgresql"]["parameters"].as_mapping().unwrap();
    assert!(dynamic.contains_key("max_connections") && !local.contains_key("max_connections"));
    assert!(local.contains_key("shared_buffers") && !dynamic.contains_key("shared_buffers"));
    assert!(dynamic.keys().all(|key| !local.contains_key(key)));
}
