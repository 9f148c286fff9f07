//! The host's file system, or a tree that stands for one.
//!
//! Every reading of the host goes through [`Root`], so that `--root DIR` plans for a mounted image and every test runs
//! on a tree of its own. Absolute symlinks are resolved inside the tree, as `chroot` would.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// How many symlinks one path may lead through, as Linux's `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// Where root's state is kept.
pub const SYSTEM_STATE: &str = "/var/lib/llmsql";

/// One word of a command that is told as advice, quoted for a shell where that is needed.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,@=:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The host's file system (`/`), or a tree that stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    dir: PathBuf,
}

impl Default for Root {
    fn default() -> Self {
        Root::live()
    }
}

impl Root {
    /// The running host.
    #[must_use]
    pub fn live() -> Self {
        Root { dir: PathBuf::from("/") }
    }

    /// A tree taken from, or mounted from, another host.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        // Without links and dots, so that paths found in it can be told as the host's.
        Root { dir: dir.canonicalize().unwrap_or(dir) }
    }

    /// Whether this is the running host, whose kernel may be asked and whose programs may be run.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.dir == Path::new("/")
    }

    /// The folder that stands for `/`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The command line that does `words` here, to be told as advice: without `--root` it would change the real host.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        if self.is_live() {
            return format!("llmsql {words}");
        }
        format!("llmsql --root {} {words}", shell_word(&self.dir.display().to_string()))
    }

    /// Where llmsql keeps what it must remember of this host, as a path of the host: `/var/lib/llmsql` as root and in
    /// a tree, `$XDG_STATE_HOME/llmsql` or `~/.local/state/llmsql` otherwise; before both, the folder systemd gives a
    /// unit with `StateDirectory=` in `$STATE_DIRECTORY`.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        let own = |name: &str, below: &str| {
            let dir = PathBuf::from(std::env::var_os(name)?);
            dir.is_absolute().then(|| dir.join(below))
        };
        if self.is_live()
            && let Some(dir) = own("STATE_DIRECTORY", "")
        {
            return dir;
        }
        if self.is_live()
            && !nix::unistd::geteuid().is_root()
            && let Some(dir) = own("XDG_STATE_HOME", "llmsql").or_else(|| own("HOME", ".local/state/llmsql"))
        {
            return dir;
        }
        PathBuf::from(SYSTEM_STATE)
    }

    /// Where `path` (absolute, as on the host) stands on this machine, symlinks resolved inside the tree. Parts that
    /// do not exist are kept as they are.
    ///
    /// # Errors
    /// `ELOOP` where symlinks lead in a circle.
    pub fn resolve(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        if self.is_live() {
            return Ok(path.as_ref().to_path_buf());
        }
        let mut todo: Vec<OsString> = parts(path.as_ref());
        let mut done: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            let mut here = self.dir.clone();
            here.extend(&done);
            here.push(&part);
            match fs::read_link(&here) {
                Ok(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(io::Error::from_raw_os_error(nix::errno::Errno::ELOOP as i32));
                    }
                    if target.is_absolute() {
                        done.clear();
                    }
                    todo.extend(parts(&target));
                }
                Err(_) => done.push(part),
            }
        }
        let mut out = self.dir.clone();
        out.extend(done);
        Ok(out)
    }

    /// The whole file as text; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.resolve(path)?)?).into_owned())
    }

    /// The whole file.
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn read_bytes(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        fs::read(self.resolve(path)?)
    }

    /// The file's first line, trimmed.
    ///
    /// # Errors
    /// Those of reading a file.
    pub fn read_line(&self, path: impl AsRef<Path>) -> io::Result<String> {
        Ok(self.read(path)?.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// Those of reading a folder.
    pub fn list(&self, path: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = fs::read_dir(self.resolve(path)?)?
            .filter_map(|entry| entry.ok().map(|e| e.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Where a symlink points, as written in it.
    ///
    /// # Errors
    /// Those of reading a link.
    pub fn read_link(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let path = path.as_ref();
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        fs::read_link(self.resolve(parent)?.join(name))
    }

    /// Whether the path exists, symlinks followed.
    #[must_use]
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.resolve(path).is_ok_and(|p| p.exists())
    }

    /// The inverse of [`Root::resolve`]: how a path of this machine is called on the host.
    #[must_use]
    pub fn on_host(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.dir) {
            Ok(rest) => Path::new("/").join(rest),
            Err(_) => path.to_path_buf(),
        }
    }
}

/// The normal parts of a path, last first, ready to be popped.
fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|c| match c {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn absolute_links_stay_inside_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        fs::write(dir.path().join("usr/lib/os-release"), "ID=debian\n").unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        symlink("/usr/lib/os-release", dir.path().join("etc/os-release")).unwrap();
        symlink("../../../../etc", dir.path().join("usr/up")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let root = Root::at(dir.path());
        assert_eq!(root.read_line("/etc/os-release").unwrap(), "ID=debian");
        assert_eq!(root.read_line("/usr/up/os-release").unwrap(), "ID=debian");
        assert!(root.read("/loop").is_err());
        assert_eq!(root.resolve("/a/../../b").unwrap(), dir.path().join("b"));
    }
}
