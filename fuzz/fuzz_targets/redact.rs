#![no_main]
//! Whatever is taken out of a file comes back into it.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::formats::redact::{fingerprint, redact, restore};

fuzz_target!(|bytes: &[u8]| {
    let (stored, _) = redact(bytes);
    assert_eq!(redact(&stored).0, stored, "what is redacted stays as it is");
    assert_eq!(restore(&stored, bytes).as_deref(), Some(bytes), "every secret comes back");
    assert_eq!(fingerprint(bytes), fingerprint(&stored));
});
