//! What queries find, measured on samples.

use super::Bench;
use crate::support::Postgres;

#[test]
fn recall_is_measured_whatever_the_rows_and_without_an_extension_that_samples() {
    let bench = Bench::on(Postgres::new(18));
    bench.add_docs(3000);
    // Of few pages a sample of pages is often empty; NULLs are not in the index, nor, under cosine, are zero vectors.
    bench.sql("CREATE TABLE odd (id int, v vector(16))");
    bench.sql(
        "INSERT INTO odd SELECT i, CASE i % 8 WHEN 0 THEN embedding WHEN 1 THEN array_fill(0, ARRAY[16])::vector END \
         FROM docs, generate_series(1, 8) i",
    );
    bench.sql("CREATE INDEX odd_idx ON odd USING ivfflat (v vector_cosine_ops) WITH (lists = 10); ANALYZE");
    for installed in [false, true] {
        if installed {
            bench.sql("CREATE EXTENSION tsm_system_rows");
        }
        for _ in 0..3 {
            let run = bench.index(&["recall", "--target", "0.9", "--format", "json"]).success().json();
            for index in run["indexes"].as_array().expect("a list") {
                assert_eq!(index["queries"], 50, "{index}");
                assert!(index["smallest"].as_u64().is_some_and(|probes| probes <= 10), "{index}");
            }
            assert_eq!(run["indexes"].as_array().map(Vec::len), Some(2), "{run}");
            let run = bench.index(&["rebuild", "--all", "--format", "json"]).success().json();
            for index in run["indexes"].as_array().expect("a list") {
                assert!(index["recall"].as_f64().is_some_and(|recall| recall > 0.5), "{index}");
            }
        }
    }
}

#[test]
fn a_swap_to_another_operator_class_is_measured_by_the_new_one() {
    let bench = Bench::with_docs("", 5000);
    let swap = ["rebuild", "docs_idx", "--method", "swap", "--opclass", "vector_cosine_ops", "--format", "json"];
    let run = bench.index(&swap).success().json();
    let outcome = &run["indexes"][0];
    assert!(outcome["recall"].as_f64().is_some_and(|recall| recall > 0.5), "{outcome}");
    assert!(outcome["notes"].to_string().contains("queries by <->"), "{outcome}");
    // The drift that was noted is that of the new index.
    bench.index(&["rebuild", "--all", "--if-needed"]).success();
    let plan = bench.index(&["plan", "--format", "json"]).success().json();
    let plan = &plan["plans"][0];
    let (now, noted) = (plan["drift"]["distance"].as_f64(), plan["index"]["note"]["distance"].as_f64());
    assert!(now.zip(noted).is_some_and(|(now, noted)| (0.8..1.25).contains(&(now / noted))), "{plan}");
}
