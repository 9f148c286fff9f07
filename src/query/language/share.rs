//! Words that several others share: `first and last name` is `first name and last name`.

use super::link::{Linker, Meaning};
use super::words::{Shape, Token};

/// How well both have to fit for a word to be shared.
const CERTAIN: f64 = 0.85;

impl Linker<'_, '_> {
    /// The tokens with every shared word written where it belongs; a full name is a first and a last one where no
    /// column holds it whole.
    #[must_use]
    pub fn spread(&self, tokens: Vec<Token>) -> Vec<Token> {
        let mut found = self.taken_apart(self.birthdays(several(self.full_names(tokens))));
        let mut at = found.len();
        while at > 0 {
            at -= 1;
            if let Some(head) = self.shared_head(&found, at) {
                let before = previous_word(&found, at);
                if let Some(before) = before.filter(|before| self.wants(&found, *before, at, &head)) {
                    let place = found.get(before).map_or((0, 0), |t| (t.start, t.end));
                    found.insert(before + 1, Token { start: place.1, end: place.1, possessive: false, ..head });
                    at = before + 1;
                }
            }
        }
        found
    }

    /// The word behind the one at `at`, where both together name a column.
    fn shared_head(&self, tokens: &[Token], at: usize) -> Option<Token> {
        let head = tokens.get(at + 1).filter(|t| t.is_word())?;
        let word = tokens.get(at).filter(|t| t.is_word())?;
        self.names_column(word, head).then(|| head.clone())
    }

    fn names_column(&self, word: &Token, head: &Token) -> bool {
        let candidates = self.names(&[&word.stem, &head.stem]);
        candidates.iter().any(|c| c.strength >= CERTAIN && matches!(c.meaning, Meaning::Column(_)))
    }

    /// Whether the word at `before` lacks the head that the word at `at` has.
    fn wants(&self, tokens: &[Token], before: usize, at: usize, head: &Token) -> bool {
        let Some(word) = tokens.get(before).filter(|t| t.is_word() && t.stem != head.stem) else { return false };
        let next = tokens.get(before + 1);
        let complete = next.is_some_and(|t| t.stem == head.stem);
        let alone = self.names(&[&word.stem]);
        let named = alone.iter().any(|c| c.strength >= 0.95 && matches!(c.meaning, Meaning::Column(_)));
        at > before + 1 && !complete && !named && self.names_column(word, head)
    }

    /// A birthday is a date of birth where no column is called so.
    fn birthdays(&self, tokens: Vec<Token>) -> Vec<Token> {
        let known = !self.index.named(&super::words::stem("birthday")).is_empty();
        let mut found: Vec<Token> = Vec::with_capacity(tokens.len());
        for token in tokens {
            if known || !matches!(token.lower.as_str(), "birthday" | "birthdays" | "birthdate" | "birthdates") {
                found.push(token);
                continue;
            }
            for text in ["birth", "date"] {
                let stem = super::words::stem(text);
                let word = Token { text: text.to_owned(), lower: text.to_owned(), stem, ..token.clone() };
                found.push(word);
            }
        }
        found
    }

    /// A word that is written as two in a name, `wifi` of `WiFi`, is taken apart.
    fn taken_apart(&self, tokens: Vec<Token>) -> Vec<Token> {
        let mut found: Vec<Token> = Vec::with_capacity(tokens.len());
        for token in tokens {
            let unknown = token.is_word()
                && token.lower.is_ascii()
                && token.lower.len() >= 4
                && super::cues::of(&token.lower).is_none()
                && self.index.named(&token.stem).is_empty()
                && !self.index.in_values(&token.lower);
            let parts = |at: usize| {
                let (head, tail) = token.lower.split_at_checked(at)?;
                let (head, tail) = ((head, super::words::stem(head)), (tail, super::words::stem(tail)));
                let behind = self.index.named(&tail.1);
                let both = self.index.named(&head.1).iter().any(|element| behind.contains(element));
                both.then_some([head, tail])
            };
            let parts = if unknown { (2..token.lower.len() - 1).find_map(parts) } else { None };
            match parts {
                Some(parts) => found.extend(parts.map(|(text, stem)| Token {
                    text: text.to_owned(),
                    lower: text.to_owned(),
                    stem,
                    ..token.clone()
                })),
                None => found.push(token),
            }
        }
        found
    }

    fn full_names(&self, tokens: Vec<Token>) -> Vec<Token> {
        let mut found: Vec<Token> = Vec::with_capacity(tokens.len());
        for token in tokens {
            let full =
                found.last().is_some_and(|t| matches!(t.lower.as_str(), "full" | "whole")) && token.stem == "name";
            let held = || self.names(&["full", "name"]).iter().any(|c| c.strength >= CERTAIN);
            if !full || held() || !self.index.has_first_and_last_names() {
                found.push(token);
                continue;
            }
            let place = found.pop().map_or(token.start, |t| t.start);
            for text in ["first", "name", "and", "last", "name"] {
                let word = Token {
                    text: text.to_owned(),
                    lower: text.to_owned(),
                    stem: super::words::stem(text),
                    ..token.clone()
                };
                found.push(Token { start: place, shape: Shape::Word, ..word });
            }
        }
        found
    }
}

/// `multiple orders` are more than one.
fn several(tokens: Vec<Token>) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if !matches!(token.lower.as_str(), "multiple" | "several") {
            found.push(token);
            continue;
        }
        for text in ["more", "than", "one"] {
            let stem = super::words::stem(text);
            found.push(Token {
                text: text.to_owned(),
                lower: text.to_owned(),
                stem,
                shape: Shape::Word,
                ..token.clone()
            });
        }
    }
    found
}

/// The word before the one at `at`, over "and", "or" and commas only.
fn previous_word(tokens: &[Token], at: usize) -> Option<usize> {
    let joins = |t: &Token| matches!(t.lower.as_str(), "and" | "or" | "," | "&" | "/");
    let before = tokens.get(..at)?;
    let skipped = before.iter().rev().take_while(|t| joins(t)).count();
    (skipped > 0).then(|| at.checked_sub(skipped + 1)).flatten()
}
