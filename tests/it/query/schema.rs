//! `llmsql schema`.

use super::Shop;
use crate::support::Postgres;
use serde_json::Value;

fn table<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["tables"].as_array().unwrap().iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn tables_columns_types_keys_and_rows_are_shown() {
    let shop = Shop::new();
    shop.write("reviews.csv", "id,customer_id,stars\n1,1,5\n2,2,4\n");
    let run = shop.command("schema").args(["--source", "orders.db", "--source", "reviews.csv"]);
    let run = run.args(["--format", "json"]).run().success();
    let document = run.json();
    let orders = table(&document, "orders");
    assert_eq!((&orders["rows"], &orders["key_declared"]), (&3.into(), &true.into()));
    assert_eq!(orders["primary_key"], serde_json::json!(["id"]));
    let types: Vec<&str> =
        orders["columns"].as_array().unwrap().iter().map(|c| c["sql_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["BIGINT", "BIGINT", "TIMESTAMP", "DOUBLE", "VARCHAR"]);
    let reviews = table(&document, "reviews");
    assert_eq!((&reviews["primary_key"], &reviews["key_declared"]), (&serde_json::json!(["id"]), &false.into()));
    let keys = document["keys"].as_array().unwrap();
    let key = |table: &str| keys.iter().find(|k| k["table"] == table).unwrap();
    assert_eq!(key("orders")["declared"], true);
    assert_eq!((&key("reviews")["to_table"], &key("reviews")["declared"]), (&"customer".into(), &false.into()));

    let text = shop.command("schema").args(["--source", "orders.db", "--source", "reviews.csv"]).run().success();
    let text = text.stdout_has("orders · 3 rows · key id · source orders").stdout_has("→ customer.id");
    text.stdout_has("key id (inferred)").stdout_has("→ customer.id (inferred)").stdout_has("Ada, Grace");
    let yaml = shop.command("schema").args(["--source", "items.csv", "--format", "yaml"]).run().success();
    yaml.stdout_has("name: items");
}

#[test]
fn an_entry_of_the_glossary_that_means_nothing_is_said() {
    let shop = Shop::new();
    let glossary = |entry: &str| shop.write("llmsql.toml", &format!("[glossary]\n{entry}\n"));
    let schema = || shop.command("schema").args(["--source", "orders.db"]).run().success();
    for (entry, said) in [
        ("synonyms = { clients = \"custmer\" }", "\"clients\" means \"custmer\", which is no table"),
        ("synonyms = { clients = \"customer.nam\" }", "\"customer.nam\""),
        ("metrics = { takings = { table = \"order\", sql = \"sum(price)\" } }", "\"takings\" is of \"order\""),
        ("time = { orders = \"paid\" }", "time: \"orders.paid\""),
        ("joins = [{ from = \"orders.customer_id\", to = \"clients.id\" }]", "joins: \"clients.id\""),
    ] {
        glossary(entry);
        schema().stderr_has(said);
        shop.query(&["orders.db"]).args(["--explain", "how many orders"]).run().stderr_has(said);
        let answered = shop.query(&["orders.db"]).arg("how many orders").run().success();
        assert!(!answered.stderr.contains("[glossary]"), "{}", answered.stderr);
    }
    glossary("synonyms = { clients = \"customer\", \"what they are called\" = \"Customer.NAME\" }");
    assert!(!schema().stderr.contains("[glossary]"));
    shop.query(&["orders.db"]).arg("how many clients").run().success().stderr_has("rows from customer");
}

#[test]
fn every_example_question_is_answered() {
    let shop = Shop::new();
    let run = shop.command("schema").args(["--source", "orders.db", "--format", "json"]).run().success();
    let examples = run.json()["examples"].as_array().unwrap().clone();
    assert!(examples.len() >= 2, "{}", run.stdout);
    for example in examples {
        let question = example["question"].as_str().unwrap();
        let answer = shop.query(&["orders.db"]).args(["--format", "json", question]).run().success().json();
        assert_eq!(answer["sql"], example["sql"], "{question}");
        assert!(!answer["rows"].as_array().unwrap().is_empty(), "{question}");
    }
}

#[test]
fn one_table_is_shown_alone_and_one_that_is_not_there_is_an_error() {
    let shop = Shop::new();
    let run = shop.command("schema").args(["--source", "orders.db", "customer"]).run().success();
    assert!(run.stdout.contains("customer ·") && !run.stdout.contains("orders ·"), "{}", run.stdout);
    shop.command("schema").args(["--source", "orders.db", "nothing"]).run().code(64).stderr_has("no table \"nothing\"");
}

#[test]
fn rows_of_a_large_file_are_counted_and_those_of_a_server_estimated() {
    let shop = Shop::new();
    let large: String = std::iter::once("n\n".to_owned()).chain((0..250_000).map(|i| format!("{i}\n"))).collect();
    shop.write("large.csv", &large);
    let run = shop.command("schema").args(["--source", "large.csv", "--format", "json"]).run().success();
    assert_eq!(table(&run.json(), "large")["rows"], 250_000);

    let server = Postgres::new(18).start();
    server.query(
        "CREATE TABLE big AS SELECT i AS id, i % 3 AS grade FROM generate_series(1, 50000) i; ANALYZE big;
         CREATE TABLE small (id int PRIMARY KEY, big_id int); INSERT INTO small VALUES (1, 2);
         COMMENT ON TABLE small IS 'the small one'; COMMENT ON COLUMN small.big_id IS 'see big'",
    );
    let run = shop.command("schema").args(["--source", &format!("pg={}", server.dsn())]).run().success();
    let run = run.stdout_has("big · about 50000 rows").stdout_has("small · 1 row · key id");
    run.stdout_has("the small one").stdout_has("see big").stdout_has("1 to 20001 in its first rows");
}
