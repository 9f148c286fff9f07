//! What a query that was drafted still needs: rows that stand once, an order that decides, no tables that say nothing.

use super::{distinct, owns_many, push};
use crate::query::language::index::{ColumnId, Index, TableId};
use crate::query::language::joins::connect;
use crate::query::language::logic::{Agg, Cond, Expr, Literal, Op, Operand, Query};

/// A figure over rows of which an order takes the first, `the average age in the largest house`, is one over the rows
/// that have the greatest or smallest value.
///
/// So are several rows of one that another table has, `the stores in the largest district`.
pub(super) fn of_extreme(index: &Index<'_>, hints: &[String], query: &mut Query, several: bool) {
    let figures = !query.select.is_empty() && query.select.iter().all(Expr::is_aggregate);
    let [(Expr::Column(column), down), ..] = query.order.as_slice() else { return };
    let shown = query.select.iter().find_map(|e| if let Expr::Column(c) = e { Some(c.table) } else { None });
    let owned = several
        && query.select.iter().all(|e| !e.is_aggregate())
        && shown.is_some_and(|t| t != column.table && owns_many(index, hints, column.table, t));
    if !figures && !owned || !query.group.is_empty() || query.limit != Some(1) {
        return;
    }
    let agg = if *down { Agg::Max } else { Agg::Min };
    let extreme = Query { select: vec![Expr::Agg(agg, Box::new(Expr::Column(*column)))], ..Query::default() };
    query.filter.push(Cond::Compare(Expr::Column(*column), Op::Eq, Operand::Query(Box::new(extreme))));
    query.order.clear();
    query.limit = None;
}

/// Rows that are shown or counted stand once, though several rows of what they are joined to may meet the conditions.
pub(super) fn each_once(index: &Index<'_>, hints: &[String], query: &mut Query) {
    if !query.group.is_empty()
        || query.limit.is_some()
        || !query.having.is_empty()
        || query.distinct
        || query.combine.is_some()
    {
        return;
    }
    let mut columns = Vec::new();
    query.select.iter().for_each(|e| e.columns(&mut columns));
    let counted = query.select.as_slice() == [Expr::Count];
    let owner = if counted { query.entity } else { columns.first().map(|c| c.table) };
    let Some(owner) = owner.filter(|o| columns.iter().all(|c| c.table == *o)) else { return };
    let needed = query.needed();
    let Some(tree) = connect(index, &needed, hints) else { return };
    let repeats =
        needed.iter().any(|t| *t != owner && crate::query::language::joins::fans_out(index, &tree, owner, *t));
    if !repeats {
        return;
    }
    let means =
        |e: &Expr| matches!(e, Expr::Agg(Agg::Avg | Agg::Sum | Agg::Median | Agg::Quantile(_) | Agg::Deviation, _));
    if query.select.iter().all(means) && query.order.is_empty() {
        // "the average age of people who have pets": of each person once, however many there are.
        if let Some(key) = index.table(owner).key {
            let filter = std::mem::take(&mut query.filter);
            let inner = Query { select: vec![Expr::Column(key)], tables: needed, filter, ..Query::default() };
            query.filter.push(Cond::In(key, Box::new(inner), true));
            query.tables = vec![owner];
        }
    } else if counted {
        if let Some(key) = index.table(owner).key {
            query.select = vec![distinct(key)];
        }
    } else if !query.select.iter().any(Expr::is_aggregate) && query.order.iter().all(|(e, _)| query.select.contains(e))
    {
        query.distinct = true;
    }
}

/// An order has to be one of what is shown: rows that stand once are groups, and groups are ordered by what they have.
pub(super) fn orderable(query: &mut Query) {
    let hidden = |e: &Expr, query: &Query| !e.is_aggregate() && !query.select.contains(e);
    if query.distinct
        && query.order.iter().any(|(e, _)| hidden(e, query))
        && !query.select.iter().any(Expr::is_aggregate)
    {
        query.distinct = false;
        if query.group.is_empty() {
            query.group.clone_from(&query.select);
            let (select, order) = (&query.select, &mut query.order);
            for (expr, down) in order.iter_mut().filter(|(e, _)| !e.is_aggregate() && !select.contains(e)) {
                let agg = if *down { Agg::Max } else { Agg::Min };
                *expr = Expr::Agg(agg, Box::new(expr.clone()));
            }
            return;
        }
    }
    if !query.group.is_empty() {
        for (expr, _) in query.order.iter().filter(|(e, _)| !e.is_aggregate()) {
            push(&mut query.group, expr.clone());
        }
    }
}

/// Figures for all the values that a column has, `for men and women`, are figures for each of them.
pub(super) fn by_all_values(index: &Index<'_>, query: &mut Query) {
    if !query.group.is_empty() || query.select.is_empty() || !query.select.iter().all(Expr::is_aggregate) {
        return;
    }
    let column = |cond: &Cond| {
        let Cond::Any(all) = cond else { return None };
        let mut columns = Vec::new();
        for one in all {
            let Cond::Compare(Expr::Column(c), Op::Eq, Operand::Literal(_)) = one else { return None };
            columns.push(*c);
        }
        let first = *columns.first()?;
        let whole = index.column(first).column.distinct == u64::try_from(all.len()).ok();
        (whole && columns.iter().all(|c| *c == first)).then_some(first)
    };
    let Some((at, found)) = query.filter.iter().enumerate().find_map(|(at, c)| column(c).map(|c| (at, c))) else {
        return;
    };
    query.filter.remove(at);
    query.select.insert(0, Expr::Column(found));
    query.group.push(Expr::Column(found));
}

/// What in a query cannot be meant, as a cost: groups of one row each that are counted, figures ordered by a row.
pub(super) fn senseless(index: &Index<'_>, query: &Query) -> f64 {
    let mut cost = 0.0;
    let figure = query.select.iter().any(Expr::is_aggregate);
    let plain_order = query.order.iter().any(|(e, _)| !e.is_aggregate());
    if figure && query.group.is_empty() && (plain_order || !query.order.is_empty()) {
        cost += 3.0;
    }
    // "in which at least two opened": no year is two.
    let year = |c: ColumnId| {
        let bound = index.column(c).column.min.as_ref().and_then(|m| m.parse::<f64>().ok());
        let dated = index.kind(c).is_time() || ["year", "date"].iter().any(|w| index.column(c).words.has(w));
        dated && (index.kind(c).is_time() || bound.is_none_or(|min| min >= 1000.0))
    };
    let small = |c: &Cond| matches!(c, Cond::Compare(Expr::Column(c), _, Operand::Literal(Literal::Number(n))) if *n < 20.0 && year(*c));
    if query.filter.iter().any(small) {
        cost += 2.5;
    }
    let counted = query.order.iter().any(|(e, _)| *e == Expr::Count)
        || query.having.iter().any(|c| matches!(c, Cond::Compare(Expr::Count, ..)));
    let single = query.group.iter().any(|e| matches!(e, Expr::Column(c) if index.is_unique(*c)));
    if counted && single && query.needed().len() == 1 {
        cost += 2.5;
    }
    cost
}

/// Of rows that are equal in the order, those with the smallest key come first, so that the same question always has
/// the same answer.
pub(super) fn break_ties(index: &Index<'_>, query: &mut Query) {
    if query.limit.is_none() || query.distinct || query.order.is_empty() || query.combine.is_some() {
        return;
    }
    let mut ties: Vec<Expr> = query.group.clone();
    if ties.is_empty() && !query.select.iter().any(Expr::is_aggregate) {
        let mut columns = Vec::new();
        query.order.iter().for_each(|(e, _)| e.columns(&mut columns));
        ties.extend(columns.first().and_then(|c| index.table(c.table).key).map(Expr::Column));
    }
    // Groups that are equal follow the direction of the order, rows their key.
    let down = !query.group.is_empty() && query.order.first().is_some_and(|(_, down)| *down);
    for tie in ties.into_iter().take(1) {
        if !query.order.iter().any(|(e, _)| *e == tie) {
            query.order.push((tie, down));
        }
    }
}

/// Tables that are only named, and that every row of the others has one of, need not be joined.
pub(super) fn drop_idle_tables(index: &Index<'_>, query: &mut Query) {
    let used: Vec<TableId> = query.columns().iter().map(|c| c.table).collect();
    let counted = |c: &Cond| matches!(c, Cond::Compare(left, ..) | Cond::Between(left, ..) if *left == Expr::Count);
    let counts = query.select.contains(&Expr::Count)
        || query.order.iter().any(|(e, _)| *e == Expr::Count)
        || query.having.iter().any(counted);
    let idle = |table: &TableId| {
        let referred_only = !index.edges.iter().any(|e| e.from == *table);
        !used.contains(table) && referred_only && query.entity != Some(*table) && !used.is_empty()
    };
    if !counts {
        let keep: Vec<TableId> = query.tables.iter().copied().filter(|t| !idle(t)).collect();
        query.tables = keep;
    }
}
