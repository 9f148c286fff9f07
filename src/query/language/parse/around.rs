//! What stands around a column and says what it is there for.

use super::{Mode, Parser, figures_wait};
use crate::query::language::assign::Item;
use crate::query::language::cues::Cue;
use crate::query::language::draft::Output;
use crate::query::language::index::{ColumnId, TableId};
use crate::query::language::logic::{Cond, Expr, Literal, Op, Operand};
use crate::query::schema::Kind;

impl<'p> Parser<'p, '_> {
    /// "active customers", "how many customers are active": those of which a column of yes and no says so.
    pub(super) fn says_whether(&mut self, column: ColumnId) -> bool {
        let Some(yes) =
            self.index.holds(column, !self.wait.negated).filter(|_| figures_wait(&self.wait) || self.wait.count)
        else {
            return false;
        };
        let rows = |o: &Output| match o {
            Output::CountOf(t) | Output::Rows(t) => *t == column.table,
            Output::Expr(Expr::Column(c)) => c.table == column.table,
            _ => false,
        };
        let kind = self.adjacent()
            && matches!(self.ahead(0), Some(Item::Table(t)) if *t == column.table)
            && !self.wait.each
            && !self.wait.distinct
            && self.mode != Mode::Order;
        let are = matches!(self.part_before(), Some(Item::Cue(Cue::Be)))
            && !self.draft.outputs.is_empty()
            && self.draft.outputs.iter().all(rows)
            && !self.wait.count
            && self.tokens.iter().all(|t| t.lower != "whether")
            && !self.own_value_follows(column)
            && !self.condition_follows();
        if !kind && !are {
            return false;
        }
        self.wait.negated = false;
        self.condition(Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Text(yes))));
        true
    }

    /// "the checking and savings balances": the column is wanted of the table named before as well.
    pub(super) fn share_name(&mut self, column: ColumnId) {
        let mut before = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
        let listed = matches!(before.next(), Some(Item::Table(t)) if *t == column.table)
            && matches!(before.next(), Some(Item::Cue(Cue::And)));
        let Some(Item::Table(other)) = before.next().filter(|_| listed) else { return };
        let own = |c: ColumnId| self.index.column(c).own_words();
        let same = self.index.columns(*other).find(|c| own(*c) == own(column) && *other != column.table);
        if let (Some(Output::Rows(t)), Some(same)) = (self.draft.outputs.last_mut(), same)
            && t == other
        {
            self.draft.outputs.pop();
            self.draft.outputs.push(Output::Expr(Expr::Column(same)));
        }
    }

    /// Whether a participle stands before the "by" before, which says how it is done by whom.
    pub(super) fn is_done_by(&self) -> bool {
        let start = self.parts.get(self.at).map_or(0, |p| p.start);
        let mut before = self.tokens.iter().take(start).rev().skip_while(|t| t.lower != "by").skip(1);
        before.next().is_some_and(|t| {
            t.lower.ends_with("ed")
                && !matches!(t.lower.as_str(), "sorted" | "ordered" | "ranked" | "grouped" | "listed")
        })
    }

    /// Whether rows are asked for, or their number, that have a column: `customers using the most popular method`.
    pub(super) fn rows_have(&self, column: ColumnId) -> bool {
        let own = |o: &Output| match o {
            Output::Expr(Expr::Column(c)) => {
                c.table == column.table
                    && *c != column
                    && (self.index.is_unique(*c) || self.index.table(c.table).display.contains(c))
            }
            Output::Rows(t) | Output::CountOf(t) => *t == column.table,
            _ => false,
        };
        !self.index.is_unique(column) && self.draft.outputs.first().is_some_and(own)
    }

    /// Whether what precedes is "and" behind a column that rows are grouped by.
    pub(super) fn listed_in_groups(&self) -> bool {
        let before = self.parts.get(..self.at).unwrap_or_default();
        let mut items = before.iter().rev().map(|p| &p.item).filter(|i| !matches!(i, Item::Cue(Cue::Idle)));
        matches!(items.next(), Some(Item::Cue(Cue::And)))
            && matches!(items.next(), Some(Item::Column(_)))
            && matches!(items.next(), Some(Item::Cue(Cue::Each)))
            && figures_wait(&self.wait)
            && !self.condition_follows()
            && !self.draft.group.is_empty()
    }

    /// Whether a value of the column itself follows, with "is" between or nothing.
    pub(super) fn own_value_follows(&self, column: ColumnId) -> bool {
        let own = |i: Option<&Item>| matches!(i, Some(Item::Value(c, _)) if *c == column);
        let be = matches!(
            self.ahead(0),
            Some(Item::Cue(Cue::Be | Cue::Named | Cue::In | Cue::Of | Cue::By | Cue::Both | Cue::Or))
        );
        let year = self.index.column(column).words.has("year")
            && (matches!(self.ahead(0), Some(Item::Number(_)))
                || matches!(self.ahead(0), Some(Item::Cue(Cue::Of | Cue::Be | Cue::In)))
                    && matches!(self.ahead(1), Some(Item::Number(_))));
        let timed = self.is_timed(column) || self.holds_times(column);
        let dated = matches!(self.ahead(0), Some(Item::Date(_)))
            || matches!(self.ahead(0), Some(Item::Cue(Cue::In | Cue::Be)))
                && matches!(self.ahead(1), Some(Item::Date(_)));
        let counts = matches!(self.ahead(0), Some(Item::Cue(Cue::Compare(..))))
            && matches!(self.ahead(1), Some(Item::Number(_)))
            && matches!(self.ahead(2), Some(Item::Table(_)));
        let compared =
            !counts && matches!(self.ahead(0), Some(Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Contains(_))));
        compared
            || year
            || dated && timed
            || own(self.ahead(0))
            || be && own(self.ahead(1))
            || matches!(self.ahead(0), Some(Item::Number(_) | Item::Text(_, true))) && self.adjacent()
    }

    /// Whether "name" is read and what it names is a column of its own.
    pub(super) fn names_next(&self) -> bool {
        let phrase = self.phrase();
        let said = phrase.strip_prefix("the ").unwrap_or(&phrase);
        let named = match (self.ahead(0), self.ahead(1)) {
            (Some(Item::Cue(Cue::Of | Cue::Each)), Some(Item::Column(c))) => Some(*c),
            _ => None,
        };
        let thing = |c: ColumnId| self.index.kind(c) == Kind::Text || self.referred_by(c).is_some();
        let own = |c: ColumnId| self.index.column(c).words.stems.iter().any(|s| s == "name");
        matches!(said, "name" | "names") && named.is_some_and(|c| thing(c) && !own(c))
    }

    /// What the rows are called that a number refers to, where the question names the thing and not its number.
    pub(super) fn referred(&self, column: ColumnId) -> Option<&'p [ColumnId]> {
        let asked = self.phrase();
        let number = |w: &str| matches!(w, "id" | "ids" | "code" | "codes" | "number" | "numbers" | "key" | "keys");
        let part = self.parts.get(self.at);
        let said = part.and_then(|p| self.tokens.get(p.start..p.end)).unwrap_or_default();
        let thing = |to: TableId| said.iter().any(|t| self.index.table(to).words.stems.contains(&t.stem));
        if asked.split(' ').any(number) {
            return None;
        }
        // "the names of customers" by a number that refers to them.
        let mut before = self.tokens.iter().take(part.map_or(0, |p| p.start)).rev().filter(|t| t.lower != "the");
        let named = before.next().is_some_and(|t| t.lower == "of") && before.next().is_some_and(|t| t.stem == "name");
        self.referred_by(column).filter(|names| named || names.first().is_some_and(|c| thing(c.table)))
    }

    /// What the rows are called that a column refers to by number.
    pub(super) fn referred_by(&self, column: ColumnId) -> Option<&'p [ColumnId]> {
        if !self.index.column(column).key {
            return None;
        }
        let single = self.index.edges.iter().filter(|e| matches!(e.on.as_slice(), [(from, _)] if *from == column));
        let edge = single.min_by_key(|e| !e.declared)?;
        let to = edge.on.first()?.1;
        let display = self.index.table(edge.to).display.as_slice();
        let name = |c: &ColumnId| {
            let info = self.index.column(*c);
            let own = info.words.stems == self.index.table(c.table).words.stems;
            own || ["name", "title"].iter().any(|w| info.words.ends_with(w)) && !info.words.has("login")
        };
        let named = display.iter().all(|c| self.index.kind(*c) == Kind::Text && *c != to && name(c));
        (named && edge.to != column.table && self.index.kind(to) != Kind::Text).then_some(display)
    }

    /// Whether a column dates its rows.
    pub(super) fn is_timed(&self, column: ColumnId) -> bool {
        let words = &self.index.column(column).words;
        self.index.kind(column).is_time() || ["date", "year", "time", "birth"].iter().any(|w| words.has(w))
    }

    /// Whether a comparison, a value or a number follows the column that is read.
    pub(super) fn condition_follows(&self) -> bool {
        let next = self.ahead(0);
        let after = self.ahead(1);
        let value = |i: Option<&Item>| {
            matches!(
                i,
                Some(
                    Item::Value(..)
                        | Item::Text(..)
                        | Item::Number(_)
                        | Item::Date(_)
                        | Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Contains(_) | Cue::Named)
                )
            )
        };
        value(next)
            || matches!(
                next,
                Some(Item::Cue(
                    Cue::Be | Cue::In | Cue::Of | Cue::Not | Cue::Have | Cue::Named | Cue::Both | Cue::Or | Cue::Do
                ))
            ) && value(after)
    }
}
