//! Words that shape a question about operations data: figures, groups, ranks, comparisons.

use super::{Reader, State, Word, limit};
use crate::query::language::cues::Cue;
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Agg, Cond, Expr, Op, Operand, Query};
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
                // "top 5 largest responses by path": of each path.
                let within = !s.query.order.is_empty() && matches!(next, Some(Word::Column(c)) if self.repeats(*c));
                if !within && (s.top.is_some() || s.ranked.is_some() || s.order) { s.by = true } else { s.each = true }
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
