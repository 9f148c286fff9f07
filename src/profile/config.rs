//! The operator's file, `llmsql.toml`.

use super::input::{self, Raw};
use super::{Kind, Origin, Sourced, keys};
use crate::error::{Error, Fault, Result};
use crate::root::Root;
use serde::de::{DeserializeOwned, IntoDeserializer};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml_edit::{Document as Parsed, Item, TableLike, Value as Toml};

/// Where the operator's file stands on the host if none is named and there is none in the working folder.
pub const DEFAULT: &str = "/etc/llmsql/llmsql.toml";

/// Its name in the working folder.
const LOCAL: &str = "llmsql.toml";

/// Which file is the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its path on this machine.
    pub path: PathBuf,
    /// How it is called in results: its path on the host where it belongs to the host's tree.
    pub shown: String,
    /// Whether the operator named it, so that it must exist.
    pub named: bool,
}

/// The operator's file: the one that was named, else `./llmsql.toml` if there is one, else
/// `/etc/llmsql/llmsql.toml` of the host, which need not exist.
///
/// # Errors
/// A host's tree whose symlinks lead in a circle.
pub fn locate(named: Option<&Path>, root: &Root) -> Result<Location> {
    if let Some(path) = named {
        return Ok(Location { path: path.to_owned(), shown: path.display().to_string(), named: true });
    }
    // A dangling link counts: reading it says what is wrong, passing over it would hide the operator's intent.
    if fs::symlink_metadata(LOCAL).is_ok() {
        return Ok(Location { path: LOCAL.into(), shown: LOCAL.to_owned(), named: false });
    }
    let path =
        root.resolve(DEFAULT).map_err(|e| Error::failed("config.path", "cannot be found").at(DEFAULT).because(e))?;
    Ok(Location { path, shown: DEFAULT.to_owned(), named: false })
}

/// The operator's file, parsed; positions kept.
#[derive(Debug, Clone)]
pub struct Document {
    path: PathBuf,
    shown: String,
    parsed: Parsed<String>,
}

impl Document {
    /// Reads the file; an empty document where it does not exist and was not named.
    ///
    /// # Errors
    /// A file that cannot be read, is no UTF-8 or no TOML (with line and column).
    pub fn read(location: &Location) -> Result<Document> {
        let text = match read_text(&location.path) {
            Ok(text) => text,
            Err(e) if e.not_found() && !location.named && fs::symlink_metadata(&location.path).is_err() => {
                String::new()
            }
            Err(e) => return Err(e.into_error(&location.path)),
        };
        Document::parse(&location.path, &location.shown, text)
    }

    /// Parses a text that stands, or is to stand, at `path`.
    ///
    /// # Errors
    /// A text that is no TOML, with line and column.
    pub fn parse(path: &Path, shown: &str, text: String) -> Result<Document> {
        match Parsed::parse(text.clone()) {
            Ok(parsed) => Ok(Document { path: path.to_owned(), shown: shown.to_owned(), parsed }),
            Err(e) => {
                let (line, column) = input::line_column(&text, e.span().map_or(text.len(), |s| s.start));
                let message = e.message().lines().next().unwrap_or("syntax error").to_owned();
                Err(Error::usage("config.syntax", message).at(format!("{}:{line}:{column}", path.display())))
            }
        }
    }

    /// Its path on this machine.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path that the file names: what is relative stands beside the file.
    #[must_use]
    pub fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// How it is called in results.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) fn root(&self) -> &dyn TableLike {
        self.parsed.as_table()
    }

    /// Its text, as read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.parsed.raw()
    }

    /// A table as it stands in the file.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&dyn TableLike> {
        self.parsed.as_table().get(name)?.as_table_like()
    }

    /// A table that belongs to another module ([`keys::SECTIONS`]), as that module's type; `None` where the file has
    /// none.
    ///
    /// # Errors
    /// What does not fit the type, with line and column.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some((key, item)) = self.parsed.as_table().get_key_value(name) else {
            return Ok(None);
        };
        let Ok(value) = item.clone().into_value() else {
            return Ok(None);
        };
        T::deserialize(value.into_deserializer()).map(Some).map_err(|e| {
            let span = e.span().or_else(|| item.span()).or_else(|| key.span());
            let message = e.message().lines().next().unwrap_or("not what is expected here").to_owned();
            Error::usage("config.section", format!("[{name}]: {message}")).at(self.place(span))
        })
    }

    /// Every key the file sets, checked against [`keys::lookup`].
    ///
    /// # Errors
    /// All that is wrong in the file at once: unknown keys and tables with the nearest name, wrong units and types,
    /// keys set twice, each with line and column.
    pub fn settings(&self) -> Result<BTreeMap<String, Sourced>> {
        let mut reader = Reader { document: self, settings: BTreeMap::new(), faults: Vec::new() };
        reader.table("", self.parsed.as_table());
        match Error::from_faults("config.invalid", self.path.display(), reader.faults) {
            Some(error) => {
                Err(error.next("`llmsql config list --all` shows every key with what it takes and what it is for"))
            }
            None => Ok(reader.settings),
        }
    }

    /// `file:line:column` of a span.
    #[must_use]
    pub fn place(&self, span: Option<Range<usize>>) -> String {
        let (line, column) = self.position(span);
        format!("{}:{line}:{column}", self.path.display())
    }

    fn position(&self, span: Option<Range<usize>>) -> (usize, usize) {
        input::line_column(self.text(), span.map_or(0, |s| s.start))
    }
}

/// Walks the tables and gathers settings and faults.
struct Reader<'a> {
    document: &'a Document,
    settings: BTreeMap<String, Sourced>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let span = table.get_key_value(name).and_then(|(key, _)| key.span());
            let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            self.item(&full, item, span);
        }
    }

    fn item(&mut self, name: &str, item: &Item, span: Option<Range<usize>>) {
        if keys::SECTIONS.iter().any(|s| s.name == name) {
            return;
        }
        if let Some(kind) = keys::lookup(name) {
            return self.setting(name, kind, item, span);
        }
        match item.as_table_like() {
            Some(_) if !name.contains('.') && !keys::tables().contains(&name) => {
                self.fault(item.span().or(span), input::unknown_table(name));
            }
            Some(table) => self.table(name, table),
            None => self.fault(span, input::unknown_key(name)),
        }
    }

    fn setting(&mut self, name: &str, kind: Kind, item: &Item, span: Option<Range<usize>>) {
        match input::read(kind, &raw(item)) {
            Ok(value) => {
                let (line, column) = self.document.position(span.clone());
                let origin = Origin::File { path: self.document.shown.clone(), line, column };
                if let Some(Sourced { origin: Origin::File { line, .. }, .. }) =
                    self.settings.insert(name.to_owned(), Sourced { value, origin })
                {
                    self.fault(span, format!("\"{name}\" is already set in line {line}"));
                }
            }
            Err(message) => self.fault(item.span().or(span), format!("{name}: {message}")),
        }
    }

    fn fault(&mut self, span: Option<Range<usize>>, message: String) {
        self.faults.push(Fault { place: self.document.place(span), message });
    }
}

/// An item as a value of no particular kind.
pub(super) fn raw(item: &Item) -> Raw {
    match item {
        Item::Value(value) => raw_value(value),
        Item::Table(_) => Raw::Other("a table"),
        Item::ArrayOfTables(_) => Raw::Other("an array of tables"),
        Item::None => Raw::Other("nothing"),
    }
}

fn raw_value(value: &Toml) -> Raw {
    match value {
        Toml::String(s) => Raw::Text(s.value().clone()),
        Toml::Integer(i) => Raw::Int(*i.value()),
        Toml::Float(f) => Raw::Float(*f.value()),
        Toml::Boolean(b) => Raw::Bool(*b.value()),
        Toml::Datetime(_) => Raw::Other("a date"),
        Toml::Array(items) => Raw::List(items.iter().map(raw_value).collect()),
        Toml::InlineTable(_) => Raw::Other("a table"),
    }
}

/// Why a text file could not be read.
pub(super) enum Unreadable {
    /// The system's reason.
    Io(io::Error),
    /// It is no UTF-8 from this line and column on.
    NotText(usize, usize),
}

impl Unreadable {
    pub(super) fn not_found(&self) -> bool {
        matches!(self, Unreadable::Io(e) if e.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn into_error(self, path: &Path) -> Error {
        match self {
            Unreadable::Io(e) => Error::usage("config.unreadable", "cannot be read").at(path.display()).because(e),
            Unreadable::NotText(line, column) => {
                Error::usage("config.encoding", "not UTF-8").at(format!("{}:{line}:{column}", path.display()))
            }
        }
    }
}

/// A whole text file.
pub(super) fn read_text(path: &Path) -> Result<String, Unreadable> {
    let bytes = fs::read(path).map_err(Unreadable::Io)?;
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(e.as_bytes().get(..valid).unwrap_or_default()).into_owned();
        let (line, column) = input::line_column(&before, valid);
        Unreadable::NotText(line, column)
    })
}
