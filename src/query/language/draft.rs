//! What is gathered from a question's stretches, and the query it makes.

mod settled;

use self::settled::{break_ties, by_all_values, drop_idle_tables, each_once, of_extreme, orderable, senseless};
use super::index::{ColumnId, Index, TableId};
use super::joins::connect;
use super::logic::{Agg, Cond, Expr, Op, Operand, Query, SetOp};

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

/// Whether a column of a table is shown, or one that refers to it.
fn shows(index: &Index<'_>, query: &Query, table: TableId) -> bool {
    let refers = |c: &ColumnId| index.edges.iter().any(|e| e.to == table && e.on.iter().any(|(from, _)| from == c));
    query.select.iter().any(|e| matches!(e, Expr::Column(c) if c.table == table || refers(c)))
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
