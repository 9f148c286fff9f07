//! DuckDB's extensions: what is there, put there from a file, a folder or a registry, and proved to load.
//!
//! DuckDB itself checks signature, version and platform, when an extension is installed and again when it is loaded.

use super::failure;
use crate::error::{Error, Exit, Result};
use crate::http::{self, Codes};
use crate::postgres::connect::quote_literal;
use duckdb::{Config, Connection};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The largest extension that is fetched, in bytes.
const LARGEST: u64 = 1 << 30;
/// How long fetching one may take.
const FETCH: Duration = Duration::from_mins(10);
/// Registries that DuckDB knows by a word.
const KNOWN: [&str; 4] = ["core", "core_nightly", "community", "local_build_debug"];

const CODES: Codes = Codes { timeout: "extensions.timeout", unreachable: "extensions.unreachable" };

/// An extension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Whether it can be loaded: in the folder, or part of DuckDB.
    pub installed: bool,
    /// Whether it is part of DuckDB itself.
    pub built_in: bool,
    /// Its version.
    pub version: Option<String>,
    /// Its file.
    pub path: Option<PathBuf>,
    /// Where it was installed from.
    pub from: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// Whether an extension loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: Option<PathBuf>,
    /// The SHA-256 of its file.
    pub sha256: Option<String>,
    /// Whether DuckDB accepted its signature, version and platform, and loaded it.
    pub loads: bool,
    /// Why not.
    pub problem: Option<String>,
}

/// A folder of extensions.
#[derive(Debug)]
pub struct Extensions {
    folder: PathBuf,
}

impl Extensions {
    /// Takes a folder, which need not be there yet.
    ///
    /// # Errors
    /// A folder that every user may write (13): what is in it runs as whoever opens DuckDB.
    pub fn at(folder: PathBuf) -> Result<Self> {
        if fs::metadata(&folder).is_ok_and(|m| m.mode() & 0o002 != 0) {
            return Err(Error::new(
                Exit::Precondition,
                "extensions.folder",
                "every user may put code into this folder, which runs as whoever opens DuckDB",
            )
            .at(folder.display())
            .next(format!("chmod o-w {}", folder.display())));
        }
        Ok(Extensions { folder })
    }

    /// DuckDB over this folder, a new one each time: what is loaded into one stays in it.
    fn duckdb(&self) -> Result<Connection> {
        let config = || {
            Config::default()
                .enable_autoload_extension(false)?
                .with("autoinstall_known_extensions", "false")?
                .with("extension_directory", self.folder.to_string_lossy())
        };
        config().and_then(Connection::open_in_memory_with_flags).map_err(|e| failure::from_duckdb(&e))
    }

    /// Everything that DuckDB knows of, what is there first.
    ///
    /// # Errors
    /// Those of asking.
    pub fn list(&self) -> Result<Vec<Extension>> {
        let duckdb = self.duckdb()?;
        let read = || -> duckdb::Result<Vec<Extension>> {
            let mut statement = duckdb.prepare(
                "SELECT extension_name, installed, install_mode = 'STATICALLY_LINKED', extension_version, install_path,
                        installed_from, description
                 FROM duckdb_extensions() ORDER BY installed DESC, extension_name",
            )?;
            let text = |t: Option<String>| t.filter(|t| !t.is_empty());
            statement
                .query_map([], |row| {
                    let built_in = row.get::<_, Option<bool>>(2)?.unwrap_or(false);
                    Ok(Extension {
                        name: row.get(0)?,
                        installed: row.get(1)?,
                        built_in,
                        version: text(row.get(3)?),
                        path: text(row.get(4)?).filter(|_| !built_in).map(PathBuf::from),
                        from: text(row.get(5)?),
                        description: text(row.get(6)?),
                    })
                })?
                .collect()
        };
        read().map_err(|e| failure::from_duckdb(&e))
    }

    /// Loads extensions, each in a DuckDB of its own.
    ///
    /// # Errors
    /// Those of asking; that one does not load is no error but the result.
    pub fn verify(&self, names: &[String]) -> Result<Vec<Verified>> {
        let all = self.list()?;
        names.iter().map(|name| self.verify_one(name, &all)).collect()
    }

    fn verify_one(&self, name: &str, all: &[Extension]) -> Result<Verified> {
        let path = all.iter().find(|e| e.name == name).and_then(|e| e.path.clone());
        let sha256 = path.as_deref().and_then(|p| digest(p).ok());
        let loaded = self.duckdb()?.execute_batch(&format!("LOAD {}", quote_literal(name)));
        let problem = loaded.as_ref().err().map(|e| failure::from_duckdb(e).what);
        Ok(Verified { name: name.to_owned(), path, sha256, loads: loaded.is_ok(), problem })
    }

    /// Puts an extension into the folder and proves that it loads. `from` is a file, a folder, a URL of a registry, or
    /// the word by which DuckDB knows one. One that is there and loads is left alone, unless `force` says otherwise.
    ///
    /// # Errors
    /// Nothing to install, another sum than expected, no signature, another version or platform; what was there before
    /// is there again.
    pub fn install(
        &self,
        name: &str,
        from: Option<&str>,
        sha256: Option<&str>,
        force: bool,
        ca_file: Option<&Path>,
    ) -> Result<Installed> {
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.is_empty() {
            return Err(Error::usage("extensions.name", format!("\"{name}\" is no name of an extension")));
        }
        let there = self.list()?.into_iter().find(|e| e.name == name && e.installed);
        if let Some(there) = &there
            && !force
        {
            let verified = self.verify_one(name, std::slice::from_ref(there))?;
            if verified.loads {
                return Ok(Installed { verified, changed: false });
            }
        }
        let Some(from) = from else {
            return Err(Error::usage(
                "extensions.from",
                format!("{name} is not installed, and nothing says from where"),
            )
            .next("add --from FILE, --from FOLDER, --from URL of a registry, or --from core"));
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.folder)
            .map_err(|e| Error::failed("extensions.folder", "cannot be made").at(self.folder.display()).because(e))?;
        let duckdb = self.duckdb()?;
        let fetched = tempfile::tempdir()
            .map_err(|e| Error::failed("extensions.fetch", "no temporary folder can be made").because(e))?;
        let what = if KNOWN.contains(&from) {
            format!("{} FROM {from}", quote_literal(name))
        } else {
            let file = if from.starts_with("http://") || from.starts_with("https://") {
                fetch(&duckdb, name, from, fetched.path(), ca_file)?
            } else {
                find(&duckdb, name, Path::new(from))?
            };
            if let Some(wanted) = sha256 {
                let found = digest(&file).map_err(|e| unreadable(&file, e))?;
                if !found.eq_ignore_ascii_case(wanted) {
                    return Err(Error::failed("extensions.sum", format!("has another SHA-256 than expected: {found}"))
                        .at(file.display())
                        .next("take it from where the sum comes from"));
                }
            }
            quote_literal(&file.to_string_lossy())
        };
        let kept = there.and_then(|t| t.path).and_then(|p| Some((fs::read(&p).ok()?, p)));
        let installed = duckdb.execute_batch(&format!("FORCE INSTALL {what}")).map_err(|e| self.refused(name, &e));
        let verified = installed.and_then(|()| {
            let verified = self.verify_one(name, &self.list()?)?;
            match &verified.problem {
                None => Ok(verified),
                Some(problem) => Err(Error::failed("extensions.load", format!("{name} does not load: {problem}"))),
            }
        });
        match verified {
            Ok(verified) => Ok(Installed { verified, changed: true }),
            Err(error) => {
                if let Some((bytes, path)) = kept {
                    // The error of installing is the one to tell.
                    let _ = crate::output::file::replace(&path, &bytes);
                }
                Err(error)
            }
        }
    }

    fn refused(&self, name: &str, e: &duckdb::Error) -> Error {
        let error = failure::from_duckdb(e);
        let next = if error.what.contains("signature") {
            "take the extension as its maker has signed it; an unsigned one is not installed"
        } else {
            "take the file for this version and platform; `llmsql extensions list` names them"
        };
        Error::failed("extensions.refused", format!("DuckDB does not take {name}: {}", error.what))
            .at(self.folder.display())
            .next(next)
    }
}

/// An extension that is in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// What it is.
    #[serde(flatten)]
    pub verified: Verified,
    /// Whether it was put there by this run.
    pub changed: bool,
}

/// DuckDB's version and platform, as they stand in the paths of a registry.
///
/// # Errors
/// Those of asking.
pub fn target(duckdb: &Connection) -> Result<(String, String)> {
    let one =
        |sql: &str| duckdb.query_row(sql, [], |row| row.get::<_, String>(0)).map_err(|e| failure::from_duckdb(&e));
    Ok((one("SELECT library_version FROM pragma_version()")?, one("SELECT platform FROM pragma_platform()")?))
}

/// The version and platform that extensions have to be for.
///
/// # Errors
/// Those of asking.
pub fn own_target() -> Result<(String, String)> {
    target(&Connection::open_in_memory().map_err(|e| failure::from_duckdb(&e))?)
}

fn unreadable(path: &Path, e: io::Error) -> Error {
    Error::usage("extensions.unreadable", "cannot be read").at(path.display()).because(e)
}

/// The file of an extension: itself, or in a folder, flat or as registries are laid out.
fn find(duckdb: &Connection, name: &str, from: &Path) -> Result<PathBuf> {
    let from = fs::canonicalize(from).map_err(|e| unreadable(from, e))?;
    let names = [format!("{name}.duckdb_extension"), format!("{name}.duckdb_extension.gz")];
    if from.is_file() {
        let file = from.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if !names.contains(&file) {
            return Err(Error::usage("extensions.name", format!("is not the file of {name}"))
                .at(from.display())
                .next(format!("its name has to be {}", names.join(" or "))));
        }
        return Ok(from);
    }
    let (version, platform) = target(duckdb)?;
    let folders = [from.join(&version).join(&platform), from.join(&version), from.clone()];
    let candidates = folders.iter().flat_map(|f| names.iter().map(|n| f.join(n)));
    candidates.into_iter().find(|c| c.is_file()).ok_or_else(|| {
        Error::usage("extensions.missing", format!("the folder has no {name} for DuckDB {version} on {platform}"))
            .at(from.display())
            .next(format!("put {} there", names.join(" or ")))
    })
}

/// Fetches an extension from a registry.
fn fetch(duckdb: &Connection, name: &str, from: &str, into: &Path, ca_file: Option<&Path>) -> Result<PathBuf> {
    let (version, platform) = target(duckdb)?;
    let url = format!("{}/{version}/{platform}/{name}.duckdb_extension.gz", from.trim_end_matches('/'));
    let agent = http::agent(&url, ca_file, FETCH)?;
    let response = agent.get(&url).call().map_err(|e| http::failed(e, CODES, &url))?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(Error::failed("extensions.missing", format!("the registry answers {status}"))
            .at(url)
            .next("check the registry's URL and the extension's name"));
    }
    let path = into.join(format!("{name}.duckdb_extension.gz"));
    let wrong = |e: io::Error| http::failed(e.into(), CODES, &url);
    let mut file = File::create(&path).map_err(wrong)?;
    let copied = io::copy(&mut response.into_body().into_reader().take(LARGEST), &mut file).map_err(wrong)?;
    file.flush().map_err(wrong)?;
    if copied >= LARGEST {
        return Err(Error::failed("extensions.large", "the registry sends more than an extension has").at(url));
    }
    Ok(path)
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut part = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut part)?;
        let Some(read) = part.get(..n).filter(|r| !r.is_empty()) else { break };
        hash.update(read);
    }
    Ok(hash.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
