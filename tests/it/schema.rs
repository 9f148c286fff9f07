//! The published JSON Schema of a plan, judged by another implementation: Python's jsonschema.

use crate::support::{Llmsql, python};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Whether the instance is valid, or what jsonschema says.
fn validate(dir: &Path, schema: &str, instance: &Value) -> Result<(), String> {
    fs::write(dir.join("schema.json"), schema).expect("a file in a temporary folder");
    fs::write(dir.join("instance.json"), instance.to_string()).expect("a file in a temporary folder");
    let script = "import json, jsonschema\n\
                  schema, instance = (json.load(open(name + '.json')) for name in ('schema', 'instance'))\n\
                  jsonschema.Draft202012Validator.check_schema(schema)\n\
                  jsonschema.validate(instance, schema, jsonschema.Draft202012Validator)\n";
    let output = python().args(["-c", script]).current_dir(dir).output().expect("python3 can be run");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn plans_are_valid_by_their_published_schema() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let schema = Llmsql::new().args(["plan", "--schema"]).run().success().stdout;
    let hosts: [&[&str]; 4] = [
        &[],
        &["--ram", "2GB", "--cpus", "2", "--disk", "hdd"],
        &["--ram", "64GB", "--cpus", "16", "--disk", "nvme", "--sizing", "guide"],
        &["--ram", "2048GB", "--cpus", "448", "--set", "host.components=postgresql,pgbouncer,nginx,api,duckdb,sqlite"],
    ];
    for flags in hosts {
        let plan = Llmsql::new().args(["plan", "--format", "json"]).args(flags).run().success().json();
        assert_eq!(validate(dir.path(), &schema, &plan), Ok(()), "{flags:?}");

        // And the schema says something: a plan without its parts, or with a wrong word, is none.
        let mut without = plan.clone();
        without.as_object_mut().expect("an object").remove("settings");
        assert!(validate(dir.path(), &schema, &without).is_err_and(|e| e.contains("settings")));
        let mut wrong = plan.clone();
        wrong["settings"][0]["takes_effect"] = "tomorrow".into();
        assert!(validate(dir.path(), &schema, &wrong).is_err_and(|e| e.contains("tomorrow")));
    }
}
