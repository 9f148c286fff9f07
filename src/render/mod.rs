//! The plan as files, in memory.
//!
//! Every file is rendered and read back by its own parser before any is written anywhere; the same plan gives the same
//! bytes. [`files::TABLE`] is the one list of files, [`layout`] puts them into a folder.

pub mod adopt;
mod context;
mod edge;
pub mod files;
pub mod layout;
pub mod shared;
pub mod templates;
mod wellformed;

use crate::error::{Error, Exit, Result};
use crate::formats::{self, Problem};
use crate::plan::{Component, Plan, Setting, Severity};
use files::{FileSpec, Syntax};
use minijinja::Environment;
use serde::Serialize;
pub use shared::Edit;
pub use templates::Templates;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// Ours alone: replaced as a whole.
    Whole,
    /// The operator's: only our keys are changed.
    Shared,
    /// Ours where the operator's own has nothing in it that ours lacks, else written beside it.
    Adopt,
}

impl Ownership {
    /// The word tables show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ownership::Whole => "whole",
            Ownership::Shared => "shared",
            Ownership::Adopt => "adopt",
        }
    }
}

/// What to render, and from which templates.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only the files of these components; all where empty.
    pub only: Vec<Component>,
    /// The built-in templates, or the operator's in their place.
    pub templates: Templates,
}

/// A file as it would stand on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// The template it came from.
    pub template: &'static str,
    /// Path on the host.
    pub target: String,
    /// Whose it is.
    pub ownership: Ownership,
    /// The component it configures.
    pub component: Component,
    /// Permission bits.
    pub mode: u32,
    /// The content where the host has no such file yet.
    pub bytes: Vec<u8>,
    /// How our keys are put into the operator's own file, where it is shared.
    pub edit: Option<Edit>,
}

impl RenderedFile {
    /// The content, given what stands at the target now (`None` where nothing does).
    ///
    /// # Errors
    /// A value that the operator's own file cannot hold.
    pub fn content(&self, existing: Option<&[u8]>) -> Result<Vec<u8>> {
        match (&self.edit, existing) {
            (Some(edit), Some(existing)) => edit.apply(existing).map_err(|problem| {
                Error::failed("render.merge", "a value cannot be written into this file")
                    .at(&self.target)
                    .because(problem)
            }),
            _ => Ok(self.bytes.clone()),
        }
    }
}

/// A file in its place: where it goes, given what stands there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Path on the host; beside the operator's own file where that is kept.
    pub target: String,
    /// The content.
    pub bytes: Vec<u8>,
    /// What the operator should know of his own file, a sentence each.
    pub remarks: Vec<String>,
}

/// What is added to the name of a file that is written beside the operator's own.
pub const BESIDE: &str = ".llmsql";

impl RenderedFile {
    /// The file, given what stands at the target now (`None` where nothing does). `replace` takes the place of a file of
    /// the operator's that ours would otherwise be written beside.
    ///
    /// # Errors
    /// A value that the operator's own file cannot hold.
    pub fn place(&self, existing: Option<&[u8]>, replace: bool) -> Result<Placed> {
        let bytes = self.content(existing)?;
        let mut placed = Placed { target: self.target.clone(), bytes, remarks: Vec::new() };
        let Some(theirs) = existing else { return Ok(placed) };
        if let Some(edit) = &self.edit {
            placed.remarks = edit.kept(theirs);
        }
        if self.ownership == Ownership::Adopt
            && let adopt::Adoption::Beside { holds, lacks } = adopt::judge(theirs, &self.bytes)
        {
            let held = holds.join(", ");
            if replace {
                placed.remarks.push(format!("it is replaced, and loses {held}"));
                return Ok(placed);
            }
            placed.target.push_str(BESIDE);
            let lacks = if lacks.is_empty() { "nothing of ours".to_owned() } else { lacks.join("; ") };
            placed.remarks.push(format!(
                "it has {held}, so ours is written beside it as {}; it lacks {lacks}; --adopt replaces it",
                placed.target
            ));
        }
        Ok(placed)
    }
}

/// Renders every file of the plan, or none.
///
/// # Errors
/// A template with an unknown variable or another fault (exit 64 where it is the operator's), a value that its file
/// cannot hold.
pub fn render(plan: &Plan, options: &Options) -> Result<Vec<RenderedFile>> {
    let environment = options.templates.environment()?;
    wanted(plan, options).map(|spec| one(plan, options, &environment, spec)).collect()
}

/// The rows of the table that this plan has files of.
pub fn wanted<'a>(plan: &'a Plan, options: &'a Options) -> impl Iterator<Item = &'static FileSpec> + 'a {
    files::TABLE
        .iter()
        .filter(|spec| options.only.is_empty() || options.only.contains(&spec.component))
        .filter(|spec| spec.is_wanted(plan))
}

/// PostgreSQL's settings in the form of Patroni's YAML, of which PostgreSQL's own files would be overwritten.
///
/// # Errors
/// As [`render`].
pub fn patroni(plan: &Plan, options: &Options) -> Result<Vec<u8>> {
    let spec = &files::PATRONI;
    if !plan.settings.iter().any(|s| s.component == spec.component) {
        return Err(Error::usage("render.patroni", "this plan has no PostgreSQL, so there is nothing for Patroni")
            .next("name it among host.components, or plan for another host"));
    }
    one(plan, options, &options.templates.environment()?, spec).map(|file| file.bytes)
}

/// Refuses a plan that violates an invariant of severity error, unless each violated one is named in `allow`.
///
/// # Errors
/// The first finding that is not allowed (exit 5); a name in `allow` that no finding of this plan has (exit 64).
pub fn permit(plan: &Plan, allow: &[String]) -> Result<()> {
    let violated: Vec<_> = plan.findings.iter().filter(|f| f.severity == Severity::Error).collect();
    if let Some(name) = allow.iter().find(|name| !plan.findings.iter().any(|f| f.invariant == **name)) {
        let names: Vec<&str> = violated.iter().map(|f| f.invariant.as_str()).collect();
        let next = match names.as_slice() {
            [] => "no invariant of this plan is violated: leave --allow out".to_owned(),
            names => format!("this plan violates {}", names.join(", ")),
        };
        return Err(Error::usage("render.allow", format!("no finding of this plan is called \"{name}\""))
            .at("--allow")
            .next(next));
    }
    let refused: Vec<_> = violated.into_iter().filter(|f| !allow.contains(&f.invariant)).collect();
    let Some(first) = refused.first() else { return Ok(()) };
    let names: Vec<&str> = refused.iter().map(|f| f.invariant.as_str()).collect();
    let flags: Vec<String> = names.iter().map(|name| format!("--allow {name}")).collect();
    let mut what = first.message.trim_end_matches('.').to_owned();
    if let [_, others @ ..] = names.as_slice()
        && !others.is_empty()
    {
        what = format!("{what} (and {} more: {})", others.len(), others.join(", "));
    }
    let advice = first.next.clone().map(|n| n.trim_end_matches('.').to_owned() + "; or ").unwrap_or_default();
    Err(Error::new(Exit::Invariant, "render.invariant", what)
        .at(&first.invariant)
        .next(format!("{advice}go on all the same with {}", flags.join(" "))))
}

fn one(plan: &Plan, options: &Options, environment: &Environment<'_>, spec: &'static FileSpec) -> Result<RenderedFile> {
    let target = (spec.target)(plan);
    let context = context::context(plan, spec)?;
    let text = options.templates.render(environment, spec.template, &context)?;
    let bytes = text.into_bytes();
    if let Some(problem) = fault(spec.syntax, &bytes) {
        let error = Error::new(
            if options.templates.is_overridden(spec.template) { Exit::Usage } else { Exit::Failed },
            "render.syntax",
            format!("the rendered file would be refused: {problem}"),
        );
        return Err(error.at(spec.template));
    }
    if !options.templates.is_overridden(spec.template)
        && let Some(setting) = misread(plan, spec, &bytes)
    {
        return Err(Error::failed("render.value", format!("{} cannot be written into {target}", setting.value))
            .at(&setting.key)
            .next("configure a value that its file can hold"));
    }
    let edit = shared::edit(plan, spec);
    Ok(RenderedFile {
        template: spec.template,
        target,
        ownership: spec.ownership,
        component: spec.component,
        mode: spec.mode,
        bytes,
        edit,
    })
}

/// The first setting that the file's own parser does not read back as it was planned.
fn misread<'a>(plan: &'a Plan, spec: &'a FileSpec, bytes: &[u8]) -> Option<&'a Setting> {
    use formats::limits::Kind;
    let right: Box<dyn Fn(&Setting) -> bool> = match (spec.syntax, spec.ownership) {
        (Syntax::PostgreSql, Ownership::Whole) => {
            let doc = formats::postgresql_conf::Document::parse(bytes);
            Box::new(move |s| doc.get(&s.name) == Some(&s.value))
        }
        (Syntax::Ini, _) => {
            let doc = formats::ini::Document::parse(bytes);
            Box::new(move |s| match s.name.strip_prefix("databases.") {
                Some(name) => doc.get("databases", name) == Some(&s.value),
                None => doc.get("pgbouncer", &s.name) == Some(&s.value),
            })
        }
        (Syntax::Sysctl, _) => {
            let doc = formats::sysctl::Document::parse(bytes);
            Box::new(move |s| doc.get(&s.name) == Some(&s.value))
        }
        (Syntax::Limits, _) => {
            let doc = formats::limits::Document::parse(bytes);
            Box::new(move |s| {
                s.name.rsplit_once('.').is_some_and(|(user, item)| {
                    [Kind::Soft, Kind::Hard].into_iter().all(|kind| doc.get(user, kind, item) == Some(&s.value))
                })
            })
        }
        _ => return None,
    };
    spec.settings(plan).find(|s| !right(s))
}

/// The first fault the file's own parser finds.
fn fault(syntax: Syntax, bytes: &[u8]) -> Option<Problem> {
    match syntax {
        Syntax::PostgreSql => formats::postgresql_conf::Document::parse(bytes).problems().next(),
        Syntax::Ini => formats::ini::Document::parse(bytes).problems().next(),
        Syntax::Sysctl => formats::sysctl::Document::parse(bytes).problems().next(),
        Syntax::Limits => formats::limits::Document::parse(bytes).problems().next(),
        Syntax::Nginx => formats::nginx::Document::parse(bytes).problem().cloned(),
        Syntax::Yaml => serde_yaml::from_slice::<serde_yaml::Value>(bytes).err().map(|e| {
            let (line, column) = e.location().map_or((1, 1), |l| (l.line(), l.column()));
            Problem { line, column, message: e.to_string() }
        }),
        Syntax::Unit => wellformed::unit(bytes),
        Syntax::Udev => wellformed::udev(bytes),
        Syntax::Env => wellformed::env(bytes),
        Syntax::Cron => wellformed::cron(bytes),
        Syntax::Sql => wellformed::sql(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::plan::{Finding, Reason, TakesEffect};
    use crate::profile::{Origin, Profile};
    use crate::value::Value;
    use proptest::prelude::*;
    use std::fs;

    fn setting(component: Component, name: &str, value: Value, formula: &str) -> Setting {
        Setting {
            key: format!("{}.{name}", component.name()),
            component,
            name: name.to_owned(),
            group: "Things",
            value: value.written(component.dialect()),
            bytes: value.bytes(),
            typed: value,
            reason: Reason { formula: formula.to_owned(), ..Reason::default() },
            origin: None,
            takes_effect: TakesEffect::Reload,
            current: None,
        }
    }

    fn text(t: &str) -> Value {
        Value::Text(t.to_owned())
    }

    fn plan(settings: Vec<Setting>) -> Plan {
        let profile = Profile { name: "medium".into(), ..Profile::default() };
        let host = crate::plan::Target {
            ram_bytes: 8 << 30,
            cpus: 4,
            disk: "ssd",
            sizing: "budget",
            workload: "mixed",
            postgresql_version: 17,
            components: Vec::new(),
        };
        let (findings, checks, memory) = (Vec::new(), Vec::new(), Vec::new());
        Plan { host, facts: Facts::default(), profile, settings, findings, checks, memory }
    }

    fn sample() -> Plan {
        let mut work_mem = setting(Component::PostgreSql, "work_mem", Value::Bytes(64 << 20), "min(a, b)");
        work_mem.reason.worked = "min(64 MB, 80 MB)".into();
        work_mem.reason.caps = vec!["capped at 1GB".into()];
        work_mem.reason.guide = Some("1.1");
        let mut pinned = setting(Component::PostgreSql, "max_connections", Value::Int(200), "");
        pinned.origin = Some(Origin::File { path: "/etc/llmsql/llmsql.toml".into(), line: 3, column: 1 });
        plan(vec![
            pinned,
            work_mem,
            setting(Component::PostgreSql, "jit", Value::Bool(false), "x"),
            setting(Component::PostgreSql, "archive_command", text("test ! -f '/a\\b/%f'"), "x"),
            setting(Component::PgBouncer, "databases.llm", text("host=127.0.0.1 port=5432 dbname=llm"), "x"),
            setting(Component::PgBouncer, "default_pool_size", Value::Int(20), "2 per CPU"),
            setting(Component::Kernel, "vm.swappiness", Value::Int(10), "x"),
            setting(Component::Kernel, "thp.enabled", text("madvise"), "x"),
            setting(Component::Limits, "postgres.nofile", Value::Int(65536), "x"),
            setting(Component::Limits, "units.nofile", Value::Int(70000), "x"),
        ])
    }

    fn file<'a>(files: &'a [RenderedFile], end: &str) -> &'a str {
        let file = files.iter().find(|f| f.target.ends_with(end)).unwrap();
        std::str::from_utf8(&file.bytes).unwrap()
    }

    #[test]
    fn every_value_stands_below_its_reason_and_reads_back() {
        let files = render(&sample(), &Options::default()).unwrap();
        let targets: Vec<&str> = files.iter().map(|f| f.target.as_str()).collect();
        assert_eq!(
            targets,
            [
                "/etc/postgresql/17/main/conf.d/50-llmsql.conf",
                "/etc/postgresql/17/main/postgresql.conf",
                "/etc/pgbouncer/pgbouncer.ini",
                "/etc/sysctl.d/99-llm-sql-tuning.conf",
                "/etc/security/limits.d/99-llm-sql.conf",
            ]
        );
        let conf = file(&files, "50-llmsql.conf");
        assert!(conf.contains("# min(a, b) = min(64 MB, 80 MB); capped at 1GB\nwork_mem = 64MB\n"), "{conf}");
        assert!(conf.contains("# set by /etc/llmsql/llmsql.toml:3:1\nmax_connections = 200\n"), "{conf}");
        assert!(conf.contains("profile medium, sizing budget"), "{conf}");
        let parsed = formats::postgresql_conf::Document::parse(conf.as_bytes());
        assert_eq!(parsed.get("archive_command"), Some("test ! -f '/a\\b/%f'"));
        assert_eq!(parsed.get("jit"), Some("off"));
        let ini = formats::ini::Document::parse(file(&files, "pgbouncer.ini").as_bytes());
        assert_eq!(ini.get("databases", "llm"), Some("host=127.0.0.1 port=5432 dbname=llm"));
        assert_eq!(ini.get("pgbouncer", "default_pool_size"), Some("20"));
        let sysctl = formats::sysctl::Document::parse(file(&files, "tuning.conf").as_bytes());
        assert_eq!(sysctl.entries().map(|e| (e.key, e.value)).collect::<Vec<_>>(), [("vm.swappiness", "10")]);
        let limits = formats::limits::Document::parse(file(&files, "99-llm-sql.conf").as_bytes());
        assert_eq!(limits.get("postgres", formats::limits::Kind::Hard, "nofile"), Some("65536"));
    }

    #[test]
    fn only_the_named_components_are_rendered() {
        let options = Options { only: vec![Component::Limits], ..Options::default() };
        assert_eq!(render(&sample(), &options).unwrap().len(), 1);
    }

    #[test]
    fn the_folder_of_the_cluster_found_is_used() {
        let mut plan = sample();
        plan.facts.software.clusters = vec![
            crate::facts::Cluster { name: "15/old".into(), major: Some(15), ..Default::default() },
            crate::facts::Cluster {
                name: "17".into(),
                major: Some(17),
                config_file: Some("/var/lib/pgsql/17/data/postgresql.conf".into()),
                ..Default::default()
            },
        ];
        let files = render(&plan, &Options::default()).unwrap();
        assert_eq!(files[0].target, "/var/lib/pgsql/17/data/conf.d/50-llmsql.conf");
    }

    #[test]
    fn patroni_takes_what_all_members_share_from_the_cluster_wide_part() {
        let yaml = patroni(&sample(), &Options::default()).unwrap();
        let value: serde_yaml::Value = serde_yaml::from_slice(&yaml).unwrap();
        assert_eq!(value["bootstrap"]["dcs"]["postgresql"]["parameters"]["max_connections"].as_i64(), Some(200));
        assert_eq!(value["postgresql"]["parameters"]["work_mem"].as_str(), Some("64MB"));
        assert_eq!(value["postgresql"]["parameters"]["jit"].as_str(), Some("off"), "a word, whichever YAML reads it");
        assert!(value["postgresql"]["parameters"].get("max_connections").is_none());
    }

    #[test]
    fn a_secret_or_a_second_line_never_reaches_a_file() {
        let with = |component, name: &str, value: &str| plan(vec![setting(component, name, text(value), "x")]);
        for plan in [
            with(Component::PgBouncer, "databases.llm", "host=x password=hunter2"),
            with(Component::PgBouncer, "pool_mode", "session\nadmin_users = *"),
            with(Component::Kernel, "vm.swappiness", "10\nkernel.modprobe = /tmp/x"),
            with(Component::Limits, "postgres.nofile", "10 # x"),
        ] {
            let error = render(&plan, &Options::default()).unwrap_err();
            assert!(!format!("{error}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_unknown_variable_is_named_with_its_template_and_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("limits")).unwrap();
        let path = dir.path().join("limits/99-llm-sql.conf.j2");
        for wrong in ["no_such_thing", "groups[0].no_such_thing"] {
            fs::write(&path, format!("# one\n# {{{{ {wrong} }}}}\n")).unwrap();
            let templates = Templates::overridden_by(dir.path()).unwrap();
            let error = render(&sample(), &Options { templates, ..Options::default() }).unwrap_err();
            assert_eq!(error.exit, Exit::Usage);
            assert_eq!(error.place.as_deref(), Some(format!("{}:2", path.display()).as_str()));
            assert!(error.what.contains(wrong), "{error}");
        }
        fs::write(&path, "postgres soft nofle 1\n").unwrap();
        let templates = Templates::overridden_by(dir.path()).unwrap();
        let error = render(&sample(), &Options { templates, ..Options::default() }).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.to_string().contains("line 1, column 15"), "{error}");
    }

    #[test]
    fn a_violated_invariant_refuses_until_it_is_named() {
        let mut plan = sample();
        let finding = |name: &str| Finding {
            invariant: name.into(),
            severity: Severity::Error,
            numbers: Vec::new(),
            message: "more than there is.".into(),
            next: None,
        };
        plan.findings = vec![finding("memory.total"), finding("disk.wal")];
        let error = permit(&plan, &["disk.wal".into()]).unwrap_err();
        assert_eq!(error.exit, Exit::Invariant);
        assert!(error.next.unwrap().contains("--allow memory.total"));
        permit(&plan, &["disk.wal".into(), "memory.total".into()]).unwrap();
        assert_eq!(permit(&plan, &["memory".into()]).unwrap_err().exit, Exit::Usage);
    }

    proptest! {
        #[test]
        fn any_reason_stays_a_comment(formula in "\\PC{0,200}|[a-z\n\r\t ]{0,300}", note in any::<String>()) {
            let mut plan = sample();
            for setting in &mut plan.settings {
                setting.reason.formula.clone_from(&formula);
                setting.reason.notes = vec![note.clone()];
            }
            let files = render(&plan, &Options::default()).unwrap();
            let settings = |f: &RenderedFile| {
                formats::postgresql_conf::Document::parse(&f.bytes).entries().count()
            };
            prop_assert_eq!(settings(&files[0]), 4);
            prop_assert_eq!(formats::ini::Document::parse(&files[2].bytes).entries().count(), 2);
            prop_assert_eq!(formats::sysctl::Document::parse(&files[3].bytes).entries().count(), 1);
            prop_assert_eq!(formats::limits::Document::parse(&files[4].bytes).entries().count(), 2);
        }

        #[test]
        fn any_value_of_postgresql_reads_back(value in "[^\0]{0,60}") {
            prop_assume!(!shared::has_password(&value));
            let plan = plan(vec![setting(Component::PostgreSql, "archive_command", text(&value), "x")]);
            let files = render(&plan, &Options::default()).unwrap();
            let parsed = formats::postgresql_conf::Document::parse(&files[0].bytes);
            prop_assert_eq!(parsed.get("archive_command"), Some(value.as_str()));
        }
    }
}
