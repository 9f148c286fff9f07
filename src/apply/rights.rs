//! What this user may change. The files that one server reads are changed all or none: of a component of which one file
//! is closed to him, nothing is touched, and the command is said that root would run.

use super::change::{ChangeSet, FileChange, Side};
use super::lock;
use crate::error::{Error, Exit, Fault, Faults, Result};
use crate::output::file;
use crate::root::Root;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, Gid, faccessat, getegid, geteuid, getgroups};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A component that is left out for want of rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The component.
    pub component: String,
    /// The first of its files that is closed, and why.
    pub why: String,
}

/// Takes out of a change every component of which this user may not write a file.
///
/// # Errors
/// A link that leads to nothing or in a circle.
pub fn leave_out(root: &Root, set: &mut ChangeSet, left: &mut Vec<LeftOut>) -> Result<()> {
    if !geteuid().is_root() {
        for file in &set.files {
            if left.iter().all(|l| l.component != file.component)
                && let Some(why) = refusal(root, file)?
            {
                left.push(LeftOut { component: file.component.clone(), why });
            }
        }
    }
    let stays = |component: &str| left.iter().all(|l| l.component != component);
    set.files.retain(|f| stays(&f.component));
    set.settings.retain(|s| stays(&s.component));
    set.kernel.retain(|k| stays(k.key.split('.').next().unwrap_or_default()));
    Ok(())
}

/// Why this user may not put a file in its place with the owner it has.
fn refusal(root: &Root, file: &FileChange) -> Result<Option<String>> {
    let path = file.path(root)?;
    let direct = file::folder(&path);
    let Some((above, found)) = direct.ancestors().find_map(|dir| Some((dir, fs::metadata(dir).ok()?))) else {
        return Ok(None);
    };
    let flags = AccessFlags::W_OK | AccessFlags::X_OK;
    if let Err(e @ (Errno::EACCES | Errno::EPERM)) = faccessat(AT_FDCWD, above, flags, AtFlags::AT_EACCESS) {
        return Ok(Some(format!("{} may not be written by this user ({})", above.display(), e.desc())));
    }
    let others = |uid: u32, gid: u32| {
        let own = |gid| gid == getegid() || getgroups().unwrap_or_default().contains(&gid);
        uid != geteuid().as_raw() || !own(Gid::from_raw(gid))
    };
    // A folder that is made gets the owner of the one it is made in, as root would have it.
    if above != direct && others(found.uid(), found.gid()) {
        return Ok(Some(format!("{} belongs to another user, and so would what is made in it", above.display())));
    }
    let kept = file.version(Side::Old).or(file.version(Side::New)).map(|v| (v.attributes.uid, v.attributes.gid));
    if let Some((uid, gid)) = kept.filter(|(uid, gid)| others(*uid, *gid)) {
        return Ok(Some(format!("{} belongs to {uid}:{gid}, to whom only root can give its new version", file.target)));
    }
    Ok(None)
}

/// The error that ends a run which has left something out, after it has done the rest. `done` says what became of that;
/// `saved` that the change comes from a saved plan, which is executed whole.
#[must_use]
pub fn error(left: &[LeftOut], done: &str, saved: bool) -> Option<Error> {
    if left.is_empty() {
        return None;
    }
    let names: Vec<&str> = left.iter().map(|l| l.component.as_str()).collect();
    let command = lock::again(if saved { &[] } else { &names });
    let mut error = Error::new(
        Exit::Precondition,
        "apply.rights",
        format!("left out for want of rights: {}; {done}", names.join(", ")),
    )
    .next(format!("as root: sudo {command}"));
    let fault = |l: &LeftOut| Fault { place: l.component.clone(), message: l.why.clone() };
    error.faults = Some(Box::new(Faults(left.iter().map(fault).collect())));
    Some(error)
}
