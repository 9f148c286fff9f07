//! Orders and superlatives: what comes first, and how many of it.

use super::{Mode, Parser, limit};
use crate::query::language::assign::Item;
use crate::query::language::cues::{Cue, Quality};
use crate::query::language::draft::Output;
use crate::query::language::index::{ColumnId, Edge, TableId};
use crate::query::language::link::is_measure;
use crate::query::language::logic::{Agg, Expr, Op};
use crate::query::schema::Kind;

impl Parser<'_, '_> {
    pub(super) fn order_cue(&mut self) {
        self.settle_count();
        self.flush_column();
        self.end_others();
        self.negated_open = false;
        // "in" and "order" are cues of order only where an order follows.
        self.mode = Mode::Order;
        self.wait.owner = false;
        self.wait.each = false;
    }

    pub(super) fn direction(&mut self, down: bool) {
        let phrase = self.phrase();
        let follows = phrase.ends_with(" of")
            || phrase.ends_with(" by")
            || matches!(self.ahead(0), Some(Item::Cue(Cue::Of | Cue::Order | Cue::By | Cue::Alphabetical)))
            || matches!(self.ahead(0), Some(Item::Column(_)) if self.mode != Mode::Order);
        if !follows && let Some(last) = self.draft.order.last_mut() {
            last.1 = down;
            return;
        }
        self.settle_count();
        self.wait.direction = Some(down);
        let figure = match self.draft.outputs.last() {
            Some(Output::CountOf(_)) => Some(Expr::Count),
            Some(Output::Expr(expr)) if expr.is_aggregate() => Some(expr.clone()),
            _ => None,
        };
        if !follows
            && self.mode != Mode::Order
            && let Some(figure) = figure.filter(|_| self.draft.outputs.len() > 1)
        {
            // "the kinds and the number of each in descending order": of the number.
            self.draft.order.push((figure, down));
            self.wait.direction = None;
        } else if follows {
            self.mode = Mode::Order;
        } else if self.mode != Mode::Order
            && let Some(column) =
                self.draft.outputs.iter().find_map(|o| if let Output::Expr(e) = o { Some(e.clone()) } else { None })
        {
            self.draft.order.push((column, down));
            self.wait.direction = None;
        }
    }

    /// "each result and its count, ordered by …": the number asked for is of the rows of what is shown.
    fn settle_count(&mut self) {
        let said = self.mode == Mode::Select && matches!(self.part_before(), Some(Item::Cue(Cue::Count)));
        if !said || !self.wait.count {
            return;
        }
        let shown = self.draft.outputs.iter().find_map(|o| match o {
            Output::Expr(Expr::Column(c)) => Some(c.table),
            _ => None,
        });
        let grouped = self.draft.group.iter().find_map(|e| if let Expr::Column(c) = e { Some(c.table) } else { None });
        if let Some(table) = shown.or(grouped) {
            self.wait.count = false;
            self.count_of(table);
        }
    }

    pub(super) fn alphabetical(&mut self) {
        let early = self.draft.outputs.is_empty();
        if early {
            self.wait.alphabetical = true;
            return;
        }
        self.mode = Mode::Order;
        if matches!(self.ahead(0), Some(Item::Cue(Cue::Of | Cue::By | Cue::Order) | Item::Column(_))) {
            return;
        }
        self.by_letters();
    }

    /// In the order of the letters of what is shown.
    pub(super) fn by_letters(&mut self) {
        if let Some(last) = self.draft.order.last_mut() {
            last.1 = self.wait.direction.take().unwrap_or(last.1);
            return;
        }
        let shown = self.draft.outputs.iter().find_map(|o| match o {
            Output::Expr(Expr::Column(c)) if self.index.kind(*c) == Kind::Text => Some(*c),
            Output::Rows(t) => self.index.table(*t).display.first().copied(),
            _ => None,
        });
        if let Some(column) = shown {
            let down = self.wait.direction.take().unwrap_or(false);
            self.draft.order.push((Expr::Column(column), down));
        }
    }

    pub(super) fn superlative(&mut self, most: bool, quality: Option<Quality>) {
        // "that have least two": at least.
        if self.phrase() == "least"
            && self.wait.number.is_none()
            && matches!(self.ahead(0), Some(Item::Number(_)))
            && !self.draft.outputs.is_empty()
        {
            self.wait.compare = Some((Op::Ge, None));
            return;
        }
        if self.wait.top.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.wait.limit = limit(n);
        }
        if let Some((first, None)) = self.wait.superlative
            && quality.is_none()
            && self.mode == Mode::Select
            && matches!(self.part_before(), Some(Item::Cue(Cue::And)))
        {
            self.wait.superlative = None;
            let extreme = |most: bool| if most { Agg::Max } else { Agg::Min };
            self.wait.aggs.extend([extreme(first), extreme(most)]);
            return;
        }
        // "whose price is lower than the highest price": than the greatest of all rows.
        if self.wait.compare.is_some()
            && self.wait.number.is_none()
            && quality.is_none()
            && self.wait.column.is_some_and(|c| is_measure(self.index, c))
            && match (self.ahead(0), self.ahead(1)) {
                (Some(Item::Column(c)), _) => is_measure(self.index, *c),
                (Some(Item::Table(t)), Some(Item::Column(c))) => c.table == *t && is_measure(self.index, *c),
                _ => false,
            }
        {
            self.aggregate(if most { Agg::Max } else { Agg::Min });
            return;
        }
        // "the average and largest age" is two figures.
        let grows = match (quality, self.ahead(0)) {
            (None, _) => Some(true),
            (Some(q), Some(Item::Column(c))) => {
                q.measured_by(&self.index.column(*c).words.stems).map(|(_, grows)| grows)
            }
            _ => None,
        };
        if !self.wait.aggs.is_empty()
            && let Some(grows) = grows
            && self.mode == Mode::Select
            && matches!(self.part_before(), Some(Item::Cue(Cue::And)))
        {
            self.wait.aggs.push(if most == grows { Agg::Max } else { Agg::Min });
            return;
        }
        // "the most number of", "most orders": whether rows are counted is seen at the next word.
        let phrase = self.phrase();
        self.wait.counted = phrase.contains("number of") || phrase.contains("amount of");
        self.wait.attached =
            matches!(self.behind(), Some(Item::Cue(Cue::With | Cue::Have | Cue::Relative | Cue::Whose)));
        self.superlative_word = Some(self.phrase());
        self.wait.superlative = Some((most, quality));
        self.draft.within |= self.wait.each;
        if quality.is_some() {
            self.quality_order();
        }
    }

    /// `oldest`: the column is known once the table is.
    pub(super) fn quality_order(&mut self) {
        let next_column =
            matches!(self.ahead(0), Some(Item::Column(c)) if is_measure(self.index, *c) || self.is_timed(*c));
        let next_table = if let Some(Item::Table(table)) = self.ahead(0) { Some(*table) } else { None };
        if next_column {
            return;
        }
        let Some((most, quality)) = self.wait.superlative else { return };
        let tables: Vec<TableId> = next_table.into_iter().chain(self.last_table).chain(self.draft.entity).collect();
        if let Some((column, grows)) = self.quality_in(quality, &tables) {
            self.order_by(Expr::Column(column), most == grows);
            self.wait.superlative = None;
        }
    }

    pub(super) fn quality_column(&self, quality: Option<Quality>) -> Option<(ColumnId, bool)> {
        let tables: Vec<TableId> = self.last_table.into_iter().chain(self.draft.entity).collect();
        self.quality_in(quality, &tables).or_else(|| self.quality_near(quality?, &tables))
    }

    /// A comparison as it reads on a column's own scale: what is slower takes longer, what is older is dated before.
    pub(super) fn directed(&mut self, column: ColumnId, (op, quality): (Op, Option<Quality>)) -> Op {
        let Some(quality) = quality else { return op };
        let measured = quality.measured_by(&self.index.column(column).words.stems);
        let dated = quality.is_age() && self.index.kind(column).is_time();
        match measured {
            Some((_, false)) => op.mirrored(),
            None if dated => op.mirrored(),
            Some((_, true)) => op,
            None => {
                // Whether the column grows or shrinks with a speed is not known.
                self.draft.cost += if quality.is_speed() { 2.0 } else { 0.0 };
                op
            }
        }
    }

    /// Members are as old as the people they are: a quality of what a table that only joins refers to.
    pub(super) fn quality_near(&self, quality: Quality, tables: &[TableId]) -> Option<(ColumnId, bool)> {
        let bridge = |t: TableId| self.index.table(t).bridge;
        // A candidate is one of the people: a row of the one refers to a row of the other.
        let same = |e: &&Edge| bridge(e.from) || matches!(e.on.as_slice(), [(from, _)] if self.index.is_unique(*from));
        let next =
            tables.iter().flat_map(|t| self.index.edges.iter().filter(|e| e.from == *t).filter(same)).map(|e| e.to);
        let found = next.flat_map(|t| self.index.columns(t)).filter_map(|c| self.measures(quality, c));
        found.min_by_key(|(rank, column, _)| (*rank, column.at)).map(|(_, column, grows)| (column, grows))
    }

    /// How well a column measures a quality, and whether it grows with it.
    pub(super) fn measures(&self, quality: Quality, column: ColumnId) -> Option<(usize, ColumnId, bool)> {
        let kind = self.index.kind(column);
        let info = self.index.column(column);
        let fits = is_measure(self.index, column)
            // A point in time says nothing of how long something took.
            || kind.is_time() && !(quality.is_speed() || quality.is_length())
            || kind == Kind::Time
            || kind == Kind::Text
                && info.words.stems.iter().any(|s| s == "birth" || s == "date" || s == "time" || s == "year");
        let found = quality.measured_by(&info.words.stems).filter(|_| fits && !info.key);
        // The most recent is so by whatever dates it.
        let found = found.or((quality.is_recency() && kind == Kind::Timestamp).then_some((50, true)));
        found.map(|(rank, grows)| (rank, column, grows))
    }

    /// The column of these tables, else of any that is named, that measures a quality.
    pub(super) fn quality_in(&self, quality: Option<Quality>, tables: &[TableId]) -> Option<(ColumnId, bool)> {
        let quality = quality?;
        let named = self.parts.iter().filter_map(|p| match &p.item {
            Item::Table(table) => Some(*table),
            Item::Column(column) => Some(column.table),
            _ => None,
        });
        let all: Vec<TableId> = tables.iter().copied().chain(named).collect();
        let mut seen = Vec::new();
        for table in all {
            if seen.contains(&table) {
                continue;
            }
            seen.push(table);
            let best = self
                .index
                .columns(table)
                .filter_map(|c| self.measures(quality, c))
                .min_by_key(|(rank, column, _)| (*rank, column.at));
            if let Some((_, column, grows)) = best {
                return Some((column, grows));
            }
        }
        None
    }

    pub(super) fn frequent(&mut self, most: bool) {
        if self.wait.top.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.wait.limit = limit(n);
        }
        self.wait.frequent = Some(most);
        let next = self.ahead(0);
        if !matches!(next, Some(Item::Column(_) | Item::Table(_))) {
            // "which … is the most common": of what was named.
            self.order_by(Expr::Count, most);
            self.wait.frequent = None;
        }
    }

    pub(super) fn order_by(&mut self, expr: Expr, down: bool) {
        self.draft.order.push((expr, down));
        let limit = self.wait.limit.take().or(Some(1));
        if self.draft.limit.is_none() {
            self.draft.limit = limit;
        }
    }

    pub(super) fn superlative_table(&mut self, table: TableId, most: bool, quality: Option<Quality>) {
        self.wait.superlative = None;
        self.wait.count = false;
        let counted = std::mem::take(&mut self.wait.counted);
        let shown = self.draft.outputs.iter().any(|o| matches!(o, Output::Expr(Expr::Column(c)) if c.table == table));
        let other = self.draft.entity.is_some_and(|entity| entity != table) || !self.draft.outputs.is_empty() && !shown;
        let near = || self.quality_near(quality?, &[table]);
        if let Some((column, grows)) = self.quality_in(quality, &[table]).or_else(near) {
            if self.draft.outputs.is_empty() {
                self.show_rows(table, false);
            }
            self.note_table(table);
            self.order_by(Expr::Column(column), most == grows);
            return;
        }
        let attached = std::mem::take(&mut self.wait.attached);
        let phrase = self.superlative_word.take().unwrap_or_default();
        let sized = ["highest", "tallest", "largest", "biggest", "greatest", "lowest", "smallest"]
            .iter()
            .any(|w| phrase.ends_with(w));
        let by_size = if sized && !counted {
            let mut sizes = ["large", "high"]
                .iter()
                .filter_map(|w| self.quality_in(crate::query::language::cues::quality(w), &[table]));
            sizes.find(|(c, _)| c.table == table)
        } else {
            None
        };
        if let Some((column, grows)) = by_size.filter(|_| other) {
            self.note_table(table);
            self.order_by(Expr::Column(column), most == grows);
            return;
        }
        if other || counted || attached && quality.is_none() && !self.draft.outputs.is_empty() {
            // "the longest song" is not the one that has most of something.
            self.draft.cost += if quality.is_some() { 2.0 } else { 0.0 };
            self.note_table(table);
            self.order_by(self.number_of(table), most);
            return;
        }
        // "the largest city": by what measures the size of a row.
        let size = ["largest", "tallest"].iter().find_map(|word| {
            let Some(Cue::Superlative(_, _)) = crate::query::language::cues::of(word) else { return None };
            let quality = crate::query::language::cues::quality(if *word == "largest" { "large" } else { "tall" });
            self.quality_in(quality, &[table])
        });
        self.show_rows(table, false);
        match size {
            Some((column, grows)) => self.order_by(Expr::Column(column), most == grows),
            None => {
                self.draft.cost += 1.0;
                self.order_by(Expr::Count, most);
            }
        }
    }

    pub(super) fn top_limit(&mut self, top: bool) {
        if let Some(n) = self.wait.number.take() {
            self.draft.limit = limit(n);
        }
        self.top = Some(top);
    }

    pub(super) fn superlative_column(&mut self, column: ColumnId, most: bool, measure: bool) {
        let counted = std::mem::take(&mut self.wait.counted);
        let figure = self.figures(column).into_iter().next();
        let attached = std::mem::take(&mut self.wait.attached);
        let asked =
            self.draft.outputs.is_empty() && self.wait.limit.is_none() && self.draft.limit.is_none() && !attached;
        if asked && self.mode == Mode::Select && measure && !self.draft.within {
            let agg = if most { Agg::Max } else { Agg::Min };
            self.draft.outputs.push(Output::Expr(Expr::Agg(agg, Box::new(Expr::Column(column)))));
            return;
        }
        let reference = self.index.column(column).key && !measure && figure.is_none() && !self.draft.outputs.is_empty();
        if counted && !measure || reference {
            self.note_table(column.table);
            self.order_by(Expr::Count, most);
            return;
        }
        if self.mode == Mode::Select
            && !self.draft.outputs.is_empty()
            && self.wait.and
            && measure
            && self.draft.outputs.iter().any(|o| matches!(o, Output::Expr(e) if e.is_aggregate()))
        {
            let agg = if most { Agg::Max } else { Agg::Min };
            self.draft.outputs.push(Output::Expr(Expr::Agg(agg, Box::new(Expr::Column(column)))));
            return;
        }
        // "the three most costly procedures": the rows are asked for.
        let of_rows = self.adjacent() && matches!(self.ahead(0), Some(Item::Table(t)) if *t == column.table);
        if self.draft.outputs.is_empty() && self.draft.entity.is_none() && !of_rows {
            self.draft.outputs.push(Output::Expr(Expr::Column(column)));
        }
        let countable =
            !measure && figure.is_none() && !self.index.kind(column).is_time() && self.index.kind(column) == Kind::Text;
        if countable && !self.draft.outputs.is_empty() {
            self.note_table(column.table);
            self.draft.cost += 0.4;
        }
        let expr = figure.unwrap_or(Expr::Column(column));
        self.order_by(if countable { Expr::Count } else { expr }, most);
    }
}
