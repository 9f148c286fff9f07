//! From everything that may set a value to the one that wins.

use super::config::{Document, Location};
use super::library::{self, Entry, Library};
use super::rules::{self, Host};
use super::{Origin, Profile, Sourced, input, keys};
use crate::error::{Error, Fault, Result};
use crate::facts::Facts;
use crate::root::Root;
use crate::value::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A value that a flag gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as the operator wrote it: `--ram`, `--set`.
    pub flag: String,
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Everything that may set a value, before precedence.
#[derive(Debug, Clone)]
pub struct Request {
    /// Values of this run's flags.
    pub flags: Vec<Flag>,
    /// The variables of the environment; only those that begin with `LLMSQL_` and belong to no option are looked at.
    pub environment: BTreeMap<String, String>,
    /// The operator's file.
    pub config: Location,
    /// The tree whose operator's profiles count.
    pub root: Root,
}

/// What is wanted of the host: flag before `LLMSQL_*` before `llmsql.toml` before profile, the winner kept with each
/// value. What none of them sets the plan derives.
///
/// The profile is the one that `plan.profile` (flag `--profile`) names, else the first whose conditions hold on this
/// host.
///
/// # Errors
/// Unknown keys, wrong units and types in any of the four, with the nearest name and the place; a profile that does
/// not exist, extends itself or cannot be read. All are usage errors (64).
pub fn resolve(facts: &Facts, request: &Request) -> Result<Profile> {
    resolve_with_chain(facts, request).map(|(profile, _)| profile)
}

/// The same, with the profile's file and those of its ancestors, nearest first.
///
/// # Errors
/// Those of [`resolve`].
pub fn resolve_with_chain(facts: &Facts, request: &Request) -> Result<(Profile, Vec<Entry>)> {
    let document = Document::read(&request.config)?;
    // The weakest first, so that the later call wins.
    let mut said = Profile::default();
    for layer in [document.settings()?, environment(&request.environment)?, flags(&request.flags)?] {
        said.values.extend(layer);
    }
    let library = Library::open(&request.root)?;
    let mut named_by = None;
    let (name, rule, folder) = match said.values.get("plan.profile") {
        Some(Sourced { value: Value::Text(name), origin }) => {
            // A path in the operator's file is meant from that file's folder.
            let folder = match origin {
                Origin::File { .. } => request.config.path.parent().unwrap_or(Path::new("")),
                _ => Path::new(""),
            };
            named_by = Some(origin.to_string());
            (name.clone(), format!("named by {origin}"), folder)
        }
        _ => {
            let host = host(facts, &said);
            let (name, words) = library.choose(&host)?;
            let rule = match host.ram {
                Some(_) => words,
                None => format!("{words}: the host's RAM is not known"),
            };
            (name, rule, Path::new(""))
        }
    };
    let chain = library.chain(&name, folder).map_err(|mut e| {
        e.place = e.place.or(named_by);
        e
    })?;
    let mut profile = Profile {
        name: chain.first().map(|e| e.name.clone()).unwrap_or(name),
        rule,
        chain: chain.iter().map(|e| e.name.clone()).collect(),
        values: BTreeMap::new(),
    };
    library::merge(&chain, &mut profile);
    profile.values.extend(said.values);
    Ok((profile, chain))
}

/// What the conditions of profiles are judged by.
fn host(facts: &Facts, said: &Profile) -> Host {
    let components = match said.list("host.components") {
        Some(named) => named.to_vec(),
        None => rules::found(facts).into_iter().map(str::to_owned).collect(),
    };
    Host {
        ram: said.bytes("host.ram").or(facts.memory.effective_bytes),
        cpus: said.count("host.cpus").or(facts.cpu.effective.map(u64::from)),
        components,
    }
}

/// The values of flags.
fn flags(flags: &[Flag]) -> Result<BTreeMap<String, Sourced>> {
    let mut values: BTreeMap<String, Sourced> = BTreeMap::new();
    for Flag { flag, key, value } in flags {
        let place = if flag == "--set" { format!("--set {key}") } else { flag.clone() };
        let wrong = |message: String| Error::usage("flag.invalid", message).at(&place);
        let kind = keys::lookup(key).ok_or_else(|| {
            wrong(input::unknown_key(key))
                .next("`llmsql config list --all` shows every key with what it takes and what it is for")
        })?;
        let value = input::read_text(kind, value).map_err(&wrong)?;
        let origin = Origin::Flag { name: flag.clone() };
        if let Some(Sourced { origin, .. }) = values.insert(key.clone(), Sourced { value, origin }) {
            return Err(wrong(format!("{key} is already set by {origin}")));
        }
    }
    Ok(values)
}

/// How many slips make a variable's name a misspelt one of ours.
const NEAR: usize = 2;

/// The values of `LLMSQL_*` variables. An empty one counts as not set, as scripts write `LLMSQL_HOST_RAM=`.
fn environment(variables: &BTreeMap<String, String>) -> Result<BTreeMap<String, Sourced>> {
    let known: BTreeMap<String, &String> = keys::names().iter().map(|key| (variable(key), key)).collect();
    let tables: Vec<String> = keys::tables().into_iter().map(|t| variable(t) + "_").collect();
    let sections: Vec<String> = keys::SECTIONS.iter().map(|s| variable(s.name) + "_").collect();
    let mut values = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, text) in variables {
        if !name.starts_with("LLMSQL_") || sections.iter().any(|s| name.starts_with(s)) {
            continue;
        }
        let near = || known.keys().min_by_key(|k| strsim::damerau_levenshtein(k, name));
        match known.get(name) {
            Some(_) if text.trim().is_empty() => {}
            Some(key) => match keys::lookup(key).map(|kind| input::read_text(kind, text)) {
                Some(Ok(value)) => {
                    let origin = Origin::Environment { name: name.clone() };
                    values.insert((*key).to_owned(), Sourced { value, origin });
                }
                Some(Err(message)) => faults.push(Fault { place: name.clone(), message }),
                None => {}
            },
            None => {
                let near = near().filter(|k| strsim::damerau_levenshtein(k, name) <= (name.len() / 4).max(NEAR));
                // LLMSQL_RAM and LLMSQL_PROFILE look like the flags --ram and --profile.
                let flag = |table: &str| known.keys().find(|k| k.strip_prefix(table) == name.strip_prefix("LLMSQL_"));
                let flag = flag("LLMSQL_HOST_").or_else(|| flag("LLMSQL_PLAN_"));
                let near = flag.or(near);
                let slip = flag.is_some() || near.is_some_and(|k| strsim::damerau_levenshtein(k, name) <= NEAR);
                if slip || tables.iter().any(|t| name.starts_with(t)) {
                    let message = match near {
                        Some(near) => format!("unknown variable; the nearest is {near}"),
                        None => "unknown variable: no key of this name can be configured".to_owned(),
                    };
                    faults.push(Fault { place: name.clone(), message });
                }
            }
        }
    }
    match Error::from_faults("environment.invalid", "environment", faults) {
        Some(error) => Err(error.next(
            "`llmsql config list --all` shows every key; its variable is LLMSQL_ and the key in capitals, dots as underscores",
        )),
        None => Ok(values),
    }
}

/// The variable that sets a key: `LLMSQL_HOST_RAM`.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("LLMSQL_{}", key.to_uppercase().replace(['.', '-'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Nginx, Package, Postgres};
    use crate::units::{GB, MB};
    use std::fs;

    struct Case {
        dir: tempfile::TempDir,
        facts: Facts,
        flags: Vec<Flag>,
        environment: BTreeMap<String, String>,
    }

    impl Case {
        fn new(ram: u64) -> Case {
            let mut facts = Facts::default();
            facts.memory.effective_bytes = Some(ram);
            facts.cpu.effective = Some(4);
            facts.software.postgresql.push(Postgres::default());
            Case { dir: tempfile::tempdir().unwrap(), facts, flags: Vec::new(), environment: BTreeMap::new() }
        }

        fn config(self, text: &str) -> Case {
            self.file("etc/llmsql/llmsql.toml", text)
        }

        fn file(self, path: &str, text: &str) -> Case {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        fn flag(mut self, flag: &str, key: &str, value: &str) -> Case {
            self.flags.push(Flag { flag: flag.into(), key: key.into(), value: value.into() });
            self
        }

        fn variable(mut self, name: &str, value: &str) -> Case {
            self.environment.insert(name.into(), value.into());
            self
        }

        fn resolve(&self) -> Result<Profile> {
            let root = Root::at(self.dir.path());
            let path = self.dir.path().join("etc/llmsql/llmsql.toml");
            let config = Location { path, shown: "/etc/llmsql/llmsql.toml".into(), named: false };
            resolve(
                &self.facts,
                &Request { flags: self.flags.clone(), environment: self.environment.clone(), config, root },
            )
        }

        fn error(&self) -> String {
            let error = self.resolve().unwrap_err();
            assert_eq!(error.exit, crate::error::Exit::Usage, "{error}");
            error.to_string().replace(&self.dir.path().display().to_string(), "")
        }
    }

    #[test]
    fn each_place_wins_over_the_next_and_is_kept_as_the_origin() {
        let mut case = Case::new(8 * GB);
        let origin = |case: &Case| {
            let profile = case.resolve().unwrap();
            let set = profile.get("plan.workload").cloned();
            set.map(|s| (s.value, s.origin.to_string()))
        };
        let text = |t: &str| Value::Text(t.to_owned());
        assert_eq!(origin(&case), None);
        case = case.file("etc/llmsql/profiles/mine.yaml", "values: {plan: {workload: vector}}");
        case = case.config("[plan]\nprofile = \"mine\"\n");
        assert_eq!(origin(&case), Some((text("vector"), "profile mine".into())));
        case = case.config("[plan]\nprofile = \"mine\"\nworkload = \"analytics\"\n");
        assert_eq!(origin(&case), Some((text("analytics"), "/etc/llmsql/llmsql.toml:3:1".into())));
        case = case.variable("LLMSQL_PLAN_WORKLOAD", "mixed");
        assert_eq!(origin(&case), Some((text("mixed"), "environment LLMSQL_PLAN_WORKLOAD".into())));
        case = case.flag("--workload", "plan.workload", "oltp");
        assert_eq!(origin(&case), Some((text("oltp"), "flag --workload".into())));
    }

    #[test]
    fn the_profile_is_chosen_by_ram_and_says_so() {
        let chosen = |ram| {
            let profile = Case::new(ram).resolve().unwrap();
            (profile.name, profile.rule)
        };
        assert_eq!(chosen(512 * MB).0, "small");
        assert_eq!(chosen(20 * GB - 1).0, "small");
        assert_eq!(chosen(20 * GB).0, "medium");
        assert_eq!(chosen(48 * GB - 1).0, "medium");
        assert_eq!(chosen(63 * GB), ("large".into(), "RAM 63.0 GB ≥ 48.0 GB".into()));
        let profile = Case::new(63 * GB).flag("--ram", "host.ram", "8GB").resolve().unwrap();
        assert_eq!(profile.name, "small");
        let mut unknown = Case::new(GB);
        unknown.facts.memory.effective_bytes = None;
        let profile = unknown.resolve().unwrap();
        assert_eq!(profile.name, "small");
        assert!(profile.rule.contains("RAM is not known"), "{}", profile.rule);
    }

    #[test]
    fn the_automatic_profile_of_a_database_host_sets_nothing_the_budget_counts_with() {
        for ram in [GB, 32 * GB, 128 * GB] {
            let profile = Case::new(ram).resolve().unwrap();
            let counted = ["host.", "plan.", "budget.", "postgresql.", "pgbouncer.", "api."];
            let set: Vec<_> = profile.values.keys().filter(|k| counted.iter().any(|c| k.starts_with(c))).collect();
            assert!(set.is_empty(), "{set:?}");
        }
    }

    #[test]
    fn a_host_with_nothing_but_nginx_is_an_edge_proxy() {
        let mut case = Case::new(4 * GB);
        case.facts.software.postgresql.clear();
        case.facts.software.nginx = Some(Nginx::default());
        case.facts.software.sqlite = Some(Package::default());
        let profile = case.resolve().unwrap();
        assert_eq!(
            (profile.name.as_str(), profile.list("host.components")),
            ("edge-proxy", Some(&["nginx".to_owned()][..]))
        );
        let told = case.flag("--set", "host.components", "postgresql,nginx").resolve().unwrap();
        assert_eq!(told.name, "small");
    }

    #[test]
    fn every_built_in_profile_resolves_by_name() {
        for name in Library::open(&Root::at("/nonexistent")).unwrap().names() {
            let profile = Case::new(8 * GB).flag("--profile", "plan.profile", &name).resolve().unwrap();
            assert_eq!((profile.name.as_str(), profile.rule.as_str()), (name.as_str(), "named by flag --profile"));
        }
    }

    #[test]
    fn values_are_inherited_through_extends_and_keep_the_name_of_their_profile() {
        let case = Case::new(8 * GB)
            .file(
                "etc/llmsql/profiles/site.yaml",
                "extends: analytics\nvalues: {host.other_memory: 1GB, api.pool_size: 3}",
            )
            .file("etc/llmsql/profiles/berlin.yaml", "name: berlin\nextends: ./site.yaml\nvalues: {api.pool_size: 7}")
            .flag("--profile", "plan.profile", "berlin");
        let profile = case.resolve().unwrap();
        assert_eq!(profile.chain, ["berlin", "site", "analytics"]);
        let origin = |key: &str| profile.get(key).map(|s| s.origin.to_string()).unwrap();
        assert_eq!(origin("api.pool_size"), "profile berlin");
        assert_eq!(origin("host.other_memory"), "profile site");
        assert_eq!(origin("plan.workload"), "profile analytics");
        assert_eq!(profile.count("api.pool_size"), Some(7));
    }

    #[test]
    fn a_chain_that_does_not_end_is_named() {
        let own = |files: &[(&str, &str)]| {
            let mut case = Case::new(8 * GB).flag("--profile", "plan.profile", "a");
            for (name, text) in files {
                case = case.file(&format!("etc/llmsql/profiles/{name}.yaml"), text);
            }
            case.error()
        };
        let folder = "/etc/llmsql/profiles";
        assert_eq!(
            own(&[("a", "extends: a")]),
            format!("{folder}/a.yaml: extends: the profile extends itself (a → a)")
        );
        assert_eq!(
            own(&[("a", "extends: ./../profiles/a.yaml")]),
            format!("{folder}/a.yaml: extends: the profile extends itself (a → a)")
        );
        assert_eq!(
            own(&[("a", "extends: b"), ("b", "extends: c"), ("c", "extends: a")]),
            format!("{folder}/c.yaml: extends: the profiles extend each other in a circle (a → b → c → a)")
        );
        assert_eq!(
            own(&[("a", "extends: b"), ("b", "extends: smal")]),
            format!("{folder}/b.yaml: extends: there is no profile \"smal\"; the nearest is \"small\" (a → b → smal)")
        );
        assert!(own(&[("a", "extends: ./gone.yaml")]).contains("/gone.yaml: cannot be read (a → ./gone.yaml)"));
        assert!(own(&[("a", "name: b")]).contains("calls itself \"b\""));
    }

    #[test]
    fn the_operators_profile_hides_the_built_in_one_of_its_name() {
        let case = Case::new(8 * GB)
            .file("etc/llmsql/profiles/small.yaml", "when: {ram_below: 16GB}\nvalues: {api.pool_size: 2}");
        assert_eq!(case.resolve().unwrap().count("api.pool_size"), Some(2));
    }

    #[test]
    fn all_that_is_wrong_in_the_file_is_told_with_line_column_and_nearest_name() {
        let case = Case::new(8 * GB).config(
            "[host]\nrma = \"64GB\"\ncpus = \"many\"\nram = 64\n\n[hots]\nram = \"1GB\"\n\n[plan]\nworkload = true\nram.x = 1\n",
        );
        let file = "/etc/llmsql/llmsql.toml";
        let expected = [
            format!("{file}: 5 errors"),
            format!("{file}:2:1: unknown key \"host.rma\"; the nearest is \"host.ram\""),
            format!("{file}:3:8: host.cpus: \"many\" is not a whole number"),
            format!("{file}:4:7: host.ram: 64 has no unit; write kB, MB, GB or TB after it, as in \"64GB\""),
            format!("{file}:6:1: unknown table \"hots\"; the nearest is \"host\""),
            format!(
                "{file}:10:12: plan.workload: one of \"oltp\", \"mixed\", \"analytics\", \"vector\" is expected, not true or false"
            ),
        ];
        let error = case.error();
        let lines: Vec<&str> = error.lines().map(str::trim).collect();
        assert_eq!(lines[1..6], expected[1..]);
        assert_eq!(lines[6], format!("{file}:11:5: unknown key \"plan.ram.x\""));
        assert_eq!(lines[0], format!("{file}: 6 errors"));
    }

    #[test]
    fn a_syntax_error_has_its_line_and_column() {
        let error = Case::new(GB).config("[host]\nram = \"64GB\ncpus = 4\n").error();
        assert!(error.starts_with("/etc/llmsql/llmsql.toml:2:12: "), "{error}");
        let error = Case::new(GB).config("[host]\nram = \"1GB\"\n[host]\n").error();
        assert!(error.starts_with("/etc/llmsql/llmsql.toml:3:"), "{error}");
    }

    #[test]
    fn a_table_may_be_nested_dotted_quoted_or_inline() {
        for text in [
            "[host]\nram = \"2GB\"",
            "host.ram = \"2GB\"",
            "host = { ram = \"2GB\" }",
            "[host]\n\"ram\" = \"2GB\"",
            "\"host.ram\" = \"2GB\"",
        ] {
            assert_eq!(Case::new(8 * GB).config(text).resolve().unwrap().bytes("host.ram"), Some(2 * GB), "{text}");
        }
        let twice = Case::new(GB).config("\"host.ram\" = \"2GB\"\n[host]\nram = \"3GB\"\n").error();
        assert_eq!(twice, "/etc/llmsql/llmsql.toml:3:1: \"host.ram\" is already set in line 1");
    }

    #[test]
    fn a_misspelt_variable_is_an_error_and_a_foreign_one_is_not() {
        let wrong = |name: &str, value: &str| Case::new(GB).variable(name, value).error();
        assert_eq!(
            wrong("LLMSQL_HOST_RMA", "1GB"),
            "LLMSQL_HOST_RMA: unknown variable; the nearest is LLMSQL_HOST_RAM"
        );
        assert_eq!(
            wrong("LLMSQL_HSOT_RAM", "1GB"),
            "LLMSQL_HSOT_RAM: unknown variable; the nearest is LLMSQL_HOST_RAM"
        );
        for (flag, meant) in [("LLMSQL_RAM", "LLMSQL_HOST_RAM"), ("LLMSQL_PROFILE", "LLMSQL_PLAN_PROFILE")] {
            assert_eq!(wrong(flag, "x"), format!("{flag}: unknown variable; the nearest is {meant}"));
        }
        assert!(wrong("LLMSQL_HOST_COFFEE", "1").starts_with("LLMSQL_HOST_COFFEE: unknown variable"));
        assert!(wrong("LLMSQL_HOST_RAM", "1 parsec").contains("LLMSQL_HOST_RAM: \"parsec\" is not a unit of size"));
        let fine = Case::new(GB)
            .variable("LLMSQL_FORMAT", "json")
            .variable("LLMSQL_ROOT", "/mnt")
            .variable("LLMSQL_CONFIG", "x.toml")
            .variable("LLMSQL_HOST_CPUS", "")
            .variable("HOST_RAM", "nonsense");
        assert_eq!(fine.resolve().unwrap().values, BTreeMap::new());
    }

    #[test]
    fn a_wrong_flag_names_the_flag() {
        let wrong = |flag: &str, key: &str, value: &str| Case::new(GB).flag(flag, key, value).error();
        assert!(wrong("--ram", "host.ram", "64").starts_with("--ram: 64 has no unit"));
        assert_eq!(
            wrong("--set", "host.rma", "1"),
            "--set host.rma: unknown key \"host.rma\"; the nearest is \"host.ram\""
        );
        let twice = Case::new(GB).flag("--ram", "host.ram", "1GB").flag("--set", "host.ram", "2GB").error();
        assert_eq!(twice, "--set host.ram: host.ram is already set by flag --ram");
    }

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let mut variables: Vec<String> = keys::names().iter().map(|key| variable(key)).collect();
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }
}
