#![no_main]
//! Any bytes come out as they went in.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::formats::nginx::{Directive, Document};

/// Lines do not go back, and none is behind the file's end.
fn lines(directives: &[Directive], mut least: usize, most: usize) -> usize {
    for directive in directives {
        assert!((least..=most).contains(&directive.line), "line {} of {least} to {most}", directive.line);
        least = lines(directive.block.as_deref().unwrap_or_default(), directive.line, most);
    }
    least
}

fuzz_target!(|bytes: &[u8]| {
    let doc = Document::parse(bytes);
    assert_eq!(doc.to_bytes(), bytes);
    let most = bytes.iter().filter(|b| **b == b'\n').count() + 1;
    lines(doc.directives(), 1, most);
    assert!(doc.problem().is_none_or(|p| (1..=most).contains(&p.line) && p.column > 0));
    doc.find("server").iter().for_each(|d| drop(d.find("listen")));
});
