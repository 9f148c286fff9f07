//! Words that shape a question about operations data: figures, groups, ranks, comparisons.

use super::{Bad, Reader, State, Word, limit};
use crate::query::language::cues::{self, Cue};
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Agg, Cond, Expr, Op, Operand, Query};
use crate::query::language::words::Token;
use crate::query::schema::Kind;

impl Reader<'_, '_, '_> {
    pub(super) fn cue(&self, s: &mut State, cue: Cue, words: &[Word], at: usize) {
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
            // "how long do requests take on average".
            Cue::Agg(agg) if s.how_long && s.agg.is_none() && s.figures.len() == 1 => {
                s.figures.extend(self.log.duration.map(|c| Expr::Agg(agg, Box::new(Expr::Column(c)))));
                s.figures.remove(0);
            }
            // "p50, p95 and p99 of request time".
            Cue::Agg(agg) if s.agg.is_some() => match at.checked_sub(1).and_then(|p| words.get(p)) {
                Some(Word::Cue(Cue::And)) => s.aggs.push(agg),
                _ => s.left += 1,
            },
            Cue::Agg(agg) => s.agg = Some(agg),
            Cue::HowMuch(Some(_)) if matches!(next, Some(Word::Elapsed(..))) => {}
            Cue::Distinct => s.distinct = true,
            // "p99 by host": of the time that rows take.
            Cue::Each | Cue::By
                if matches!(s.agg, Some(Agg::Quantile(_) | Agg::Median))
                    && s.figures.is_empty()
                    && self.log.duration.is_some()
                    && matches!(next, Some(Word::Column(c)) if self.repeats(*c)) =>
            {
                let figure = |agg| self.log.duration.map(|c| Expr::Agg(agg, Box::new(Expr::Column(c))));
                s.figures.extend(s.agg.take().into_iter().chain(std::mem::take(&mut s.aggs)).filter_map(figure));
                s.each = true;
            }
            Cue::Each => s.each = true,
            // "compare GET and POST by response time": the figure that is compared.
            Cue::By
                if s.compare
                    && (matches!(next, Some(Word::Cue(Cue::Agg(_)) | Word::Rate(..)))
                        || matches!(next, Some(Word::Column(c)) if self.measure(*c))) => {}
            Cue::By if matches!(next, Some(Word::Column(_))) => {
                // "top 5 largest responses by path": of each path.
                let within = !s.query.order.is_empty() && matches!(next, Some(Word::Column(c)) if self.repeats(*c));
                if !within && (s.top.is_some() || s.ranked.is_some() || s.order) { s.by = true } else { s.each = true }
            }
            Cue::By if matches!(next, Some(Word::Cue(_) | Word::Amount(_))) => s.by = true,
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
                // "which query is called most often": by the column that counts it.
                if let Some(Word::Column(by)) = at.checked_sub(1).and_then(|p| words.get(p))
                    && s.shown.last() == Some(by)
                    && self.measure(*by)
                    && self.adds_up(*by)
                {
                    s.shown.pop();
                    return self.rank_by_count(s, *by, most);
                }
                match next {
                    Some(Word::Column(_) | Word::Series(_) | Word::Rows(Some(_))) => s.frequent = Some(most),
                    Some(Word::Value(..) | Word::Cond(_)) if s.shown.is_empty() => s.frequent = Some(most),
                    _ => {
                        s.ranked = Some(most);
                        self.limit_ranked(s);
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
                // "failure percentage of GET requests": what is said before the word is the part.
                s.left += usize::from(matches!(at.checked_sub(1).and_then(|p| words.get(p)), Some(Word::Cond(_))));
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

    /// Rows, or the values of the column shown, in the order of a column that counts how often they occur.
    fn rank_by_count(&self, s: &mut State, by: ColumnId, most: bool) {
        let several = |t: &Token| t.lower.ends_with('s') && self.log.rows.contains(&t.stem.as_str());
        let group = s.shown.first().copied().filter(|c| self.repeats(*c));
        let plural = group.map_or_else(|| self.tokens.iter().any(several), |c| self.is_said_of_several(c));
        if !plural {
            s.limit = s.limit.or(Some(1));
        }
        let column = Expr::Column(by);
        match group {
            Some(_) => {
                let sum = Expr::Agg(Agg::Sum, Box::new(column));
                s.figures.push(sum.clone());
                s.query.order.push((sum, most));
            }
            None => s.query.order.push((column, most)),
        }
    }

    /// The worst: the slowest, or what fails most; of a figure the largest.
    pub(super) fn worst(&self, s: &mut State, best: bool, words: &[Word], at: usize) {
        let next = words.get(at + 1);
        if let Some(Word::Column(c)) = next
            && self.measure(*c)
        {
            // Only of what takes time is it known which end is bad.
            s.left += usize::from(!self.takes_time(*c));
            s.most = Some((!best, None));
            return;
        }
        if matches!(next, Some(Word::Rate(..))) {
            s.most = Some((!best, None));
            return;
        }
        let failing = self.log.status.is_some() && (self.bad == Bad::Failing || self.log.duration.is_none());
        match (failing, cues::of(if best { "fastest" } else { "slowest" })) {
            (true, _) => match self.log.rate(self.index, false) {
                Some(sql) if !s.rows && s.figures.is_empty() => {
                    s.limit = s.number.take().and_then(limit).or(s.limit);
                    let rate = Expr::Metric(self.log.table, "error_rate".to_owned(), sql);
                    s.figures.push(rate);
                    s.ranked = Some(!best);
                }
                _ => s.left += 1,
            },
            (false, Some(cue)) if self.log.duration.is_some() => self.cue(s, cue, words, at),
            _ => s.left += 1,
        }
    }

    /// Whether a column says how long something took.
    fn takes_time(&self, column: ColumnId) -> bool {
        let words = &self.index.column(column).words;
        Some(column) == self.log.duration
            || ["time", "duration", "latency", "elapsed", "ms"].iter().any(|w| words.has(w))
    }

    /// Whether the one column shown names things of several rows each, of which a condition that follows holds or not.
    pub(super) fn shares_rows(&self, s: &State, next: Option<&Word>) -> bool {
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
}
