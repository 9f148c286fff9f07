//! Wrong input: what is wrong is said, with the code that belongs to it, and nothing is lost.

use super::Shop;
use serde_json::json;
use std::fs;

#[test]
fn a_question_that_is_none_is_refused() {
    let shop = Shop::new();
    shop.query(&["orders.db"]).run().code(64).stderr_has("there is no question");
    shop.query(&["orders.db"]).arg("  ").run().code(64).stderr_has("there is no question");
    shop.query(&["orders.db"]).arg("?!").run().code(20).stderr_has("empty");
    for foreign in
        ["wie viele Bestellungen gab es letzte Woche?", "сколько заказов было вчера?", "昨日の注文は何件ですか"]
    {
        let run = shop.query(&["orders.db"]).arg(foreign).run().code(20);
        assert!(run.stdout.is_empty(), "{foreign}: {}", run.stdout);
    }
    shop.query(&["orders.db"]).arg("сколько заказов?").run().code(20).stderr_has("English");
    shop.query(&["orders.db"]).arg("x ".repeat(3000)).run().code(20);
}

#[test]
fn a_parquet_file_that_is_cut_or_overwritten_is_named() {
    let shop = Shop::new();
    shop.query(&["items.csv"])
        .args(["--format", "parquet", "-o", "good.parquet", "--sql", "FROM items"])
        .run()
        .success();
    let good = fs::read(shop.path("good.parquet")).unwrap();
    fs::write(shop.path("cut.parquet"), &good[..good.len() / 2]).unwrap();
    let run = shop.sql(&["cut.parquet"], "FROM cut").code(1);
    run.stderr_has("cut.parquet").stderr_has("cannot be read");
    let mut spoiled = good.clone();
    let middle = good.len() / 4;
    for byte in &mut spoiled[4..middle] {
        *byte ^= 0xff;
    }
    fs::write(shop.path("spoiled.parquet"), spoiled).unwrap();
    let run = shop.sql(&["spoiled.parquet"], "SELECT name FROM spoiled");
    assert!(matches!(run.code, Some(1)), "{:?} {}", run.code, run.stdout);
    // One damaged file of a folder is named, and the others are as they were.
    fs::create_dir(shop.path("many")).unwrap();
    fs::write(shop.path("many/a.parquet"), &good).unwrap();
    fs::write(shop.path("many/b.parquet"), &good[..40]).unwrap();
    shop.sql(&["many"], "SELECT count(*) FROM many").code(1).stderr_has("b.parquet");
    assert_eq!(fs::read(shop.path("many/a.parquet")).unwrap(), good);
}

#[test]
fn values_that_look_like_sql_are_values() {
    let shop = Shop::new();
    let evil = "x'); DROP TABLE orders; --";
    shop.write("people.csv", &format!("id,name\n1,\"{evil}\"\n2,\"Robert\"\n"));
    assert_eq!(shop.rows(&["people.csv"], "SELECT name FROM people WHERE id = 1"), json!([[evil]]));
    let question = format!("how many people are there with name \"{evil}\"?");
    let run = shop.query(&["people.csv"]).args(["--format", "json", &question]).run();
    if run.code == Some(0) {
        let answer = run.json();
        assert!(answer["sql"].as_str().unwrap().contains("x''); DROP TABLE orders; --"), "{answer}");
        assert_eq!(answer["rows"], json!([[1]]));
    } else {
        run.code(20);
    }
}

#[test]
fn names_that_look_like_sql_are_names() {
    let shop = Shop::new();
    shop.write("odd.csv", "\"id\",\"a\"\"; DROP VIEW odd; --\",\"SELECT\",\"x'y\"\n1,2,3,4\n5,6,7,8\n");
    assert_eq!(
        shop.rows(&["odd.csv"], "SELECT sum(\"a\"\"; DROP VIEW odd; --\"), max(\"SELECT\"), min(\"x'y\") FROM odd"),
        json!([[8, 7, 4]])
    );
    let run = shop.query(&["odd.csv"]).args(["--format", "json", "how many odd are there?"]).run();
    assert!(matches!(run.code, Some(0 | 20)), "{}", run.stderr);
    shop.command("schema").args(["--source", "odd.csv"]).run().success().stdout_has("DROP VIEW odd");
    // A control character of a name does not reach the terminal.
    shop.write("bell.csv", "\"a\u{1b}[2J\",b\n1,2\n");
    let run = shop.sql(&["bell.csv"], "FROM bell").success();
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
    let run = shop.command("schema").args(["--source", "bell.csv"]).run().success();
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
}

#[test]
fn errors_are_objects_where_json_is_asked_for() {
    let shop = Shop::new();
    let run = shop.query(&["gone.csv"]).args(["--format", "json", "how many?"]).run().code(64);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["error"]["code"], "source.unreadable");
    assert!(run.stdout.is_empty());
}

#[test]
fn a_line_of_a_batch_that_is_wrong_does_not_end_it() {
    let shop = Shop::new();
    let lines = "{\"id\": \"a\", \"question\": \"how many orders are there?\"}\nno json\n\n{\"id\": 7, \"question\": \"zorgle\"}\n";
    let run = shop.query(&["orders.db"]).args(["--batch", "-", "--format", "jsonl"]).stdin(lines).run().success();
    let answers: Vec<serde_json::Value> = run.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let told: Vec<(String, String)> =
        answers.iter().map(|a| (a["id"].to_string(), a["status"].as_str().unwrap().to_owned())).collect();
    assert_eq!(
        told,
        [("\"a\"".into(), "answered".into()), ("2".into(), "failed".into()), ("7".into(), "refused".into())]
    );
}

#[test]
fn a_result_is_never_written_over_its_source() {
    let shop = Shop::new();
    let before = fs::read(shop.path("items.csv")).unwrap();
    std::os::unix::fs::symlink(shop.path("items.csv"), shop.path("link.csv")).unwrap();
    for target in ["items.csv", "link.csv"] {
        let query = shop.query(&["items.csv"]).args(["--format", "csv", "-o", target, "--sql", "FROM items"]);
        query.run().code(64).stderr_has("over the source \"items\"");
    }
    let export =
        |source: &str| shop.command("export").args(["--source", source, "--table", "items", "-o", "items.parquet"]);
    export("items.csv").run().success();
    export("items.parquet").run().code(64).stderr_has("over the source");
    assert_eq!(fs::read(shop.path("items.csv")).unwrap(), before);
}

#[test]
fn a_ragged_csv_file_is_an_error_that_names_the_line() {
    let shop = Shop::new();
    shop.write("more.csv", "id,name,qty\n1,a,5\n2,b,c,6\n3,d,7\n");
    shop.write("less.csv", "id;name;qty\n1;a;5\n2;b;6\n3;d\n");
    shop.write("last.csv", "a;b\n1;2\n3;4;5\n");
    for (file, said) in
        [("more", "line 3 has 4 fields"), ("less", "line 4 has 2 fields"), ("last", "line 3 has 3 fields")]
    {
        let run = shop.sql(&[&format!("{file}.csv")], &format!("SELECT * FROM {file}")).code(1);
        run.stderr_has(said).stderr_has(&format!("{file}.csv")).stderr_has("next:");
    }
    // Far below, too.
    let rows: String =
        (0..9000).map(|i| format!("{i},name {i},{}{}\n", i % 7, if i == 8000 { ",x" } else { "" })).collect();
    shop.write("far.csv", &format!("id,name,qty\n{rows}"));
    shop.sql(&["far.csv"], "SELECT count(*) FROM far")
        .code(1)
        .stderr_has("line 8002 has 4 fields, and the first line has 3");
    // What is one column, or has a heading, is read as before; what is left out is said.
    shop.write("prose.csv", "note\nhello, world\nbye\n");
    assert_eq!(shop.rows(&["prose.csv"], "SELECT count(*) FROM prose"), serde_json::json!([[2]]));
    shop.write("report.csv", "report of march\n\nid,name\n1,a\n2,b\n");
    let run = shop.query(&["report.csv"]).args(["--sql", "SELECT sum(id) AS s FROM report", "--format", "csv"]).run();
    run.success().stdout_has("3").stderr_has("first 2 lines are left out");
}

#[test]
fn the_name_of_the_file_says_its_format() {
    let shop = Shop::new();
    let written = |name: &str, more: &[&str]| {
        let run = shop.query(&["items.csv"]).args(["--sql", "SELECT 7 AS n", "-o", name]).args(more).run();
        run.success();
        std::fs::read_to_string(shop.path(name)).unwrap_or_default()
    };
    assert_eq!(written("r.csv", &[]), "n\r\n7\r\n");
    assert_eq!(written("r.jsonl", &[]), "{\"n\":7}\n");
    assert!(written("r.json", &[]).contains("\"rows\""));
    assert!(written("r.md", &[]).starts_with("| n |"));
    assert!(written("r.txt", &[]).contains("═"));
    // What is asked for counts.
    assert!(written("t.csv", &["--format", "table"]).contains("═"));
    written("r.parquet", &[]);
    assert_eq!(shop.rows(&["r.parquet"], "SELECT n FROM r"), serde_json::json!([[7]]));
    shop.query(&["items.csv"]).args(["--batch", "-", "-o", "x.jsonl"]).run().code(64);
    // No file is put in the place of what is none.
    let _socket = std::os::unix::net::UnixListener::bind(shop.path("socket")).unwrap();
    for format in ["csv", "table", "parquet"] {
        let run = shop.query(&["items.csv"]).args(["--sql", "SELECT 1", "-o", "socket", "--format", format]).run();
        run.code(64).stderr_has("no file");
    }
    for format in [&[][..], &["--format", "csv"]] {
        let run = shop.query(&["items.csv"]).args(format).args(["-o", "-", "--sql", "FROM items"]).run();
        run.code(64).stderr_has("leave out -o");
        assert!(!shop.path("-").exists());
    }
}

#[test]
fn a_name_that_says_another_format_is_not_filled_with_a_table() {
    let shop = Shop::new();
    let into = |name: &str, more: &[&str]| {
        shop.query(&["items.csv"]).args(["--sql", "SELECT id, price FROM items", "-o", name]).args(more).run()
    };
    for name in ["r.tsv", "r.csv.gz", "r.xlsx", "r.sqlite"] {
        into(name, &[]).code(64).stderr_has("not written in the format of this name");
        assert!(!shop.path(name).exists());
    }
    into("-", &[]).code(64).stderr_has("leave out -o");
    assert!(!shop.path("-").exists());
    into("r.tsv", &["--format", "csv"]).success();
    // Nor is data replaced by a chart.
    into("r.csv", &["--chart"]).code(64).stderr_has("--chart");
    into("r.txt", &["--chart"]).success();
    assert!(fs::read_to_string(shop.path("r.txt")).unwrap().contains('█'));
    into("not/there.csv", &[]).code(1).stderr_has("make the folder");
}
