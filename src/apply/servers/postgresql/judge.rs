//! The verdict of the real binary on a stopped scratch folder.

use super::Server;
use crate::apply::change::ChangeSet;
use crate::apply::container::Container;
use crate::apply::effective::{self, Overlay};
use crate::apply::servers::process;
use crate::apply::servers::{PATIENCE, Scratch, Verdict, refused};
use crate::error::{Error, Result};
use crate::formats::postgresql_conf::{Document, Include};
use crate::root::Root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What only a server that has read its control file can compute; asking for it has the server check everything that it
/// checks at its start (15+).
const PROOF: &str = "shared_memory_size_in_huge_pages";

impl Server {
    /// Has the real binary read all the cluster's files as they would stand.
    ///
    /// # Errors
    /// A file that it refuses (13), with file, line and its own words.
    pub fn validate(&self, root: &Root, set: &ChangeSet) -> Result<Verdict> {
        if let Some(why) = self.no_judge() {
            return Ok(Verdict::skipped(&self.name(), why));
        }
        let scratch = Scratch::new(self.user)?;
        let contents = set.files.iter().map(|f| (f.target.as_str(), f.new.as_ref().map(|v| v.content.as_slice())));
        let mut stage = Stage {
            scratch: &scratch,
            overlay: Overlay::new(root, contents),
            names: BTreeMap::new(),
            files: Vec::new(),
        };
        let main = stage.file(&self.main, "postgresql.conf", 0)?;
        if let Some(dir) = &self.data_dir {
            stage.file(&format!("{dir}/postgresql.auto.conf"), "postgresql.auto.conf", 0)?;
        }
        let whole = self.major >= 15 && self.copy_control_file(&mut stage)?;
        let proof = if whole { PROOF } else { "shared_buffers" };
        let place = scratch.path().display().to_string();
        let mut arguments = vec!["-D".to_owned(), place.clone(), "-c".to_owned()];
        arguments.extend([
            format!("config_file={}", main.display()),
            "-c".to_owned(),
            format!("data_directory={place}"),
        ]);
        arguments.extend(self.given().into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
        arguments.extend(["-C".to_owned(), proof.to_owned()]);
        let (program, output) = match &self.container {
            Some(container) => {
                (format!("postgres in {}", container.name), self.in_container(container, &stage, &arguments)?)
            }
            None => self.on_host(&scratch, &arguments)?,
        };
        if !output.status.success() {
            return Err(stage.complaint(&String::from_utf8_lossy(&output.stderr)));
        }
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let how = if whole { format!("{program} -C {proof} says {said}") } else { format!("{program} -C {proof}") };
        Ok(Verdict::passed(&self.name(), how))
    }

    /// Why nothing here can judge.
    fn no_judge(&self) -> Option<String> {
        match &self.container {
            Some(container) if container.running => None,
            Some(_) => Some("its container does not run".to_owned()),
            None if self.program.is_none() => Some(format!("no server {} that can be run was found here", self.major)),
            None if self.user.is_none() && nix::unistd::geteuid().is_root() => {
                Some("PostgreSQL does not run as root, and no user postgres was found".to_owned())
            }
            None => None,
        }
    }

    fn on_host(&self, scratch: &Scratch, arguments: &[String]) -> Result<(String, Output)> {
        let program = self.program.clone().unwrap_or_default();
        let mut command: Command = match &self.running {
            Some(running) => running.command(&program),
            None => process::command(&program, self.user),
        };
        command.args(arguments).current_dir(scratch.path());
        let output = process::output(&mut command, scratch.path(), PATIENCE)
            .map_err(|e| Error::failed("apply.validate", "cannot be run").at(program.display()).because(e))?;
        Ok((program.display().to_string(), output))
    }

    /// The staged files, at the same paths in the container, judged by its own binary.
    fn in_container(&self, container: &Container, stage: &Stage<'_>, arguments: &[String]) -> Result<Output> {
        let place = stage.scratch.path().display().to_string();
        let put = "umask 077; mkdir -p \"$(dirname \"$1\")\" && cat > \"$1\"";
        let copied = || -> Result<Output> {
            for (path, bytes) in &stage.files {
                let path = path.display().to_string();
                let output = container.exec(self.user, &["sh", "-c", put, "sh", &path], Some(bytes))?;
                if !output.status.success() {
                    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    return Err(
                        Error::failed("apply.scratch", format!("cannot be filled in the container: {words}")).at(path)
                    );
                }
            }
            let words: Vec<&str> = std::iter::once("postgres").chain(arguments.iter().map(String::as_str)).collect();
            container.exec(self.user, &words, None)
        };
        let output = copied();
        // It lies in the container's temporary folder, and a name of our own.
        let _ = container.exec(self.user, &["rm", "-rf", &place], None);
        output
    }

    /// With its control file a scratch folder is a data folder for as far as `-C` goes. Whether there is one.
    fn copy_control_file(&self, stage: &mut Stage<'_>) -> Result<bool> {
        let Some(data) = &self.data else { return Ok(false) };
        let read = |name: &str| std::fs::read(data.join(name)).ok();
        let (Some(control), Some(version)) = (read("global/pg_control"), read("PG_VERSION")) else { return Ok(false) };
        let place = stage.scratch.path().to_owned();
        stage.scratch.folder(&place.join("global"))?;
        stage.put(place.join("global/pg_control"), control)?;
        stage.put(place.join("PG_VERSION"), version)?;
        Ok(true)
    }
}

/// The files of a cluster, copied with their include lines led to the copies; lines keep their numbers.
struct Stage<'a> {
    scratch: &'a Scratch,
    overlay: Overlay<'a>,
    /// The name of each copy's original.
    names: BTreeMap<String, String>,
    /// The copies.
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Stage<'_> {
    fn file(&mut self, path: &str, name: &str, depth: usize) -> Result<PathBuf> {
        let place = self.scratch.path().join(name);
        let Some(bytes) = self.overlay.read(path) else { return Ok(place) };
        self.names.insert(place.display().to_string(), path.to_owned());
        let doc = Document::parse(&bytes);
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        for entry in doc.entries() {
            let Some(kind) = entry.include().filter(|_| depth < 10) else { continue };
            let directive = self.include(path, kind, entry.value, &format!("{name}-{}", entry.line), depth)?;
            if let (Some(directive), Some(line)) = (directive, lines.get_mut(entry.line.saturating_sub(1))) {
                *line = format!("{directive}\n").into_bytes();
            }
        }
        self.put(place.clone(), lines.concat())?;
        Ok(place)
    }

    fn put(&mut self, place: PathBuf, bytes: Vec<u8>) -> Result<()> {
        self.scratch.write(&place, &bytes)?;
        self.files.push((place, bytes));
        Ok(())
    }

    /// The directive that includes the copies; `None` where there is nothing to copy, and the server is to say so.
    fn include(&mut self, path: &str, kind: Include, value: &str, name: &str, depth: usize) -> Result<Option<String>> {
        let files = effective::included(&self.overlay, path, kind, value);
        if kind != Include::Dir {
            let Some(file) = files.first().filter(|f| self.overlay.read(f).is_some()) else { return Ok(None) };
            let place = self.file(file, name, depth + 1)?;
            return Ok(Some(format!("include '{}'", place.display())));
        }
        let folder = self.scratch.path().join(name);
        self.scratch.folder(&folder)?;
        for file in files {
            let Some(own) = Path::new(&file).file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
            self.file(&file, &format!("{name}/{own}"), depth + 1)?;
        }
        Ok(Some(format!("include_dir '{}'", folder.display())))
    }

    /// Where a setting is made for the last time.
    fn place_of(&self, name: &str) -> Option<String> {
        self.files.iter().find_map(|(copy, bytes)| {
            let entries = Document::parse(bytes);
            let line = entries.entries().filter(|e| e.name.eq_ignore_ascii_case(name)).last()?.line;
            Some(format!("{}:{line}", self.names.get(&copy.display().to_string())?))
        })
    }

    /// The server's complaint with the names of the originals, at the file and line it names.
    fn complaint(&self, stderr: &str) -> Error {
        let mut text: String = stderr
            .lines()
            .filter(|line| !line.contains("skipping missing configuration file"))
            .map(|line| line.split_once(":  ").map_or(line, |(_, words)| words))
            .filter(|line| !line.trim().is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        // The longest first: a copy's name may begin another's.
        let mut names: Vec<(&String, &String)> = self.names.iter().collect();
        names.sort_by_key(|(copy, _)| std::cmp::Reverse(copy.len()));
        for (copy, original) in names {
            text = text.replace(copy.as_str(), original);
        }
        // Of some values only the name is told.
        let found = place(&text).or_else(|| self.place_of(text.split_once("parameter \"")?.1.split_once('"')?.0));
        refused("PostgreSQL", found, &text)
    }
}

/// `FILE:LINE` out of `… in file "FILE" line LINE …`.
fn place(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("file \"")?;
    let (file, rest) = rest.split_once('"')?;
    let line: String = rest.trim_start().strip_prefix("line ")?.chars().take_while(char::is_ascii_digit).collect();
    (!line.is_empty()).then(|| format!("{file}:{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_complaint_is_found() {
        let text = "unrecognized configuration parameter \"foo\" in file \"/etc/x.conf\" line 12; more";
        assert_eq!(place(text).as_deref(), Some("/etc/x.conf:12"));
        assert_eq!(place("could not access file \"nothere\": No such file"), None);
    }
}
