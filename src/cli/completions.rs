//! `llmsql completions`: the shell's tab key.

use super::Cli;
use crate::error::Result;
use crate::output;
use clap::{Args as ClapArgs, CommandFactory, ValueEnum};
use clap_complete::Shell;

/// Print the completion script of a shell
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  llmsql completions bash > /usr/share/bash-completion/completions/llmsql\n  llmsql completions zsh > /usr/share/zsh/vendor-completions/_llmsql\n  llmsql completions fish > /usr/share/fish/vendor_completions.d/llmsql.fish"
)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: For,
}

/// The shells there are scripts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

impl For {
    /// The name a script is installed under.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            For::Bash => "llmsql.bash",
            For::Zsh => "_llmsql",
            For::Fish => "llmsql.fish",
        }
    }

    /// The script.
    #[must_use]
    pub fn script(self) -> String {
        let shell = match self {
            For::Bash => Shell::Bash,
            For::Zsh => Shell::Zsh,
            For::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "llmsql", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

impl Arguments {
    /// Prints.
    ///
    /// # Errors
    /// Those of printing.
    pub fn run(&self) -> Result<()> {
        output::stdout(&self.shell.script())
    }
}
