//! Numbers of things: counted, or added up where a column holds them.

use super::{Mode, Parser};
use crate::query::language::draft::{Output, distinct};
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Agg, Expr};

impl Parser<'_, '_> {
    /// Whether the question begins with "how many".
    pub(super) fn said_how_many(&self) -> bool {
        let mut words = self.tokens.iter().map(|t| t.lower.as_str());
        words.next() == Some("how") && words.next() == Some("many")
    }

    /// Whether "are there" follows, and nothing else.
    pub(super) fn asks_how_many_there_are(&self) -> bool {
        let end = self.parts.get(self.at).map_or(0, |p| p.end);
        let rest = self.tokens.get(end..).unwrap_or_default().iter().filter(|t| t.is_word());
        let rest: Vec<&str> = rest.map(|t| t.lower.as_str()).collect();
        matches!(rest.as_slice(), ["are" | "is", "there"] | ["are" | "is", "there", "in", "total"] | ["exist"])
    }

    /// Whether a column holds numbers of things, by its name: `passengers`, `number_of_docks`, `injured`.
    pub(super) fn counts(&self, column: ColumnId) -> bool {
        let number =
            |w: &String| matches!(w.as_str(), "number" | "numbers" | "num" | "count" | "counts" | "quantity" | "qty");
        let things = |w: &String| w.len() > 3 && (w.ends_with('s') || w.ends_with("ed"));
        let vague = |w: &String| ["ss", "us", "is"].iter().any(|end| w.ends_with(end));
        let words = &self.index.column(column).words.words;
        let total = words.len() > 1 && words.first().is_some_and(|w| w == "total");
        !self.is_degree(column) && (total || words.iter().any(|w| number(w) || things(w) && !vague(w)))
    }

    /// Whether a column tells how much of something each row has, which does not add up to a number of things.
    pub(super) fn is_degree(&self, column: ColumnId) -> bool {
        let degree = |w: &String| {
            let one = w.strip_suffix('s').unwrap_or(w);
            w == "year"
                || w == "stars"
                || [
                    "age",
                    "price",
                    "cost",
                    "rating",
                    "score",
                    "grade",
                    "rank",
                    "lat",
                    "latitude",
                    "long",
                    "longitude",
                    "lng",
                    "duration",
                    "weight",
                    "height",
                    "length",
                    "width",
                    "depth",
                    "temperature",
                    "percent",
                    "percentage",
                    "rate",
                    "ratio",
                    "salary",
                    "salarie",
                    "speed",
                    "elevation",
                    "altitude",
                    "distance",
                    "size",
                    "average",
                    "mean",
                    "fee",
                    "budget",
                    "income",
                ]
                .contains(&one)
        };
        self.index.column(column).words.words.iter().any(degree)
    }

    pub(super) fn count_column(&mut self, column: ColumnId, measure: bool) {
        self.note_table(column.table);
        let unique = self.index.is_unique(column);
        let asked = std::mem::take(&mut self.wait.distinct);
        let alone = self.mode == Mode::Select && self.draft.outputs.is_empty();
        let figure = measure && !asked && alone && !self.index.column(column).key;
        let number = figure && self.counts(column) && !self.condition_follows();
        // "the number of problems reported": of problems, not of the days on which they were.
        let happened = !asked && self.holds_times(column) && self.phrase().ends_with("ed");
        let expr = if happened {
            Expr::Count
        } else if number && self.said_how_many() {
            Expr::Agg(Agg::Sum, Box::new(Expr::Column(column)))
        } else if figure && (self.is_degree(column) || self.said_how_many() && self.condition_follows()) {
            // "how many prices are above 8": the rows, which is a guess.
            self.draft.cost += 1.0;
            Expr::Count
        } else if measure && !asked && figure && self.said_how_many() && self.asks_how_many_there_are() {
            distinct(column)
        } else if measure && !asked {
            Expr::Column(column)
        } else if unique && !asked && (self.index.column(column).key || measure) {
            Expr::Count
        } else {
            distinct(column)
        };
        match self.mode {
            Mode::Select => self.draft.outputs.push(Output::Expr(expr)),
            Mode::Filter if measure => self.wait.column = Some(column),
            Mode::Filter => self.wait.figure = Some(Expr::Count),
            Mode::Order => {
                let down = self.wait.direction.take().unwrap_or(false);
                self.draft.order.push((expr, down));
            }
        }
    }
}
