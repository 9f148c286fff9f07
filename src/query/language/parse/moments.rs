//! Times: ranges of the calendar and the columns that date rows.

use super::{Mode, Parser, push_new};
use crate::query::language::assign::Item;
use crate::query::language::dates;
use crate::query::language::index::{ColumnId, TableId};
use crate::query::language::logic::{Cond, Expr, Literal, Op, Operand};
use crate::query::schema::Kind;

impl Parser<'_, '_> {
    /// A year's number compared with a column of days.
    pub(super) fn in_year(&mut self, column: ColumnId, n: f64, op: Op) {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be a year")]
        let day = |year: f64| jiff::civil::Date::new(year as i16, 1, 1).ok().map(|d| d.at(0, 0, 0, 0));
        let Some((from, to)) = day(n).zip(day(n + 1.0)) else { return };
        let expr = Expr::Column(column);
        let at = |time| Operand::Literal(Literal::Time(time));
        self.condition(match op {
            Op::Gt => Cond::Compare(expr, Op::Ge, at(to)),
            Op::Ge => Cond::Compare(expr, Op::Ge, at(from)),
            Op::Lt => Cond::Compare(expr, Op::Lt, at(from)),
            Op::Le => Cond::Compare(expr, Op::Lt, at(to)),
            Op::Eq | Op::Ne => Cond::During(column, from, to),
        });
    }

    /// The year of what is asked about.
    pub(super) fn year_column(&self) -> Option<ColumnId> {
        let named = self.parts.iter().filter_map(|p| match &p.item {
            Item::Table(table) => Some(*table),
            Item::Column(column) | Item::Value(column, _) => Some(column.table),
            _ => None,
        });
        let tables: Vec<TableId> = self.draft.entity.into_iter().chain(named).collect();
        tables.iter().flat_map(|t| self.index.columns(*t)).find(|c| self.index.column(*c).words.has("year"))
    }

    pub(super) fn date(&mut self, at: usize) {
        let Some(span) = self.dated.get(at) else { return };
        let column = self.wait.column.take().filter(|c| {
            self.index.kind(*c) != Kind::Text
                || self.index.column(*c).words.has("date")
                || self.index.column(*c).words.has("time")
        });
        let before = match self.part_before() {
            Some(Item::Column(c)) if !self.index.column(*c).key && self.holds_times(*c) => Some(*c),
            _ => None,
        };
        // "after 1961 or before 1959": of the same column.
        let again = self.wait.or.then(|| self.draft.conditions.last()).flatten().and_then(|last| {
            let mut columns = Vec::new();
            last.cond.columns(&mut columns);
            columns.first().copied().filter(|c| self.holds_times(*c))
        });
        let Some(column) = column.or(before).or(again).or_else(|| self.time_column()) else {
            self.draft.cost += 3.0;
            return;
        };
        let compare = self.wait.compare.take();
        let compare = compare.map(|c| (self.directed(column, c), c.1));
        let kind = self.index.kind(column);
        let whole_year = span.precision == dates::Unit::Year;
        if kind.is_number()
            || kind == Kind::Text && (self.index.column(column).words.has("year") || self.index.is_numeric_text(column))
        {
            if !whole_year {
                self.draft.cost += 2.0;
            }
            self.year_range(column, span, compare.map(|c| c.0));
            return;
        }
        match compare {
            Some((Op::Gt, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Ge, Operand::Literal(Literal::Time(span.to))))
            }
            Some((Op::Ge, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Ge, Operand::Literal(Literal::Time(span.from))))
            }
            Some((Op::Lt, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Lt, Operand::Literal(Literal::Time(span.from))))
            }
            Some((Op::Le, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Lt, Operand::Literal(Literal::Time(span.to))))
            }
            _ => self.condition(Cond::During(column, span.from, span.to)),
        }
    }

    /// Whether a column may hold times or years, by its type or its values.
    pub(super) fn holds_times(&self, column: ColumnId) -> bool {
        let kind = self.index.kind(column);
        let info = self.index.column(column).column;
        let year =
            |text: &String| text.get(..4).is_some_and(|y| y.parse::<i32>().is_ok_and(|y| (1000..2200).contains(&y)));
        kind.is_time()
            || self.is_timed(column)
            || kind == Kind::Integer && info.min.as_ref().is_some_and(year) && info.max.as_ref().is_some_and(year)
            || kind == Kind::Text && !info.values.is_empty() && info.values.iter().all(year)
    }

    /// A range of years over a column of years' numbers.
    pub(super) fn year_range(&mut self, column: ColumnId, span: &dates::Span, op: Option<Op>) {
        let number = |n: i16| Literal::Number(f64::from(n));
        let last = if span.to.date().day_of_year() == 1 { span.to.year() - 1 } else { span.to.year() };
        let expr = Expr::Column(column);
        let compare = |op: Op, year: i16| Cond::Compare(Expr::Column(column), op, Operand::Literal(number(year)));
        let cond = match op {
            Some(op) => compare(op, span.from.year()),
            None if span.is_open_before() => compare(Op::Le, last),
            None if span.is_open_after() => compare(Op::Ge, span.from.year()),
            None if last > span.from.year() => Cond::Between(expr, number(span.from.year()), number(last)),
            None => compare(Op::Eq, span.from.year()),
        };
        self.condition(cond);
    }

    /// The column that dates the rows asked about: the operator's, else the first time of the tables named.
    pub(super) fn time_column(&self) -> Option<ColumnId> {
        let named = self.parts.iter().filter_map(|p| match &p.item {
            Item::Table(table) => Some(*table),
            Item::Column(column) | Item::Value(column, _) => Some(column.table),
            _ => None,
        });
        let tables: Vec<TableId> = self.last_table.into_iter().chain(self.draft.entity).chain(named).collect();
        let told = tables.iter().find_map(|t| self.index.time.get(t).copied());
        let times = |t: &TableId| self.index.columns(*t).filter(|c| self.index.kind(*c).is_time()).collect::<Vec<_>>();
        // "registered in 2016" is the date of the registration where there is one.
        let said = |c: &ColumnId| {
            let generic = |s: &str| matches!(s, "date" | "time" | "year" | "timestamp" | "at" | "day");
            let own = self.index.column(*c).own_words().iter().map(|w| crate::query::language::words::stem(w));
            let own: Vec<String> = own.filter(|s| !generic(s)).collect();
            own.iter().any(|s| self.tokens.iter().any(|t| t.stem == *s))
        };
        let word = |c: &ColumnId| {
            let words = &self.index.column(*c).words;
            words.has("date") || words.has("year") || words.has("timestamp")
        };
        let linked = tables.iter().flat_map(|t| {
            let bridge = |o: &TableId| self.index.table(*o).bridge && !tables.contains(o);
            let edges = self.index.edges.iter().filter(move |e| e.to == *t).map(|e| e.from);
            edges.filter(bridge).collect::<Vec<_>>()
        });
        let near: Vec<TableId> = tables.iter().copied().chain(linked).collect();
        let dated = |c: &ColumnId| self.index.kind(*c).is_time() || word(c);
        let spoken = || near.iter().flat_map(|t| self.index.columns(*t)).find(|c| dated(c) && said(c));
        let typed = || spoken().or_else(|| tables.iter().flat_map(times).next());
        let by_name = || tables.iter().flat_map(|t| self.index.columns(*t)).find(word);
        told.or_else(typed).or_else(by_name).or_else(|| {
            let only = (0..self.index.tables.len()).collect::<Vec<_>>();
            if only.len() == 1 { only.iter().flat_map(times).next() } else { None }
        })
    }

    pub(super) fn bucket(&mut self, make: impl Fn(ColumnId) -> Expr) {
        if self.mode == Mode::Order || self.everything {
            let down = self.wait.direction.take().unwrap_or(false);
            match self.time_column() {
                Some(time) => self.draft.order.push((Expr::Column(time), down)),
                None => self.draft.cost += 2.0,
            }
            return;
        }
        match self.time_column() {
            // A column of years is its own year.
            Some(time) if self.index.kind(time).is_number() || self.index.is_numeric_text(time) => {
                push_new(&mut self.draft.group, Expr::Column(time));
            }
            Some(time) => push_new(&mut self.draft.group, make(time)),
            None => self.draft.cost += 2.0,
        }
    }
}
