//! A question as tokens: words with their stems, numbers, quoted text, punctuation.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));

/// Plurals and forms that no rule of endings finds.
const IRREGULAR: &[(&str, &str)] = &[
    ("addresses", "address"),
    ("analyses", "analysis"),
    ("ate", "eat"),
    ("began", "begin"),
    ("begun", "begin"),
    ("born", "birth"),
    ("borrowed", "borrow"),
    ("bought", "buy"),
    ("built", "build"),
    ("busiest", "busi"),
    ("caught", "catch"),
    ("children", "child"),
    ("chose", "choos"),
    ("chosen", "choos"),
    ("cities", "citi"),
    ("countries", "countri"),
    ("criteria", "criterion"),
    ("data", "data"),
    ("drawn", "draw"),
    ("drew", "draw"),
    ("driven", "drive"),
    ("drove", "drive"),
    ("feet", "foot"),
    ("flew", "fli"),
    ("flown", "fli"),
    ("gave", "give"),
    ("geese", "goos"),
    ("given", "give"),
    ("graduated", "graduat"),
    ("grew", "grow"),
    ("held", "hold"),
    ("indices", "index"),
    ("knew", "know"),
    ("lain", "lie"),
    ("led", "lead"),
    ("left", "leav"),
    ("lent", "lend"),
    ("lives", "live"),
    ("losses", "loss"),
    ("lost", "lose"),
    ("made", "make"),
    ("matrices", "matrix"),
    ("media", "media"),
    ("men", "man"),
    ("met", "meet"),
    ("mice", "mous"),
    ("news", "news"),
    ("paid", "pay"),
    ("people", "person"),
    ("persons", "person"),
    ("queries", "queri"),
    ("ran", "run"),
    ("saw", "see"),
    ("seen", "see"),
    ("sent", "send"),
    ("series", "seri"),
    ("shelves", "shelf"),
    ("shown", "show"),
    ("sold", "sell"),
    ("species", "speci"),
    ("spent", "spend"),
    ("spoke", "speak"),
    ("spoken", "speak"),
    ("status", "status"),
    ("statuses", "status"),
    ("swam", "swim"),
    ("swum", "swim"),
    ("taken", "take"),
    ("taught", "teach"),
    ("teeth", "tooth"),
    ("theses", "thesi"),
    ("took", "take"),
    ("wives", "wife"),
    ("women", "woman"),
    ("won", "win"),
    ("written", "write"),
    ("wrote", "write"),
];

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A word.
    Word,
    /// A number, its unit removed.
    Number(f64),
    /// Text between quotation marks, without them.
    Quoted,
    /// A mark.
    Mark(char),
}

/// One token of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// As the question writes it; of quoted text what is between the marks.
    pub text: String,
    /// In small letters.
    pub lower: String,
    /// The stem of the word, or the small letters.
    pub stem: String,
    /// What it is.
    pub shape: Shape,
    /// First byte in the question.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Followed by an apostrophe-s.
    pub possessive: bool,
}

impl Token {
    /// Whether it begins with a capital letter.
    #[must_use]
    pub fn is_capital(&self) -> bool {
        self.text.chars().next().is_some_and(char::is_uppercase)
    }

    /// Whether it is a word.
    #[must_use]
    pub fn is_word(&self) -> bool {
        self.shape == Shape::Word
    }
}

/// The stem of a word in small letters.
#[must_use]
pub fn stem(lower: &str) -> String {
    match IRREGULAR.binary_search_by(|(form, _)| (*form).cmp(lower)) {
        Ok(at) => IRREGULAR.get(at).map_or_else(String::new, |(_, stem)| (*stem).to_owned()),
        Err(_) if lower.is_ascii() => STEMMER.stem(lower).into_owned(),
        Err(_) => lower.to_owned(),
    }
}

/// The number a word stands for, `three`.
#[must_use]
pub fn number_word(lower: &str) -> Option<f64> {
    const WORDS: [&str; 21] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
        "twenty",
    ];
    let tens = [
        ("once", 1.0),
        ("twice", 2.0),
        ("thrice", 3.0),
        ("thirty", 30.0),
        ("forty", 40.0),
        ("fifty", 50.0),
        ("hundred", 100.0),
        ("thousand", 1000.0),
    ];
    let small = WORDS.iter().position(|word| *word == lower).and_then(|n| u32::try_from(n).ok()).map(f64::from);
    small.or_else(|| tens.iter().find(|(word, _)| *word == lower).map(|(_, n)| *n))
}

/// The tokens of a question, in order. Quotation marks that are not closed are marks like others.
#[must_use]
pub fn tokens(question: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = question.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = question.get(at..).unwrap_or_default();
        let before = question.get(..at).and_then(|head| head.chars().next_back());
        let taken = if let Some(length) = quoted(rest, before, &mut found, at) {
            length
        } else if c.is_ascii_digit() {
            number(rest, at, &mut found)
        } else if c.is_alphanumeric() {
            word(rest, at, &mut found)
        } else {
            if !c.is_whitespace() {
                push(&mut found, c.to_string(), Shape::Mark(c), at, at + c.len_utf8());
            }
            c.len_utf8()
        };
        at += taken;
    }
    found
}

fn push(found: &mut Vec<Token>, text: String, shape: Shape, start: usize, end: usize) {
    let lower = text.to_lowercase();
    let stem = if shape == Shape::Word { stem(&lower) } else { lower.clone() };
    found.push(Token { text, lower, stem, shape, start, end, possessive: false });
}

/// Text in quotation marks: the bytes taken.
fn quoted(rest: &str, before: Option<char>, found: &mut Vec<Token>, at: usize) -> Option<usize> {
    let open = rest.chars().next()?;
    let close = match open {
        '"' | '\'' | '`' => open,
        '“' | '”' => '”',
        '‘' => '’',
        _ => return None,
    };
    // An apostrophe inside a word does not open a quotation.
    if before.is_some_and(char::is_alphanumeric) && open != '"' {
        return None;
    }
    let inner_start = open.len_utf8();
    let inner = rest.get(inner_start..)?;
    let ends = inner.char_indices().filter(|(_, c)| *c == close || (*c == '"' && open == '“'));
    let (length, mark) = ends.into_iter().find(|(i, c)| {
        let after = inner.get(i + c.len_utf8()..).and_then(|tail| tail.chars().next());
        *c == '"' || after.is_none_or(|c| !c.is_alphanumeric())
    })?;
    let text = inner.get(..length)?.trim();
    if text.is_empty() {
        return None;
    }
    let end = inner_start + length + mark.len_utf8();
    push(found, text.to_owned(), Shape::Quoted, at, at + end);
    Some(end)
}

/// A number with separators of thousands, a fraction, and a suffix `k`, `m`, `%`, `st`, `th`: the bytes taken.
fn number(rest: &str, at: usize, found: &mut Vec<Token>) -> usize {
    let bytes = rest.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    let mut digits = String::new();
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'0'..=b'9' => digits.push(char::from(*byte)),
            b',' if digit(end + 1) && digit(end + 2) && digit(end + 3) && !digit(end + 4) => {}
            b'.' if digit(end + 1) && !digits.contains('.') => digits.push('.'),
            _ => break,
        }
        end += 1;
    }
    let suffix: String = rest.get(end..).unwrap_or_default().chars().take_while(|c| c.is_alphanumeric()).collect();
    let value = digits.parse::<f64>().unwrap_or(0.0);
    let scale = match suffix.to_lowercase().as_str() {
        "" | "st" | "nd" | "rd" | "th" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "ms" | "s" | "kb" | "mb" | "gb" | "b" | "h" | "d" => {
            push(found, digits, Shape::Number(value), at, at + end);
            push(found, suffix.clone(), Shape::Word, at + end, at + end + suffix.len());
            return end + suffix.len();
        }
        _ => {
            // `2nd_floor`, `9a`: a name, no number.
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let length = name.len();
            push(found, name, Shape::Word, at, at + length);
            return length;
        }
    };
    let text = rest.get(..end + suffix.len()).unwrap_or_default().to_owned();
    let length = text.len();
    push(found, text, Shape::Number(value * scale), at, at + length);
    length
}

/// A word, with `n't` and `'s` taken apart: the bytes taken.
fn word(rest: &str, at: usize, found: &mut Vec<Token>) -> usize {
    let text: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut length = text.len();
    let after = rest.get(length..).unwrap_or_default();
    let tail = after.strip_prefix('\'').or_else(|| after.strip_prefix('’'));
    let mark = after.len() - tail.map_or(after.len(), str::len);
    let ending: String = tail.unwrap_or_default().chars().take_while(|c| c.is_alphanumeric()).collect();
    let lower = text.to_lowercase();
    let negated = ending.eq_ignore_ascii_case("t") && lower.ends_with('n');
    let mut body = text;
    if negated && lower != "can" {
        body.pop();
    }
    let body_end = body.len();
    for part in parts(&body) {
        push(found, part.1.to_owned(), Shape::Word, at + part.0, at + part.0 + part.1.len());
    }
    if negated {
        push(found, "not".to_owned(), Shape::Word, at + body_end, at + length + mark + 1);
        length += mark + 1;
    } else if tail.is_some() && (ending.eq_ignore_ascii_case("s") || (ending.is_empty() && lower.ends_with('s'))) {
        if let Some(last) = found.last_mut() {
            last.possessive = true;
        }
        length += mark + ending.len();
    }
    length
}

/// The parts of a word at its underscores, with where each begins.
fn parts(word: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let mut found = Vec::new();
    for part in word.split('_') {
        if !part.is_empty() {
            found.push((at, part));
        }
        at += part.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(question: &str) -> Vec<String> {
        tokens(question).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn irregular_forms_are_sorted_for_the_search() {
        assert!(IRREGULAR.is_sorted());
    }

    #[test]
    fn quotations_numbers_and_apostrophes() {
        assert_eq!(texts("the shop's name isn't 'Old Town'?"), ["the", "shop", "name", "is", "not", "Old Town", "?"]);
        assert_eq!(texts("more than 1,500.5 at 20%"), ["more", "than", "1,500.5", "at", "20", "%"]);
        assert_eq!(texts("an 'open quote"), ["an", "'", "open", "quote"]);
        assert_eq!(texts("over 500ms"), ["over", "500", "ms"]);
        let numbers: Vec<Shape> = tokens("1,500.5 20k 3rd").into_iter().map(|t| t.shape).collect();
        assert_eq!(numbers, [Shape::Number(1500.5), Shape::Number(20_000.0), Shape::Number(3.0)]);
    }

    #[test]
    fn endings_do_not_count() {
        assert_eq!(stem("orders"), stem("order"));
        assert_eq!(stem("people"), stem("person"));
        assert_eq!(stem("categories"), stem("category"));
    }
}
