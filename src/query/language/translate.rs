//! The steps in their order, and the decision to answer, ask or refuse.

use super::assign::{Assignment, Item, Part, assignments};
use super::dates;
use super::glossary::Glossary;
use super::index::{ColumnId, Index};
use super::link::Linker;
use super::logic::Query;
use super::parse::Parser;
use super::translation::{Clock, Dated, Link, Lookup, Outcome, Reading, Translation};
use super::words::{Token, tokens};
use super::write::{Writer, quote_text};
use crate::query::schema::Schema;

/// Translates questions about one schema; made once for a batch.
#[derive(Debug)]
pub struct Translator<'a> {
    index: Index<'a>,
    glossary: &'a Glossary,
}

/// Combinations of meanings that are read.
const READ: usize = 8;

impl<'a> Translator<'a> {
    /// Reads the schema and the operator's words.
    #[must_use]
    pub fn new(schema: &'a Schema, glossary: &'a Glossary) -> Self {
        Self { index: Index::new(schema, glossary), glossary }
    }

    /// What `question` means at the time of `clock`. Values that the schema does not hold are looked up through
    /// `lookup`. Never fails: what cannot be understood is refused with the reason.
    #[must_use]
    pub fn translate(&self, question: &str, clock: &Clock, lookup: &dyn Lookup) -> Translation {
        let tokens = tokens(question);
        let found = dates::find(question, clock);
        let linker = Linker { index: &self.index, lookup };
        let tokens = linker.spread(tokens);
        let spans = linker.spans(question, &tokens, &found);
        let hints: Vec<String> = tokens.iter().map(|t| t.stem.clone()).collect();
        let combinations = assignments(&self.index, &spans, &tokens, &hints, READ);
        let week_start = clock.week_starts_on.to_monday_zero_offset();
        let writer = Writer { index: &self.index, hints: &hints, week_start };
        let mut readings: Vec<(f64, Reading)> = Vec::new();
        for combination in &combinations {
            let draft = Parser::new(&self.index, &tokens, &combination.parts, &found).draft();
            let Some((query, cost)) = draft.query(&self.index, &hints) else { continue };
            let Some(reading) = reading(&writer, &query, combination, &tokens) else { continue };
            readings.push((combination.score - cost, reading));
        }
        readings.sort_by(|a, b| b.0.total_cmp(&a.0));
        let _ = self.glossary;
        let dates = found.iter().map(|d| dated(question, d)).collect();
        let words: Vec<Link> = combinations.first().map(|c| self.links(question, &tokens, c)).unwrap_or_default();
        let outcome = match readings.into_iter().next() {
            Some((_, reading)) => Outcome::Answer(reading),
            None => Outcome::Refuse {
                reason: "the question names nothing that the data has".to_owned(),
                words: Vec::new(),
                candidates: Vec::new(),
            },
        };
        Translation { outcome, dates, words }
    }
}

impl Translator<'_> {
    fn links(&self, question: &str, tokens: &[Token], combination: &Assignment) -> Vec<Link> {
        let link = |part: &Part| {
            let from = tokens.get(part.start)?.start;
            let to = tokens.get(part.end.checked_sub(1)?)?.end;
            let word = question.get(from..to).unwrap_or_default().to_owned();
            let name =
                |c: ColumnId| format!("{}.{}", self.index.table(c.table).table.name, self.index.column(c).column.name);
            let meaning = match &part.item {
                Item::Cue(cue) => format!("{cue:?}"),
                Item::Table(table) => format!("table {}", self.index.table(*table).table.name),
                Item::Column(column) => format!("column {}", name(*column)),
                Item::Value(column, text) => format!("value {} of {}", quote_text(text), name(*column)),
                Item::Metric(_) => "figure of the glossary".to_owned(),
                Item::Number(n) => format!("number {n}"),
                Item::Text(text, _) => format!("text {}", quote_text(text)),
                Item::Date(_) => "time".to_owned(),
                Item::Unknown => "unexplained".to_owned(),
            };
            Some(Link { word, meaning })
        };
        combination.parts.iter().filter_map(link).collect()
    }
}

fn reading(writer: &Writer<'_, '_>, query: &Query, combination: &Assignment, tokens: &[Token]) -> Option<Reading> {
    let sql = writer.sql(query)?;
    let unknown = combination.parts.iter().filter(|p| p.item == Item::Unknown).count();
    #[expect(clippy::cast_precision_loss, reason = "a handful of words")]
    let confidence = 1.0 - unknown as f64 / tokens.len().max(1) as f64;
    Some(Reading { sql, restatement: String::new(), confidence, uses: writer.uses(query) })
}

fn dated(question: &str, span: &dates::Span) -> Dated {
    Dated { phrase: question.get(span.start..span.end).unwrap_or_default().to_owned(), from: span.from, to: span.to }
}
