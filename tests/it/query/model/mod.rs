//! A language model behind `--model`: both protocols, and everything that can go wrong with one.

mod stub;

use super::Shop;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use stub::{Reply, Stub};

/// A question that the translator refuses.
const HARD: &str = "zorgle the blarf of every wibble";
const RIGHT: &str = "Of course.\n```sql\nSELECT count(*) AS n FROM orders\n```\nIt counts the orders.";

fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

/// A configuration for the stub; `more` is put under [model].
fn configure(shop: &Shop, stub: &Stub, openai: bool, more: &str) {
    let path = if openai { "/v1" } else { "" };
    shop.write("llmsql.toml", &format!("[model]\nendpoint = \"{}{path}\"\nname = \"stub\"\n{more}\n", stub.url()));
}

#[test]
fn both_protocols_are_spoken_and_the_sql_runs_behind_the_guard() {
    for openai in [true, false] {
        let shop = Shop::new();
        let stub = Stub::new([text(RIGHT)]);
        configure(&shop, &stub, openai, "");
        let run = shop.query(&["orders.db"]).args(["--model", "--format", "json", HARD]).run().success();
        let answer = run.json();
        assert_eq!((&answer["rows"], &answer["by"]), (&serde_json::json!([[3]]), &"model stub".into()));
        assert_eq!(answer["restatement"], "It counts the orders.");
        run.stderr_has("written by model stub").stderr_has("sql: SELECT count(*) AS n FROM orders");
        let asked = stub.asked();
        assert_eq!(asked[0].path, if openai { "/v1/chat/completions" } else { "/api/chat" });
        assert_eq!((&asked[0].body["model"], &asked[0].body["stream"]), (&"stub".into(), &true.into()));
    }
}

#[test]
fn an_answer_in_one_document_is_read_too_and_another_model_can_be_named() {
    let shop = Shop::new();
    let stub = Stub::new([Reply::Whole(RIGHT.to_owned())]);
    configure(&shop, &stub, true, "");
    shop.query(&["orders.db"]).args(["--model=other", HARD]).run().success().stdout_has("3");
    assert_eq!(stub.asked()[0].body["model"], "other");
}

#[test]
fn it_is_asked_only_when_asked_for_or_as_the_fallback() {
    let shop = Shop::new();
    let stub = Stub::new([text(RIGHT), text(RIGHT)]);
    configure(&shop, &stub, true, "");
    shop.query(&["orders.db"]).arg(HARD).run().code(20);
    assert!(stub.asked().is_empty());
    configure(&shop, &stub, true, "fallback = \"model\"");
    shop.query(&["orders.db"]).arg("how many orders are there?").run().success();
    assert!(stub.asked().is_empty());
    shop.query(&["orders.db"]).arg(HARD).run().success().stdout_has("3").stderr_has("asking the model");
    let batch = format!("{{\"id\": 1, \"question\": \"{HARD}\"}}\n");
    let run = shop.query(&["orders.db"]).args(["--batch", "-"]).stdin(batch).run().success();
    assert!(run.stdout.contains("\"by\":\"model stub\""), "{}", run.stdout);
    assert_eq!(stub.asked().len(), 2);
    shop.query(&["orders.db"]).args(["--model=", HARD]).run().code(64);
    // A fallback that fails leaves the refusal as it is.
    let run = shop.query(&["orders.db"]).args(["--format", "json", HARD]).run().code(20);
    assert_eq!(run.stderr_has("no more replies").json()["status"], "refused");
    shop.query(&["orders.db"]).args(["--model", HARD]).run().code(1);
    fs::remove_file(shop.path("llmsql.toml")).unwrap();
    shop.query(&["orders.db"]).args(["--model", HARD]).run().code(64).stderr_has("there is no model");
}

#[test]
fn it_sees_names_and_no_values_unless_values_are_allowed() {
    let shop = Shop::new();
    let stub = Stub::new([text(RIGHT), text(RIGHT), text(RIGHT)]);
    configure(&shop, &stub, true, "");
    shop.query(&["orders.db"]).args(["--model", HARD]).run().success();
    let prompt = stub.asked()[0].body.to_string();
    for name in ["customer_id", "placed", "total", "orders", "zorgle"] {
        assert!(prompt.contains(name), "no {name} in {prompt}");
    }
    for value in ["Ada", "Grace", "2026-03", "10.5"] {
        assert!(!prompt.contains(value), "{value} in {prompt}");
    }
    shop.query(&["orders.db"]).args(["--model", "--model-values", HARD]).run().success();
    assert!(stub.asked()[1].body.to_string().contains("Ada | Grace"));
    configure(&shop, &stub, true, "values = true");
    shop.query(&["orders.db"]).args(["--model", HARD]).run().success();
    assert!(stub.asked()[2].body.to_string().contains("Ada | Grace"));
    // What would be sent can be read, and nothing is sent.
    let run = shop.query(&["orders.db"]).args(["--show-prompt", HARD]).run().success();
    run.stdout_has("\"customer_id\" BIGINT").stdout_has(HARD).stdout_has("values: Ada | Grace");
    assert_eq!(stub.asked().len(), 3);
}

#[test]
fn wrong_sql_goes_back_twice_and_no_more() {
    let shop = Shop::new();
    let wrong = "```sql\nSELECT nothing FROM orders\n```";
    let stub = Stub::new([text(wrong), text("I do not know."), text(RIGHT)]);
    configure(&shop, &stub, false, "");
    shop.query(&["orders.db"]).args(["--model", HARD]).run().success().stderr_has("repaired 2 times");
    let asked = stub.asked();
    let last = asked[1].body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
    assert!(last.contains("nothing"), "{last}");
    let stub = Stub::new([text(wrong), text(wrong), text(wrong), text(RIGHT)]);
    configure(&shop, &stub, false, "");
    let run = shop.query(&["orders.db"]).args(["--model", HARD]).run().code(20);
    run.stderr_has("also after 2 repairs").stderr_has("SELECT nothing FROM orders");
    assert_eq!(stub.asked().len(), 3);
    let stub = Stub::new([text("CANNOT: there are no wibbles")]);
    configure(&shop, &stub, false, "");
    shop.query(&["orders.db"]).args(["--model", HARD]).run().code(20).stderr_has("there are no wibbles");
}

#[test]
fn malicious_sql_is_refused_and_does_nothing() {
    let shop = Shop::new();
    fs::write(shop.path("secret.txt"), "canary").unwrap();
    let secret = shop.path("secret.txt").display().to_string();
    let written = shop.path("written").display().to_string();
    let before = fs::read(shop.path("orders.db")).unwrap();
    for sql in [
        format!("COPY orders TO '{written}'"),
        format!("SELECT 1; COPY (SELECT 1) TO '{written}'"),
        format!("WITH x AS (COPY (SELECT 42 a) TO '{written}') SELECT 1"),
        format!("SELECT * FROM read_text('{secret}')"),
        "DROP TABLE orders".to_owned(),
        "ATTACH 'postgres://x' AS y".to_owned(),
        "SELECT getenv('HOME')".to_owned(),
        "INSTALL httpfs".to_owned(),
    ] {
        let reply = text(&format!("```sql\n{sql}\n```"));
        let stub = Stub::new([reply.clone(), reply.clone(), reply]);
        configure(&shop, &stub, true, "");
        let run = shop.query(&["orders.db"]).args(["--model", HARD]).run().code(20);
        assert!(run.stdout.is_empty() && !run.stderr.contains("canary"), "{sql}: {}", run.stdout);
    }
    assert!(!shop.path("written").exists());
    assert_eq!(fs::read(shop.path("orders.db")).unwrap(), before);
    // Endless SQL passes the guard and is ended by the clock.
    let stub = Stub::new([text("```sql\nSELECT count(*) FROM range(1000000000000)\n```")]);
    configure(&shop, &stub, true, "");
    let run = shop.query(&["orders.db"]).args(["--model", "--timeout", "500ms", HARD]).run().code(1);
    run.stderr_has("took longer");
    // What speaks to the terminal is not passed on.
    let stub = Stub::new([text("CANNOT \u{1b}[2Jgone"), Reply::Status(500, "\u{1b}[2J oops".to_owned())]);
    configure(&shop, &stub, true, "");
    for code in [20, 1] {
        let run = shop.query(&["orders.db"]).args(["--model", HARD]).run().code(code);
        assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
    }
}

#[test]
fn a_server_that_is_slow_broken_or_too_talkative_is_an_error_that_says_so() {
    for openai in [true, false] {
        for (reply, code) in [
            (Reply::Silence, "model.timeout"),
            (Reply::Drip, "model.timeout"),
            (Reply::Flood, "model.answer"),
            (Reply::EndlessLine, "model.answer"),
            (Reply::Cut, "model.answer"),
            (Reply::Short, "model.answer"),
            (Reply::Raw("<html>It works!</html>\n"), "model.answer"),
            (Reply::Raw(""), "model.answer"),
            (Reply::Raw("{\"error\": \"model not found\"}\n"), if openai { "model.answer" } else { "model.failed" }),
            (
                Reply::Raw("data: {\"error\": {\"message\": \"too many\"}}\n\n"),
                if openai { "model.failed" } else { "model.answer" },
            ),
            (Reply::Status(429, "{\"error\": {\"message\": \"slow down\"}}".to_owned()), "model.failed"),
            (Reply::Status(404, "no".to_owned()), "model.failed"),
            (Reply::Redirect("http://127.0.0.1:1/".to_owned()), "model.failed"),
        ] {
            let shop = Shop::new();
            let stub = Stub::new([reply.clone()]);
            configure(&shop, &stub, openai, "timeout = \"1s\"");
            let run = shop.query(&["orders.db"]).args(["--model", "--format", "json", HARD]).run().code(1);
            let error = run.stderr.lines().find_map(|l| serde_json::from_str::<serde_json::Value>(l).ok()).unwrap();
            assert_eq!(error["error"]["code"], code, "{reply:?} {openai}: {}", run.stderr);
            assert!(error["error"]["next"].is_string(), "{reply:?} {openai}: {}", run.stderr);
            assert!(run.stdout.is_empty());
        }
    }
    let shop = Shop::new();
    shop.write("llmsql.toml", "[model]\nendpoint = \"http://127.0.0.1:1\"\nname = \"x\"\n");
    shop.query(&["orders.db"])
        .args(["--model", HARD])
        .run()
        .code(1)
        .stderr_has("cannot be reached")
        .stderr_has("next:");
}

#[test]
fn the_key_comes_from_a_private_file_and_is_never_shown() {
    let shop = Shop::new();
    let key = "sk-canary-1234567890";
    shop.write("key", &format!("{key}\n"));
    let path = shop.path("key");
    let more = format!("key_file = \"{}\"", path.display());
    let stub = Stub::new([text(RIGHT), Reply::Status(401, format!("bad key {key}"))]);
    configure(&shop, &stub, true, &more);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    shop.query(&["orders.db"]).args(["--model", HARD]).run().code(64).stderr_has("chmod 0600");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let run = shop.query(&["orders.db"]).args(["--model", HARD]).run().success();
    assert!(stub.asked()[0].head.contains(&format!("Bearer {key}")));
    assert!(!run.stderr.contains(key) && !run.stdout.contains(key));
    let run = shop.query(&["orders.db"]).args(["--model", HARD]).run().code(1).stderr_has("key_file");
    assert!(!run.stderr.contains("canary"), "{}", run.stderr);
    // Beside the file that names it, wherever the question is asked.
    fs::create_dir(shop.path("elsewhere")).unwrap();
    let stub = Stub::new([text(RIGHT)]);
    configure(&shop, &stub, true, "key_file = \"key\"");
    let run = shop.query(&["../orders.db"]).dir(shop.path("elsewhere")).args(["--config", "../llmsql.toml"]);
    run.args(["--model", HARD]).run().success();
    assert!(stub.asked()[0].head.contains(key));
    configure(&shop, &stub, true, "key_file = \"elsewhere\"");
    let run = shop.query(&["orders.db"]).args(["--model", HARD]).run().code(64).stderr_has("cannot be read");
    assert!(!run.stderr.contains("chmod") && run.stderr.contains("a folder"), "{}", run.stderr);
    // A pipe is not waited for.
    nix::unistd::mkfifo(&shop.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    configure(&shop, &stub, true, "key_file = \"pipe\"");
    shop.query(&["orders.db"]).args(["--model", HARD]).run().code(64).stderr_has("a pipe");
    let bytes = fs::read(shop.path("state/state.db")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("canary"));
    // Over the network only with TLS.
    shop.write("llmsql.toml", &format!("[model]\nendpoint = \"http://model.example/v1\"\nname = \"x\"\n{more}\n"));
    shop.query(&["orders.db"]).args(["--model", HARD]).run().code(64).stderr_has("in the clear");
    shop.write("llmsql.toml", "[model]\nendpoint = \"http://me:pw@127.0.0.1/v1\"\nname = \"x\"\n");
    let run = shop.query(&["orders.db"]).args(["--model", HARD]).run().code(64).stderr_has("key_file");
    assert!(!run.stderr.contains("pw"), "{}", run.stderr);
}

#[test]
fn tls_is_checked_against_the_named_authority() {
    let shop = Shop::new();
    let (stub, certificate) = Stub::tls([text(RIGHT)]);
    configure(&shop, &stub, true, "");
    shop.query(&["orders.db"])
        .args(["--model", HARD])
        .run()
        .code(1)
        .stderr_has("cannot be reached")
        .stderr_has("ca_file");
    shop.write("ca.pem", &certificate);
    configure(&shop, &stub, true, &format!("ca_file = \"{}\"", shop.path("ca.pem").display()));
    shop.query(&["orders.db"]).args(["--model", HARD]).run().success().stdout_has("3");
}

#[test]
fn a_right_answer_is_not_asked_for_again_and_teaches_the_model() {
    let shop = Shop::new();
    let stub = Stub::new([text(RIGHT), text(RIGHT)]);
    configure(&shop, &stub, true, "");
    shop.query(&["orders.db"]).args(["--model", HARD]).run().success();
    shop.command("query").args(["history", "--good", "1"]).run().success();
    shop.query(&["orders.db"]).args(["--model", HARD]).run().success().stdout_has("3");
    assert_eq!(stub.asked().len(), 1);
    shop.query(&["orders.db"]).args(["--model", "gromple every wibble"]).run().success();
    let prompt = stub.asked()[1].body.to_string();
    assert!(prompt.contains(HARD) && prompt.contains("SELECT count(*) AS n FROM orders"), "{prompt}");
}

#[test]
fn a_wrong_configuration_is_named() {
    let shop = Shop::new();
    for (table, said) in [
        ("endpoint = \"ftp://x\"\nname = \"x\"", "ftp://x"),
        ("endpoint = \"http://127.0.0.1\"", "name is not set"),
        ("endpoint = \"http://127.0.0.1\"\nname = \"x\"\nprotocol = \"smtp\"", "smtp"),
        ("endpoint = \"http://127.0.0.1\"\nname = \"x\"\nkey = \"abc\"", "key"),
        ("endpoint = \"http://127.0.0.1\"\nname = \"x\"\ntimeout = \"soon\"", "timeout"),
        ("endpoint = \"http://127.0.0.1\"\nname = \"x\"\nkey_file = \"/none\"", "/none"),
    ] {
        shop.write("llmsql.toml", &format!("[model]\n{table}\n"));
        shop.query(&["orders.db"]).args(["--model", HARD]).run().code(64).stderr_has(said);
    }
}
