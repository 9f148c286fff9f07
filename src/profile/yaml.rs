//! One profile as its file says: `name`, `description`, `extends`, `when` and `values`.

use super::input::{self, Raw};
use super::keys;
use super::rules::When;
use crate::error::{Error, Fault, Result};
use crate::value::Value;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A profile's file.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileFile {
    /// The name, where the file gives one.
    pub name: Option<String>,
    /// What it is for.
    pub description: String,
    /// The profile whose values it starts from.
    pub extends: Option<String>,
    /// When it is chosen for a host on which no profile is named; never where it is absent.
    pub when: Option<When>,
    /// What it sets.
    pub values: BTreeMap<String, Value>,
}

/// The file's fields except `values`, whose names are looked up one by one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: Option<String>,
    #[serde(default)]
    description: String,
    extends: Option<String>,
    when: Option<When>,
    #[serde(default, rename = "values")]
    _values: Option<BTreeMap<String, IgnoredAny>>,
}

/// Parses a profile. `place` is its path, or its name where it is built in.
///
/// # Errors
/// A text that is no YAML or has unknown fields; every unknown key, wrong unit or type and key set twice under
/// `values`, each with line and column.
pub fn parse(text: &str, place: &str) -> Result<ProfileFile> {
    if text.trim().is_empty() {
        return Err(Error::usage("profile.empty", "the profile is empty").at(place));
    }
    let head: Head = serde_yaml::from_str(text).map_err(|e| wrong(&e, place))?;
    let mut faults = Vec::new();
    loop {
        // The parser tells the position of the error that ends it and of nothing else: each pass passes over the
        // faults already found and ends at the next.
        let mut walk = Walk { values: BTreeMap::new(), pass_over: faults.len(), fault: None };
        match Fields(&mut walk).deserialize(serde_yaml::Deserializer::from_str(text)) {
            Ok(()) => {
                return match Error::from_faults("profile.invalid", place, faults) {
                    Some(error) => {
                        Err(error
                            .next("`llmsql config list --all` shows every key with what it takes and what it is for"))
                    }
                    None => Ok(ProfileFile {
                        name: head.name,
                        description: head.description.trim().to_owned(),
                        extends: head.extends,
                        when: head.when,
                        values: walk.values,
                    }),
                };
            }
            Err(e) => match walk.fault {
                Some(message) => faults.push(Fault { place: position(&e, place), message }),
                None => return Err(wrong(&e, place)),
            },
        }
    }
}

fn wrong(error: &serde_yaml::Error, place: &str) -> Error {
    let text = error.to_string();
    // The position stands in the place, where every other error has it.
    let message = text.split_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    Error::usage("profile.invalid", message).at(position(error, place))
}

fn position(error: &serde_yaml::Error, place: &str) -> String {
    match error.location() {
        Some(at) => format!("{place}:{}:{}", at.line(), at.column()),
        None => place.to_owned(),
    }
}

struct Walk {
    values: BTreeMap<String, Value>,
    pass_over: usize,
    fault: Option<String>,
}

impl Walk {
    /// Notes a fault; ends the pass where it is a new one.
    fn fault<E: de::Error>(&mut self, message: String) -> Result<(), E> {
        if self.pass_over > 0 {
            self.pass_over -= 1;
            return Ok(());
        }
        self.fault = Some(message);
        Err(E::custom("fault"))
    }
}

/// The whole file, of which only `values` counts here.
struct Fields<'w>(&'w mut Walk);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();
    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a profile")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<String>()? {
            if field == "values" {
                map.next_value_seed(Node { walk: self.0, name: String::new() })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A name under `values`: validated while the parser stands on it, so that its errors carry the name's position.
struct Name<'w> {
    walk: &'w mut Walk,
    prefix: &'w str,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    /// The full name, and whether it may be descended into or set.
    type Value = (String, bool);
    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = (String, bool);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a key")
    }
    fn visit_str<E: de::Error>(self, part: &str) -> Result<Self::Value, E> {
        let name = if self.prefix.is_empty() { part.to_owned() } else { format!("{}.{part}", self.prefix) };
        let message = if name == "plan.profile" {
            "a profile does not choose a profile; write extends: NAME".to_owned()
        } else if self.walk.values.contains_key(&name) {
            format!("\"{name}\" is already set")
        } else if is_prefix(&name) || keys::lookup(&name).is_some() {
            return Ok((name, true));
        } else if name.contains('.') {
            input::unknown_key(&name)
        } else {
            input::unknown_table(&name)
        };
        self.walk.fault(message)?;
        Ok((name, false))
    }
}

fn is_prefix(name: &str) -> bool {
    keys::names().iter().any(|known| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// What stands under a name: a value, or names again.
struct Node<'w> {
    walk: &'w mut Walk,
    name: String,
}

impl Node<'_> {
    fn set<E: de::Error>(self, raw: &Raw) -> Result<(), E> {
        match keys::lookup(&self.name) {
            Some(kind) => match input::read(kind, raw) {
                Ok(value) => {
                    self.walk.values.insert(self.name, value);
                    Ok(())
                }
                Err(message) => self.walk.fault(format!("{}: {message}", self.name)),
            },
            // An empty table sets nothing.
            None if matches!(raw, Raw::Other("nothing")) => Ok(()),
            None if self.name.is_empty() => self.walk.fault("values: names with values are expected".to_owned()),
            None => self.walk.fault(input::unknown_key(&self.name)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();
    fn deserialize<D: de::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: de::Error>(self, v: bool) -> Result<(), E> {
        self.set(&Raw::Bool(v))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<(), E> {
        self.set(&Raw::Int(v))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<(), E> {
        self.set(&i64::try_from(v).map_or(Raw::Other("a number beyond 64 bits"), Raw::Int))
    }
    fn visit_f64<E: de::Error>(self, v: f64) -> Result<(), E> {
        self.set(&Raw::Float(v))
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<(), E> {
        self.set(&Raw::Text(v.to_owned()))
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.set(&Raw::Other("nothing"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<serde_yaml::Value>()? {
            items.push(match item {
                serde_yaml::Value::String(text) => Raw::Text(text),
                serde_yaml::Value::Bool(b) => Raw::Bool(b),
                serde_yaml::Value::Number(n) => n.as_i64().map_or(Raw::Float(n.as_f64().unwrap_or(f64::NAN)), Raw::Int),
                serde_yaml::Value::Sequence(_) => Raw::List(Vec::new()),
                serde_yaml::Value::Null => Raw::Other("nothing"),
                _ => Raw::Other("a mapping"),
            });
        }
        self.set(&Raw::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if keys::lookup(&self.name).is_some() && !is_prefix(&self.name) {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return self.set(&Raw::Other("a mapping"));
        }
        while let Some((name, sound)) = map.next_key_seed(Name { walk: self.walk, prefix: &self.name })? {
            if sound {
                map.next_value_seed(Node { walk: self.walk, name })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::GB;

    #[test]
    fn nested_and_dotted_names_are_the_same() {
        let nested = parse("values:\n  host:\n    ram: 64GB\n", "a.yaml").unwrap();
        let dotted = parse("values:\n  host.ram: 64GB\n", "a.yaml").unwrap();
        assert_eq!(nested, dotted);
        assert_eq!(nested.values.get("host.ram"), Some(&Value::Bytes(64 * GB)));
    }

    #[test]
    fn every_fault_is_told_with_its_position() {
        let text = "values:\n  host:\n    rma: 64GB\n    cpus: many\n  hots:\n    ram: 1GB\n  host.disk: [ssd]\n  host.ram: 64\n";
        let error = parse(text, "a.yaml").unwrap_err();
        let faults: Vec<String> =
            error.faults.unwrap().0.iter().map(|f| format!("{}: {}", f.place, f.message)).collect();
        assert_eq!(
            faults,
            [
                "a.yaml:3:5: unknown key \"host.rma\"; the nearest is \"host.ram\"",
                "a.yaml:4:11: host.cpus: \"many\" is not a whole number",
                "a.yaml:5:3: unknown table \"hots\"; the nearest is \"host\"",
                "a.yaml:7:14: host.disk: one of \"hdd\", \"ssd\", \"nvme\" is expected, not a list",
                "a.yaml:8:13: host.ram: 64 has no unit; write kB, MB, GB or TB after it, as in \"64GB\"",
            ]
        );
    }

    #[test]
    fn a_key_set_twice_and_a_profile_that_chooses_one_are_faults() {
        let twice = parse("values:\n  host.ram: 1GB\n  host:\n    ram: 2GB\n", "a.yaml").unwrap_err();
        assert_eq!(twice.to_string(), "a.yaml:4:5: \"host.ram\" is already set");
        let chooses = parse("values:\n  plan.profile: large\n", "a.yaml").unwrap_err();
        assert!(chooses.to_string().contains("extends: NAME"), "{chooses}");
    }

    #[test]
    fn what_is_no_profile_is_told_with_its_position() {
        for text in ["values: [1, 2]", "- a\n", "name: {", "values: 7\n", "colour: red\n", "extends: [a]\n"] {
            let error = parse(text, "a.yaml").unwrap_err().to_string();
            assert!(error.starts_with("a.yaml:1:"), "{text:?}: {error}");
        }
        assert!(parse("", "a.yaml").unwrap_err().to_string().contains("empty"));
        assert!(parse("values:\n", "a.yaml").unwrap().values.is_empty());
    }
}
