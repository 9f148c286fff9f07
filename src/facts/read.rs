//! Reading that notes what could not be read: the one place where an absence gets its reason.

use super::Absent;
use crate::root::Root;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::str::FromStr;

/// The highest CPU or node number believed; the kernel's own limit is 8192 CPUs.
const MAX_ID: u32 = 1 << 16;

/// A set of CPUs or nodes by number.
pub(super) type Set = BTreeSet<u32>;

/// The host with a notebook for what it does not tell.
pub(super) struct Host<'a> {
    pub root: &'a Root,
    absent: RefCell<Vec<Absent>>,
}

impl<'a> Host<'a> {
    pub fn new(root: &'a Root) -> Self {
        Host { root, absent: RefCell::default() }
    }

    /// What was absent, each path once, in the order of the alphabet.
    pub fn into_absent(self) -> Vec<Absent> {
        let mut absent = self.absent.into_inner();
        absent.sort();
        absent.dedup_by(|a, b| a.path == b.path);
        absent
    }

    /// Notes that a fact is absent.
    pub fn absent(&self, path: impl Into<String>, reason: impl Into<String>) {
        self.absent.borrow_mut().push(Absent { path: path.into(), reason: reason.into() });
    }

    /// A file's text, or nothing: for files that may well be missing.
    pub fn text(&self, path: &str) -> Option<String> {
        self.root.read(path).ok().filter(|text| !text.trim().is_empty())
    }

    /// A file's text; its absence is noted.
    pub fn needed(&self, path: &str) -> Option<String> {
        match self.root.read(path) {
            Ok(text) if text.trim().is_empty() => self.absent(path, "the file is empty"),
            Ok(text) => return Some(text),
            Err(e) => self.absent(path, reason(&e)),
        }
        None
    }

    /// A file's first line, trimmed, if there is anything in it.
    pub fn line(&self, path: &str) -> Option<String> {
        let line = self.root.read_line(path).ok()?;
        (!line.is_empty()).then_some(line)
    }

    /// A file that holds one number, or nothing.
    pub fn number<T: FromStr>(&self, path: &str) -> Option<T> {
        self.line(path)?.parse().ok()
    }

    /// What a file says of a limit that may well not be there: `read` gives `None` for what is no such thing, and
    /// `Some(None)` for "no limit". A file that is there and tells neither is noted, since the limit is then not known.
    pub fn limit<T>(&self, path: &str, read: impl Fn(&str) -> Option<Option<T>>) -> Option<T> {
        let line = match self.root.read_line(path) {
            Ok(line) => line,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => {
                self.absent(path, reason(&e));
                return None;
            }
        };
        read(&line).unwrap_or_else(|| {
            let told: String = line.chars().take(40).collect();
            self.absent(path, format!("{told:?} is no limit"));
            None
        })
    }

    /// The names in a folder; empty where it cannot be read.
    pub fn names(&self, path: &str) -> Vec<String> {
        self.root.list(path).unwrap_or_default()
    }

    /// A set in `NAME_list` form or else as a mask in `NAME`.
    pub fn set(&self, list: &str, mask: &str) -> Option<Set> {
        self.line(list)
            .and_then(|text| parse_list(&text))
            .or_else(|| self.line(mask).and_then(|text| parse_mask(&text)))
            .filter(|set| !set.is_empty())
    }

    /// The file of `/proc/self` called `name`. A tree may have been taken without `/proc/self`, which is a link to a
    /// process; process 1 stands for it then.
    pub fn own(&self, name: &str) -> Option<(String, String)> {
        ["/proc/self", "/proc/thread-self", "/proc/1"].iter().find_map(|dir| {
            let path = format!("{dir}/{name}");
            self.text(&path).map(|text| (path, text))
        })
    }
}

/// Why a file could not be read, in words that do not depend on the machine.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is no folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads the kernel's list form: `0-3,8,10-11`. `None` if it is anything else.
pub(super) fn parse_list(text: &str) -> Option<Set> {
    let mut set = Set::new();
    for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last > MAX_ID || first > last {
            return None;
        }
        set.extend(first..=last);
    }
    Some(set)
}

/// Reads the kernel's mask form: `00000000,0000000f`, the highest CPUs first. `None` if it is anything else.
pub(super) fn parse_mask(text: &str) -> Option<Set> {
    let mut set = Set::new();
    let mut bit = 0;
    for digit in text.trim().trim_start_matches("0x").chars().rev().filter(|c| *c != ',') {
        let value = digit.to_digit(16)?;
        set.extend((0..4).filter(|n| value & (1 << n) != 0).map(|n| bit + n));
        bit += 4;
        if bit > MAX_ID {
            return None;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_masks_name_the_same_cpus() {
        assert_eq!(parse_list("0-2,5,7-7\n"), Some(Set::from([0, 1, 2, 5, 7])));
        assert_eq!(parse_list(""), Some(Set::new()));
        assert_eq!(parse_list("3-1"), None);
        assert_eq!(parse_list("0-4294967295"), None);
        assert_eq!(parse_list("zero"), None);
        assert_eq!(parse_mask("00000001,000000a7"), Some(Set::from([0, 1, 2, 5, 7, 32])));
        assert_eq!(parse_mask("ff"), Some((0..8).collect()));
        assert_eq!(parse_mask("0xg"), None);
    }
}
