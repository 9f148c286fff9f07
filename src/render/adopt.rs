//! Whether a file that the operator has of his own may be replaced (ownership `adopt`): NGINX's main file.
//!
//! One that has servers, or includes files that ours does not, would lose them: ours is then written beside it, and what
//! the operator's lacks of it is said.

use crate::formats::nginx::{Directive, Document};

/// What stands at the target, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoption {
    /// Nothing would be lost: ours takes its place.
    Replace,
    /// It holds more than ours: ours goes beside it.
    Beside {
        /// What of it would be lost, such as `include /etc/nginx/sites-enabled/*`.
        holds: Vec<String>,
        /// Directives of ours that it does not have, or has otherwise.
        lacks: Vec<String>,
    },
}

/// Judges the operator's file against ours.
#[must_use]
pub fn judge(theirs: &[u8], ours: &[u8]) -> Adoption {
    if theirs == ours {
        return Adoption::Replace;
    }
    let (theirs, ours) = (flat(theirs), flat(ours));
    let known = |line: &Line| ours.iter().any(|own| own.name == line.name && own.arguments == line.arguments);
    let precious = |line: &&Line| matches!(line.name.as_str(), "server" | "upstream" | "include" | "stream" | "mail");
    let holds: Vec<String> = theirs.iter().filter(precious).filter(|line| !known(line)).map(Line::shown).collect();
    if holds.is_empty() {
        return Adoption::Replace;
    }
    let has = |line: &&Line| {
        !theirs.iter().any(|t| t.place == line.place && t.name == line.name && t.arguments == line.arguments)
    };
    let lacks = ours.iter().filter(|line| !line.is_block).filter(has).map(Line::shown).collect();
    Adoption::Beside { holds, lacks }
}

/// A directive of the main context or of a block right below it.
struct Line {
    /// The block it stands in; empty for the main context.
    place: String,
    name: String,
    arguments: Vec<String>,
    is_block: bool,
}

impl Line {
    fn shown(&self) -> String {
        let mut text = self.name.clone();
        for argument in &self.arguments {
            text.push(' ');
            text.push_str(argument);
        }
        text
    }
}

fn flat(bytes: &[u8]) -> Vec<Line> {
    let line = |place: &str, directive: &Directive| Line {
        place: place.to_owned(),
        name: directive.name.clone(),
        arguments: directive.arguments.clone(),
        is_block: directive.block.is_some(),
    };
    let mut lines = Vec::new();
    for top in Document::parse(bytes).directives() {
        lines.push(line("", top));
        lines.extend(top.block.iter().flatten().map(|inner| line(&top.name, inner)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[u8] =
        b"user www-data;\nevents { worker_connections 4096; }\nhttp {\n include /etc/nginx/mime.types;\n \
                          map_hash_bucket_size 256;\n include /etc/nginx/conf.d/*.conf;\n}\n";

    #[test]
    fn a_packages_own_file_is_replaced_and_one_with_more_in_it_is_not() {
        let package = b"user nginx;\nevents { worker_connections 1024; }\nhttp { include /etc/nginx/mime.types; include /etc/nginx/conf.d/*.conf; }\n";
        assert_eq!(judge(package, OURS), Adoption::Replace);
        assert_eq!(judge(OURS, OURS), Adoption::Replace);
        let debian = b"user www-data;\nevents { worker_connections 768; }\nhttp { include /etc/nginx/mime.types;\n\
                       include /etc/nginx/conf.d/*.conf; include /etc/nginx/sites-enabled/*; }\n";
        let Adoption::Beside { holds, lacks } = judge(debian, OURS) else { panic!("Debian's sites would be lost") };
        assert_eq!(holds, ["include /etc/nginx/sites-enabled/*"]);
        assert_eq!(lacks, ["worker_connections 4096", "map_hash_bucket_size 256"]);
        let server = b"events {}\nhttp { server { listen 80; } }\n";
        assert!(matches!(judge(server, OURS), Adoption::Beside { holds, .. } if holds == ["server"]));
    }
}
