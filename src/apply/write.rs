//! Bringing the files and the kernel's values of a change from one side to the other.
//!
//! Whether it is an apply, its undoing, or a `recover` of either, the way is the same: look what stands, write and sync
//! every new file beside its target, then rename one after the other, each only over what was seen, and sync its folder.

use super::change::{self, ChangeSet, FileChange, KernelChange, Side, Standing};
use super::effective;
use super::permit::ApplyPermit;
use crate::error::{Error, Exit, Result};
use crate::facts::sysctl_path;
use crate::output::file::{self, Attributes, Expected, NotCommitted, Staged};
use crate::root::Root;
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};

/// What became of the kernel's values that could not be written, each with the command that would.
pub type Notes = Vec<String>;

/// What to do with files that somebody has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// Refuse, before anything is written.
    Refuse,
    /// Leave them as they are.
    Leave,
}

/// One step that is ready to be done.
enum Step {
    Put { target: String, staged: Staged, over: Option<Vec<u8>> },
    Remove { target: String, path: PathBuf, over: Vec<u8> },
}

/// Brings every file to one side. Nothing is replaced before all new files are written and synced.
///
/// # Errors
/// A file that was changed since (10), an untrusted folder, no right or no space (13), and those of writing. Where some
/// files have been replaced by then, the caller undoes them.
pub fn files(_: &ApplyPermit, root: &Root, set: &ChangeSet, side: Side, tag: &str, edited: Edited) -> Result<()> {
    let mut wanted = Vec::new();
    for change in &set.files {
        let (standing, now) = change.standing(root)?;
        match (standing, side) {
            (Standing::Old, Side::Old) | (Standing::New, Side::New) => {}
            (Standing::Edited, _) if edited == Edited::Leave => {}
            (Standing::Edited, _) => return Err(stale(root, change)),
            _ => wanted.push((change, now)),
        }
    }
    for (change, _) in &wanted {
        let path = change.path(root)?;
        trusted(root, change, &path)?;
    }
    make_folders(root, set, side)?;
    let steps =
        wanted.into_iter().map(|(change, now)| prepare(root, change, side, now, tag)).collect::<Result<Vec<_>>>()?;
    steps.into_iter().try_for_each(Step::run)
}

/// The folder of the target and, where that is a link, of the link.
fn trusted(root: &Root, change: &FileChange, path: &Path) -> Result<()> {
    let attributes = change.new.as_ref().or(change.old.as_ref()).map(|v| &v.attributes);
    let owner = attributes.map_or(0, |a| a.uid);
    file::trusted(path, owner)?;
    let target = Path::new(&change.target);
    match (target.parent(), target.file_name()) {
        (Some(folder), Some(name)) => {
            let wrong = |e| Error::failed("file.link", "leads to no file").at(&change.target).because(e);
            file::trusted(&root.resolve(folder).map_err(wrong)?.join(name), owner)
        }
        _ => Ok(()),
    }
}

fn stale(root: &Root, change: &FileChange) -> Error {
    Error::new(Exit::Stale, "apply.stale", "was changed since; nothing of it was overwritten")
        .at(&change.target)
        .next(format!("look at it with {}; what stands there now is the start of a new plan", root.command("diff")))
}

fn prepare(root: &Root, change: &FileChange, side: Side, now: Option<Vec<u8>>, tag: &str) -> Result<Step> {
    let path = change.path(root)?;
    let target = change.target.clone();
    match (change.version(side), change.bytes(side, now.as_deref())?, now) {
        (Some(version), Some(bytes), over) => {
            let staged = file::stage(&path, &bytes, Some(&version.attributes), tag)
                .map_err(|e| unwritable(&path, "cannot be written", e))?;
            Ok(Step::Put { target, staged, over })
        }
        (_, _, Some(over)) => Ok(Step::Remove { target, path, over }),
        // Neither wanted nor there: it would not have been asked for.
        _ => Err(stale(root, change)),
    }
}

impl Step {
    fn run(self) -> Result<()> {
        let changed = |target: &str| {
            Error::new(Exit::Stale, "apply.stale", "was changed at this very moment by something else")
                .at(target)
                .next("find out what writes it, then run the command again")
        };
        match self {
            Step::Put { target, staged, over } => {
                let expected = over.as_deref().map_or(Expected::Absent, Expected::Content);
                staged.commit(expected).map_err(|e| match e {
                    NotCommitted::Changed => changed(&target),
                    NotCommitted::Io(e) => unwritable(Path::new(&target), "cannot be replaced", e),
                })
            }
            Step::Remove { target, path, over } => {
                if change::read(&path)?.as_deref() != Some(over.as_slice()) {
                    return Err(changed(&target));
                }
                fs::remove_file(&path)
                    .and_then(|()| file::sync_folder(file::folder(&path)))
                    .map_err(|e| unwritable(&path, "cannot be removed", e))
            }
        }
    }
}

fn unwritable(path: &Path, what: &str, e: io::Error) -> Error {
    let refused = |next: &str| Error::new(Exit::Precondition, "apply.write", what).at(path.display()).next(next);
    match e.kind() {
        io::ErrorKind::PermissionDenied => refused("run it as root, or as the owner of all the files"),
        io::ErrorKind::ReadOnlyFilesystem => {
            refused("the file system is mounted read-only: remount it, or change the image")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => refused("make room on its file system"),
        _ => Error::failed("apply.write", what).at(path.display()),
    }
    .because(e)
}

/// Makes the folders of new files: the owner is that of the folder they are made in.
fn make_folders(root: &Root, set: &ChangeSet, side: Side) -> Result<()> {
    for folder in set.missing_folders(root, side) {
        let path = root.resolve(&folder).map_err(|e| unwritable(Path::new(&folder), "cannot be found", e))?;
        let make = || -> io::Result<()> {
            match DirBuilder::new().mode(0o755).create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                made => made?,
            }
            let above = fs::metadata(file::folder(&path))?;
            let own = fs::metadata(&path)?;
            if (own.uid(), own.gid()) != (above.uid(), above.gid()) {
                fchown(File::open(&path)?, Some(above.uid()), Some(above.gid()))?;
            }
            file::sync_folder(file::folder(&path))
        };
        make().map_err(|e| unwritable(&path, "the folder cannot be made", e))?;
    }
    Ok(())
}

/// Removes the folders a generation has made, where nothing else was put into them, innermost first.
///
/// # Errors
/// Those of removing.
pub fn remove_folders(_: &ApplyPermit, root: &Root, folders: &[String]) -> Result<()> {
    for folder in folders.iter().rev() {
        let path = root.resolve(folder).map_err(|e| unwritable(Path::new(folder), "cannot be found", e))?;
        match fs::remove_dir(&path) {
            Ok(()) => file::sync_folder(file::folder(&path)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            Err(e) => Err(e),
        }
        .map_err(|e| unwritable(&path, "the folder cannot be removed", e))?;
    }
    Ok(())
}

/// Removes what a killed run has left beside the files of a change.
///
/// # Errors
/// Those of reading the folders and of removing.
pub fn sweep(_: &ApplyPermit, root: &Root, set: &ChangeSet, tag: &str) -> Result<()> {
    let mut folders = BTreeSet::new();
    for change in &set.files {
        folders.insert(file::folder(&change.path(root)?).to_owned());
    }
    folders.iter().try_for_each(|folder| {
        file::sweep(folder, tag).map_err(|e| unwritable(folder, "what was left there cannot be removed", e))
    })
}

/// What a new file gets: the folder's owner, so that a server finds its own, and the group of its service where others
/// may not read it.
///
/// # Errors
/// Those of reading the folder.
pub fn attributes_of_new(root: &Root, path: &Path, mode: u32, users: &[&str]) -> Result<Attributes> {
    let above = file::folder(path).ancestors().find_map(|dir| fs::metadata(dir).ok());
    let (mut uid, mut gid) = above.map_or((0, 0), |m| (m.uid(), m.gid()));
    let own = nix::unistd::geteuid();
    if !own.is_root() {
        (uid, gid) = (own.as_raw(), nix::unistd::getegid().as_raw());
    } else if mode & 0o004 == 0 && gid == 0 {
        let passwd = root.read("/etc/passwd").unwrap_or_default();
        let group = |user: &&str| {
            let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
            line.split(':').nth(3)?.parse().ok()
        };
        gid = users.iter().find_map(group).unwrap_or(gid);
    }
    Ok(Attributes { uid, gid, mode, xattrs: Default::default() })
}

/// Brings the kernel's values to one side. Where the kernel does not let this process write, the value is left and noted,
/// with the command that root would run.
///
/// # Errors
/// A value that the kernel refuses.
pub fn kernel(_: &ApplyPermit, root: &Root, set: &ChangeSet, side: Side) -> Result<Notes> {
    let mut notes = Notes::new();
    let mut bring = |change: &KernelChange| -> Result<()> {
        let (path, value) = match (side, &change.undo) {
            (Side::New, _) => (&change.path, &change.new),
            (Side::Old, Some((path, value))) => (path, value),
            (Side::Old, None) => (&change.path, &change.old),
        };
        if kernel_value(root, path).as_deref() == Some(value) {
            return Ok(());
        }
        match write_kernel(root, path, value) {
            Ok(()) => Ok(()),
            Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                notes.push(format!("{path} stays as it is ({e}); as root of the host: echo '{value}' > {path}"));
                Ok(())
            }
            Err(e) => {
                Err(Error::failed("apply.kernel", format!("the kernel does not take {value:?}")).at(path).because(e))
            }
        }
    };
    match side {
        Side::New => set.kernel.iter().try_for_each(&mut bring)?,
        Side::Old => set.kernel.iter().rev().try_for_each(&mut bring)?,
    }
    Ok(notes)
}

/// A value of the kernel: of a list of words the one in brackets, of several numbers all.
#[must_use]
pub fn kernel_value(root: &Root, path: &str) -> Option<String> {
    let text = root.read(path).ok()?;
    let chosen = text.split_whitespace().find_map(|w| w.strip_prefix('[')?.strip_suffix(']'));
    Some(chosen.map_or_else(|| text.split_whitespace().collect::<Vec<_>>().join(" "), str::to_owned))
}

/// Why a value of the kernel may not be written here; `None` where it may, or where that does not matter.
#[must_use]
pub fn kernel_refusal(root: &Root, path: &str) -> Option<io::Error> {
    let opened = root.resolve(path).and_then(|place| OpenOptions::new().write(true).open(place));
    opened.err().filter(|e| matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem))
}

fn write_kernel(root: &Root, path: &str, value: &str) -> io::Result<()> {
    let place = root.resolve(path)?;
    let text = if root.is_live() { format!("{value}\n") } else { as_kernel_shows(&fs::read_to_string(&place)?, value) };
    let mut file = OpenOptions::new().write(true).open(place)?;
    file.write_all(text.as_bytes())?;
    if root.is_live() {
        return Ok(());
    }
    // In a tree that stands for a host the file is an ordinary one: it may have been longer, and no kernel sees to the
    // other one of a pair.
    file.set_len(text.len() as u64)?;
    let key = path.trim_start_matches("/proc/sys/").replace('/', ".");
    match effective::twin(&key).map(sysctl_path).filter(|other| value != "0" && root.exists(other)) {
        Some(other) => fs::write(root.resolve(other)?, "0\n"),
        None => Ok(()),
    }
}

/// The value as the kernel would show it where `now` stands: of a list of words the one in force is in brackets.
fn as_kernel_shows(now: &str, value: &str) -> String {
    if !now.contains('[') {
        return format!("{value}\n");
    }
    let words = now.split_whitespace().map(|word| word.trim_matches(['[', ']']));
    let shown: Vec<String> = words.map(|w| if w == value { format!("[{w}]") } else { w.to_owned() }).collect();
    format!("{}\n", shown.join(" "))
}
