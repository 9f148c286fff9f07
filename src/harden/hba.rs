//! Rules of `pg_hba.conf`: which one a login meets, and which should be stricter.

use super::look::{Client, Hba, Look, Password, Role};
use super::{Change, Finding, Severity, Wish};
use crate::formats::pg_hba::{Document, Entry, Kind, Rule, Word};
use std::net::IpAddr;

/// What the server does with a login by the first rule that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This method; from the rule on this line.
    Method(usize, String),
    /// No rule takes it, or one that rejects.
    Refused,
    /// A rule before decides by something that only the server knows: a file, a host's name, a regular expression.
    Unknown,
}

/// What a login meets.
#[must_use]
pub fn verdict(document: &Document, client: &Client, roles: &[Role]) -> Verdict {
    if document.includes().next().is_some() {
        return Verdict::Unknown;
    }
    for Entry { line, rule } in document.rules() {
        match takes(rule, client, roles) {
            Some(true) if rule.method == "reject" => return Verdict::Refused,
            Some(true) => return Verdict::Method(line, rule.method.clone()),
            None => return Verdict::Unknown,
            Some(false) => {}
        }
    }
    Verdict::Refused
}

/// Whether a rule takes a login; `None` where it cannot be told from here.
fn takes(rule: &Rule, client: &Client, roles: &[Role]) -> Option<bool> {
    let kind = match (rule.kind, client.address) {
        (Kind::Local, address) => address.is_none(),
        (_, None) | (Kind::HostGssEnc, _) => false,
        (Kind::Host | Kind::HostNoGssEnc, Some(_)) => true,
        (Kind::HostSsl, Some(_)) => client.tls,
        (Kind::HostNoSsl, Some(_)) => !client.tls,
    };
    let role = roles.iter().find(|r| r.name == client.role);
    let parts = [
        Some(kind),
        any(&rule.databases, |word| match word {
            _ if word.is("all") => Some(true),
            _ if word.is("sameuser") => Some(client.database == client.role),
            _ if word.is("samerole") || word.is("samegroup") => role.map(|r| is_in(r, &client.database)),
            _ if word.is("replication") => Some(false),
            _ => name(word, &client.database),
        }),
        any(&rule.roles, |word| match word.text.strip_prefix('+') {
            _ if word.is("all") => Some(true),
            Some(group) if !word.quoted => role.map(|r| is_in(r, group)),
            _ => name(word, &client.role),
        }),
        match (&rule.address, client.address) {
            (Some(word), Some(ip)) => address(word, rule.mask.as_deref(), ip),
            _ => Some(true),
        },
    ];
    // One part that does not fit is enough, whatever cannot be told of the others.
    if parts.contains(&Some(false)) { Some(false) } else { parts.iter().all(Option::is_some).then_some(true) }
}

fn any(words: &[Word], test: impl Fn(&Word) -> Option<bool>) -> Option<bool> {
    let answers: Vec<Option<bool>> = words.iter().map(test).collect();
    if answers.contains(&Some(true)) { Some(true) } else { answers.iter().all(Option::is_some).then_some(false) }
}

fn name(word: &Word, wanted: &str) -> Option<bool> {
    (word.quoted || !word.text.starts_with(['/', '@'])).then(|| word.text == wanted)
}

fn is_in(role: &Role, group: &str) -> bool {
    role.name == group || role.member_of.iter().any(|g| g == group)
}

fn address(word: &Word, mask: Option<&str>, ip: IpAddr) -> Option<bool> {
    if word.is("all") {
        return Some(true);
    }
    if word.is("samehost") || word.is("samenet") {
        return ip.is_loopback().then_some(true);
    }
    let (base, mask) = range(word, mask)?;
    let (ip, base, mask) = (bits(ip), bits(base), mask);
    Some(ip.1 == base.1 && ip.0 & mask == base.0 & mask)
}

/// The address and its mask, left-aligned in 128 bits.
fn range(word: &Word, mask: Option<&str>) -> Option<(IpAddr, u128)> {
    if let Some(mask) = mask {
        return Some((word.text.parse().ok()?, bits(mask.parse().ok()?).0));
    }
    let (base, length) = word.text.split_once('/')?;
    let (base, length): (IpAddr, u32) = (base.parse().ok()?, length.parse().ok()?);
    let most = if base.is_ipv4() { 32 } else { 128 };
    let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
    (length <= most).then_some((base, mask))
}

/// The address, left-aligned, and whether it is one of IPv4.
fn bits(ip: IpAddr) -> (u128, bool) {
    match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, true),
        IpAddr::V6(v6) => (u128::from(v6), false),
    }
}

/// Whether every address the rule is for is one of this host itself.
fn is_loopback(rule: &Rule) -> bool {
    let Some(word) = &rule.address else { return false };
    if word.is("samehost") || word.text == "localhost" {
        return true;
    }
    let Some((base, mask)) = range(word, rule.mask.as_deref()) else { return false };
    let least = if base.is_ipv4() { 8 } else { 128 };
    base.is_loopback() && mask.leading_ones() >= least
}

const PASSWORD: &str = "trust lets anybody in who reaches the server, password sends it in the clear, and an MD5 hash in \
    a stolen dump or backup is as good as the password; SCRAM proves it without showing it (PostgreSQL, 20.5)";

const TLS: &str = "without TLS whoever is on the way reads queries, rows and MD5 logins, and can be the server; a hostssl \
    rule takes no other connection (the guide, 5.1 and 5.2)";

/// The checks of the file's rules. `tls` says whether the server takes TLS, or will after the changes.
#[must_use]
pub fn checks(look: &Look, wish: &Wish, tls: bool) -> Vec<Finding> {
    let (method, kind) =
        (Finding::new("hba.method", Severity::High, PASSWORD), Finding::new("hba.tls", Severity::High, TLS));
    let Some(hba) = &look.hba else {
        let unread = "pg_hba.conf is for superusers to read";
        return vec![method.unknown(unread), kind.unknown(unread)];
    };
    let mut valid = Finding::new(
        "hba.valid",
        Severity::High,
        "a server with a fault in the file keeps its old rules at a \
        reload and does not start after a stop",
    );
    valid = match hba.errors.as_slice() {
        [] => valid.ok("the server takes every line of pg_hba.conf"),
        errors => valid.fails(errors.join("; ")).by_hand(format!("mend {} first", hba.path)),
    };
    vec![valid, methods(look, hba, method), encryption(look, hba, wish, tls, kind)]
}

fn shown(hba: &Hba, line: usize) -> String {
    let raw = hba.document.raw(line).unwrap_or_default();
    String::from_utf8_lossy(raw).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn methods(look: &Look, hba: &Hba, finding: Finding) -> Finding {
    let (mut changes, mut kept, mut weak) = (Vec::new(), Vec::new(), Vec::new());
    for Entry { line, rule } in hba.document.rules() {
        let open = match (rule.method.as_str(), rule.kind) {
            ("trust", _) | ("ident", Kind::Host | Kind::HostSsl | Kind::HostNoSsl) => true,
            ("password" | "md5", _) => false,
            _ => continue,
        };
        weak.push(format!("line {line} ({})", rule.method));
        let stuck: Vec<&str> = look
            .roles
            .iter()
            .filter(|r| r.login && matches!(any(&rule.roles, |w| role_word(w, r)), Some(true) | None))
            .filter(|r| match r.password {
                Password::Scram(_) => false,
                Password::None => open,
                Password::Md5(_) | Password::Unreadable => true,
            })
            .map(|r| r.name.as_str())
            .collect();
        if stuck.is_empty() {
            changes.push(Change::Hba { line, now: shown(hba, line), kind: None, method: Some("scram-sha-256") });
        } else {
            kept.push(format!("line {line} stays: without a SCRAM verifier {} could log in no more", stuck.join(", ")));
        }
    }
    if weak.is_empty() {
        return finding.ok("every rule asks for SCRAM, a certificate or the operating system's user");
    }
    let finding = finding.fails(format!("rules that prove nothing, or little: {}", weak.join(", "))).changes(changes);
    if kept.is_empty() {
        return finding;
    }
    kept.push("give these roles a password first (llmsql secrets rotate), or the socket a line with peer".to_owned());
    finding.by_hand(kept.join("; "))
}

fn role_word(word: &Word, role: &Role) -> Option<bool> {
    match word.text.strip_prefix('+') {
        _ if word.is("all") => Some(true),
        Some(group) if !word.quoted => Some(is_in(role, group)),
        _ => name(word, &role.name),
    }
}

fn encryption(look: &Look, hba: &Hba, wish: &Wish, tls: bool, finding: Finding) -> Finding {
    let plain: Vec<Entry<'_>> = hba
        .document
        .rules()
        .filter(|e| {
            matches!(e.rule.kind, Kind::Host | Kind::HostNoSsl | Kind::HostNoGssEnc) && e.rule.method != "reject"
        })
        .filter(|e| wish.loopback_tls || !is_loopback(e.rule))
        .collect();
    if plain.is_empty() {
        return finding.ok("every rule for other hosts wants TLS");
    }
    let lines = plain.iter().map(|e| e.line.to_string()).collect::<Vec<_>>().join(", ");
    let finding = finding.fails(format!("connections without TLS are taken from other hosts: line {lines}"));
    if !tls {
        return finding.by_hand("switch TLS on first (check tls.on): a hostssl rule takes nothing while it is off");
    }
    if let Some(mode) = wish.pooler_tls.as_deref().filter(|mode| matches!(*mode, "disable" | "allow")) {
        // A login through it proves nothing: it may be handed one of the connections that are open already.
        return finding.by_hand(format!(
            "PgBouncer has server_tls_sslmode = {mode} and would be refused: set it to prefer, reload PgBouncer, and run \
             this again"
        ));
    }
    // Where TLS has been off, nobody could use it yet; libpq does by itself as soon as it is offered.
    let without = |e: &Entry<'_>| -> Vec<String> {
        let meets = |c: &&Client| {
            matches!(verdict(&hba.document, c, &look.roles), Verdict::Method(line, _) if line == e.line) && !c.tls
        };
        let on = look.setting("ssl") == "on";
        look.sessions.iter().filter(meets).filter(|_| on).map(|c| c.role.clone()).collect()
    };
    let (mut changes, mut kept) = (Vec::new(), Vec::new());
    for entry in plain {
        let mut clients = without(&entry);
        clients.dedup();
        if clients.is_empty() {
            let (line, now) = (entry.line, shown(hba, entry.line));
            changes.push(Change::Hba { line, now, kind: Some(Kind::HostSsl), method: None });
        } else {
            kept.push(format!(
                "line {} stays: {} is connected by it without TLS now; give that client sslmode=require (PgBouncer: \
                 server_tls_sslmode = require) and run this again",
                entry.line,
                clients.join(", ")
            ));
        }
    }
    let finding = finding.changes(changes);
    if kept.is_empty() { finding } else { finding.by_hand(kept.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, groups: &[&str]) -> Role {
        Role {
            name: name.to_owned(),
            superuser: false,
            bootstrap: false,
            login: true,
            bypass: false,
            password: Password::None,
            member_of: groups.iter().map(|&g| g.to_owned()).collect(),
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let file = "local all all peer\nhostssl shop +staff 10.1.0.0 255.255.0.0 md5\nhost all ada ::1/128 trust\n\
            host sameuser all 10.0.0.0/8 reject\nhost \"all\" all all ident\nhost all all samenet password\n";
        let document = Document::parse(file.as_bytes());
        let roles = [role("ada", &["staff"]), role("bob", &[])];
        let meets = |role: &str, database: &str, address: &str, tls| {
            let address = address.parse().ok();
            verdict(&document, &Client { role: role.into(), database: database.into(), address, tls }, &roles)
        };
        let method = |line, name: &str| Verdict::Method(line, name.to_owned());
        assert_eq!(meets("bob", "shop", "", false), method(1, "peer"));
        assert_eq!(meets("ada", "shop", "10.1.2.3", true), method(2, "md5"));
        assert_eq!(meets("ada", "x", "::1", false), method(3, "trust"));
        assert_eq!(meets("bob", "bob", "10.1.2.3", true), Verdict::Refused);
        assert_eq!(meets("bob", "all", "192.0.2.1", true), method(5, "ident"));
        assert_eq!(meets("bob", "shop", "127.0.0.1", true), method(6, "password"));
        assert_eq!(meets("bob", "shop", "192.0.2.1", true), Verdict::Unknown, "only the server knows its networks");
    }

    #[test]
    fn loopback_is_this_host_alone() {
        let is = |line: &str| {
            let document = Document::parse(line.as_bytes());
            document.rules().next().is_some_and(|e| is_loopback(e.rule))
        };
        for line in ["127.0.0.1/32", "127.0.0.0 255.0.0.0", "::1/128", "samehost", "localhost"] {
            assert!(is(&format!("host all all {line} md5")), "{line}");
        }
        for line in ["0.0.0.0/0", "127.0.0.1/1", "all", "samenet", "db1", "::/0"] {
            assert!(!is(&format!("host all all {line} md5")), "{line}");
        }
    }
}
