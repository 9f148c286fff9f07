//! Whether files of the simpler languages are whole: each line is one that its reader takes. What their words mean is the
//! matter of the programs themselves, which the tests run.

use crate::formats::Problem;

/// The lines of a text, counted from 1, without blank ones and comments.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, String)> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<(usize, String)> = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim_end().to_owned())).collect();
    lines.into_iter().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn problem(line: usize, message: impl Into<String>) -> Problem {
    Problem { line, column: 1, message: message.into() }
}

/// The name before `=`, where it is one of letters, digits and underscores.
fn name(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (fits && name.starts_with(|c: char| c.is_ascii_alphabetic())).then_some(name)
}

/// systemd.syntax(7): sections, and `Key=value` below one.
pub(super) fn unit(bytes: &[u8]) -> Option<Problem> {
    let mut inside = false;
    for (number, line) in lines(bytes) {
        if line.starts_with('[') && line.ends_with(']') {
            inside = true;
        } else if !inside {
            return Some(problem(number, "stands before the first section"));
        } else if name(&line).is_none() {
            return Some(problem(number, "is no Key=value"));
        } else if line.ends_with('\\') {
            return Some(problem(number, "goes on in the next line"));
        }
    }
    None
}

/// `NAME=value`: no blank, quote or dollar outside the guide's `<generate-…>` marks, so that every reader takes it alike.
pub(super) fn env(bytes: &[u8]) -> Option<Problem> {
    lines(bytes).find_map(|(number, line)| {
        let Some(name) = name(&line) else { return Some(problem(number, "is no NAME=value")) };
        let value = line.get(name.len() + 1..).unwrap_or_default();
        value
            .contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | '$' | '`' | '#'))
            .then(|| problem(number, format!("the value of {name} would be read differently by a shell")))
    })
}

/// crontab(5): `NAME=value`, or five fields of time, a user and a command without an unescaped `%`.
pub(super) fn cron(bytes: &[u8]) -> Option<Problem> {
    lines(bytes).find_map(|(number, line)| {
        if name(&line).is_some() {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(times), Some(_command)) = (words.get(..5), words.get(6)) else {
            return Some(problem(number, "is no line of five times, a user and a command"));
        };
        let fits = |word: &&str| word.chars().all(|c| c.is_ascii_digit() || "*,-/".contains(c));
        if !times.iter().all(fits) {
            return Some(problem(number, "has a time that is none"));
        }
        line.contains('%').then(|| problem(number, "has a %, which cron takes for the end of the line"))
    })
}

/// udev(7): `KEY{attribute}OP"value"`, joined by commas.
pub(super) fn udev(bytes: &[u8]) -> Option<Problem> {
    lines(bytes).find_map(|(number, line)| {
        let faulty = line.split(", ").find(|part| !is_udev_part(part))?;
        Some(problem(number, format!("\"{faulty}\" is no match and no assignment")))
    })
}

fn is_udev_part(part: &str) -> bool {
    let key = part.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(part.len());
    let (key, rest) = part.split_at(key);
    let rest = match rest.strip_prefix('{').and_then(|r| r.split_once('}')) {
        Some((_, rest)) => rest,
        None => rest,
    };
    let value = ["==", "!=", "+=", "-=", ":=", "="].iter().find_map(|op| rest.strip_prefix(op));
    let whole = value.and_then(|v| v.strip_prefix('"')).and_then(|v| v.strip_suffix('"'));
    !key.is_empty() && whole.is_some_and(|v| !v.contains('"'))
}

/// Quotes, dollar quotes and comments that end, and a semicolon after the last statement.
pub(super) fn sql(bytes: &[u8]) -> Option<Problem> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest: &str = &text;
    let mut open = false;
    while let Some(first) = rest.chars().next() {
        let number = text.len() - rest.len();
        let at = |message: &str| {
            let before = text.get(..number).unwrap_or_default();
            Some(problem(before.matches('\n').count() + 1, message))
        };
        let end = if rest.starts_with("--") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else if let Some(mark) = dollar(rest) {
            open = true;
            match rest.get(mark.len()..).and_then(|body| body.find(mark)) {
                Some(end) => Some(end + 2 * mark.len()),
                None => return at("a dollar quote does not end"),
            }
        } else if first == '\'' || first == '"' {
            open = true;
            match rest.get(1..).and_then(|body| body.find(first)) {
                Some(end) => Some(end + 2),
                None => return at("a quote does not end"),
            }
        } else {
            if !first.is_whitespace() {
                open = first != ';';
            }
            Some(first.len_utf8())
        };
        rest = end.and_then(|end| rest.get(end..)).unwrap_or_default();
    }
    open.then(|| problem(text.lines().count(), "the last statement does not end with a semicolon"))
}

/// The mark of a dollar quote that begins here: `$llmsql$`.
fn dollar(text: &str) -> Option<&str> {
    let end = text.strip_prefix('$')?.find('$')? + 2;
    let mark = text.get(..end)?;
    let inner = mark.trim_matches('$');
    inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_its_reader_would_refuse_is_named() {
        for (check, good, bad, line) in [
            (unit as fn(&[u8]) -> Option<Problem>, "# x\n[Service]\nNice=10\n", "[Service]\nNice 10\n", 2),
            (unit, "[A]\nB=\n", "B=1\n[A]\n", 1),
            (env, "# it's\nA=b,c\nB=<generate-x>\n", "A=b\nB=c d\n", 2),
            (cron, "PATH=/bin\n1 2 * * 0 root true\n", "1 2 * * Sun root date +%d\n", 1),
            (cron, "", "1 2 * * * root date +%d\n", 1),
            (udev, "ACTION==\"add|change\", ATTR{queue/scheduler}=\"none\"\n", "\nKERNEL==\"sda, ATTR{x}=\"y\"\n", 2),
            (sql, "-- it's\nSET a = 'x''y';\nDO $l$ a; ' $l$;\n", "SET a = 'x;\n", 1),
            (sql, "", "SELECT 1;\nDO $a$ $b$;", 2),
            (sql, "", "SELECT 1;\nSELECT 2", 2),
        ] {
            assert_eq!(check(good.as_bytes()), None, "{good}");
            assert_eq!(check(bad.as_bytes()).map(|p| p.line), Some(line), "{bad}");
        }
    }
}
