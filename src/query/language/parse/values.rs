//! Values, texts and numbers, and the conditions they make.

use super::{Mode, Parser, limit};
use crate::query::language::assign::Item;
use crate::query::language::cues::Cue;
use crate::query::language::draft::{Condition, Output, count_compared};
use crate::query::language::index::{ColumnId, TableId};
use crate::query::language::link::is_measure;
use crate::query::language::logic::{Cond, Expr, Literal, Op, Operand, Place};
use crate::query::schema::Kind;

impl Parser<'_, '_> {
    /// `at least 3 times`: of groups.
    pub(super) fn times(&mut self) {
        if let Some(n) = self.wait.number.take() {
            let op = self.wait.compare.take().map_or(Op::Eq, |c| c.0);
            self.draft.having.push(count_compared(op, Operand::Literal(Literal::Number(n))));
        } else if let Some((most, _)) = self.wait.superlative.take() {
            self.order_by(Expr::Count, most);
        }
    }

    /// `18 years old`.
    pub(super) fn aged(&mut self) {
        let Some(n) = self.wait.number.take().or_else(|| self.wait.limit.take().map(|n| n as f64)) else { return };
        let op = self.wait.compare.take().map_or(Op::Eq, |c| c.0);
        match self.quality_column(crate::query::language::cues::quality("old")) {
            Some((column, true)) => {
                self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Number(n))))
            }
            _ => self.draft.cost += 2.0,
        }
    }

    /// Whether a comparison joins onto the one before: `over 5 or under 2`.
    pub(super) fn compares_again(&self) -> bool {
        let back = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
        let mut words =
            back.skip_while(|i| matches!(i, Item::Cue(Cue::Idle | Cue::Be | Cue::Compare(..) | Cue::Behind(_))));
        self.wait.or || matches!(words.next(), Some(Item::Cue(Cue::And | Cue::Or)))
    }

    /// Whether what is asked about may have several values of a column at once.
    pub(super) fn several(&self, column: ColumnId) -> bool {
        if self.wait.count {
            return false;
        }
        let many = |entity: TableId| crate::query::language::draft::owns_many(self.index, &[], entity, column.table);
        self.subject().is_some_and(|s| many(s) || s == column.table && self.attribute().is_some_and(|a| a != column))
    }

    /// The condition before and the next have to hold of different rows.
    pub(super) fn pair(&mut self) {
        self.wait.both = true;
        if let Some(last) = self.draft.conditions.last_mut() {
            last.both = true;
        }
    }

    /// A column that is a number, or one of two.
    pub(super) fn equals(&mut self, column: ColumnId, n: f64) {
        let is = |n: f64| Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Number(n)));
        let other = self.wait.other.take();
        self.wait.or &= other.is_none();
        let again = self.draft.conditions.last().is_some_and(
            |c| matches!(&c.cond, Cond::Compare(Expr::Column(known), Op::Eq, Operand::Literal(_)) if *known == column),
        );
        if again && other.is_none() && self.several(column) {
            self.pair();
        }
        self.condition(match other {
            Some(other) => Cond::Any(vec![is(other), is(n)]),
            None => is(n),
        });
    }

    pub(super) fn condition(&mut self, cond: Cond) {
        let negated = std::mem::take(&mut self.wait.negated);
        // A time is an alternative to a time alone.
        let time = |c: &Cond| matches!(c, Cond::During(..));
        let apart = self.draft.conditions.last().is_some_and(|last| time(&last.cond) != time(&cond));
        let or = std::mem::take(&mut self.wait.or) && !apart;
        self.wait.and = false;
        self.wait.named = false;
        let mut columns = Vec::new();
        cond.columns(&mut columns);
        let table = columns.first().map(|c| c.table);
        let subject = self.subject();
        if negated
            && !self.negated_open
            && let Some(table) = table.filter(|t| Some(*t) != subject && !self.draft.outputs.is_empty())
            && subject.is_some_and(|s| crate::query::language::draft::owns_many(self.index, &[], s, table))
        {
            self.none_of(table);
        }
        if self.negated_open
            && (table != subject || self.attribute().is_some())
            && let Some((_, conds)) = self.draft.without.last_mut()
        {
            match conds.pop() {
                Some(Cond::Any(mut all)) if or => {
                    all.push(cond);
                    conds.push(Cond::Any(all));
                }
                Some(one) if or => conds.push(Cond::Any(vec![one, cond])),
                other => {
                    conds.extend(other);
                    conds.push(cond);
                }
            }
            return;
        }
        let both = self.wait.both;
        self.draft.conditions.push(Condition { cond, negated, or, both });
    }

    pub(super) fn value(&mut self, column: ColumnId, text: String) {
        self.wait.owner = false;
        let subject = self.wait.column.take();
        let (column, text) = match subject {
            Some(subject) if subject != column => match self.stored_in(subject, &text) {
                Some(stored) => (subject, stored),
                None => {
                    if !self.index.edges.iter().any(|e| e.on.iter().any(|(a, _)| *a == subject)) {
                        self.draft.cost += 0.4;
                    }
                    (column, text)
                }
            },
            _ => (column, text),
        };
        let compare = self.wait.compare.take();
        let op = compare.map_or(Op::Eq, |c| self.directed(column, c));
        // "under the subject X", "over the phone": places, no sizes.
        let op = if op == Op::Ne || text.parse::<f64>().is_ok() || self.index.kind(column) != Kind::Text {
            op
        } else {
            Op::Eq
        };
        if let Some(place) = self.wait.contains.take() {
            let column = self.last_column.unwrap_or(column);
            self.condition(Cond::Like(column, place, text, false));
            return;
        }
        let cond = Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Text(text)));
        if !self.wait.negated && self.draft.conditions.iter().any(|c| c.cond == cond) {
            return;
        }
        // Two values of one column that a row cannot have at once are alternatives.
        let last = self.draft.conditions.last();
        let again = last.is_some_and(|c| {
            matches!(&c.cond, Cond::Compare(Expr::Column(known), Op::Eq, Operand::Literal(_)) if *known == column)
                && !c.both
                && !c.negated
        });
        if again && op == Op::Eq && !self.wait.negated {
            if self.wait.and && self.several(column) && !self.wait.or {
                self.pair();
            } else {
                self.wait.or = true;
            }
        }
        self.condition(cond);
    }

    /// The column in which a text is said to stand, `"love" in its title`.
    fn column_behind(&self) -> Option<ColumnId> {
        let inside = matches!(self.ahead(0), Some(Item::Cue(Cue::In)));
        match (inside, self.ahead(1), self.ahead(2)) {
            (true, Some(Item::Column(column)), _)
            | (true, Some(Item::Cue(Cue::Pronoun)), Some(Item::Column(column))) => Some(*column),
            _ => None,
        }
    }

    /// Whether what precedes a text says that something has it: `has "love" in its title`.
    fn is_said_to_be_in(&self) -> bool {
        let has = matches!(self.behind(), Some(Item::Cue(Cue::Have | Cue::Relative | Cue::With)));
        has && self.column_behind().is_some()
    }

    pub(super) fn stored_in(&self, column: ColumnId, text: &str) -> Option<String> {
        let values = self.index.values(&text.to_lowercase());
        values.iter().find(|v| v.column == column).map(|v| v.text.clone())
    }

    /// The first and the last name of a person, where a text is both and they are stored apart.
    fn full_name(&self, text: &str) -> Option<((ColumnId, String), (ColumnId, String))> {
        let (first, last) = text.split_once(' ')?;
        let own = |c: ColumnId| self.index.column(c).own_words().join(" ");
        let stored = |text: &str, name: &str| {
            let values = self.index.values(&text.to_lowercase()).iter();
            values.filter(|v| own(v.column) == name).map(|v| (v.column, v.text.clone())).collect::<Vec<_>>()
        };
        let lasts = stored(last, "last name");
        stored(first, "first name").into_iter().find_map(|f| {
            let l = lasts.iter().find(|l| l.0.table == f.0.table)?.clone();
            Some((f, l))
        })
    }

    pub(super) fn text(&mut self, text: String, quoted: bool) {
        self.wait.owner = false;
        let entity = self.last_table.or(self.draft.entity);
        let display = entity.and_then(|t| self.index.table(t).display.first().copied());
        if self.wait.or
            && self.wait.contains.is_none()
            && let Some(Condition { cond: Cond::Like(column, place, ..), .. }) = self.draft.conditions.last()
        {
            let cond = Cond::Like(*column, *place, text, false);
            self.condition(cond);
            return;
        }
        if let Some(place) = self.wait.contains.take().or(self.is_said_to_be_in().then_some(Place::Inside)) {
            let texts = |c: &ColumnId| self.index.kind(*c) == Kind::Text;
            if let Some(column) = self.column_behind().filter(texts) {
                self.wait.column = None;
                self.skip_to_column();
                self.condition(Cond::Like(column, place, text, false));
                return;
            }
            let column = self.wait.column.take().filter(texts).or(self.last_column.filter(texts)).or(display);
            match column {
                Some(column) => self.condition(Cond::Like(column, place, text, false)),
                None => self.draft.cost += 3.0,
            }
            return;
        }
        if let Some((first, last)) = self.full_name(&text) {
            let mut is = |column: ColumnId, text: String| {
                let value = Operand::Literal(Literal::Text(text));
                self.condition(Cond::Compare(Expr::Column(column), Op::Eq, value));
            };
            is(first.0, first.1);
            is(last.0, last.1);
            return;
        }
        let column = self.wait.column.take().or(if self.wait.named { display } else { None });
        let guess = column.or(if quoted { self.last_column.or(display) } else { None });
        let Some(column) = guess else {
            self.draft.cost += 3.0;
            return;
        };
        self.draft.cost += if quoted { 1.0 } else { 2.0 };
        let op = self.wait.compare.take().map_or(Op::Eq, |c| c.0);
        // What stands nowhere as a whole can only be a part.
        if quoted && op == Op::Eq && !self.wait.negated && self.index.kind(column) == Kind::Text {
            self.condition(Cond::Like(column, Place::Inside, text, false));
            return;
        }
        self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Text(text))));
    }

    pub(super) fn number(&mut self, n: f64) {
        let behind = match (self.ahead(0), self.ahead(1)) {
            (_, Some(Item::Number(_))) => None,
            (Some(Item::Cue(Cue::Behind(op))), _) => Some(*op),
            _ => None,
        };
        if let Some(op) = behind {
            self.wait.compare = Some((op, None));
        }
        if let Some(Item::Table(table)) = self.part_before()
            && self.wait.compare.is_none()
            && self.wait.between.is_none()
            && behind.is_none()
            && !matches!(self.ahead(0), Some(Item::Cue(Cue::Aged | Cue::Times)))
            && let Some(key) = self.index.table(*table).key
        {
            self.condition(Cond::Compare(Expr::Column(key), Op::Eq, Operand::Literal(Literal::Number(n))));
            return;
        }
        if let Some(first) = self.wait.between {
            match first {
                None => {
                    self.wait.between = Some(Some(n));
                }
                Some(low) => self.between(low, n),
            }
            return;
        }
        if self.wait.top.is_some() {
            self.wait.limit = limit(n);
            self.wait.number = Some(n);
            return;
        }
        let superlative_next = matches!(self.ahead(0), Some(Item::Cue(Cue::Superlative(..) | Cue::Frequent(_))));
        if superlative_next {
            self.wait.limit = limit(n);
            return;
        }
        if self.wait.superlative.is_some() && self.wait.compare.is_none() {
            self.wait.limit = limit(n);
            return;
        }
        let until = self.parts.get(self.at + 1).and_then(|p| self.tokens.get(p.start)).map(|t| t.lower.as_str());
        if self.wait.column.is_some()
            && self.wait.compare.is_none()
            && matches!(until, Some("to" | "-" | "through"))
            && matches!(self.ahead(1), Some(Item::Number(_)))
        {
            self.wait.between = Some(Some(n));
            return;
        }
        let compare = self.wait.compare;
        if compare.is_none()
            && matches!(self.ahead(0), Some(Item::Cue(Cue::Or)))
            && matches!(self.ahead(1), Some(Item::Number(_)))
            && matches!(self.ahead(2), Some(Item::Column(c)) if is_measure(self.index, *c))
        {
            self.wait.other = Some(n);
            return;
        }
        if let Some(figure) = self.wait.figure.take() {
            let op = compare.map_or(Op::Eq, |c| c.0);
            self.wait.compare = None;
            self.wait.column = None;
            self.draft.having.push(Cond::Compare(figure, op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if compare.is_some() && matches!(self.ahead(0), Some(Item::Table(_))) {
            self.wait.column = None;
        }
        // "from Bonn city or younger than 40": the age, not the city.
        if let (Some(column), Some((_, Some(quality)))) = (self.wait.column, compare)
            && self.measures(quality, column).is_none()
            && (!is_measure(self.index, column) || quality.is_age())
        {
            self.flush_column();
        }
        // "nominated in festivals in 2007": in that year, no key.
        let in_year = matches!(self.behind(), Some(Item::Cue(Cue::In))) && (1000.0..2200.0).contains(&n);
        if let Some(column) = self.wait.column.filter(|c| in_year && self.index.column(*c).key)
            && let Some(year) = self.year_of(column)
        {
            self.wait.column = Some(year);
        }
        if let Some(column) = self.wait.column.take() {
            let op = compare.map_or(Op::Eq, |c| self.directed(column, c));
            let year = (1000.0..2200.0).contains(&n) && n.fract() == 0.0;
            if year
                && self.is_timed(column)
                && !is_measure(self.index, column)
                && !self.index.column(column).words.has("year")
            {
                self.wait.compare = None;
                self.in_year(column, n, op);
                return;
            }
            self.wait.compare = None;
            self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if let Some((op, quality)) = compare.filter(|c| c.1.is_some())
            && let Some((column, grows)) = self.quality_column(quality)
        {
            let op = if grows { op } else { op.mirrored() };
            self.wait.compare = None;
            self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Number(n))));
            return;
        }
        let next = self.ahead(if behind.is_some() { 1 } else { 0 });
        if matches!(self.phrase().as_str(), "once" | "twice" | "thrice") {
            self.wait.number = Some(n);
            self.times();
            return;
        }
        let named = matches!(next, Some(Item::Column(_) | Item::Table(_)));
        if let Some((op, None)) = compare.filter(|_| !named && self.compares_again())
            && let Some(Condition { cond: Cond::Compare(expr, _, Operand::Literal(Literal::Number(_))), .. }) =
                self.draft.conditions.last()
        {
            let expr = expr.clone();
            self.wait.compare = None;
            self.condition(Cond::Compare(expr, op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if matches!(next, Some(Item::Cue(Cue::Aged | Cue::Times))) {
            self.wait.number = Some(n);
            return;
        }
        let of_next = compare.is_some()
            && matches!(self.ahead(0), Some(Item::Cue(Cue::In | Cue::Of)))
            && matches!(self.ahead(1), Some(Item::Column(c)) if is_measure(self.index, *c));
        if of_next {
            self.wait.number = Some(n);
            return;
        }
        let number_of_next =
            matches!(next, Some(Item::Column(_) | Item::Table(_))) || matches!(next, Some(Item::Cue(Cue::Distinct)));
        if self.mode == Mode::Filter && !number_of_next {
            self.lone_number(n);
            return;
        }
        self.wait.number = Some(n);
        self.wait.lone = compare.is_none();
    }

    /// Whether something is named between a comparison and what is read.
    fn is_apart(&self) -> bool {
        let before = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
        let since: Vec<&Item> = before.take_while(|i| !matches!(i, Item::Cue(Cue::Compare(..)))).collect();
        since.iter().any(|i| matches!(i, Item::Table(_) | Item::Column(_)))
    }

    /// The one column of years of a key's table or of that to which it refers.
    fn year_of(&self, key: ColumnId) -> Option<ColumnId> {
        let referred = self.index.edges.iter().filter(|e| e.on.iter().any(|(from, _)| *from == key)).map(|e| e.to);
        let mut tables = std::iter::once(key.table).chain(referred);
        tables.find_map(|t| {
            let mut years = self.index.columns(t).filter(|c| self.index.column(*c).words.has("year"));
            years.next().filter(|_| years.next().is_none())
        })
    }

    /// A number behind a column that was shown, or a year.
    pub(super) fn lone_number(&mut self, n: f64) {
        let compare = self.wait.compare.take();
        let op = compare.map_or(Op::Eq, |c| c.0);
        let literal = Operand::Literal(Literal::Number(n));
        let year = (1000.0..2200.0).contains(&n) && n.fract() == 0.0;
        let named = |word: &str, c: &ColumnId| self.index.column(*c).words.has(word);
        let shown = self.draft.outputs.iter().filter_map(|o| match o {
            Output::Expr(Expr::Column(c)) => Some(c.table),
            _ => None,
        });
        let tables: Vec<TableId> = self.draft.tables.iter().copied().chain(self.draft.entity).chain(shown).collect();
        let year_column =
            tables.iter().flat_map(|t| self.index.columns(*t)).find(|c| named("year", c)).filter(|_| year);
        // "under 20": of no number of a key, but of an age.
        let measured = |c: &ColumnId| is_measure(self.index, *c) && (op == Op::Eq || !self.index.column(*c).key);
        let old = || match self.quality_column(crate::query::language::cues::quality("old")) {
            Some((column, true)) if !matches!(op, Op::Eq | Op::Ne) => Some(column),
            _ => None,
        };
        let column = year_column.or_else(|| self.last_column.filter(measured)).or_else(old);
        // "more in 2002 than …": the year is no end of a comparison.
        let within = matches!(self.behind(), Some(Item::Cue(Cue::In))) && year_column.is_some();
        let (compare, op) = if within && compare.is_some_and(|c| matches!(c.0, Op::Gt | Op::Lt)) && self.is_apart() {
            self.wait.compare = compare;
            (None, Op::Eq)
        } else {
            (compare, op)
        };
        match column {
            Some(column) => {
                let op = compare.map_or(op, |c| self.directed(column, c));
                self.condition(Cond::Compare(Expr::Column(column), op, literal));
            }
            None if !self.draft.tables.is_empty() && self.wait.figure.is_some() => {
                self.draft.having.push(count_compared(op, literal))
            }
            // "with an enrolment bigger than 2" counts what was named last.
            None if op != Op::Eq && self.last_table.is_some() && self.last_table != self.subject() => {
                self.draft.having.push(count_compared(op, literal));
            }
            None => self.draft.cost += 2.0,
        }
    }

    pub(super) fn between(&mut self, low: f64, high: f64) {
        self.wait.between = None;
        let year = |n: f64| (1000.0..2200.0).contains(&n) && n.fract() == 0.0;
        let dated = self.year_column().filter(|_| year(low) && year(high));
        let behind = match self.ahead(0) {
            Some(Item::Column(c)) if is_measure(self.index, *c) => Some(*c),
            _ => None,
        };
        let column =
            self.wait.column.take().or(behind).or(dated).or(self.last_column.filter(|c| is_measure(self.index, *c)));
        if let Some(Item::Table(table)) = self.ahead(0)
            && self.wait.figure.is_none()
            && self.wait.column.is_none()
        {
            self.note_table(*table);
            self.wait.figure = Some(Expr::Count);
        }
        if let Some(figure) = self.wait.figure.take() {
            self.draft.having.push(Cond::Between(figure, Literal::Number(low), Literal::Number(high)));
        } else if let Some(column) = column {
            self.condition(Cond::Between(Expr::Column(column), Literal::Number(low), Literal::Number(high)));
        } else {
            self.draft.cost += 2.0;
        }
    }
}
