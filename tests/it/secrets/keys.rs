//! API keys in real nginx, and the keys of tokens over a rotation.

use super::stack::Stack;
use crate::nginx::{BackEnd, both, edge, get};
use crate::support::{Llmsql, server_dir, wait_for, write_for_server};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const SALT: &str = "API_KEY_SALT=00112233445566778899aabbccddeeff\n";

#[test]
fn a_tiers_limit_holds_in_nginx_and_a_revoked_keys_ends_at_the_next_reload() {
    both(|mainline| {
        let here = tempfile::tempdir().expect("a folder");
        fs::write(here.path().join(".env"), SALT).expect("a file");
        fs::set_permissions(here.path().join(".env"), Permissions::from_mode(0o600)).expect("its mode");
        let own = "[secrets.tiers.partner]\nnginx = \"premium\"\nper_hour = 5000\n";
        fs::write(here.path().join("llmsql.toml"), own).expect("a file");
        // Its owner here is the user whom nginx runs as; on a host that is root.
        let secrets = server_dir();
        let map = secrets.path().join("api-keys.map");
        write_for_server(&map, "");
        let map = map.to_str().expect("a path");
        let apikey = |arguments: &[&str]| {
            let run = Llmsql::new().dir(here.path()).env("STATE_DIRECTORY", here.path().join("state"));
            run.arg("apikey").args(arguments).args(["--map", map]).run().success()
        };
        let create = |tier: &str| apikey(&["create", "--name", tier, "--tier", tier]).stdout.trim().to_owned();
        let keys: Vec<String> = ["free", "premium", "enterprise", "partner", "premium"].map(create).into();
        assert_eq!(fs::metadata(map).expect("the map").permissions().mode() & 0o777, 0o600);

        let back_end = BackEnd::start();
        // One request in a second: hardly anything drains while the test counts.
        let slow = [
            "nginx.api_rate=1",
            "nginx.api_burst=3",
            "nginx.premium_rate=1",
            "nginx.premium_burst=8",
            "nginx.enterprise_rate=1",
            "nginx.enterprise_burst=14",
            "nginx.limit_conn=1000",
        ];
        let edge = edge(mainline, &back_end, &format!("include {map};"), &slow);
        let passed = |key: &str| {
            let header = format!("X-API-Key: {key}");
            (0..30).take_while(|_| get(&edge, "/api/v1/x", &[&header]).status == 200).count()
        };
        let reload = || {
            let old = edge.workers();
            edge.reload();
            wait_for("nginx to read its files anew", || {
                let now = edge.workers();
                (!now.is_empty() && !now.iter().any(|pid| old.contains(pid))).then_some(())
            });
        };
        let [free, premium, enterprise, partner, leaked] = keys.as_slice() else { panic!("five keys") };
        for (key, burst, tier) in
            [(free, 3, "free"), (premium, 8, "premium"), (enterprise, 14, "enterprise"), (partner, 8, "own")]
        {
            let count = passed(key);
            assert!((burst + 1..burst + 5).contains(&count), "{tier}: {count} requests passed");
        }
        let id = leaked.split('_').nth(1).expect("an id");
        apikey(&["revoke", id]);
        assert!(!fs::read_to_string(map).expect("the map").contains(leaked.as_str()));
        let fresh = create("premium");
        reload();
        assert!(passed(&fresh) >= 9, "a key made since has its tier");
        let count = passed(leaked);
        assert!(count < 8, "a revoked key shares its address's limit: {count} requests passed");
        assert_eq!(passed("llm_never_made"), 0, "as one that never was");
        // A rotated key: the new one at the next reload, the old one no longer.
        let rotated = apikey(&["rotate", fresh.split('_').nth(1).expect("an id")]).stdout;
        reload();
        assert_eq!(passed(&fresh), 0);
        assert!(passed(rotated.trim()) >= 9);
    });
}

#[test]
fn tokens_live_as_long_as_they_were_minted_for_whatever_is_rotated() {
    for algorithm in ["HS256", "EdDSA"] {
        let stack = Stack::without_bouncer("");
        let env = stack.env() + &format!("JWT_ALGORITHM={algorithm}\r\nJWT_EXPIRE_MINUTES=5\r\n");
        stack.write_env(&env);
        stack.rotate(&["JWT_SECRET_KEY", "--no-overlap"]).success();
        let mint = |expires: &str| {
            let run = stack.llmsql().args(["token", "mint", "--subject", "ada", "--expires", expires]).run();
            run.success().stdout.trim().to_owned()
        };
        let until = |position: usize| {
            let previous = stack.value("JWT_SECRET_KEY_PREVIOUS");
            let part = previous.split(',').nth(position).expect("an earlier key").to_owned();
            part.split(':').next().expect("a time").parse::<u64>().expect("seconds")
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
        let (short, long) = (mint("1min"), mint("12h"));
        stack.rotate(&["JWT_SECRET_KEY"]).success();
        assert!(until(0) >= now + 12 * 3600, "{algorithm}: the longest token decides");
        stack.rotate(&["JWT_SECRET_KEY"]).success();
        assert!(until(0) < now + 3600, "{algorithm}: nothing was minted with this one, so the file's minutes do");
        for token in [short, long] {
            let run = stack.llmsql().args(["token", "verify"]).stdin(token).run();
            run.success().stderr_has("an earlier key");
        }
        let public = stack.llmsql().args(["token", "public"]).run();
        if algorithm == "EdDSA" {
            assert_eq!(public.success().json()["keys"].as_array().expect("keys").len(), 3);
        } else {
            public.code(64).stderr_has("JWT_ALGORITHM=EdDSA");
        }
    }
}

#[test]
fn a_secret_given_as_an_argument_is_not_repeated() {
    let stack = Stack::without_bouncer("");
    let token = format!("eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl", "eyJzdWIiOiJhZGEifQ".repeat(20));
    for arguments in [
        vec!["apikey", "check", "llm_57zginy5ax_F4u36XbevfooCZiInBICqeup8nVC0gZrkZywvwlxcrY"],
        vec!["token", "verify", token.as_str()],
        vec!["secrets", "rotate", "SECRET_KEY", "--yes", "--value", "F4u36Xbevfoo/CZiInBICqeup"],
    ] {
        let secret = arguments[arguments.len() - 1];
        let run = stack.llmsql().args(arguments.iter().copied()).run().code(64).stderr_has("stdin");
        assert!(!run.stderr.contains(secret) && !run.stdout.contains(secret), "{run:?}");
    }
}
