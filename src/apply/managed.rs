//! What should stand on the host: the sum of the generations that were not taken back.

use super::change::{ChangeSet, FileChange, Kind, Version};
use super::journal::{Generation, Journal, Outcome};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

/// What the generations have left on the host.
#[derive(Debug, Clone, Default)]
pub struct Managed {
    /// The files, by their path on the host.
    pub files: BTreeMap<String, ManagedFile>,
    /// Values of the running kernel, by their path on the host.
    pub kernel: BTreeMap<String, ManagedValue>,
    /// The newest generation that is done.
    pub last: Option<Generation>,
    /// Generations whose contents were pruned: what only they changed is not known any more.
    pub pruned: Vec<i64>,
}

/// One file as a generation has left it.
#[derive(Debug, Clone)]
pub struct ManagedFile {
    /// The generation; `None` where the journal could not be read, and the file is taken as it stands.
    pub generation: Option<i64>,
    /// The component it configures.
    pub component: String,
    /// `whole`, `shared` or `adopt`.
    pub ownership: String,
    /// The version that should stand.
    pub version: Version,
    /// The container whose server reads it.
    pub container: Option<String>,
    /// The keys of which it was known then that something else wins over them.
    pub losers: BTreeSet<String>,
}

/// One value of the running kernel as a generation has left it.
#[derive(Debug, Clone)]
pub struct ManagedValue {
    /// The generation.
    pub generation: i64,
    /// `kernel.vm.swappiness`.
    pub key: String,
    /// The value.
    pub value: String,
}

/// What stood before each generation, to be taken up again when that is rolled back.
type Before<T> = BTreeMap<(i64, String), Option<T>>;

impl Managed {
    /// Adds the generations up.
    ///
    /// # Errors
    /// Those of reading the journal.
    pub fn of(journal: &Journal) -> Result<Managed> {
        let mut managed = Managed::default();
        let (mut files, mut kernel) = (Before::new(), Before::new());
        let mut all = journal.generations(u32::MAX)?;
        all.reverse();
        for generation in all.into_iter().filter(|g| g.outcome == Outcome::Done) {
            match journal.record(generation.id) {
                Ok(record) => managed.add(generation.id, &record.change, &mut files, &mut kernel),
                Err(e) if e.code == "history.pruned" => managed.pruned.push(generation.id),
                Err(e) => return Err(e),
            }
            managed.last = Some(generation);
        }
        Ok(managed)
    }

    fn add(&mut self, id: i64, set: &ChangeSet, files: &mut Before<ManagedFile>, kernel: &mut Before<ManagedValue>) {
        let taken_back = set.of.filter(|_| set.kind == Kind::Rollback);
        for change in &set.files {
            let now = match taken_back {
                Some(of) => files.get(&(of, change.target.clone())).cloned().flatten(),
                None => change.new.clone().map(|version| ManagedFile {
                    generation: Some(id),
                    component: change.component.clone(),
                    ownership: change.ownership.clone(),
                    version,
                    container: set.container.clone(),
                    losers: losers(set, &change.component),
                }),
            };
            let before = put(&mut self.files, &change.target, now);
            files.insert((id, change.target.clone()), before);
        }
        for change in &set.kernel {
            let now = match taken_back {
                Some(of) => kernel.get(&(of, change.path.clone())).cloned().flatten(),
                None => Some(ManagedValue { generation: id, key: change.key.clone(), value: change.new.clone() }),
            };
            let before = put(&mut self.kernel, &change.path, now);
            kernel.insert((id, change.path.clone()), before);
        }
    }

    /// What stands, as a change of nothing: by it the servers are found that it concerns.
    #[must_use]
    pub fn standing(&self) -> ChangeSet {
        let mut set = ChangeSet::new(Kind::Apply);
        set.container = self.files.values().find_map(|f| f.container.clone());
        set.files = self.files.iter().map(|(target, file)| file.change(target)).collect();
        set
    }
}

impl ManagedFile {
    fn change(&self, target: &str) -> FileChange {
        FileChange {
            target: target.to_owned(),
            component: self.component.clone(),
            ownership: self.ownership.clone(),
            old: Some(self.version.clone()),
            new: Some(self.version.clone()),
        }
    }
}

fn put<T>(map: &mut BTreeMap<String, T>, key: &str, value: Option<T>) -> Option<T> {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    }
}

fn losers(set: &ChangeSet, component: &str) -> BTreeSet<String> {
    let lost = set.settings.iter().filter(|s| s.component == component && s.loses_to.is_some());
    lost.map(|s| s.key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::journal::Record;
    use crate::output::file::Attributes;

    fn change(target: &str, old: Option<&str>, new: Option<&str>) -> ChangeSet {
        let attributes = Attributes { uid: 0, gid: 0, mode: 0o644, xattrs: BTreeMap::new() };
        let version = |text: Option<&str>| text.map(|t| Version::of(t.as_bytes(), attributes.clone()));
        let mut set = ChangeSet::new(Kind::Apply);
        set.files.push(FileChange {
            target: target.to_owned(),
            component: "kernel".to_owned(),
            ownership: "whole".to_owned(),
            old: version(old),
            new: version(new),
        });
        set
    }

    #[test]
    fn a_rollback_takes_up_what_its_generation_had_found() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("state")).unwrap();
        let run = |change: ChangeSet, outcome: Outcome| {
            let id = journal.begin(&Record { folders: Vec::new(), change }).unwrap();
            journal.end(id, outcome, None).unwrap();
            id
        };
        let stands = || {
            let managed = Managed::of(&journal).unwrap();
            let file = managed.files.get("/etc/x").map(|f| String::from_utf8(f.version.content.clone()).unwrap());
            (file, managed.last.unwrap().id)
        };
        let first = run(change("/etc/x", None, Some("1")), Outcome::Done);
        let second = run(change("/etc/x", Some("1"), Some("2")), Outcome::Done);
        assert_eq!(stands(), (Some("2".to_owned()), second));
        run(change("/etc/x", Some("2"), Some("3")), Outcome::RolledBack);
        assert_eq!(stands(), (Some("2".to_owned()), second), "what failed counts for nothing");
        let back = run(change("/etc/x", Some("1"), Some("2")).reversed(second), Outcome::Done);
        assert_eq!(stands(), (Some("1".to_owned()), back));
        let gone = run(change("/etc/x", None, Some("1")).reversed(first), Outcome::Done);
        assert_eq!(stands(), (None, gone), "before the first generation it was nobody's");
        let again = run(change("/etc/x", None, Some("1")).reversed(first).reversed(gone), Outcome::Done);
        assert_eq!(stands(), (Some("1".to_owned()), again));
    }
}
