//! Results as a person at a terminal sees them.

use super::Shop;
use crate::support::Llmsql;
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Runs the program on a terminal of so many columns and types the lines, each when the text before it has appeared.
fn on_a_terminal(shop: &Shop, columns: u16, arguments: &[&str], typed: &[(&str, &str)]) -> (Option<i32>, String) {
    let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pair = openpty(&size, None).expect("a terminal");
    let slave = || Stdio::from(pair.slave.try_clone().expect("the terminal again"));
    let mut command = Command::new(Llmsql::path());
    command
        .current_dir(shop.path(""))
        .env("STATE_DIRECTORY", shop.path("state"))
        .env("NO_COLOR", "1")
        .env("TERM", "xterm");
    command.args(arguments).stdin(slave()).stdout(slave()).stderr(slave());
    let mut child = command.spawn().expect("the program can be started");
    drop(command);
    drop(pair.slave);
    let mut keyboard = File::from(pair.master.try_clone().expect("the terminal again"));
    let mut screen = File::from(pair.master);
    let (give, take) = mpsc::channel();
    std::thread::spawn(move || {
        let mut part = [0; 4096];
        // The end of a terminal is an error.
        while let Ok(n @ 1..) = screen.read(&mut part) {
            if give.send(part[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    let (mut seen, mut typed) = (String::new(), typed.iter().peekable());
    while let Ok(part) = take.recv_timeout(Duration::from_secs(60)) {
        seen += &String::from_utf8_lossy(&part);
        if let Some((_, line)) = typed.next_if(|(after, _)| seen.contains(after)) {
            keyboard.write_all(format!("{line}\n").as_bytes()).expect("a key");
        }
    }
    let code = child.wait().expect("its end").code();
    (code, seen.replace('\r', ""))
}

#[test]
fn a_table_is_fitted_to_the_width() {
    let shop = Shop::new();
    let sql = "SELECT repeat('long ', 60) AS text, 1 AS n";
    let (code, seen) = on_a_terminal(&shop, 50, &["query", "--source", "items.csv", "--sql", sql], &[]);
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("long"), "{seen}");
    assert!(seen.lines().all(|l| l.chars().count() <= 50), "{seen}");
    let (_, seen) = on_a_terminal(
        &shop,
        60,
        &[
            "query",
            "--source",
            "items.csv",
            "--sql",
            "SELECT * FROM range(40) a, (SELECT 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20)",
        ],
        &[],
    );
    assert!(seen.contains("── row 1 ──"), "{seen}");
    // Frame and columns together, to the column; no number or time is broken in two.
    let ten = "SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d, 5 AS e, 6 AS f, 7 AS g, 8 AS h, 9 AS i, 10 AS j";
    let times = "SELECT repeat('long ', 20) AS text, TIMESTAMP '2026-01-01 10:00:00' AS t, 1234567.25::DOUBLE AS x";
    for (columns, sql) in [(40, ten), (41, ten), (42, ten), (30, times), (44, times), (50, times), (80, times)] {
        let (_, seen) = on_a_terminal(&shop, columns, &["query", "--source", "items.csv", "--sql", sql], &[]);
        assert!(seen.lines().all(|l| l.chars().count() <= usize::from(columns)) || seen.contains("row 1"), "{seen}");
        let kept = if sql == ten { ["10", "9"] } else { ["2026-01-01 10:00:00", "1234567.25"] };
        assert!(kept.iter().all(|k| seen.contains(k)), "{columns}: {seen}");
        assert_eq!(
            seen.contains("── row 1 ──"),
            sql == ten && columns < 42 || sql == times && columns < 48,
            "{columns}: {seen}"
        );
    }
    // Tabs and lines of a value stay within their cell, or their block.
    let odd = "SELECT 'a' || chr(9) || 'b' || chr(10) || 'c' AS text, 1 AS n";
    let (_, seen) = on_a_terminal(&shop, 50, &["query", "--source", "items.csv", "--sql", odd], &[]);
    assert!(!seen.contains('\t'), "{seen}");
    let rows: Vec<usize> = seen.lines().filter(|l| l.contains('┆')).map(|l| l.chars().count()).collect();
    assert!(rows.len() > 2 && rows.iter().all(|n| *n == rows[0]), "{seen}");
    let wide =
        "SELECT 'a' || chr(10) || 'n  7' AS text, 1 AS n, repeat('y', 9)::DATE IS NULL AS z FROM items WHERE false
                UNION ALL SELECT 'a' || chr(10) || 'n  7', 1, true";
    let (_, seen) = on_a_terminal(&shop, 12, &["query", "--source", "items.csv", "--sql", wide], &[]);
    assert!(seen.contains("text  a\n      n  7\nn     1\n"), "{seen}");
    // What turns around the text behind it does not reach the terminal.
    let (_, seen) =
        on_a_terminal(&shop, 50, &["query", "--source", "items.csv", "--sql", "SELECT chr(8238) || 'x' AS t"], &[]);
    assert!(!seen.contains('\u{202e}') && seen.contains('x'), "{seen}");
}

#[test]
fn readings_are_offered_by_number_and_elsewhere_as_candidates() {
    let shop = Shop::new();
    // A question of two readings: each table has a name.
    let question = "total of orders by status and blarf";
    let (code, seen) = on_a_terminal(
        &shop,
        100,
        &["query", "--source", "orders.db", question],
        &[("number (", "9"), ("write a number", "")],
    );
    assert_eq!(code, Some(20), "{seen}");
    if seen.contains("which of these is meant?") {
        assert!(seen.contains("write a number from 1 to"), "{seen}");
        let (code, seen) =
            on_a_terminal(&shop, 100, &["query", "--source", "orders.db", question], &[("number (", "1")]);
        assert_eq!(code, Some(0), "{seen}");
        assert!(seen.contains("understood:"), "{seen}");
    }
    let run = shop.query(&["orders.db"]).args(["--format", "json", question]).run().code(20);
    let answer = run.json();
    assert_eq!(answer["candidates"].as_array().map_or(0, Vec::len) > 0, seen.contains("which of these"), "{answer}");
}

#[test]
fn a_series_is_drawn_and_what_is_none_is_shown_as_a_table() {
    let shop = Shop::new();
    let run = shop.query(&["items.csv"]).args(["--chart", "--sql", "SELECT name, price FROM items ORDER BY id"]).run();
    let run = run.success().stdout_has("price\n").stdout_has("lamp").stdout_has("█");
    assert!(!run.stdout.contains('┆'), "{}", run.stdout);
    let days = "SELECT DATE '2026-01-01' + i::INT AS day, i * i AS n FROM range(30) r(i)";
    let run = shop.query(&["items.csv"]).args(["--chart", "--sql", days]).run().success();
    run.stdout_has("2026-01-01").stdout_has("2026-01-30").stdout_has("841 ┤");
    let bars = shop.query(&["items.csv"]).args(["--chart=bar", "--sql", days]).run().success();
    bars.stdout_has("2026-01-15").stdout_has("█");
    let run = shop.query(&["items.csv"]).args(["--chart", "--sql", "SELECT name FROM items"]).run().success();
    run.stderr_has("a chart needs").stdout_has("lamp");
    let vast = "SELECT 'x' || i AS n, 1e300 * i AS v FROM range(4) r(i)";
    let run = shop.query(&["items.csv"]).args(["--chart", "--sql", vast]).run().success().stdout_has("3.000e300");
    assert!(run.stdout.lines().all(|l| l.chars().count() <= 80), "{}", run.stdout);
    shop.query(&["items.csv"]).args(["--chart", "--format", "csv", "--sql", "FROM items"]).run().code(64);
}

#[test]
fn what_takes_long_is_seen_to_go_on() {
    let shop = Shop::new();
    // It ends by its time alone.
    let endless = "SELECT count(*) FROM range(100000000000) a WHERE a.range % 7 = 3";
    let arguments = ["query", "--source", "items.csv", "--timeout", "3s", "--sql", endless];
    let (code, seen) = on_a_terminal(&shop, 80, &arguments, &[]);
    assert_eq!(code, Some(1), "{seen}");
    assert!(seen.contains("running the query") && seen.contains("longer than it may"), "{seen}");
    // Nobody who is no terminal is told.
    let run = shop.query(&["items.csv"]).args(["--timeout", "2s", "--sql", endless]).run().code(1);
    assert!(!run.stderr.contains("running"), "{}", run.stderr);
}

#[test]
fn the_plan_is_shown_with_times_and_memory() {
    let shop = Shop::new();
    let run = shop.query(&["orders.db"]).args(["--profile", "--sql", "SELECT sum(total) FROM orders"]).run().success();
    run.stderr_has("whole query").stderr_has("_SCAN").stderr_has("memory in_memory_table");
}

#[test]
fn each_word_is_explained() {
    let shop = Shop::new();
    let run = shop.query(&["orders.db"]).args(["--explain", "how many orders are there?"]).run().success();
    run.stderr_has("table orders").stderr_has("sql: SELECT count(*)");
}
