//! Questions about one table of operations data: figures, rates, shares, series by time, the top of each group.
//!
//! A reader of its own beside the general one: it takes every stretch of the question for one thing, in order, and gives
//! a query only where nothing is left over that it does not understand.

mod codes;
mod columns;
mod finish;
mod forms;
mod shapes;
mod stored;
mod stretches;
mod values;

use std::ops::Range;

use super::cues::{Cue, Quality};
use super::dates;
use super::index::{ColumnId, Index};
use super::link::Linker;
use super::logic::{Agg, Cond, Expr, Literal, Op, Operand, Place, Query};
use super::operations::{Log, Status};
use super::restate;
use super::words::Token;
use super::write::quote_text;

/// What a stretch of the question is.
#[derive(Debug, Clone, PartialEq)]
enum Word {
    Cue(Cue),
    /// What rows are called, which may be a column's name as well.
    Rows(Option<ColumnId>),
    Column(ColumnId),
    Value(ColumnId, String),
    Cond(Cond),
    /// A share of rows with a name and its SQL.
    Rate(String, String),
    /// What rows amount to, where it is called otherwise: `revenue`.
    Amount(ColumnId),
    Number(f64),
    Text(String),
    Date(usize),
    Series(Expr),
    Change,
    Unit(f64),
    Took,
    Time(bool),
    /// When something happened last or first.
    Moment(bool),
    /// A number of bytes.
    Bytes(f64),
    /// Bytes are told in this many, and what such a one is called.
    Scale(f64, &'static str),
    /// The second, third and so on.
    Nth(u64),
    /// What happened to rows, by the column that dates it.
    Event(ColumnId),
    /// The time from one column to another; the flag says that it is asked for.
    Elapsed(ColumnId, ColumnId, bool),
    /// Nothing else: `only`.
    Only,
    /// Not before: `new`, `first seen`.
    Fresh,
    Gap,
    /// A mean over so many groups.
    Moving(u32),
    /// The rows that have most or least of a quality first.
    Most(bool, Quality),
    /// The rows that have most or least of a column.
    Ranked(ColumnId, bool),
    /// In the order of time.
    OverTime,
    /// Sets one beside another; between the two where the flag is set.
    Against(bool),
    /// How many rows each value, or each step of values, has.
    Spread,
    /// How long rows take.
    HowLong,
    /// The worst, or the best where the flag is set.
    Worst(bool),
}

/// By what rows or groups are bad, where the question does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// By the time they take.
    Slow,
    /// By the share that fails.
    Failing,
}

/// Reads a question about one table of operations data.
pub struct Reader<'r, 'i, 'a> {
    /// The schema.
    pub index: &'r Index<'a>,
    /// Finds names and values.
    pub linker: &'r Linker<'i, 'a>,
    /// The table.
    pub log: &'r Log,
    /// The question.
    pub question: &'r str,
    /// Its tokens.
    pub tokens: &'r [Token],
    /// The times it names.
    pub dated: &'r [dates::Span],
    /// What `worst` means.
    pub bad: Bad,
}

/// The lower end of a range, and its own unit where it has one.
type Low = (f64, Option<Word>);

/// What was said and waits for what it belongs to.
#[derive(Debug, Default)]
struct State {
    query: Query,
    figures: Vec<Expr>,
    shown: Vec<ColumnId>,
    rows: bool,
    count: bool,
    distinct: bool,
    agg: Option<Agg>,
    /// Further figures of the same column.
    aggs: Vec<Agg>,
    each: bool,
    by: bool,
    most: Option<(bool, Option<Quality>)>,
    frequent: Option<bool>,
    top: Option<bool>,
    limit: Option<u64>,
    op: Option<Op>,
    between: Option<Option<Low>>,
    number: Option<f64>,
    not: bool,
    or: bool,
    like: Option<Place>,
    column: Option<ColumnId>,
    order: bool,
    within: Option<ColumnId>,
    share: bool,
    running: bool,
    change: Option<bool>,
    when: bool,
    having: Option<(Expr, Op, f64)>,
    /// Conditions from this one on are those of rows that must not be.
    none: Option<usize>,
    ranked: Option<bool>,
    /// Words that were not understood.
    left: usize,
    skip: u64,
    event: Option<ColumnId>,
    elapsed: Option<(Expr, bool)>,
    /// Conditions said since a share was asked for, and those since its whole was named.
    shared: Option<(usize, Option<usize>)>,
    mean: bool,
    only: Option<usize>,
    fresh: bool,
    gap: bool,
    moving: Option<u32>,
    compare: bool,
    which: bool,
    /// The column by which rows were named.
    named: Option<ColumnId>,
    /// The unit of the number that waits, in milliseconds.
    unit: f64,
    scale: Option<(f64, &'static str)>,
    spread: bool,
    how_long: bool,
    /// Columns of which several values were named, none of them as an alternative.
    named_values: Vec<ColumnId>,
    /// For each condition the token at which the stretch begins that completed it.
    places: Vec<usize>,
}

impl Reader<'_, '_, '_> {
    /// The query of the question, where it is one about the table and all its words are understood; and whether it asks
    /// for nothing that a plain reading has no form for.
    #[must_use]
    pub fn read(&self) -> Option<(Query, bool)> {
        let words = self.words()?;
        let about =
            |w: &Word| !matches!(w, Word::Cue(_) | Word::Number(_) | Word::Unit(_) | Word::Date(_) | Word::Text(_));
        if !words.iter().any(about) {
            return None;
        }
        let other =
            |w: &[Word]| matches!(w, [Word::Cue(Cue::Each | Cue::By), Word::Column(c)] if c.table != self.log.table);
        let weak = self.log.plain && !words.iter().any(special);
        let counted = matches!(words.as_slice(), [Word::Rows(_), Word::Cue(Cue::Each | Cue::By), Word::Column(c), rest @ ..]
            if self.repeats(*c) && rest.iter().all(|w| matches!(w, Word::Cue(Cue::And | Cue::By) | Word::Column(_))));
        if weak && !counted && !words.windows(2).any(other) {
            return None;
        }
        let which = self.tokens.first().is_some_and(|t| matches!(t.lower.as_str(), "which" | "what"))
            || matches!(words.first(), Some(Word::Column(_)));
        let mut state = State { which, ..State::default() };
        let starts: Vec<usize> =
            self.stretches()?.into_iter().filter_map(|(word, tokens)| word.map(|_| tokens.start)).collect();
        for (at, word) in words.iter().enumerate() {
            self.take(&mut state, word, &words, at);
            let start = starts.get(at).copied().unwrap_or(usize::MAX);
            state.places.resize(state.query.filter.len(), start);
        }
        self.finish(state).map(|query| (query, weak))
    }

    /// What each stretch of a question that is wholly understood became, with its tokens.
    #[must_use]
    pub fn explained(&self) -> Vec<(Range<usize>, String)> {
        let said =
            |(word, tokens): (Option<Word>, Range<usize>)| (tokens, word.map(|w| self.meaning(&w)).unwrap_or_default());
        self.stretches().unwrap_or_default().into_iter().map(said).collect()
    }

    fn meaning(&self, word: &Word) -> String {
        let index = self.index;
        match word {
            Word::Cue(cue) => cue.to_string(),
            Word::Rows(_) => format!("rows of {}", index.table(self.log.table).table.name),
            Word::Column(column) | Word::Amount(column) => format!("column {}", index.full_name(*column)),
            Word::Value(column, text) => format!("value {} of {}", quote_text(text), index.full_name(*column)),
            Word::Cond(cond) => restate::condition(index, cond),
            Word::Rate(_, sql) => sql.clone(),
            Word::Number(n) => format!("number {n}"),
            Word::Text(text) => format!("text {}", quote_text(text)),
            Word::Date(_) => "time".to_owned(),
            Word::Series(expr) => format!("for each {}", restate::expression(index, expr)),
            Word::Change => "change against the stretch before".to_owned(),
            Word::Unit(_) => "unit".to_owned(),
            Word::Took => {
                self.log.duration.map_or_else(String::new, |column| format!("column {}", index.full_name(column)))
            }
            Word::Time(latest) => if *latest { "latest" } else { "earliest" }.to_owned(),
            Word::Moment(latest) => if *latest { "latest" } else { "earliest" }.to_owned(),
            Word::Bytes(_) | Word::Scale(..) => "unit".to_owned(),
            Word::Nth(nth) => format!("number {nth} in the order"),
            Word::Event(column) => format!("column {}", index.full_name(*column)),
            Word::Elapsed(from, to, _) => restate::expression(index, &Expr::Elapsed(*from, *to)),
            Word::Only => "nothing else".to_owned(),
            Word::Fresh => "not before".to_owned(),
            Word::Gap => "time since the row before".to_owned(),
            Word::Moving(groups) => format!("mean of {groups}"),
            Word::Most(..) => "in the order of".to_owned(),
            Word::Ranked(column, _) => format!("by column {}", index.full_name(*column)),
            Word::OverTime => "in the order of time".to_owned(),
            Word::Against(_) => "beside each other".to_owned(),
            Word::Spread => "how many rows of each".to_owned(),
            Word::HowLong => {
                self.log.duration.map_or_else(String::new, |column| format!("column {}", index.full_name(column)))
            }
            Word::Worst(best) => if *best { "best" } else { "worst" }.to_owned(),
        }
    }

    fn measure(&self, column: ColumnId) -> bool {
        let info = self.index.column(column);
        let code = matches!(&self.log.status, Some(Status::Http(c) | Status::Priority(c)) if *c == column);
        self.index.kind(column).is_number() && !info.key && !code && !info.words.has("id") && !info.words.has("pid")
    }

    fn take(&self, s: &mut State, word: &Word, words: &[Word], at: usize) {
        let next = words.get(at + 1);
        match word {
            Word::Cue(cue) => self.cue(s, *cue, words, at),
            Word::Rows(column) => self.rows(s, *column, words, at),
            // "a 4xx status": the column is said with its value.
            Word::Column(column)
                if at > 0
                    && s.column.is_none()
                    && matches!(words.get(at - 1), Some(Word::Cond(_) | Word::Value(..)))
                    && s.query.filter.last().is_some_and(|c| reads(c, *column)) => {}
            // "the Network team": said with its value.
            Word::Column(column)
                if column.table != self.log.table
                    && !s.each
                    && matches!(words.get(at.wrapping_sub(1)), Some(Word::Value(value, _)) if value.table == column.table) =>
                {}
            Word::Column(column) => self.take_column(s, *column, words, at),
            Word::Amount(column) => {
                if !s.share {
                    s.agg = s.agg.or(Some(Agg::Sum));
                }
                s.left += usize::from(s.op.is_some());
                self.take_column(s, *column, words, at);
            }
            Word::Rate(name, sql) => {
                let figure = Expr::Metric(self.log.table, name.clone(), sql.clone());
                match s.most.take() {
                    Some((most, _)) if s.shown.len() == 1 => {
                        s.query.order.push((figure, most));
                        s.limit = s.limit.or(Some(1));
                    }
                    most => {
                        s.most = most;
                        s.figures.push(figure);
                    }
                }
            }
            Word::Value(column, text) => {
                self.of_most(s, next);
                // "what share of errors came from web1": of the errors.
                let told = |t: &Token| matches!(t.lower.as_str(), "came" | "come" | "comes" | "are" | "were");
                if let Some((from, None)) = s.shared
                    && s.query.filter.len() > from
                    && self.tokens.iter().any(told)
                {
                    s.shared = Some((from, Some(s.query.filter.len())));
                }
                if s.number == Some(0.0) && s.shown.len() == 1 && !s.count {
                    s.number = None;
                    s.none = Some(s.query.filter.len());
                }
                if let Some(place) = s.like.take() {
                    let column = s.column.take().unwrap_or(*column);
                    self.push(s, Cond::Like(column, place, text.clone(), false));
                    return;
                }
                s.column = None;
                let op = if std::mem::take(&mut s.not) { Op::Ne } else { Op::Eq };
                self.push(s, Cond::Compare(Expr::Column(*column), op, Operand::Literal(Literal::Text(text.clone()))));
            }
            // "404 errors": the kind is said with the code.
            Word::Cond(cond)
                if self.is_told(s, cond)
                    && matches!(words.get(at.wrapping_sub(1)), Some(Word::Number(_) | Word::Cond(_))) =>
            {
                s.rows = true;
            }
            Word::Cond(cond) => {
                // "requests and errors per day" are two figures.
                let two = matches!(words.get(at.wrapping_sub(1)), Some(Word::Cue(Cue::And)))
                    && matches!(words.get(at.wrapping_sub(2)), Some(Word::Rows(_)));
                s.left += usize::from(two);
                let alone = !matches!(next, Some(Word::Rows(_) | Word::Cond(_)));
                // "with priority error": the column is said with its value.
                if let Some(Word::Column(column)) = at.checked_sub(1).and_then(|p| words.get(p)) {
                    let mut own = Vec::new();
                    cond.columns(&mut own);
                    if s.shown.last() == Some(column) && own.contains(column) {
                        s.shown.pop();
                    }
                }
                self.of_most(s, next);
                // "errors and warnings": no row is both.
                let told = self.is_told(s, cond) && matches!(words.get(at.wrapping_sub(1)), Some(Word::Cue(Cue::And)));
                s.or |= told;
                if let (
                    true,
                    Cond::Compare(Expr::Column(column), Op::Eq, _) | Cond::Between(Expr::Column(column), ..),
                ) = (told, cond)
                {
                    s.named_values.push(*column);
                }
                if s.number == Some(0.0) && alone && s.shown.len() == 1 && !s.count {
                    s.number = None;
                    s.none = Some(s.query.filter.len());
                }
                s.rows |= alone;
                // "more than 100 errors": so many rows of each.
                if let (Some(op), Some(n)) = (s.op, s.number)
                    && !s.count
                    && s.unit <= 0.0
                    && s.having.is_none()
                    && s.shown.len() + s.query.group.len() + s.figures.len() > 0
                {
                    (s.op, s.number) = (None, None);
                    s.having = Some((Expr::Count, op, n));
                }
                self.push(s, cond.clone());
            }
            Word::Text(text) => match s.like.take() {
                Some(place) => {
                    let message = self.log.shown.first().copied().filter(|_| self.log.shown.len() == 1);
                    match s.column.take().or(message) {
                        Some(column) => self.push(s, Cond::Like(column, place, text.clone(), false)),
                        None => s.left += 1,
                    }
                }
                None => match s.column.take() {
                    Some(column) => self.push(
                        s,
                        Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Text(text.clone()))),
                    ),
                    None => s.left += 1,
                },
            },
            // "the slowest 5 paths".
            Word::Number(n)
                if matches!(
                    at.checked_sub(1).and_then(|p| words.get(p)),
                    Some(Word::Cue(Cue::Superlative(..) | Cue::Frequent(_)))
                ) && s.limit == Some(1)
                    && matches!(next, Some(Word::Column(_) | Word::Rows(_) | Word::Series(_)))
                    || matches!(at.checked_sub(1).and_then(|p| words.get(p)), Some(Word::Worst(_))) =>
            {
                s.limit = limit(*n);
            }
            // "the last 500 errors": their number, which is no code.
            Word::Number(n)
                if matches!(at.checked_sub(1).and_then(|p| words.get(p)), Some(Word::Time(_)))
                    && *n > 1.0
                    && s.limit == limit(*n)
                    && matches!(next, Some(Word::Rows(_) | Word::Cond(_) | Word::Value(..))) => {}
            Word::Number(n) if self.compares_groups(s, *n, words, at) => {}
            Word::Number(n) if self.compares_first(s, *n, words, at) => {}
            Word::Number(n) => self.number(s, *n, next),
            Word::Date(place) => {
                // "compare errors this week with last week".
                s.or |= s.compare
                    && matches!(
                        at.checked_sub(1).and_then(|p| words.get(p)),
                        Some(Word::Cue(Cue::With | Cue::And | Cue::In))
                    )
                    && matches!(s.query.filter.last(), Some(Cond::During(..)));
                self.date(s, *place);
            }
            Word::Series(expr) => {
                if s.frequent.is_some() {
                    s.figures.push(Expr::Count);
                    s.ranked = s.frequent.take();
                }
                // "the busiest hour" is one, "the busiest hours" are all in their order.
                if let Some(top) = s.top.filter(|_| s.number.is_some()) {
                    s.limit = s.number.take().and_then(limit);
                    s.ranked = Some(top);
                }
                if s.ranked.is_some() && self.is_single() {
                    s.limit = s.limit.or(Some(1));
                }
                let expr = match (expr, s.event) {
                    (Expr::Bucket(bucket, _), Some(event)) => Expr::Bucket(*bucket, event),
                    (other, _) => other.clone(),
                };
                s.query.group.push(expr);
                s.each = false;
            }
            Word::Change => s.change = Some(false),
            Word::Took if s.how_long => {}
            Word::Took => s.column = self.log.duration,
            Word::Unit(_) | Word::Bytes(_) => {}
            Word::Scale(bytes, name) => s.scale = Some((*bytes, name)),
            Word::Time(latest) => self.time(s, *latest, words, at),
            Word::Moment(latest) => {
                let agg = if *latest { Agg::Max } else { Agg::Min };
                match self.log.time {
                    Some(time) => s.figures.push(Expr::Agg(agg, Box::new(Expr::Column(time)))),
                    None => s.left += 1,
                }
            }
            Word::Nth(nth) => s.skip = nth.saturating_sub(1),
            Word::Event(column) => {
                let since = matches!(next, Some(Word::Cue(Cue::Compare(..) | Cue::In)));
                let dated = |at: usize| matches!(words.get(at), Some(Word::Date(_)));
                if s.not && (dated(at + 1) || since && dated(at + 2)) {
                    s.event = Some(*column);
                } else if std::mem::take(&mut s.not) {
                    self.push(s, Cond::Null(*column, true));
                } else {
                    // "opened and closed last week": whether the time is of both is not said.
                    s.left += usize::from(s.event.is_some());
                    s.event = Some(*column);
                }
            }
            Word::Elapsed(from, to, asked) => self.elapsed(s, *from, *to, *asked),
            Word::Only if s.shown.len() == 1 && !s.count => s.only = Some(s.query.filter.len()),
            Word::Only => s.left += usize::from(!s.shown.is_empty() || s.count),
            Word::Fresh => s.fresh = true,
            Word::Gap => s.gap = true,
            Word::Moving(groups) => s.moving = Some(*groups),
            Word::Most(most, quality) => {
                s.left += usize::from(!s.shown.is_empty());
                s.most = Some((*most, Some(*quality)));
                self.superlative(s, words, at);
                s.limit = None;
            }
            Word::Ranked(column, most) => {
                s.limit = s.number.take().and_then(limit);
                let several = |t: &Token| {
                    t.lower.ends_with('s')
                        && (self.index.table(self.log.table).words.stems.last() == Some(&t.stem)
                            || self.log.rows.contains(&t.stem.as_str()))
                };
                if s.limit.is_none() && !self.tokens.iter().any(several) {
                    s.limit = Some(1);
                }
                s.query.order.push((Expr::Column(*column), *most));
            }
            Word::OverTime => match self.log.time.filter(|_| !s.shown.is_empty() && s.query.order.is_empty()) {
                Some(time) => {
                    s.shown.insert(0, time);
                    s.query.order.push((Expr::Column(time), false));
                }
                None => s.left += 1,
            },
            Word::Against(between) => {
                s.or |= between;
                s.compare = true;
            }
            Word::Spread => s.spread = true,
            Word::HowLong => {
                s.how_long = true;
                s.figures.extend(self.log.duration.map(|c| Expr::Agg(Agg::Avg, Box::new(Expr::Column(c)))));
            }
            Word::Worst(best) => self.worst(s, *best, words, at),
        }
    }

    /// "most errors": of the groups.
    fn of_most(&self, s: &mut State, next: Option<&Word>) {
        if !matches!(next, Some(Word::Rows(_) | Word::Cond(_) | Word::Column(_)))
            && s.most.is_some_and(|m| m.1.is_none())
        {
            s.ranked = s.most.take().map(|m| m.0);
            self.limit_ranked(s);
        }
    }

    /// Of what is ranked by its rows the first is asked for; all in their order, with their number, where several are:
    /// "which addresses got 429 most often".
    fn limit_ranked(&self, s: &mut State) {
        let several = matches!(s.shown.as_slice(), [one] if !self.log.plain && self.is_said_of_several(*one));
        if s.limit.is_some() || !several {
            s.limit = s.limit.or(Some(1));
        } else if s.figures.is_empty() {
            s.figures.push(Expr::Count);
        }
    }

    /// Whether the last condition says the same of the column that another is about.
    fn is_told(&self, s: &State, cond: &Cond) -> bool {
        let mut own = Vec::new();
        cond.columns(&mut own);
        s.query.filter.last().is_some_and(|last| own.iter().any(|c| reads(last, *c)))
    }

    /// Whether a column's name is said of several, `paths`.
    fn is_said_of_several(&self, column: ColumnId) -> bool {
        let stems = &self.index.column(column).words.stems;
        let named = |t: &Token| {
            stems.iter().any(|s| *s == t.stem || t.stem == "user" && s.starts_with("user"))
                || t.stem == "code" && matches!(self.log.status, Some(Status::Http(c)) if c == column)
                || t.stem == "address" && self.column(&["address"]) == Some(column)
        };
        self.tokens.iter().any(|t| t.lower.ends_with('s') && t.lower != *t.stem && named(t))
    }

    /// Whether a stretch of the calendar is one, not all: "hour", not "hours".
    fn is_single(&self) -> bool {
        let several = |t: &Token| {
            matches!(t.lower.as_str(), "minutes" | "hours" | "days" | "weeks" | "months" | "quarters" | "years")
        };
        !self.tokens.iter().any(several)
    }
}

/// Whether a word asks for what a plain reading has no form for.
fn special(word: &Word) -> bool {
    match word {
        Word::Number(n) => *n == 0.0,
        Word::Cond(_)
        | Word::Rate(..)
        | Word::Amount(_)
        | Word::Date(_)
        | Word::Series(_)
        | Word::Change
        | Word::Bytes(_)
        | Word::Scale(..) => true,
        Word::Nth(_) | Word::Event(_) | Word::Elapsed(..) | Word::Only | Word::Fresh | Word::Gap => true,
        Word::Moving(_) | Word::Most(..) | Word::Ranked(..) | Word::OverTime | Word::Against(_) => true,
        Word::Spread | Word::HowLong | Word::Worst(_) => true,
        Word::Cue(Cue::Agg(agg)) => matches!(agg, Agg::Median | Agg::Quantile(_)),
        Word::Cue(cue) => matches!(cue, Cue::Share | Cue::Running | Cue::Top(_)),
        _ => false,
    }
}

/// Whether a condition is about a column.
fn reads(cond: &Cond, column: ColumnId) -> bool {
    let mut columns = Vec::new();
    cond.columns(&mut columns);
    columns.contains(&column)
}

/// A condition that must not hold.
fn negated(cond: Cond) -> Cond {
    match cond {
        Cond::Compare(left, op, right) => Cond::Compare(left, op.negated(), right),
        Cond::Like(column, place, text, not) => Cond::Like(column, place, text, !not),
        other => other,
    }
}

/// A number of rows.
fn limit(n: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and small")]
    (n.fract() == 0.0 && (1.0..=1e6).contains(&n)).then_some(n as u64)
}
