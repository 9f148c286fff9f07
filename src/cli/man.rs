//! `llmsql man`: the manual pages.

use super::Cli;
use crate::error::{Error, Exit, Result};
use crate::output;
use clap::{Args as ClapArgs, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Print the manual page, or write all of them into a folder
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  llmsql man | man -l -\n  llmsql man --out /usr/share/man/man1")]
pub struct Arguments {
    /// Write llmsql.1 and one page for each subcommand into this folder, which is created if need be
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A manual page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// `llmsql-config-set.1`.
    pub file: String,
    /// Its roff source.
    pub roff: String,
}

impl Arguments {
    /// Prints the main page or writes all.
    ///
    /// # Errors
    /// Those of printing and writing.
    pub fn run(&self) -> Result<()> {
        let pages = pages()?;
        let Some(dir) = &self.out else {
            return output::stdout(pages.first().map_or("", |p| p.roff.as_str()));
        };
        let wrong =
            |path: &std::path::Path, e| Error::failed("man.write", "cannot be written").at(path.display()).because(e);
        fs::create_dir_all(dir).map_err(|e| wrong(dir, e))?;
        for page in &pages {
            let path = dir.join(&page.file);
            fs::write(&path, &page.roff).map_err(|e| wrong(&path, e))?;
        }
        output::note(&format!("{} pages are in {}", pages.len(), dir.display()));
        Ok(())
    }
}

/// All pages, the main one first. They depend on nothing but the program: no date, no terminal, no environment.
///
/// # Errors
/// None in practice: they are written into memory.
pub fn pages() -> Result<Vec<Page>> {
    let mut main = Cli::command().disable_help_subcommand(true);
    main.build();
    let mut pages = Vec::new();
    gather(&main, "llmsql", &mut pages)
        .map_err(|e| Error::failed("man.generate", "the manual cannot be written").because(e))?;
    Ok(pages)
}

fn gather(command: &Command, name: &str, pages: &mut Vec<Page>) -> io::Result<()> {
    pages.push(Page { file: format!("{name}.1"), roff: page(command, name)? });
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help" && !s.is_hide_set()) {
        gather(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> io::Result<String> {
    // The page's title and synopsis name the whole command; subcommands are pages of their own.
    let spelled = name.replacen('-', " ", 2);
    let command = command.clone().name(name.to_owned()).bin_name(spelled).display_name(name.to_owned());
    let man = Man::new(command.clone());
    let mut out = Vec::new();
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    if command.get_arguments().any(|a| !a.is_hide_set()) {
        man.render_options_section(&mut out)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_help() {
        let text = text.to_string();
        roff.control("SH", [if text.starts_with("Example") { "EXAMPLES" } else { "NOTES" }]);
        let lines = text.lines().skip_while(|line| ["Example:", "Examples:"].contains(line));
        let lines: Vec<&str> = lines.map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        roff.control("nf", []);
        for line in lines {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (exit, meaning) in Exit::TABLE {
        entry(&mut roff, &exit.code().to_string(), meaning);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, meaning) in ENVIRONMENT {
        entry(&mut roff, name, meaning);
    }
    roff.control("SH", ["FILES"]);
    for (name, meaning) in FILES {
        entry(&mut roff, name, meaning);
    }
    if name != "llmsql" {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("llmsql"), roman("(1)")]);
    }
    roff.to_writer(&mut out)?;
    let body = String::from_utf8_lossy(&out);
    // Each section brings the definition of the apostrophe along; once is enough. A blank line between two breaks is
    // what mandoc wants written as a space.
    let body = body.replace(APOSTROPHE, "").replace("\n.br\n\n.br\n", "\n.sp\n");
    let title = format!(".TH {} 1 {DATE} \"llmsql {}\" llmsql\n", name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    Ok(format!("{APOSTROPHE}{title}{body}"))
}

fn entry(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(meaning)]);
}

/// How roff programs other than groff are told what an apostrophe is.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The pages' date: that of this version of the command line, not that of the build.
const DATE: &str = "2026-11-23";

const ENVIRONMENT: &[(&str, &str)] = &[
    ("LLMSQL_CONFIG", "The operator's file, as --config."),
    ("LLMSQL_FORMAT", "The form of results, as --format."),
    (
        "LLMSQL_TABLE_KEY",
        "Sets a key: LLMSQL_HOST_RAM=64GB is host.ram, LLMSQL_POSTGRESQL_WORK_MEM=64MB is postgresql.work_mem. \
         It wins over llmsql.toml and the profile, and a flag wins over it. An empty one counts as not set.",
    ),
    ("NO_COLOR", "No colour where it is set."),
];

const FILES: &[(&str, &str)] = &[
    ("./llmsql.toml", "The operator's values, where the working folder has one."),
    ("/etc/llmsql/llmsql.toml", "The operator's values otherwise."),
    ("/etc/llmsql/profiles/NAME.yaml", "The operator's profiles; one of them hides the built-in one of its name."),
];
