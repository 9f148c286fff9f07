//! `llmsql query history`.

use super::Shop;
use std::os::unix::fs::PermissionsExt;

const QUESTION: &str = "how many orders are there?";

#[test]
fn questions_are_remembered_privately_with_what_became_of_them() {
    let shop = Shop::new();
    shop.query(&["orders.db"]).arg(QUESTION).run().success();
    shop.query(&["orders.db"]).arg("zorgle the blarf").run().code(20);
    let run = shop.command("query").args(["history", "--format", "json"]).run().success();
    let all = run.json()["questions"].clone();
    assert_eq!(
        (&all[1]["question"], &all[1]["status"], &all[1]["rows"]),
        (&QUESTION.into(), &"answered".into(), &1.into())
    );
    assert_eq!((&all[0]["question"], &all[0]["status"]), (&"zorgle the blarf".into(), &"refused".into()));
    for file in std::fs::read_dir(shop.path("state")).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", file.path().display());
    }
    shop.command("query").arg("history").run().success().stdout_has(QUESTION).stdout_has("answered, 1 row");
    shop.command("query").args(["history", "--clear"]).run().success().stderr_has("2 questions forgotten");
    let run = shop.command("query").args(["history", "--format", "json"]).run().success();
    assert_eq!(run.json()["questions"], serde_json::json!([]));
    let bytes = std::fs::read(shop.path("state/state.db")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("zorgle"));
}

#[test]
fn sql_and_the_questions_of_a_batch_are_remembered_too() {
    let shop = Shop::new();
    shop.query(&["orders.db"]).args(["--sql", "SELECT 1 AS one"]).run().success();
    shop.query(&["orders.db"]).args(["--sql", "SELECT nothing"]).run().code(1);
    let lines = format!("{{\"question\": \"{QUESTION}\"}}\n{{\"question\": \"zorgle the blarf\"}}\n");
    shop.query(&["orders.db"]).args(["--batch", "-"]).stdin(lines).run().success();
    let all = shop.command("query").args(["history", "--format", "json"]).run().success().json()["questions"].clone();
    let seen: Vec<_> = all.as_array().unwrap().iter().rev().map(|e| (&e["status"], &e["by"], &e["rows"])).collect();
    let wanted = serde_json::json!([
        ["answered", "operator", 1],
        ["failed", "operator", null],
        ["answered", "translator", 1],
        ["refused", null, null]
    ]);
    assert_eq!(serde_json::json!(seen), wanted);
    assert_eq!((&all[3]["sql"], &all[1]["question"]), (&"SELECT 1 AS one".into(), &QUESTION.into()));
    // SQL answers no question that could be asked again.
    shop.command("query").args(["history", "--good", "1"]).run().code(64);
    shop.command("query").args(["history", "--good", "3"]).run().success();
}

#[test]
fn it_can_be_switched_off() {
    let shop = Shop::new();
    shop.query(&["orders.db"]).args(["--no-history", QUESTION]).run().success();
    shop.write("llmsql.toml", "[query]\nhistory = false\n");
    shop.query(&["orders.db"]).arg(QUESTION).run().success();
    shop.query(&["orders.db"]).args(["--show-prompt", QUESTION]).run().success();
    assert!(!shop.path("state").exists());
}

#[test]
fn a_state_that_cannot_be_written_does_not_keep_the_answer_back() {
    let shop = Shop::new();
    shop.write("state", "a file where the folder should be");
    shop.query(&["orders.db"]).arg(QUESTION).run().success().stdout_has("3").stderr_has("not remembered");
}

#[test]
fn a_damaged_state_is_moved_away_as_is_said_and_made_anew() {
    let shop = Shop::new();
    shop.query(&["orders.db"]).arg(QUESTION).run().success();
    for damage in [b"no database at all, of some length".repeat(200), b"SQLite format 3\0".repeat(512)] {
        // Its log holds all of a young one.
        for journal in ["state/state.db-wal", "state/state.db-shm"] {
            let _ = std::fs::remove_file(shop.path(journal));
        }
        std::fs::write(shop.path("state/state.db"), damage).unwrap();
        let run = shop.query(&["orders.db"]).arg(QUESTION).run().success().stdout_has("3").stderr_has("not remembered");
        assert!(!run.stderr.contains("df "), "{}", run.stderr);
        let run = shop.command("query").args(["history"]).run().code(1).stderr_has("damaged");
        let command = run.stderr.split("held: ").nth(1).expect("what to do").lines().next().expect("a line");
        let moved = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
        assert!(moved.success(), "{command}");
        shop.query(&["orders.db"]).arg(QUESTION).run().success();
        let run = shop.command("query").args(["history", "--format", "json"]).run().success();
        assert_eq!(run.json()["questions"].as_array().map(Vec::len), Some(1));
        std::fs::remove_dir_all(shop.path("state/damaged")).unwrap();
    }
}

#[test]
fn a_right_answer_is_reused_for_its_sources_and_taken_back() {
    let shop = Shop::new();
    let sql = "SELECT count(*) + 40 AS n FROM orders";
    shop.write("llmsql.toml", &format!("[[glossary.pairs]]\nquestion = \"what is the answer?\"\nsql = \"{sql}\"\n"));
    shop.query(&["orders.db"]).arg("what is the answer?").run().success().stdout_has("43");
    std::fs::remove_file(shop.path("llmsql.toml")).unwrap();
    shop.query(&["orders.db"]).arg("what is the answer?").run().code(20);
    shop.command("query").args(["history", "--good", "2"]).run().code(64).stderr_has("no answered question 2");
    shop.command("query").args(["history", "--good", "1"]).run().success();
    shop.query(&["orders.db"]).arg("What is the answer").run().success().stdout_has("43");
    shop.query(&["orders.db", "items.csv"]).arg("what is the answer?").run().code(20);
    shop.command("query").args(["history", "--bad", "1"]).run().success();
    shop.query(&["orders.db"]).arg("what is the answer?").run().code(20);
}

#[test]
fn a_question_may_begin_with_the_word() {
    let shop = Shop::new();
    let run = shop.query(&["orders.db"]).args(["history", "of", "blarf"]).run().code(20);
    assert!(!run.stderr.contains("subcommand"), "{}", run.stderr);
}
