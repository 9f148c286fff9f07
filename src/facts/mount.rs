//! The mount table, from mountinfo where there is one, else from a table of `/etc/fstab`'s form.

use super::read::Host;

/// One mount.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Mount {
    /// `major:minor` of the file system's device; only mountinfo tells.
    pub device: Option<(u32, u32)>,
    /// The part of the file system that is mounted; `/` for all of it.
    pub root: String,
    pub target: String,
    pub filesystem: String,
    pub source: String,
    /// The mount's own options, then those of the file system.
    pub options: Vec<String>,
}

/// The mounts this process sees, in the order they were made.
pub(super) fn table(host: &Host) -> Vec<Mount> {
    if let Some((_, text)) = host.own("mountinfo") {
        let mounts: Vec<Mount> = text.lines().filter_map(mountinfo).collect();
        if !mounts.is_empty() {
            return mounts;
        }
    }
    let tables = ["/proc/mounts", "/proc/self/mounts", "/proc/1/mounts", "/etc/mtab"];
    let found = tables.iter().find_map(|path| {
        let mounts: Vec<Mount> = host.text(path)?.lines().filter_map(mounts_line).collect();
        (!mounts.is_empty()).then_some(mounts)
    });
    if found.is_none() {
        host.absent("/proc/self/mountinfo", "no mount table there, nor in /proc/mounts");
    }
    found.unwrap_or_default()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc(5)).
fn mountinfo(line: &str) -> Option<Mount> {
    let (first, second) = line.split_once(" - ")?;
    let mut first = first.split_whitespace().skip(2);
    let mut second = second.split_whitespace();
    let (major, minor) = first.next()?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let (root, target, own) = (unescape(first.next()?), unescape(first.next()?), first.next()?);
    let filesystem = second.next()?.to_owned();
    let source = unescape(second.next().unwrap_or_default());
    let mut options: Vec<String> = Vec::new();
    for option in own.split(',').chain(second.next().unwrap_or_default().split(',')) {
        if !option.is_empty() && !options.iter().any(|o| o == option) {
            options.push(unescape(option));
        }
    }
    // Read-only, the mount or the file system, is read-only.
    if options.iter().any(|o| o == "ro") {
        options.retain(|o| o != "rw" && o != "ro");
        options.insert(0, "ro".to_owned());
    }
    Some(Mount { device: Some(device), root, target, filesystem, source, options })
}

/// `/dev/sda1 / ext4 rw,relatime 0 0`.
fn mounts_line(line: &str) -> Option<Mount> {
    let mut fields = line.split_whitespace();
    let (source, target, filesystem) = (unescape(fields.next()?), unescape(fields.next()?), fields.next()?.to_owned());
    let options = fields.next().unwrap_or_default().split(',').filter(|o| !o.is_empty()).map(unescape).collect();
    if !target.starts_with('/') {
        return None;
    }
    Some(Mount { device: None, root: "/".to_owned(), target, filesystem, source, options })
}

/// Undoes the kernel's octal escapes of blanks and backslashes: `\040`.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| {
            digits.iter().try_fold(0u32, |n, d| (b'0'..=b'7').contains(d).then(|| n * 8 + u32::from(d - b'0')))
        });
        match octal.and_then(|n| u8::try_from(n).ok()) {
            Some(escaped) if byte == b'\\' => {
                out.push(escaped);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_joins_the_options_of_mount_and_file_system() {
        let line = r"36 35 8:1 /srv /mnt\040two rw,noatime shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro";
        let mount = mountinfo(line).unwrap();
        assert_eq!((mount.device, mount.root.as_str(), mount.target.as_str()), (Some((8, 1)), "/srv", "/mnt two"));
        assert_eq!(mount.options, ["rw", "noatime", "errors=remount-ro"]);
        let frozen = mountinfo("36 35 8:1 / / rw,noatime - ext4 /dev/sda1 ro").unwrap();
        assert_eq!(frozen.options, ["ro", "noatime"]);
        assert_eq!(mountinfo("36 35 8:1 / /"), None);
    }

    #[test]
    fn only_octal_escapes_are_undone() {
        assert_eq!(unescape(r"a\040b\134c\x\9"), r"a b\c\x\9");
        assert_eq!(unescape(r"end\04"), r"end\04");
    }
}
