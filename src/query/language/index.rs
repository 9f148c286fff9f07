//! The schema, indexed once for many questions: names as words, values, keys, what names a row of each table.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::glossary::Glossary;
use super::names::{Words, weight};
use super::words::{stem, tokens};
use crate::query::schema::{Column, Kind, Schema, Table};

/// A table, by its place in the schema. Only an [`Index`] makes them, so that they are always valid for it.
pub type TableId = usize;

/// A column, by its table and its place in it. Only an [`Index`] makes them, so that they are always valid for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId {
    /// Its table.
    pub table: TableId,
    /// Its place in the table.
    pub at: usize,
}

/// A table or column that a word may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// A table.
    Table(TableId),
    /// A column.
    Column(ColumnId),
}

/// A table and what is known about it.
#[derive(Debug)]
pub struct TableInfo<'a> {
    /// As the schema has it.
    pub table: &'a Table,
    /// Its name as words.
    pub words: Words,
    /// Its columns, in order.
    pub columns: Vec<ColumnInfo<'a>>,
    /// The column that identifies a row, where it is one.
    pub key: Option<ColumnId>,
    /// What a person would call a row by.
    pub display: Vec<ColumnId>,
    /// Whether it does little but refer to two other tables.
    pub bridge: bool,
}

/// A column and what is known about it.
#[derive(Debug)]
pub struct ColumnInfo<'a> {
    /// As the schema has it.
    pub column: &'a Column,
    /// Its name as words.
    pub words: Words,
    /// The stems of its name as it is written, no short form written out.
    pub written: Vec<String>,
    /// Where in `words` the table's own name ends, as in `product_name` of `products`.
    pub own: usize,
    /// Whether it is a key of its table or refers to another.
    pub key: bool,
}

impl ColumnInfo<'_> {
    /// Its name without the table's.
    #[must_use]
    pub fn own_words(&self) -> &[String] {
        self.words.words.get(self.own..).unwrap_or_default()
    }
}

/// A reference between two tables, by one or more columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Referring and referred columns, pairwise.
    pub on: Vec<(ColumnId, ColumnId)>,
    /// The referring table.
    pub from: TableId,
    /// The table referred to.
    pub to: TableId,
    /// Declared or said by the operator, not inferred.
    pub declared: bool,
}

/// What the words of a reference say, for the choice between references to the same table.
#[derive(Debug, Default)]
pub struct Said {
    /// Stems of the referring columns that neither their table nor what they refer to has: `author` of `author_id` beside
    /// `reviewer_id`.
    pub own: Vec<String>,
    /// Whether both sides are called the same.
    pub alike: bool,
}

/// A stored value that a word may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Where it is stored.
    pub column: ColumnId,
    /// As it is stored.
    pub text: String,
}

/// The index of a schema.
#[derive(Debug)]
pub struct Index<'a> {
    /// Tables by their id.
    pub tables: Vec<TableInfo<'a>>,
    /// References between tables.
    pub edges: Vec<Edge>,
    /// What each reference's words say.
    pub said: Vec<Said>,
    /// What the operator's words mean, by their stems.
    pub synonyms: HashMap<Vec<String>, Element>,
    /// The operator's figures, by the stems of their names: the table and the SQL.
    pub metrics: HashMap<Vec<String>, (TableId, String)>,
    /// The column that dates the rows of a table, by the operator's word.
    pub time: BTreeMap<TableId, ColumnId>,
    touching: Vec<Vec<usize>>,
    by_stem: HashMap<String, Vec<Element>>,
    by_name: HashMap<String, Vec<TableId>>,
    by_value: HashMap<String, Vec<Value>>,
    vocabulary: HashSet<String>,
}

impl<'a> Index<'a> {
    /// Of a schema and the operator's words.
    #[must_use]
    pub fn new(schema: &'a Schema, glossary: &Glossary) -> Self {
        let known = known_words(schema);
        let is_known = |word: &str| known.contains(word);
        let mut tables: Vec<TableInfo<'a>> = schema.tables.iter().map(|table| table_info(table, &is_known)).collect();
        let mut index = Self {
            edges: Vec::new(),
            said: Vec::new(),
            touching: Vec::new(),
            synonyms: HashMap::new(),
            metrics: HashMap::new(),
            time: BTreeMap::new(),
            by_stem: HashMap::new(),
            by_name: HashMap::new(),
            by_value: HashMap::new(),
            vocabulary: HashSet::new(),
            tables: Vec::new(),
        };
        std::mem::swap(&mut index.tables, &mut tables);
        index.read_keys(schema, glossary);
        index.describe_tables();
        index.read_names();
        index.read_values();
        index.read_glossary(glossary);
        index
    }

    /// The table of an id.
    #[must_use]
    pub fn table(&self, id: TableId) -> &TableInfo<'a> {
        &self.tables[id]
    }

    /// The column of an id.
    #[must_use]
    pub fn column(&self, id: ColumnId) -> &ColumnInfo<'a> {
        &self.tables[id.table].columns[id.at]
    }

    /// A column's name behind its table's.
    #[must_use]
    pub fn full_name(&self, id: ColumnId) -> String {
        format!("{}.{}", self.table(id.table).table.name, self.column(id).column.name)
    }

    /// The type of a column.
    #[must_use]
    pub fn kind(&self, id: ColumnId) -> Kind {
        self.column(id).column.kind
    }

    /// The columns of a table.
    pub fn columns(&self, table: TableId) -> impl Iterator<Item = ColumnId> + use<> {
        (0..self.table(table).columns.len()).map(move |at| ColumnId { table, at })
    }

    /// The references from and to a table, by their places, in order.
    #[must_use]
    pub fn touching(&self, table: TableId) -> &[usize] {
        self.touching.get(table).map_or(&[], Vec::as_slice)
    }

    /// What has a word of this stem in its name.
    #[must_use]
    pub fn named(&self, stem: &str) -> &[Element] {
        self.by_stem.get(stem).map_or(&[], Vec::as_slice)
    }

    /// The tables of this name, its stems with a blank between two.
    #[must_use]
    pub fn called(&self, stems: &str) -> &[TableId] {
        self.by_name.get(stems).map_or(&[], Vec::as_slice)
    }

    /// The stems that occur in names.
    pub fn stems(&self) -> impl Iterator<Item = &str> {
        self.by_stem.keys().map(String::as_str)
    }

    /// Where a text is stored as a whole value, in any case of letters and with any ending.
    #[must_use]
    pub fn values(&self, lower: &str) -> &[Value] {
        self.by_value.get(lower).map_or(&[], Vec::as_slice)
    }

    /// Whether a word in small letters occurs inside a value.
    #[must_use]
    pub fn in_values(&self, lower: &str) -> bool {
        self.vocabulary.contains(lower)
    }

    /// Finds a table by its name in any case of letters.
    #[must_use]
    pub fn find_table(&self, name: &str) -> Option<TableId> {
        self.tables.iter().position(|t| t.table.name.eq_ignore_ascii_case(name))
    }

    /// Finds a column by its table's name and its own.
    #[must_use]
    pub fn find_column(&self, table: &str, column: &str) -> Option<ColumnId> {
        let table = self.find_table(table)?;
        let at = self.table(table).columns.iter().position(|c| c.column.name.eq_ignore_ascii_case(column))?;
        Some(ColumnId { table, at })
    }

    /// Whether some table has a first and a last name.
    #[must_use]
    pub fn has_first_and_last_names(&self) -> bool {
        let has = |table: &TableInfo<'_>, name: &str| table.columns.iter().any(|c| c.own_words().join(" ") == name);
        self.tables.iter().any(|t| has(t, "first name") && has(t, "last name"))
    }

    /// Whether a column of text holds numbers alone.
    #[must_use]
    pub fn is_numeric_text(&self, id: ColumnId) -> bool {
        let column = self.column(id).column;
        let number = |text: &String| text.trim().parse::<f64>().is_ok();
        let words = &self.column(id).words;
        let named = ["phone", "code", "id", "zip", "gender", "sex", "section", "number", "name", "key", "level"];
        if named.iter().any(|w| words.has(w)) {
            return false;
        }
        column.kind == Kind::Text && !column.values.is_empty() && column.values.iter().all(number)
    }

    /// What a column holds where what it says is so, or is not: `yes` and `no`, `true` and `false`.
    #[must_use]
    pub fn holds(&self, column: ColumnId, yes: bool) -> Option<String> {
        if self.kind(column) == Kind::Boolean {
            return Some(yes.to_string());
        }
        let values = &self.column(column).column.values;
        let pair = |words: [&str; 2]| {
            let known = values.iter().all(|v| words.iter().any(|w| v.eq_ignore_ascii_case(w)));
            let wanted = if yes { words.first() } else { words.last() }?;
            let found = values.iter().find(|v| v.eq_ignore_ascii_case(wanted));
            found.filter(|_| known && values.len() == 2).cloned()
        };
        let found = [["yes", "no"], ["y", "n"], ["true", "false"], ["t", "f"]].into_iter().find_map(pair);
        // Where there are several kinds of yes, there is one no.
        found.or_else(|| values.iter().find(|v| !yes && v.eq_ignore_ascii_case("no")).cloned())
    }

    /// Whether a column holds each value once: a key of its own, not one shared with others.
    #[must_use]
    pub fn is_unique(&self, id: ColumnId) -> bool {
        let table = self.table(id.table);
        let column = self.column(id).column;
        let keys = &table.table.primary_key;
        // What is a part of a key repeats, if not yet.
        let part = keys.len() > 1 && keys.contains(&column.name);
        table.key == Some(id) || !part && table.table.rows.is_some() && column.distinct == table.table.rows
    }

    fn read_keys(&mut self, schema: &Schema, glossary: &Glossary) {
        for key in &schema.keys {
            let pairs = key.columns.iter().zip(&key.to_columns);
            let on: Option<Vec<_>> = pairs
                .map(|(a, b)| Some((self.find_column(&key.table, a)?, self.find_column(&key.to_table, b)?)))
                .collect();
            self.add_edge(on.unwrap_or_default(), key.declared);
        }
        for join in &glossary.joins {
            let find = |name: &str| name.rsplit_once('.').and_then(|(table, column)| self.find_column(table, column));
            let on = find(&join.from).zip(find(&join.to));
            self.add_edge(on.into_iter().collect(), true);
        }
        self.add_through();
        for edge in &self.edges {
            for (a, b) in &edge.on {
                for id in [a, b] {
                    if let Some(column) = self.tables.get_mut(id.table).and_then(|t| t.columns.get_mut(id.at)) {
                        column.key = true;
                    }
                }
            }
        }
        self.touching = vec![Vec::new(); self.tables.len()];
        for (at, edge) in self.edges.iter().enumerate() {
            for table in [edge.from, edge.to] {
                if let Some(known) = self.touching.get_mut(table).filter(|known| known.last() != Some(&at)) {
                    known.push(at);
                }
            }
        }
        self.said = self.edges.iter().map(|edge| self.said_by(edge)).collect();
    }

    /// A reference to a part of a key that itself refers to another table leads there at once: through the rows between,
    /// of which there may be several, rows would be counted more than once.
    fn add_through(&mut self) {
        let pairs: Vec<(ColumnId, ColumnId)> =
            self.edges.iter().filter_map(|e| if let [pair] = e.on.as_slice() { Some(*pair) } else { None }).collect();
        for (from, between) in &pairs {
            let table = self.table(between.table).table;
            if matches!(table.primary_key.as_slice(), [one] if *one == self.column(*between).column.name) {
                continue;
            }
            let further = |(next, to): &&(ColumnId, ColumnId)| next == between && to.table != from.table;
            for (_, to) in pairs.iter().filter(further) {
                self.add_edge(vec![(*from, *to)], false);
            }
        }
    }

    fn said_by(&self, edge: &Edge) -> Said {
        let mut said = Said::default();
        for (from, to) in &edge.on {
            let (referring, referred) = (&self.column(*from).words.stems, &self.column(*to).words.stems);
            let tables = [&self.table(from.table).words.stems, &self.table(to.table).words.stems];
            let own = |word: &&String| !referred.contains(word) && tables.iter().all(|t| !t.contains(word));
            said.own.extend(referring.iter().filter(own).cloned());
            said.alike |= referring == referred;
        }
        said
    }

    fn add_edge(&mut self, on: Vec<(ColumnId, ColumnId)>, declared: bool) {
        let Some((from, to)) = on.first().map(|(a, b)| (a.table, b.table)) else { return };
        let edge = Edge { on, from, to, declared };
        if !self.edges.iter().any(|known| known.on == edge.on) {
            self.edges.push(edge);
        }
    }

    fn describe_tables(&mut self) {
        for id in 0..self.tables.len() {
            let key = self.key_of(id);
            let display = self.display_of(id, key);
            let references = self.edges.iter().filter(|e| e.from == id).count();
            let own = self.table(id).columns.iter().filter(|c| !c.key).count();
            if let Some(table) = self.tables.get_mut(id) {
                table.key = key;
                table.display = display;
                table.bridge = references >= 2 && own <= 2;
                if let Some(column) = key.and_then(|key| table.columns.get_mut(key.at)) {
                    column.key = true;
                }
            }
        }
    }

    fn key_of(&self, id: TableId) -> Option<ColumnId> {
        let info = self.table(id);
        if let [one] = info.table.primary_key.as_slice() {
            return self.find_column(&info.table.name, one);
        }
        if info.table.primary_key.len() > 1 {
            return None;
        }
        let referred = self.edges.iter().find(|e| e.to == id && e.on.len() == 1).and_then(|e| e.on.first());
        referred.map(|(_, to)| *to).or_else(|| {
            let rows = info.table.rows?;
            let unique = |c: &ColumnInfo<'_>| rows > 0 && c.column.distinct == Some(rows) && !c.column.nullable;
            let at = info.columns.iter().position(|c| unique(c) && c.words.ends_with("id"))?;
            Some(ColumnId { table: id, at })
        })
    }

    /// What a person would call a row by: its name, title, first and last name, else its description or key.
    fn display_of(&self, id: TableId, key: Option<ColumnId>) -> Vec<ColumnId> {
        let own = |c: &ColumnId| self.column(*c).own_words().join(" ");
        let named = |wanted: &str| self.columns(id).find(|c| own(c) == wanted);
        if let Some(name) = named("name").or_else(|| named("full name")) {
            return vec![name];
        }
        if let Some((first, last)) = named("first name").zip(named("last name")) {
            return vec![first, last];
        }
        let text = |c: &ColumnId| self.kind(*c) == Kind::Text;
        let table = self.table(id).words.stems.join(" ");
        let itself = self.columns(id).find(|c| text(c) && self.column(*c).words.stems.join(" ") == table);
        let ends = |word: &str| {
            let own_key = |c: &ColumnId| !self.edges.iter().any(|e| e.from == id && e.on.iter().any(|(a, _)| a == c));
            self.columns(id).find(|c| text(c) && own_key(c) && self.column(*c).words.ends_with(word))
        };
        let found = named("title").or(itself).or_else(|| ends("name")).or_else(|| ends("title"));
        let found = found.or_else(|| ends("details")).or_else(|| ends("description"));
        found.or(key).or_else(|| self.columns(id).next()).into_iter().collect()
    }

    fn read_names(&mut self) {
        let mut by_stem: HashMap<String, Vec<Element>> = HashMap::new();
        let mut add = |stem: &str, element: Element| {
            let elements = by_stem.entry(stem.to_owned()).or_default();
            if !elements.contains(&element) {
                elements.push(element);
            }
        };
        for id in 0..self.tables.len() {
            self.table(id).words.stems.iter().for_each(|stem| add(stem, Element::Table(id)));
            for column in self.columns(id) {
                self.column(column).words.stems.iter().for_each(|stem| add(stem, Element::Column(column)));
            }
        }
        self.by_stem = by_stem;
        for (id, table) in self.tables.iter().enumerate() {
            self.by_name.entry(table.words.stems.join(" ")).or_default().push(id);
        }
    }

    fn read_values(&mut self) {
        for id in 0..self.tables.len() {
            for column in self.columns(id) {
                for text in &self.column(column).column.values {
                    let lower = text.to_lowercase();
                    let stems: Vec<String> = tokens(&lower).into_iter().map(|t| t.stem).collect();
                    for token in tokens(&lower).into_iter().filter(|t| t.lower.len() > 2) {
                        self.vocabulary.insert(token.lower);
                    }
                    let value = Value { column, text: text.clone() };
                    let stems = stems.join(" ");
                    if stems != lower {
                        self.by_value.entry(stems).or_default().push(value.clone());
                    }
                    self.by_value.entry(lower).or_default().push(value);
                }
            }
        }
    }

    fn read_glossary(&mut self, glossary: &Glossary) {
        let stems = |phrase: &str| tokens(phrase).into_iter().map(|t| t.stem).collect::<Vec<_>>();
        // Where there is one table, its rows need no name.
        if let [only] = self.tables.iter().map(|t| t.table).collect::<Vec<_>>().as_slice() {
            for word in ["rows", "records"] {
                let own = only.columns.iter().any(|c| c.name.to_lowercase().contains(word.trim_end_matches('s')));
                if let Some(table) = self.find_table(&only.name).filter(|_| !own) {
                    self.synonyms.insert(stems(word), Element::Table(table));
                }
            }
        }
        for (phrase, meaning) in &glossary.synonyms {
            let column = meaning.rsplit_once('.').and_then(|(t, c)| self.find_column(t, c)).map(Element::Column);
            if let Some(element) = column.or_else(|| self.find_table(meaning).map(Element::Table)) {
                self.synonyms.insert(stems(phrase), element);
            }
        }
        for (name, metric) in &glossary.metrics {
            if let Some(table) = self.find_table(&metric.table) {
                self.metrics.insert(stems(name), (table, metric.sql.clone()));
            }
        }
        for (table, column) in &glossary.time {
            if let Some(column) = self.find_column(table, column) {
                self.time.insert(column.table, column);
            }
        }
    }
}

/// The operator's entries that mean no table or column of these sources, each as a sentence's end.
pub fn unknown(index: &Index<'_>, glossary: &Glossary) -> Vec<String> {
    let is_column = |name: &str| name.rsplit_once('.').is_some_and(|(t, c)| index.find_column(t, c).is_some());
    let is_table = |name: &str| index.find_table(name).is_some();
    let mut found = Vec::new();
    for (phrase, meaning) in glossary.synonyms.iter().filter(|(_, m)| !is_table(m) && !is_column(m)) {
        found.push(format!("synonyms: \"{phrase}\" means \"{meaning}\""));
    }
    for (name, metric) in glossary.metrics.iter().filter(|(_, m)| !is_table(&m.table)) {
        found.push(format!("metrics: \"{name}\" is of \"{}\"", metric.table));
    }
    for (table, column) in glossary.time.iter().filter(|(t, c)| index.find_column(t, c).is_none()) {
        found.push(format!("time: \"{table}.{column}\""));
    }
    for name in glossary.joins.iter().flat_map(|join| [&join.from, &join.to]).filter(|name| !is_column(name)) {
        found.push(format!("joins: \"{name}\""));
    }
    found
}

/// Words that stand alone in some name, so that names without separators can be taken apart at them.
fn known_words(schema: &Schema) -> HashSet<String> {
    let names = schema
        .tables
        .iter()
        .flat_map(|table| std::iter::once(table.name.as_str()).chain(table.columns.iter().map(|c| c.name.as_str())));
    let mut known = HashSet::new();
    for part in names.filter(|name| super::names::split(name).len() > 1).flat_map(super::names::split) {
        known.insert(part);
    }
    for table in schema.tables.iter().filter(|t| super::names::split(&t.name).len() == 1) {
        let lower = table.name.to_lowercase();
        if let Some(one) = lower.strip_suffix('s') {
            known.insert(one.to_owned());
        }
        known.insert(lower);
    }
    known
}

fn table_info<'a>(table: &'a Table, known: &dyn Fn(&str) -> bool) -> TableInfo<'a> {
    let mut words = Words::of(table.name.rsplit('.').next().unwrap_or(&table.name), known);
    let idle = |word: &str| matches!(word, "ref" | "reference" | "tbl" | "dim" | "fact" | "table" | "tb" | "t");
    if words.words.len() > 1 && words.words.first().is_some_and(|first| idle(first)) {
        words.words.remove(0);
        words.stems.remove(0);
    }
    let columns = table.columns.iter().map(|column| column_info(column, &words, known)).collect();
    TableInfo { table, words, columns, key: None, display: Vec::new(), bridge: false }
}

fn column_info<'a>(column: &'a Column, table: &Words, known: &dyn Fn(&str) -> bool) -> ColumnInfo<'a> {
    let words = initials(Words::of(&column.name, known), table);
    let weak = |at: usize| words.words.get(at + 1).is_some_and(|next| weight(next) < 1.0);
    let own = |(at, s): &(usize, &String)| {
        table.stems.contains(s)
            || is_short(s, table)
            || weak(*at) && table.words.iter().any(|w| w.starts_with(s.as_str()))
    };
    let prefix = words.stems.iter().enumerate().take_while(own).count();
    // `customer_type` of a table of that name is its type.
    let own = if prefix < words.stems.len() { prefix } else { words.stems.len().saturating_sub(1) };
    let written = super::names::split(&column.name).iter().map(|part| stem(part)).collect();
    ColumnInfo { column, words, written, own, key: false }
}

/// `aid` and `flno` of a table whose name begins with the same letters are its id and number.
fn initials(words: Words, table: &Words) -> Words {
    let [one] = words.words.as_slice() else { return words };
    let found =
        [("id", "id"), ("no", "number"), ("name", "name"), ("code", "code")].iter().find_map(|(ending, word)| {
            let head = one.strip_suffix(ending).filter(|head| !head.is_empty() && head.len() <= 4)?;
            table.words.iter().any(|w| w.starts_with(head)).then(|| vec![head.to_owned(), (*word).to_owned()])
        });
    match found {
        Some(words) => Words { stems: words.iter().map(|w| stem(w)).collect(), words },
        None => words,
    }
}

/// Whether a word of a column is the table's own in short, `stu_gpa` of `student`.
fn is_short(word: &str, table: &Words) -> bool {
    word.len() >= 3
        && weight(word) == 1.0
        && table.words.iter().any(|w| w.len() > word.len() + 1 && stem(w).starts_with(word))
}
