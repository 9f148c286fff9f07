//! Rendered files laid out in a folder, as they would stand on the host.
//!
//! The folder appears whole or not at all: everything is written and synced into a new folder beside it, which then takes
//! its place in one rename. A folder is replaced only where it holds nothing but an earlier render, unchanged, which its
//! manifest proves.

use super::Ownership;
use crate::error::{Error, Exit, Result};
use crate::plan::Component;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Name of the manifest in a folder of ours.
pub const MANIFEST: &str = ".llmsql-render.json";

/// A file ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Path on the host.
    pub target: String,
    /// The template it came from.
    pub template: &'static str,
    /// Whose it is.
    pub ownership: Ownership,
    /// The component it configures.
    pub component: Component,
    /// Permission bits.
    pub mode: u32,
    /// The content.
    pub bytes: Vec<u8>,
}

/// What a rendered folder holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// Version of this form; 1.
    schema: u32,
    /// llmsql's version.
    llmsql: String,
    files: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    /// Path below the folder.
    path: PathBuf,
    sha256: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    template: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ownership: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mode: String,
}

/// Writes the files below `out`.
///
/// # Errors
/// A folder that is not empty and holds more than an unchanged earlier render (exit 64); no space or no right (exit 13).
/// Nothing is left behind then.
pub fn write(out: &Path, files: &[Output]) -> Result<()> {
    let out = std::path::absolute(out).map_err(|e| failed(out, e))?;
    // A link stays a link: what it points at is replaced.
    let out = if out.is_symlink() { fs::canonicalize(&out).map_err(|e| failed(&out, e))? } else { out };
    let replaced = occupied(&out)?;
    let (Some(parent), Some(name)) = (out.parent(), out.file_name()) else {
        return Err(Error::usage("render.out", "cannot be replaced as a whole")
            .at(out.display())
            .next("name a folder below it, as in --out ./rendered"));
    };
    let made = Made::folders(parent)?;
    let staged = tempfile::Builder::new()
        .prefix(&format!(".{}.", name.to_string_lossy()))
        .suffix(".llmsql-new")
        .tempdir_in(parent)
        .map_err(|e| failed(parent, e))?;
    fill(staged.path(), files)?;
    fs::set_permissions(staged.path(), Permissions::from_mode(0o755)).map_err(|e| failed(staged.path(), e))?;
    sync(staged.path())?;
    if replaced {
        // The old folder and the new one change places at once; the temporary name then holds the old one.
        exchange(staged.path(), &out)?;
        sync(parent)?;
        if let Err(e) = staged.close() {
            return Err(
                failed(parent, e).next("the files are in place; remove the folder with .llmsql-new in its name")
            );
        }
    } else {
        fs::rename(staged.path(), &out).map_err(|e| failed(&out, e))?;
        let _ = staged.keep();
        sync(parent)?;
    }
    made.keep();
    Ok(())
}

/// Parent folders made for a render, removed again where it fails.
struct Made(Vec<PathBuf>);

impl Made {
    fn folders(parent: &Path) -> Result<Made> {
        let missing: Vec<&Path> = parent.ancestors().take_while(|dir| !dir.exists()).collect();
        let mut made = Made(Vec::new());
        for dir in missing.into_iter().rev() {
            fs::create_dir(dir).map_err(|e| failed(dir, e))?;
            made.0.push(dir.to_path_buf());
        }
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for dir in self.0.iter().rev() {
            // Another program may have put something there: then it stays.
            let _ = fs::remove_dir(dir);
        }
    }
}

fn fill(dir: &Path, files: &[Output]) -> Result<()> {
    let mut listed = Vec::new();
    for file in files {
        let relative = Path::new(&file.target).strip_prefix("/").unwrap_or(Path::new(&file.target));
        let path = dir.join(relative);
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(|e| failed(folder, e))?;
        }
        put(&path, &file.bytes, file.mode)?;
        listed.push(Listed {
            path: relative.to_path_buf(),
            sha256: sha256(&file.bytes),
            template: file.template.to_owned(),
            ownership: file.ownership.name().to_owned(),
            mode: format!("{:04o}", file.mode),
        });
    }
    let manifest = Manifest { schema: 1, llmsql: env!("CARGO_PKG_VERSION").to_owned(), files: listed };
    let json = serde_json::to_string_pretty(&manifest)
        .map_err(|e| Error::failed("render.manifest", "cannot be written as JSON").at(MANIFEST).because(e))?;
    put(&dir.join(MANIFEST), (json + "\n").as_bytes(), 0o644)?;
    let (folders, _) = walk(dir).map_err(|e| failed(dir, e))?;
    folders.iter().try_for_each(|folder| sync(folder))
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| failed(path, e))?;
    file.write_all(bytes)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all())
        .map_err(|e| failed(path, e))
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| failed(dir, e))
}

/// The new folder in the place of the old one and the other way round; where the file system cannot do that at once, in
/// two renames, undone if the second fails.
fn exchange(new: &Path, old: &Path) -> Result<()> {
    match renameat2(AT_FDCWD, new, AT_FDCWD, old, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => return Ok(()),
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => {}
        Err(e) => return Err(failed(old, e.into())),
    }
    let aside = new.with_extension("llmsql-old");
    fs::rename(old, &aside).map_err(|e| failed(old, e))?;
    if let Err(e) = fs::rename(new, old) {
        fs::rename(&aside, old).map_err(|undo| {
            failed(&aside, undo).next(format!("the earlier render stands there: move it to {}", old.display()))
        })?;
        return Err(failed(old, e));
    }
    fs::rename(&aside, new).map_err(|e| failed(&aside, e))
}

/// Whether there is an earlier render to replace; `false` where the folder is missing or empty.
fn occupied(out: &Path) -> Result<bool> {
    let metadata = match fs::metadata(out) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(failed(out, e)),
    };
    let elsewhere = "name a folder that does not exist yet or is empty";
    if !metadata.is_dir() {
        return Err(Error::usage("render.out", "is no folder").at(out.display()).next(elsewhere));
    }
    let names = fs::read_dir(out).map_err(|e| failed(out, e))?;
    let mut names: Vec<String> = names.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    if names.is_empty() {
        return Ok(false);
    }
    names.sort();
    let refuse = |what: String| Err(Error::usage("render.out", what).at(out.display()).next(elsewhere));
    let Ok(text) = fs::read_to_string(out.join(MANIFEST)) else {
        let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
        let more = names.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return refuse(format!("is not empty and holds no earlier render: {}{more} would be lost", shown.join(", ")));
    };
    let Ok(manifest) = serde_json::from_str::<Manifest>(&text) else {
        return refuse(format!("its {MANIFEST} cannot be read, so what is in it cannot be told from your own files"));
    };
    let (_, found) = walk(out).map_err(|e| failed(out, e))?;
    for path in found {
        let relative = path.strip_prefix(out).unwrap_or(&path);
        if relative == Path::new(MANIFEST) {
            continue;
        }
        match manifest.files.iter().find(|l| l.path == relative) {
            None => return refuse(format!("{} is not of an earlier render and would be lost", relative.display())),
            Some(listed) => {
                let bytes = fs::read(&path).map_err(|e| failed(&path, e))?;
                if sha256(&bytes) != listed.sha256 {
                    return refuse(format!(
                        "{} was changed since it was rendered; that would be lost",
                        relative.display()
                    ));
                }
            }
        }
    }
    Ok(true)
}

/// Every folder (itself last) and every other thing below a folder, sorted; links are not followed.
fn walk(dir: &Path) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut folders, mut files) = (vec![dir.to_path_buf()], Vec::new());
    let mut next = 0;
    while let Some(folder) = folders.get(next).cloned() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
        next += 1;
    }
    folders.sort();
    folders.reverse();
    files.sort();
    Ok((folders, files))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn failed(path: &Path, cause: io::Error) -> Error {
    let (exit, next) = match cause.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::ENOSPC | nix::errno::Errno::EDQUOT) => {
            (Exit::Precondition, "make room there or name another folder; nothing was changed")
        }
        Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM | nix::errno::Errno::EROFS) => {
            (Exit::Precondition, "name a folder you may write; nothing was changed")
        }
        Some(nix::errno::Errno::EBUSY | nix::errno::Errno::EXDEV) => {
            (Exit::Usage, "it is a mount point, which cannot be replaced as a whole: name a folder below it")
        }
        _ => (Exit::Failed, "nothing was changed"),
    };
    Error::new(exit, "render.write", "cannot be written").at(path.display()).next(next).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(target: &str, text: &str) -> Output {
        Output {
            target: target.into(),
            template: "x.j2",
            ownership: Ownership::Whole,
            component: Component::Kernel,
            mode: 0o640,
            bytes: text.as_bytes().to_vec(),
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let (_, files) = walk(dir).unwrap();
        files.iter().map(|f| f.strip_prefix(dir).unwrap().display().to_string()).collect()
    }

    #[test]
    fn an_earlier_render_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/b");
        write(&out, &[output("/etc/x", "1"), output("/etc/sub/y", "2")]).unwrap();
        assert_eq!(fs::metadata(out.join("etc/x")).unwrap().permissions().mode() & 0o777, 0o640);
        write(&out, &[output("/etc/x", "3")]).unwrap();
        assert_eq!(names(&out), [MANIFEST, "etc/x"]);
        assert_eq!(fs::read(out.join("etc/x")).unwrap(), b"3");
        assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_not_ours_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        write(&out, &[output("/etc/x", "1")]).unwrap();
        let says = |what: &str| {
            let error = write(&out, &[output("/etc/x", "2")]).unwrap_err();
            assert_eq!(error.exit, Exit::Usage);
            assert!(error.to_string().contains(what), "{error}");
        };
        fs::write(out.join("etc/x"), "edited").unwrap();
        says("etc/x was changed");
        fs::write(out.join("etc/x"), "1").unwrap();
        fs::write(out.join("notes.txt"), "mine").unwrap();
        says("notes.txt is not of an earlier render");
        fs::remove_file(out.join(MANIFEST)).unwrap();
        says("holds no earlier render");
        assert_eq!(names(&out), ["etc/x", "notes.txt"]);
    }

    #[test]
    fn folders_made_for_a_render_that_fails_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let twice = [output("/etc/x", "1"), output("/etc/x", "2")];
        write(&dir.path().join("a/b/c"), &twice).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
