//! Rules of udev, read as udev(7) describes them: `udevadm verify` came with udev 254, Debian 12 has 252.

use std::fs;
use std::path::{Path, PathBuf};

/// One rule: its matches and its assignments, each with key, attribute and value.
#[derive(Debug, Default)]
pub struct Rule {
    matches: Vec<(String, String, String)>,
    assignments: Vec<(String, String, String)>,
}

impl Rule {
    fn part<'a>(of: &'a [(String, String, String)], key: &str, attribute: &str) -> Option<&'a str> {
        of.iter().find(|(k, a, _)| k == key && a == attribute).map(|(.., value)| value.as_str())
    }
}

/// Reads rules and refuses what udev would ignore or take otherwise.
#[track_caller]
pub fn rules(text: &str) -> Vec<Rule> {
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.map(|line| rule(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
}

fn rule(line: &str) -> Result<Rule, String> {
    let mut rule = Rule::default();
    let mut rest = line;
    loop {
        let key = rest.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(rest.len());
        let (key, after) = rest.split_at(key);
        let (attribute, after) = match after.strip_prefix('{') {
            Some(inner) => inner.split_once('}').ok_or("an attribute does not end")?,
            None => ("", after),
        };
        let operator = ["==", "!=", "+=", "-=", ":=", "="].into_iter().find(|op| after.starts_with(op));
        let operator = operator.ok_or("no operator")?;
        let value = after.strip_prefix(operator).and_then(|a| a.strip_prefix('"')).ok_or("a value without a quote")?;
        let (value, after) = value.split_once('"').ok_or("a value does not end")?;
        if value.contains(['$', '%', '\\']) {
            return Err(format!("{value} would be substituted"));
        }
        let part = (key.to_owned(), attribute.to_owned(), value.to_owned());
        match (key, attribute.is_empty(), operator) {
            ("ACTION" | "SUBSYSTEM" | "KERNEL", true, "==" | "!=") | ("ENV" | "ATTR", false, "==" | "!=") => {
                rule.matches.push(part);
            }
            ("ATTR", false, "=") => rule.assignments.push(part),
            _ => return Err(format!("{key}{{{attribute}}} does not take {operator}")),
        }
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(", ").ok_or("parts are separated by a comma and a blank")?;
    }
    if rule.matches.is_empty() || rule.assignments.len() != 1 {
        return Err("a rule matches something and sets one thing".to_owned());
    }
    Ok(rule)
}

#[test]
fn faults_of_a_rule_are_seen() {
    rules("# a\n\nKERNEL==\"sda\", ATTR{queue/scheduler}=\"none\"\n");
    for wrong in [
        "KERNEL=\"sda\", ATTR{queue/scheduler}=\"none\"",
        "KERNEL==\"sda\" ATTR{queue/scheduler}=\"none\"",
        "KERNEL==\"sda\", ATTR{queue/scheduler}==\"none\"",
        "KERNEL==\"sda\", ATTR{queue/scheduler}=none",
        "KERNEL==\"sda\", ATTR{queue/scheduler=\"none\"",
        "KERNEL==\"sda\", ATTR{queue/scheduler}=\"%k\"",
        "KERNAL==\"sda\", ATTR{queue/scheduler}=\"none\"",
        "ATTR{queue/scheduler}=\"none\"",
    ] {
        assert!(rule(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_rule_asks_for_what_the_device_offers_and_counts_for_its_class_alone() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let (mut schedulers, mut read_aheads, mut stacks) = (0, 0, 0);
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        let Ok(text) = fs::read_to_string(case.join("expected/etc/udev/rules.d/60-llmsql.rules")) else { continue };
        for rule in rules(&text) {
            let matched = |key: &str, attribute: &str| Rule::part(&rule.matches, key, attribute);
            assert_eq!(matched("SUBSYSTEM", ""), Some("block"), "{rule:?}");
            assert_eq!(matched("ACTION", ""), Some("add|change"), "{rule:?}");
            assert_eq!(matched("ENV", "DEVTYPE"), Some("disk"), "a partition has no scheduler: {rule:?}");
            let blocks = case.join("root/sys/block");
            let mapped = |own: &str| {
                let of = |dir: &PathBuf| fs::read_to_string(dir.join("dm/name")).is_ok_and(|name| name.trim() == own);
                fs::read_dir(&blocks).unwrap().map(|entry| entry.unwrap().path()).find(of).unwrap()
            };
            let device = match (matched("KERNEL", ""), matched("ENV", "DM_NAME")) {
                (Some(kernel), None) => blocks.join(kernel),
                // The kernel's name of a mapped device may be another after a reboot.
                (None, Some(own)) => mapped(own),
                both => panic!("{both:?} in {rule:?}"),
            };
            let stacked = fs::read_dir(device.join("slaves")).is_ok_and(|mut slaves| slaves.next().is_some());
            if !stacked {
                let rotational = fs::read_to_string(device.join("queue/rotational")).unwrap();
                assert_eq!(matched("ATTR", "queue/rotational"), Some(rotational.trim()), "{rule:?}");
            }
            let (_, attribute, wanted) = &rule.assignments[0];
            match attribute.as_str() {
                "queue/scheduler" => {
                    assert!(!stacked, "a stacked device has no scheduler: {rule:?}");
                    let offered = fs::read_to_string(device.join("queue/scheduler")).unwrap();
                    let offered = offered.replace(['[', ']'], " ");
                    assert!(offered.split_whitespace().any(|o| o == wanted), "{rule:?}: {offered}");
                    assert_eq!(matched("ATTR", "queue/scheduler"), Some(format!("*{wanted}*").as_str()));
                    assert!(!["deadline", "noop", "cfq"].contains(&wanted.as_str()), "gone from the kernel: {rule:?}");
                    let nvme = device.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nvme"));
                    assert!(!nvme || wanted == "none", "{rule:?}");
                    schedulers += 1;
                }
                "bdi/read_ahead_kb" => {
                    assert_eq!(wanted, "4096", "the guide's 8192 sectors of 512 bytes: {rule:?}");
                    read_aheads += 1;
                    stacks += usize::from(stacked);
                }
                other => panic!("{other} is none of ours"),
            }
        }
    }
    assert!(schedulers > 8 && read_aheads > 8 && stacks > 3, "{schedulers}, {read_aheads}, {stacks}");
}
