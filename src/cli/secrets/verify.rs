//! `llmsql secrets verify`.

use super::{EnvArgs, base};
use crate::cli::Global;
use crate::cli::connection::ConnectionArgs;
use crate::error::{Error, Exit, Result};
use crate::output::plan::paragraph;
use crate::output::{self, Format};
use crate::postgres::connect::block_on;
use crate::secrets::env::EnvFile;
use crate::secrets::pending::Login;
use crate::secrets::pooler::Pooler;
use crate::secrets::verify::{self, Check, Tools};
use clap::Args;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    env: EnvArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl Verify {
    pub(super) fn run(&self, global: &Global) -> Result<Exit> {
        let context = self.env.context(global)?;
        let file = EnvFile::read(&context.path)?;
        let secrets = context.config.secrets(&file.document)?;
        let pooler = Pooler::find(&context.config, &global.root())?;
        let roles = secrets.iter().filter_map(|s| Some((s.role.as_ref()?, file.get(&s.name)?)));
        let logins: Vec<(Login, Vec<String>)> = roles
            .map(|(role, value)| (Login { role: role.role.clone(), password: value.into() }, role.databases.clone()))
            .collect();
        let databases: Vec<String> = logins.iter().flat_map(|(_, d)| d.clone()).collect();
        let all: Vec<&Login> = logins.iter().map(|(l, _)| l).collect();
        let base = if all.is_empty() { None } else { Some(base(&self.connection, &all, &databases)?) };
        let tools = Tools { base, pooler: pooler.as_ref(), state: &context.state };
        let checks = block_on(verify::verify(&file, &secrets, &tools))?;
        match global.format {
            Format::Table => output::stdout(&listed(&checks))?,
            format => output::document(&checks, format)?,
        }
        let broken = checks.iter().filter(|c| c.works == Some(false)).count();
        let mut names: Vec<&str> = checks.iter().filter(|c| c.works == Some(false)).map(|c| c.name.as_str()).collect();
        names.dedup();
        if names.is_empty() {
            return Ok(Exit::Done);
        }
        let what = format!("{broken} of {} checks fail: {}", checks.len(), names.join(", "));
        Err(Error::new(Exit::LoginFailed, "secrets.verify", what)
            .at(file.path.display())
            .next("name the server with --dsn if it is another; bring the right value back with `llmsql secrets restore`, or make all agree with `llmsql secrets rotate NAME --mend`"))
    }
}

/// Each secret with its checks below it. No table: paths and errors in a column of one would be broken.
fn listed(checks: &[Check]) -> String {
    let mut out = String::new();
    let mut last = "";
    for check in checks {
        if check.name != last {
            out.push_str(&format!("{}\n", check.name));
            last = &check.name;
        }
        let works = match check.works {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not tried",
        };
        paragraph(&mut out, &format!("{works}: {}: {}", check.place, check.detail), "  ", 80);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_stays_whole() {
        let place = format!("/srv/{}/userlist.txt", "deep/".repeat(20));
        let check =
            Check { name: "APP_PASSWORD".into(), place: place.clone(), works: Some(false), detail: "is old".into() };
        assert_eq!(listed(&[check]), format!("APP_PASSWORD\n  NO:\n  {place}:\n  is old\n"));
    }
}
