//! Comparisons with what other rows have: `older than all people of Bonn`, `after the latest film of hers`.

use super::{Mode, Parser};
use crate::query::language::assign::Item;
use crate::query::language::cues::{Cue, Quality};
use crate::query::language::draft::Condition;
use crate::query::language::index::{ColumnId, TableId};
use crate::query::language::link::is_measure;
use crate::query::language::logic::{Agg, Cond, Expr, Op, Operand, Query};

/// A comparison whose other side is being read.
#[derive(Debug, Clone)]
pub(super) struct Others {
    column: ColumnId,
    op: Op,
    agg: Agg,
    of: ColumnId,
    conditions: usize,
    tables: usize,
}

/// How far ahead the rows compared with are looked for.
const AHEAD: usize = 9;

impl Parser<'_, '_> {
    /// Begins to read the rows that a comparison is with, where it is with rows that have to hold something.
    pub(super) fn begin_others(&mut self, op: Op, quality: Option<Quality>) -> bool {
        if self.others.is_some() || matches!(op, Op::Eq | Op::Ne) || self.draft.outputs.is_empty() {
            return false;
        }
        let more = matches!(op, Op::Gt | Op::Ge);
        let extreme = |most: bool| if most { Agg::Max } else { Agg::Min };
        let (mut agg, mut own, mut found) = (None, None, None);
        for (at, part) in self.parts.iter().enumerate().skip(self.at + 1).take(AHEAD) {
            let word = self.tokens.get(part.start).map_or("", |t| t.lower.as_str());
            match &part.item {
                Item::Cue(Cue::Idle) if word == "some" => agg = Some(extreme(!more)),
                Item::Cue(Cue::All | Cue::Each) => agg = Some(extreme(more)),
                Item::Cue(Cue::Of) if self.words_of(part).contains("all") => agg = Some(extreme(more)),
                Item::Cue(Cue::Agg(figure @ (Agg::Avg | Agg::Min | Agg::Max))) if agg.is_none() => agg = Some(*figure),
                Item::Cue(Cue::Superlative(most, _)) if agg.is_none() => agg = Some(extreme(*most)),
                Item::Unknown if word == "than" => {}
                Item::Cue(Cue::Idle | Cue::Of | Cue::In | Cue::Pronoun | Cue::Relative) => {}
                Item::Column(column) if own.is_none() && self.compares(*column) => own = Some(*column),
                Item::Table(table) => {
                    found = Some((at, Some(*table)));
                    break;
                }
                Item::Value(..) if agg.is_some() => {
                    found = Some((at - 1, None));
                    break;
                }
                _ => return false,
            }
        }
        let Some((at, table)) = found else { return false };
        let same = |table: TableId| self.subject() == Some(table);
        let agg = match (agg, table) {
            (Some(agg), _) => agg,
            (None, Some(table)) if same(table) && self.told_behind(at) => extreme(more),
            _ => return false,
        };
        if !self.held_behind(at) {
            return false;
        }
        let Some(column) = self.compared_column(quality, own) else { return false };
        self.wait.column = None;
        self.others = Some(Others {
            column,
            op: quality.map_or(op, |q| self.directed(column, (op, Some(q)))),
            agg,
            of: own.unwrap_or(column),
            conditions: self.draft.conditions.len(),
            tables: self.draft.tables.len(),
        });
        self.mode = Mode::Filter;
        self.at = at;
        true
    }

    fn compares(&self, column: ColumnId) -> bool {
        !self.index.column(column).key && (is_measure(self.index, column) || self.holds_times(column))
    }

    /// The column that is compared: the one said before, else the one that measures what is compared.
    fn compared_column(&self, quality: Option<Quality>, own: Option<ColumnId>) -> Option<ColumnId> {
        if let Some(column) = self.wait.column {
            return Some(column).filter(|c| self.compares(*c));
        }
        let timed = matches!(self.phrase().as_str(), "after" | "before" | "earlier than" | "later than" | "prior to");
        let dated = || timed.then(|| self.time_column().or_else(|| self.year_column())).flatten();
        own.or_else(|| quality.and_then(|q| self.quality_column(Some(q))).map(|(c, _)| c)).or_else(dated)
    }

    /// Whether the row named there is told by a condition of its own, `the man whose id is 3`.
    fn told_behind(&self, at: usize) -> bool {
        let mut rest = self.parts.get(at + 1..).unwrap_or_default().iter().map(|p| &p.item);
        matches!(rest.next(), Some(Item::Cue(Cue::Whose | Cue::With | Cue::Named) | Item::Value(..)))
    }

    /// Whether the rows named there have to hold something, before the question goes on to another thing.
    fn held_behind(&self, at: usize) -> bool {
        let rest = self.parts.get(at + 1..).unwrap_or_default().iter().map(|p| &p.item);
        let ends = |i: &&Item| !matches!(i, Item::Cue(Cue::Stop | Cue::Order | Cue::And | Cue::But));
        rest.take_while(ends).any(|i| matches!(i, Item::Value(..) | Item::Text(..) | Item::Number(_) | Item::Date(_)))
    }

    /// The rows compared with are read: the comparison is a condition.
    pub(super) fn end_others(&mut self) {
        let Some(others) = self.others.take() else { return };
        self.flush_column();
        let from = others.conditions.min(self.draft.conditions.len());
        let held: Vec<Condition> = self.draft.conditions.split_off(from);
        self.draft.tables.truncate(others.tables);
        if held.is_empty() || held.iter().any(|c| c.negated || c.both) {
            self.draft.cost += 3.0;
        }
        let mut filter: Vec<Cond> = Vec::new();
        for condition in held {
            match filter.last_mut() {
                Some(last) if condition.or => {
                    *last = match last.clone() {
                        Cond::Any(mut all) => {
                            all.push(condition.cond);
                            Cond::Any(all)
                        }
                        one => Cond::Any(vec![one, condition.cond]),
                    };
                }
                _ => filter.push(condition.cond),
            }
        }
        let select = vec![Expr::Agg(others.agg, Box::new(Expr::Column(others.of)))];
        let inner = Query { select, filter, tables: vec![others.of.table], ..Query::default() };
        let cond = Cond::Compare(Expr::Column(others.column), others.op, Operand::Query(Box::new(inner)));
        self.draft.conditions.push(Condition { cond, negated: false, or: false, both: false });
    }
}
