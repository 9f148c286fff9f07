//! What is gathered from a question's stretches, and the query it makes.

use super::index::{ColumnId, Index, TableId};
use super::joins::connect;
use super::logic::{Agg, Cond, Expr, Literal, Op, Operand, Query, SetOp};

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// An expression.
    Expr(Expr),
    /// The rows of a table, by what a person calls them.
    Rows(TableId),
    /// The number of rows of a table.
    CountOf(TableId),
    /// Every column of a table.
    Everything(TableId),
}

/// A condition, and how it was put.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What has to hold.
    pub cond: Cond,
    /// It has to hold not.
    pub negated: bool,
    /// It is an alternative to the one before.
    pub or: bool,
    /// It has to hold of another row than the one before: `both … and`.
    pub both: bool,
}

/// What a question asks for, before it is a query.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// What is shown, in order.
    pub outputs: Vec<Output>,
    /// The table asked about.
    pub entity: Option<TableId>,
    /// Tables that are named.
    pub tables: Vec<TableId>,
    /// Tables of which a row may have none that meets the conditions.
    pub without: Vec<(TableId, Vec<Cond>)>,
    /// What rows have to hold.
    pub conditions: Vec<Condition>,
    /// Columns, buckets that rows are grouped by.
    pub group: Vec<Expr>,
    /// What rows are grouped by without being shown.
    pub hidden_group: Vec<Expr>,
    /// Tables whose rows are groups.
    pub group_tables: Vec<TableId>,
    /// What groups have to hold.
    pub having: Vec<Cond>,
    /// The order.
    pub order: Vec<(Expr, bool)>,
    /// The number of rows.
    pub limit: Option<u64>,
    /// Each row once.
    pub distinct: bool,
    /// The rows are ranked within each group.
    pub within: bool,
    /// So many outputs were named in a sentence before the one that says what to show.
    pub earlier: usize,
    /// A column named behind a figure, by which its groups are meant where groups have to hold something.
    pub within_column: Option<ColumnId>,
    /// All values of the first column shown are asked for, `all countries`.
    pub all: bool,
    /// The rows asked about are those of which none, not one, may meet a condition.
    pub open: bool,
    /// The groups were named behind what is shown, `the names of each`.
    pub late: bool,
    /// A share of this figure in the whole.
    pub share: bool,
    /// The figure is added up as it goes.
    pub running: bool,
    /// The figure is compared with that of the group before; in percent where the flag is set.
    pub change: Option<bool>,
    /// What is shown was said of several.
    pub several: bool,
    /// The same column of another table, whose values are wanted too: `phones of customers and staff`.
    pub also: Option<(SetOp, ColumnId)>,
    /// Rows are shown beside columns of theirs, `games and their types`.
    pub and_theirs: bool,
    /// What did not fit, as a cost.
    pub cost: f64,
}

impl Draft {
    /// The query, if there is something to show, and what did not fit as a cost.
    #[must_use]
    pub fn query(mut self, index: &Index<'_>, hints: &[String]) -> Option<(Query, f64)> {
        self.settle();
        let mut query = Query { distinct: self.distinct, entity: self.entity, ..Query::default() };
        query.tables.clone_from(&self.tables);
        self.select(index, &mut query);
        self.group(index, &mut query);
        self.where_(index, hints, &mut query)?;
        query.having = std::mem::take(&mut self.having);
        query.order = std::mem::take(&mut self.order);
        query.limit = self.limit;
        if query.select.is_empty() {
            return None;
        }
        by_all_values(index, &mut query);
        // Of a value that rows are grouped by there is one in each group: the rows are counted.
        for expr in &mut query.select {
            if matches!(expr, Expr::Agg(Agg::Distinct, of) if query.group.contains(of)) {
                *expr = Expr::Count;
            }
        }
        of_extreme(index, hints, &mut query, self.several);
        self.statistics(&mut query);
        self.rank_within(&mut query);
        drop_idle_tables(index, &mut query);
        each_once(index, hints, &mut query);
        // "all countries" names each once, "the countries of all customers" one for each customer.
        if let ([Expr::Column(column)], true) = (query.select.as_slice(), self.all) {
            let called = index.table(column.table).display.contains(column) || index.is_unique(*column);
            query.distinct |= !called && query.filter.is_empty() && query.group.is_empty() && query.limit.is_none();
        }
        if let (Some((op, column)), [Expr::Column(_)]) = (self.also, query.select.as_slice()) {
            // A condition or an order is not said of one of the two alone.
            let bare = query.filter.is_empty()
                && query.having.is_empty()
                && query.group.is_empty()
                && query.order.is_empty()
                && query.limit.is_none()
                && query.needed().len() == 1;
            if !bare {
                return None;
            }
            let other = Query { select: vec![Expr::Column(column)], ..Query::default() };
            query.combine = Some((op, Box::new(other)));
        }
        orderable(&mut query);
        break_ties(index, &mut query);
        let cost = self.cost + senseless(index, &query);
        Some((query, cost))
    }

    /// Chooses what is asked about and what of it is shown where the question does not say.
    fn settle(&mut self) {
        // "Which shops are in Bonn? Return the names." shows the names alone.
        if self.earlier > 0 && self.earlier < self.outputs.len() {
            let figure =
                |o: &Output| matches!(o, Output::CountOf(_)) || matches!(o, Output::Expr(e) if e.is_aggregate());
            let later = self.outputs.split_off(self.earlier);
            self.outputs.retain(figure);
            let counted = self.outputs.iter().any(|o| matches!(o, Output::CountOf(_)));
            self.outputs.extend(later.into_iter().filter(|o| !(counted && matches!(o, Output::CountOf(_)))));
        }
        let plain = self.outputs.iter().any(|o| !matches!(o, Output::Rows(_)));
        let shown: Vec<TableId> = self
            .outputs
            .iter()
            .filter_map(|o| if let Output::Expr(Expr::Column(c)) = o { Some(c.table) } else { None })
            .collect();
        if plain && !shown.is_empty() && !self.and_theirs {
            let rows = |o: &Output| matches!(o, Output::Rows(table) if shown.contains(table));
            self.outputs.retain(|o| !rows(o));
        }
        if self.outputs.is_empty()
            && let Some(table) = self.entity.or_else(|| self.tables.first().copied())
        {
            if self.group.is_empty() && self.group_tables.is_empty() {
                self.outputs.push(Output::Rows(table));
            } else {
                self.outputs.push(Output::CountOf(table));
            }
        }
        if self.entity.is_none() {
            self.entity = self.outputs.iter().find_map(|o| match o {
                Output::Rows(t) | Output::CountOf(t) | Output::Everything(t) => Some(*t),
                Output::Expr(e) => {
                    let mut columns = Vec::new();
                    e.columns(&mut columns);
                    columns.first().map(|c| c.table)
                }
            });
        }
    }

    fn select(&mut self, index: &Index<'_>, query: &mut Query) {
        for output in &self.outputs {
            match output {
                Output::Expr(expr) => push(&mut query.select, expr.clone()),
                Output::Rows(table) => {
                    add_table(query, *table);
                    index.table(*table).display.iter().for_each(|c| push(&mut query.select, Expr::Column(*c)));
                }
                Output::Everything(table) => {
                    add_table(query, *table);
                    index.columns(*table).for_each(|c| push(&mut query.select, Expr::Column(c)));
                }
                Output::CountOf(table) => {
                    add_table(query, *table);
                    push(&mut query.select, Expr::Count);
                }
            }
        }
    }

    fn group(&mut self, index: &Index<'_>, query: &mut Query) {
        let figures = query.select.iter().any(Expr::is_aggregate);
        if !self.having.is_empty()
            && self.group.is_empty()
            && self.group_tables.is_empty()
            && query.select.iter().all(Expr::is_aggregate)
        {
            self.group.extend(self.within_column.map(Expr::Column));
        }
        let counted = self.order.iter().any(|(e, _)| e.is_aggregate()) || !self.having.is_empty();
        let asked = !self.group.is_empty() || !self.hidden_group.is_empty() || !self.group_tables.is_empty();
        if !(figures && query.select.iter().any(|e| !e.is_aggregate()) || counted || asked) {
            return;
        }
        // "for each X" without a figure only names whose columns are shown.
        if asked && !figures && !counted {
            if self.limit.is_none() && !self.late {
                for table in &self.group_tables {
                    add_table(query, *table);
                    let shown = query.select.iter().any(|e| matches!(e, Expr::Column(c) if c.table == *table));
                    if !shown {
                        let names: Vec<Expr> = index.table(*table).display.iter().map(|c| Expr::Column(*c)).collect();
                        query.select.splice(0..0, names);
                    }
                }
                for expr in self.group.iter().rev() {
                    if !query.select.contains(expr) {
                        query.select.insert(0, expr.clone());
                    }
                }
            }
            return;
        }
        let mut group: Vec<Expr> = Vec::new();
        // "the average pages per session" of sessions: each row is one.
        let mean = |e: &Expr| match e {
            Expr::Agg(Agg::Avg, of) => {
                let mut columns = Vec::new();
                of.columns(&mut columns);
                columns.first().map(|c| c.table)
            }
            _ => None,
        };
        let means: Vec<Option<TableId>> = query.select.iter().filter(|e| e.is_aggregate()).map(mean).collect();
        let rows = |t: &TableId| !means.is_empty() && means.iter().all(|m| *m == Some(*t)) && query.order.is_empty();
        let of_rows = self.group_tables.iter().copied().filter(rows).collect::<Vec<_>>();
        for table in self.group_tables.iter().filter(|t| !of_rows.contains(t)) {
            add_table(query, *table);
            if !shows(index, query, *table) {
                let names: Vec<Expr> = index.table(*table).display.iter().map(|c| Expr::Column(*c)).collect();
                query.select.splice(0..0, names);
            }
            if let Some(key) = index.table(*table).key {
                push(&mut group, Expr::Column(key));
            }
        }
        for expr in &self.group {
            push(&mut group, expr.clone());
            let named = self.group.len() == 1 && query.select.iter().any(|e| !e.is_aggregate());
            if !query.select.contains(expr) && !named {
                query.select.insert(0, expr.clone());
            }
        }
        self.hidden_group.iter().for_each(|expr| push(&mut group, expr.clone()));
        // Groups are rows of the table asked about where its columns are shown and its rows are counted against others.
        if !asked {
            let key = |t: TableId| index.table(t).key;
            let owner = query.select.iter().find_map(|e| if let Expr::Column(c) = e { Some(c.table) } else { None });
            let whole = |t: TableId| {
                query
                    .select
                    .iter()
                    .filter_map(|e| if let Expr::Column(c) = e { Some(c) } else { None })
                    .any(|c| c.table == t && (index.is_unique(*c) || index.table(t).display.contains(c)))
            };
            // Rows counted within their own table are counted by what they share.
            let named =
                query.select.iter().any(|e| matches!(e, Expr::Column(c) if index.table(c.table).display.contains(c)));
            let alone = counted && !named && query.needed().len() == 1;
            if let Some(key) = owner.filter(|t| whole(*t) && !alone).and_then(key) {
                push(&mut group, Expr::Column(key));
            }
        }
        for expr in query.select.iter().filter(|e| !e.is_aggregate()) {
            push(&mut group, expr.clone());
        }
        query.group = group;
    }

    fn where_(&mut self, index: &Index<'_>, hints: &[String], query: &mut Query) -> Option<()> {
        let conditions = std::mem::take(&mut self.conditions);
        let mut both: Vec<Cond> = Vec::new();
        for condition in conditions {
            if condition.both && condition.negated {
                continue;
            }
            if condition.both {
                both.push(condition.cond);
                continue;
            }
            let cond =
                if condition.negated { self.negate(index, hints, query, condition.cond)? } else { condition.cond };
            match query.filter.last_mut() {
                Some(last) if condition.or => {
                    let earlier = last.clone();
                    *last = match earlier {
                        Cond::Any(mut all) => {
                            all.push(cond);
                            Cond::Any(all)
                        }
                        one => Cond::Any(vec![one, cond]),
                    };
                }
                _ => query.filter.push(cond),
            }
        }
        for (table, conds) in std::mem::take(&mut self.without) {
            let cond = match conds.as_slice() {
                [one] => self.negate(index, hints, query, one.clone())?,
                _ => self.none_of(index, hints, query, table, conds)?,
            };
            query.filter.push(cond);
            query.distinct |= self.open;
        }
        self.intersect(index, hints, query, both)
    }

    /// A condition that must not hold: of the row itself, or of no row that belongs to it.
    fn negate(&self, index: &Index<'_>, hints: &[String], query: &Query, cond: Cond) -> Option<Cond> {
        let mut columns = Vec::new();
        cond.columns(&mut columns);
        let table = columns.first()?.table;
        let entity = self.subject(query)?;
        let shared = matches!(query.select.as_slice(), [Expr::Column(c)] if c.table == table
            && index.kind(*c) == crate::query::schema::Kind::Text && !index.is_unique(*c) && !index.table(table).display.contains(c));
        if table != entity && owns_many(index, hints, entity, table) || shared && self.open {
            return self.none_of(index, hints, query, table, vec![cond]);
        }
        Some(match cond {
            Cond::Compare(left, op, right) => Cond::Compare(left, op.negated(), right),
            Cond::Like(column, place, text, negated) => Cond::Like(column, place, text, !negated),
            Cond::Null(column, null) => Cond::Null(column, !null),
            other => return self.none_of(index, hints, query, table, vec![other]),
        })
    }

    fn subject(&self, query: &Query) -> Option<TableId> {
        let shown = query.select.iter().find_map(|e| match e {
            Expr::Column(c) => Some(c.table),
            Expr::Agg(_, of) => match of.as_ref() {
                Expr::Column(c) => Some(c.table),
                _ => None,
            },
            _ => None,
        });
        shown.or(self.entity)
    }

    /// No row of `table` that meets the conditions belongs to a row of the table asked about.
    fn none_of(
        &self,
        index: &Index<'_>,
        hints: &[String],
        query: &Query,
        table: TableId,
        conds: Vec<Cond>,
    ) -> Option<Cond> {
        let entity = self.subject(query)?;
        if let ([Expr::Column(shown)], true) = (query.select.as_slice(), entity == table) {
            let inner = Query { select: vec![Expr::Column(*shown)], filter: conds, ..Query::default() };
            return Some(Cond::In(*shown, Box::new(inner), false));
        }
        let tree = connect(index, &[entity, table], hints)?;
        let (edge, _) = tree.joins.iter().find(|(e, _)| e.from == entity || e.to == entity)?;
        let (from, to) = *edge.on.first()?;
        let (own, other) = if edge.from == entity { (from, to) } else { (to, from) };
        let mut filter = conds;
        if index.column(other).column.nullable {
            filter.push(Cond::Null(other, false));
        }
        let inner = Query { select: vec![Expr::Column(other)], tables: vec![table], filter, ..Query::default() };
        Some(Cond::In(own, Box::new(inner), false))
    }

    /// `both A and B`: rows of the first that are rows of the second too.
    fn intersect(&self, index: &Index<'_>, hints: &[String], query: &mut Query, both: Vec<Cond>) -> Option<()> {
        let [first, rest @ ..] = both.as_slice() else { return Some(()) };
        let counted = query.select.iter().any(Expr::is_aggregate);
        if rest.is_empty() {
            query.filter.push(first.clone());
            return Some(());
        }
        if counted {
            for cond in &both {
                let entity = self.subject(query)?;
                let mut columns = Vec::new();
                cond.columns(&mut columns);
                let inside = self.none_of(index, hints, query, columns.first()?.table, vec![cond.clone()]);
                match inside {
                    Some(Cond::In(column, inner, _)) if columns.first()?.table != entity => {
                        query.filter.push(Cond::In(column, inner, true));
                    }
                    _ => query.filter.push(cond.clone()),
                }
            }
            return Some(());
        }
        let base = query.clone();
        query.filter.push(first.clone());
        let mut last: Option<Box<Query>> = None;
        for cond in rest.iter().rev() {
            let mut second = base.clone();
            second.filter.push(cond.clone());
            second.combine = last.take().map(|q| (SetOp::Intersect, q));
            last = Some(Box::new(second));
        }
        query.combine = last.map(|q| (SetOp::Intersect, q));
        Some(())
    }

    fn statistics(&self, query: &mut Query) {
        for expr in query.select.iter_mut().filter(|e| e.is_aggregate()) {
            let figure = Box::new(expr.clone());
            if self.share && !query.group.is_empty() {
                *expr = Expr::ShareOf(figure);
            } else if self.running {
                *expr = Expr::Running(figure);
            }
        }
        if let Some(percent) = self.change.filter(|_| !query.group.is_empty())
            && let Some(figure) = query.select.iter().find(|e| e.is_aggregate()).cloned()
        {
            query.select.push(if percent {
                Expr::ChangePercent(Box::new(figure))
            } else {
                Expr::Change(Box::new(figure))
            });
        }
        let bucketed = query.group.first().filter(|e| matches!(e, Expr::Bucket(..) | Expr::Part(..))).cloned();
        if let Some(bucket) = bucketed.filter(|_| query.order.is_empty()) {
            query.order.push((bucket, false));
        }
    }

    /// `the top 3 of each group`: ranked within it.
    fn rank_within(&self, query: &mut Query) {
        if !self.within || query.limit.is_none() || query.order.iter().any(|(e, _)| e.is_aggregate()) {
            return;
        }
        let columns = self.group.iter().filter_map(|e| if let Expr::Column(c) = e { Some(*c) } else { None });
        let mut by: Vec<ColumnId> = columns.collect();
        if by.is_empty() {
            by.extend(query.group.iter().filter_map(|e| if let Expr::Column(c) = e { Some(*c) } else { None }));
        }
        if !by.is_empty() {
            for column in by.iter().rev() {
                if !query.select.contains(&Expr::Column(*column)) {
                    query.select.insert(0, Expr::Column(*column));
                }
            }
            query.group.clear();
            query.limit_by = by;
        }
    }
}

/// A figure over rows of which an order takes the first, `the average age in the largest house`, is one over the rows
/// that have the greatest or smallest value.
///
/// So are several rows of one that another table has, `the stores in the largest district`.
fn of_extreme(index: &Index<'_>, hints: &[String], query: &mut Query, several: bool) {
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

/// Whether a column of a table is shown, or one that refers to it.
fn shows(index: &Index<'_>, query: &Query, table: TableId) -> bool {
    let refers = |c: &ColumnId| index.edges.iter().any(|e| e.to == table && e.on.iter().any(|(from, _)| from == c));
    query.select.iter().any(|e| matches!(e, Expr::Column(c) if c.table == table || refers(c)))
}

/// Rows that are shown or counted stand once, though several rows of what they are joined to may meet the conditions.
fn each_once(index: &Index<'_>, hints: &[String], query: &mut Query) {
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
    let repeats = needed.iter().any(|t| *t != owner && super::joins::fans_out(index, &tree, owner, *t));
    if !repeats {
        return;
    }
    if counted {
        if let Some(key) = index.table(owner).key {
            query.select = vec![distinct(key)];
        }
    } else if !query.select.iter().any(Expr::is_aggregate) && query.order.iter().all(|(e, _)| query.select.contains(e))
    {
        query.distinct = true;
    }
}

/// An order has to be one of what is shown: rows that stand once are groups, and groups are ordered by what they have.
fn orderable(query: &mut Query) {
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
fn by_all_values(index: &Index<'_>, query: &mut Query) {
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

fn push(list: &mut Vec<Expr>, expr: Expr) {
    if !list.contains(&expr) {
        list.push(expr);
    }
}

fn add_table(query: &mut Query, table: TableId) {
    if !query.tables.contains(&table) {
        query.tables.push(table);
    }
}

/// Whether a row of `entity` may have several rows of `table`.
#[must_use]
pub fn owns_many(index: &Index<'_>, hints: &[String], entity: TableId, table: TableId) -> bool {
    connect(index, &[entity, table], hints).is_some_and(|tree| super::joins::fans_out(index, &tree, entity, table))
}

/// What in a query cannot be meant, as a cost: groups of one row each that are counted, figures ordered by a row.
fn senseless(index: &Index<'_>, query: &Query) -> f64 {
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
fn break_ties(index: &Index<'_>, query: &mut Query) {
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
fn drop_idle_tables(index: &Index<'_>, query: &mut Query) {
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

/// A figure compared with a number over groups.
#[must_use]
pub fn count_compared(op: Op, operand: Operand) -> Cond {
    Cond::Compare(Expr::Count, op, operand)
}

/// The number of distinct values of a column.
#[must_use]
pub fn distinct(column: ColumnId) -> Expr {
    Expr::Agg(Agg::Distinct, Box::new(Expr::Column(column)))
}
