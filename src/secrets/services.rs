//! Services that have to read the env file anew: the commands that make them, and the processes that still hold an old
//! value.

use crate::error::{Error, Result};
use crate::process;
use crate::secrets::url;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::fs;

/// A process whose environment holds a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// Its program.
    pub name: String,
    /// The variables that hold it.
    pub variables: Vec<String>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {})", self.name, self.pid, self.variables.join(", "))
    }
}

/// Processes whose environment, as far as we may read it, holds one of these values.
#[must_use]
pub fn holders(values: &[&SecretString]) -> Vec<Holder> {
    let own = std::process::id();
    let pids =
        fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let mut found: Vec<Holder> = pids
        .filter(|pid: &i32| u32::try_from(*pid) != Ok(own))
        .filter_map(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let variables: Vec<String> = environment
                .split(|b| *b == 0)
                .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
                .filter(|(_, value)| values.iter().any(|v| holds(value, v)))
                .map(|(name, _)| name.to_owned())
                .collect();
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
            (!variables.is_empty()).then_some(Holder { pid, name, variables })
        })
        .collect();
    found.sort_by_key(|h| h.pid);
    found
}

/// Whether a variable is the secret, or a URL with it.
fn holds(variable: &str, secret: &SecretString) -> bool {
    let secret = secret.expose_secret();
    !secret.is_empty() && (variable == secret || secret.len() >= 8 && url::replace(variable, secret, "").is_some())
}

/// Runs each command by `sh -c`, in order, with its output on our stderr.
///
/// # Errors
/// The first that fails.
pub fn reload(commands: &[String]) -> Result<()> {
    for command in commands {
        let failed = |what: String| {
            Error::failed("secrets.reload", what)
                .at(command)
                .next("run it by hand to see why; [secrets] reload in llmsql.toml names it")
        };
        let mut shell = process::command("sh");
        shell.args(["-c", command]).stdout(std::io::stderr());
        let status =
            shell.status().map_err(|e| failed("the reload command cannot be started".to_owned()).because(e))?;
        if !status.success() {
            return Err(failed(format!("the reload command failed ({status})")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_holds_a_value_is_found() {
        let secret = crate::secrets::generate::text(128).unwrap();
        let url = format!("postgresql://a:{}@h/d", secret.expose_secret());
        let mut child = Command::new("sleep").arg("60").env("A", secret.expose_secret()).env("B", url).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // Between fork and exec the child has our environment.
        let start = std::time::Instant::now();
        let mut found = holders(&[&secret]);
        while found.is_empty() && start.elapsed().as_secs() < 30 {
            found = holders(&[&secret]);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].pid, found[0].name.as_str()), (pid, "sleep"));
        let mut variables = found[0].variables.clone();
        variables.sort();
        assert_eq!(variables, ["A", "B"]);
    }

    #[test]
    fn a_reload_that_fails_is_named() {
        assert!(reload(&["true".to_owned()]).is_ok());
        assert_eq!(reload(&["exit 3".to_owned()]).unwrap_err().place.as_deref(), Some("exit 3"));
    }
}
