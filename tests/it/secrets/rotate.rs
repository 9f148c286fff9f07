//! A rotation changes everything that belongs to it, and nothing else; restore brings it back.

use super::stack::{ENV, OLD, Stack, bouncer, logs_in, server, verifier};
use std::fs;
use std::os::unix::fs::MetadataExt;

#[test]
fn env_file_server_and_userlist_change_together() {
    let stack = Stack::new();
    let first = verifier(&stack.server, "app");
    let run = stack.rotate(&["APP_PASSWORD", "--format", "json"]).success();
    let done = run.json();
    assert_eq!(
        done["roles"][0]["proved"].as_array().unwrap().len(),
        4,
        "two databases, each directly and through PgBouncer"
    );
    assert_eq!(done["roles"][0]["trusted"], false);
    assert!(done["window_ms"].as_u64().is_some());

    let new = stack.value("APP_PASSWORD");
    assert!(new.len() >= 43 && new.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(stack.env(), ENV.replace(OLD, &new), "only the value changes, in its line and in the URL");
    assert_eq!(fs::metadata(stack.path(".env")).unwrap().mode() & 0o777, 0o600);
    assert_ne!(verifier(&stack.server, "app"), first);
    assert!(!stack.logs_in("app", OLD) && !stack.passes("app", OLD));
    stack.agrees();

    stack.secrets(&["restore", "--list"]).run().success().stdout_has("APP_PASSWORD");
    stack.secrets(&["restore", "--yes"]).run().success();
    assert_eq!(stack.env(), ENV);
    assert_eq!(verifier(&stack.server, "app"), first, "the very verifier is back");
    stack.agrees();
    assert!(!stack.logs_in("app", &new));
}

#[test]
fn a_role_may_rotate_its_own_password() {
    let stack = Stack::new();
    let dsn = format!("host=127.0.0.1 port={} user=app dbname=shop", stack.server.port());
    stack.llmsql().args(["secrets", "rotate", "APP_PASSWORD", "--yes", "--dsn", &dsn]).run().success();
    assert!(!stack.logs_in("app", OLD));
    stack.agrees();
    // Nobody names a connection: it is the role's own, at the usual place.
    let run = stack.llmsql().env("PGHOST", "127.0.0.1").env("PGPORT", stack.server.port().to_string());
    run.args(["secrets", "rotate", "APP_PASSWORD", "--yes"]).run().success();
    stack.agrees();
}

#[test]
fn two_roles_take_turns() {
    let stack = Stack::alternating();
    stack.server.query("REVOKE apps FROM app_b");
    stack.rotate(&["APP_PASSWORD"]).code(13).stderr_has("GRANT \"apps\" TO \"app_b\"");
    stack.server.query("GRANT apps TO app_b");
    let run = stack.rotate(&["APP_PASSWORD"]).success().stderr_has("app goes on working");
    assert!(!run.stderr.contains("window"));
    assert_eq!(stack.value("APP_USER"), "app_b");
    assert!(stack.logs_in("app", OLD) && stack.passes("app", OLD), "the old login goes on working");
    stack.agrees();
    stack.rotate(&["APP_PASSWORD"]).success();
    assert_eq!(stack.value("APP_USER"), "app");
    assert!(!stack.logs_in("app", OLD), "its turn has come");
    stack.agrees();
    stack.secrets(&["restore", "--yes"]).run().success();
    assert_eq!(stack.value("APP_USER"), "app_b");
    stack.agrees();
}

#[test]
fn pgbouncer_may_ask_the_server_or_be_absent() {
    let server = server("");
    server.query("CREATE ROLE asker LOGIN PASSWORD 'asker' SUPERUSER");
    let list = format!("\"asker\" \"{}\"\n", verifier(&server, "asker"));
    let lines = "auth_type = scram-sha-256\nauth_user = asker\nauth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1";
    // The role that asks is passed on with its own verifier only where a client used it; it needs its password.
    let bouncer = bouncer(&server, lines, &list.replace(&verifier(&server, "asker"), "asker"));
    let stack = Stack::of(server, Some(bouncer));
    let before = fs::read(stack.userlist()).unwrap();
    stack.rotate(&["APP_PASSWORD"]).success().stderr_has("shop through PgBouncer");
    assert_eq!(fs::read(stack.userlist()).unwrap(), before, "the role has no line, and gets none");
    assert!(stack.passes("app", &stack.value("APP_PASSWORD")) && !stack.passes("app", OLD));

    let stack = Stack::without_bouncer("");
    stack.rotate(&["APP_PASSWORD"]).success();
    stack.agrees();
}

#[test]
fn application_keys_change_in_the_file_alone() {
    let stack = Stack::without_bouncer("");
    let salt = stack.value("API_KEY_SALT");
    let old = stack.value("JWT_SECRET_KEY");
    let token = stack.llmsql().args(["token", "mint", "--subject", "ada"]).run().success().stdout;
    stack.rotate(&["--all"]).success();
    assert_eq!(stack.value("API_KEY_SALT"), salt, "never part of --all");
    for (name, length) in [("SECRET_KEY", 32), ("JWT_SECRET_KEY", 32)] {
        let value = stack.value(name);
        assert!(value.len() == length && value.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        assert!(!ENV.contains(&value));
    }
    assert!(stack.value("JWT_SECRET_KEY_PREVIOUS").ends_with(&format!(":{old}")));
    stack.llmsql().args(["token", "verify"]).stdin(token.clone()).run().success().stderr_has("an earlier key");
    stack.rotate(&["JWT_SECRET_KEY", "--no-overlap"]).success();
    stack.llmsql().args(["token", "verify"]).stdin(token).run().code(12);
    stack.agrees();
}

#[test]
fn a_salt_is_rotated_by_name_and_keys_live_on() {
    let stack = Stack::without_bouncer("");
    let map = stack.path("keys.map");
    let apikey = |arguments: &[&str]| stack.llmsql().arg("apikey").args(arguments);
    let map = map.to_str().unwrap();
    let key = apikey(&["create", "--name", "ada", "--map", map]).run().success().stdout;
    stack.rotate(&["API_KEY_SALT"]).success();
    apikey(&["check"]).stdin(key.clone()).run().success().stdout_has("ada");
    let id = key.split('_').nth(1).unwrap();
    apikey(&["rotate", id, "--map", map]).run().success();
    stack.rotate(&["API_KEY_SALT"]).success();
    assert!(!stack.value("API_KEY_SALT_PREVIOUS").contains("00112233"), "no live key needs the first salt any longer");
    stack.secrets(&["verify"]).run().success();
}

#[test]
fn a_given_value_is_taken_from_stdin_or_a_credential() {
    let stack = Stack::without_bouncer("");
    let run = stack.secrets(&["rotate", "APP_PASSWORD", "--yes", "--value", "-"]).stdin("it's \"odd\" $x #1\n");
    run.run().success();
    assert_eq!(stack.value("APP_PASSWORD"), "it's \"odd\" $x #1");
    let url = "postgresql://app:it%27s%20%22odd%22%20%24x%20%231@127.0.0.1/shop";
    assert_eq!(stack.value("DATABASE_URL"), url, "it is a URL still");
    stack.secrets(&["verify"]).run().success();
    fs::create_dir(stack.path("credentials")).unwrap();
    fs::write(stack.path("credentials/app"), "from-systemd-42").unwrap();
    let run = stack.secrets(&["rotate", "APP_PASSWORD", "--yes", "--value", "credential:app"]);
    run.env("CREDENTIALS_DIRECTORY", stack.path("credentials")).run().success();
    assert_eq!(stack.value("DATABASE_URL"), "postgresql://app:from-systemd-42@127.0.0.1/shop");
    assert!(logs_in(stack.server.port(), "app", "from-systemd-42"));
}

#[test]
fn a_failure_after_the_change_puts_everything_back() {
    let stack = Stack::new();
    let (verifier_before, list) = (verifier(&stack.server, "app"), fs::read(stack.userlist()).unwrap());
    stack.configure("reload = [\"exit 3\"]", "databases = [\"shop\"]");
    // The reload command fails on the way back as well, so that it is left for recover.
    stack.rotate(&["APP_PASSWORD"]).code(4).stderr_has("exit 3");
    stack.secrets(&["status"]).run().code(4).stderr_has("llmsql secrets recover");
    stack.secrets(&["recover", "--undo", "--yes", "--no-reload"]).run().success().stdout_has("undone");
    assert_eq!((stack.env(), verifier(&stack.server, "app")), (ENV.to_owned(), verifier_before.clone()));
    stack.agrees();
    // One that fails once: all is back, and the exit says so.
    let flag = stack.path("flag");
    stack.configure(
        &format!("reload = [\"test -e {0} || {{ touch {0}; exit 3; }}\"]", flag.display()),
        "databases = [\"shop\"]",
    );
    stack.rotate(&["APP_PASSWORD"]).code(3).stderr_has("everything has been put back");
    assert_eq!((stack.env(), verifier(&stack.server, "app")), (ENV.to_owned(), verifier_before));
    assert_eq!(fs::read(stack.userlist()).unwrap(), list);
    stack.agrees();
}

#[test]
fn nothing_rotates_unattended_without_a_reload() {
    let stack = Stack::without_bouncer("");
    stack.configure("", "databases = [\"shop\"]");
    let mut holder = std::process::Command::new("sleep")
        .arg("300")
        .env("DB", format!("postgresql://app:{OLD}@h/d"))
        .spawn()
        .unwrap();
    let pid = holder.id().to_string();
    let environ = format!("/proc/{pid}/environ");
    crate::support::wait_for("the process to have its environment", || {
        fs::read_to_string(&environ).is_ok_and(|e| e.contains(OLD)).then_some(())
    });
    stack.rotate(&["APP_PASSWORD"]).code(13).stderr_has(&pid).stderr_has("--no-reload");
    assert_eq!(stack.env(), ENV);
    let run = stack.rotate(&["APP_PASSWORD", "--no-reload"]).success().stderr_has("window").stderr_has("sleep");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(run.stderr.contains(&format!("sleep ({pid}, DB) still holds an old value")));
    stack.agrees();
    stack.rotate(&["SECRET_KEY", "--dry-run"]).success().stdout_has("would change SECRET_KEY");
    stack.rotate(&["--due"]).success().stderr_has("nothing is due");
}

#[test]
fn what_disagrees_is_found_and_mended() {
    let stack = Stack::new();
    stack.server.query("ALTER ROLE app PASSWORD 'changed by hand'");
    stack.secrets(&["verify"]).run().code(12).stdout_has("pg_authid");
    stack.rotate(&["APP_PASSWORD"]).code(12).stderr_has("--mend");
    assert_eq!(stack.env(), ENV);
    stack.rotate(&["APP_PASSWORD", "--mend"]).success();
    stack.agrees();
}

#[test]
fn a_secret_is_asked_for_without_echo() {
    let stack = Stack::without_bouncer("");
    // A terminal of its own, in which the answer is typed once the terminal no longer repeats what is typed.
    let script = "import os, pty, sys, termios\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execv(sys.argv[1], sys.argv[1:])\n\
        out = b''\n\
        while b'New value of SECRET_KEY: ' not in out: out += os.read(fd, 1024)\n\
        while termios.tcgetattr(fd)[3] & termios.ECHO: pass\n\
        os.write(fd, b'typed-by-hand-77\\n')\n\
        try:\n\
        \twhile True:\n\
        \t\tpart = os.read(fd, 1024)\n\
        \t\tif not part: break\n\
        \t\tout += part\n\
        except OSError: pass\n\
        sys.stdout.buffer.write(out)\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
    let output = crate::support::python()
        .args(["-c", script])
        .arg(crate::support::Llmsql::path())
        .args(["secrets", "rotate", "SECRET_KEY", "--value", "-", "--yes"])
        .current_dir(stack.dir())
        .env("STATE_DIRECTORY", stack.path("state"))
        .output()
        .expect("python3 can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("typed-by-hand-77"), "{said}");
    assert_eq!(stack.value("SECRET_KEY"), "typed-by-hand-77");
}

#[test]
fn another_servers_password_changes_in_the_file_and_its_command_is_named() {
    let stack = Stack::without_bouncer("");
    stack.write_env(
        &(stack.env() + "MYSQL_USER=analyst\r\nMYSQL_PASSWORD=old-mysql-1\r\nGRAFANA_PASSWORD=old-grafana-1\r\n"),
    );
    let run = stack.rotate(&["MYSQL_PASSWORD", "GRAFANA_PASSWORD"]).success();
    let run = run.stderr_has("now tell the server: MySQL: ALTER USER").stderr_has("reset-admin-password");
    for name in ["MYSQL_PASSWORD", "GRAFANA_PASSWORD"] {
        let value = stack.value(name);
        assert!(value.len() >= 43 && !run.stderr.contains(&value) && !run.stdout.contains(&value), "{name}");
    }
    let run = stack.secrets(&["restore", "--yes"]).run().success();
    run.stderr_has("now tell the server: MySQL").stderr_has("Grafana");
    assert_eq!(stack.value("MYSQL_PASSWORD"), "old-mysql-1");
}

#[test]
fn a_roles_first_password_is_made() {
    let stack = Stack::new();
    stack.server.query("CREATE ROLE reports LOGIN");
    stack.write_env("APP_USER=reports\nAPP_PASSWORD=\nDATABASE_URL=postgresql://reports:x@h/shop\n");
    stack.rotate(&["APP_PASSWORD"]).success();
    let first = stack.value("APP_PASSWORD");
    assert!(stack.logs_in("reports", &first) && stack.passes("reports", &first));
    stack.rotate(&["APP_PASSWORD"]).success();
    assert!(!stack.logs_in("reports", &first));
    assert!(stack.passes("reports", &stack.value("APP_PASSWORD")));
}
