//! Questions about one table of operations data: figures, rates, shares, series by time, the top of each group.
//!
//! A reader of its own beside the general one: it takes every stretch of the question for one thing, in order, and gives
//! a query only where nothing is left over that it does not understand.

mod stretches;

use super::cues::{Cue, Quality};
use super::dates;
use super::index::{ColumnId, Index};
use super::link::Linker;
use super::logic::{Agg, Bucket, Cond, Expr, Literal, Op, Operand, Place, Query};
use super::operations::Log;
use super::words::Token;
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
}

/// A query, and the words of the question that it leaves out.
pub struct Reading {
    /// The query.
    pub query: Query,
    /// How many words were not understood.
    pub left: usize,
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
    having: Option<(Op, f64)>,
    /// Conditions from this one on are those of rows that must not be.
    none: Option<usize>,
    ranked: Option<bool>,
    left: usize,
}

impl Reader<'_, '_, '_> {
    /// The query of the question, where it is one about the table.
    #[must_use]
    pub fn read(&self) -> Option<Reading> {
        let (words, left) = self.words();
        let about =
            |w: &Word| !matches!(w, Word::Cue(_) | Word::Number(_) | Word::Unit(_) | Word::Date(_) | Word::Text(_));
        if !words.iter().any(about) {
            return None;
        }
        let mut state = State { left, ..State::default() };
        for (at, word) in words.iter().enumerate() {
            self.take(&mut state, word, &words, at);
        }
        self.finish(state)
    }

    fn measure(&self, column: ColumnId) -> bool {
        let info = self.index.column(column);
        let code = matches!(&self.log.status, Some(super::operations::Status::Http(c) | super::operations::Status::Priority(c)) if *c == column);
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
            Word::Column(column) => self.take_column(s, *column, words, at),
            Word::Rate(name, sql) => s.figures.push(Expr::Metric(self.log.table, name.clone(), sql.clone())),
            Word::Value(column, text) => {
                if let Some(place) = s.like.take() {
                    let column = s.column.take().unwrap_or(*column);
                    self.push(s, Cond::Like(column, place, text.clone(), false));
                    return;
                }
                s.column = None;
                let op = if std::mem::take(&mut s.not) { Op::Ne } else { Op::Eq };
                self.push(s, Cond::Compare(Expr::Column(*column), op, Operand::Literal(Literal::Text(text.clone()))));
            }
            Word::Cond(cond) => {
                s.rows |= !matches!(next, Some(Word::Rows(_)));
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
                s.query.group.push(expr.clone());
                s.each = false;
            }
            Word::Change => s.change = Some(false),
            Word::Took => s.column = self.log.duration,
            Word::Unit(_) => {}
            Word::Time(latest) => self.time(s, *latest, words, at),
        }
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
            Cue::Agg(agg) => s.agg = Some(agg),
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
            Cue::Not | Cue::But | Cue::Without => s.not = true,
            Cue::Or => s.or = true,
            Cue::Contains(place) => s.like = Some(place),
            Cue::Share => s.share = true,
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
        matches!(s.shown.as_slice(), [one] if named(one))
            && s.none.is_none()
            && s.column.is_none()
            && !s.count
            && s.figures.is_empty()
            && s.query.group.is_empty()
            && matches!(
                next,
                Some(Word::Rows(_) | Word::Value(..) | Word::Cond(_) | Word::Cue(Cue::With | Cue::In | Cue::By))
            )
    }

    fn rows(&self, s: &mut State, column: Option<ColumnId>, words: &[Word], at: usize) {
        let and = |place: Option<usize>| matches!(place.and_then(|p| words.get(p)), Some(Word::Cue(Cue::And)));
        if let Some(column) = column {
            let compared = s.op.is_some() && s.number.is_some() && self.measure(column);
            let listed = !s.count && s.most.is_none() && (and(at.checked_sub(1)) || and(Some(at + 1)));
            if compared || listed || s.frequent.is_some() {
                return self.take_column(s, column, words, at);
            }
        }
        if let (Some(op), Some(n)) = (s.op, s.number) {
            (s.op, s.number) = (None, None);
            s.having = Some((op, n));
            return;
        }
        if s.number == Some(0.0) {
            s.number = None;
            let returned = self
                .index
                .columns(self.log.table)
                .find(|c| self.measure(*c) && self.index.column(*c).words.has("rows"));
            match returned {
                Some(column) => {
                    self.push(s, Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Number(0.0))));
                }
                None if s.shown.len() == 1 && !s.count => s.none = Some(s.query.filter.len()),
                None => s.left += 1,
            }
            return;
        }
        if std::mem::take(&mut s.count) || s.share || s.running {
            s.figures.push(Expr::Count);
            s.rows = true;
            return;
        }
        if s.most.is_some_and(|m| m.1.is_none()) {
            // "most requests": of the groups.
            let most = s.most.take().is_some_and(|m| m.0);
            s.ranked = Some(most);
            s.limit = s.limit.or(Some(1));
            return;
        }
        s.limit = s.number.take().and_then(limit).or(s.limit);
        if s.each {
            s.left += 1;
        }
        s.rows = true;
    }

    fn superlative(&self, s: &mut State, words: &[Word], at: usize) {
        let Some((most, Some(quality))) = s.most else { return };
        let next = words.get(at + 1);
        if matches!(next, Some(Word::Column(c)) if self.measure(*c)) || matches!(next, Some(Word::Cue(Cue::Agg(_)))) {
            return;
        }
        let stems = |c: ColumnId| self.index.column(c).words.stems.clone();
        let duration = self.log.duration.and_then(|c| quality.measured_by(&stems(c)).map(|(_, grows)| (c, grows)));
        if let Some((column, grows)) = duration {
            s.most = None;
            s.query.order.push((Expr::Column(column), most == grows));
            s.limit = s.limit.or(Some(1));
        }
    }

    /// A comparison by a quality as it reads on the scale of the column that measures it: what is slower takes longer,
    /// what is older is dated before.
    fn compared_by(&self, s: &mut State, op: Op, quality: Quality, next: Option<&Word>) -> Op {
        if quality.is_age() || quality.is_recency() {
            s.left += usize::from(!matches!(next, Some(Word::Date(_))));
            return if quality.is_age() { op.mirrored() } else { op };
        }
        let measured = |c: ColumnId| {
            let found = quality.measured_by(&self.index.column(c).words.stems).filter(|_| self.measure(c));
            found.map(|(rank, grows)| (rank, c, grows))
        };
        let told = s.column.or(self.log.duration).and_then(measured);
        let found =
            told.or_else(|| self.index.columns(self.log.table).filter_map(measured).min_by_key(|(rank, ..)| *rank));
        match found {
            Some((_, column, grows)) => {
                s.column = Some(column);
                if grows { op } else { op.mirrored() }
            }
            None => {
                s.left += 1;
                op
            }
        }
    }

    fn take_column(&self, s: &mut State, column: ColumnId, words: &[Word], at: usize) {
        let next = words.get(at + 1);
        let measure = self.measure(column);
        if let (Some(op), Some(n)) = (s.op, s.number) {
            (s.op, s.number) = (None, None);
            let literal = Operand::Literal(Literal::Number(n));
            self.push(s, Cond::Compare(Expr::Column(column), op, literal));
            return;
        }
        if s.query.order.is_empty() && s.most.is_none() && s.agg.is_none() && s.number == Some(0.0) && measure {
            s.number = None;
            self.push(s, Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Number(0.0))));
            return;
        }
        if let Some(most) = s.frequent.take() {
            s.query.group.push(Expr::Column(column));
            s.figures.push(Expr::Count);
            s.ranked = Some(most);
            s.limit = s.limit.or(Some(1));
            return;
        }
        if let Some((most, _)) = s.most.take() {
            let figure = s.agg.take().map(|agg| Expr::Agg(agg, Box::new(Expr::Column(column))));
            let alone = s.shown.is_empty() && !s.rows && s.query.group.is_empty() && s.limit.is_none();
            if alone && figure.is_none() {
                let agg = if most { Agg::Max } else { Agg::Min };
                s.figures.push(Expr::Agg(agg, Box::new(Expr::Column(column))));
                return;
            }
            s.query.order.push((figure.unwrap_or(Expr::Column(column)), most));
            s.limit = s.limit.or(Some(1));
            return;
        }
        if let Some(agg) = s.agg {
            let listed = matches!(next, Some(Word::Cue(Cue::And)))
                && matches!(words.get(at + 2), Some(Word::Column(c)) if self.measure(*c))
                || matches!(next, Some(Word::Column(c)) if self.measure(*c));
            if !listed {
                s.agg = None;
            }
            let figure = Expr::Agg(agg, Box::new(Expr::Column(column)));
            let by = std::mem::take(&mut s.by);
            if by || s.order {
                s.query.order.push((figure, s.ranked.unwrap_or(true)));
            } else {
                s.figures.push(figure);
            }
            return;
        }
        if std::mem::take(&mut s.by) {
            self.ranked_by(s, column, measure);
            return;
        }
        if s.each {
            s.each = false;
            if s.query.order.iter().any(|(e, _)| !e.is_aggregate()) {
                s.within = Some(column);
            } else {
                s.query.group.push(Expr::Column(column));
            }
            return;
        }
        if s.order {
            s.query.order.push((Expr::Column(column), s.ranked.take().unwrap_or(false)));
            return;
        }
        let follows = matches!(
            next,
            Some(Word::Text(_) | Word::Cue(Cue::Compare(..) | Cue::Between | Cue::Contains(_) | Cue::Not | Cue::Named))
        ) || matches!(next, Some(Word::Value(c, _)) if *c == column)
            || matches!(next, Some(Word::Number(_))) && self.index.kind(column).is_number();
        if follows && (s.rows || s.count || !s.figures.is_empty() || !s.shown.is_empty() || !s.query.filter.is_empty())
        {
            s.column = Some(column);
            return;
        }
        if std::mem::take(&mut s.count) {
            let distinct = std::mem::take(&mut s.distinct);
            s.figures.push(if measure && !distinct {
                Expr::Agg(Agg::Sum, Box::new(Expr::Column(column)))
            } else {
                Expr::Agg(Agg::Distinct, Box::new(Expr::Column(column)))
            });
            return;
        }
        if s.share && measure && s.figures.is_empty() {
            s.figures.push(Expr::Agg(Agg::Sum, Box::new(Expr::Column(column))));
            return;
        }
        if let Some(top) = s.top.filter(|_| s.number.is_some()) {
            s.limit = s.number.take().and_then(limit);
            s.ranked = Some(top);
            s.shown.push(column);
            return;
        }
        if std::mem::take(&mut s.distinct) {
            s.query.distinct = true;
        }
        if !s.shown.contains(&column) {
            s.shown.push(column);
        }
    }

    /// `top 5 clients by bytes`: the figure that ranks groups, or the column that ranks rows.
    fn ranked_by(&self, s: &mut State, column: ColumnId, measure: bool) {
        let grouped =
            s.shown.len() == 1 && s.shown.iter().all(|c| !self.measure(*c) && !self.log.shown.starts_with(&[*c]));
        let down = s.ranked.take().unwrap_or(true);
        if grouped && measure {
            let group: Vec<Expr> = s.shown.drain(..).map(Expr::Column).collect();
            s.query.group.extend(group);
            let figure = Expr::Agg(Agg::Sum, Box::new(Expr::Column(column)));
            s.figures.push(figure.clone());
            s.query.order.push((figure, down));
        } else {
            if s.shown.is_empty() && s.rows {
                s.shown.clone_from(&self.log.shown);
            }
            s.query.order.push((Expr::Column(column), down));
            if !s.shown.contains(&column) {
                s.shown.push(column);
            }
        }
        s.top = None;
    }

    fn number(&self, s: &mut State, n: f64, next: Option<&Word>) {
        let scaled = |column: ColumnId| {
            let words = &self.index.column(column).words;
            let own = if words.has("ms") || words.has("exec") { 1.0 } else { 1000.0 };
            if let Some(Word::Unit(unit)) = next { n * unit / own } else { n }
        };
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
        match s.column.take() {
            Some(column) => {
                let op = s.op.take().unwrap_or(if std::mem::take(&mut s.not) { Op::Ne } else { Op::Eq });
                let literal = Operand::Literal(Literal::Number(scaled(column)));
                self.push(s, Cond::Compare(Expr::Column(column), op, literal));
            }
            None => s.number = Some(n),
        }
    }

    fn date(&self, s: &mut State, place: usize) {
        let Some((time, span)) = self.log.time.zip(self.dated.get(place)) else {
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
        let cond = if std::mem::take(&mut s.not) { negated(cond) } else { cond };
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

    fn finish(&self, mut s: State) -> Option<Reading> {
        let table = self.log.table;
        s.left += [s.count && !s.rows, s.agg.is_some(), s.op.is_some(), s.like.is_some(), s.between.is_some(), s.not]
            .iter()
            .filter(|waits| **waits)
            .count();
        s.left += usize::from(s.number.is_some() && s.limit.is_none()) + usize::from(s.column.is_some());
        s.left += usize::from(s.most.is_some())
            + usize::from(s.frequent.is_some())
            + usize::from(s.each && s.shown.is_empty() && s.query.group.is_empty());
        if s.when && s.figures.is_empty() && s.query.order.is_empty() {
            s.shown.extend(self.log.time);
        }
        let mut query = std::mem::take(&mut s.query);
        query.entity = Some(table);
        query.tables = vec![table];
        if s.change.is_some() && !query.group.iter().any(|e| matches!(e, Expr::Bucket(..))) {
            since_before(&mut query);
        }
        let series = query.group.iter().any(|e| matches!(e, Expr::Bucket(..) | Expr::Part(..)));
        // What is shown beside a figure of groups, or ranked by its rows, is what groups are made by.
        let ranks = s.ranked.is_some() && query.order.is_empty() && s.within.is_none();
        let aggregate_order = query.order.iter().any(|(e, _)| e.is_aggregate());
        if (s.having.is_some() || ranks || aggregate_order || !s.figures.is_empty()) && !query.distinct {
            for column in s.shown.drain(..) {
                if self.measure(column) && !s.figures.is_empty() {
                    s.left += 1;
                }
                query.group.push(Expr::Column(column));
            }
        }
        if s.figures.is_empty() && (s.share || s.running || s.change.is_some() || series) && query.order.is_empty() {
            s.figures.push(Expr::Count);
        }
        if s.count && s.figures.is_empty() {
            s.figures.push(Expr::Count);
        }
        if !query.group.is_empty() && s.figures.is_empty() && !ranks && !aggregate_order && s.having.is_none() {
            s.figures.push(Expr::Count);
        }
        query
            .having
            .extend(s.having.map(|(op, n)| Cond::Compare(Expr::Count, op, Operand::Literal(Literal::Number(n)))));
        if ranks {
            let figure = s.figures.first().cloned().unwrap_or(Expr::Count);
            query.order.push((figure, s.ranked.unwrap_or(true)));
            query.order.extend(query.group.first().map(|e| (e.clone(), false)));
            query.limit = s.limit;
        }
        query.limit = query.limit.or(s.limit);
        if let Some(within) = s.within {
            query.limit_by = vec![within];
            s.shown.retain(|c| *c != within);
            query.select.push(Expr::Column(within));
        }
        query.select.extend(query.group.iter().cloned());
        let shown = if s.shown.is_empty() && s.figures.is_empty() && query.group.is_empty() {
            // What ranks rows is shown beside them.
            let mut shown = self.log.shown.clone();
            let ranks = query.order.iter().filter_map(|(e, _)| if let Expr::Column(c) = e { Some(*c) } else { None });
            let further: Vec<ColumnId> = ranks.filter(|c| !shown.contains(c)).collect();
            shown.extend(further);
            shown
        } else {
            std::mem::take(&mut s.shown)
        };
        query.select.extend(shown.into_iter().map(Expr::Column));
        let single = s.figures.len() == 1;
        for figure in std::mem::take(&mut s.figures) {
            let figure = if s.share && !query.group.is_empty() {
                Expr::ShareOf(Box::new(figure))
            } else if s.running {
                Expr::Running(Box::new(figure))
            } else {
                figure
            };
            query.select.push(figure.clone());
            if let Some(percent) = s.change.filter(|_| single) {
                query.select.push(if percent {
                    Expr::ChangePercent(Box::new(figure))
                } else {
                    Expr::Change(Box::new(figure))
                });
            }
        }
        if s.change.is_some() && !series {
            return None;
        }
        let figure = query.select.iter().any(Expr::is_aggregate);
        let loose = query.select.iter().any(|e| !e.is_aggregate()) && query.group.is_empty();
        let counted = figure || aggregate_order || ranks || !query.having.is_empty();
        if counted && loose || !query.having.is_empty() && query.group.is_empty() {
            return None;
        }
        if let Some(from) = s.none {
            let column = query.select.iter().find_map(|e| if let Expr::Column(c) = e { Some(*c) } else { None })?;
            let mut filter = query.filter.split_off(from.min(query.filter.len()));
            if filter.is_empty() {
                return None;
            }
            if self.index.column(column).column.nullable {
                filter.push(Cond::Null(column, false));
            }
            let inner = Query { select: vec![Expr::Column(column)], tables: vec![table], filter, ..Query::default() };
            query.filter.push(Cond::In(column, Box::new(inner), false));
            query.distinct = true;
        }
        if query.order.is_empty() {
            query.order.extend(
                query
                    .group
                    .iter()
                    .filter(|e| matches!(e, Expr::Bucket(..) | Expr::Part(..)))
                    .map(|e| (e.clone(), false)),
            );
        }
        if query.select.is_empty() || query.limit.is_some() && query.order.is_empty() {
            return None;
        }
        let null = |e: &Expr| match e {
            Expr::Column(c) if self.index.kind(*c) == Kind::Text && self.index.column(*c).column.nullable => {
                Some(Cond::Null(*c, false))
            }
            _ => None,
        };
        let known: Vec<Cond> = query.group.iter().filter_map(null).collect();
        query.filter.extend(known);
        Some(Reading { query, left: s.left })
    }
}

/// `this week compared to last week`: a series of the stretch named and the one before.
fn since_before(query: &mut Query) {
    let Some(Cond::During(time, from, to)) = query.filter.iter_mut().find(|c| matches!(c, Cond::During(..))) else {
        return;
    };
    let days = (to.date() - from.date()).get_days();
    let (bucket, span) = match days {
        1 => (Bucket::Day, jiff::Span::new().days(1)),
        7 => (Bucket::Week, jiff::Span::new().days(7)),
        28..=31 => (Bucket::Month, jiff::Span::new().months(1)),
        _ => return,
    };
    if let Ok(before) = from.checked_sub(span) {
        *from = before;
        let series = Expr::Bucket(bucket, *time);
        query.group.push(series);
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
