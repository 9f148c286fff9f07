//! A plan and its files.

use super::{Llmsql, servers};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A plan for this host with the test's servers installed, and its files.
pub struct Planned {
    pub plan: Value,
    out: PathBuf,
    _dir: TempDir,
}

impl Planned {
    /// Plans and renders with these flags, for these components, as if one PostgreSQL of `major` and the test's
    /// PgBouncer were installed.
    pub fn new(major: u32, components: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut facts = Llmsql::new().args(["facts", "--format", "json"]).run().success().json();
        let server = servers().join(format!("postgresql-{major}"));
        facts["software"]["postgresql"] = json!([{
            "version": format!("{major}.0"),
            "major": major,
            "bin_dir": server.join("bin"),
            "build_options": if major == 18 { json!([]) } else { json!(null) },
            "extensions": ["pg_stat_statements", "auto_explain"],
        }]);
        facts["software"]["clusters"] = json!([]);
        facts["software"]["pgbouncer"] = json!({ "version": "1.18.0" });
        let file = dir.path().join("facts.json");
        fs::write(&file, facts.to_string()).expect("a file in a temporary folder");

        let run = |command: &str| {
            let set = format!("host.components={components}");
            Llmsql::new().arg(command).arg("--facts").arg(&file).args(["--set", &set]).args(flags)
        };
        let plan = run("plan").args(["--format", "json"]).run().success().json();
        let out = dir.path().join("out");
        run("render").arg("--out").arg(&out).run().success();
        Planned { plan, out, _dir: dir }
    }

    /// The values of one component, as its file writes them, by name in the file.
    pub fn values(&self, component: &str) -> BTreeMap<String, String> {
        let settings = self.plan["settings"].as_array().expect("settings");
        let of = |s: &Value| {
            let name = s["key"].as_str()?.strip_prefix(component)?.strip_prefix('.')?;
            Some((name.to_owned(), s["value"].as_str()?.to_owned()))
        };
        settings.iter().filter_map(of).collect()
    }

    /// The size of a setting, in bytes.
    #[track_caller]
    pub fn bytes(&self, key: &str) -> u64 {
        let settings = self.plan["settings"].as_array().expect("settings");
        let setting = settings.iter().find(|s| s["key"] == key).unwrap_or_else(|| panic!("no {key}"));
        setting["bytes"].as_u64().unwrap_or_else(|| panic!("{key} is no size"))
    }

    /// The one rendered file of this name.
    #[track_caller]
    pub fn file(&self, name: &str) -> String {
        let mut todo = vec![self.out.clone()];
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).expect("the rendered folder") {
                let path = entry.expect("its entry").path();
                if path.is_dir() {
                    todo.push(path);
                } else if path.file_name().is_some_and(|n| n == name) {
                    return fs::read_to_string(path).expect("a rendered file");
                }
            }
        }
        panic!("no {name} below {}", self.out.display());
    }
}
