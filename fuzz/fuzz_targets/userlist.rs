#![no_main]
//! Any bytes come out as they went in, and an edit that is taken reads back, now and from the file.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::{formats::userlist::Document, value};
use secrecy::ExposeSecret;

fuzz_target!(|bytes: &[u8]| {
    let mut doc = Document::parse(bytes);
    assert_eq!(doc.to_bytes(), bytes);
    doc.problems().for_each(drop);
    let value = value(bytes);
    let last = doc.roles().last().map(|(_, role)| role.to_owned());
    for role in last.into_iter().chain(["added".to_owned()]) {
        if doc.set(&role, &value.clone().into()).is_ok() {
            for doc in [&doc, &Document::parse(&doc.to_bytes())] {
                assert_eq!(doc.get(&role).map(|s| s.expose_secret().to_owned()).as_ref(), Some(&value));
            }
        }
    }
});
