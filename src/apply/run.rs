//! Apply, rollback and recover.

use super::RunLock;
use super::change::{ChangeSet, Side, Standing};
use super::journal::{self, Generation, Journal, Outcome, Record};
use super::lock;
use super::permit::ApplyPermit;
use super::write::{self, Edited, Notes};
use crate::error::{Error, Exit, Result};
use crate::root::Root;
use crate::state;

/// The lock on a host and its journal, held while it is changed.
#[derive(Debug)]
pub struct Work {
    /// The host.
    pub root: Root,
    /// Its journal.
    pub journal: Journal,
    _lock: RunLock,
}

/// What has the servers take the files that stand: reload, restart, verify.
pub type Settle<'a> = dyn FnMut(&ChangeSet, Side) -> Result<Notes> + 'a;

/// What a run did.
#[derive(Debug)]
pub struct Applied {
    /// The generation's number.
    pub id: i64,
    /// What the operator should know.
    pub notes: Notes,
}

/// The journal of a host, for reading; `None` where nothing was ever changed.
///
/// # Errors
/// Those of [`Journal::read`].
pub fn journal(root: &Root) -> Result<Option<Journal>> {
    Ok(Journal::read(&state::folder_of(root)?)?.map(|journal| journal.of(root)))
}

/// Refuses where an interrupted change of this host waits for `recover` (exit 4). Every command that changes the host
/// begins with it.
///
/// # Errors
/// One waits; another run is just changing it (11); a journal that cannot be read.
pub fn refuse_if_interrupted(root: &Root) -> Result<()> {
    let Some(journal) = journal(root)? else { return Ok(()) };
    journal.none_pending().map_err(|interrupted| at_work(root).unwrap_or(interrupted))
}

/// The error that names another run which is just changing this host; `None` where none is.
#[must_use]
pub fn at_work(root: &Root) -> Option<Error> {
    lock::held(root, &state::folder_of(root).ok()?)
}

impl Work {
    /// Takes the lock and opens the journal. An interrupted generation is for the caller to look at.
    ///
    /// # Errors
    /// Another run holds the lock (11); a state folder that cannot be written.
    pub fn open(root: &Root) -> Result<Work> {
        let folder = state::folder_of(root)?;
        state::make(&folder)?;
        state::writable(&folder)?;
        let lock = RunLock::take(root, &folder)?;
        Ok(Work { root: root.clone(), journal: Journal::open(&folder)?.of(root), _lock: lock })
    }

    /// Changes the host, or leaves it as it was.
    ///
    /// # Errors
    /// An interrupted generation waits (4); what [`write::files`] says; a failure after something was replaced, which was
    /// put back (3), or could not be (4).
    pub fn apply(&self, permit: &ApplyPermit, set: &ChangeSet, settle: &mut Settle<'_>) -> Result<Applied> {
        self.journal.none_pending()?;
        let record = Record { folders: set.missing_folders(&self.root, Side::New), change: set.clone() };
        let id = self.journal.begin(&record)?;
        let mut forward = || -> Result<Notes> {
            write::files(permit, &self.root, set, Side::New, &journal::tag(id), Edited::Refuse)?;
            self.clear_folders(permit, set)?;
            let mut notes = write::kernel(permit, &self.root, set, Side::New)?;
            notes.extend(settle(set, Side::New)?);
            Ok(notes)
        };
        match forward() {
            Ok(notes) => self.journal.end(id, Outcome::Done, None).map(|()| Applied { id, notes }),
            Err(cause) => Err(self.take_back(permit, id, &record, cause, settle)),
        }
    }

    /// A rollback leaves no folder behind that its generation had made.
    fn clear_folders(&self, permit: &ApplyPermit, set: &ChangeSet) -> Result<()> {
        let Some(of) = set.of else { return Ok(()) };
        let made = self.journal.record(of)?.folders;
        write::remove_folders(permit, &self.root, &made)
    }

    /// Undoes what an apply has done so far; the error says how that went.
    fn take_back(
        &self,
        permit: &ApplyPermit,
        id: i64,
        record: &Record,
        cause: Error,
        settle: &mut Settle<'_>,
    ) -> Error {
        let replaced = record.change.files.iter().any(|f| matches!(f.standing(&self.root), Ok((Standing::New, _))));
        let undone = self.undo(permit, id, record, Edited::Leave).and_then(|notes| {
            if replaced { settle(&record.change, Side::Old).map(|more| [notes, more].concat()) } else { Ok(notes) }
        });
        let message = cause.to_string();
        let end = match undone {
            Ok(_) => self.journal.end(id, Outcome::RolledBack, Some(&message)),
            Err(e) => Err(e),
        };
        match end {
            Ok(()) if replaced => {
                let next = cause.next.clone();
                let mut error =
                    Error::new(Exit::RolledBack, cause.code, format!("{} (everything was put back)", cause.what));
                (error.place, error.next, error.faults, error.source) = (cause.place, next, cause.faults, cause.source);
                error
            }
            // Nothing had been replaced: the cause says it all.
            Ok(()) => cause,
            Err(undo) => Error::new(
                Exit::RecoverFirst,
                "apply.half",
                format!("{message}; and putting everything back failed: {undo}"),
            )
            .next(format!("see to the second cause, then run {}", self.root.command("recover"))),
        }
    }

    fn undo(&self, permit: &ApplyPermit, id: i64, record: &Record, edited: Edited) -> Result<Notes> {
        let (set, tag) = (&record.change, journal::tag(id));
        write::sweep(permit, &self.root, set, &tag)?;
        write::files(permit, &self.root, set, Side::Old, &tag, edited)?;
        let notes = write::kernel(permit, &self.root, set, Side::Old)?;
        write::remove_folders(permit, &self.root, &record.folders)?;
        Ok(notes)
    }

    /// Which side an interrupted generation is to be brought to: forward where everything in it already stands.
    ///
    /// # Errors
    /// Those of reading.
    pub fn direction(&self, generation: &Generation) -> Result<Side> {
        let record = self.journal.record(generation.id)?;
        for file in &record.change.files {
            if file.standing(&self.root)?.0 != Standing::New {
                return Ok(Side::Old);
            }
        }
        Ok(Side::New)
    }

    /// Ends an interrupted generation.
    ///
    /// # Errors
    /// A file that was changed since (10), and those of writing; the generation then still waits.
    pub fn recover(
        &self,
        permit: &ApplyPermit,
        generation: &Generation,
        side: Side,
        edited: Edited,
        settle: &mut Settle<'_>,
    ) -> Result<Applied> {
        let id = generation.id;
        let record = self.journal.record(id)?;
        let mut notes = match side {
            Side::Old => self.undo(permit, id, &record, edited)?,
            Side::New => {
                let (set, tag) = (&record.change, journal::tag(id));
                write::sweep(permit, &self.root, set, &tag)?;
                write::files(permit, &self.root, set, Side::New, &tag, edited)?;
                self.clear_folders(permit, set)?;
                write::kernel(permit, &self.root, set, Side::New)?
            }
        };
        notes.extend(settle(&record.change, side)?);
        let outcome = if side == Side::New { Outcome::Done } else { Outcome::Undone };
        self.journal.end(id, outcome, Some("ended by recover")).map(|()| Applied { id, notes })
    }
}

/// The generation that `rollback` without a number takes back: the newest that is done and was not taken back yet.
///
/// # Errors
/// There is none (64); those of reading.
pub fn newest(journal: &Journal) -> Result<Generation> {
    let all = journal.generations(u32::MAX)?;
    let taken: Vec<i64> = all.iter().filter(|g| g.outcome == Outcome::Done).filter_map(|g| g.of).collect();
    let open = |g: &&Generation| g.outcome == Outcome::Done && g.of.is_none() && !taken.contains(&g.id);
    all.iter().find(open).cloned().ok_or_else(|| {
        Error::usage("rollback.nothing", "there is no generation to take back").next(format!("see {}", journal.look()))
    })
}
