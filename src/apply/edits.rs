//! Edits by hand that a rollback meets: those of what is not ours are kept, others refuse it, unless they are to go.

use super::change::{ChangeSet, FileChange, Side, Standing, Version};
use super::compare;
use super::drift;
use super::write;
use crate::error::{Error, Exit, Result};
use crate::formats::redact;
use crate::output::file::Attributes;
use crate::render::Ownership;
use crate::root::Root;
use similar::{Algorithm, ChangeTag, DiffOp, TextDiff};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Makes the change start from what stands now: of a shared file an edit that is not of what is ours is kept; with
/// `discard` whatever else was changed since is put back too, and what stood there is kept in the new generation. What
/// was done is said, a sentence each. `command` is the rollback's own.
///
/// # Errors
/// An edit that would be lost (10); those of reading.
pub fn take_up(root: &Root, set: &mut ChangeSet, discard: bool, command: &str) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let stale = |place: &str, look: String| {
        Error::new(Exit::Stale, "rollback.edited", "was edited since, and the edit would be lost").at(place).next(format!(
            "look at it with {look}; {command} --discard-edits puts it back all the same, and keeps the edit in the new \
             generation, so that it can be had back"
        ))
    };
    for file in &mut set.files {
        let (Standing::Edited, now) = file.standing(root)? else { continue };
        let target = file.target.clone();
        if let Some(merged) = now.as_deref().and_then(|now| merged(file, now)) {
            notes.push(format!("{target}: what was edited there since is not ours and stays"));
            file.new = Some(merged);
        } else if discard {
            notes.push(format!("{target}: what was edited there since goes, and is kept in this generation"));
        } else {
            return Err(stale(&target, root.command("status")));
        }
        let attributes = Attributes::of(&file.path(root)?)
            .map_err(|e| Error::failed("apply.unreadable", "cannot be read").at(&target).because(e))?;
        let edited = now.zip(attributes).map(|(bytes, attributes)| Version::of(&bytes, attributes));
        let (was, is) = (says(file, file.version(Side::Old)), says(file, edited.as_ref()));
        // The way back to the edit is proved by what the edit says.
        for row in set.settings.iter_mut().filter(|s| s.component == file.component) {
            let name = row.key.split_once('.').map_or("", |(_, name)| name).to_ascii_lowercase();
            if was.get(&name) != is.get(&name) {
                row.old = is.get(&name).cloned();
            }
        }
        file.old = edited;
    }
    set.files.retain(|f| f.old != f.new);
    for value in &mut set.kernel {
        let Some(now) = write::kernel_value(root, &value.path) else { continue };
        if now == value.old || now == value.new {
            continue;
        }
        if !discard {
            return Err(stale(&value.path, format!("cat {}", value.path)));
        }
        notes.push(format!("{}: {now}, which was set since, goes", value.path));
        value.old = now;
        value.undo = None;
    }
    Ok(notes)
}

/// The settings of a version of a file; none where it is not there.
fn says(file: &FileChange, version: Option<&Version>) -> BTreeMap<String, String> {
    let syntax = drift::syntax_of(&file.component, &file.target);
    version.map(|v| compare::settings(syntax, &v.content).into_iter().collect()).unwrap_or_default()
}

/// What is wanted with the edit in it; `None` where it is ours, or cannot be told from what is.
fn merged(file: &FileChange, now: &[u8]) -> Option<Version> {
    if file.ownership != Ownership::Shared.name() {
        return None;
    }
    let (base, wanted) = (file.version(Side::Old)?, file.version(Side::New)?);
    let (now, _) = redact::redact(now);
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let text = merge(text(&base.content)?, text(&now)?, text(&wanted.content)?)?.into_bytes();
    // The proof by settings: each is the operator's where he changed it, and the wanted one elsewhere.
    let syntax = drift::syntax_of(&file.component, &file.target);
    let settings =
        |bytes: &[u8]| -> BTreeMap<String, String> { compare::settings(syntax, bytes).into_iter().collect() };
    let (base_says, now_says, mut says) = (settings(&base.content), settings(&now), settings(&wanted.content));
    let names: BTreeSet<&String> = base_says.keys().chain(now_says.keys()).collect();
    for name in names {
        let (was, is) = (base_says.get(name), now_says.get(name));
        if was == is {
            continue;
        }
        // Of what the generation had changed a later value is an edit of ours.
        if was != says.get(name) {
            return None;
        }
        match is {
            Some(value) => says.insert(name.clone(), value.clone()),
            None => says.remove(name),
        };
    }
    (settings(&text) == says).then(|| Version {
        sha256: redact::fingerprint(&text),
        attributes: wanted.attributes.clone(),
        content: text,
    })
}

/// Both changes of one base, by lines; `None` where they meet.
fn merge(base: &str, one: &str, other: &str) -> Option<String> {
    let lines: Vec<&str> = base.split_inclusive('\n').collect();
    let mut edits = changed(base, one);
    edits.extend(changed(base, other));
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::new();
    let mut at = 0;
    let mut last: Option<Range<usize>> = None;
    for (range, text) in edits {
        // Two insertions at one place have no order.
        if range.start < at || last.as_ref() == Some(&range) {
            return None;
        }
        out.push_str(&lines.get(at..range.start)?.concat());
        if !text.is_empty() && !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&text);
        at = range.end;
        last = Some(range);
    }
    out.push_str(&lines.get(at..)?.concat());
    Some(out)
}

/// Which lines of `base` a version has otherwise, and what it has there.
fn changed(base: &str, version: &str) -> Vec<(Range<usize>, String)> {
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(base, version);
    let is_change = |op: &&DiffOp| !matches!(op, DiffOp::Equal { .. });
    let edit = |op: &DiffOp| {
        let new = diff.iter_changes(op).filter(|c| c.tag() == ChangeTag::Insert);
        (op.old_range(), new.map(|c| c.value()).collect())
    };
    diff.ops().iter().filter(is_change).map(edit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_changes_of_other_lines_are_both_made() {
        let base = "; mine\n[a]\nx = 1\ny = 2\n";
        let wanted = "; mine\n[a]\nx = 1\n";
        assert_eq!(merge(base, "; yours\n[a]\nx = 1\ny = 2\n", wanted).as_deref(), Some("; yours\n[a]\nx = 1\n"));
        assert_eq!(merge(base, &format!("{base}; end\n"), wanted).as_deref(), Some("; mine\n[a]\nx = 1\n; end\n"));
        assert_eq!(merge(base, "; mine\n[a]\nx = 1\ny = 3\n", wanted), None, "the same line");
        assert_eq!(merge("a\n", "a\nb\n", "a\nc\n"), None, "the same place");
        assert_eq!(merge("a\nb", "a\nb\nc", "b").as_deref(), Some("b\nc"));
    }
}
