//! `nginx.conf` and the files it includes.
//!
//! The words are those of nginx's own reader: blanks separate, `'…'` and `"…"` hold blanks, `\` takes the next character
//! as it is, `${name}` is part of a word, `;` ends a directive, `{ }` hold a block, `#` begins a comment at the start of a
//! word.

use super::{Problem, blank, text};

/// An nginx file: its bytes, and the directives in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    bytes: Vec<u8>,
    directives: Vec<Directive>,
    problem: Option<Problem>,
}

/// A directive with its arguments and its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Line, from 1.
    pub line: usize,
    /// `server`, `listen`, …
    pub name: String,
    /// What follows the name, unquoted.
    pub arguments: Vec<String>,
    /// The directives in its block; `None` where it ends with `;`.
    pub block: Option<Vec<Directive>>,
}

impl Document {
    /// Reads a file. What stands before the first fault is read, see [`Document::problem`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader { bytes, at: 0 };
        let mut directives = Vec::new();
        let problem = reader.block(&mut directives, None, 0).err();
        Document { bytes: bytes.to_vec(), directives, problem }
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The directives of the outermost level.
    #[must_use]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// Every directive of any level with this name, in order.
    #[must_use]
    pub fn find(&self, name: &str) -> Vec<&Directive> {
        let mut found = Vec::new();
        collect(&self.directives, name, &mut found);
        found
    }

    /// The first thing nginx would refuse to read.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }
}

impl Directive {
    /// Every directive of any level in its block with this name, in order.
    #[must_use]
    pub fn find(&self, name: &str) -> Vec<&Directive> {
        let mut found = Vec::new();
        collect(self.block.as_deref().unwrap_or_default(), name, &mut found);
        found
    }
}

fn collect<'a>(directives: &'a [Directive], name: &str, found: &mut Vec<&'a Directive>) {
    for directive in directives {
        if directive.name == name {
            found.push(directive);
        }
        collect(directive.block.as_deref().unwrap_or_default(), name, found);
    }
}

/// Deeper than any file is; keeps a hostile one from exhausting the stack.
const DEEPEST: usize = 64;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

enum Token {
    Word(String),
    End,
    Open,
    Close,
    EndOfFile,
}

impl Reader<'_> {
    fn block(&mut self, into: &mut Vec<Directive>, opened: Option<usize>, depth: usize) -> Result<(), Problem> {
        if depth > DEEPEST {
            return Err(self.problem_at(self.at, "blocks are nested deeper than nginx would read"));
        }
        loop {
            let (at, token) = self.token()?;
            let name = match (token, opened) {
                (Token::Word(name), _) => name,
                (Token::Close, Some(_)) | (Token::EndOfFile, None) => return Ok(()),
                (Token::Close, None) => return Err(self.problem_at(at, "} closes no block")),
                (Token::EndOfFile, Some(opened)) => return Err(self.problem_at(opened, "this block is never closed")),
                (Token::End, _) => return Err(self.problem_at(at, "; ends no directive")),
                (Token::Open, _) => return Err(self.problem_at(at, "{ opens the block of no directive")),
            };
            let mut directive = Directive { line: self.place(at).0, name, arguments: Vec::new(), block: None };
            loop {
                let (here, token) = self.token()?;
                match token {
                    Token::Word(word) => directive.arguments.push(word),
                    Token::End => break,
                    Token::Open => {
                        let mut block = Vec::new();
                        let read = self.block(&mut block, Some(here), depth + 1);
                        directive.block = Some(block);
                        if read.is_err() {
                            into.push(directive);
                            return read;
                        }
                        break;
                    }
                    Token::Close => return Err(self.problem_at(here, "a directive before this } has no ;")),
                    Token::EndOfFile => return Err(self.problem_at(at, "this directive has no ;")),
                }
            }
            into.push(directive);
        }
    }

    fn token(&mut self) -> Result<(usize, Token), Problem> {
        loop {
            match self.bytes.get(self.at) {
                Some(b) if blank(*b) => self.at += 1,
                Some(b'#') => {
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                }
                _ => break,
            }
        }
        let start = self.at;
        let single = match self.bytes.get(start) {
            None => return Ok((start, Token::EndOfFile)),
            Some(b';') => Some(Token::End),
            Some(b'{') => Some(Token::Open),
            Some(b'}') => Some(Token::Close),
            Some(_) => None,
        };
        if let Some(token) = single {
            self.at += 1;
            return Ok((start, token));
        }
        self.word(start).map(|word| (start, Token::Word(word)))
    }

    fn word(&mut self, start: usize) -> Result<String, Problem> {
        let mut word = Vec::new();
        let quote = self.bytes.get(start).copied().filter(|b| b"'\"".contains(b));
        self.at += usize::from(quote.is_some());
        loop {
            let Some(&byte) = self.bytes.get(self.at) else {
                return match quote {
                    Some(_) => Err(self.problem_at(start, "this quote is never closed")),
                    None => Ok(text(&word)),
                };
            };
            match (byte, quote) {
                (b'\\', _) => {
                    // Of an escape nginx keeps the backslash unless it stands before a quote, a backslash or t, r, n.
                    let next = self.bytes.get(self.at + 1).copied();
                    match next {
                        Some(b @ (b'"' | b'\'' | b'\\')) => word.push(b),
                        Some(b't') => word.push(b'\t'),
                        Some(b'r') => word.push(b'\r'),
                        Some(b'n') => word.push(b'\n'),
                        Some(b) => word.extend([b'\\', b]),
                        None => word.push(b'\\'),
                    }
                    self.at += 2;
                    continue;
                }
                (b, Some(q)) if b == q => {
                    self.at += 1;
                    return match self.bytes.get(self.at) {
                        Some(b) if !blank(*b) && !b";{)".contains(b) => {
                            Err(self.problem_at(self.at, "a blank, ; or { must follow the closing quote"))
                        }
                        _ => Ok(text(&word)),
                    };
                }
                (b'{', None) if word.last() == Some(&b'$') => {
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    let length = rest.iter().position(|b| *b == b'}').map_or(rest.len(), |end| end + 1);
                    word.extend_from_slice(rest.get(..length).unwrap_or_default());
                    self.at += length;
                    continue;
                }
                (b';' | b'{', None) => return Ok(text(&word)),
                (b, None) if blank(b) => return Ok(text(&word)),
                (b, _) => word.push(b),
            }
            self.at += 1;
        }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.bytes.get(..at.min(self.bytes.len())).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        (line, column)
    }

    fn problem_at(&self, at: usize, message: &str) -> Problem {
        let (line, column) = self.place(at);
        Problem { line, column, message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Directives as a file, every word in quotes.
    fn written(directives: &[Directive]) -> String {
        let mut out = String::new();
        for directive in directives {
            for word in [&directive.name].into_iter().chain(&directive.arguments) {
                out.push_str(&format!("\"{}\" ", word.replace('\\', "\\\\").replace('"', "\\\"")));
            }
            match &directive.block {
                Some(block) => out.push_str(&format!("{{ {} }}\n", written(block))),
                None => out.push_str(";\n"),
            }
        }
        out
    }

    #[test]
    fn reads_directives_blocks_and_quotes() {
        let text = "# c\nuser www-data;\nhttp {\n  log_format j escape=json '{\"a\":\"$b\"}'\n    ';x';\n  \
            map $a${b}c $d { default \"\"; '~^x\\d{2}$' \"it's\"; }\n  server { listen 80; }\n}\n";
        let doc = Document::parse(text.as_bytes());
        assert_eq!(doc.problem(), None);
        assert_eq!(doc.directives().iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["user", "http"]);
        assert_eq!(doc.find("log_format")[0].arguments, ["j", "escape=json", "{\"a\":\"$b\"}", ";x"]);
        assert_eq!(doc.find("map")[0].arguments, ["$a${b}c", "$d"]);
        assert_eq!(doc.find("~^x\\d{2}$")[0].arguments, ["it's"]);
        assert_eq!(
            (doc.find("listen")[0].line, doc.find("listen")[0].arguments.as_slice()),
            (7, ["80".to_owned()].as_slice())
        );
    }

    #[test]
    fn faults_are_found_where_they_are() {
        for (text, place) in [
            ("a b\n", (1, 1)),
            ("http {\n a;\n", (1, 6)),
            ("a;\n}\n", (2, 1)),
            ("a 'b;\n", (1, 3)),
            ("a 'b'c;\n", (1, 6)),
            ("http { a }\n", (1, 10)),
            (";", (1, 1)),
        ] {
            let doc = Document::parse(text.as_bytes());
            assert_eq!(doc.problem().map(|p| (p.line, p.column)), Some(place), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Document::parse(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn what_is_read_can_be_written_and_read_again(text in "([a-z]{1,3}|[ \n;{}'\"\\\\#é]|\\$\\{|a b;|s \\{|\"x y\"){0,40}") {
            let read = Document::parse(text.as_bytes());
            let again = Document::parse(written(read.directives()).as_bytes());
            prop_assert_eq!(again.problem(), None);
            prop_assert_eq!(written(again.directives()), written(read.directives()));
        }

        #[test]
        fn braces_of_any_depth_end(depth in 0usize..100_000) {
            let text = "a {".repeat(depth);
            prop_assert!(depth == 0 || Document::parse(text.as_bytes()).problem().is_some());
        }
    }
}
