//! From a combination of meanings to a draft: what is asked for, under which conditions, grouped and ordered how.

mod around;
mod columns;
mod counts;
mod finish;
mod moments;
mod order;
mod rows;
mod tables;
mod values;

use crate::query::language::assign::{Item, Part};
use crate::query::language::cues::{Cue, Quality};
use crate::query::language::dates;
use crate::query::language::draft::{Draft, Output};
use crate::query::language::index::{ColumnId, Index, TableId};
use crate::query::language::link::is_measure;
use crate::query::language::logic::{Agg, Cond, Expr, Op, Operand, Place, Query};
use crate::query::language::words::Token;

/// Where in the question the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// What is asked for.
    Select,
    /// What it has to hold.
    Filter,
    /// How it is ordered.
    Order,
}

/// What has been said and waits for the word it belongs to.
#[derive(Debug, Clone, Default)]
struct Pending {
    count: bool,
    /// The first or last by time, not the best.
    first: bool,
    /// The superlative says which row is meant, `with the highest …`.
    attached: bool,
    /// The first of two numbers that are alternatives, `3 or 4 stars`.
    other: Option<f64>,
    /// The number of rows is asked for beside other figures.
    rows: bool,
    /// `how old`: the quality asked for and its place among what is shown.
    measure: Option<(Quality, usize)>,
    total: bool,
    alphabetical: bool,
    aggs: Vec<Agg>,
    distinct: bool,
    each: bool,
    superlative: Option<(bool, Option<Quality>)>,
    counted: bool,
    frequent: Option<bool>,
    compare: Option<(Op, Option<Quality>)>,
    number: Option<f64>,
    between: Option<Option<f64>>,
    contains: Option<Place>,
    negated: bool,
    or: bool,
    both: bool,
    and: bool,
    named: bool,
    column: Option<ColumnId>,
    figure: Option<Expr>,
    direction: Option<bool>,
    limit: Option<u64>,
    top: Option<bool>,
    owner: bool,
    pronoun: bool,
    lone: bool,
}

/// Reads one combination.
pub struct Parser<'p, 'a> {
    index: &'p Index<'a>,
    tokens: &'p [Token],
    parts: &'p [Part],
    dated: &'p [dates::Span],
    at: usize,
    mode: Mode,
    wait: Pending,
    draft: Draft,
    last_column: Option<ColumnId>,
    last_table: Option<TableId>,
    asked_place: Option<bool>,
    negated_open: bool,
    outside: Option<Mode>,
    superlative_word: Option<String>,
    skip: bool,
    everything: bool,
    top: Option<bool>,
    /// The other side of a comparison with rows, while it is read.
    others: Option<rows::Others>,
}

impl<'p, 'a> Parser<'p, 'a> {
    /// A reader of the parts of a question.
    #[must_use]
    pub fn new(index: &'p Index<'a>, tokens: &'p [Token], parts: &'p [Part], dated: &'p [dates::Span]) -> Self {
        Self {
            index,
            tokens,
            parts,
            dated,
            at: 0,
            mode: Mode::Select,
            wait: Pending::default(),
            draft: Draft::default(),
            last_column: None,
            last_table: None,
            asked_place: None,
            negated_open: false,
            outside: None,
            superlative_word: None,
            skip: false,
            everything: false,
            top: None,
            others: None,
        }
    }

    /// The draft.
    #[must_use]
    pub fn draft(mut self) -> Draft {
        while let Some(part) = self.parts.get(self.at) {
            match &part.item {
                Item::Cue(cue) => self.cue(*cue),
                Item::Table(table) => self.table(*table),
                Item::Column(column) => self.column(*column),
                Item::Value(column, text) => self.value(*column, text.clone()),
                Item::Metric(name) => self.metric(name),
                Item::Number(n) => self.number(*n),
                Item::Text(text, quoted) => self.text(text.clone(), *quoted),
                Item::Date(at) => self.date(*at),
                Item::Unknown => self.bracket(),
            }
            self.at += 1 + usize::from(std::mem::take(&mut self.skip));
        }
        self.finish();
        self.draft
    }

    /// What stands between brackets only explains: behind them the question goes on where it was.
    fn bracket(&mut self) {
        match self.phrase().as_str() {
            "(" => self.outside = Some(self.mode),
            ")" => {
                if let Some(mode) = self.outside.take() {
                    self.flush_column();
                    self.mode = mode;
                }
            }
            _ => {}
        }
    }

    /// The parts from the next on, without words that say nothing.
    fn ahead(&self, skip: usize) -> Option<&'p Item> {
        let rest = self.parts.get(self.at + 1..).unwrap_or_default().iter();
        rest.map(|p| &p.item).filter(|i| !matches!(i, Item::Cue(Cue::Idle | Cue::All) | Item::Unknown)).nth(skip)
    }

    /// The part before, without words that say nothing.
    fn behind(&self) -> Option<&'p Item> {
        let back = self.parts.get(..self.at).unwrap_or_default().iter().rev();
        back.map(|p| &p.item).find(|i| !matches!(i, Item::Cue(Cue::Idle | Cue::All | Cue::Distinct)))
    }

    fn cue(&mut self, cue: Cue) {
        match cue {
            Cue::Ask => self.ask(),
            Cue::Which if self.at == 0 || self.draft.outputs.is_empty() => self.mode = Mode::Select,
            // "… Who served as …" asks anew.
            Cue::Relative if matches!(self.part_before(), Some(Item::Cue(Cue::Stop))) => self.ask(),
            Cue::Which | Cue::Relative | Cue::Whose => self.filter(),
            Cue::Who => {
                if self.at > 0 && !self.draft.outputs.is_empty() {
                    self.filter();
                }
            }
            Cue::When if self.at == 0 => self.asked_place = Some(false),
            Cue::When => self.filter(),
            Cue::Where if self.at == 0 => self.asked_place = Some(true),
            Cue::Where => self.filter(),
            Cue::Count => {
                if self.mode == Mode::Filter
                    && self.phrase().starts_with("how many")
                    && matches!(self.part_before(), Some(Item::Cue(Cue::And | Cue::Stop)))
                {
                    self.flush_column();
                    self.mode = Mode::Select;
                }
                self.wait.count = true;
                let beside = self.mode == Mode::Filter
                    && matches!(self.part_before(), Some(Item::Cue(Cue::And)))
                    && !self.draft.outputs.is_empty()
                    && self.wait.compare.is_none()
                    && !matches!(
                        self.ahead(1),
                        Some(Item::Cue(Cue::Compare(..) | Cue::Be | Cue::Between) | Item::Number(_))
                    );
                if beside {
                    self.flush_column();
                    self.mode = Mode::Select;
                }
                if self.phrase().ends_with(" and") {
                    let counted = self.draft.outputs.iter().any(|o| matches!(o, Output::CountOf(_)));
                    self.wait.rows = !counted;
                    return;
                }
                let listed = matches!(self.part_before(), Some(Item::Cue(Cue::And)));
                self.wait.total = self.phrase().contains("total") && (self.wait.aggs.is_empty() || listed);
            }
            Cue::HowMuch(quality) => {
                self.flush_column();
                self.mode = Mode::Select;
                self.wait.measure = quality.map(|q| (q, self.draft.outputs.len()));
            }
            Cue::Agg(agg) => self.aggregate(agg),
            Cue::Distinct => self.wait.distinct = true,
            // "sorted first by name, lastly by age".
            Cue::Superlative(..) | Cue::Top(_)
                if self.mode == Mode::Order
                    && matches!(self.phrase().as_str(), "first" | "last" | "lastly" | "finally")
                    && matches!(self.ahead(0), Some(Item::Cue(Cue::By | Cue::Order))) => {}
            Cue::Superlative(most, quality) => self.superlative(most, quality),
            Cue::Frequent(most) => self.frequent(most),
            Cue::Top(top) => {
                self.wait.top = Some(top);
                self.wait.first = !self.phrase().contains("top") && !self.phrase().contains("bottom");
            }
            Cue::Aged => self.aged(),
            Cue::Compare(op, quality) => {
                // "never had more than 3": no row of theirs had.
                let op = if self.never_of_many() {
                    op
                } else if std::mem::take(&mut self.wait.negated) {
                    op.negated()
                } else {
                    op
                };
                if !self.begin_others(op, quality) {
                    self.wait.compare = Some((op, quality));
                }
            }
            Cue::Behind(op) => {
                if matches!(self.ahead(0), Some(Item::Number(_))) {
                    self.wait.or = true;
                    self.wait.compare = Some((op, None));
                }
            }
            Cue::Times => self.times(),
            Cue::Between => self.wait.between = Some(None),
            // "the count of different types" is one number.
            Cue::Each
                if self.phrase().ends_with("different")
                    && matches!(self.part_before(), Some(Item::Cue(Cue::Count))) =>
            {
                self.wait.distinct = true;
            }
            Cue::Each => self.wait.each = true,
            Cue::Per(bucket) => self.bucket(|time| Expr::Bucket(bucket, time)),
            Cue::PerPart(part) => self.bucket(|time| Expr::Part(part, time)),
            Cue::Order if self.at == 0 => {}
            Cue::Order => self.order_cue(),
            Cue::Ascending => self.direction(false),
            Cue::Descending => self.direction(true),
            Cue::Alphabetical => self.alphabetical(),
            Cue::Not => {
                if self.mode == Mode::Select && !self.draft.outputs.is_empty() {
                    self.filter();
                }
                self.wait.negated = true;
            }
            Cue::Without => {
                self.filter();
                self.wait.negated = true;
            }
            Cue::But => {
                self.filter();
                self.wait.negated = true;
            }
            Cue::Both => self.wait.both = true,
            Cue::Or => self.wait.or = true,
            Cue::And => {
                let again = matches!(
                    self.ahead(0),
                    Some(Item::Cue(
                        Cue::Have | Cue::Be | Cue::Not | Cue::Without | Cue::But | Cue::Relative | Cue::Whose
                    ))
                );
                if again {
                    self.negated_open = false;
                    self.end_others();
                }
                self.wait.and = true;
            }
            Cue::With
                if self.phrase().ends_with("which")
                    && matches!(self.part_before(), Some(Item::Cue(Cue::And)))
                    && matches!(self.ahead(0), Some(Item::Column(_))) =>
            {
                self.ask();
            }
            Cue::With => self.with(),
            Cue::Of => self.wait.owner = true,
            Cue::In | Cue::By => self.preposition(),
            Cue::Have | Cue::Do => {
                if !self.draft.outputs.is_empty()
                    && self.mode == Mode::Select
                    && self.wait.aggs.is_empty()
                    && !self.wait.count
                {
                    self.filter();
                }
            }
            Cue::Be => {
                if self.mode == Mode::Select
                    && !self.draft.outputs.is_empty()
                    && matches!(
                        self.ahead(0),
                        Some(
                            Item::Value(..)
                                | Item::Text(..)
                                | Item::Number(_)
                                | Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Not | Cue::In)
                        )
                    )
                {
                    self.filter();
                }
            }
            Cue::Named => {
                if self.mode != Mode::Order {
                    self.mode = Mode::Filter;
                }
                self.wait.named = true;
            }
            // "does each contract contain?" looks for no text.
            Cue::Contains(_)
                if matches!(
                    self.ahead(0),
                    None | Some(Item::Cue(Cue::Stop | Cue::Ask | Cue::Compare(..)) | Item::Table(_))
                ) => {}
            Cue::Contains(place) => {
                self.mode = Mode::Filter;
                self.wait.contains = Some(place);
            }
            Cue::Pronoun => self.wait.pronoun = true,
            Cue::Share => self.draft.share = true,
            Cue::Running => self.draft.running = true,
            Cue::Change(percent) => self.draft.change = Some(percent),
            Cue::Everything => self.everything = true,
            Cue::Stop => self.stop(),
            Cue::All | Cue::Idle => {}
        }
    }

    /// Whether "never" was said of a column of which the rows asked about have several values.
    fn never_of_many(&self) -> bool {
        let never = self.wait.negated && self.tokens.iter().any(|t| t.lower == "never");
        let many = |subject: TableId, c: ColumnId| {
            subject != c.table && crate::query::language::draft::owns_many(self.index, &[], subject, c.table)
        };
        let behind = match (self.ahead(0), self.ahead(1)) {
            (Some(Item::Number(_)), Some(Item::Column(column))) => Some(*column),
            _ => None,
        };
        never && self.wait.column.or(behind).zip(self.subject()).is_some_and(|(c, s)| many(s, c))
    }

    fn filter(&mut self) {
        self.flush_column();
        if self.mode == Mode::Select && self.draft.outputs.is_empty() && !self.wait.count && self.wait.aggs.is_empty() {
            return;
        }
        self.mode = Mode::Filter;
    }

    fn ask(&mut self) {
        if self.at == 0 {
            return;
        }
        // "who do not give lessons", "which did not list": no new question begins.
        if self.wait.negated {
            return;
        }
        self.flush_column();
        self.negated_open = false;
        self.mode = Mode::Select;
        self.wait.each = false;
        let further = self.tokens.iter().any(|t| matches!(t.lower.as_str(), "also" | "too"));
        if matches!(self.part_before(), Some(Item::Cue(Cue::Stop))) && !further {
            self.draft.earlier = self.draft.outputs.len();
        }
    }

    fn stop(&mut self) {
        self.flush_column();
        self.end_others();
        self.settle_order();
        self.negated_open = false;
        self.mode = Mode::Select;
    }

    fn with(&mut self) {
        // "with their names" asks for more to be shown.
        let figure = matches!(self.ahead(0), Some(Item::Cue(Cue::Count | Cue::Agg(_))))
            && !matches!(self.ahead(2), Some(Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Be) | Item::Number(_)));
        let shows = (figure || matches!(self.ahead(0), Some(Item::Cue(Cue::Pronoun)))) && self.mode == Mode::Select;
        if !shows {
            self.filter();
        }
        self.wait.owner = false;
    }

    fn preposition(&mut self) {
        let next = self.ahead(0);
        let counted = matches!((next, self.ahead(1)), (Some(Item::Number(_)), Some(Item::Table(_))));
        let condition =
            !counted && matches!(next, Some(Item::Value(..) | Item::Text(..) | Item::Number(_) | Item::Date(_)));
        let told = matches!((next, self.ahead(1)), (Some(Item::Column(a)), Some(Item::Value(b, _))) if a == b);
        if (condition || told) && self.mode == Mode::Select && !self.draft.outputs.is_empty() {
            self.mode = Mode::Filter;
        }
        self.wait.owner = true;
    }

    fn aggregate(&mut self, agg: Agg) {
        if self.wait.compare.is_some() && agg == Agg::Avg
            || self.wait.compare.is_some() && matches!(agg, Agg::Max | Agg::Min)
        {
            let ahead = match (self.ahead(0), self.ahead(1)) {
                (Some(Item::Column(column)), _)
                | (Some(Item::Cue(Cue::Count | Cue::Of)), Some(Item::Column(column))) => Some(*column),
                (Some(Item::Table(table)), Some(Item::Column(column))) => Some(*column).filter(|c| c.table == *table),
                _ => None,
            };
            let ahead = ahead.filter(|c| is_measure(self.index, *c));
            let column = self
                .wait
                .column
                .or(ahead)
                .or_else(|| self.quality_column(self.wait.compare.and_then(|c| c.1)).map(|q| q.0));
            if let (Some(column), Some(compare)) = (column, self.wait.compare.take()) {
                let op = self.directed(column, compare);
                let inner = Query {
                    select: vec![Expr::Agg(agg, Box::new(Expr::Column(ahead.unwrap_or(column))))],
                    ..Query::default()
                };
                self.wait.column = None;
                self.condition(Cond::Compare(Expr::Column(column), op, Operand::Query(Box::new(inner))));
                if ahead.is_some() {
                    self.skip_to_column();
                }
                return;
            }
        }
        // "the flight with the maximum price" is one row.
        if matches!(agg, Agg::Max | Agg::Min)
            && matches!(self.behind(), Some(Item::Cue(Cue::With | Cue::Have | Cue::Whose)))
            && !self.draft.outputs.is_empty()
            && matches!(self.ahead(0), Some(Item::Column(c)) if is_measure(self.index, *c))
            && self.mode == Mode::Select
        {
            self.mode = Mode::Filter;
            self.wait.superlative = Some((agg == Agg::Max, None));
            self.wait.attached = true;
            return;
        }
        self.wait.count = false;
        self.wait.aggs.push(agg);
    }

    fn skip_to_column(&mut self) {
        while let Some(part) = self.parts.get(self.at + 1) {
            self.at += 1;
            if matches!(part.item, Item::Column(_)) {
                break;
            }
        }
    }

    /// Whether the next part is this one word.
    fn next_phrase_is(&self, word: &str) -> bool {
        let part = self.parts.get(self.at + 1);
        let tokens = part.and_then(|p| self.tokens.get(p.start..p.end)).unwrap_or_default();
        matches!(tokens, [one] if one.stem == word)
    }

    /// The words of the part that is read.
    fn phrase(&self) -> String {
        self.parts.get(self.at).map_or_else(String::new, |part| self.words_of(part))
    }

    fn words_of(&self, part: &Part) -> String {
        let tokens = self.tokens.get(part.start..part.end).unwrap_or_default();
        tokens.iter().map(|t| t.lower.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// What stands right before.
    fn part_before(&self) -> Option<&'p Item> {
        self.at.checked_sub(1).and_then(|p| self.parts.get(p)).map(|p| &p.item)
    }

    /// Whether the next part follows without a word between.
    fn adjacent(&self) -> bool {
        let here = self.parts.get(self.at).map_or(0, |p| p.end);
        let next = self
            .parts
            .get(self.at + 1..)
            .unwrap_or_default()
            .iter()
            .find(|p| !matches!(p.item, Item::Cue(Cue::Idle | Cue::All)));
        next.is_some_and(|p| p.start == here && p.item != Item::Unknown)
    }
}

/// Whether a column is read for itself and not for a figure.
fn figures_wait(wait: &Pending) -> bool {
    wait.aggs.is_empty() && !wait.count && wait.superlative.is_none() && wait.frequent.is_none()
}

fn push_new(list: &mut Vec<Expr>, expr: Expr) {
    if !list.contains(&expr) {
        list.push(expr);
    }
}

/// A number of rows.
fn limit(n: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and small")]
    (n.fract() == 0.0 && (1.0..=1e9).contains(&n)).then_some(n as u64)
}
