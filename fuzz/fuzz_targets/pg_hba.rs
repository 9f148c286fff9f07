#![no_main]
//! Any bytes come out as they went in, and an edit that is taken reads back, now and from the file.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::formats::pg_hba::{Document, Kind};

fuzz_target!(|bytes: &[u8]| {
    let mut doc = Document::parse(bytes);
    assert_eq!(doc.to_bytes(), bytes);
    doc.problems().for_each(drop);
    doc.includes().for_each(drop);
    let rules = doc.rules().count();
    doc.rewrite(|e| ((e.rule.kind == Kind::Host).then_some(Kind::HostSsl), Some("reject")));
    let again = Document::parse(&doc.to_bytes());
    assert_eq!(again, doc);
    assert_eq!(again.rules().count(), rules);
    assert!(again.rules().all(|e| e.rule.method == "reject" && e.rule.kind != Kind::Host));
});
