//! Numbers, times and the conditions that are made of what was said.

use super::{Reader, State, Word, limit, negated};
use crate::query::language::cues::Cue;
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Agg, Cond, Expr, Literal, Op, Operand};
use crate::query::language::operations::Status;
use crate::query::schema::Kind;

impl Reader<'_, '_, '_> {
    /// A number in the unit of the column that it is compared with.
    fn in_unit(&self, column: ColumnId, n: f64, next: Option<&Word>) -> f64 {
        let words = &self.index.column(column).words;
        let own = if words.has("ms") || words.has("exec") { 1.0 } else { 1000.0 };
        match next {
            Some(Word::Unit(unit)) => n * unit / own,
            _ if self.is_in_milliseconds(column, n) => n / own,
            _ => n,
        }
    }

    /// Whether a number without a unit is one of milliseconds: seconds that no row comes near, "response time over 300".
    fn is_in_milliseconds(&self, column: ColumnId, n: f64) -> bool {
        let info = self.index.column(column);
        let bound = |text: &Option<String>| text.as_ref().and_then(|t| t.parse::<f64>().ok());
        let seconds = Some(column) == self.log.duration && !info.words.has("ms") && !info.words.has("exec");
        let within = |low: f64, high: f64| n > 10.0 * high && (low..=high).contains(&(n / 1000.0));
        seconds && bound(&info.column.min).zip(bound(&info.column.max)).is_some_and(|(low, high)| within(low, high))
    }

    /// `paths with an average response time over 200 ms`: a comparison of what is said of each group.
    pub(super) fn compares_groups(&self, s: &mut State, n: f64, words: &[Word], at: usize) -> bool {
        let Some([Word::Column(column), Word::Cue(Cue::Compare(..))]) =
            at.checked_sub(2).and_then(|from| words.get(from..at))
        else {
            return false;
        };
        let own = matches!(s.figures.as_slice(), [Expr::Agg(agg, of)]
            if *agg != Agg::Distinct && matches!(of.as_ref(), Expr::Column(c) if c.table == column.table && self.index.kind(*c).is_number()));
        let grouped = matches!(s.shown.as_slice(), [one] if self.repeats(*one)) && s.query.group.is_empty();
        if !own || !grouped || s.having.is_some() || matches!(words.get(at + 1), Some(Word::Bytes(_))) {
            return false;
        }
        let Some((op, figure)) = s.op.take().zip(s.figures.pop()) else { return false };
        s.having = Some((figure, op, self.in_unit(*column, n, words.get(at + 1))));
        s.column = None;
        true
    }

    /// `response time over 300 by path`: the column named first is compared, `average response time over 300 by path`
    /// its figure for each group.
    pub(super) fn compares_first(&self, s: &mut State, n: f64, words: &[Word], at: usize) -> bool {
        let Some([Word::Column(column), Word::Cue(Cue::Compare(..))]) =
            at.checked_sub(2).and_then(|from| words.get(from..at))
        else {
            return false;
        };
        if s.op.is_none() || s.column.is_some() || !self.measure(*column) {
            return false;
        }
        let next = words.get(at + 1);
        let scaled = match next {
            Some(Word::Bytes(_)) => return false,
            _ => self.in_unit(*column, n, next),
        };
        let grouped = words.iter().skip(at).any(|w| matches!(w, Word::Cue(Cue::By | Cue::Each)));
        match s.figures.as_slice() {
            [] if s.shown.last() == Some(column) && !s.rows => {
                s.shown.pop();
                s.rows = true;
                let literal = Operand::Literal(Literal::Number(scaled));
                let op = s.op.take().unwrap_or(Op::Eq);
                self.push(s, Cond::Compare(Expr::Column(*column), op, literal));
                true
            }
            [figure @ Expr::Agg(_, of)] if grouped && **of == Expr::Column(*column) && s.shown.is_empty() => {
                let figure = figure.clone();
                s.having = s.op.take().map(|op| (figure, op, scaled));
                true
            }
            _ => false,
        }
    }

    /// A number of bytes in the unit of the column that it is compared with.
    fn in_bytes(&self, column: ColumnId, n: f64, unit: f64) -> f64 {
        let words = &self.index.column(column).words;
        let own = [("kb", 1e3), ("mb", 1e6), ("gb", 1e9)].iter().find(|(w, _)| words.has(w)).map_or(1.0, |(_, n)| *n);
        n * unit / own
    }

    /// A range whose upper end is said: its ends may have one unit or each its own.
    fn range(&self, s: &mut State, (low, unit): (f64, Option<Word>), high: f64, next: Option<&Word>) {
        let unit = unit.as_ref().or(next);
        let column = s.column.take().or(match next {
            Some(Word::Unit(_)) => self.log.duration,
            Some(Word::Bytes(_)) => self.log.size,
            _ => None,
        });
        let Some(column) = column else {
            s.left += 1;
            return;
        };
        let value = |n: f64, unit: Option<&Word>| match unit {
            Some(Word::Bytes(unit)) => self.in_bytes(column, n, *unit),
            unit => self.in_unit(column, n, unit),
        };
        let ends = (Literal::Number(value(low, unit)), Literal::Number(value(high, next)));
        self.push(s, Cond::Between(Expr::Column(column), ends.0, ends.1));
        s.rows = true;
    }

    pub(super) fn number(&self, s: &mut State, n: f64, next: Option<&Word>) {
        match s.between.take() {
            Some(None) => {
                s.between = Some(Some((n, next.filter(|w| matches!(w, Word::Unit(_) | Word::Bytes(_))).cloned())));
                return;
            }
            Some(Some(low)) => return self.range(s, low, n, next),
            None => {}
        }
        let scaled = |column: ColumnId| self.in_unit(column, n, next);
        if let (Some(Word::Bytes(unit)), Some(column)) = (next, s.column.or(self.log.size)) {
            s.column = None;
            let op = s.op.take().unwrap_or(Op::Eq);
            let literal = Operand::Literal(Literal::Number(self.in_bytes(column, n, *unit)));
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
        let free = s.op.is_none() && s.column.is_none() && s.top.is_none();
        if let Some(Status::Http(column)) = &self.log.status
            && free
            && (100.0..600.0).contains(&n)
            && n.fract() == 0.0
            && (s.count
                || s.when
                || s.share
                || s.most.is_some()
                || !s.figures.is_empty()
                || s.rows
                || !s.shown.is_empty()
                || matches!(next, None | Some(Word::Cond(_) | Word::Date(_) | Word::Cue(Cue::By | Cue::Each))))
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

    pub(super) fn date(&self, s: &mut State, place: usize) {
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
        // "the ids of problems reported after June": the time is compared, not shown.
        if let (Cond::During(column, ..), [.., last]) = (&cond, s.shown.as_slice())
            && last == column
            && self.is_said_as_deed(*column)
        {
            s.shown.pop();
            s.rows = true;
        }
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

    /// Whether a column that dates rows was said by what happened to them, `reported`.
    fn is_said_as_deed(&self, column: ColumnId) -> bool {
        let stems = &self.index.column(column).words.stems;
        let said = self.stretches().unwrap_or_default().into_iter().filter(|(w, _)| *w == Some(Word::Column(column)));
        let done = |t: &super::Token| {
            t.lower.ends_with("ed")
                || stems.contains(&t.stem) && matches!(t.lower.as_str(), "sent" | "paid" | "made" | "built")
        };
        said.into_iter().any(|(_, range)| self.tokens.get(range).unwrap_or_default().iter().any(done))
    }

    pub(super) fn time(&self, s: &mut State, latest: bool, words: &[Word], at: usize) {
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
        // "the latest 500" is one with that code; "the last 200 requests" are so many.
        let code = |n: f64| matches!(self.log.status, Some(Status::Http(_))) && (100.0..600.0).contains(&n);
        let rows = |w: Option<&Word>| matches!(w, Some(Word::Rows(_) | Word::Cond(_) | Word::Value(..)));
        s.limit = match words.get(at + 1) {
            Some(Word::Number(n)) if code(*n) && !rows(words.get(at + 2)) => Some(1),
            Some(Word::Number(n)) => limit(*n),
            _ => s.number.take().and_then(limit).or(Some(1)),
        };
        // "the first and last request": one of them has no order.
        s.left += usize::from(s.query.order.iter().any(|(e, _)| *e == Expr::Column(time)));
        s.query.order.push((Expr::Column(time), latest));
    }

    pub(super) fn push(&self, s: &mut State, cond: Cond) {
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
                if let (Cond::Compare(Expr::Column(column), Op::Eq, _), false) = (&cond, or) {
                    s.named_values.push(*column);
                }
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
