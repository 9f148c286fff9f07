//! A small file system in memory.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::path::Path;
use tempfile::TempDir;

/// A tmpfs, unmounted with the value.
pub struct Tmpfs(TempDir);

impl Tmpfs {
    /// One of this size; `None` where mounting is not allowed, which is said.
    pub fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let options = format!("size={size},mode=0755");
        match mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(options.as_str())) {
            Ok(()) => Some(Tmpfs(dir)),
            Err(_) => {
                eprintln!("not judged: a tmpfs cannot be mounted here");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // What is in use still is unmounted later.
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}
