//! The translator as a whole, over a small shop.

mod forms;

use jiff::civil::{Weekday, date};
use proptest::prelude::*;

use super::{Clock, Glossary, NoLookup, Outcome, Pair, Translation, Translator};
use crate::query::schema::{Column, ForeignKey, Kind, Schema, Table};

fn column(name: &str, kind: Kind, values: &[&str]) -> Column {
    let distinct = if values.is_empty() { Some(90) } else { u64::try_from(values.len()).ok() };
    let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
    Column { name: name.to_owned(), kind, distinct, values_complete: kind == Kind::Text, values, ..Column::default() }
}

fn table(name: &str, columns: Vec<Column>) -> Table {
    let mut columns = columns;
    if let Some(key) = columns.first_mut() {
        key.distinct = Some(100);
    }
    let primary_key = columns.first().map(|c| c.name.clone()).into_iter().collect();
    Table { name: name.to_owned(), rows: Some(100), columns, primary_key, ..Table::default() }
}

fn shop() -> Schema {
    let customers = vec![
        column("id", Kind::Integer, &[]),
        column("name", Kind::Text, &["Ada", "O'Brien"]),
        column("city", Kind::Text, &["Bonn", "Lyon"]),
        column("age", Kind::Integer, &[]),
    ];
    let orders = vec![
        column("id", Kind::Integer, &[]),
        column("customer_id", Kind::Integer, &[]),
        column("total", Kind::Float, &[]),
        column("placed_at", Kind::Timestamp, &[]),
    ];
    let key = ForeignKey {
        table: "orders".to_owned(),
        columns: vec!["customer_id".to_owned()],
        to_table: "customers".to_owned(),
        to_columns: vec!["id".to_owned()],
        declared: true,
    };
    Schema { tables: vec![table("customers", customers), table("orders", orders)], keys: vec![key] }
}

fn ask_with(schema: &Schema, glossary: &Glossary, question: &str) -> Translation {
    let clock = Clock { now: date(2025, 6, 18).at(12, 0, 0, 0), week_starts_on: Weekday::Monday };
    Translator::new(schema, glossary).translate(question, &clock, &NoLookup)
}

fn ask(question: &str) -> Translation {
    ask_with(&shop(), &Glossary::default(), question)
}

#[test]
fn the_rows_of_the_only_table_need_no_name() {
    let mut schema = Schema { tables: shop().tables.into_iter().take(1).collect(), keys: Vec::new() };
    let asked = |schema: &Schema, question| first_sql(ask_with(schema, &Glossary::default(), question));
    assert_eq!(asked(&schema, "How many rows are there?"), "SELECT count(*) FROM customers");
    assert_eq!(asked(&schema, "number of records per city"), "SELECT city, count(*) FROM customers GROUP BY city");
    schema.tables[0].columns.push(column("rows", Kind::Integer, &[]));
    assert_ne!(asked(&schema, "the rows by city"), "SELECT city, count(*) FROM customers GROUP BY city");
}

/// The likeliest SQL, answered or not.
fn sql(question: &str) -> String {
    first_sql(ask(question))
}

/// The likeliest SQL of a translation.
fn first_sql(translation: Translation) -> String {
    let reading = match translation.outcome {
        Outcome::Answer(reading) => Some(reading),
        Outcome::Ask(readings) | Outcome::Refuse { candidates: readings, .. } => readings.into_iter().next(),
    };
    reading.map(|r| r.sql).unwrap_or_default()
}

#[test]
fn questions_become_sql() {
    for (question, expected) in [
        ("How many customers are there?", "SELECT count(*) FROM customers"),
        ("What are the name and age of all customers?", "SELECT name, age FROM customers"),
        ("How many customers are in Bonn?", "SELECT count(*) FROM customers WHERE city = 'Bonn'"),
        ("What is the average age of customers?", "SELECT avg(age) FROM customers"),
        ("Show the number of customers for each city.", "SELECT city, count(*) FROM customers GROUP BY city"),
        (
            "What is the name of the oldest customer?",
            "SELECT name FROM customers ORDER BY age DESC NULLS LAST, id LIMIT 1",
        ),
        (
            "Show the names of customers whose age is above the average.",
            "SELECT name FROM customers WHERE age > (SELECT avg(age) FROM customers)",
        ),
        (
            "What are the names of customers without orders?",
            "SELECT name FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)",
        ),
        (
            "Which customers have more than 3 orders? Show their names.",
            "SELECT customers.name FROM customers JOIN orders ON orders.customer_id = customers.id \
             GROUP BY customers.id, customers.name HAVING count(*) > 3",
        ),
    ] {
        assert_eq!(sql(question), expected, "{question}");
    }
}

/// A library: books by authors, lent to members of branches.
fn library() -> Schema {
    let authors = vec![
        column("aid", Kind::Integer, &[]),
        column("name", Kind::Text, &["Ada Byron", "Jane Grey"]),
        column("sex", Kind::Text, &["F", "M"]),
        column("born_year", Kind::Integer, &[]),
    ];
    let books = vec![
        column("book_id", Kind::Integer, &[]),
        column("title", Kind::Text, &["Blue Sea", "Red Sky"]),
        column("author_id", Kind::Integer, &[]),
        column("genre", Kind::Text, &["Crime", "Poetry"]),
        column("pages", Kind::Integer, &[]),
        column("code", Kind::Text, &["QX-17", "QX-18"]),
    ];
    let branches = vec![column("branch_id", Kind::Integer, &[]), column("town", Kind::Text, &["Ghent", "Turin"])];
    let members = vec![
        column("member_id", Kind::Integer, &[]),
        column("first_name", Kind::Text, &["Olga", "Piet"]),
        column("last_name", Kind::Text, &["Maas", "Roth"]),
        column("branch_id", Kind::Integer, &[]),
        column("age", Kind::Integer, &[]),
    ];
    let loans = vec![
        column("loan_id", Kind::Integer, &[]),
        column("member_id", Kind::Integer, &[]),
        column("book_id", Kind::Integer, &[]),
        column("origin", Kind::Text, &["Ghent", "Turin"]),
        column("destination", Kind::Text, &["Ghent", "Turin"]),
    ];
    let key = |table: &str, column: &str, to: &str, to_column: &str| ForeignKey {
        table: table.to_owned(),
        columns: vec![column.to_owned()],
        to_table: to.to_owned(),
        to_columns: vec![to_column.to_owned()],
        declared: true,
    };
    Schema {
        tables: vec![
            table("authors", authors),
            table("books", books),
            table("branches", branches),
            table("members", members),
            table("loans", loans),
        ],
        keys: vec![
            key("books", "author_id", "authors", "aid"),
            key("members", "branch_id", "branches", "branch_id"),
            key("loans", "member_id", "members", "member_id"),
            key("loans", "book_id", "books", "book_id"),
        ],
    }
}

/// The likeliest SQL over the library, answered or not.
fn library_sql(question: &str) -> String {
    first_sql(ask_with(&library(), &Glossary::default(), question))
}

#[test]
fn figures_of_numbers_are_not_counts() {
    for (question, expected) in [
        ("What is the average number of pages of all books?", "SELECT avg(pages) FROM books"),
        ("What is the total number of pages of books?", "SELECT sum(pages) FROM books"),
        ("What are the highest and lowest number of pages of books?", "SELECT max(pages), min(pages) FROM books"),
        ("What are the average and largest age of members?", "SELECT avg(age), max(age) FROM members"),
        ("How old are the members named 'Olga'?", "SELECT age FROM members WHERE first_name = 'Olga'"),
    ] {
        assert_eq!(library_sql(question), expected, "{question}");
    }
}

#[test]
fn what_there_is_none_of() {
    for (question, expected) in [
        (
            "Which members have no loans? Show their first names.",
            "SELECT first_name FROM members WHERE member_id NOT IN (SELECT member_id FROM loans)",
        ),
        (
            "How many authors do not have any books?",
            "SELECT count(*) FROM authors WHERE aid NOT IN (SELECT author_id FROM books)",
        ),
        (
            "What are the names of authors who do not have a book with genre Poetry?",
            "SELECT name FROM authors WHERE aid NOT IN (SELECT author_id FROM books WHERE genre = 'Poetry')",
        ),
    ] {
        assert_eq!(library_sql(question), expected, "{question}");
    }
}

#[test]
fn rows_stand_once_though_they_are_met_often() {
    for (question, expected) in [
        (
            "What are the names of authors who wrote Crime books?",
            "SELECT DISTINCT authors.name FROM authors JOIN books ON books.author_id = authors.aid WHERE books.genre = 'Crime'",
        ),
        (
            "How many authors have books with more than 300 pages?",
            "SELECT count(DISTINCT authors.aid) FROM authors JOIN books ON books.author_id = authors.aid WHERE books.pages > 300",
        ),
        (
            "What are the titles of books by female authors?",
            "SELECT books.title FROM books JOIN authors ON books.author_id = authors.aid WHERE authors.sex = 'F'",
        ),
    ] {
        assert_eq!(library_sql(question), expected, "{question}");
    }
}

#[test]
fn words_mean_what_stands_around_them() {
    for (question, expected) in [
        ("What is the title of the book with code QX-17?", "SELECT title FROM books WHERE code = 'QX-17'"),
        ("What is the id of the author named 'Ada Byron'?", "SELECT aid FROM authors WHERE name = 'Ada Byron'"),
        (
            "How many loans went from Ghent to Turin?",
            "SELECT count(*) FROM loans WHERE origin = 'Ghent' AND destination = 'Turin'",
        ),
        (
            "Which members live in the town Turin? Return the last names.",
            "SELECT members.last_name FROM members JOIN branches ON members.branch_id = branches.branch_id WHERE branches.town = 'Turin'",
        ),
        ("What are the genres of books in alphabetical order?", "SELECT genre FROM books ORDER BY genre"),
        (
            "List the genre of books in descending order of the number of pages.",
            "SELECT genre FROM books ORDER BY pages DESC NULLS LAST",
        ),
    ] {
        assert_eq!(library_sql(question), expected, "{question}");
    }
}

#[test]
fn groups_and_extremes() {
    for (question, expected) in [
        ("Which genres have at least 3 books?", "SELECT genre FROM books GROUP BY genre HAVING count(*) >= 3"),
        (
            "What is the name of the author with multiple books?",
            "SELECT authors.name FROM authors JOIN books ON books.author_id = authors.aid GROUP BY authors.aid, authors.name HAVING count(*) > 1",
        ),
        (
            "Show the title of the book with the maximum pages.",
            "SELECT title FROM books ORDER BY pages DESC NULLS LAST, book_id LIMIT 1",
        ),
        (
            "What is the most common genre of books?",
            "SELECT genre FROM books GROUP BY genre ORDER BY count(*) DESC NULLS LAST, genre DESC NULLS LAST LIMIT 1",
        ),
        (
            "What is the average number of pages of the books of the author with the latest born year?",
            "SELECT avg(books.pages) FROM books JOIN authors ON books.author_id = authors.aid \
             WHERE authors.born_year = (SELECT max(born_year) FROM authors)",
        ),
    ] {
        assert_eq!(library_sql(question), expected, "{question}");
    }
}

#[test]
fn orders_and_counts_by_other_tables() {
    for (question, expected) in [
        (
            "What are the different genres of books ordered by pages?",
            "SELECT genre FROM books GROUP BY genre ORDER BY min(pages)",
        ),
        (
            "What are the names of the authors that the most members have read?",
            "SELECT authors.name FROM authors JOIN books ON books.author_id = authors.aid \
             JOIN loans ON loans.book_id = books.book_id JOIN members ON loans.member_id = members.member_id \
             GROUP BY authors.aid, authors.name ORDER BY count(*) DESC NULLS LAST, authors.aid DESC NULLS LAST LIMIT 1",
        ),
        (
            "Which genre has the most books? Return the genre and the number of books.",
            "SELECT genre, count(*) FROM books GROUP BY genre \
             ORDER BY count(*) DESC NULLS LAST, genre DESC NULLS LAST LIMIT 1",
        ),
        (
            "Show the genres with between 2 and 4 books.",
            "SELECT genre FROM books GROUP BY genre HAVING count(*) BETWEEN 2 AND 4",
        ),
        (
            "Who are the members of age 20 to 30?",
            "SELECT first_name, last_name FROM members WHERE age BETWEEN 20 AND 30",
        ),
    ] {
        assert_eq!(library_sql(question), expected, "{question}");
    }
}

#[test]
fn a_time_is_half_open_and_said() {
    let translation = ask("How many orders were placed in May 2025?");
    let dated = translation.dates.first().map(|d| (d.from, d.to));
    assert_eq!(dated, Some((Some(date(2025, 5, 1).at(0, 0, 0, 0)), Some(date(2025, 6, 1).at(0, 0, 0, 0)))));
    let open = ask("How many orders were placed before 2024?").dates;
    assert_eq!(open.first().map(|d| (d.from, d.to)), Some((None, Some(date(2024, 1, 1).at(0, 0, 0, 0)))), "{open:?}");
}

#[test]
fn an_order_to_write_is_refused() {
    for order in ["delete all orders", "Please drop the customers", "update the customers", "truncate orders"] {
        let Outcome::Refuse { reason, candidates, .. } = ask(order).outcome else { panic!("not refused: {order}") };
        assert!(reason.contains("only read") && candidates.is_empty(), "{order}: {reason}");
    }
}

#[test]
fn what_the_data_does_not_have_is_refused_with_the_words() {
    let Outcome::Refuse { words, reason, .. } = ask("Which pilots flew zeppelins over volcanoes?").outcome else {
        panic!("not refused")
    };
    assert!(words.iter().any(|w| w.contains("zeppelins")), "{reason}");
    for (question, said) in [("", "empty"), ("  ?!", "empty"), ("顧客は何人いますか", "English")] {
        let Outcome::Refuse { reason, .. } = ask(question).outcome else { panic!("not refused: {question}") };
        assert!(reason.contains(said), "{question}: {reason}");
    }
}

#[test]
fn an_answer_says_what_it_is_and_what_it_reads() {
    let Outcome::Answer(reading) = ask("How many customers are in Bonn?").outcome else { panic!("not answered") };
    assert_eq!(reading.restatement, "The number of rows from customers where city of customers is 'Bonn'");
    let uses: Vec<(&str, Vec<&str>)> =
        reading.uses.iter().map(|u| (u.table.as_str(), u.columns.iter().map(String::as_str).collect())).collect();
    assert_eq!(uses, [("customers", vec!["city"])]);
}

#[test]
fn values_and_identifiers_cannot_leave_their_quotes() {
    assert!(sql("What is the age of the customer named \"O'Brien\"?").contains("'O''Brien'"));
    let mut schema = shop();
    schema.tables[0].name = "cust\"; DROP TABLE x; --".to_owned();
    schema.keys.clear();
    let glossary = Glossary::default();
    let clock = Clock { now: date(2025, 6, 18).at(12, 0, 0, 0), week_starts_on: Weekday::Monday };
    let translation = Translator::new(&schema, &glossary).translate("What is the average age?", &clock, &NoLookup);
    let text = format!("{:?}", translation.outcome);
    assert!(!text.contains("FROM cust"), "{text}");
}

#[test]
fn a_verified_pair_answers_first() {
    let pair = Pair { question: "What did we earn?".to_owned(), sql: "SELECT sum(total) FROM orders".to_owned() };
    let glossary = Glossary { pairs: vec![pair.clone()], ..Glossary::default() };
    let Outcome::Answer(reading) = ask_with(&shop(), &glossary, "what did we earn").outcome else {
        panic!("not answered")
    };
    assert_eq!(reading.sql, pair.sql);
}

/// A log of requests.
fn log() -> Schema {
    let mut status = column("status", Kind::Integer, &["200", "404", "500"]);
    (status.min, status.max) = (Some("200".to_owned()), Some("500".to_owned()));
    let requests = vec![
        column("id", Kind::Integer, &[]),
        column("time", Kind::Timestamp, &[]),
        column("client", Kind::Text, &["10.0.0.5", "10.0.0.6"]),
        column("host", Kind::Text, &["h0", "h1", "h2", "h3"]),
        column("method", Kind::Text, &["GET", "POST", "DELETE"]),
        column("path", Kind::Text, &["/a", "/b"]),
        status,
        column("request_time", Kind::Float, &[]),
        column("level", Kind::Text, &["error", "warn", "info"]),
    ];
    Schema { tables: vec![table("requests", requests)], keys: Vec::new() }
}

fn log_sql(question: &str) -> String {
    first_sql(ask_with(&log(), &Glossary::default(), question))
}

#[test]
fn slower_takes_longer_and_older_is_earlier() {
    for (question, expected) in [
        ("how many requests were slower than 1 second?", "request_time > 1"),
        ("how many requests were faster than 500 ms?", "request_time < 0.5"),
        ("how many requests were quicker than 2 seconds?", "request_time < 2"),
        ("how many requests took longer than 2 seconds?", "request_time > 2"),
        ("how many requests were not slower than 500ms?", "request_time <= 0.5"),
        ("how many requests were slower than average?", "request_time > (SELECT avg(request_time) FROM requests)"),
        (
            "how many requests were faster than the average request time?",
            "request_time < (SELECT avg(request_time) FROM requests)",
        ),
        ("how many requests with a request time slower than 3?", "request_time > 3"),
        ("how many requests are older than 2025-01-01?", "\"time\" < DATE '2025-01-01'"),
        ("how many requests are newer than 2025-01-01?", "\"time\" >= DATE '2025-01-02'"),
        ("how many requests were later than 2025-01-01?", "\"time\" >= DATE '2025-01-02'"),
        ("how many requests were earlier than 2025-01-01?", "\"time\" < DATE '2025-01-01'"),
    ] {
        assert_eq!(log_sql(question), format!("SELECT count(*) FROM requests WHERE {expected}"), "{question}");
    }
    assert_eq!(sql("How many customers are younger than 30?"), "SELECT count(*) FROM customers WHERE age < 30");
}

#[test]
fn alternatives_end_where_a_time_begins() {
    let day = "\"time\" >= DATE '2025-06-17' AND \"time\" < DATE '2025-06-18'";
    let either = |column: &str, a: &str, b: &str| format!("({column} = '{a}' OR {column} = '{b}')");
    for (question, expected) in [
        ("how many GET or POST requests yesterday", format!("{} AND {day}", either("method", "GET", "POST"))),
        (
            "how many requests from 10.0.0.5 or 10.0.0.6 yesterday",
            format!("{} AND {day}", either("client", "10.0.0.5", "10.0.0.6")),
        ),
        ("how many warn or info requests yesterday", format!("{} AND {day}", either("level", "warn", "info"))),
        ("how many requests yesterday with GET or POST", format!("{day} AND {}", either("method", "GET", "POST"))),
        (
            "how many requests to h1 used GET or POST yesterday",
            format!("host = 'h1' AND {} AND {day}", either("method", "GET", "POST")),
        ),
    ] {
        assert_eq!(log_sql(question), format!("SELECT count(*) FROM requests WHERE {expected}"), "{question}");
    }
}

#[test]
fn what_never_happens_to_something() {
    let none = |shown: &str, cond: &str| {
        format!(
            "SELECT DISTINCT {shown} FROM requests WHERE {shown} NOT IN (SELECT {shown} FROM requests WHERE {cond})"
        )
    };
    for (question, expected) in [
        ("which path was never requested with DELETE?", none("path", "method = 'DELETE'")),
        ("clients that never used POST", none("client", "method = 'POST'")),
        ("paths without errors", none("path", "status >= 500")),
        ("clients with only errors", none("client", "status < 500")),
    ] {
        assert_eq!(log_sql(question), expected, "{question}");
    }
}

#[test]
fn a_group_that_is_asked_for_is_not_left_out() {
    let tickets = vec![
        column("id", Kind::Integer, &[]),
        column("state", Kind::Text, &["open", "closed"]),
        column("team", Kind::Text, &["red", "blue"]),
    ];
    let schema = Schema { tables: vec![table("tickets", tickets)], keys: Vec::new() };
    for question in ["open tickets per team", "closed tickets per team"] {
        if let Outcome::Answer(reading) = ask_with(&schema, &Glossary::default(), question).outcome {
            assert!(reading.sql.contains("GROUP BY team"), "{question}: {}", reading.sql);
        }
    }
}

#[test]
fn a_stored_value_is_no_time() {
    assert_eq!(log_sql("average request time of h1"), "SELECT avg(request_time) FROM requests WHERE host = 'h1'");
}

proptest! {
    #[test]
    fn no_question_makes_it_panic(question in "\\PC{0,80}") {
        let first = ask(&question);
        prop_assert_eq!(first, ask(&question));
    }

    #[test]
    fn no_order_of_known_words_makes_it_panic(words in proptest::collection::vec(prop::sample::select(vec![
        "how many", "customers", "orders", "with", "at least", "3", "between", "and", "the", "oldest", "most", "name",
        "total", "not", "for each", "city", "Bonn", "average", "sorted by", "descending", "'x'", "in 2024", "or more",
        "without", "both", "top", "percentile", "share of", "running total", "per month", "?", ",", "times", "twice",
    ]), 0..14)) {
        let _ = ask(&words.join(" "));
    }
}

#[test]
fn words_of_operations_data_are_explained() {
    let translation = ask_with(&log(), &Glossary::default(), "how many errors per hour yesterday");
    let said: Vec<(&str, &str)> = translation.words.iter().map(|l| (l.word.as_str(), l.meaning.as_str())).collect();
    assert!(said.contains(&("errors", "status of requests is at least 500")), "{said:?}");
    assert!(said.iter().all(|(_, meaning)| *meaning != "unexplained"), "{said:?}");
}

/// Tickets that say when they were closed.
fn desk() -> Schema {
    let tickets = vec![
        column("id", Kind::Integer, &[]),
        column("title", Kind::Text, &["Disk full", "Slow query"]),
        column("assignee", Kind::Text, &["ann", "ben"]),
        column("status", Kind::Text, &["open", "closed"]),
        column("opened_at", Kind::Timestamp, &[]),
        column("closed_at", Kind::Timestamp, &[]),
    ];
    Schema { tables: vec![table("tickets", tickets)], keys: Vec::new() }
}

#[test]
fn what_happened_to_a_row_chooses_the_time() {
    let asked = |question: &str| match ask_with(&desk(), &Glossary::default(), question).outcome {
        Outcome::Answer(reading) => reading.sql,
        other => panic!("{question}: {other:?}"),
    };
    let day = |column: &str| format!("{column} >= DATE '2025-06-17' AND {column} < DATE '2025-06-18'");
    for (question, expected) in [
        ("how many tickets were closed yesterday?", format!("SELECT count(*) FROM tickets WHERE {}", day("closed_at"))),
        ("how many tickets were opened yesterday?", format!("SELECT count(*) FROM tickets WHERE {}", day("opened_at"))),
        (
            "how many tickets did ann close yesterday?",
            format!("SELECT count(*) FROM tickets WHERE assignee = 'ann' AND {}", day("closed_at")),
        ),
        (
            "average time to close per assignee",
            "SELECT assignee, avg(closed_at - opened_at) FROM tickets GROUP BY assignee".to_owned(),
        ),
    ] {
        assert_eq!(asked(question), expected, "{question}");
    }
}

#[test]
fn a_kind_or_deed_that_is_not_known_is_not_left_out() {
    for question in ["how many purple tickets are not closed?", "how many tickets did ann reject?"] {
        let translation = ask_with(&desk(), &Glossary::default(), question);
        assert!(!matches!(translation.outcome, Outcome::Answer(_)), "{question}: {translation:?}");
    }
}

#[test]
fn comparisons_with_other_rows() {
    assert_eq!(
        sql("What are the names of customers who are older than all customers from Bonn?"),
        "SELECT name FROM customers WHERE age > (SELECT max(age) FROM customers WHERE city = 'Bonn')"
    );
}

/// Sensors of sites that two firms look after.
fn plant() -> Schema {
    let sites = vec![
        column("site_id", Kind::Integer, &[]),
        column("name", Kind::Text, &["North Yard", "South Yard"]),
        column("region", Kind::Text, &["Alps", "Coast"]),
        column("opened_year", Kind::Integer, &[]),
    ];
    let sensors = vec![
        column("sensor_id", Kind::Integer, &[]),
        column("name", Kind::Text, &["S 1", "S 2"]),
        column("site_id", Kind::Integer, &[]),
        column("model", Kind::Text, &["KX", "LP"]),
        column("calibrated", Kind::Text, &["No", "Yes"]),
        column("reading", Kind::Float, &[]),
        column("threshold", Kind::Float, &[]),
    ];
    let staff = |key: &str| {
        vec![
            column(key, Kind::Integer, &[]),
            column("name", Kind::Text, &["Ida Holm", "Per Lund"]),
            column("phone", Kind::Text, &["1", "2"]),
            column("age", Kind::Integer, &[]),
        ]
    };
    let key = ForeignKey {
        table: "sensors".to_owned(),
        columns: vec!["site_id".to_owned()],
        to_table: "sites".to_owned(),
        to_columns: vec!["site_id".to_owned()],
        declared: true,
    };
    let tables = vec![
        table("sites", sites),
        table("sensors", sensors),
        table("technicians", staff("technician_id")),
        table("guards", staff("guard_id")),
    ];
    Schema { tables, keys: vec![key] }
}

#[test]
fn rows_of_a_kind_and_values_of_two_tables() {
    let sql = |question| first_sql(ask_with(&plant(), &Glossary::default(), question));
    for (question, expected) in [
        ("Show the names of sensors that are calibrated.", "SELECT name FROM sensors WHERE calibrated = 'Yes'"),
        ("How many sensors are not calibrated?", "SELECT count(*) FROM sensors WHERE calibrated = 'No'"),
        (
            "What are the names of sensors whose reading is higher than their threshold?",
            "SELECT name FROM sensors WHERE reading > threshold",
        ),
        ("Show all sensors and their models.", "SELECT name, model FROM sensors"),
        ("Show all sensors and whether they are calibrated.", "SELECT name, calibrated FROM sensors"),
        (
            "What are the phones of all technicians and guards?",
            "SELECT phone FROM technicians UNION SELECT phone FROM guards",
        ),
        (
            "Show the names of the sensors with the most common model.",
            "SELECT name FROM sensors WHERE model = (SELECT model FROM sensors GROUP BY model \
             ORDER BY count(*) DESC NULLS LAST, model DESC NULLS LAST LIMIT 1)",
        ),
        ("Show the names of technicians who are under 25 years old.", "SELECT name FROM technicians WHERE age < 25"),
        ("Which guards have \"Lu\" in their names?", "SELECT name FROM guards WHERE name ILIKE '%Lu%'"),
        ("What is the count of different models?", "SELECT count(DISTINCT model) FROM sensors"),
    ] {
        assert_eq!(sql(question), expected, "{question}");
    }
}

#[test]
fn what_is_said_of_one_of_two_tables_is_not_answered_of_both() {
    let plant = |question| ask_with(&plant(), &Glossary::default(), question).outcome;
    for question in [
        "What are the phones of technicians and guards named 'Ida Holm'?",
        "What are the phones of technicians and guards ordered by age?",
        "What are the phones of both technicians and guards?",
    ] {
        assert!(!matches!(plant(question), Outcome::Answer(_)), "{question}");
    }
    // Ages and the like do not add up to a number of things, pages do.
    assert_eq!(library_sql("How many pages are there?"), "SELECT sum(pages) FROM books");
    for question in
        ["How many ages are there?", "How many ages are above 30?", "the number of ages", "total number of ages"]
    {
        assert!(!library_sql(question).contains("sum("), "{question}");
        let outcome = ask_with(&library(), &Glossary::default(), question).outcome;
        assert!(!matches!(outcome, Outcome::Answer(_)), "{question}: {outcome:?}");
    }
}

#[test]
fn over_a_time_is_within_it() {
    for (question, expected) in [
        (
            "How many orders were placed over the last 2 weeks?",
            "SELECT count(*) FROM orders WHERE placed_at >= DATE '2025-06-04' AND placed_at < DATE '2025-06-18'",
        ),
        (
            "How many orders over last year?",
            "SELECT count(*) FROM orders WHERE placed_at >= DATE '2024-01-01' AND placed_at < DATE '2025-01-01'",
        ),
        ("How many orders have a total over 50?", "SELECT count(*) FROM orders WHERE total > 50"),
    ] {
        assert_eq!(sql(question), expected, "{question}");
    }
}

#[test]
fn what_those_who_ask_do_is_no_state() {
    let hosts = vec![column("host_id", Kind::Integer, &[]), column("state", Kind::Text, &["failed", "running"])];
    let schema = Schema { tables: vec![table("hosts", hosts)], keys: Vec::new() };
    let asked = |question| first_sql(ask_with(&schema, &Glossary::default(), question));
    assert_eq!(asked("How many hosts do we run?"), "SELECT count(*) FROM hosts");
    assert_eq!(asked("How many hosts are running?"), "SELECT count(*) FROM hosts WHERE state = 'running'");
    assert_eq!(asked("How many hosts have failed?"), "SELECT count(*) FROM hosts WHERE state = 'failed'");
}

#[test]
fn an_attribute_that_is_not_stored_is_no_number_of_rows() {
    let guests = vec![
        column("guest_id", Kind::Integer, &[]),
        column("name", Kind::Text, &["Anna", "Bert"]),
        column("channel", Kind::Text, &["phone", "web"]),
    ];
    let schema = Schema { tables: vec![table("guests", guests)], keys: Vec::new() };
    let asked = |question| ask_with(&schema, &Glossary::default(), question).outcome;
    for question in ["phone number of Anna", "What is the phone number of Anna?"] {
        let outcome = asked(question);
        assert!(!matches!(outcome, Outcome::Answer(_)), "{question}: {outcome:?}");
    }
    assert!(matches!(asked("What is the number of guests whose channel is phone?"), Outcome::Answer(_)));
}

#[test]
fn what_nothing_measures_is_not_found_by_a_number_of_rows() {
    let rooms = vec![column("room_id", Kind::Integer, &[]), column("wing", Kind::Text, &["east", "west"])];
    let staff = vec![
        column("name", Kind::Text, &["Anna", "Bert"]),
        column("salary", Kind::Integer, &[]),
        column("wing", Kind::Text, &["east", "west"]),
    ];
    let schema = Schema { tables: vec![table("rooms", rooms), table("staff", staff)], keys: Vec::new() };
    for question in ["Which is the warmest wing of rooms?", "10 slowest wings of rooms", "Who has the highest salary?"]
    {
        let asked = ask_with(&schema, &Glossary::default(), question);
        if let Outcome::Answer(reading) = asked.outcome {
            assert!(reading.sql.contains("ORDER BY salary DESC"), "{question}: {}", reading.sql);
        }
    }
}
