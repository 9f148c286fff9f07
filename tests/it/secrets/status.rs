//! What `secrets status` knows without ever showing a value.

use crate::support::Llmsql;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn what_is_weak_open_or_tracked_by_git_is_said_and_no_value_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    let env = "POSTGRES_PASSWORD=changeme\nSECRET_KEY=canary-of-the-application-1\nJWT_SECRET_KEY=canary-of-the-application-1\n\
               VENDOR_TOKEN=canary-of-a-vendor-22\nAPI_KEY_SALT=<generate-hex-16>\n";
    fs::write(path(".env"), env).expect("a file");
    fs::set_permissions(path(".env"), Permissions::from_mode(0o640)).expect("its mode");
    fs::write(path("compose.yml"), "x: ${POSTGRES_PASSWORD} ${NOT_SECRET_KEY}\n").expect("a file");
    fs::write(path("notes.txt"), "the token is canary-of-a-vendor-22\n").expect("a file");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(dir.path()).args(arguments).output().expect("git is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", ".env", "notes.txt"]);
    let status = |arguments: &[&str]| {
        let run = Llmsql::new().dir(dir.path()).env("STATE_DIRECTORY", path("state"));
        run.args(["secrets", "status"]).args(arguments).run()
    };
    let run = status(&["--format", "json", "--detailed-exitcode"]).code(2);
    let found = run.json();
    let problems = |name: &str| {
        let secrets = found["secrets"].as_array().expect("secrets");
        let secret = secrets.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        secret["problems"].to_string()
    };
    assert_eq!(found["mode"], "0640");
    assert!(found["problems"].to_string().contains("git tracks it"), "{found}");
    assert!(problems("POSTGRES_PASSWORD").contains("everybody knows"));
    assert!(problems("SECRET_KEY").contains("the same value as JWT_SECRET_KEY"));
    assert!(problems("VENDOR_TOKEN").contains("notes.txt, which git tracks"));
    assert!(problems("VENDOR_TOKEN").contains("nothing says what it is for"));
    assert!(problems("API_KEY_SALT").contains("marker"));
    let uses = found["secrets"][0]["uses"].to_string();
    assert!(uses.contains("compose.yml") && uses.contains("PostgreSQL role postgres"), "{uses}");
    assert!(!found["secrets"][1]["uses"].to_string().contains("compose.yml"), "a part of a name is no use of it");
    for run in [run, status(&[]).success()] {
        for value in ["changeme", "canary"] {
            assert!(!run.stdout.contains(value) && !run.stderr.contains(value), "{value}: {run:?}");
        }
    }
    // What is old is due, the salt never.
    let toml = "[secrets]\nmax_age = \"1ms\"\n[secrets.entries.VENDOR_TOKEN]\nkind = \"application\"\n";
    fs::write(path("llmsql.toml"), toml).expect("a file");
    let found = status(&["--format", "json"]).success().json();
    let due: Vec<&str> = found["secrets"]
        .as_array()
        .expect("secrets")
        .iter()
        .filter(|s| s["due"] == true)
        .filter_map(|s| s["name"].as_str())
        .collect();
    assert_eq!(due, ["POSTGRES_PASSWORD", "SECRET_KEY", "JWT_SECRET_KEY", "VENDOR_TOKEN"]);
}
