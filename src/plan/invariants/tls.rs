//! Certificates of the edge and of the clusters: there, with their keys, readable by their service only, not expired.

use super::{Court, Numbers, number};
use crate::facts::Certificate;
use crate::plan::Component;
use crate::units;

/// Days before its end at which a certificate is about to expire: as long as a renewal by hand may take.
const SOON: i64 = 30;

impl Court<'_> {
    pub(super) fn certificates(&mut self) {
        let facts = &self.host.facts.certificates;
        let clusters = facts.iter().filter(|c| c.cluster.is_some() && self.host.has(Component::PostgreSql));
        let mut wanted: Vec<&Certificate> = clusters.collect();
        for service in [Component::Nginx, Component::PostgreSql].into_iter().filter(|s| self.host.has(*s)) {
            let file = |part: &str| self.host.profile.text(&format!("{}.{part}", service.name()));
            let parts = ["tls_certificate", "tls_certificate_key"];
            let [certificate, key] = parts.map(|part| file(part).filter(|path| !path.is_empty()));
            let (certificate, key) = match (certificate, key) {
                (Some(certificate), Some(key)) => (certificate, key),
                (None, None) => continue,
                (named, _) => {
                    let [has, lacks] = if named.is_some() { parts } else { [parts[1], parts[0]] };
                    let (has, lacks) = (format!("{}.{has}", service.name()), format!("{}.{lacks}", service.name()));
                    let message = format!("{has} is set and {lacks} is not: there is no TLS without both");
                    return self.verdict("tls.certificates", Some(false), Vec::new(), message, &format!("set {lacks}"));
                }
            };
            let Some(found) = facts.iter().find(|c| c.path == certificate && c.key == key) else {
                let numbers = vec![number("certificate", certificate), number("key", key)];
                let message = format!("{certificate} and {key} were not read on the host they are for");
                return self.verdict("tls.certificates", None, numbers, message, "run llmsql on the host itself");
            };
            if !wanted.contains(&found) {
                wanted.push(found);
            }
        }
        if wanted.is_empty() {
            if self.host.has(Component::Nginx) {
                let message = "no certificate is configured, so the edge answers in plain HTTP".to_owned();
                self.verdict("tls.certificates", None, Vec::new(), message, "");
            }
            return;
        }
        let numbers: Numbers = wanted.iter().map(|c| number(&c.path, told(c))).collect();
        let wrong: Vec<(String, String)> = wanted.iter().flat_map(|c| faults(c)).collect();
        // What could not be read, as a key that is root's alone, is no fault.
        let unknown: Vec<String> = wanted
            .iter()
            .filter(|c| c.fits_key.is_none() || c.days_left.is_none())
            .filter_map(|c| c.reason.clone())
            .collect();
        let (holds, message, next) = match wrong.split_first() {
            Some(((_, next), _)) => {
                let all: Vec<&str> = wrong.iter().map(|(fault, _)| fault.as_str()).collect();
                (Some(false), all.join("; "), next.clone())
            }
            None if !unknown.is_empty() => (None, unknown.join("; "), "run llmsql as root".to_owned()),
            None => (Some(true), "every certificate fits its key and is good for a while".to_owned(), String::new()),
        };
        self.verdict("tls.certificates", holds, numbers, message, &next);
    }
}

/// What is known of a certificate, in short.
fn told(certificate: &Certificate) -> String {
    let until = certificate.not_after.as_deref().map_or("unreadable".to_owned(), |at| format!("until {at}"));
    let mode = certificate.key_mode.as_deref().unwrap_or("unknown");
    format!("{until}, key {} of mode {mode}", certificate.key)
}

/// What is wrong with it, each with what to do.
fn faults(c: &Certificate) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut fault = |what: String, next: String| faults.push((what, next));
    if c.missing {
        fault(c.reason.clone().unwrap_or_else(|| format!("{} is missing", c.path)), format!("put it at {}", c.path));
        return faults;
    }
    if c.fits_key == Some(false) {
        let what = format!("{} is not the certificate of the key {}", c.path, c.key);
        fault(what, "name the two that belong together".to_owned());
    }
    if c.key_open == Some(true) {
        let mode = c.key_mode.as_deref().unwrap_or("");
        fault(format!("{} may be read by everybody (mode {mode})", c.key), format!("chmod 600 {}", c.key));
    }
    let until = c.not_after.as_deref().unwrap_or("");
    match c.days_left {
        Some(days) if days < 0 => fault(format!("{} expired on {until}", c.path), "renew it".to_owned()),
        Some(days) if days < SOON => {
            fault(
                format!("{} expires on {until}, in {}", c.path, units::counted(days.unsigned_abs(), "day")),
                "renew it".to_owned(),
            );
        }
        _ => {}
    }
    faults
}
