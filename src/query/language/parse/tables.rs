//! Tables: what is asked about, counted, grouped by or missing.

use super::{Mode, Parser, limit};
use crate::query::language::assign::Item;
use crate::query::language::cues::Cue;
use crate::query::language::draft::{Output, count_compared, distinct};
use crate::query::language::index::{ColumnId, TableId};
use crate::query::language::link::is_measure;
use crate::query::language::logic::{Agg, Expr, Literal, Op, Operand, SetOp};
use crate::query::schema::Kind;

impl Parser<'_, '_> {
    pub(super) fn note_table(&mut self, table: TableId) {
        // What there may be none of is not joined.
        if self.negated_open && self.draft.without.iter().any(|(t, _)| *t == table) {
            return;
        }
        if !self.draft.tables.contains(&table) {
            self.draft.tables.push(table);
        }
    }

    pub(super) fn table(&mut self, table: TableId) {
        let wait_number = self.wait.number;
        self.last_table = Some(table);
        if !self.wait.aggs.is_empty()
            && !self.wait.count
            && let Some(figure) = self.only_measure(table)
        {
            self.note_table(table);
            self.column(figure);
            return;
        }
        // "the average number of people injured": of the injured.
        // "the order count": a number of rows.
        let counts = matches!(self.parts.get(self.at + 1).map(|p| &p.item), Some(Item::Cue(Cue::Count)));
        if counts && self.adjacent() && self.next_phrase_is("count") && !self.wait.count {
            self.wait.count = true;
            self.wait.each = false;
            self.skip = true;
        }
        let measured = |item: Option<&Item>| matches!(item, Some(Item::Column(c)) if is_measure(self.index, *c));
        let things = |item: Option<&Item>| matches!(item, Some(Item::Column(c)) if self.counts(*c));
        let things = things(self.ahead(0));
        let measured = measured(self.ahead(0))
            || matches!(self.ahead(0), Some(Item::Cue(Cue::Pronoun))) && measured(self.ahead(1));
        let done =
            self.parts.get(self.at + 1).and_then(|p| self.tokens.get(p.start)).is_some_and(|t| t.lower.ends_with("ed"));
        if (!self.wait.aggs.is_empty() || self.mode == Mode::Order || done && things) && self.wait.count && measured {
            return;
        }
        let owner = std::mem::take(&mut self.wait.owner);
        let and = std::mem::take(&mut self.wait.and);
        let next_column = matches!(self.ahead(0), Some(Item::Column(c)) if c.table == table) && self.adjacent();
        let other_key = matches!(self.ahead(0), Some(Item::Column(c)) if self.index.column(*c).key);
        // "the most cinemas opened in 2010": cinemas are counted.
        if next_column
            && !(done && self.wait.superlative.is_some())
            && self.wait.top.is_none()
            && (!self.wait.count || !other_key)
            && self.wait.superlative.is_none_or(|s| s.1.is_none())
            && !self.wait.counted
        {
            self.note_table(table);
            self.draft.entity.get_or_insert(table);
            // "list each student's first name" shows it of all.
            let end = self.parts.get(self.at).map_or(0, |p| p.end);
            let possessive = end.checked_sub(1).and_then(|last| self.tokens.get(last)).is_some_and(|t| t.possessive);
            if possessive && self.mode == Mode::Select && self.asks_for_each() {
                self.wait.each = false;
            }
            return;
        }
        if self.everything {
            self.wait.each = false;
        }
        if std::mem::take(&mut self.wait.each) {
            self.draft.late |= !self.draft.outputs.is_empty();
            self.note_table(table);
            if !self.draft.group_tables.contains(&table) {
                self.draft.group_tables.push(table);
            }
            self.mode = if self.draft.outputs.is_empty() { Mode::Select } else { self.mode };
            return;
        }
        if let Some(most) = self.wait.frequent
            && self.wait.limit.is_none()
            && let Some(column) = self.refers_to(table)
        {
            self.wait.frequent = None;
            self.rows_of_most(column, most);
            return;
        }
        if let Some(most) = self.wait.frequent.take() {
            self.show_rows(table, and);
            self.order_by(Expr::Count, most);
            return;
        }
        if let Some((most, quality)) = self.wait.superlative {
            self.superlative_table(table, most, quality);
            return;
        }
        // "at least a member" is any.
        if let (Some((Op::Ge, None)), None) = (self.wait.compare, wait_number)
            && self.mode == Mode::Filter
        {
            self.wait.compare = None;
        }
        if let (Some((op, _)), Some(n)) = (self.wait.compare, wait_number) {
            self.wait.compare = None;
            self.wait.number = None;
            self.note_table(table);
            self.draft.having.push(count_compared(op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if self.wait.distinct && !self.wait.count && self.mode == Mode::Select && !self.draft.outputs.is_empty() {
            self.wait.distinct = false;
            self.draft.distinct = true;
        }
        if let (Some(top), true) = (self.wait.top, self.wait.count) {
            self.wait.top = None;
            self.wait.count = false;
            self.note_table(table);
            self.order_by(Expr::Count, top);
            return;
        }
        if let Some(top) = self.wait.top.take() {
            let first = self.wait.first;
            self.top_limit(top);
            if first && let Some((time, _)) = self.quality_in(crate::query::language::cues::quality("new"), &[table]) {
                self.order_by(Expr::Column(time), !top);
            }
        }
        if self.wait.count {
            self.wait.count = false;
            self.wait.total = false;
            self.wait.aggs.clear();
            self.count_of(table);
            return;
        }
        if self.wait.negated
            && !self.draft.outputs.is_empty()
            && (self.subject() != Some(table) || self.attribute().is_some())
        {
            self.none_of(table);
            return;
        }
        if let Some(n) = wait_number.filter(|_| self.mode == Mode::Filter) {
            self.wait.number = None;
            self.note_table(table);
            self.draft.having.push(count_compared(Op::Eq, Operand::Literal(Literal::Number(n))));
            return;
        }
        if self.negated_open && self.mode == Mode::Filter && !and {
            return;
        }
        if and && self.mode == Mode::Select && self.also(table) {
            return;
        }
        self.note_table(table);
        match self.mode {
            Mode::Select if self.draft.outputs.is_empty() => {
                let whether =
                    self.tokens.windows(2).any(|w| matches!(w, [a, b] if a.lower == "and" && b.lower == "whether"));
                self.draft.and_theirs = whether
                    || matches!(self.ahead(0), Some(Item::Cue(Cue::And)))
                        && matches!(self.ahead(1), Some(Item::Cue(Cue::Pronoun)))
                        && matches!(self.ahead(2), Some(Item::Column(c)) if c.table == table && !self.index.table(table).display.contains(c));
                self.show_rows(table, false);
            }
            Mode::Select if owner => {
                self.draft.entity.get_or_insert(table);
                // "the names of the 3 players who …".
                if matches!(self.behind(), Some(Item::Number(_)))
                    && let Some(n) = wait_number
                {
                    self.wait.number = None;
                    self.wait.lone = false;
                    self.draft.limit = limit(n);
                }
            }
            Mode::Select if and && !self.wait.pronoun => self.draft.outputs.push(Output::Rows(table)),
            _ => {
                self.draft.entity.get_or_insert(table);
            }
        }
    }

    /// Whether `each` stands behind an order to show, `list each student's name`.
    fn asks_for_each(&self) -> bool {
        let mut before = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
        matches!(before.next(), Some(Item::Cue(Cue::Each))) && matches!(before.next(), Some(Item::Cue(Cue::Ask)))
    }

    /// The column by which the rows asked about refer to another table, where they are told by a name or key.
    fn refers_to(&self, table: TableId) -> Option<ColumnId> {
        let edges = self.index.edges.iter().filter(|e| e.to == table && Some(e.from) == self.subject());
        let mut keys = edges.filter_map(|e| if let [(from, _)] = e.on.as_slice() { Some(*from) } else { None });
        let key = keys.next().filter(|_| keys.next().is_none())?;
        let own = self.draft.outputs.iter().all(|o| match o {
            Output::Expr(Expr::Column(c)) => c.table == key.table && *c != key,
            Output::Rows(t) | Output::CountOf(t) => *t == key.table,
            _ => false,
        });
        (own && !self.draft.outputs.is_empty() && !self.index.is_unique(key)).then_some(key)
    }

    /// Whether the one column shown, said of the table before, is wanted of this table as well.
    fn also(&mut self, table: TableId) -> bool {
        let [Output::Expr(Expr::Column(column))] = self.draft.outputs.as_slice() else { return false };
        let before = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
        let mut before = before.filter(|i| !matches!(i, Item::Cue(Cue::Idle | Cue::All | Cue::Of)));
        let listed = matches!(before.next(), Some(Item::Cue(Cue::And)))
            && match before.next() {
                Some(Item::Table(t)) => *t == column.table,
                Some(Item::Column(c)) => c == column,
                _ => false,
            };
        let described = matches!(self.ahead(0), Some(Item::Column(_)));
        if !listed
            || described
            || table == column.table
            || !self.draft.conditions.is_empty()
            || self.draft.also.is_some()
        {
            return false;
        }
        let own = |c: ColumnId| self.index.column(c).own_words().to_vec();
        let display = |c: ColumnId| self.index.table(c.table).display.as_slice() == [c];
        let same = |c: &ColumnId| own(*c) == own(*column) || display(*column) && display(*c);
        let Some(other) = self.index.columns(table).find(same) else { return false };
        let said = |words: &[&str]| self.tokens.iter().position(|t| words.contains(&t.lower.as_str()));
        let inside = |at: usize| {
            at.checked_sub(1)
                .and_then(|b| self.tokens.get(b))
                .is_some_and(|t| matches!(t.lower.as_str(), "in" | "by" | "between" | "among" | "for"))
        };
        let common = said(&["common", "shared", "share"]).is_some() || said(&["both"]).is_some_and(inside);
        // "of both customers and staff" may be the names of all as well as those that they share.
        if !common && said(&["both", "also"]).is_some() {
            self.draft.cost += 4.0;
        }
        let op = if common { SetOp::Intersect } else { SetOp::Union };
        self.draft.also = Some((op, other));
        true
    }

    /// The one column of a table that figures can be made of, the stars of a rating.
    pub(super) fn only_measure(&self, table: TableId) -> Option<ColumnId> {
        let measure = |c: &ColumnId| {
            let info = self.index.column(*c);
            is_measure(self.index, *c) && !info.key && !info.words.has("year") && !info.words.ends_with("id")
        };
        let mut found = self.index.columns(table).filter(measure);
        found.next().filter(|_| found.next().is_none())
    }

    /// The table whose rows are asked about so far.
    pub(super) fn subject(&self) -> Option<TableId> {
        let shown = self.draft.outputs.iter().find_map(|o| match o {
            Output::Expr(Expr::Column(c)) => Some(c.table),
            _ => None,
        });
        shown.or(self.draft.entity)
    }

    /// The one column asked about, where several rows share its values: `countries that have no …`.
    pub(super) fn attribute(&self) -> Option<ColumnId> {
        let [Output::Expr(Expr::Column(column))] = self.draft.outputs.as_slice() else { return None };
        let own = self.index.is_unique(*column) || self.index.table(column.table).display.contains(column);
        (!own && self.index.kind(*column) == Kind::Text).then_some(*column)
    }

    /// Begins what the rows asked about must have none of.
    pub(super) fn none_of(&mut self, table: TableId) {
        self.wait.negated = false;
        self.wait.compare = None;
        self.wait.number = None;
        self.wait.each = false;
        self.draft.open |= self.attribute().is_some() && self.subject() == Some(table);
        self.draft.without.push((table, Vec::new()));
        self.negated_open = true;
        self.mode = Mode::Filter;
    }

    pub(super) fn show_rows(&mut self, table: TableId, also: bool) {
        self.note_table(table);
        self.draft.entity.get_or_insert(table);
        if std::mem::take(&mut self.wait.distinct) {
            self.draft.distinct = true;
        }
        if std::mem::take(&mut self.everything) {
            self.draft.outputs.push(Output::Everything(table));
            return;
        }
        let there = self.draft.outputs.contains(&Output::Rows(table));
        if !there && (self.draft.outputs.is_empty() || also) {
            self.draft.outputs.push(Output::Rows(table));
        }
        if self.wait.top.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.draft.limit = limit(n);
        }
    }

    /// How many of a table's things there are: its rows, or what a column called like the table adds up to, `degrees` of
    /// `degrees`, where each row holds a number of them.
    pub(super) fn number_of(&self, table: TableId) -> Expr {
        let stems = &self.index.table(table).words.stems;
        let called = |c: &ColumnId| {
            self.index.column(*c).words.stems == *stems
                && is_measure(self.index, *c)
                && !self.index.column(*c).key
                && !self.index.is_unique(*c)
                && !self.is_degree(*c)
        };
        let column = self.index.columns(table).find(called);
        column.map_or(Expr::Count, |c| Expr::Agg(Agg::Sum, Box::new(Expr::Column(c))))
    }

    pub(super) fn count_of(&mut self, table: TableId) {
        self.note_table(table);
        let distinct_rows = std::mem::take(&mut self.wait.distinct);
        let number = self.number_of(table);
        match self.mode {
            Mode::Order => {
                let down = self.wait.direction.take().unwrap_or(false);
                self.draft.order.push((number, down));
            }
            Mode::Select if number != Expr::Count => self.draft.outputs.push(Output::Expr(number)),
            Mode::Select => {
                self.draft.entity.get_or_insert(table);
                let key = self.index.table(table).key.filter(|_| distinct_rows);
                let name = self.index.table(table).display.first().copied();
                match key.or(name.filter(|_| distinct_rows)) {
                    Some(key) => self.draft.outputs.push(Output::Expr(distinct(key))),
                    None => self.draft.outputs.push(Output::CountOf(table)),
                }
            }
            Mode::Filter => self.wait.figure = Some(number),
        }
    }

    pub(super) fn metric(&mut self, name: &[String]) {
        let Some((table, sql)) = self.index.metrics.get(name) else { return };
        let expr = Expr::Metric(*table, self.phrase().replace(' ', "_"), sql.clone());
        self.note_table(*table);
        match self.mode {
            Mode::Select => self.draft.outputs.push(Output::Expr(expr)),
            Mode::Order => {
                let down = self.wait.direction.take().unwrap_or(false);
                self.draft.order.push((expr, down));
            }
            Mode::Filter => {
                if let Some((most, _)) = self.wait.superlative.take() {
                    self.order_by(expr, most);
                } else {
                    self.wait.figure = Some(expr);
                }
            }
        }
    }
}
