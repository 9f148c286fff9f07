//! The templates: built in, or the operator's in their place.

use super::context::{Context, VARIABLES};
use crate::error::{Error, Exit, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// Every template, by its path below `templates/`.
        const BUILT_IN: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../templates/", $name)))),*];
    };
}

built_in![
    "api/api.env.j2",
    "api/logging.yaml.j2",
    "compose/docker-compose.resources.yml.j2",
    "compose/docker-compose.security.yml.j2",
    "cron/llmsql.j2",
    "duckdb/settings.sql.j2",
    "header.j2",
    "kernel/99-llm-sql-tuning.conf.j2",
    "limits/99-llm-sql.conf.j2",
    "macros.j2",
    "nginx/caching.conf.j2",
    "nginx/llmsql.conf.j2",
    "nginx/macros.j2",
    "nginx/nginx.conf.j2",
    "nginx/rate-limiting.conf.j2",
    "pgbouncer/pgbouncer.ini.j2",
    "postgresql/50-llmsql.conf.j2",
    "postgresql/patroni.yml.j2",
    "postgresql/postgresql.conf.j2",
    "secrets/env.example",
    "secrets/env.example.j2",
    "sql/connection-limits.sql.j2",
    "sql/hardening.sql.j2",
    "sqlite/pragmas.sql.j2",
    "systemd/llmsql-index.service.j2",
    "systemd/llmsql-index.timer.j2",
    "systemd/llmsql-secrets.service.j2",
    "systemd/llmsql-secrets.timer.j2",
    "systemd/llmsql-thp.service.j2",
    "systemd/service.conf.j2",
    "udev/60-llmsql.rules.j2",
];

/// The operator's template folder may not be deeper or larger than this; a wrong folder ends early.
const MOST_FILES: usize = 1000;

/// The built-in templates, and those of a folder that replace them one by one.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    dir: Option<PathBuf>,
    overrides: BTreeMap<String, String>,
}

impl Templates {
    /// The operator's templates: files of `dir` with the names of built-in ones replace those.
    ///
    /// # Errors
    /// A folder that cannot be read, a name that no built-in template has, a template with a fault (exit 64).
    pub fn overridden_by(dir: &Path) -> Result<Self> {
        let unreadable = |path: &Path, cause: std::io::Error| {
            Error::usage("render.templates", "cannot be read").at(path.display()).because(cause)
        };
        let mut overrides = BTreeMap::new();
        let mut folders = vec![dir.to_path_buf()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))? {
                let path = entry.map_err(|e| unreadable(&folder, e))?.path();
                seen += 1;
                if seen > MOST_FILES {
                    return Err(Error::usage("render.templates", "has too many files to be a folder of templates")
                        .at(dir.display()));
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().into_owned();
                if !BUILT_IN.iter().any(|(known, _)| *known == name) {
                    let next = match nearest(&name) {
                        Some(known) => format!("rename it to {known}; `llmsql render --list` shows all names"),
                        None => "`llmsql render --list` shows the names a template can have".to_owned(),
                    };
                    return Err(Error::usage("render.unknown_template", "no template has this name")
                        .at(path.display())
                        .next(next));
                }
                let text = fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
                overrides.insert(name, text);
            }
        }
        let templates = Templates { dir: Some(dir.to_path_buf()), overrides };
        templates.environment()?;
        Ok(templates)
    }

    /// Whether the operator's own takes the place of the built-in one, in it or in one it includes.
    #[must_use]
    pub fn is_overridden(&self, name: &str) -> bool {
        [name, "header.j2", "macros.j2", "nginx/macros.j2", "secrets/env.example"]
            .iter()
            .any(|name| self.overrides.contains_key(*name))
    }

    /// The variables a template reads, sorted.
    ///
    /// # Errors
    /// A template with a fault.
    pub fn variables(&self, name: &str) -> Result<Vec<String>> {
        let environment = self.environment()?;
        let template = environment.get_template(name).map_err(|e| self.fault(&e))?;
        let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        // A template that includes the header reads its lines too.
        if template.source().contains("header.j2") {
            names.extend(["comment", "header"].map(str::to_owned));
        }
        names.retain(|n| VARIABLES.contains(&n.split('.').next().unwrap_or(n)));
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Renders one template of [`Templates::environment`].
    ///
    /// # Errors
    /// An unknown variable or another fault, with template, line and variable (exit 64 where the template is the
    /// operator's).
    pub(super) fn render(&self, environment: &Environment<'_>, name: &str, context: &Context) -> Result<String> {
        let template = environment.get_template(name).map_err(|e| self.fault(&e))?;
        template.render(Serde(context)).map_err(|e| self.fault(&e))
    }

    /// Every template, read.
    ///
    /// # Errors
    /// A template with a fault.
    pub(super) fn environment(&self) -> Result<Environment<'_>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        environment.set_syntax(syntax.map_err(|e| self.fault(&e))?);
        environment.set_debug(true);
        for (name, built_in) in BUILT_IN {
            let source = self.overrides.get(*name).map_or(*built_in, String::as_str);
            environment.add_template(name, source).map_err(|e| self.fault(&e))?;
        }
        Ok(environment)
    }

    /// The innermost of minijinja's chained errors, with the template's name, line, and the text at fault.
    fn fault(&self, error: &minijinja::Error) -> Error {
        let mut inner = error;
        while let Some(next) = std::error::Error::source(inner).and_then(|e| e.downcast_ref::<minijinja::Error>()) {
            inner = next;
        }
        let name = inner.name().unwrap_or("?");
        let source = self.overrides.get(name).map(String::as_str);
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, source)| *source);
        let part = inner.range().and_then(|range| source.or(built_in)?.get(range)).map(str::trim);
        let what = match (inner.kind(), part) {
            (ErrorKind::UndefinedError, Some(part)) => format!("unknown variable \"{part}\""),
            (ErrorKind::UndefinedError, None) => "unknown variable".to_owned(),
            (kind, _) => inner.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        };
        let place = match (&self.dir, source.is_some()) {
            (Some(dir), true) => dir.join(name).display().to_string(),
            _ => name.to_owned(),
        };
        let place = inner.line().map_or(place.clone(), |line| format!("{place}:{line}"));
        let exit = if source.is_some() { Exit::Usage } else { Exit::Failed };
        let mut error = Error::new(exit, "render.template", what).at(place);
        if inner.kind() == ErrorKind::UndefinedError {
            error = error.next(format!("templates know {}", VARIABLES.join(", ")));
        }
        error
    }
}

/// The built-in name closest to an unknown one, by whole path or by file name.
fn nearest(name: &str) -> Option<&'static str> {
    let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let slips = |known: &str| {
        strsim::damerau_levenshtein(known, name).min(strsim::damerau_levenshtein(&file(known), &file(name)))
    };
    let (best, _) = BUILT_IN.iter().min_by_key(|(known, _)| slips(known))?;
    (slips(best) <= (name.chars().count() / 3).max(2)).then_some(*best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_name_is_answered_with_the_name_that_was_meant() {
        assert_eq!(nearest("pgbouncer/pgbounser.ini.j2"), Some("pgbouncer/pgbouncer.ini.j2"));
        assert_eq!(nearest("50-llmsql.conf.j2"), Some("postgresql/50-llmsql.conf.j2"));
        assert_eq!(nearest("holiday.jpg"), None);
    }

    #[test]
    fn every_template_of_the_source_tree_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut folders = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        assert_eq!(found, BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn an_operators_template_with_a_fault_is_refused_before_anything_is_rendered() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("limits")).unwrap();
        let file = dir.path().join("limits/99-llm-sql.conf.j2");
        fs::write(&file, "# fine\n{% for x in groups %}\n").unwrap();
        let error = Templates::overridden_by(dir.path()).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.place.unwrap().starts_with(&format!("{}:", file.display())));
        fs::rename(&file, dir.path().join("limits/99-llm-sql.cnf.j2")).unwrap();
        let error = Templates::overridden_by(dir.path()).unwrap_err();
        assert!(error.next.unwrap().contains("limits/99-llm-sql.conf.j2"));
    }
}
