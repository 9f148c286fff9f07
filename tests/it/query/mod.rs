//! `llmsql query`.

mod care;
mod export;
mod extensions;
mod functions;
mod guard;
mod history;
mod input;
mod library;
mod limits;
mod model;
mod narrow;
mod operations;
mod scanners;
mod schema;
mod sources;
mod statements;
mod terminal;

use crate::support::{Llmsql, Run};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with the data that tests ask.
struct Shop(tempfile::TempDir);

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let shop = Shop(dir);
        shop.write("items.csv", "id,name,price\n1,lamp,20.5\n2,\"chair, red\",35\n3,table,\n");
        shop.write(
            "visits.ndjson",
            "{\"at\":\"2026-03-01T10:00:00\",\"status\":200,\"item\":{\"id\":1}}\n{\"at\":\"2026-03-02T11:00:00\",\"status\":500,\"item\":{\"id\":2}}\n",
        );
        let sqlite = rusqlite::Connection::open(shop.path("orders.db")).expect("a SQLite file");
        sqlite
            .execute_batch(
                "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
                 CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customer, placed TEXT, total REAL, note);
                 INSERT INTO customer VALUES (1, 'Ada'), (2, 'Grace');
                 INSERT INTO orders VALUES (1, 1, '2026-03-01 10:00:00', 10.5, 'x'), (2, 1, '2026-03-02 11:30:00', 20, 5),
                   (3, 2, '2026-03-02 12:00:00', NULL, NULL);",
            )
            .expect("its tables");
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// A subcommand in the shop's folder.
    fn command(&self, name: &str) -> Llmsql {
        Llmsql::new().dir(self.0.path()).env("STATE_DIRECTORY", self.path("state")).arg(name)
    }

    /// A query with these sources, in the shop's folder.
    fn query(&self, sources: &[&str]) -> Llmsql {
        let mut run = self.command("query");
        for source in sources {
            run = run.args(["--source", source]);
        }
        run
    }

    /// The rows of a SELECT, as JSON.
    #[track_caller]
    fn rows(&self, sources: &[&str], sql: &str) -> serde_json::Value {
        self.query(sources).args(["--format", "json", "--sql", sql]).run().success().json()["rows"].clone()
    }

    fn sql(&self, sources: &[&str], sql: &str) -> Run {
        self.query(sources).args(["--sql", sql]).run()
    }
}

/// A DuckDB file made with the same library.
fn duckdb_file(path: &Path, sql: &str) {
    let duckdb = duckdb::Connection::open(path).expect("a DuckDB file");
    duckdb.execute_batch(sql).expect("its tables");
}
