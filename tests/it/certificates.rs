//! Certificates as they stand on a host: until when, whether they fit their keys, and who may read those.

use crate::support::{Llmsql, Run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A host with an nginx whose certificate is good for so many days.
fn host(days: i32) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let put = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    put("proc/meminfo", "MemTotal: 4194304 kB\n");
    put("proc/cpuinfo", "processor : 0\n");
    put(
        "etc/llmsql/llmsql.toml",
        "[host]\ncomponents = [\"nginx\"]\n[nginx]\ntls_certificate = \"/etc/ssl/site.pem\"\n\
         tls_certificate_key = \"/etc/ssl/site.key\"\n",
    );
    put("etc/ssl/empty", "");
    certificate(dir.path(), "site", days);
    dir
}

/// Makes `etc/ssl/NAME.pem` and `etc/ssl/NAME.key`.
fn certificate(root: &Path, name: &str, days: i32) {
    let file = |end: &str| root.join(format!("etc/ssl/{name}.{end}"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch"])
        .args(["-subj", "/CN=site.example", "-days", &days.to_string(), "-keyout"])
        .arg(file("key"))
        .arg("-out")
        .arg(file("pem"))
        .output()
        .expect("openssl: install the Debian package openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::set_permissions(file("key"), fs::Permissions::from_mode(0o600)).expect("its mode");
}

fn explained(host: &TempDir) -> Run {
    Llmsql::new().args(["explain", "tls.certificates"]).root(host.path()).run().success()
}

#[test]
fn a_good_certificate_holds() {
    explained(&host(90)).stdout_has("tls.certificates holds").stdout_has("mode 0600");
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    explained(&host(12)).stdout_has("is violated").stdout_has("site.pem expires on 20");

    let open = host(90);
    fs::set_permissions(open.path().join("etc/ssl/site.key"), fs::Permissions::from_mode(0o644)).expect("its mode");
    explained(&open).stdout_has("may be read by everybody").stdout_has("chmod 600 /etc/ssl/site.key");

    let other = host(90);
    certificate(other.path(), "other", 90);
    fs::copy(other.path().join("etc/ssl/other.key"), other.path().join("etc/ssl/site.key")).expect("a copy");
    explained(&other).stdout_has("is not the certificate of the key");

    let missing = host(90);
    fs::remove_file(missing.path().join("etc/ssl/site.pem")).expect("a file to remove");
    explained(&missing).stdout_has("is violated").stdout_has("no such file");

    let garbled = host(90);
    fs::write(garbled.path().join("etc/ssl/site.pem"), "not a certificate\n").expect("a file");
    explained(&garbled).stdout_has("could not be judged").stdout_has("holds no certificate");
}

#[test]
fn the_servers_tls_is_switched_on_where_its_certificate_is_there() {
    let host = host(90);
    let render = || {
        Llmsql::new()
            .args(["render", "--only", "postgresql", "--set", "host.components=postgresql"])
            .args(["--set", "postgresql.tls_certificate=/etc/ssl/site.pem"])
            .args(["--set", "postgresql.tls_certificate_key=/etc/ssl/site.key"])
            .root(host.path())
            .run()
            .success()
            .stdout
    };
    let rendered = render();
    for line in ["ssl = on", "ssl_cert_file = '/etc/ssl/site.pem'", "ssl_key_file = '/etc/ssl/site.key'"] {
        assert!(rendered.lines().any(|l| l == line), "no {line} in {rendered}");
    }
    // Without it a server that is told to use it does not start.
    fs::remove_file(host.path().join("etc/ssl/site.pem")).expect("a file to remove");
    assert!(!render().contains("\nssl"), "TLS without a certificate");
    let run = Llmsql::new()
        .args(["explain", "postgresql.ssl", "--set", "host.components=postgresql"])
        .root(host.path())
        .run()
        .success();
    run.stdout_has("not in this host's plan").stdout_has("postgresql.tls_certificate");
}

#[test]
fn facts_of_another_host_cannot_be_judged_without_its_certificates() {
    let host = host(90);
    let facts = Llmsql::new().args(["facts", "--format", "json"]).root(host.path()).run().success().stdout;
    let file = host.path().join("facts.json");
    fs::write(&file, facts).expect("a file");
    let run = Llmsql::new().args(["explain", "tls.certificates", "--facts"]).arg(&file).root(host.path()).run();
    run.success().stdout_has("could not be judged").stderr_has("only etc/llmsql is read");
}

#[test]
fn no_key_is_in_the_facts() {
    let host = host(90);
    let key = fs::read_to_string(host.path().join("etc/ssl/site.key")).expect("the key");
    let line = key.lines().nth(1).expect("a line of it");
    let plan = Llmsql::new().args(["plan", "--format", "json"]).root(host.path()).run().success();
    assert!(!plan.stdout.contains(line));
    assert_eq!(plan.json()["facts"]["certificates"][0]["fits_key"], true);
}
