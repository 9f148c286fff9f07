//! The words and numbers of a question, as the date grammar wants them.

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Letters; lower-case in `text`, an ending `'s` left off.
    Word,
    /// Digits only.
    Number(u32),
    /// Digits with `st`, `nd`, `rd` or `th`.
    Ordinal(u32),
    /// Digits with one point, `2.5`.
    Decimal(f64),
    /// Digits with several points, `24.12.2024`.
    Dotted,
    /// One character of punctuation.
    Mark,
}

/// A token and where it stands in the question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether nothing stands between it and the token before.
    pub(super) glued: bool,
    /// Whether it begins with a capital.
    pub(super) capital: bool,
}

/// Splits a question; white space separates and is not kept.
pub(super) fn split(question: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = question;
    while let Some(first) = rest.chars().next() {
        let start = question.len() - rest.len();
        let length = if first.is_ascii_digit() {
            digits(rest)
        } else if first.is_alphabetic() {
            letters(rest)
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at_checked(length.max(first.len_utf8())).unwrap_or((rest, ""));
        rest = after;
        if first.is_whitespace() {
            continue;
        }
        let end = start + text.len();
        let glued = tokens.last().is_some_and(|last| last.end == start);
        if glued && join_ordinal(&mut tokens, text, end) {
            continue;
        }
        let (kind, text) = classify(first, text);
        tokens.push(Token { kind, text, start, end, glued, capital: first.is_uppercase() });
    }
    tokens
}

fn digits(text: &str) -> usize {
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let point = c == '.' && chars.peek().is_some_and(|(_, next)| next.is_ascii_digit());
        if !c.is_ascii_digit() && !point {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

fn letters(text: &str) -> usize {
    let mut end = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let inside = matches!(c, '\'' | '\u{2019}') && chars.peek().is_some_and(|(_, next)| next.is_alphabetic());
        if !c.is_alphabetic() && !inside {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

fn join_ordinal(tokens: &mut [Token], text: &str, end: usize) -> bool {
    let Some(last) = tokens.last_mut() else { return false };
    let Kind::Number(number) = last.kind else { return false };
    if !["st", "nd", "rd", "th"].iter().any(|suffix| text.eq_ignore_ascii_case(suffix)) {
        return false;
    }
    last.kind = Kind::Ordinal(number);
    last.end = end;
    true
}

fn classify(first: char, text: &str) -> (Kind, String) {
    if first.is_ascii_digit() {
        let kind = match text.matches('.').count() {
            0 => text.parse().map_or(Kind::Mark, Kind::Number),
            1 => text.parse().map_or(Kind::Mark, Kind::Decimal),
            _ => Kind::Dotted,
        };
        return (kind, text.to_owned());
    }
    if !first.is_alphabetic() {
        return (Kind::Mark, text.to_owned());
    }
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let lower = lower.strip_suffix("'s").unwrap_or(&lower).replace('\'', "");
    (Kind::Word, lower)
}
