//! What still waits at the end of a question.

use super::{Mode, Parser};
use crate::query::language::assign::Item;
use crate::query::language::draft::Output;
use crate::query::language::index::ColumnId;
use crate::query::language::link::is_measure;
use crate::query::language::logic::{Agg, Expr};

impl Parser<'_, '_> {
    /// What still waits at the end.
    pub(super) fn finish(&mut self) {
        self.flush_column();
        self.end_others();
        if let Some((quality, at)) = self.wait.measure.take() {
            match self.quality_column(Some(quality)) {
                Some((column, _)) => {
                    let figures = self.figures(column);
                    let shown = figures.into_iter().next().unwrap_or(Expr::Column(column));
                    self.draft.outputs.retain(|o| !matches!(o, Output::Rows(_)));
                    let shown = Output::Expr(shown);
                    let there = |o: &Output| match o {
                        Output::Expr(Expr::Agg(_, inner)) => **inner == Expr::Column(column),
                        other => *other == shown,
                    };
                    if !self.draft.outputs.iter().any(there) {
                        self.draft.outputs.insert(at.min(self.draft.outputs.len()), shown);
                    }
                }
                None => self.draft.cost += 2.0,
            }
        }
        if self.wait.rows
            && let Some(table) = self.draft.entity.or(self.draft.tables.first().copied())
        {
            self.draft.outputs.retain(|o| !matches!(o, Output::Rows(_)));
            self.draft.outputs.insert(0, Output::CountOf(table));
        }
        if self.wait.aggs == [Agg::Sum]
            && let Some(Output::Expr(shown @ Expr::Column(_))) = self.draft.outputs.last_mut()
            && matches!(shown, Expr::Column(c) if is_measure(self.index, *c))
        {
            self.wait.aggs.clear();
            *shown = Expr::Agg(Agg::Sum, Box::new(shown.clone()));
        }
        if let Some((most, _)) = self.wait.superlative
            && self.draft.order.is_empty()
            && let Some(column) = self.last_column.filter(|c| !self.wait.counted || self.counts(*c))
            && (self.holds_times(column) || is_measure(self.index, column))
            && !self.index.column(column).key
        {
            self.wait.superlative = None;
            self.order_by(Expr::Column(column), most);
            let said = Output::Expr(Expr::Column(column));
            if self.draft.outputs.len() > 1 && self.draft.outputs.last() == Some(&said) {
                self.draft.outputs.pop();
            }
        }
        if let Some((most, None)) = self.wait.superlative
            && self.draft.order.is_empty()
            && self.draft.tables.len() > 1
            && self.wait.aggs.is_empty()
        {
            self.wait.superlative = None;
            self.order_by(Expr::Count, most);
        }
        // "the top 3 expensive rooms".
        if let (Some(top), Some(_), true) = (self.top, self.draft.limit, self.draft.order.is_empty()) {
            let quality = self.tokens.iter().find_map(|t| crate::query::language::cues::quality(&t.lower));
            if let Some((column, grows)) = quality.and_then(|q| self.quality_column(Some(q))) {
                let most = quality.is_some_and(|q| !q.low) == top;
                self.draft.order.push((Expr::Column(column), most == grows));
            }
        }
        if self.wait.alphabetical {
            self.by_letters();
        }
        self.settle_order();
        let subject = self.subject();
        self.draft.several = self.parts.iter().any(|p| {
            let last = p.end.checked_sub(1).and_then(|at| self.tokens.get(at));
            matches!(p.item, Item::Table(t) if Some(t) == subject) && last.is_some_and(|t| t.lower.ends_with('s'))
        });
        let draft = &mut self.draft;
        if self.wait.count {
            let held = draft.conditions.iter().find_map(|c| {
                let mut columns = Vec::new();
                c.cond.columns(&mut columns);
                columns.first().map(|c| c.table)
            });
            if let Some(table) = draft.entity.or(draft.tables.first().copied()).or(held)
                && !draft.outputs.iter().any(|o| matches!(o, Output::CountOf(_)))
            {
                draft.outputs.retain(|o| !matches!(o, Output::Rows(_)));
                draft.outputs.push(Output::CountOf(table));
            }
        }
        draft.cost += f64::from(u8::from(self.wait.superlative.is_some()));
        draft.cost += f64::from(u8::from(self.wait.compare.is_some())) * 1.5;
        draft.cost += f64::from(u8::from(self.wait.number.is_some())) * 1.5;
        draft.cost += f64::from(u8::from(!self.wait.aggs.is_empty())) * 1.0;
        draft.cost += f64::from(u8::from(self.wait.figure.is_some())) * 1.0;
        draft.cost += f64::from(u8::from(self.wait.negated)) * 2.0;
        draft.cost += f64::from(u8::from(self.wait.contains.is_some())) * 2.0;
        draft.cost += f64::from(u8::from(self.wait.between.is_some())) * 2.0;
        // "and how many of each": of each row that is shown.
        if self.wait.each && !draft.outputs.iter().any(|o| matches!(o, Output::CountOf(_))) {
            draft.cost += 0.5;
        }
        if draft.limit.is_some() && draft.order.is_empty() {
            draft.cost += 0.3;
        }
        if let Some(place) = self.asked_place {
            self.answer_where(place);
        }
    }

    /// An order by what is counted or by what is shown first, where nothing else was named.
    pub(super) fn settle_order(&mut self) {
        if self.mode == Mode::Order && self.draft.order.is_empty() && std::mem::take(&mut self.wait.count) {
            let down = self.wait.direction.take().unwrap_or(false);
            self.draft.order.push((Expr::Count, down));
        }
        if self.mode == Mode::Order
            && self.draft.order.is_empty()
            && let Some(down) = self.wait.direction.take()
            && let Some(Output::Expr(shown)) = self.draft.outputs.first()
        {
            self.draft.order.push((shown.clone(), down));
        }
        if self.mode == Mode::Order && std::mem::take(&mut self.wait.count) {
            let down = self.wait.direction.take().unwrap_or(false);
            self.draft.order.push((Expr::Count, down));
        }
    }

    /// `where is …`, `when was …`: the place or time of what is asked about.
    pub(super) fn answer_where(&mut self, place: bool) {
        let Some(table) = self.draft.entity else { return };
        if !self.draft.outputs.iter().all(|o| matches!(o, Output::Rows(_))) {
            return;
        }
        let words: &[&str] = if place {
            &["location", "address", "city", "place", "venue", "state", "country"]
        } else {
            &["date", "time", "year", "day"]
        };
        let rank = |c: &ColumnId| {
            let info = self.index.column(*c);
            let kind = self.index.kind(*c);
            let named =
                words.iter().position(|w| info.words.has(w)).or((!place && kind.is_time()).then_some(words.len()))?;
            let said = info.words.stems.iter().filter(|s| self.tokens.iter().any(|t| t.stem == **s)).count();
            Some((usize::MAX - said, named, c.at))
        };
        let found = self.index.columns(table).filter(|c| rank(c).is_some()).min_by_key(rank);
        match found {
            Some(column) => self.draft.outputs = vec![Output::Expr(Expr::Column(column))],
            None => self.draft.cost += 2.0,
        }
    }
}
