//! Other programs, started without what they are not to know.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// Variables in which passwords of servers come to this program.
const PASSWORDS: &[&str] = &["LLMSQL_DSN", "PGPASSWORD"];

/// A program to be run without input and without the passwords of our environment, which anybody who may look at the
/// child's environment would see there.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for name in PASSWORDS {
        command.env_remove(name);
    }
    command
}
