#![no_main]
//! Any bytes come out as they went in, and an edit that is taken reads back, now and from the file.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::{formats::limits::Document, value};

fuzz_target!(|bytes: &[u8]| {
    let mut doc = Document::parse(bytes);
    assert_eq!(doc.to_bytes(), bytes);
    doc.problems().for_each(drop);
    let Some((domain, kind, item)) = doc.entries().last().map(|e| (e.domain.to_owned(), e.kind, e.item.to_owned()))
    else {
        return;
    };
    for value in [value(bytes), "65536".to_owned()] {
        if doc.set(&domain, kind, &item, &value).is_ok() {
            assert_eq!(doc.get(&domain, kind, &item), Some(value.as_str()));
            assert_eq!(Document::parse(&doc.to_bytes()), doc);
        }
    }
});
