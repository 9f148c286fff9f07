//! Columns: shown, compared, counted, grouped by.

use super::{Mode, Parser, figures_wait, push_new};
use crate::query::language::assign::{Item, Part};
use crate::query::language::cues::Cue;
use crate::query::language::draft::{Condition, Output, count_compared};
use crate::query::language::index::{ColumnId, TableId};
use crate::query::language::link::is_measure;
use crate::query::language::logic::{Agg, Cond, Expr, Literal, Op, Operand, Query};
use crate::query::schema::Kind;

impl<'p> Parser<'p, '_> {
    /// A column and the aggregates that wait for it.
    pub(super) fn figures(&mut self, column: ColumnId) -> Vec<Expr> {
        let aggs = std::mem::take(&mut self.wait.aggs);
        aggs.into_iter().map(|agg| Expr::Agg(agg, Box::new(Expr::Column(column)))).collect()
    }

    /// `the average temperature` where a column is called `mean_temperature`: that column, of which no figure is made.
    fn stored_figure(&mut self, column: ColumnId) -> ColumnId {
        let words = |agg: Agg| -> &[&str] {
            match agg {
                Agg::Avg => &["mean", "average", "avg"],
                Agg::Max => &["max", "maximum"],
                Agg::Min => &["min", "minimum"],
                _ => &[],
            }
        };
        let [agg] = self.wait.aggs.as_slice() else { return column };
        let figures = [Agg::Avg, Agg::Max, Agg::Min];
        let figure = |s: &String| figures.iter().any(|a| words(*a).contains(&s.as_str()));
        let rest =
            |c: ColumnId| -> Vec<&String> { self.index.column(c).words.words.iter().filter(|w| !figure(w)).collect() };
        let said = self.phrase();
        if words(*agg).is_empty() || said.split(' ').any(|w| figure(&w.to_owned())) {
            return column;
        }
        let of_it = |c: &ColumnId| self.index.column(*c).words.words.iter().any(|w| words(*agg).contains(&w.as_str()));
        let same: Vec<ColumnId> = self.index.columns(column.table).filter(|c| rest(*c) == rest(column)).collect();
        let plain = same.iter().any(|c| !self.index.column(*c).words.words.iter().any(figure));
        match same.into_iter().find(of_it).filter(|_| !plain) {
            Some(found) => {
                if self.draft.group.is_empty() && self.draft.group_tables.is_empty() {
                    self.wait.aggs.clear();
                }
                found
            }
            None => column,
        }
    }

    pub(super) fn column(&mut self, column: ColumnId) {
        let column = self.stored_figure(column);
        let said_total = self.phrase().starts_with("total ") && !self.index.column(column).words.has("total");
        if said_total && self.wait.aggs.is_empty() && !self.wait.count && self.counts(column) {
            self.wait.aggs.push(Agg::Sum);
        }
        self.last_column = Some(column);
        let owner = std::mem::take(&mut self.wait.owner);
        let measure = is_measure(self.index, column) && !self.index.column(column).key;
        if self.says_whether(column) || self.groups_or_ranks(column, measure) || self.orders(column, measure) {
            return;
        }
        let compared = self.own_value_follows(column);
        if self.is_counted(column, measure, compared)
            || self.begins_conditions(column, compared)
            || self.is_held(column, measure, compared)
        {
            return;
        }
        let again = matches!(self.draft.outputs.last(), Some(Output::Expr(Expr::Agg(_, inner))) if **inner == Expr::Column(column));
        if again && self.wait.aggs.is_empty() && !self.wait.and {
            return;
        }
        let listed = std::mem::take(&mut self.wait.and);
        if !self.joins_figures(column, measure, listed) && !self.says_more(column, measure, listed, owner) {
            self.show_column(column);
        }
    }

    /// Whether the column makes groups, or ranks what was asked for.
    fn groups_or_ranks(&mut self, column: ColumnId, measure: bool) -> bool {
        if std::mem::take(&mut self.wait.each) {
            self.draft.late |= !self.draft.outputs.is_empty();
            if let Some(names) = self.referred(column) {
                names.iter().for_each(|c| push_new(&mut self.draft.group, Expr::Column(*c)));
                return true;
            }
            push_new(&mut self.draft.group, Expr::Column(column));
            return true;
        }
        // "per priority and status": by both.
        if self.wait.and && self.listed_in_groups() {
            self.wait.and = false;
            push_new(&mut self.draft.group, Expr::Column(column));
            return true;
        }
        if let Some(most) = self.wait.frequent.take() {
            if self.wait.limit.is_none() && self.rows_have(column) {
                self.rows_of_most(column, most);
                return true;
            }
            if self.draft.outputs.is_empty() {
                self.draft.outputs.push(Output::Expr(Expr::Column(column)));
            }
            push_new(&mut self.draft.hidden_group, Expr::Column(column));
            self.order_by(Expr::Count, most);
            return true;
        }
        // "the youngest winning pilot": by what measures the youth of a pilot.
        if let Some((most, Some(quality))) = self.wait.superlative
            && !measure
            && self.measures(quality, column).is_none()
            && self.index.column(column).key
            && let Some((by, grows)) = self.quality_column(Some(quality))
        {
            self.wait.superlative = None;
            self.note_table(column.table);
            self.order_by(Expr::Column(by), most == grows);
            return true;
        }
        if let Some((most, _)) = self.wait.superlative.take() {
            self.superlative_column(column, most, measure);
            return true;
        }
        if let (Some(compare), Some(n)) = (self.wait.compare, self.wait.number) {
            let op = if measure { self.directed(column, compare) } else { compare.0 };
            self.wait.compare = None;
            self.wait.number = None;
            let literal = Operand::Literal(Literal::Number(n));
            if measure {
                self.condition(Cond::Compare(Expr::Column(column), op, literal));
            } else {
                self.note_table(column.table);
                self.draft.having.push(count_compared(op, literal));
            }
            return true;
        }
        false
    }

    /// Whether the column is one of an order: the order itself, or that of the top.
    fn orders(&mut self, column: ColumnId, measure: bool) -> bool {
        if self.mode == Mode::Order {
            let down = self.wait.direction.take().or(self.top.take()).unwrap_or(false);
            let figures = self.figures(column);
            let expr = if std::mem::take(&mut self.wait.count) && !measure {
                Expr::Count
            } else {
                figures.into_iter().next().unwrap_or(Expr::Column(column))
            };
            self.draft.order.push((expr, down));
            return true;
        }
        if let Some(top) = self.wait.top.take() {
            self.top_limit(top);
            // "trips with the top 3 durations": ranked by them.
            let attached = matches!(self.draft.outputs.as_slice(), [_, ..]) && self.mode == Mode::Filter;
            if attached && measure && self.draft.limit.is_some() && figures_wait(&self.wait) {
                self.note_table(column.table);
                self.draft.order.push((Expr::Column(column), top));
                return true;
            }
        }
        false
    }

    /// Whether the column is counted. A number of what the column adds up to is its sum.
    fn is_counted(&mut self, column: ColumnId, measure: bool, compared: bool) -> bool {
        if compared && self.wait.count {
            self.note_table(column.table);
            self.mode = Mode::Filter;
        }
        let counts = !compared && std::mem::take(&mut self.wait.count);
        let total = std::mem::take(&mut self.wait.total);
        let figured = total && !self.is_degree(column) || !self.wait.aggs.is_empty();
        if counts && measure && figured && (total || self.mode == Mode::Select) {
            if total {
                self.wait.aggs.push(Agg::Sum);
            }
        } else if counts {
            self.wait.aggs.clear();
            self.count_column(column, measure);
            return true;
        }
        false
    }

    /// Begins the conditions where the column is compared; whether a number said before is its value.
    fn begins_conditions(&mut self, column: ColumnId, compared: bool) -> bool {
        if self.mode == Mode::Select
            && self.draft.outputs.is_empty()
            && compared
            && self.wait.aggs.is_empty()
            && let Some(table) = self.draft.entity.filter(|t| self.last_table == Some(*t))
        {
            self.show_rows(table, false);
        }
        if self.mode == Mode::Select
            && self.draft.outputs.is_empty()
            && compared
            && matches!(self.behind(), Some(Item::Cue(Cue::Which)))
            && figures_wait(&self.wait)
        {
            self.draft.distinct |= std::mem::take(&mut self.wait.distinct);
            self.draft.outputs.push(Output::Expr(Expr::Column(column)));
        }
        if self.mode == Mode::Select && compared && self.wait.aggs.is_empty() {
            self.note_table(column.table);
            self.mode = Mode::Filter;
        }
        if self.mode == Mode::Filter
            && std::mem::take(&mut self.wait.lone)
            && self.wait.compare.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.equals(column, n);
            return true;
        }
        false
    }

    /// Whether the column is one that a condition is about.
    fn is_held(&mut self, column: ColumnId, measure: bool, compared: bool) -> bool {
        // "whose total is higher than the limit": two columns of a row.
        if let (Some(compare), Some(own), None) = (self.wait.compare, self.wait.column, self.wait.number)
            && own != column
            && measure
            && is_measure(self.index, own)
            && self.wait.aggs.is_empty()
            && self.wait.figure.is_none()
            && self.mode == Mode::Filter
            && !self.condition_follows()
        {
            let op = self.directed(own, compare);
            (self.wait.compare, self.wait.column) = (None, None);
            self.note_table(column.table);
            self.condition(Cond::Compare(Expr::Column(own), op, Operand::Column(column)));
            return true;
        }
        if self.mode == Mode::Filter && self.condition_follows() || self.wait.compare.is_some() {
            self.subject_column(column);
            return true;
        }
        let held = self.draft.conditions.last().is_some_and(|c| {
            let mut columns = Vec::new();
            c.cond.columns(&mut columns);
            columns == [column]
        });
        if self.mode == Mode::Filter
            && held
            && matches!(
                self.behind(),
                Some(
                    Item::Value(..)
                        | Item::Text(..)
                        | Item::Number(_)
                        | Item::Cue(Cue::Be | Cue::In | Cue::Pronoun | Cue::Named | Cue::Of)
                )
            )
        {
            self.wait.pronoun = false;
            return true;
        }
        let told = self.condition_follows() || self.wait.negated || self.wait.both || self.wait.named;
        let stem = |p: &Part| self.tokens.get(p.end.saturating_sub(1)).map(|t| t.stem.as_str());
        let said = self.parts.get(self.at).and_then(stem);
        let before = self.parts.get(..self.at).unwrap_or_default();
        let repeated = before.iter().any(|p| matches!(p.item, Item::Table(_) | Item::Column(_)) && stem(p) == said);
        let further = self.mode == Mode::Filter
            && !repeated
            && !compared
            && matches!(self.behind(), Some(Item::Cue(Cue::And)))
            && !told
            && !matches!(
                self.ahead(0),
                Some(Item::Cue(Cue::Be | Cue::Not | Cue::Without | Cue::Have) | Item::Value(..))
            )
            && self.wait.column.is_none()
            && figures_wait(&self.wait);
        if self.mode == Mode::Filter && !further && !std::mem::take(&mut self.wait.pronoun) {
            self.flush_column();
            let figures = self.figures(column);
            self.wait.figure = figures.into_iter().next();
            self.wait.column = Some(column);
            return true;
        }
        // "contains X in their names": the column of the condition before.
        if self.mode == Mode::Filter && matches!(self.behind(), Some(Item::Cue(Cue::Pronoun))) {
            let back = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
            let within = { back }.find(|i| !matches!(i, Item::Cue(Cue::Idle | Cue::Pronoun)));
            if matches!(within, Some(Item::Cue(Cue::In)))
                && let Some(Condition { cond: Cond::Like(..), .. }) = self.draft.conditions.last()
            {
                return true;
            }
        }
        false
    }

    /// Whether the column is read with a figure before: one more of its kind, or what figures are made by.
    fn joins_figures(&mut self, column: ColumnId, measure: bool, listed: bool) -> bool {
        if listed
            && measure
            && self.wait.aggs.is_empty()
            && let Some(Output::Expr(Expr::Agg(agg, _))) = self.draft.outputs.last()
            && *agg != Agg::Distinct
        {
            self.wait.aggs.push(*agg);
        }
        let figured = self
            .draft
            .outputs
            .iter()
            .any(|o| matches!(o, Output::CountOf(_)) || matches!(o, Output::Expr(e) if e.is_aggregate()));
        if !listed && self.mode == Mode::Select && self.wait.aggs.is_empty() && !self.draft.outputs.is_empty() {
            match self.behind() {
                Some(Item::Cue(Cue::By)) if figured => {
                    push_new(&mut self.draft.group, Expr::Column(column));
                    return true;
                }
                // "shared by counties": who does it.
                Some(Item::Cue(Cue::By)) if self.is_done_by() => {
                    self.note_table(column.table);
                    return true;
                }
                Some(Item::Cue(Cue::By)) => {
                    self.draft.order.push((Expr::Column(column), self.wait.direction.take().unwrap_or(false)));
                    return true;
                }
                Some(Item::Cue(Cue::In)) if figured => {
                    self.note_table(column.table);
                    self.draft.within_column = Some(column);
                    self.draft.cost += 0.3;
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Whether the column only says more of what is shown already.
    fn says_more(&mut self, column: ColumnId, measure: bool, listed: bool, owner: bool) -> bool {
        // "the name of the head": the row that is referred to is shown already.
        let shown = |to: TableId| {
            self.draft.outputs.iter().any(|o| matches!(o, Output::Expr(Expr::Column(c)) if c.table == to))
        };
        let refers =
            |e: &crate::query::language::index::Edge| e.on.iter().any(|(from, _)| *from == column) && shown(e.to);
        if !listed
            && self.mode == Mode::Select
            && figures_wait(&self.wait)
            && !self.phrase().ends_with("id")
            && self.index.edges.iter().any(refers)
        {
            self.note_table(column.table);
            return true;
        }
        // "state names" are the states.
        let phrase = self.phrase();
        if matches!(phrase.as_str(), "name" | "names")
            && matches!(self.part_before(), Some(Item::Column(c)) if self.index.kind(*c) == Kind::Text
                && self.draft.outputs.last() == Some(&Output::Expr(Expr::Column(*c))))
        {
            return true;
        }
        // "invoices created before 1990": the time is compared, not shown.
        let dated = matches!(self.ahead(0), Some(Item::Date(_)))
            || matches!(self.ahead(0), Some(Item::Cue(Cue::Compare(..) | Cue::In)))
                && matches!(self.ahead(1), Some(Item::Date(_)));
        if dated
            && self.phrase().ends_with("ed")
            && !listed
            && self.mode == Mode::Select
            && figures_wait(&self.wait)
            && !self.draft.outputs.is_empty()
            && self.holds_times(column)
        {
            self.note_table(column.table);
            self.mode = Mode::Filter;
            self.wait.column = Some(column);
            return true;
        }
        // "performances they attended": a verb, not a further thing to show.
        let verb = {
            let phrase = self.phrase();
            !phrase.contains(' ') && phrase.ends_with("ed")
        };
        if verb
            && self.asked_place.is_none()
            && !listed
            && self.mode == Mode::Select
            && figures_wait(&self.wait)
            && !self.draft.outputs.is_empty()
            && matches!(self.behind(), Some(Item::Table(_) | Item::Column(_) | Item::Cue(Cue::Pronoun | Cue::Be)))
        {
            self.note_table(column.table);
            // "technicians aged 36 or 37".
            let number =
                |i: Option<&Item>| matches!(i, Some(Item::Number(_) | Item::Cue(Cue::Compare(..) | Cue::Between)));
            let either = matches!(self.ahead(0), Some(Item::Cue(Cue::Or))) && number(self.ahead(1));
            if measure && (number(self.ahead(0)) || either) {
                self.wait.column = Some(column);
                self.mode = Mode::Filter;
            }
            return true;
        }
        // "the names of colleges" are the colleges, where those are a column.
        if figures_wait(&self.wait) && self.mode == Mode::Select && self.names_next() {
            // "the names of cities and the names of the counties they are in": by the names of what is referred to.
            if let Some(Item::Column(key)) = self.ahead(1)
                && listed
                && let Some(names) = self.referred_by(*key)
            {
                self.draft.outputs.extend(names.iter().map(|c| Output::Expr(Expr::Column(*c))));
                self.skip_to_column();
            }
            return true;
        }
        // "the classes of players": whose classes, not a further thing to show.
        let of = matches!(self.behind(), Some(Item::Cue(Cue::Of)));
        if owner
            && of
            && !listed
            && self.mode == Mode::Select
            && self.wait.aggs.is_empty()
            && (self.index.kind(column) == Kind::Text || self.parts.get(self.at).is_some_and(|p| p.strength < 0.85))
            && matches!(self.draft.outputs.last(), Some(Output::Expr(_)))
            && self.phrase().ends_with('s')
        {
            self.note_table(column.table);
            return true;
        }
        false
    }

    /// Shows the column, or the figures of it that were asked for.
    fn show_column(&mut self, column: ColumnId) {
        let figures = self.figures(column);
        if figures.is_empty() {
            if std::mem::take(&mut self.wait.distinct) {
                self.draft.distinct = true;
            }
            if let Some(names) = self.referred(column) {
                self.draft.outputs.extend(names.iter().map(|c| Output::Expr(Expr::Column(*c))));
                return;
            }
            let all =
                self.at.checked_sub(1).and_then(|p| self.parts.get(p)).is_some_and(|p| p.item == Item::Cue(Cue::All));
            self.draft.all |= all && self.draft.outputs.is_empty();
            self.share_name(column);
            self.draft.outputs.push(Output::Expr(Expr::Column(column)));
        }
        self.draft.outputs.extend(figures.into_iter().map(Output::Expr));
        if matches!(self.ahead(0), Some(Item::Cue(Cue::Be | Cue::Compare(..) | Cue::Between)))
            && matches!(self.ahead(1), Some(Item::Value(..) | Item::Number(_)))
        {
            self.wait.column = None;
        }
    }

    /// Rows that have the most common value of a column.
    pub(super) fn rows_of_most(&mut self, column: ColumnId, most: bool) {
        let inner = Query {
            select: vec![Expr::Column(column)],
            group: vec![Expr::Column(column)],
            order: vec![(Expr::Count, most), (Expr::Column(column), most)],
            limit: Some(1),
            ..Query::default()
        };
        self.condition(Cond::Compare(Expr::Column(column), Op::Eq, Operand::Query(Box::new(inner))));
    }

    pub(super) fn subject_column(&mut self, column: ColumnId) {
        if self.wait.column.is_some() {
            self.flush_column();
        }
        let figures = self.figures(column);
        self.wait.figure = figures.into_iter().next();
        self.wait.column = Some(column);
    }

    /// Whether `with the maximum occupancy` says which row is meant, by a column of that name.
    fn extreme(&self, column: ColumnId) -> Option<bool> {
        let most = match self.index.column(column).words.words.first()?.as_str() {
            "maximum" => true,
            "minimum" => false,
            _ => return None,
        };
        (self.mode == Mode::Filter && self.draft.order.is_empty() && !self.draft.outputs.is_empty()).then_some(most)
    }

    /// Whether a column refers, from rows of which the rows asked about may have several, to another table: what has no
    /// such row refers to none.
    fn refers_from_many(&self, column: ColumnId) -> bool {
        let refers = self.index.edges.iter().any(|e| e.on.iter().any(|(from, _)| *from == column));
        let many = |s: TableId| {
            s != column.table && crate::query::language::draft::owns_many(self.index, &[], s, column.table)
        };
        refers && !self.draft.outputs.is_empty() && self.subject().is_some_and(many)
    }

    /// A column that was named and waits for a comparison that does not come.
    pub(super) fn flush_column(&mut self) {
        let soon = |place: usize| matches!(self.ahead(place), Some(Item::Value(c, _)) if Some(*c) == self.wait.column);
        if self.wait.negated && (0..4).any(soon) {
            return;
        }
        if let Some(column) = self.wait.column.take() {
            let told = self.draft.conditions.iter().any(|c| {
                let mut columns = Vec::new();
                c.cond.columns(&mut columns);
                columns.contains(&column)
            });
            if let Some(text) = self.index.holds(column, !self.wait.negated).filter(|_| !told) {
                self.wait.negated = false;
                self.condition(Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Text(text))));
            } else if self.wait.negated && self.refers_from_many(column) {
                self.none_of(column.table);
            } else if self.wait.negated
                && is_measure(self.index, column)
                && !self.index.column(column).column.nullable
                && !self.index.column(column).key
                && self.tokens.iter().all(|t| t.stem != "valu")
            {
                // "products without stock": there is none of it.
                self.wait.negated = false;
                let none = Operand::Literal(Literal::Number(0.0));
                self.condition(Cond::Compare(Expr::Column(column), Op::Eq, none));
            } else if std::mem::take(&mut self.wait.negated) {
                self.draft.conditions.push(Condition {
                    cond: Cond::Null(column, true),
                    negated: false,
                    or: false,
                    both: false,
                });
            } else if let Some(most) = self.extreme(column) {
                self.note_table(column.table);
                self.order_by(Expr::Column(column), most);
            } else {
                self.note_table(column.table);
                self.draft.cost += 0.5;
            }
        }
    }
}
