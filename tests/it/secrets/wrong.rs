//! Wrong input and a world that does not play along: a clear error with its code, and nothing changed.

use super::stack::{ENV, OLD, Stack, verifier};
use crate::support::{Run, Tmpfs};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Everything that a rotation changes.
struct Before {
    env: String,
    verifier: String,
    userlist: Option<Vec<u8>>,
}

impl Before {
    fn of(stack: &Stack) -> Self {
        let userlist = stack.bouncer.as_ref().map(|_| fs::read(stack.userlist()).expect("the userlist"));
        Before { env: stack.env(), verifier: verifier(&stack.server, "app"), userlist }
    }

    /// The run ended with this code and these words, and all is as it was.
    #[track_caller]
    fn refused(&self, stack: &Stack, run: Run, code: i32, words: &[&str]) {
        let run = words.iter().fold(run.code(code), |run, word| run.stderr_has(word));
        assert!(run.stdout.is_empty(), "{run:?}");
        let after = Before::of(stack);
        assert!(self.env == after.env, "the env file has changed");
        assert!(self.verifier == after.verifier, "the role has changed");
        assert!(self.userlist == after.userlist, "the userlist has changed");
        assert_eq!(stack.left_behind(), Vec::<String>::new());
    }
}

#[test]
fn an_env_file_that_is_not_as_it_should_be_is_left_alone() {
    let stack = Stack::without_bouncer("");
    let before = Before::of(&stack);
    symlink(stack.path(".env"), stack.path("link")).expect("a link");
    let run = stack.rotate(&["APP_PASSWORD", "--env-file", "link"]);
    before.refused(&stack, run, 13, &["is a link", "--env-file /"]);

    fs::set_permissions(stack.path(".env"), Permissions::from_mode(0o644)).expect("its mode");
    stack.secrets(&["status"]).run().success().stdout_has("every user can get at it");
    before.refused(&stack, stack.rotate(&["APP_PASSWORD"]), 13, &["open to every user", "chmod 600"]);
    fs::set_permissions(stack.path(".env"), Permissions::from_mode(0o600)).expect("its mode");

    before.refused(&stack, stack.rotate(&["NO_SUCH_SECRET"]), 64, &["there is no secret NO_SUCH_SECRET", "SECRET_KEY"]);
    before.refused(&stack, stack.rotate(&["APP_PASSWORD", "--env-file", "gone"]), 64, &["secrets init"]);
    before.refused(&stack, stack.rotate(&["APP_PASSWORD", "--env-file", "."]), 64, &["is no file"]);

    stack.write_env(&ENV.replace("SECRET_KEY=01", "APP_PASSWORD=second-password-2\r\nSECRET_KEY=01"));
    let twice = Before::of(&stack);
    twice.refused(&stack, stack.rotate(&["APP_PASSWORD"]), 64, &["APP_PASSWORD stands twice", ".env:5"]);
    stack.secrets(&["status"]).run().success().stdout_has("APP_PASSWORD stands twice, in lines 3 and 5");
    // The name stands there, its value on a line that readers take differently.
    stack.write_env(&ENV.replace("\"old-app-password-1\"", "old-app\"-password-1\""));
    let odd = Before::of(&stack);
    odd.refused(&stack, stack.rotate(&["SECRET_KEY", "APP_PASSWORD"]), 64, &["APP_PASSWORD: quotes", ".env:3"]);
    // Without the role's name.
    stack.write_env(&ENV.replace("export APP_USER=app\r\n", ""));
    Before::of(&stack).refused(&stack, stack.rotate(&["APP_PASSWORD"]), 64, &["APP_USER is not in the env file"]);
    assert!(!stack.path("state/secrets").exists(), "no backup of what never happened");
}

#[test]
fn a_role_that_cannot_be_changed_is_named() {
    let stack = Stack::new();
    stack.server.query("CREATE ROLE nobody_special LOGIN PASSWORD 'x'; CREATE ROLE grouped NOLOGIN");
    let before = Before::of(&stack);
    stack.configure("reload = [\"true\"]", "databases = [\"shop\"]\nrole = \"who\"");
    before.refused(
        &stack,
        stack.rotate(&["APP_PASSWORD"]),
        13,
        &["there is no role \"who\"", "CREATE ROLE \"who\" LOGIN"],
    );
    stack.configure("reload = [\"true\"]", "databases = [\"shop\"]\nrole = \"grouped\"");
    before.refused(&stack, stack.rotate(&["APP_PASSWORD"]), 13, &["may not log in"]);
    stack.configure("reload = [\"true\"]", "databases = [\"no_such_database\"]");
    before.refused(&stack, stack.rotate(&["APP_PASSWORD"]), 12, &["nothing was changed", "no_such_database"]);
    stack.configure("reload = [\"true\"]", "databases = [\"shop\"]");
    before.refused(&stack, stack.rotate(&["APP_PASSWORD", "--strategy", "alternate"]), 64, &["alternate = ["]);

    // Somebody without the right to.
    let pass = stack.path("pass");
    fs::write(&pass, "*:*:*:nobody_special:x\n").expect("a file");
    fs::set_permissions(&pass, Permissions::from_mode(0o600)).expect("its mode");
    let dsn = format!("host=127.0.0.1 port={} user=nobody_special dbname=shop", stack.server.port());
    let run =
        stack.llmsql().env("PGPASSFILE", &pass).args(["secrets", "rotate", "APP_PASSWORD", "--yes", "--dsn", &dsn]);
    before.refused(&stack, run.run(), 13, &["no right to change the password of \"app\"", "ADMIN OPTION"]);
    // Nor one whose statements would be logged.
    stack.server.query("ALTER ROLE app SET log_statement = 'ddl'");
    let dsn = dsn.replace("nobody_special", "app");
    let run = stack.llmsql().args(["secrets", "rotate", "APP_PASSWORD", "--yes", "--dsn", &dsn]).run();
    before.refused(&stack, run, 13, &["write the verifier into its log", "GRANT SET ON PARAMETER log_statement"]);
}

#[test]
fn a_verifier_that_is_none_never_reaches_the_server() {
    let stack = Stack::new();
    stack.rotate(&["APP_PASSWORD"]).success();
    let before = Before::of(&stack);
    // The backup's verifier has lost a letter: the server would hash what is left as if it were a password.
    let folder =
        fs::read_dir(stack.path("state/secrets")).expect("the backups").next().expect("one").expect("it").path();
    let backup = fs::read_dir(folder).expect("the backups").next().expect("one").expect("it").path();
    let text = fs::read_to_string(&backup).expect("a backup");
    let cut = text.replacen("SCRAM-SHA-256$4096:", "SCRAM-SHA-256$4096", 1);
    assert_ne!(text, cut);
    fs::write(&backup, &cut).expect("the backup");
    // Another one is made, of the same password.
    stack.secrets(&["restore", "--yes"]).run().success();
    assert_eq!(stack.value("APP_PASSWORD"), OLD);
    stack.agrees();
    stack.secrets(&["restore", "--yes"]).run().success();
    assert_eq!(stack.env(), before.env);

    // One that is no JSON is named, and never shown.
    fs::write(&backup, text.replacen("\"values\"", "\"valued\"", 1)).expect("the backup");
    let id = backup.file_stem().expect("a name").to_string_lossy().into_owned();
    let run = stack.secrets(&["restore", &id, "--yes"]).run();
    assert!(!run.stderr.contains(OLD));
    Before::of(&stack).refused(&stack, run, 1, &["is damaged"]);

    // A userlist that PgBouncer would stop reading.
    let list = fs::read_to_string(stack.userlist()).expect("the userlist");
    fs::write(stack.userlist(), format!("\"broken\n{list}")).expect("the userlist");
    Before::of(&stack).refused(
        &stack,
        stack.rotate(&["APP_PASSWORD"]),
        13,
        &["userlist.txt:1", "locks out every role below"],
    );
}

#[test]
fn a_pgbouncer_that_does_not_read_its_files_anew_is_noticed() {
    let stack = Stack::new();
    // A copy of its file with another userlist, which it does not run with: it reads anew, and nothing has changed.
    let own = stack.bouncer.as_ref().expect("a PgBouncer").dir().join("pgbouncer.ini");
    let copy = stack.path("copy");
    fs::create_dir(&copy).expect("a folder");
    let text = fs::read_to_string(own).expect("its file");
    let old = stack.userlist().display().to_string();
    let new = copy.join("userlist.txt");
    fs::copy(&old, &new).expect("its userlist");
    let text = text.replace(&old, &new.display().to_string());
    fs::write(copy.join("pgbouncer.ini"), &text).expect("a file");
    let configure = || {
        let toml = fs::read_to_string(stack.path("llmsql.toml")).expect("the configuration");
        let line = toml.lines().find(|l| l.starts_with("pgbouncer_ini")).expect("the line").to_owned();
        let ours = format!("pgbouncer_ini = \"{}\"", copy.join("pgbouncer.ini").display());
        fs::write(stack.path("llmsql.toml"), toml.replace(&line, &ours)).expect("the configuration");
    };
    configure();
    let (before, list) = (Before::of(&stack), fs::read(&new).expect("its userlist"));
    let run = stack.rotate(&["APP_PASSWORD"]);
    before.refused(&stack, run, 12, &["through PgBouncer does not work", "everything has been put back"]);
    assert_eq!(fs::read(&new).expect("its userlist"), list);

    // One that cannot be told at all: no process is known, and its console lets nobody in.
    let mut text: String = text.lines().filter(|l| !l.starts_with("pidfile")).map(|l| format!("{l}\n")).collect();
    text.push_str("admin_users = nobody_at_all\n");
    fs::write(copy.join("pgbouncer.ini"), text).expect("a file");
    before.refused(
        &stack,
        stack.rotate(&["APP_PASSWORD"]),
        13,
        &["cannot be told to read its files anew", "~/.pgpass"],
    );
    assert_eq!(fs::read(&new).expect("its userlist"), list);
}

#[test]
fn a_full_disk_is_said_and_changes_nothing() {
    let Some(small) = Tmpfs::new("512k") else { return };
    let stack = Stack::without_bouncer("");
    // The env file on a file system that is full, then the state.
    let there = small.path().join(".env");
    fs::copy(stack.path(".env"), &there).expect("it fits");
    fs::set_permissions(&there, Permissions::from_mode(0o600)).expect("its mode");
    fill(small.path());
    let (before, env) = (Before::of(&stack), fs::read(&there).expect("the env file"));
    let run = stack.rotate(&["APP_PASSWORD", "--env-file", there.to_str().expect("a path")]);
    before.refused(&stack, run, 1, &["cannot be written", "No space left"]);
    assert_eq!(fs::read(&there).expect("the env file"), env);
    assert_eq!(fs::read_dir(small.path()).expect("the folder").count(), 2, "nothing is left beside it");

    fs::remove_file(small.path().join("ballast")).expect("the ballast");
    let state = |arguments: &[&str]| stack.secrets(arguments).env("STATE_DIRECTORY", small.path().join("state"));
    state(&["status"]).run().success();
    fill(small.path());
    let run = state(&["rotate", "APP_PASSWORD", "--yes"]).run();
    before.refused(&stack, run, 1, &["state.db", "it needs room", "df /"]);
    fs::remove_file(small.path().join("ballast")).expect("the ballast");
    state(&["rotate", "APP_PASSWORD", "--yes"]).run().success();
    stack.agrees();
}

/// Takes all the room that is left.
fn fill(dir: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(dir.join("ballast")).expect("a file");
    while file.write_all(&[0; 512]).is_ok() {}
}
