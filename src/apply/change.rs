//! What is to be changed, in a form that can be kept: by a saved plan, and by the journal.
//!
//! Contents are kept without their passwords; those that stand in a file when it is written are put back in.

use crate::error::{Error, Exit, Result};
use crate::formats::redact;
use crate::output::file::{self, Attributes};
use crate::plan::TakesEffect;
use crate::root::Root;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Version of [`ChangeSet`]'s form.
pub const SCHEMA: u32 = 1;

/// What began a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A plan was put on the host.
    Apply,
    /// A generation was taken back.
    Rollback,
}

impl Kind {
    /// The word tables show.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Apply => "apply",
            Kind::Rollback => "rollback",
        }
    }
}

/// Everything one run changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangeSet {
    /// [`SCHEMA`].
    pub schema: u32,
    /// llmsql's version.
    pub llmsql: String,
    /// What began it.
    pub kind: Kind,
    /// The generation that a rollback takes back.
    #[serde(default)]
    pub of: Option<i64>,
    /// Files, in the order in which they are replaced.
    pub files: Vec<FileChange>,
    /// Values of the running kernel, in the order in which they are written.
    #[serde(default)]
    pub kernel: Vec<KernelChange>,
    /// Settings whose value changes, for people.
    #[serde(default)]
    pub settings: Vec<SettingChange>,
    /// The container whose PostgreSQL reads the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileChange {
    /// Path on the host.
    pub target: String,
    /// The component it configures.
    pub component: String,
    /// `whole`, `shared` or `adopt`.
    pub ownership: String,
    /// What stands there before; `None` where nothing does.
    pub old: Option<Version>,
    /// What stands there after; `None` where nothing does.
    pub new: Option<Version>,
}

/// One version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// SHA-256 of the content without its passwords.
    pub sha256: String,
    /// Owner, mode and extended attributes.
    pub attributes: Attributes,
    /// The content, its passwords left out.
    #[serde(with = "content")]
    pub content: Vec<u8>,
}

/// One value of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelChange {
    /// `kernel.vm.swappiness`.
    pub key: String,
    /// Path on the host: `/proc/sys/vm/swappiness`.
    pub path: String,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
    /// What to write to get the old value back, where that is another file: of `vm.dirty_bytes` and `vm.dirty_ratio` the
    /// one that is written sets the other to 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<(String, String)>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    /// `postgresql.shared_buffers`.
    pub key: String,
    /// The component.
    pub component: String,
    /// The value before; `None` where nothing sets it.
    pub old: Option<String>,
    /// Where the old value stands: `/etc/postgresql/18/main/postgresql.conf:12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_place: Option<String>,
    /// The value after; `None` where it is no longer set.
    pub new: Option<String>,
    /// When it counts: `runtime`, `reload`, `restart`, `reboot`.
    pub takes_effect: TakesEffect,
    /// Why, in one line.
    pub reason: String,
    /// What wins over it, so that it will not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loses_to: Option<String>,
}

/// Which of the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one before.
    Old,
    /// The one after.
    New,
}

/// What stands at a target now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The version before.
    Old,
    /// The version after.
    New,
    /// Neither: somebody changed it.
    Edited,
}

impl Version {
    /// A version of a file, passwords left out.
    #[must_use]
    pub fn of(bytes: &[u8], attributes: Attributes) -> Self {
        let (content, _) = redact::redact(bytes);
        Version { sha256: redact::fingerprint(bytes), attributes, content }
    }
}

impl ChangeSet {
    /// An empty one.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        ChangeSet {
            schema: SCHEMA,
            llmsql: env!("CARGO_PKG_VERSION").to_owned(),
            kind,
            of: None,
            files: Vec::new(),
            kernel: Vec::new(),
            settings: Vec::new(),
            container: None,
        }
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.kernel.is_empty()
    }

    /// The way back, as a change of its own.
    #[must_use]
    pub fn reversed(&self, of: i64) -> ChangeSet {
        let mut back = ChangeSet::new(Kind::Rollback);
        back.of = Some(of);
        back.container.clone_from(&self.container);
        let turn = |f: &FileChange| FileChange { old: f.new.clone(), new: f.old.clone(), ..f.clone() };
        back.files = self.files.iter().rev().map(turn).collect();
        back.kernel = self.kernel.iter().rev().map(KernelChange::reversed).collect();
        let turn = |s: &SettingChange| SettingChange {
            old: s.new.clone(),
            new: s.old.clone(),
            old_place: None,
            loses_to: None,
            reason: format!("as before generation {of}"),
            ..s.clone()
        };
        back.settings = self.settings.iter().map(turn).collect();
        back
    }

    /// The folders that have to be made for the files of one side, outermost first, as paths on the host.
    #[must_use]
    pub fn missing_folders(&self, root: &Root, side: Side) -> Vec<String> {
        let mut missing = Vec::new();
        for change in self.files.iter().filter(|f| f.version(side).is_some()) {
            let above = Path::new(&change.target).ancestors().skip(1);
            let gone: Vec<String> =
                above.take_while(|dir| !root.exists(dir)).map(|dir| dir.display().to_string()).collect();
            for dir in gone.into_iter().rev().filter(|dir| !dir.is_empty()) {
                if !missing.contains(&dir) {
                    missing.push(dir);
                }
            }
        }
        missing
    }
}

impl KernelChange {
    fn reversed(&self) -> KernelChange {
        match &self.undo {
            Some((path, value)) => KernelChange {
                key: self.key.clone(),
                path: path.clone(),
                old: "0".to_owned(),
                new: value.clone(),
                undo: Some((self.path.clone(), self.new.clone())),
            },
            None => KernelChange { old: self.new.clone(), new: self.old.clone(), ..self.clone() },
        }
    }
}

impl FileChange {
    /// One of its versions.
    #[must_use]
    pub fn version(&self, side: Side) -> Option<&Version> {
        match side {
            Side::Old => self.old.as_ref(),
            Side::New => self.new.as_ref(),
        }
    }

    /// Where it stands on this machine, links followed.
    ///
    /// # Errors
    /// A link that leads to nothing or in a circle.
    pub fn path(&self, root: &Root) -> Result<PathBuf> {
        locate(root, &self.target)
    }

    /// What stands there now, and which version it is.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn standing(&self, root: &Root) -> Result<(Standing, Option<Vec<u8>>)> {
        let now = read(&self.path(root)?)?;
        let sum = now.as_deref().map(redact::fingerprint);
        let is = |version: Option<&Version>| version.map(|v| v.sha256.as_str()) == sum.as_deref();
        let standing = if is(self.new.as_ref()) {
            Standing::New
        } else if is(self.old.as_ref()) {
            Standing::Old
        } else {
            Standing::Edited
        };
        Ok((standing, now))
    }

    /// The bytes of one of its versions, with the passwords that stand in the file now.
    ///
    /// # Errors
    /// A password of it stands nowhere any more (exit 13).
    pub fn bytes(&self, side: Side, now: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let Some(version) = self.version(side) else { return Ok(None) };
        match redact::restore(&version.content, now.unwrap_or_default()) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(Error::new(
                Exit::Precondition,
                "apply.password",
                "a password that this version of the file needs does not stand in the file now; none is kept elsewhere",
            )
            .at(&self.target)
            .next("write the entry with its password into the file by hand, then run the command again")),
        }
    }
}

/// Where a path of the host stands on this machine, links followed; a file that is not there yet is where it will be.
///
/// # Errors
/// A link that leads to nothing or in a circle.
pub fn locate(root: &Root, target: &str) -> Result<PathBuf> {
    let wrong = |e: io::Error| Error::failed("file.link", "leads to no file").at(target).because(e);
    file::target(&root.resolve(target).map_err(wrong)?)
}

/// Whether an error says that this user may not read a file.
#[must_use]
pub fn is_closed(error: &Error) -> bool {
    (error.code, error.exit) == ("apply.unreadable", Exit::Precondition)
}

/// The file; `None` where there is none.
///
/// # Errors
/// Those of reading it (13 where it may not be read).
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            Err(Error::new(Exit::Precondition, "apply.unreadable", "may not be read by this user")
                .at(path.display())
                .next("run it as root, or name the components whose files you own with --only")
                .because(e))
        }
        Err(e) => Err(Error::failed("apply.unreadable", "cannot be read").at(path.display()).because(e)),
    }
}

/// A content as text where it is UTF-8, else in hexadecimal.
mod content {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Hex { hex: String },
    }

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Form::Text(text.to_owned()),
            Err(_) => Form::Hex { hex: bytes.iter().map(|b| format!("{b:02x}")).collect() },
        }
        .serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(text.into_bytes()),
            Form::Hex { hex } => {
                let digits = hex.as_bytes().chunks(2).map(|pair| {
                    let pair = std::str::from_utf8(pair).map_err(D::Error::custom)?;
                    u8::from_str_radix(pair, 16).map_err(D::Error::custom)
                });
                digits.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_comes_back_from_its_json_whatever_its_bytes() {
        let attributes = Attributes { uid: 0, gid: 0, mode: 0o600, xattrs: [("user.a".into(), vec![0, 255])].into() };
        for bytes in [&b"a = 1\n"[..], &[0xff, 0, 0x80]] {
            let version = Version::of(bytes, attributes.clone());
            let json = serde_json::to_string(&version).unwrap();
            assert_eq!(serde_json::from_str::<Version>(&json).unwrap(), version);
            assert_eq!(version.content, bytes);
        }
    }

    #[test]
    fn no_password_is_kept_and_it_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        let text = "[databases]\na = host=x password=hunter2\n";
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/x"), text).unwrap();
        let attributes = Attributes { uid: 0, gid: 0, mode: 0o600, xattrs: [].into() };
        let change = FileChange {
            target: "/etc/x".into(),
            component: "pgbouncer".into(),
            ownership: "shared".into(),
            old: Some(Version::of(text.as_bytes(), attributes)),
            new: None,
        };
        assert!(!serde_json::to_string(&change).unwrap().contains("hunter2"));
        let (standing, now) = change.standing(&root).unwrap();
        assert_eq!(standing, Standing::Old);
        assert_eq!(change.bytes(Side::Old, now.as_deref()).unwrap().as_deref(), Some(text.as_bytes()));
        assert_eq!(change.bytes(Side::Old, None).unwrap_err().exit, Exit::Precondition);
    }
}
