#![no_main]
//! Any bytes come out as they went in, and an edit that is taken reads back, now and from the file.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::{formats::postgresql_conf::Document, value};

fuzz_target!(|bytes: &[u8]| {
    let mut doc = Document::parse(bytes);
    assert_eq!(doc.to_bytes(), bytes);
    doc.problems().for_each(drop);
    let Some(name) = doc.entries().last().map(|e| e.name.to_owned()) else { return };
    let value = value(bytes);
    if doc.set(&name, &value).is_ok() {
        assert_eq!(doc.get(&name), Some(value.as_str()));
        assert_eq!(Document::parse(&doc.to_bytes()), doc);
    }
});
