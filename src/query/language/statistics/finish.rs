//! The query of all that was said, or none where something waits for what it belongs to.

use super::{Reader, State};
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Bucket, Cond, Expr, Literal, Operand, Query};
use crate::query::schema::Kind;

impl Reader<'_, '_, '_> {
    pub(super) fn finish(&self, mut s: State) -> Option<Query> {
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
        (s.left == 0).then_some(query)
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
