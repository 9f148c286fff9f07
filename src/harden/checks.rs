//! Every check of a database and its server.

use super::look::{EXPIRES_SOON, Look, Password, Role, Schema};
use super::{Change, Finding, Severity, Wish, alter_system, hba, roles};
use crate::postgres::connect::quote_ident;
use crate::secrets::status::WELL_KNOWN;
use crate::secrets::verifier::Verifier;
use std::time::SystemTime;

/// Every check, in the order they are shown.
#[must_use]
pub fn all(look: &Look, wish: &Wish) -> Vec<Finding> {
    let tls = tls_on(look);
    // Rules may be written for TLS where it is on, or will be by this very run.
    let will_be = tls.status == super::Status::Ok || !tls.changes.is_empty();
    let mut findings = vec![create(look), usage(look)];
    findings.extend(roles::checks(look, wish));
    findings.push(pooler_address(look));
    findings.extend([superusers(look), well_known(look), md5(look), encryption(look), tls, certificate(look)]);
    findings.extend(hba::checks(look, wish, will_be));
    findings.extend(wish.pooler_tls.as_deref().map(pooler_tls));
    findings.extend(logging(look));
    findings.push(audit(look));
    findings
}

const CREATE: &str = "whoever may create in a schema on other roles' search path can put a function there that they then run \
    as themselves (CVE-2018-1058); PostgreSQL 15 takes the right away in new databases only";

fn create(look: &Look) -> Finding {
    let open: Vec<&Schema> = look.schemas.iter().filter(|s| s.public_create).collect();
    let names: Vec<&str> = open.iter().map(|s| s.name.as_str()).collect();
    let change = |s: &&Schema| {
        let name = quote_ident(&s.name);
        Change::sql(
            format!("REVOKE CREATE ON SCHEMA {name} FROM PUBLIC"),
            format!("GRANT CREATE ON SCHEMA {name} TO PUBLIC"),
        )
    };
    Finding::new("schema.create", Severity::High, CREATE).judge(
        open.iter().map(change).collect(),
        format!("every role may create objects in {}", names.join(", ")),
        "only named roles may create objects",
    )
}

const USAGE: &str = "the guide takes everything on schema public from PUBLIC; who holds a right on something in it keeps \
    its use by name, and where an extension lives there everybody does, since its types and operators (vector, <=>) \
    would be out of reach of every query";

fn usage(look: &Look) -> Finding {
    let finding = Finding::new("schema.usage", Severity::Low, USAGE);
    let Some(schema) = look.schemas.iter().find(|s| s.name == "public") else {
        return finding.ok("there is no schema public");
    };
    if !schema.public_usage {
        return finding.ok("schema public is for named roles only");
    }
    if !schema.extensions.is_empty() {
        let extensions = schema.extensions.join(", ");
        return finding.ok(format!("schema public stays in everybody's reach, since it holds {extensions}"));
    }
    let users = schema.users.iter().filter(|u| **u != schema.owner).map(|user| {
        let user = quote_ident(user);
        Change::sql(
            format!("GRANT USAGE ON SCHEMA public TO {user}"),
            format!("REVOKE USAGE ON SCHEMA public FROM {user}"),
        )
    });
    let revoke = Change::sql("REVOKE USAGE ON SCHEMA public FROM PUBLIC", "GRANT USAGE ON SCHEMA public TO PUBLIC");
    finding.fails("every role may look into schema public").changes(users).change(revoke)
}

const ADDRESS: &str = "behind a pooler inet_client_addr() is the pooler's address, the same for every client, and over a \
    socket it is NULL; a variable that the application sets in each transaction tells its clients apart (--isolate)";

fn pooler_address(look: &Look) -> Finding {
    let finding = Finding::new("rls.address", Severity::High, ADDRESS);
    match look.address_policies.as_slice() {
        [] => finding.ok("no policy goes by the client's address"),
        policies => {
            finding.fails(format!("policies go by the client's address: {}", policies.join(", "))).by_hand(format!(
                "replace them by --isolate, then {}",
                policies.iter().map(|p| format!("DROP POLICY {p};")).collect::<String>()
            ))
        }
    }
}

const SUPERUSER: &str =
    "a superuser passes by every privilege, policy and audit rule, and can run programs on the host";

fn superusers(look: &Look) -> Finding {
    let finding = Finding::new("roles.superuser", Severity::Medium, SUPERUSER);
    let names: Vec<&str> =
        look.roles.iter().filter(|r| r.superuser && r.login && !r.bootstrap).map(|r| r.name.as_str()).collect();
    if names.is_empty() {
        return finding.ok("nobody but the role of the installation is a superuser who may log in");
    }
    let sql: Vec<String> = names.iter().map(|n| format!("ALTER ROLE {} NOSUPERUSER;", quote_ident(n))).collect();
    finding
        .fails(format!("superusers who may log in: {}", names.join(", ")))
        .by_hand(format!("where they need not be: {}", sql.join(" ")))
}

fn well_known(look: &Look) -> Finding {
    let why = "the first thing anybody tries; the guide's own examples are among them";
    let finding = Finding::new("password.default", Severity::High, why);
    if look.roles.iter().any(|r| matches!(r.password, Password::Unreadable)) {
        return finding.unknown("password verifiers are for superusers to read");
    }
    let guessed = |role: &&Role| {
        let Password::Scram(text) = &role.password else { return false };
        let guesses = WELL_KNOWN.iter().copied().chain([role.name.as_str(), ""]);
        Verifier::parse(text).is_some_and(|verifier| guesses.into_iter().any(|g| verifier.fits(&g.into())))
    };
    let names: Vec<&str> = look.roles.iter().filter(guessed).map(|r| r.name.as_str()).collect();
    if names.is_empty() {
        return finding.ok("no SCRAM password is one that everybody knows");
    }
    finding
        .fails(format!("roles whose password everybody knows: {}", names.join(", ")))
        .by_hand("set them anew: llmsql secrets rotate, or \\password ROLE in psql")
}

fn pooler_tls(mode: &str) -> Finding {
    let why =
        "a hostssl rule takes the pooler's connections only where it uses TLS (server_tls_sslmode of pgbouncer.ini)";
    let finding = Finding::new("pooler.tls", Severity::Medium, why);
    if matches!(mode, "disable" | "allow") {
        return finding.fails(format!("PgBouncer has server_tls_sslmode = {mode}")).by_hand(
            "set server_tls_sslmode = prefer in pgbouncer.ini (require, once the server takes TLS) and reload PgBouncer",
        );
    }
    finding.ok(format!("PgBouncer has server_tls_sslmode = {mode}"))
}

const MD5: &str = "an MD5 hash is as good as the password for whoever reads it, and PostgreSQL 18 calls it deprecated; a \
    hash cannot be turned into a SCRAM verifier, so each of these roles needs its password set anew";

fn md5(look: &Look) -> Finding {
    let finding = Finding::new("password.md5", Severity::Medium, MD5);
    let of = |wanted: fn(&Password) -> bool| -> Vec<&str> {
        look.roles.iter().filter(|r| wanted(&r.password)).map(|r| r.name.as_str()).collect()
    };
    if !of(|p| matches!(p, Password::Unreadable)).is_empty() {
        return finding.unknown("password hashes are for superusers to read");
    }
    match of(|p| matches!(p, Password::Md5(_))).as_slice() {
        [] => finding.ok("no role has an MD5 password"),
        names => finding.fails(format!("roles with an MD5 password: {}", names.join(", "))).by_hand(format!(
            "set them anew, after password.encryption: llmsql secrets rotate, or \\password {} in psql",
            names.first().unwrap_or(&"ROLE")
        )),
    }
}

fn encryption(look: &Look) -> Finding {
    let why = "how a password is kept that is set as text; SCRAM cannot be replayed";
    let finding = Finding::new("password.encryption", Severity::Medium, why);
    match look.setting("password_encryption") {
        "scram-sha-256" => finding.ok("new passwords are kept as SCRAM verifiers"),
        other => finding
            .fails(format!("new passwords are kept as {other}"))
            .change(Change::System { name: "password_encryption", value: "scram-sha-256".to_owned() }),
    }
}

fn tls_on(look: &Look) -> Finding {
    let why = "passwords, queries and rows cross the network readable without it (the guide, 5.1)";
    let finding = Finding::new("tls.on", Severity::High, why);
    if look.setting("ssl") == "on" {
        return finding.ok("the server takes TLS");
    }
    let finding = finding.fails("the server takes no TLS");
    match &look.certificate {
        Some(Ok(end)) if *end > SystemTime::now() => {
            finding.change(Change::System { name: "ssl", value: "on".to_owned() })
        }
        Some(Ok(_)) => finding.by_hand("its certificate has expired: put a valid one there, then run this again"),
        Some(Err(problem)) => finding.by_hand(format!(
            "{problem}: put a certificate and its key (0600, the server's user) there, or name others ({}; {}), then run \
             this again",
            alter_system("ssl_cert_file", Some("/etc/ssl/certs/server.crt")),
            alter_system("ssl_key_file", Some("/etc/ssl/private/server.key")),
        )),
        None => finding.by_hand("as a superuser this could be switched on, where a certificate is there"),
    }
}

fn certificate(look: &Look) -> Finding {
    let why = "clients that check the server's certificate (sslmode=verify-full) lose it the moment it expires";
    let finding = Finding::new("tls.certificate", Severity::Medium, why);
    match &look.certificate {
        None => finding.unknown("the server's files are for superusers to read"),
        Some(Err(problem)) if look.setting("ssl") == "on" => {
            finding.fails(problem.clone()).by_hand("put one there and reload the server")
        }
        Some(Err(problem)) => finding.unknown(problem.clone()),
        Some(Ok(end)) => match end.duration_since(SystemTime::now()) {
            Err(_) => finding.fails("the server's certificate has expired").by_hand("renew it, and reload the server"),
            Ok(left) => {
                let days = left.as_secs() / 86_400;
                let what = format!("the server's certificate ends in {days} days");
                if left > EXPIRES_SOON {
                    finding.ok(what)
                } else {
                    finding.fails(what).by_hand("renew it, and reload the server")
                }
            }
        },
    }
}

const LOGGING: &str = "who came from where, by which method, and for how long: without it an intrusion leaves no trace";

fn logging(look: &Look) -> [Finding; 2] {
    let connections = look.setting("log_connections");
    let logged = match connections {
        "on" | "true" | "yes" | "1" | "all" => true,
        list => list.contains("authorization"),
    };
    // A list since PostgreSQL 18, which still takes `on` but may not for ever.
    let value = if look.major >= 18 { "receipt,authentication,authorization" } else { "on" };
    let came = Finding::new("log.connections", Severity::Medium, LOGGING);
    let went = Finding::new("log.disconnections", Severity::Low, LOGGING);
    let set = |name, value: &str| Change::System { name, value: value.to_owned() };
    [
        if logged {
            came.ok("logins are logged")
        } else {
            came.fails("logins are not logged").change(set("log_connections", value))
        },
        if look.setting("log_disconnections") == "on" {
            went.ok("ends of sessions are logged")
        } else {
            went.fails("ends of sessions are not logged").change(set("log_disconnections", "on"))
        },
    ]
}

const AUDIT: &str = "statements by class and object, with who ran them, in the server's log (the guide, 5.1); parameters are \
    left out, since they carry what a log should not: passwords, personal data";

fn audit(look: &Look) -> Finding {
    let finding = Finding::new("audit", Severity::Medium, AUDIT);
    let (available, installed) = look.pgaudit;
    if !available {
        return finding.fails("pgaudit is not installed on the server's host").by_hand(format!(
            "install the package (postgresql-{0}-pgaudit on Debian, pgaudit_{0} of PGDG), add pgaudit to \
             shared_preload_libraries, restart, and run this again",
            look.major
        ));
    }
    let libraries = look.setting("shared_preload_libraries");
    if !libraries.split(',').any(|l| l.trim().trim_matches('"') == "pgaudit") {
        return finding.fails("pgaudit is installed, but the server does not load it").by_hand(format!(
            "llmsql config set postgresql.shared_preload_libraries {}pgaudit, apply, restart, and run this again",
            if libraries.is_empty() { String::new() } else { format!("{libraries},") }
        ));
    }
    let mut changes = Vec::new();
    if !installed {
        changes.push(Change::sql("CREATE EXTENSION pgaudit", "DROP EXTENSION pgaudit"));
    }
    if matches!(look.setting("pgaudit.log"), "" | "none") {
        changes.push(Change::System { name: "pgaudit.log", value: "ddl, role, read, write".to_owned() });
        changes.push(Change::System { name: "pgaudit.log_catalog", value: "off".to_owned() });
    }
    finding.judge(changes, "pgaudit logs nothing", format!("pgaudit logs {}", look.setting("pgaudit.log")))
}
