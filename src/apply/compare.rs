//! Whether two versions of a file say the same, and what each sets.

use crate::formats::nginx::Directive;
use crate::formats::{ini, limits, nginx, postgresql_conf, sysctl};
use crate::render::files::Syntax;

/// The settings of a file, by the names the plan gives them, in order; empty for a language without any.
#[must_use]
pub fn settings(syntax: Syntax, bytes: &[u8]) -> Vec<(String, String)> {
    match syntax {
        Syntax::PostgreSql => {
            let doc = postgresql_conf::Document::parse(bytes);
            doc.entries().map(|e| (e.name.to_ascii_lowercase(), e.value.to_owned())).collect()
        }
        Syntax::Ini => {
            let doc = ini::Document::parse(bytes);
            let name = |e: &ini::Entry<'_>| match e.section {
                "pgbouncer" => e.key.to_owned(),
                section => format!("{section}.{}", e.key),
            };
            doc.entries().map(|e| (name(&e), e.value.to_owned())).collect()
        }
        Syntax::Sysctl => {
            sysctl::Document::parse(bytes).entries().map(|e| (e.key.to_owned(), e.value.to_owned())).collect()
        }
        Syntax::Limits => {
            let doc = limits::Document::parse(bytes);
            // The plan sets soft and hard alike.
            let ours = doc.entries().filter(|e| e.kind != limits::Kind::Soft);
            ours.map(|e| (format!("{}.{}", e.domain, e.item), e.value.to_owned())).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether two versions of a file differ in comments and blanks at most, so that nothing has to be done.
#[must_use]
pub fn same(syntax: Syntax, a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    match syntax {
        Syntax::PostgreSql | Syntax::Ini | Syntax::Sysctl => settings(syntax, a) == settings(syntax, b),
        Syntax::Nginx => {
            let (a, b) = (nginx::Document::parse(a), nginx::Document::parse(b));
            a.problem().is_none() && b.problem().is_none() && alike(a.directives(), b.directives())
        }
        Syntax::Yaml => yaml(a).is_some_and(|a| yaml(b) == Some(a)),
        _ => bare(a).eq(bare(b)),
    }
}

fn yaml(bytes: &[u8]) -> Option<serde_yaml::Value> {
    serde_yaml::from_slice(bytes).ok()
}

fn alike(a: &[Directive], b: &[Directive]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.name == b.name
                && a.arguments == b.arguments
                && match (&a.block, &b.block) {
                    (Some(a), Some(b)) => alike(a, b),
                    (None, None) => true,
                    _ => false,
                }
        })
}

/// The lines that are neither blank nor a comment.
fn bare(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let comment = |line: &&[u8]| line.is_empty() || [&b"#"[..], b";", b"--"].iter().any(|mark| line.starts_with(mark));
    bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end).filter(move |line| !comment(&line.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_make_no_difference_and_values_do() {
        for (syntax, a, b, c) in [
            (Syntax::PostgreSql, "# x\nwork_mem = 4MB\n", "work_mem 4MB\n", "work_mem = 5MB\n"),
            (Syntax::Ini, "[pgbouncer]\n; x\na = 1\n", "[pgbouncer]\na=1\n", "[pgbouncer]\na=2\n"),
            (Syntax::Sysctl, "# x\nvm.swappiness=1\n", "vm.swappiness = 1\n", "vm.swappiness = 2\n"),
            (Syntax::Limits, "# x\n* - nofile 1\n", "* - nofile 1\n", "* - nofile 2\n"),
            (Syntax::Nginx, "# x\nhttp { a 1; }", "http {\n a 1;\n}\n", "http { a 1; b; }"),
            (Syntax::Yaml, "# x\na: 1\n", "a:   1\n", "a: 2\n"),
        ] {
            assert!(same(syntax, a.as_bytes(), b.as_bytes()), "{a}");
            assert!(!same(syntax, a.as_bytes(), c.as_bytes()), "{a}");
        }
    }
}
