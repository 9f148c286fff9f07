//! A reader for each language of the files, stricter than what the program itself asks for.

use llmsql::formats::{dotenv, ini, limits, nginx, postgresql_conf, sysctl};
use llmsql::plan::{Plan, Severity};
use llmsql::render::{Ownership, RenderedFile};
use llmsql::units;
use proptest::prelude::*;
use serde_yaml::Value;
use std::collections::BTreeSet;

type Read = Result<(), TestCaseError>;

/// Reads a file by what its place says it is.
pub fn read(plan: &Plan, file: &RenderedFile, text: &str) -> Read {
    let (bytes, place) = (&file.bytes, file.target.as_str());
    let name = place.rsplit('/').next().unwrap_or_default();
    match name {
        "50-llmsql.conf" if place.contains("/systemd/") => unit(plan, text, place),
        _ if name.ends_with(".service") || name.ends_with(".timer") => unit(plan, text, place),
        "50-llmsql.conf" | "postgresql.conf" => {
            let read = postgresql_conf::Document::parse(bytes);
            prop_assert_eq!(read.problems().next(), None);
            prop_assert_eq!(&read.to_bytes(), bytes);
            if file.ownership == Ownership::Whole {
                once(place, read.entries().map(|e| e.name.to_owned()))?;
                reasons(text, place, "#")?;
            }
            Ok(())
        }
        "pgbouncer.ini" => {
            let read = ini::Document::parse(bytes);
            prop_assert_eq!(read.problems().next(), None);
            prop_assert_eq!(&read.to_bytes(), bytes);
            once(place, read.entries().map(|e| format!("{}.{}", e.section, e.key)))?;
            reasons(text, place, ";")
        }
        "99-llm-sql-tuning.conf" => {
            let read = sysctl::Document::parse(bytes);
            prop_assert_eq!(read.problems().next(), None);
            prop_assert_eq!(&read.to_bytes(), bytes);
            once(place, read.entries().map(|e| e.key.to_owned()))?;
            for entry in read.entries() {
                prop_assert!(entry.value.parse::<u64>().is_ok(), "{} = {}", entry.key, entry.value);
                let known = &plan.facts.kernel.sysctl;
                prop_assert!(known.is_empty() || known.contains_key(entry.key), "this kernel has no {}", entry.key);
            }
            reasons(text, place, "#")
        }
        "99-llm-sql.conf" => {
            let read = limits::Document::parse(bytes);
            prop_assert_eq!(read.problems().next(), None);
            prop_assert_eq!(&read.to_bytes(), bytes);
            once(place, read.entries().map(|e| format!("{} {:?} {}", e.domain, e.kind, e.item)))?;
            for entry in read.entries() {
                prop_assert!(entry.value.parse::<u32>().is_ok(), "{entry:?}");
            }
            reasons(text, place, "#")
        }
        "60-llmsql.rules" => {
            crate::devices::rules(text);
            reasons(text, place, "#")
        }
        "api.env" | ".env.example" => {
            let read = dotenv::Document::parse(bytes);
            prop_assert_eq!(read.problems().next(), None);
            prop_assert_eq!(&read.to_bytes(), bytes);
            once(place, read.names().map(|(_, name)| name.to_owned()))?;
            paragraphs(text, place)
        }
        "llmsql" => cron(text),
        "logging.yaml" => logging(&yaml(bytes)?),
        "docker-compose.resources.yml" | "docker-compose.security.yml" => compose(plan, &yaml(bytes)?),
        _ if name.ends_with(".sql") => sql(text, place),
        _ if place.starts_with("/etc/nginx/") => {
            let read = nginx::Document::parse(bytes);
            prop_assert_eq!(read.problem(), None);
            prop_assert_eq!(&read.to_bytes(), bytes);
            Ok(())
        }
        _ => Err(TestCaseError::fail(format!("no reader for {place}"))),
    }
}

fn yaml(bytes: &[u8]) -> Result<Value, TestCaseError> {
    serde_yaml::from_slice(bytes).map_err(|e| TestCaseError::fail(e.to_string()))
}

/// Nothing is said twice.
fn once(place: &str, names: impl Iterator<Item = String>) -> Read {
    let mut seen = BTreeSet::new();
    for name in names {
        prop_assert!(seen.insert(name.clone()), "{place} says {name} twice");
    }
    prop_assert!(!seen.is_empty(), "{place} says nothing");
    Ok(())
}

/// Each value stands right below its reason; a limit's hard line below its soft one.
fn reasons(text: &str, place: &str, mark: &str) -> Read {
    let mut before = "";
    for line in text.lines() {
        let value = !line.is_empty() && !line.starts_with(mark) && !line.starts_with('#') && !line.starts_with('[');
        let pair = line.contains(" hard ") && before == line.replacen(" hard ", " soft ", 1);
        prop_assert!(!value || before.starts_with(mark) || pair, "{place}: no reason above {line}");
        before = line;
    }
    Ok(())
}

/// Each paragraph of values begins with a comment.
fn paragraphs(text: &str, place: &str) -> Read {
    for paragraph in text.split("\n\n") {
        prop_assert!(paragraph.starts_with(['#', '-']), "{place}: {paragraph}");
    }
    Ok(())
}

/// systemd.syntax(7), with the names that our units use.
fn unit(plan: &Plan, text: &str, place: &str) -> Read {
    const KNOWN: &[(&str, &[&str])] = &[
        ("Unit", &["Description", "Documentation", "After", "Before", "DefaultDependencies", "ConditionPathExists"]),
        (
            "Service",
            &[
                "Type",
                "User",
                "EnvironmentFile",
                "ExecStart",
                "Nice",
                "IOSchedulingClass",
                "NoNewPrivileges",
                "ProtectHome",
                "PrivateTmp",
                "RemainAfterExit",
                "UMask",
                "LimitNOFILE",
                "LimitMEMLOCK",
                "MemoryHigh",
                "MemoryMax",
                "OOMScoreAdjust",
                "StateDirectory",
                "StateDirectoryMode",
                "Environment",
            ],
        ),
        ("Timer", &["OnCalendar", "RandomizedDelaySec", "Persistent"]),
        ("Install", &["WantedBy"]),
    ];
    let mut names: &[&str] = &[];
    let (mut high, mut max) = (0, u64::MAX);
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            names = KNOWN.iter().find(|(known, _)| *known == section).map(|(_, names)| *names).unwrap_or_default();
            prop_assert!(!names.is_empty(), "{place}: [{section}]");
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        prop_assert!(names.contains(&name) && !value.is_empty(), "{place}: {line}");
        match name {
            "LimitNOFILE" => prop_assert!(value.parse::<u32>().is_ok(), "{place}: {line}"),
            "MemoryHigh" => high = megabytes(plan, value)?,
            "MemoryMax" => max = megabytes(plan, value)?,
            "OOMScoreAdjust" => prop_assert!(value.parse::<i32>().is_ok_and(|v| (-1000..=1000).contains(&v)), "{line}"),
            "Environment" => prop_assert!(value.split(' ').all(|word| word.contains('=')), "{line}"),
            _ => {}
        }
    }
    prop_assert!(high < max || !fits(plan), "{place}: MemoryHigh {high}M, MemoryMax {max}M");
    Ok(())
}

/// A size as systemd and Docker write it.
fn megabytes(plan: &Plan, text: &str) -> Result<u64, TestCaseError> {
    // Where nothing fits, nothing is left for some; such a plan is refused before a file of it is written.
    if text == "0" && !fits(plan) {
        return Ok(0);
    }
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let factor = match unit {
        "M" => 1,
        "G" => 1024,
        "T" => 1024 * 1024,
        _ => return Err(TestCaseError::fail(format!("{text} is no size"))),
    };
    number.parse::<u64>().map(|n| n * factor).map_err(|_| TestCaseError::fail(format!("{text} is no size")))
}

/// crontab(5): one line of five times, a user and a command.
fn cron(text: &str) -> Read {
    let lines: Vec<&str> = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    prop_assert!(matches!(lines[..], [shell, path, _] if shell.starts_with("SHELL=/") && path.starts_with("PATH=/")));
    let words: Vec<&str> = lines[2].split(' ').collect();
    for (word, most) in words.iter().zip([59, 23, 31, 12, 7]) {
        prop_assert!(*word == "*" || word.parse::<u32>().is_ok_and(|n| n <= most), "{}", lines[2]);
    }
    prop_assert!(
        words.len() > 6 && words[5].chars().all(char::is_alphanumeric) && !lines[2].contains('%'),
        "{}",
        lines[2]
    );
    Ok(())
}

/// The statements of a file, by quotes and comments.
fn sql(text: &str, place: &str) -> Read {
    let bare: String = text.lines().filter(|l| !l.trim_start().starts_with("--")).map(|l| format!("{l}\n")).collect();
    let mut statements = vec![String::new()];
    let mut rest = bare.as_str();
    while let Some(first) = rest.chars().next() {
        let mark = ["$llmsql$", "'", "\""].into_iter().find(|mark| rest.starts_with(mark));
        let length = match mark {
            Some(mark) => match rest[mark.len()..].find(mark) {
                Some(end) => end + 2 * mark.len(),
                None => return Err(TestCaseError::fail(format!("{place}: {mark} does not end"))),
            },
            None => first.len_utf8(),
        };
        if first == ';' {
            statements.push(String::new());
        } else if let Some(statement) = statements.last_mut() {
            statement.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    let last = statements.pop().unwrap_or_default();
    prop_assert_eq!(last.trim(), "", "{} ends with a semicolon", place);
    prop_assert!(!statements.is_empty(), "{place}");
    let starts: &[&str] = match place.rsplit('/').next() {
        Some("settings.sql") => &["SET GLOBAL "],
        Some("pragmas.sql") => &["PRAGMA "],
        _ => &["BEGIN", "COMMIT", "SET LOCAL ", "REVOKE ", "DO $llmsql$"],
    };
    for statement in &statements {
        prop_assert!(starts.iter().any(|s| statement.trim_start().starts_with(s)), "{place}: {statement}");
    }
    if starts.len() == 1 { reasons(text, place, "--") } else { Ok(()) }
}

/// What logging.config.dictConfig asks for.
fn logging(value: &Value) -> Read {
    prop_assert_eq!(value["version"].as_u64(), Some(1));
    let chain = &value["formatters"]["chain"];
    let known = ["asctime", "levelname", "name", "process", "message"];
    let defaults = chain["defaults"].as_mapping().unwrap();
    let format = chain["fmt"].as_str().unwrap();
    let fields: Vec<&str> = format.split("%(").skip(1).filter_map(|f| f.split(')').next()).collect();
    for field in &fields {
        prop_assert!(known.contains(field) || defaults.contains_key(field), "{field} would fail without a request");
    }
    for field in ["correlation_id", "scheme", "message"] {
        prop_assert!(fields.contains(&field), "{format}");
    }
    let handlers = value["handlers"].as_mapping().unwrap();
    let loggers = value["loggers"].as_mapping().unwrap().values().chain([&value["root"]]);
    for logger in loggers {
        for handler in logger["handlers"].as_sequence().into_iter().flatten() {
            prop_assert!(handlers.contains_key(handler), "{handler:?}");
        }
    }
    Ok(())
}

/// The keys of compose that the files use, and limits that fit the host.
fn compose(plan: &Plan, value: &Value) -> Read {
    const SERVICE: &[&str] = &[
        "deploy",
        "ulimits",
        "shm_size",
        "volumes",
        "security_opt",
        "networks",
        "environment",
        "command",
        "image",
        "depends_on",
    ];
    let services = value["services"].as_mapping().unwrap();
    prop_assert!(!services.is_empty());
    let (mut total, mut cpus) = (0, 0.0_f64);
    for (name, service) in services {
        for key in service.as_mapping().unwrap().keys() {
            prop_assert!(SERVICE.contains(&key.as_str().unwrap()), "{key:?}");
        }
        let resources = &service["deploy"]["resources"];
        let Some(limit) = resources["limits"]["memory"].as_str() else { continue };
        let limit = megabytes(plan, limit)?;
        total += limit;
        if let Some(reserved) = resources["reservations"]["memory"].as_str() {
            prop_assert!(megabytes(plan, reserved)? <= limit || !fits(plan), "{name:?}");
        }
        let number = |of: &Value| of["cpus"].as_str().map_or(0.0, |c| c.parse::<f64>().unwrap());
        let (limits, reserved) = (number(&resources["limits"]), number(&resources["reservations"]));
        prop_assert!(reserved <= limits || limits == 0.0, "{name:?}");
        cpus += reserved;
        if let Some(shared) = service["shm_size"].as_str() {
            prop_assert!(megabytes(plan, shared)? <= limit || !fits(plan), "shared memory is within the limit");
        }
        prop_assert_eq!(
            service["deploy"].get("placement").is_some(),
            !placement(plan).is_empty()
                && name.as_str() == Some(format!("postgres{}", plan.host.postgresql_version).as_str())
        );
    }
    if plan.host.sizing == "budget" && total > 0 && fits(plan) {
        let ram = plan.host.ram_bytes / units::MB;
        prop_assert!(total <= ram, "{total} MB of limits on {ram} MB");
        prop_assert!(cpus <= plan.host.cpus.max(2) as f64, "{cpus} CPUs reserved");
    }
    Ok(())
}

/// Whether the plan keeps every invariant that keeps it from being written.
fn fits(plan: &Plan) -> bool {
    plan.findings.iter().all(|f| f.severity != Severity::Error)
}

fn placement(plan: &Plan) -> &str {
    plan.setting("containers.placement").map_or("", |s| s.value.as_str())
}
