//! Our parsers beside augeas' lenses, on the files as Debian ships them, and on the same files with every setting that
//! stands in a comment switched on. A lens that reads less than the file's own server does is named with what it lacks.

use crate::support::{program, servers};
use llmsql::formats::nginx::Directive;
use llmsql::formats::{ini, limits, nginx, pg_hba, postgresql_conf, sysctl};
use std::fs;

/// A path of names below the file, `/` between them, and the value there; in the file's order.
type Settings = Vec<(String, String)>;

/// What the lens makes of the text; the lens' own error where it cannot read it.
fn lens(lens: &str, text: &str) -> Result<Settings, String> {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), text).unwrap();
    let script = root.path().join("script");
    let load = format!("set /augeas/load/It/lens {lens}\nset /augeas/load/It/incl /file\nload\n");
    fs::write(&script, load + "print /augeas//error\nprint /files/file\n").unwrap();
    let mut augtool = program("augtool");
    let run = augtool.arg("--noautoload").arg("--root").arg(root.path()).arg("--file").arg(&script).output().unwrap();
    let out = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success() && run.stderr.is_empty(), "augtool: {out}{}", String::from_utf8_lossy(&run.stderr));
    if out.contains("/augeas/files/file/error") || !out.contains("/files/file") {
        return Err(out);
    }
    let mut settings = Settings::new();
    for line in out.lines().filter_map(|line| line.strip_prefix("/files/file/")) {
        let (path, value) = line.split_once(" = ").map_or((line, ""), |(path, value)| (path, value));
        // `name[2]` is the second of its name.
        let parts: Vec<&str> = path.split('/').map(|part| part.split('[').next().unwrap_or_default()).collect();
        if !parts.contains(&"#comment") {
            settings.push((parts.join("/"), unquoted(value)));
        }
    }
    Ok(settings)
}

/// A value without the quotes and escapes that augtool prints it with.
fn unquoted(printed: &str) -> String {
    let mut out = String::new();
    let mut chars = printed.strip_prefix('"').and_then(|p| p.strip_suffix('"')).unwrap_or_default().chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|c| if c == 't' { '\t' } else { c })),
            c => out.push(c),
        }
    }
    out
}

/// A file as Debian ships it.
fn shipped(name: &str) -> String {
    let path = servers().join("shipped").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}: run tools/test-servers", path.display()))
}

/// The text with those comments switched on that hold a setting.
fn switched_on(text: &str, setting: impl Fn(&str) -> bool) -> String {
    let line = |line: &str| match line.trim_start().strip_prefix(['#', ';']) {
        Some(inner) if setting(inner) => inner.to_owned() + "\n",
        _ => line.to_owned() + "\n",
    };
    text.lines().map(line).collect()
}

/// Compares, and wants at least so many settings, that a comparison of nothing with nothing does not pass.
#[track_caller]
fn agree(what: &str, ours: &Settings, name: &str, text: &str, least: usize) {
    let theirs = lens(name, text).unwrap_or_else(|e| panic!("{what}: the lens {name} cannot read it:\n{e}"));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{what}: ours, and what the lens {name} reads");
    }
    assert_eq!(ours.len(), theirs.len(), "{what}: ours {ours:?}\n, and what the lens {name} reads: {theirs:?}");
    assert!(ours.len() >= least, "{what} has only {} settings", ours.len());
}

fn word(text: &str, more: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

/// Whether a comment is `name = value`, with no blank before the name.
fn is_assignment(comment: &str, more: &str) -> bool {
    comment.split_once('=').is_some_and(|(name, _)| word(name.strip_suffix(' ').unwrap_or(name), more))
}

#[test]
fn postgresql_conf() {
    let text = shipped("postgresql.conf.sample");
    let on = switched_on(&text, |c| is_assignment(c, "_"));
    for (text, least) in [(text, 0), (on, 300)] {
        let doc = postgresql_conf::Document::parse(text.as_bytes());
        assert_eq!(doc.problems().collect::<Vec<_>>(), []);
        let ours = doc.entries().map(|e| (e.name.to_owned(), e.value.to_owned())).collect();
        agree("postgresql.conf", &ours, "Postgresql.lns", &text, least);
    }
}

#[test]
fn pgbouncer_ini() {
    let text = shipped("pgbouncer/pgbouncer.ini");
    let on = switched_on(&text, |c| is_assignment(c, "_*"));
    for (text, least) in [(text, 10), (on, 80)] {
        let doc = ini::Document::parse(text.as_bytes());
        assert_eq!(doc.problems().collect::<Vec<_>>(), []);
        let mut ours = Settings::new();
        // Sections that are empty are nodes of the lens too.
        let mut entries = doc.entries().peekable();
        for section in ["databases", "users", "pgbouncer"] {
            ours.push((section.to_owned(), String::new()));
            while let Some(e) = entries.next_if(|e| e.section == section) {
                ours.push((format!("{section}/{}", e.key), e.value.to_owned()));
            }
        }
        assert_eq!(entries.next(), None);
        agree("pgbouncer.ini", &ours, "Pgbouncer.lns", &text, least);
    }
}

#[test]
fn sysctl_conf() {
    let text = shipped("sysctl.conf");
    let on = switched_on(&text, |c| is_assignment(c, "_."));
    for (text, least) in [(text, 0), (on, 14)] {
        let doc = sysctl::Document::parse(text.as_bytes());
        assert_eq!(doc.problems().collect::<Vec<_>>(), []);
        let ours = doc.entries().map(|e| (e.key.to_owned(), e.value.to_owned())).collect();
        agree("sysctl.conf", &ours, "Sysctl.lns", &text, least);
    }
}

#[test]
fn limits_conf() {
    let text = shipped("security/limits.conf");
    let on = switched_on(&text, |c| {
        matches!(c.split_whitespace().collect::<Vec<_>>()[..], [_, "soft" | "hard" | "-", _, _])
    });
    for (text, least) in [(text, 0), (on, 36)] {
        let doc = limits::Document::parse(text.as_bytes());
        assert_eq!(doc.problems().collect::<Vec<_>>(), []);
        let mut ours = Settings::new();
        for e in doc.entries() {
            ours.push(("domain".to_owned(), e.domain.to_owned()));
            for (name, value) in [("type", e.kind.written()), ("item", e.item), ("value", e.value)] {
                ours.push((format!("domain/{name}"), value.to_owned()));
            }
        }
        agree("limits.conf", &ours, "Limits.lns", &text, least);
    }
}

#[test]
fn pg_hba_conf() {
    // What initdb makes of the sample.
    let text = shipped("pg_hba.conf.sample")
        .replace("@remove-line-for-nolocal@", "")
        .replace("@authcomment@", "")
        .replace("@authmethodlocal@", "peer")
        .replace("@authmethodhost@", "scram-sha-256");
    let more = "local shop,stock ada,+staff md5\nhostssl all all 10.0.0.0 255.0.0.0 reject\nhostnossl a b .example.org trust\n";
    for (text, least) in [(text.clone(), 30), (text + more, 45)] {
        let doc = pg_hba::Document::parse(text.as_bytes());
        assert_eq!(doc.problems().collect::<Vec<_>>(), []);
        let mut ours = Settings::new();
        for (at, entry) in doc.rules().enumerate() {
            let mut push = |name: &str, value: &str| ours.push((format!("{}{name}", at + 1), value.to_owned()));
            push("", "");
            push("/type", entry.rule.kind.written());
            entry.rule.databases.iter().for_each(|w| push("/database", &w.text));
            entry.rule.roles.iter().for_each(|w| push("/user", &w.text));
            if let Some(address) = &entry.rule.address {
                // The lens keeps a mask with its address.
                let mask = entry.rule.mask.as_ref().map(|mask| format!(" {mask}")).unwrap_or_default();
                push("/address", &(address.text.clone() + &mask));
            }
            push("/method", &entry.rule.method);
        }
        agree("pg_hba.conf", &ours, "Pg_Hba.lns", &text, least);
    }
}

fn directives(list: &[Directive], above: &str, out: &mut Settings) {
    for directive in list {
        let path = format!("{above}{}", directive.name);
        out.push((path.clone(), directive.arguments.join(" ")));
        directives(directive.block.as_deref().unwrap_or_default(), &format!("{path}/"), out);
    }
}

/// The lens' tree as [`directives`] makes it: the arguments of a block are children of it (`#uri`), and arguments keep
/// their quotes and the blanks between them.
fn as_directives(tree: Settings) -> Settings {
    let mut out = Settings::new();
    for (path, value) in tree {
        let value = value.replace(['"', '\''], "").split_whitespace().collect::<Vec<_>>().join(" ");
        match (path.rsplit('/').next(), out.last_mut()) {
            (Some(name), Some((_, arguments))) if name.starts_with('#') => {
                *arguments = format!("{arguments} {value}").trim().to_owned();
            }
            _ => out.push((path, value)),
        }
    }
    out
}

#[test]
fn nginx_conf() {
    let files = "nginx.conf sites-available/default fastcgi.conf fastcgi_params proxy_params scgi_params uwsgi_params \
        snippets/fastcgi-php.conf snippets/snakeoil.conf";
    let mut compared = 0;
    for file in files.split_whitespace() {
        let text = shipped(&format!("nginx/{file}"));
        let on = switched_on(&text, |c| {
            let name = c.split_whitespace().next().unwrap_or_default();
            c.trim() == "}" || c.ends_with([';', '{']) && word(name, "_")
        });
        for text in [text, on] {
            let doc = nginx::Document::parse(text.as_bytes());
            assert_eq!(doc.problem(), None, "{file}");
            let mut ours = Settings::new();
            directives(doc.directives(), "", &mut ours);
            let theirs = lens("Nginx.lns", &text).unwrap_or_else(|e| panic!("{file}: {e}"));
            let plain = |(path, value): (String, String)| (path, value.replace(['"', '\''], ""));
            assert_eq!(ours.into_iter().map(plain).collect::<Settings>(), as_directives(theirs), "{file}");
            compared += doc.directives().len();
        }
    }
    assert!(compared >= 150, "only {compared} directives are compared");
    // A map's keys are words of any kind for nginx; the lens knows names of directives only.
    for (file, of) in [("mime.types", "types"), ("koi-utf", "charset_map")] {
        let text = shipped(&format!("nginx/{file}"));
        assert!(lens("Nginx.lns", &text).is_err(), "the lens can read {file} by now: compare it");
        let doc = nginx::Document::parse(text.as_bytes());
        assert_eq!((doc.problem(), doc.directives().len()), (None, 1), "{file}");
        let map = &doc.find(of)[0];
        let rows = text.lines().filter_map(|line| line.split('#').next()).filter(|line| line.contains(';')).count();
        assert!(map.block.as_ref().is_some_and(|block| block.len() == rows), "{file}");
    }
}
