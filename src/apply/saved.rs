//! Plans that are looked at today and executed tomorrow.

use super::change::{ChangeSet, FileChange, Kind, SCHEMA, Standing};
use super::write;
use crate::error::{Error, Exit, Result};
use crate::output::file::{self, Attributes, Expected};
use crate::root::Root;
use std::path::Path;

/// Keeps a plan in a file that only its owner may read (0600); passwords are not in it.
///
/// # Errors
/// Those of writing.
pub fn save(path: &Path, set: &ChangeSet) -> Result<()> {
    let failed = |e: std::io::Error| Error::failed("plan.save", "cannot be written").at(path.display()).because(e);
    let text = serde_json::to_vec_pretty(set).map_err(|e| failed(e.into()))?;
    let path = file::target(path)?;
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let private = Attributes { uid, gid, mode: 0o600, xattrs: Default::default() };
    let staged = file::stage(&path, &text, Some(&private), "").map_err(failed)?;
    staged.commit(Expected::Anything).map_err(|e| failed(e.into()))
}

/// Reads a saved plan, the content of `path`.
///
/// # Errors
/// What is no saved plan, or one of another version of llmsql (64).
pub fn parse(root: &Root, text: &[u8], path: &Path) -> Result<ChangeSet> {
    let make = root.command("diff --save FILE");
    let set: ChangeSet = serde_json::from_slice(text).map_err(|e| {
        Error::usage("plan.saved", "is no saved plan")
            .at(path.display())
            .next(format!("make one with {make}"))
            .because(e)
    })?;
    if set.schema == SCHEMA {
        return Ok(set);
    }
    Err(Error::usage("plan.saved", format!("was saved by llmsql {}, whose plans this version cannot read", set.llmsql))
        .at(path.display())
        .next(format!("make it anew with {make}")))
}

/// Takes out of a saved plan what somebody has put in place since: it would be in a generation that has not written it, and
/// whatever fails, or is rolled back, would take it away.
///
/// # Errors
/// Those of reading.
pub fn leave_done(root: &Root, set: &mut ChangeSet) -> Result<()> {
    let mut files = Vec::new();
    for file in set.files.drain(..) {
        if !(differs(&file) && file.standing(root)?.0 == Standing::New) {
            files.push(file);
        }
    }
    set.files = files;
    set.kernel.retain(|v| write::kernel_value(root, &v.path).is_none_or(|now| now != v.new));
    let (files, kernel) = (&set.files, &set.kernel);
    set.settings.retain(|s| files.iter().any(|f| f.component == s.component) || kernel.iter().any(|k| k.key == s.key));
    Ok(())
}

/// Whether its two versions can be told apart by what stands.
fn differs(file: &FileChange) -> bool {
    file.old.as_ref().map(|v| &v.sha256) != file.new.as_ref().map(|v| &v.sha256)
}

/// Refuses a change whose base has changed since it was planned.
///
/// # Errors
/// The first file or kernel value that is neither as it was nor, on the way back, as it shall be (10); those of reading.
pub fn fresh(root: &Root, set: &ChangeSet) -> Result<()> {
    let stale = |place: &str| {
        Err(Error::new(Exit::Stale, "apply.stale", "was changed since this was planned, so nothing is overwritten")
            .at(place)
            .next(format!("look at what stands there now with {}, and plan anew", root.command("diff"))))
    };
    for file in &set.files {
        match file.standing(root)?.0 {
            Standing::Edited => return stale(&file.target),
            // Another run has done it in between, and its generation is the one that takes it back.
            Standing::New if set.kind == Kind::Apply && differs(file) => return stale(&file.target),
            _ => {}
        }
    }
    for value in &set.kernel {
        let now = write::kernel_value(root, &value.path);
        if now.as_ref().is_some_and(|now| *now != value.old && *now != value.new) {
            return stale(&value.path);
        }
    }
    Ok(())
}

/// Whether everything already stands as the change would have it.
///
/// # Errors
/// Those of reading.
pub fn is_done(root: &Root, set: &ChangeSet) -> Result<bool> {
    for file in &set.files {
        if file.standing(root)?.0 != Standing::New {
            return Ok(false);
        }
    }
    Ok(set.kernel.iter().all(|v| write::kernel_value(root, &v.path).is_none_or(|now| now == v.new)))
}
