//! Changing one key of the operator's file, every other byte kept.
//!
//! The parser tells where keys and values stand; the change is made in the text itself. Writing the parsed document
//! back would be simpler, but it takes a key's comments along when the key goes and turns CRLF into LF.

use super::config::{Document, raw};
use super::input::{self, Raw};
use super::keys;
use crate::error::{Error, Result};
use crate::units;
use crate::value::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use toml_edit::{Array, Item, TableLike, Value as Toml};

/// The file's text with the key set to a value, given as text; the value written, as TOML.
///
/// # Errors
/// A key that cannot be configured, a value it does not take, a file that is not valid afterwards.
pub fn set(document: &Document, key: &str, text: &str) -> Result<(String, String)> {
    let written = match keys::lookup(key) {
        Some(kind) => {
            let value =
                input::read_text(kind, text).map_err(|message| Error::usage("config.value", message).at(key))?;
            toml(&value).to_string()
        }
        None if keys::in_section(key) => free(text),
        None => return Err(unknown(key)),
    };
    let old = document.text();
    let leaves = leaves(document);
    let new = match leaves.iter().find(|l| l.name == key) {
        Some(Leaf { value: Some(span), .. }) => splice(old, span.clone(), &written),
        Some(leaf) => {
            let (what, place) = ("is written as a table here", document.place(leaf.key.clone()));
            return Err(Error::usage("config.invalid", format!("{key} {what}")).at(place));
        }
        None => insert(document, &leaves, key, &written),
    };
    checked(document, new, key, true).map(|new| (new, written))
}

/// A value of a table whose keys are another module's: what reads as a switch, a number, a list or a quoted text is one,
/// anything else is a text.
fn free(text: &str) -> String {
    match text.trim().parse::<Toml>() {
        Ok(Toml::Boolean(_) | Toml::Integer(_) | Toml::Float(_) | Toml::Array(_) | Toml::String(_)) => {
            text.trim().to_owned()
        }
        _ => Toml::from(text).to_string(),
    }
}

/// The value of a key as the file has it, and where: for tables whose keys are another module's.
#[must_use]
pub fn written(document: &Document, key: &str) -> Option<(String, String)> {
    let leaf = leaves(document).into_iter().find(|l| l.name == key)?;
    let value = document.text().get(leaf.value?)?.to_owned();
    Some((value, document.place(leaf.key)))
}

/// The file's text without the key; `None` where the file does not set it. A key that is not known may go too.
///
/// # Errors
/// A file that is not valid afterwards.
pub fn unset(document: &Document, key: &str) -> Result<Option<String>> {
    let leaves = leaves(document);
    let Some(at) = leaves.iter().position(|l| l.name == key) else { return Ok(None) };
    let old = document.text();
    let Some(Leaf { key: Some(name), value: Some(value), inline, .. }) = leaves.get(at) else {
        return Err(Error::usage("config.invalid", format!("{key} is written as a table: remove it by hand"))
            .at(document.path().display()));
    };
    let neighbour =
        |i: Option<usize>| i.and_then(|i| leaves.get(i)).filter(|l| inline.is_some() && l.inline == *inline);
    let range = match (inline, neighbour(at.checked_sub(1)), neighbour(at.checked_add(1))) {
        (None, ..) => line_start(old, name.start)..line_end(old, value.end),
        (Some(_), Some(Leaf { value: Some(previous), .. }), _) => previous.end..value.end,
        (Some(_), _, Some(Leaf { key: Some(next), .. })) => name.start..next.start,
        (Some(_), ..) => name.start..value.end,
    };
    checked(document, splice(old, range, ""), key, false).map(Some)
}

/// The error for a key that cannot be configured.
#[must_use]
pub fn unknown(key: &str) -> Error {
    Error::usage("config.unknown_key", input::unknown_key(key))
        .next("`llmsql config list --all` shows every key with what it takes and what it is for")
}

/// A value as TOML. Sizes and durations are texts with their unit.
fn toml(value: &Value) -> Toml {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Int(i) => (*i).into(),
        Value::Float(f) => (*f).into(),
        Value::Bytes(b) => units::format_bytes(*b).into(),
        Value::Millis(ms) => units::format_millis(*ms).into(),
        Value::Text(t) => t.as_str().into(),
        Value::List(items) => Toml::Array(items.iter().collect::<Array>()),
    }
}

/// Something the file sets.
#[derive(Debug, Clone)]
struct Leaf {
    name: String,
    key: Option<Range<usize>>,
    /// Where the value stands; `None` for an array of tables.
    value: Option<Range<usize>>,
    /// Where the inline table stands that it is a member of.
    inline: Option<Range<usize>>,
    raw: Raw,
}

/// Everything the file sets, in the order of its tables.
fn leaves(document: &Document) -> Vec<Leaf> {
    fn walk(prefix: &str, table: &dyn TableLike, inline: Option<&Range<usize>>, out: &mut Vec<Leaf>) {
        for (name, item) in table.iter() {
            let full = join(prefix, name);
            match item.as_table_like() {
                Some(inner) => {
                    let own = item.as_inline_table().filter(|t| !t.is_dotted()).and_then(toml_edit::InlineTable::span);
                    walk(&full, inner, own.as_ref().or(inline), out);
                }
                None => out.push(Leaf {
                    name: full,
                    key: table.get_key_value(name).and_then(|(key, _)| key.span()),
                    value: item.as_value().and_then(Toml::span),
                    inline: inline.cloned(),
                    raw: raw(item),
                }),
            }
        }
    }
    let mut out = Vec::new();
    walk("", document.root(), None, &mut out);
    out
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The table an unset key belongs into: the deepest one the file has.
struct Home<'a> {
    item: &'a Item,
    /// Its full name.
    name: String,
    /// How much of the key's name is left.
    rest: String,
    /// The part of its name that stands before each of its keys, since it has no header of its own.
    dotted: Vec<String>,
}

fn home<'a>(table: &'a dyn TableLike, name: &str, dotted: &[String], rest: &str) -> Option<Home<'a>> {
    table.iter().find_map(|(part, item)| {
        let inner = item.as_table_like()?;
        let rest = rest.strip_prefix(part)?.strip_prefix('.')?;
        let full = join(name, part);
        let mut path = dotted.to_vec();
        if inner.is_dotted() {
            path.push(part.to_owned());
        } else {
            path.clear();
        }
        home(inner, &full, &path, rest).or_else(|| Some(Home { item, name: full, rest: rest.to_owned(), dotted: path }))
    })
}

/// The text with a line for a key that it does not set yet.
fn insert(document: &Document, leaves: &[Leaf], key: &str, written: &str) -> String {
    let old = document.text();
    let eol = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let quoted = |name: &str| toml_edit::Key::new(name).default_repr().as_raw().as_str().unwrap_or(name).to_owned();
    // The name of a setting has dots of its own (kernel.vm.swappiness); those of a module's table lead to tables.
    let name_of = |rest: &str| match keys::lookup(key) {
        Some(_) => quoted(rest),
        None => rest.split('.').map(quoted).collect::<Vec<_>>().join("."),
    };
    let home = home(document.root(), "", &[], key);
    let in_table = |home: &Home<'_>| {
        let prefix = format!("{}.", home.name);
        // A table's own lines: not those of its sub-tables with a header of their own, which stand further down.
        let sub_tables: Vec<String> = headers(document.root(), "", &home.name);
        let own = leaves.iter().filter(|l| {
            l.name.starts_with(&prefix) && !sub_tables.iter().any(|s| l.name.starts_with(&format!("{s}.")))
        });
        own.filter_map(|l| l.inline.clone().or_else(|| l.value.clone())).map(|s| s.end).max()
    };
    if let Some(home) = &home {
        let name: Vec<String> = home.dotted.iter().map(|p| quoted(p)).chain([name_of(&home.rest)]).collect();
        let line = format!("{} = {written}", name.join("."));
        if let Some(inline) =
            home.item.as_inline_table().filter(|t| !t.is_dotted()).and_then(toml_edit::InlineTable::span)
        {
            let last = leaves
                .iter()
                .filter(|l| l.inline.as_ref() == Some(&inline))
                .filter_map(|l| l.value.clone())
                .map(|s| s.end)
                .max();
            return match last {
                Some(end) => splice(old, end..end, &format!(", {line}")),
                None => splice(old, inline, &format!("{{ {line} }}")),
            };
        }
        let implicit = home.item.as_table().is_some_and(|t| t.is_implicit() && !t.is_dotted());
        let after = in_table(home).or_else(|| home.item.span().map(|s| s.end)).filter(|_| !implicit);
        if let Some(after) = after {
            let at = line_end(old, after);
            let before = if old.get(..at).is_some_and(|t| t.ends_with('\n')) { "" } else { eol };
            return splice(old, at..at, &format!("{before}{line}{eol}"));
        }
    }
    let (table, rest) = key.split_once('.').unwrap_or((key, ""));
    let start = if old.is_empty() {
        String::new()
    } else if old.ends_with('\n') {
        eol.to_owned()
    } else {
        eol.repeat(2)
    };
    format!("{old}{start}[{}]{eol}{} = {written}{eol}", quoted(table), name_of(rest))
}

/// The tables below `under` that have a header of their own.
fn headers(table: &dyn TableLike, name: &str, under: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (part, item) in table.iter() {
        let full = join(name, part);
        if let Some(inner) = item.as_table() {
            let below = full.strip_prefix(under).is_some_and(|rest| rest.starts_with('.'));
            if below && !inner.is_dotted() {
                out.push(full.clone());
            }
            out.extend(headers(inner, &full, under));
        }
    }
    out
}

/// The new text, if it is valid and differs from the old in nothing but the key.
fn checked(document: &Document, new: String, key: &str, set: bool) -> Result<String> {
    let after = Document::parse(document.path(), document.shown(), new)?;
    let others = |d: &Document| -> BTreeMap<String, Raw> {
        leaves(d).into_iter().filter(|l| l.name != key).map(|l| (l.name, l.raw)).collect()
    };
    let has = leaves(&after).iter().any(|l| l.name == key);
    if has != set || others(document) != others(&after) {
        return Err(Error::failed("config.edit", format!("{key} cannot be changed without touching other keys"))
            .at(document.path().display())
            .next("change the file with an editor"));
    }
    after.settings().map_err(|e| e.next("mend the rest of the file first; nothing was written"))?;
    Ok(after.text().to_owned())
}

fn splice(text: &str, range: Range<usize>, with: &str) -> String {
    let (before, after) = (text.get(..range.start).unwrap_or_default(), text.get(range.end..).unwrap_or_default());
    format!("{before}{with}{after}")
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1)
}

/// Just behind the line's end.
fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|t| t.find('\n')).map_or(text.len(), |i| at + i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn document(text: &str) -> Document {
        Document::parse(Path::new("llmsql.toml"), "llmsql.toml", text.to_owned()).unwrap()
    }

    fn set_in(text: &str, key: &str, value: &str) -> String {
        set(&document(text), key, value).unwrap().0
    }

    fn unset_in(text: &str, key: &str) -> String {
        unset(&document(text), key).unwrap().unwrap()
    }

    #[test]
    fn a_value_is_replaced_where_it_stands() {
        let text = "# top\r\n[host]   # here\r\nram  =  '1GB' # DIMMs\r\n\tcpus=2\r\n";
        assert_eq!(set_in(text, "host.ram", "64 GiB"), text.replace("'1GB'", "\"64GB\""));
        assert_eq!(set_in(text, "host.cpus", "16"), text.replace("=2", "=16"));
        let list = "[host]\ncomponents = [\n  \"nginx\", # edge\n]\n# end";
        assert_eq!(set_in(list, "host.components", "api, nginx"), "[host]\ncomponents = [\"api\", \"nginx\"]\n# end");
    }

    #[test]
    fn a_new_key_goes_to_the_end_of_its_table() {
        assert_eq!(set_in("", "host.ram", "1GB"), "[host]\nram = \"1GB\"\n");
        assert_eq!(set_in("# c", "host.ram", "1GB"), "# c\n\n[host]\nram = \"1GB\"\n");
        assert_eq!(
            set_in("[host]\nram = \"1GB\" # a\n\n# about plans\n[plan]\n", "host.cpus", "2"),
            "[host]\nram = \"1GB\" # a\ncpus = 2\n\n# about plans\n[plan]\n"
        );
        assert_eq!(set_in("[host] # a\n# b\n[plan]\n", "host.cpus", "2"), "[host] # a\ncpus = 2\n# b\n[plan]\n");
        assert_eq!(set_in("[host]", "host.cpus", "2"), "[host]\ncpus = 2\n");
        assert_eq!(
            set_in("host.ram = \"1GB\"\n[plan]\n", "host.cpus", "2"),
            "host.ram = \"1GB\"\nhost.cpus = 2\n[plan]\n"
        );
        assert_eq!(set_in("host = { ram = \"1GB\" }\n", "host.cpus", "2"), "host = { ram = \"1GB\", cpus = 2 }\n");
        assert_eq!(set_in("host = {}\n", "host.cpus", "2"), "host = { cpus = 2 }\n");
    }

    #[test]
    fn a_key_of_a_modules_table_is_written_as_what_it_reads_as() {
        for (text, toml) in [
            ("true", "true"),
            ("8", "8"),
            ("0.5", "0.5"),
            ("[\"a\", \"b\"]", "[\"a\", \"b\"]"),
            ("http://127.0.0.1:11434", "\"http://127.0.0.1:11434\""),
            ("30s", "\"30s\""),
            ("\"8\"", "\"8\""),
            ("2026-11-23", "\"2026-11-23\""),
        ] {
            assert_eq!(free(text), toml, "{text}");
        }
        let put = |old: &str, key: &str| insert(&document(old), &leaves(&document(old)), key, "1");
        assert_eq!(put("", "sources.shop.port"), "[sources]\nshop.port = 1\n");
        assert_eq!(put("[sources.shop]\nkind = 2\n", "sources.shop.port"), "[sources.shop]\nkind = 2\nport = 1\n");
    }

    #[test]
    fn a_name_with_dots_goes_where_its_neighbours_are() {
        let key = "kernel.vm.swappiness";
        assert_eq!(set_in("", key, "10"), "[kernel]\n\"vm.swappiness\" = 10\n");
        let other = "vm.overcommit_memory";
        assert_eq!(
            set_in(&format!("[kernel]\n\"{other}\" = 2\n"), key, "10"),
            format!("[kernel]\n\"{other}\" = 2\n\"vm.swappiness\" = 10\n")
        );
        assert_eq!(
            set_in("[kernel.vm]\novercommit_memory = 2\n", key, "10"),
            "[kernel.vm]\novercommit_memory = 2\nswappiness = 10\n"
        );
        assert_eq!(
            set_in("[kernel]\nvm.overcommit_memory = 2\n", key, "10"),
            "[kernel]\nvm.overcommit_memory = 2\nvm.swappiness = 10\n"
        );
        assert_eq!(
            set_in("[kernel.vm]\novercommit_memory = 2\n", "kernel.net.core.somaxconn", "99"),
            "[kernel.vm]\novercommit_memory = 2\n\n[kernel]\n\"net.core.somaxconn\" = 99\n"
        );
        assert_eq!(
            set_in("[kernel]\n[kernel.vm]\novercommit_memory = 2\n", "kernel.net.core.somaxconn", "99"),
            "[kernel]\n\"net.core.somaxconn\" = 99\n[kernel.vm]\novercommit_memory = 2\n"
        );
    }

    #[test]
    fn a_key_goes_with_its_line_and_the_comments_above_stay() {
        assert_eq!(unset_in("[host]\n# why\nram = \"1GB\" # now\ncpus = 2\n", "host.ram"), "[host]\n# why\ncpus = 2\n");
        assert_eq!(unset_in("[host]\nram = \"1GB\"", "host.ram"), "[host]\n");
        assert_eq!(unset_in("host = { ram = \"1GB\", cpus = 2 }", "host.ram"), "host = { cpus = 2 }");
        assert_eq!(unset_in("host = { ram = \"1GB\", cpus = 2 }", "host.cpus"), "host = { ram = \"1GB\" }");
        assert_eq!(unset_in("host = {ram = \"1GB\"}", "host.ram"), "host = {}");
        assert_eq!(unset_in("[host]\ncomponents = [\n'api',\n]\ncpus = 2\n", "host.components"), "[host]\ncpus = 2\n");
        assert_eq!(unset(&document("[host]\n"), "host.ram").unwrap(), None);
    }

    #[test]
    fn an_unknown_key_can_be_removed_but_not_set() {
        assert_eq!(unset_in("[host]\nrma = 1\ncpus = 2\n", "host.rma"), "[host]\ncpus = 2\n");
        let error = set(&document(""), "host.rma", "1GB").unwrap_err();
        assert_eq!(error.to_string(), "unknown key \"host.rma\"; the nearest is \"host.ram\"");
    }

    #[test]
    fn a_file_that_would_stay_invalid_is_not_written() {
        let broken = document("[host]\nrma = 1\n");
        let error = set(&broken, "host.ram", "1GB").unwrap_err();
        assert!(error.to_string().starts_with("llmsql.toml:2:1: unknown key \"host.rma\""), "{error}");
        assert!(set(&document("[host]\nram = 64\n"), "host.ram", "64GB").is_ok(), "mending is possible");
        assert!(set(&document("[host.ram]\nx = 1\n"), "host.ram", "1GB").is_err());
        assert!(set(&document("[[host]]\nram = \"1GB\"\n"), "host.ram", "1GB").is_err());
        assert!(set(&document("host = 1\n"), "host.ram", "1GB").is_err());
    }

    /// Files as people write them: comments, blank lines and spaces anywhere, tables in any order and form.
    fn files() -> impl Strategy<Value = String> {
        let comment = prop_oneof![Just(String::new()), "#[ -~é]{0,12}"];
        let space = prop_oneof![Just(""), Just(" "), Just("\t"), Just("   ")];
        let lines = prop::collection::vec(prop_oneof![Just(String::new()), "[ \t]{0,2}#[ -~ü]{0,15}"], 0..3);
        let entry = |name: &'static str, values: &'static [&'static str]| {
            (
                prop::option::of(prop::sample::select(values)),
                lines.clone(),
                space.clone(),
                space.clone(),
                comment.clone(),
            )
                .prop_map(move |(value, lines, a, b, comment)| match value {
                    Some(value) => {
                        let above: String = lines.iter().map(|l| format!("{l}\n")).collect();
                        format!("{above}{a}{name}{b}={a}{value}{b}{comment}\n")
                    }
                    None => lines.iter().map(|l| format!("{l}\n")).collect(),
                })
        };
        let host = (
            entry("ram", &["\"64GB\"", "'1.5 GiB'", "\"\"\"2GB\"\"\""]),
            entry("cpus", &["4", "1_000", "0x10"]),
            entry("components", &["[ 'api' ]", "[\"api\", # x\n 'nginx',\n]"]),
        );
        let kernel = (entry("\"vm.swappiness\"", &["10"]), entry("vm.overcommit_memory", &["2", "0"]));
        let plan = (entry("workload", &["'oltp'", "\"mixed\""]), entry("profile", &["\"small\"", "'''./x.yaml'''"]));
        (host, kernel, plan, lines.clone(), any::<bool>(), any::<bool>()).prop_map(|(h, k, p, end, first, crlf)| {
            let host = format!("[host]\n{}{}{}", h.0, h.1, h.2);
            let rest = format!("[kernel]\n{}{}[plan]\n{}{}", k.0, k.1, p.0, p.1);
            let end = end.join("\n");
            let text = if first { format!("{host}{rest}{end}") } else { format!("{rest}{host}{end}") };
            if crlf { text.replace('\n', "\r\n") } else { text }
        })
    }

    const CHANGES: &[(&str, &str)] = &[
        ("host.ram", "3GB"),
        ("host.cpus", "7"),
        ("host.disk", "nvme"),
        ("host.components", "duckdb"),
        ("plan.workload", "vector"),
        ("kernel.vm.swappiness", "1"),
        ("kernel.vm.overcommit_memory", "1"),
        ("pgbouncer.pools", "3"),
    ];

    proptest! {
        /// Apart from the value or line of the key, every byte stays, and other keys keep their values.
        #[test]
        fn only_what_is_asked_for_changes(text in files(), change in prop::sample::select(CHANGES)) {
            let before = document(&text);
            let (key, value) = change;
            let was = before.settings().unwrap();
            let new = set_in(&text, key, value);
            let now = document(&new).settings().unwrap();
            let prefix = text.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
            let suffix = text.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count();
            let gone = text.len().saturating_sub(prefix + suffix);
            prop_assert!(gone <= "[\"api\", # x\r\n 'nginx',\r\n]".len(), "{gone} bytes are gone:\n{text}\n->\n{new}");
            let at_key = text.get(prefix..text.len().saturating_sub(suffix)).unwrap_or_default();
            if was.contains_key(key) && key != "host.components" {
                prop_assert!(!at_key.contains(['#', '\n']), "{at_key}");
            } else if !was.contains_key(key) {
                prop_assert_eq!(gone, 0);
            }
            let values = |s: BTreeMap<String, super::super::Sourced>| -> BTreeMap<String, Value> {
                s.into_iter().filter(|(k, _)| k != key).map(|(k, v)| (k, v.value)).collect()
            };
            prop_assert!(now.contains_key(key));
            prop_assert_eq!(values(was.clone()), values(now));
            let without = unset(&document(&new), key).unwrap().unwrap();
            prop_assert!(!document(&without).settings().unwrap().contains_key(key));
            if !was.contains_key(key) && text.contains(&format!("[{}]", key.split('.').next().unwrap())) && text.ends_with('\n') {
                prop_assert_eq!(without, text);
            }
        }
    }
}
