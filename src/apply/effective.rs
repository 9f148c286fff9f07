//! Where a value really comes from, and so whether ours would win.

use super::servers::process;
use crate::formats::postgresql_conf::{Document, Include};
use crate::formats::sysctl;
use crate::root::Root;
use std::collections::BTreeMap;
use std::path::Path;

/// How deep PostgreSQL's files may include one another, its own limit.
const DEEPEST: usize = 10;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The value, unquoted.
    pub value: String,
    /// The file, as a path on the host; or what else sets it.
    pub file: String,
    /// Its line, from 1; 0 where it stands in no file.
    pub line: usize,
}

impl Placed {
    /// `FILE:LINE`.
    #[must_use]
    pub fn place(&self) -> String {
        if self.line == 0 { self.file.clone() } else { format!("{}:{}", self.file, self.line) }
    }
}

/// The host's files, with those that are to be written in place of those that stand.
pub struct Overlay<'a> {
    root: &'a Root,
    files: BTreeMap<String, Option<&'a [u8]>>,
}

impl<'a> Overlay<'a> {
    /// The host with these contents in place of its own; `None` for a file that will be gone.
    pub fn new(root: &'a Root, files: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Self {
        Overlay { root, files: files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect() }
    }

    /// A file; `None` where there is none, or none that can be read.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        match self.files.get(path) {
            Some(bytes) => bytes.map(<[u8]>::to_vec),
            None => self.root.read_bytes(path).ok(),
        }
    }

    /// The names in a folder, sorted by their bytes.
    #[must_use]
    pub fn names(&self, folder: &str) -> Vec<String> {
        let mut names = self.root.list(folder).unwrap_or_default();
        for (path, bytes) in &self.files {
            let path = Path::new(path);
            if path.parent() == Some(Path::new(folder))
                && let Some(name) = path.file_name().map(|n| n.to_string_lossy().into_owned())
            {
                names.retain(|n| *n != name);
                if bytes.is_some() {
                    names.push(name);
                }
            }
        }
        names.sort();
        names
    }
}

/// Every setting that PostgreSQL's files make, the last one of each name, by its name in lower case; and over them all
/// the command line of the server, where one runs.
#[must_use]
pub fn postgresql(overlay: &Overlay<'_>, main: &str, data_dir: Option<&str>) -> BTreeMap<String, Placed> {
    let mut found = BTreeMap::new();
    let mut keep = |file: &str, line: usize, name: &str, value: &str| {
        found.insert(name.to_ascii_lowercase(), Placed { value: value.to_owned(), file: file.to_owned(), line });
    };
    collect(overlay, main, 0, &mut keep);
    if let Some(auto) = data_dir.map(|dir| format!("{dir}/postgresql.auto.conf")) {
        collect(overlay, &auto, 0, &mut keep);
    }
    for setting in data_dir.map(|dir| command_line(overlay, dir)).unwrap_or_default() {
        let Some((name, value)) = setting.split_once('=') else { continue };
        keep("the server's command line", 0, &name.replace('-', "_"), value);
    }
    found
}

/// The settings on the command line of the server that runs in a data folder, which notes it there: `name=value`.
fn command_line(overlay: &Overlay<'_>, data_dir: &str) -> Vec<String> {
    let read = |name: &str| overlay.read(&format!("{data_dir}/{name}"));
    let Some(options) = read("postmaster.pid").and_then(|_| read("postmaster.opts")) else { return Vec::new() };
    let text = String::from_utf8_lossy(&options).into_owned();
    // The program, then each argument in double quotes, in which nothing is escaped.
    let words: Vec<String> =
        text.trim_end().split(" \"").skip(1).map(|word| word.trim_end_matches('"').to_owned()).collect();
    process::settings(&words)
}

fn collect(overlay: &Overlay<'_>, path: &str, depth: usize, keep: &mut dyn FnMut(&str, usize, &str, &str)) {
    let Some(bytes) = overlay.read(path).filter(|_| depth <= DEEPEST) else { return };
    for entry in Document::parse(&bytes).entries() {
        match entry.include() {
            None => keep(path, entry.line, entry.name, entry.value),
            Some(kind) => {
                for file in included(overlay, path, kind, entry.value) {
                    collect(overlay, &file, depth + 1, keep);
                }
            }
        }
    }
}

/// The files that an include directive of `path` names.
#[must_use]
pub fn included(overlay: &Overlay<'_>, path: &str, kind: Include, value: &str) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    let place = folder.join(value).display().to_string();
    match kind {
        Include::File | Include::FileIfExists => vec![place],
        Include::Dir => {
            let folder = place.trim_end_matches('/');
            let read = |name: &String| name.ends_with(".conf") && !name.starts_with('.');
            overlay.names(folder).into_iter().filter(read).map(|name| format!("{folder}/{name}")).collect()
        }
    }
}

/// The folders of sysctl files, the first with a name hiding the others'.
const SYSCTL_FOLDERS: &[&str] =
    &["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

/// Of these pairs the kernel keeps the one that was written last and sets the other to 0.
const TWINS: [(&str, &str); 2] =
    [("vm.dirty_bytes", "vm.dirty_ratio"), ("vm.dirty_background_bytes", "vm.dirty_background_ratio")];

/// The key that the kernel sets to 0 when this one is written.
#[must_use]
pub fn twin(key: &str) -> Option<&'static str> {
    TWINS.iter().find_map(|(a, b)| match key {
        key if key == *a => Some(*b),
        key if key == *b => Some(*a),
        _ => None,
    })
}

/// Every key that the host's sysctl files set at boot, as it stands in the end: files by name whatever their folder, and
/// /etc/sysctl.conf last, as procps reads it.
#[must_use]
pub fn sysctl(overlay: &Overlay<'_>) -> BTreeMap<String, Placed> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for folder in SYSCTL_FOLDERS {
        for name in overlay.names(folder).into_iter().filter(|name| name.ends_with(".conf")) {
            files.entry(name.clone()).or_insert_with(|| format!("{folder}/{name}"));
        }
    }
    let mut found = BTreeMap::new();
    for path in files.into_values().chain(["/etc/sysctl.conf".to_owned()]) {
        let Some(bytes) = overlay.read(&path) else { continue };
        for entry in sysctl::Document::parse(&bytes).entries() {
            let placed = |value: &str| Placed { value: value.to_owned(), file: path.clone(), line: entry.line };
            if let Some(other) = twin(entry.key).filter(|other| entry.value != "0" && found.contains_key(*other)) {
                found.insert(other.to_owned(), placed("0"));
            }
            found.insert(entry.key.to_owned(), placed(entry.value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::at(dir.path());
        (dir, root)
    }

    #[test]
    fn the_last_of_postgresqls_files_wins_with_ours_laid_over() {
        let (_dir, root) = tree(&[
            ("c/postgresql.conf", "port = 1\nwork_mem = 1MB\ninclude_dir 'conf.d'\n"),
            ("c/conf.d/60-late.conf", "jit = off\n"),
            ("c/conf.d/.hidden.conf", "jit = wrong\n"),
            ("d/postgresql.auto.conf", "Port = '9'\n"),
        ]);
        let ours = b"work_mem = 8MB\njit = on\n";
        let overlay = Overlay::new(&root, [("/c/conf.d/50-llmsql.conf", Some(&ours[..]))]);
        let found = postgresql(&overlay, "/c/postgresql.conf", Some("/d"));
        let of = |name: &str| (found[name].value.as_str(), found[name].place());
        assert_eq!(of("work_mem"), ("8MB", "/c/conf.d/50-llmsql.conf:1".into()));
        assert_eq!(of("jit"), ("off", "/c/conf.d/60-late.conf:1".into()));
        assert_eq!(of("port"), ("9", "/d/postgresql.auto.conf:1".into()));
    }

    #[test]
    fn the_command_line_of_a_running_server_wins() {
        let (dir, root) = tree(&[
            ("c/postgresql.conf", "work_mem = 1MB\n"),
            ("d/postmaster.opts", "/usr/bin/postgres \"-D\" \"/d\" \"-c\" \"work-mem=2MB\" \"--jit=off\"\n"),
            ("d/postmaster.pid", "1\n"),
        ]);
        let of = |name: &str| {
            let found = postgresql(&Overlay::new(&root, []), "/c/postgresql.conf", Some("/d"));
            found.get(name).map(|placed| (placed.value.clone(), placed.place()))
        };
        let line = "the server's command line".to_owned();
        assert_eq!(of("work_mem"), Some(("2MB".to_owned(), line.clone())));
        assert_eq!(of("jit"), Some(("off".to_owned(), line)));
        fs::remove_file(dir.path().join("d/postmaster.pid")).unwrap();
        assert_eq!(of("work_mem"), Some(("1MB".to_owned(), "/c/postgresql.conf:1".to_owned())), "it does not run");
    }

    #[test]
    fn sysctl_files_are_read_by_name_and_the_first_folder_hides() {
        let (_dir, root) = tree(&[
            ("usr/lib/sysctl.d/99-llm.conf", "vm.swappiness = 1\n"),
            ("etc/sysctl.d/99-llm.conf", "vm.swappiness = 2\n"),
            ("usr/lib/sysctl.d/99-zz.conf", "fs.file-max = 3\n"),
            ("etc/sysctl.conf", "fs.file-max = 4\n"),
        ]);
        let found = sysctl(&Overlay::new(&root, []));
        assert_eq!(found["vm.swappiness"].place(), "/etc/sysctl.d/99-llm.conf:1");
        assert_eq!(found["fs.file-max"].value, "4");
    }

    #[test]
    fn of_bytes_and_ratio_the_last_one_counts() {
        let (_dir, root) = tree(&[
            ("etc/sysctl.d/99-llm.conf", "vm.dirty_ratio = 15\nvm.dirty_background_ratio = 5\n"),
            ("etc/sysctl.d/99-z.conf", "\nvm.dirty_bytes = 100000\n"),
        ]);
        let found = sysctl(&Overlay::new(&root, []));
        assert_eq!(found["vm.dirty_ratio"].value, "0");
        assert_eq!(found["vm.dirty_ratio"].place(), "/etc/sysctl.d/99-z.conf:2");
        assert_eq!(found["vm.dirty_background_ratio"].value, "5");
    }
}
