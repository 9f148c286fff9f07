//! `llmsql extensions`.

use super::Global;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Format};
use crate::profile::config::{self, Document};
use crate::query::extensions::{Extensions, Installed, own_target};
use crate::root::Root;
use crate::units;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where the plan puts them; of a user who is not root, where DuckDB does.
const FOLDER: &str = "/var/lib/duckdb/extensions";

/// Show, install and prove DuckDB's extensions
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  llmsql extensions list
  llmsql extensions install httpfs --from ./httpfs.duckdb_extension.gz
  llmsql extensions install postgres_scanner sqlite_scanner \\
      --from /mnt/usb/duckdb
  llmsql extensions install httpfs --from https://mirror.example/duckdb
  llmsql extensions verify
  llmsql extensions sql --s3-region eu-central-1 --http-timeout 2min > load.sql")]
pub enum Command {
    /// Show the extensions that are there and those that DuckDB knows of
    List(Place),
    /// Put extensions into the folder and prove that they load; nothing is fetched unless a registry is named
    Install(Install),
    /// Load every extension of the folder: signature, version and platform are DuckDB's own checks
    Verify(Verify),
    /// Print the SQL that loads what is installed, with the settings of HTTP and S3
    Sql(Sql),
}

/// Which folder.
#[derive(Debug, Args)]
pub struct Place {
    /// The folder [default: duckdb.extension_directory of llmsql.toml, else /var/lib/duckdb/extensions as root, else
    /// ~/.duckdb/extensions]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// What to install.
#[derive(Debug, Args)]
pub struct Install {
    /// The extensions
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// A file, a folder of them, the URL of a registry, or core or community, which DuckDB knows
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// The sum that the file has to have, as it is fetched
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Certificates that stand in for the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Install what is there already, too
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
}

/// What to prove.
#[derive(Debug, Args)]
pub struct Verify {
    /// The extensions [default: all that are installed]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// What to set.
#[derive(Debug, Args)]
pub struct Sql {
    /// How long a request may take; DuckDB counts in seconds
    #[arg(long, value_name = "TIME", default_value = "2min", value_parser = units::parse_millis)]
    http_timeout: u64,
    /// How often a request is tried again
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    http_retries: u32,
    /// The region of S3's buckets
    #[arg(long, value_name = "REGION")]
    s3_region: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DuckDb {
    extension_directory: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Listed<T> {
    folder: PathBuf,
    duckdb: String,
    platform: String,
    extensions: Vec<T>,
}

impl Place {
    fn folder(&self, global: &Global) -> Result<PathBuf> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        let root = global.root();
        folder(&Document::read(&config::locate(global.config.as_deref(), &root)?)?, &root)
    }

    fn open(&self, global: &Global) -> Result<(PathBuf, Extensions)> {
        let folder = std::path::absolute(self.folder(global)?)
            .map_err(|e| Error::usage("extensions.folder", "is no folder").at("--dir").because(e))?;
        Ok((folder.clone(), Extensions::at(folder)?))
    }
}

/// The folder where none is named.
///
/// # Errors
/// A `[duckdb]` that is none.
pub fn folder(document: &Document, root: &Root) -> Result<PathBuf> {
    let configured: DuckDb = document.section("duckdb")?.unwrap_or_default();
    let folder = configured.extension_directory.unwrap_or_else(|| {
        match std::env::var_os("HOME").filter(|_| !nix::unistd::geteuid().is_root()) {
            Some(home) => PathBuf::from(home).join(".duckdb/extensions"),
            None => PathBuf::from(FOLDER),
        }
    });
    Ok(root.on_host(&folder))
}

impl Command {
    /// Does what was asked.
    ///
    /// # Errors
    /// Those of the folder, the files, the registry; an extension that does not load.
    pub fn run(self, global: &Global) -> Result<Exit> {
        match self {
            Command::List(place) => list(&place, global),
            Command::Install(install) => install.run(global),
            Command::Verify(verify) => verify.run(global),
            Command::Sql(sql) => sql.run(global),
        }
    }
}

fn print<T: Serialize>(
    folder: PathBuf,
    extensions: Vec<T>,
    global: &Global,
    text: impl Fn(&[T]) -> String,
) -> Result<()> {
    let (duckdb, platform) = own_target()?;
    if global.format == Format::Table {
        return output::stdout(&format!("DuckDB {duckdb} on {platform}, {}\n{}", folder.display(), text(&extensions)));
    }
    output::document(&Listed { folder, duckdb, platform, extensions }, global.format)
}

fn list(place: &Place, global: &Global) -> Result<Exit> {
    let (folder, extensions) = place.open(global)?;
    let all = extensions.list()?;
    print(folder, all, global, |all| {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for e in all {
            let state = match (e.built_in, e.installed) {
                (true, _) => "built in",
                (false, true) => "installed",
                (false, false) => "not installed",
            };
            let (version, about) = (e.version.clone().unwrap_or_default(), e.description.clone().unwrap_or_default());
            table.add_row(vec![e.name.clone(), state.to_owned(), version, about]);
        }
        table.lines().map(|l| format!("{}\n", l.trim_end())).collect()
    })?;
    Ok(Exit::Done)
}

impl Install {
    fn run(self, global: &Global) -> Result<Exit> {
        if self.sha256.is_some() && self.names.len() > 1 {
            return Err(Error::usage("extensions.sum", "one sum is of one extension").at("--sha256"));
        }
        let (folder, extensions) = self.place.open(global)?;
        let mut done: Vec<Installed> = Vec::new();
        for name in &self.names {
            let from = self.from.as_deref();
            match extensions.install(name, from, self.sha256.as_deref(), self.force, self.ca_file.as_deref()) {
                Ok(one) => done.push(one),
                Err(error) => {
                    // What was put there before stays, and is said.
                    for one in done.iter().filter(|one| one.changed) {
                        output::note(&format!("{} is installed, and loads", one.verified.name));
                    }
                    return Err(error);
                }
            }
        }
        print(folder, done, global, |done| {
            let line = |i: &Installed| {
                let how = if i.changed { "installed, and loads" } else { "was there, and loads" };
                format!("  {} {how}  sha256 {}\n", i.verified.name, i.verified.sha256.as_deref().unwrap_or("built in"))
            };
            done.iter().map(line).collect()
        })?;
        Ok(Exit::Done)
    }
}

impl Verify {
    fn run(self, global: &Global) -> Result<Exit> {
        let (folder, extensions) = self.place.open(global)?;
        let names = if self.names.is_empty() {
            extensions.list()?.into_iter().filter(|e| e.installed && !e.built_in).map(|e| e.name).collect()
        } else {
            self.names
        };
        let there = extensions.list()?;
        if let Some(missing) = names.iter().find(|name| !there.iter().any(|e| e.name == **name && e.installed)) {
            return Err(Error::usage("extensions.missing", format!("{missing} is not installed"))
                .at(folder.display())
                .next(format!("llmsql extensions install {missing} --from PLACE")));
        }
        let all = extensions.verify(&names)?;
        let broken: Vec<String> = all.iter().filter(|v| !v.loads).map(|v| v.name.clone()).collect();
        print(folder, all, global, |all| {
            let line = |v: &crate::query::extensions::Verified| match &v.problem {
                None => format!("  {} loads  sha256 {}\n", v.name, v.sha256.as_deref().unwrap_or("built in")),
                Some(problem) => format!("  {} does not load: {problem}\n", v.name),
            };
            if all.is_empty() { "  nothing is installed\n".to_owned() } else { all.iter().map(line).collect() }
        })?;
        if broken.is_empty() {
            return Ok(Exit::Done);
        }
        Err(Error::failed("extensions.load", format!("does not load: {}", broken.join(", ")))
            .next("install it anew with --force, for this version and platform"))
    }
}

impl Sql {
    fn run(self, global: &Global) -> Result<Exit> {
        let (folder, extensions) = self.place.open(global)?;
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let mut sql = format!("SET extension_directory = {};\n", quoted(&folder.to_string_lossy()));
        sql += "SET autoinstall_known_extensions = false;\n";
        let installed: Vec<String> =
            extensions.list()?.into_iter().filter(|e| e.installed && !e.built_in).map(|e| e.name).collect();
        for name in &installed {
            sql += &format!("LOAD {name};\n");
        }
        if installed.iter().any(|n| n == "httpfs") {
            sql += &format!("SET GLOBAL http_timeout = {};\n", self.http_timeout.div_ceil(1000));
            sql += &format!("SET GLOBAL http_retries = {};\n", self.http_retries);
            if let Some(region) = &self.s3_region {
                sql += &format!("SET GLOBAL s3_region = {};\n", quoted(region));
            }
        } else if self.s3_region.is_some() {
            return Err(Error::usage("extensions.httpfs", "S3 needs the extension httpfs, which is not installed")
                .at("--s3-region")
                .next("llmsql extensions install httpfs --from PLACE"));
        }
        output::stdout(&sql).map(|()| Exit::Done)
    }
}
