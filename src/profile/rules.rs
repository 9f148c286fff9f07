//! Which profile fits a host on which none is named.

use super::input;
use super::keys::COMPONENTS;
use crate::facts::Facts;
use crate::units;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The conditions under which a profile is chosen by itself; all that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// Memory to plan for, in bytes, at least this much.
    #[serde(deserialize_with = "size")]
    pub ram_at_least: Option<u64>,
    /// Memory to plan for, in bytes, less than this.
    #[serde(deserialize_with = "size")]
    pub ram_below: Option<u64>,
    /// CPUs to plan for, at least this many.
    pub cpus_at_least: Option<u64>,
    /// Parts of the stack that live on the host.
    #[serde(deserialize_with = "components")]
    pub with: Vec<String>,
    /// Parts of the stack that do not.
    #[serde(deserialize_with = "components")]
    pub without: Vec<String>,
}

fn size<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(d)?;
    match input::read_text(super::Kind::Bytes, &text) {
        Ok(value) => Ok(value.bytes()),
        Err(message) => Err(D::Error::custom(message)),
    }
}

fn components<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(d)?;
    match names.iter().find(|n| !COMPONENTS.contains(&n.as_str())) {
        Some(name) => Err(D::Error::custom(format!("\"{name}\" is none of {}", COMPONENTS.join(", ")))),
        None => Ok(names),
    }
}

/// What the conditions are judged by: facts, unless the operator said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Memory to plan for.
    pub ram: Option<u64>,
    /// CPUs to plan for.
    pub cpus: Option<u64>,
    /// The parts of the stack that live on the host, configured or found.
    pub components: Vec<String>,
}

impl When {
    /// Whether all conditions hold. One on a number that is not known does not.
    #[must_use]
    pub fn holds(&self, host: &Host) -> bool {
        let least =
            |want: Option<u64>, have: Option<u64>| want.is_none_or(|want| have.is_some_and(|have| have >= want));
        least(self.ram_at_least, host.ram)
            && self.ram_below.is_none_or(|below| host.ram.is_some_and(|ram| ram < below))
            && least(self.cpus_at_least, host.cpus)
            && self.with.iter().all(|name| host.components.contains(name))
            && !self.without.iter().any(|name| host.components.contains(name))
    }

    /// The conditions in words, with the host's numbers where one is given: "20.0 GB ≤ RAM 23.5 GB < 48.0 GB, no
    /// duckdb".
    #[must_use]
    pub fn words(&self, host: Option<&Host>) -> String {
        let number = |name: &str, value: Option<String>| match value {
            Some(value) => format!("{name} {value}"),
            None => name.to_owned(),
        };
        let mut words = Vec::new();
        let ram = number("RAM", host.and_then(|h| h.ram).map(units::human_bytes));
        match (self.ram_at_least.map(units::human_bytes), self.ram_below.map(units::human_bytes)) {
            (Some(least), Some(below)) => words.push(format!("{least} ≤ {ram} < {below}")),
            (Some(least), None) => words.push(format!("{ram} ≥ {least}")),
            (None, Some(below)) => words.push(format!("{ram} < {below}")),
            (None, None) => {}
        }
        if let Some(least) = self.cpus_at_least {
            words.push(format!("{} ≥ {least}", number("CPUs", host.and_then(|h| h.cpus).map(|n| n.to_string()))));
        }
        words.extend(self.with.iter().cloned());
        match self.without.split_last() {
            None => {}
            Some((only, [])) => words.push(format!("no {only}")),
            Some((last, rest)) => words.push(format!("no {} or {last}", rest.join(", "))),
        }
        words.join(", ")
    }
}

/// The parts of the stack whose programs the facts found, in the order of [`COMPONENTS`]; empty where none was found.
#[must_use]
pub fn found(facts: &Facts) -> Vec<&'static str> {
    let software = &facts.software;
    COMPONENTS
        .iter()
        .copied()
        .filter(|name| match *name {
            "postgresql" => !software.postgresql.is_empty(),
            "pgbouncer" => software.pgbouncer.is_some(),
            "nginx" => software.nginx.is_some(),
            "api" => software.uvicorn.is_some(),
            "duckdb" => software.duckdb.is_some(),
            "sqlite" => software.sqlite.is_some(),
            "llm" => software.llm.is_some(),
            _ => false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::GB;

    #[test]
    fn a_rule_says_its_conditions_with_the_numbers_of_the_host() {
        let when: When =
            serde_yaml::from_str("{ram_at_least: 48GB, cpus_at_least: 4, with: [postgresql], without: [duckdb]}")
                .unwrap();
        let host = Host { ram: Some(62 * GB), cpus: Some(8), components: vec!["postgresql".into()] };
        assert!(when.holds(&host));
        assert_eq!(when.words(Some(&host)), "RAM 62.0 GB ≥ 48.0 GB, CPUs 8 ≥ 4, postgresql, no duckdb");
        assert!(!when.holds(&Host { ram: None, ..host.clone() }));
        assert!(!when.holds(&Host { cpus: Some(2), ..host.clone() }));
        assert!(!when.holds(&Host { components: vec!["postgresql".into(), "duckdb".into()], ..host }));
    }

    #[test]
    fn a_condition_that_cannot_be_meant_is_refused() {
        for text in ["{ram_at_least: 48}", "{with: [postgres]}", "{ram: 4GB}", "{ram_below: 4parsecs}"] {
            assert!(serde_yaml::from_str::<When>(text).is_err(), "{text}");
        }
    }
}
