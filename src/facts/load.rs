//! Facts from a file that `llmsql facts` wrote, on this host or another.

use super::Facts;
use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// The last part of a facts file; a file that was cut off lacks it.
const LAST: &str = "absent";

/// Reads facts as `llmsql facts --format json` or `--format yaml` wrote them.
///
/// # Errors
/// A file that cannot be read, is cut off, has a key or a type that facts do not have, or is of another version; with
/// line and column where there is one. Exit code 64.
pub fn load(path: &Path) -> Result<Facts> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::usage("facts.unreadable", "the facts cannot be read").at(path.display()).because(e).next(
            if path.to_string_lossy().starts_with('{') {
                "--facts takes the name of a file, not its content"
            } else {
                "write them with `llmsql facts --format json > FILE` on the host they are of"
            },
        )
    })?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Facts> {
    let wrong = |place: String, what: String| {
        Error::usage("facts.malformed", what)
            .at(place)
            .next("write the file anew with `llmsql facts --format json > FILE` on the host it is of")
    };
    let at = |line: usize, column: usize| format!("{}:{line}:{column}", path.display());
    let here = || path.display().to_string();
    let (facts, value): (Facts, Value) = if text.trim_start().starts_with('{') {
        let json = |e: serde_json::Error| {
            let what = e.to_string();
            let what = what.split(" at line ").next().unwrap_or(&what);
            let cut = if e.is_eof() { ": the file was cut off" } else { "" };
            wrong(at(e.line(), e.column()), format!("this is no facts file{cut}: {what}"))
        };
        (serde_json::from_str(text).map_err(json)?, serde_json::from_str(text).map_err(json)?)
    } else {
        let yaml = |e: serde_yaml::Error| {
            let place = e.location().map_or_else(here, |l| at(l.line(), l.column()));
            wrong(place, format!("this is no facts file: {e}"))
        };
        (serde_yaml::from_str(text).map_err(yaml)?, serde_yaml::from_str(text).map_err(yaml)?)
    };
    let Some(keys) = value.as_object() else {
        return Err(wrong(here(), "this is no facts file: there is nothing in it".to_owned()));
    };
    if keys.is_empty() {
        return Err(wrong(here(), "this is no facts file: there is nothing in it".to_owned()));
    }
    for key in ["schema", LAST] {
        if !keys.contains_key(key) {
            let last = at(text.lines().count().max(1), text.lines().last().map_or(0, str::len) + 1);
            return Err(wrong(last, format!("the file was cut off: it has no key \"{key}\"")));
        }
    }
    if facts.schema != Facts::SCHEMA {
        let what = format!("the facts are of version {}, this program reads version {}", facts.schema, Facts::SCHEMA);
        return Err(wrong(here(), what));
    }
    let known = serde_json::to_value(&facts).map_err(|e| wrong(here(), e.to_string()))?;
    if let Some(key) = unknown(&value, &known, "") {
        return Err(wrong(place_of(text, &key).map_or_else(here, |(l, c)| at(l, c)), format!("\"{key}\" is no fact")));
    }
    Ok(facts)
}

/// The first key of `value` that `known`, the same facts written by this program, does not have.
fn unknown(value: &Value, known: &Value, path: &str) -> Option<String> {
    match (value, known) {
        (Value::Object(value), Value::Object(known)) => value.iter().find_map(|(key, inner)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match known.get(key) {
                Some(known) => unknown(inner, known, &path),
                None => Some(path),
            }
        }),
        (Value::Array(value), Value::Array(known)) => {
            value.iter().zip(known).enumerate().find_map(|(n, (v, k))| unknown(v, k, &format!("{path}[{n}]")))
        }
        _ => None,
    }
}

/// Line and column of a key, if its last part stands in the text only once.
fn place_of(text: &str, path: &str) -> Option<(usize, usize)> {
    let key = path.rsplit('.').next()?;
    let mut places = text.lines().enumerate().filter_map(|(n, line)| {
        let rest = line.trim_start().trim_start_matches(['"', '-', ' ']);
        let after = rest.strip_prefix(key)?.trim_start_matches('"').trim_start();
        after.starts_with(':').then(|| (n + 1, line.len() - rest.len() + 1))
    });
    let place = places.next()?;
    places.next().is_none().then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Facts {
        let mut facts = Facts { schema: Facts::SCHEMA, hostname: Some("db1".to_owned()), ..Facts::default() };
        facts.memory.total_bytes = Some(64 << 30);
        facts.limits.nofile_hard = Some(u64::MAX);
        facts.cpu.quota = Some(1.5);
        facts.kernel.sysctl.insert("vm.swappiness".to_owned(), "60".to_owned());
        facts.absent.push(super::super::Absent { path: "cpu.model".to_owned(), reason: "unknown".to_owned() });
        facts
    }

    #[test]
    fn facts_come_back_from_both_forms() {
        let facts = sample();
        let json = serde_json::to_string_pretty(&facts).unwrap();
        let yaml = serde_yaml::to_string(&facts).unwrap();
        assert_eq!(parse(&json, Path::new("f")).unwrap(), facts);
        assert_eq!(parse(&yaml, Path::new("f")).unwrap(), facts);
    }

    #[test]
    fn a_key_that_is_no_fact_is_named_with_its_place() {
        let json = serde_json::to_string_pretty(&sample()).unwrap().replace("\"cores\"", "\"kores\"");
        let error = parse(&json, Path::new("host.json")).unwrap_err();
        assert_eq!(error.exit, crate::error::Exit::Usage);
        assert!(error.to_string().starts_with("host.json:7:"), "{error}");
        assert!(error.to_string().contains("\"cpu.kores\" is no fact"), "{error}");
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_is_an_error_with_its_place(cut in 0usize..1000) {
            let json = serde_json::to_string_pretty(&sample()).unwrap();
            let cut = cut % json.len();
            let error = parse(&json[..cut], Path::new("host.json")).unwrap_err();
            prop_assert!(error.place.unwrap().starts_with("host.json"));
        }
    }
}
