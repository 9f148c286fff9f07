//! Questions about one table of operations data: figures, rates, shares, series by time, the top of each group.
//!
//! A reader of its own beside the general one: it takes every stretch of the question for one thing, in order, and gives
//! a query only where nothing is left over that it does not understand.

mod columns;
mod finish;
mod stretches;

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
use crate::query::schema::Kind;

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
}

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
    between: Option<Option<f64>>,
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
        if weak && !words.windows(2).any(other) {
            return None;
        }
        let which = self.tokens.first().is_some_and(|t| matches!(t.lower.as_str(), "which" | "what"))
            || matches!(words.first(), Some(Word::Column(_)));
        let mut state = State { which, ..State::default() };
        for (at, word) in words.iter().enumerate() {
            self.take(&mut state, word, &words, at);
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
            Word::Column(column) => format!("column {}", index.full_name(*column)),
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
            Word::Bytes(_) => "unit".to_owned(),
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
                s.or |= self.is_told(s, cond) && matches!(words.get(at.wrapping_sub(1)), Some(Word::Cue(Cue::And)));
                if s.number == Some(0.0) && alone && s.shown.len() == 1 && !s.count {
                    s.number = None;
                    s.none = Some(s.query.filter.len());
                }
                s.rows |= alone;
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
            Word::Number(n) => self.number(s, *n, next),
            Word::Date(place) => self.date(s, *place),
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
                if s.ranked.is_some() && self.is_single(at, words) {
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
            Word::Took => s.column = self.log.duration,
            Word::Unit(_) | Word::Bytes(_) => {}
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
                    t.lower.ends_with('s') && self.index.table(self.log.table).words.stems.last() == Some(&t.stem)
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
        }
    }

    /// "most errors": of the groups.
    fn of_most(&self, s: &mut State, next: Option<&Word>) {
        if !matches!(next, Some(Word::Rows(_) | Word::Cond(_) | Word::Column(_)))
            && s.most.is_some_and(|m| m.1.is_none())
        {
            s.ranked = s.most.take().map(|m| m.0);
            s.limit = s.limit.or(Some(1));
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
        self.tokens.iter().any(|t| t.lower.ends_with('s') && stems.last() == Some(&t.stem))
    }

    /// Whether a stretch of the calendar is one, not all: "hour", not "hours".
    fn is_single(&self, at: usize, words: &[Word]) -> bool {
        let several = |t: &Token| {
            matches!(t.lower.as_str(), "minutes" | "hours" | "days" | "weeks" | "months" | "quarters" | "years")
        };
        at > 0 && words.get(at - 1).is_some() && !self.tokens.iter().any(several)
    }

    fn cue(&self, s: &mut State, cue: Cue, words: &[Word], at: usize) {
        let next = words.get(at + 1);
        match cue {
            Cue::Count => s.count = true,
            Cue::HowMuch(None) => s.agg = Some(Agg::Sum),
            Cue::Agg(agg) if s.op.is_some() && s.column.is_some() => {
                let Some((op, column)) = s.op.take().zip(s.column.take()) else { return };
                let figure = Query { select: vec![Expr::Agg(agg, Box::new(Expr::Column(column)))], ..Query::default() };
                self.push(s, Cond::Compare(Expr::Column(column), op, Operand::Query(Box::new(figure))));
            }
            Cue::Agg(agg) if s.elapsed.is_some() => {
                if let Some((elapsed, _)) = s.elapsed.take() {
                    s.figures.push(Expr::Agg(agg, Box::new(elapsed)));
                }
            }
            // "the slowest path on average", "slowest paths by p95".
            Cue::Agg(agg)
                if next.is_none()
                    && s.agg.is_none()
                    && s.figures.is_empty()
                    && s.query.group.is_empty()
                    && matches!((s.query.order.as_slice(), s.shown.as_slice()), ([(Expr::Column(_), _)], [_])) =>
            {
                s.by = false;
                let several = s.shown.iter().any(|c| self.is_said_of_several(*c));
                s.limit = s.limit.filter(|n| *n > 1 || !several);
                if let Some((expr, _)) = s.query.order.first_mut() {
                    *expr = Expr::Agg(agg, Box::new(expr.clone()));
                    s.figures.push(expr.clone());
                }
            }
            // "p50, p95 and p99 of request time".
            Cue::Agg(agg) if s.agg.is_some() => match at.checked_sub(1).and_then(|p| words.get(p)) {
                Some(Word::Cue(Cue::And)) => s.aggs.push(agg),
                _ => s.left += 1,
            },
            Cue::Agg(agg) => s.agg = Some(agg),
            Cue::HowMuch(Some(_)) if matches!(next, Some(Word::Elapsed(..))) => {}
            Cue::Distinct => s.distinct = true,
            Cue::Each => s.each = true,
            Cue::By if matches!(next, Some(Word::Column(_))) => {
                if s.top.is_some() || s.ranked.is_some() || s.order {
                    s.by = true
                } else {
                    s.each = true
                }
            }
            Cue::By if matches!(next, Some(Word::Cue(_))) => s.by = true,
            // "top 3 hours by errors": by how many there are.
            Cue::By if matches!(next, Some(Word::Cond(_))) && s.ranked.is_some() && s.limit.is_some() => {}
            Cue::And
                if s.each
                    || !s.query.group.is_empty()
                        && at.checked_sub(1).is_some_and(|p| matches!(words.get(p), Some(Word::Column(_)))) =>
            {
                s.each = s.figures.is_empty() || !matches!(next, Some(Word::Cue(_)));
            }
            Cue::Superlative(most, quality) => {
                s.limit = s.number.take().and_then(limit).or(s.limit);
                s.most = Some((most, quality));
                self.superlative(s, words, at);
            }
            Cue::Frequent(most) => {
                s.limit = s.number.take().and_then(limit).or(s.limit);
                match next {
                    Some(Word::Column(_) | Word::Series(_) | Word::Rows(Some(_))) => s.frequent = Some(most),
                    Some(Word::Value(..) | Word::Cond(_)) if s.shown.is_empty() => s.frequent = Some(most),
                    _ => {
                        s.ranked = Some(most);
                        s.limit = s.limit.or(Some(1));
                    }
                }
            }
            Cue::Top(top) => s.top = Some(top),
            Cue::Compare(op, quality) => {
                let op = if std::mem::take(&mut s.not) { op.negated() } else { op };
                s.op = Some(match quality {
                    Some(quality) => self.compared_by(s, op, quality, next),
                    None => op,
                });
            }
            Cue::Behind(op) => s.op = Some(op),
            Cue::Between => s.between = Some(None),
            // "paths never requested with DELETE": no row of the path is one, not only some row is none.
            Cue::Not | Cue::But | Cue::Without if self.shares_rows(s, next) => s.none = Some(s.query.filter.len()),
            Cue::Not if matches!(next, Some(Word::Event(_))) => s.not = true,
            Cue::Not | Cue::But | Cue::Without => s.not = true,
            Cue::Or => s.or = true,
            Cue::Contains(place) => s.like = Some(place),
            Cue::Share => {
                s.share = true;
                s.shared = Some((s.query.filter.len(), None));
            }
            Cue::Running => s.running = true,
            Cue::Change(percent) => s.change = Some(percent),
            Cue::When => s.when = true,
            Cue::Order => s.order = true,
            Cue::Descending | Cue::Ascending => {
                let down = cue == Cue::Descending;
                match s.query.order.last_mut() {
                    Some(last) => last.1 = down,
                    None => s.ranked = Some(down),
                }
            }
            Cue::Everything => {
                s.shown = self.index.columns(self.log.table).collect();
                s.rows = true;
            }
            Cue::And | Cue::In | Cue::By | Cue::With | Cue::Times | Cue::Named => {}
            _ => s.left += 1,
        }
    }

    /// Whether the one column shown names things of several rows each, of which a condition that follows holds or not.
    fn shares_rows(&self, s: &State, next: Option<&Word>) -> bool {
        let named = |c: &ColumnId| {
            self.index.kind(*c) == Kind::Text && !self.index.is_unique(*c) && !self.log.shown.starts_with(&[*c])
        };
        let shown = match s.shown.as_slice() {
            [] if s.rows && s.which => s.named,
            [one] => Some(*one),
            _ => None,
        };
        shown.is_some_and(|c| named(&c))
            && s.none.is_none()
            && s.column.is_none()
            && !s.count
            && s.figures.is_empty()
            && s.query.group.is_empty()
            && matches!(
                next,
                Some(
                    Word::Rows(_)
                        | Word::Value(..)
                        | Word::Cond(_)
                        | Word::Date(_)
                        | Word::Cue(Cue::With | Cue::In | Cue::By | Cue::Compare(Op::Ge, None))
                )
            )
    }

    fn number(&self, s: &mut State, n: f64, next: Option<&Word>) {
        let scaled = |column: ColumnId| {
            let words = &self.index.column(column).words;
            let own = if words.has("ms") || words.has("exec") { 1.0 } else { 1000.0 };
            if let Some(Word::Unit(unit)) = next { n * unit / own } else { n }
        };
        if let (Some(Word::Bytes(unit)), Some(column)) = (next, s.column.or(self.log.size)) {
            s.column = None;
            let words = &self.index.column(column).words;
            let own =
                [("kb", 1e3), ("mb", 1e6), ("gb", 1e9)].iter().find(|(w, _)| words.has(w)).map_or(1.0, |(_, n)| *n);
            let op = s.op.take().unwrap_or(Op::Eq);
            let literal = Operand::Literal(Literal::Number(n * unit / own));
            self.push(s, Cond::Compare(Expr::Column(column), op, literal));
            return;
        }
        if s.column.is_none()
            && !matches!(next, Some(Word::Rows(_) | Word::Column(_) | Word::Unit(_)))
            && let Some(op) = s.op
        {
            // "an error rate above 10 %": of the groups shown.
            if matches!(s.figures.last(), Some(Expr::Metric(..))) && s.having.is_none() && s.shown.len() == 1 {
                s.op = None;
                s.having = s.figures.pop().map(|figure| (figure, op, n));
                return;
            }
            // "orders over 150": by what they amount to.
            if let Some(amount) = self.amount().filter(|_| s.rows && s.figures.is_empty()) {
                s.op = None;
                let literal = Operand::Literal(Literal::Number(n));
                return self.push(s, Cond::Compare(Expr::Column(amount), op, literal));
            }
        }
        let free = s.op.is_none() && s.column.is_none() && s.top.is_none() && s.between.is_none();
        if let Some(Status::Http(column)) = &self.log.status
            && free
            && (100.0..600.0).contains(&n)
            && n.fract() == 0.0
            && (s.count
                || s.when
                || s.share
                || s.most.is_some()
                || !s.figures.is_empty()
                || matches!(next, Some(Word::Cond(_))))
            && !matches!(next, Some(Word::Column(_)))
            && !matches!(next, Some(Word::Unit(unit)) if *unit != 1000.0)
        {
            s.rows |= !matches!(next, Some(Word::Rows(_)));
            self.of_most(s, next.filter(|n| !matches!(n, Word::Unit(_))));
            return self.push(s, Cond::Compare(Expr::Column(*column), Op::Eq, Operand::Literal(Literal::Number(n))));
        }
        if s.top.is_some() || matches!(next, Some(Word::Cue(Cue::Superlative(..) | Cue::Frequent(_)))) {
            s.number = Some(n);
            return;
        }
        match (s.between, s.column) {
            (Some(None), _) => {
                s.between = Some(Some(n));
                return;
            }
            (Some(Some(low)), Some(column)) => {
                s.between = None;
                s.column = None;
                self.push(s, Cond::Between(Expr::Column(column), Literal::Number(low), Literal::Number(n)));
                return;
            }
            _ => {}
        }
        if matches!(next, Some(Word::Unit(_))) {
            s.column = s.column.or(self.log.duration);
        }
        if let Some(Word::Unit(unit)) = next {
            s.unit = *unit;
        }
        match s.column.take() {
            Some(column) => {
                let op = s.op.take().unwrap_or(if std::mem::take(&mut s.not) { Op::Ne } else { Op::Eq });
                // Names are no more than a number.
                let named = self.index.kind(column) == Kind::Text && !self.index.is_numeric_text(column);
                s.left += usize::from(named && !matches!(op, Op::Eq | Op::Ne));
                let literal = Operand::Literal(Literal::Number(scaled(column)));
                self.push(s, Cond::Compare(Expr::Column(column), op, literal));
            }
            None => s.number = Some(n),
        }
    }

    fn date(&self, s: &mut State, place: usize) {
        let event = s.event.take();
        let told = event.or(self.log.time);
        let Some((time, span)) = told.zip(self.dated.get(place)) else {
            s.left += 1;
            return;
        };
        let cond = match s.op.take() {
            Some(Op::Gt) => Cond::During(time, span.to, jiff::civil::DateTime::MAX),
            Some(Op::Ge) => Cond::During(time, span.from, jiff::civil::DateTime::MAX),
            Some(Op::Lt) => Cond::During(time, jiff::civil::DateTime::MIN, span.from),
            Some(Op::Le) => Cond::During(time, jiff::civil::DateTime::MIN, span.to),
            _ => Cond::During(time, span.from, span.to),
        };
        s.column = None;
        s.between = None;
        // "not modified since March": before it; "not in March": at another time.
        if event.is_some() && std::mem::take(&mut s.not) {
            let Cond::During(_, from, to) = cond else { return };
            let before = Cond::During(time, jiff::civil::DateTime::MIN, from);
            let other = match to {
                jiff::civil::DateTime::MAX => before,
                _ => Cond::Any(vec![before, Cond::During(time, to, jiff::civil::DateTime::MAX)]),
            };
            s.query.filter.push(other);
            return;
        }
        self.push(s, cond);
    }

    fn time(&self, s: &mut State, latest: bool, words: &[Word], at: usize) {
        let Some(time) = self.log.time else {
            s.left += 1;
            return;
        };
        // "the first 3": as many rows; else the one row.
        if s.when || matches!(words.first(), Some(Word::Cue(Cue::When))) {
            let agg = if latest { Agg::Max } else { Agg::Min };
            s.when = false;
            s.figures.push(Expr::Agg(agg, Box::new(Expr::Column(time))));
            return;
        }
        s.limit = match words.get(at + 1) {
            Some(Word::Number(n)) => limit(*n),
            _ => s.number.take().and_then(limit).or(Some(1)),
        };
        s.query.order.push((Expr::Column(time), latest));
    }

    fn push(&self, s: &mut State, cond: Cond) {
        let equal =
            |a: &Cond, b: &Cond| matches!((a, b), (Cond::Compare(x, Op::Eq, _), Cond::Compare(y, Op::Eq, _)) if x == y);
        let same = |a: &Cond, b: &Cond| match a {
            Cond::Any(all) => all.iter().all(|one| equal(one, b)),
            one => equal(one, b),
        };
        // An "or" joins what stands at its sides and nothing that follows; a time is an alternative to a time alone.
        let time = |c: &Cond| matches!(c, Cond::During(..));
        let or = std::mem::take(&mut s.or);
        s.left += usize::from(or && s.query.filter.last().is_none_or(|last| time(last) != time(&cond)));
        let not = std::mem::take(&mut s.not);
        s.left += usize::from(not && !matches!(cond, Cond::Compare(..) | Cond::Like(..)));
        let cond = if not { negated(cond) } else { cond };
        match s.query.filter.last_mut() {
            Some(last) if same(last, &cond) || or => {
                let earlier = last.clone();
                *last = match earlier {
                    Cond::Any(mut all) => {
                        all.push(cond);
                        Cond::Any(all)
                    }
                    one => Cond::Any(vec![one, cond]),
                };
            }
            _ => s.query.filter.push(cond),
        }
    }
}

/// Whether a word asks for what a plain reading has no form for.
fn special(word: &Word) -> bool {
    match word {
        Word::Number(n) => *n == 0.0,
        Word::Cond(_) | Word::Rate(..) | Word::Date(_) | Word::Series(_) | Word::Change | Word::Bytes(_) => true,
        Word::Nth(_) | Word::Event(_) | Word::Elapsed(..) | Word::Only | Word::Fresh | Word::Gap => true,
        Word::Moving(_) | Word::Most(..) | Word::Ranked(..) | Word::OverTime | Word::Against(_) => true,
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
