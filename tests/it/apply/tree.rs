//! A folder that stands for a host, with the files of a stack as a distribution leaves them.

use crate::support::Llmsql;
use nix::unistd::geteuid;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The operator's password, which may stand in no other file than his own.
pub const PASSWORD: &str = "hunter2-of-the-operator";

/// A host's tree.
pub struct Tree {
    dir: TempDir,
}

/// What stands at a path: content, owner, group, mode, extended attribute.
pub type Found = (Vec<u8>, u32, u32, u32, Option<Vec<u8>>);

impl Tree {
    /// A host of 8 GB with PostgreSQL's, PgBouncer's and the kernel's files.
    pub fn new() -> Self {
        let tree = Tree { dir: folder() };
        for (path, text) in [
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\npostgres:x:105:110::/:/bin/sh\n"),
            ("etc/postgresql/18/main/postgresql.conf", "# mine\nport = 5432\nshared_buffers = 128MB # small\n"),
            (
                "etc/pgbouncer/pgbouncer.ini",
                &format!(
                    "; mine\n[databases]\nllm_analytics = host=10.0.0.1 password={PASSWORD}\n\n[pgbouncer]\nlisten_port = 6432\n"
                ),
            ),
            ("etc/sysctl.d/10-own.conf", "vm.swappiness = 40\n"),
            ("etc/security/limits.d/.keep", ""),
            (
                "proc/meminfo",
                "MemTotal:  8388608 kB\nMemAvailable:  8000000 kB\nHugePages_Total: 0\nHugepagesize: 2048 kB\n",
            ),
            ("proc/cpuinfo", "processor\t: 0\nphysical id\t: 0\ncore id\t: 0\n"),
            ("sys/devices/system/cpu/online", "0-1\n"),
            ("proc/sys/vm/swappiness", "60\n"),
            ("proc/sys/vm/dirty_ratio", "20\n"),
            ("proc/sys/vm/dirty_background_ratio", "10\n"),
            ("proc/sys/vm/overcommit_memory", "1\n"),
            ("proc/sys/net/core/somaxconn", "128\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("sys/kernel/mm/transparent_hugepage/defrag", "always [madvise] never\n"),
        ] {
            tree.write(path, text);
        }
        let ini = tree.path("etc/pgbouncer/pgbouncer.ini");
        fs::set_permissions(&ini, Permissions::from_mode(0o640)).expect("its mode");
        // A label such as SELinux's, where the file system has them.
        let _ = xattr::set(&ini, "user.label", b"kept");
        if geteuid().is_root() {
            for path in ["etc/postgresql/18/main/postgresql.conf", "etc/postgresql/18/main"] {
                chown(tree.path(path), Some(105), Some(110)).expect("root may chown");
            }
        }
        tree
    }

    /// An empty one.
    pub fn bare() -> Self {
        Tree { dir: folder() }
    }

    /// A copy of it with everything.
    pub fn copy(&self) -> Tree {
        let dir = folder();
        let from = self.dir.path().join(".");
        assert!(Command::new("cp").arg("-a").arg(from).arg(dir.path()).status().expect("cp").success());
        Tree { dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder in the tree");
        fs::write(path, text).expect("a file in the tree");
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// The program on this tree, for the components whose files it has.
    pub fn llmsql(&self, command: &str) -> Llmsql {
        let run = Llmsql::new().root(self.dir()).arg(command);
        match command {
            "diff" | "apply" | "status" => run.args(["--set", "host.components=postgresql,pgbouncer"]),
            _ => run,
        }
    }

    /// Everything below etc, proc and sys.
    pub fn snapshot(&self) -> BTreeMap<String, Found> {
        self.snapshot_of(&["etc", "proc", "sys"])
    }

    /// Everything below these folders.
    pub fn snapshot_of(&self, folders: &[&str]) -> BTreeMap<String, Found> {
        let mut found = BTreeMap::new();
        let mut todo: Vec<PathBuf> = folders.iter().map(|d| self.path(d)).filter(|d| d.exists()).collect();
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(&dir).expect("a folder of the tree") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(self.dir()).expect("below it").display().to_string();
                if let Ok(target) = fs::read_link(&path) {
                    found.insert(name, (target.into_os_string().into_encoded_bytes(), 0, 0, 0, None));
                    continue;
                }
                let meta = fs::metadata(&path).expect("its state");
                let own = (meta.uid(), meta.gid(), meta.mode() & 0o7777);
                if meta.is_dir() {
                    found.insert(name, (Vec::new(), own.0, own.1, own.2, None));
                    todo.push(path);
                } else {
                    let label = xattr::get(&path, "user.label").ok().flatten();
                    let mut content = fs::read(&path).expect("its content");
                    if name.starts_with("proc") || name.starts_with("sys") {
                        // A kernel has no blanks at the end of a value that an ordinary file may keep.
                        content = content.trim_ascii().to_vec();
                    }
                    found.insert(name, (content, own.0, own.1, own.2, label));
                }
            }
        }
        found
    }
}

/// A folder on a file system that can keep extended attributes, in which only its owner may write.
fn folder() -> TempDir {
    let dir = tempfile::Builder::new().prefix("llmsql-tree-").tempdir().expect("a temporary folder");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("its mode");
    dir
}
