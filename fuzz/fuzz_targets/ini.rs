#![no_main]
//! Any bytes come out as they went in, and an edit that is taken reads back, now and from the file.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::{formats::ini::Document, value};

fuzz_target!(|bytes: &[u8]| {
    let mut doc = Document::parse(bytes);
    assert_eq!(doc.to_bytes(), bytes);
    doc.problems().for_each(drop);
    doc.includes().for_each(drop);
    let value = value(bytes);
    let last = doc.entries().last().map(|e| (e.section.to_owned(), e.key.to_owned()));
    for (section, key) in last.into_iter().chain([("pgbouncer".to_owned(), value.clone())]) {
        if doc.set(&section, &key, &value, &["why".to_owned()]).is_ok() {
            // Keys before the first section belong to none, which no edit can name.
            assert!(section.is_empty() || doc.get(&section, &key) == Some(value.as_str()));
            assert_eq!(Document::parse(&doc.to_bytes()), doc);
        }
    }
});
