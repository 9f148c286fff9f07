//! Columns and rows said: what becomes a figure, a group, a rank or what is shown.

use super::{Reader, State, Token, Word, limit};
use crate::query::language::cues::{Cue, Quality};
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Agg, Cond, Expr, Literal, Op, Operand};
use crate::query::language::words::stem;
use crate::query::language::write::{quote, quote_text};
use crate::query::schema::Kind;

impl Reader<'_, '_, '_> {
    pub(super) fn rows(&self, s: &mut State, column: Option<ColumnId>, words: &[Word], at: usize) {
        let and = |place: Option<usize>| matches!(place.and_then(|p| words.get(p)), Some(Word::Cue(Cue::And)));
        if let Some(column) = column {
            let figured = s.agg.is_some() && !s.count && self.measure(column);
            let compared = figured || s.op.is_some() && s.number.is_some() && self.measure(column);
            let listed = !s.count && s.most.is_none() && (and(at.checked_sub(1)) || and(Some(at + 1)));
            if compared || listed || s.frequent.is_some() {
                return self.take_column(s, column, words, at);
            }
        }
        s.named = column;
        // "the most called query" is a row.
        if let Some([Word::Cue(Cue::Superlative(most, _)), Word::Column(by)]) =
            at.checked_sub(2).and_then(|from| words.get(from..at))
            && matches!(s.figures.last(), Some(Expr::Agg(Agg::Max | Agg::Min, of)) if **of == Expr::Column(*by))
        {
            s.figures.pop();
            s.query.order.push((Expr::Column(*by), *most));
            let several = |t: &super::Token| t.lower.ends_with('s') && self.log.rows.contains(&t.stem.as_str());
            s.limit = s.limit.or((!self.tokens.iter().any(several)).then_some(1));
            s.rows = true;
            return;
        }
        // "distinct errors" of a table of errors are those of their column; rows differ anyway.
        if s.distinct && column.is_some_and(|c| !self.log.shown.starts_with(&[c])) {
            return column.map_or((), |column| self.take_column(s, column, words, at));
        }
        s.left += usize::from(std::mem::take(&mut s.distinct));
        if let (Some(op), Some(n), false) = (s.op, s.number, s.unit > 0.0) {
            (s.op, s.number) = (None, None);
            s.having = Some((Expr::Count, op, n));
            return;
        }
        if s.number == Some(0.0) {
            s.number = None;
            let returned = self
                .index
                .columns(self.log.table)
                .find(|c| self.measure(*c) && self.index.column(*c).words.has("rows"));
            match returned {
                Some(column) => {
                    self.push(s, Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Number(0.0))));
                }
                None if s.shown.len() == 1 && !s.count => s.none = Some(s.query.filter.len()),
                None => s.left += 1,
            }
            return;
        }
        // "top 2 errors" of a table of errors, "the top 3 messages of each unit", "the share of each error": by their column.
        if let Some(column) = column
            && (s.top.is_some()
                && s.number.is_some()
                && (!self.log.shown.starts_with(&[column]) || matches!(words.get(at + 1), Some(Word::Cue(Cue::Each))))
                || s.each && s.share)
        {
            return self.take_column(s, column, words, at);
        }
        // "the average number of requests", "average requests per hour".
        let series = matches!(words.get(at + 1), Some(Word::Series(_)));
        if (s.count || series && s.figures.is_empty()) && s.agg == Some(Agg::Avg) {
            (s.count, s.agg, s.mean) = (false, None, true);
            s.figures.push(Expr::Count);
            s.rows = true;
            return;
        }
        // "the total of orders": of what they amount to.
        if s.agg == Some(Agg::Sum)
            && !s.count
            && let Some(amount) = self.amount()
        {
            s.agg = None;
            let figure = Expr::Agg(Agg::Sum, Box::new(Expr::Column(amount)));
            if std::mem::take(&mut s.by) {
                s.query.order.push((figure.clone(), s.ranked.take().unwrap_or(true)));
            }
            s.figures.push(figure);
            s.rows = true;
            return;
        }
        if s.share && s.figures.is_empty() {
            self.base(s);
        }
        if std::mem::take(&mut s.count) || s.share || s.running || s.moving.is_some() {
            s.figures.push(Expr::Count);
            s.rows = true;
            return;
        }
        if s.most.is_some_and(|m| m.1.is_none()) {
            // "most requests": of the groups.
            let most = s.most.take().is_some_and(|m| m.0);
            s.ranked = Some(most);
            self.limit_ranked(s);
            return;
        }
        s.limit = s.number.take().and_then(limit).or(s.limit);
        if s.each {
            // "the average bytes per request": each row is one.
            let means = !s.figures.is_empty() && s.figures.iter().all(|f| matches!(f, Expr::Agg(Agg::Avg, _)));
            s.left += usize::from(!means);
            s.each = !means;
        }
        s.rows = true;
    }

    pub(super) fn superlative(&self, s: &mut State, words: &[Word], at: usize) {
        let Some((most, Some(quality))) = s.most else { return };
        let next = words.get(at + 1);
        if matches!(next, Some(Word::Gap | Word::Elapsed(..))) {
            return;
        }
        if matches!(next, Some(Word::Column(c)) if self.measure(*c))
            || matches!(next, Some(Word::Cue(Cue::Agg(_)))) && words.len() > at + 2
        {
            return;
        }
        let stems = |c: ColumnId| self.index.column(c).words.stems.clone();
        let duration = self
            .log
            .duration
            .or(self.log.size)
            .and_then(|c| quality.measured_by(&stems(c)).map(|(_, grows)| (c, grows)));
        if let Some((column, grows)) = duration {
            s.most = None;
            s.query.order.push((Expr::Column(column), most == grows));
            // "the slowest requests" are all in their order.
            let rows = |t: &super::Token| t.lower.ends_with('s') && self.log.rows.contains(&t.stem.as_str());
            let several = s.shown.is_empty() && matches!(next, Some(Word::Rows(_))) && self.tokens.iter().any(rows);
            s.limit = s.limit.or((!several).then_some(1));
        }
    }

    /// What a row amounts to, as in `orders over 150`.
    pub(super) fn amount(&self) -> Option<ColumnId> {
        let named = |word: &&str| {
            let own = |c: &ColumnId| self.measure(*c) && self.index.column(*c).own_words() == [*word];
            self.index.columns(self.log.table).find(own)
        };
        ["total", "amount", "price"].iter().find_map(named)
    }

    /// What rows amount to where the question calls it so, and the data nothing: `revenue`.
    pub(super) fn earned(&self, token: &Token) -> Option<Word> {
        let money =
            matches!(token.lower.as_str(), "revenue" | "revenues" | "turnover" | "sales" | "income" | "earnings");
        let called =
            || !self.index.named(&token.stem).is_empty() || self.index.metrics.contains_key(&[token.stem.clone()][..]);
        if !money || called() {
            return None;
        }
        self.amount().map(Word::Amount)
    }

    /// The share of rows in a state that is stored, `refund rate` where some are `refunded`.
    pub(super) fn rate_of(&self, phrase: &[Token]) -> Option<Word> {
        let [state, rate] = phrase else { return None };
        if !state.is_word() || !matches!(rate.lower.as_str(), "rate" | "percentage" | "ratio") {
            return None;
        }
        let told = |c: &ColumnId| {
            let words = &self.index.column(*c).words;
            self.index.kind(*c) == Kind::Text && ["status", "state", "result", "outcome"].iter().any(|w| words.has(w))
        };
        let column = self.index.columns(self.log.table).find(told)?;
        let values = &self.index.column(column).column.values;
        let mut found = values.iter().filter(|v| stem(&v.to_lowercase()) == state.stem);
        let value = found.next().filter(|_| found.next().is_none())?;
        let name = quote(&self.index.column(column).column.name);
        let sql = format!("100.0 * count(*) FILTER (WHERE {name} = {}) / count(*)", quote_text(value));
        Some(Word::Rate(format!("{}_{}", state.lower, rate.lower), sql))
    }

    /// How long a row lasts that has no such number, by its begin and its end: `session length`.
    pub(super) fn lasts(&self, lower: &str) -> Option<Word> {
        let words: Vec<&str> = lower.split(' ').collect();
        let own = &self.index.table(self.log.table).words.stems;
        let said = match words.as_slice() {
            [last] => Some(*last),
            [rows, last] if own.as_slice() == [stem(rows)] => Some(*last),
            _ => None,
        };
        if self.log.duration.is_some() || !matches!(said, Some("length" | "duration")) {
            return None;
        }
        let to = ["ended", "finished", "closed", "completed", "stopped"].iter().find_map(|w| self.log.event(w))?;
        let from = self.log.time.filter(|from| *from != to)?;
        Some(Word::Elapsed(from, to, false))
    }

    /// Whether the question asks for what rows amount to, for the rate of a state of theirs or how long they last.
    #[must_use]
    pub fn asks_for_figures(&self) -> bool {
        self.tokens.iter().any(|t| self.earned(t).is_some() || self.lasts(&t.lower).is_some())
            || self.tokens.windows(2).any(|pair| self.rate_of(pair).is_some())
    }

    /// The whole of a share is named: what follows is said of the part.
    fn base(&self, s: &mut State) {
        s.shared = s.shared.map(|(from, base)| (from, base.or(Some(s.query.filter.len()))));
    }

    /// The time from one column to another.
    pub(super) fn elapsed(&self, s: &mut State, from: ColumnId, to: ColumnId, asked: bool) {
        let elapsed = Expr::Elapsed(from, to);
        (s.event, s.column) = (None, None);
        if let (Some(op), Some(n)) = (s.op, s.number)
            && s.unit > 0.0
        {
            (s.op, s.number) = (None, None);
            let span = Operand::Literal(Literal::Span(n * s.unit / 1000.0));
            return self.push(s, Cond::Compare(elapsed, op, span));
        }
        match (s.most.take(), s.agg.take()) {
            (Some((most, quality)), None) => {
                // The slowest takes longest; a team is slow by the mean of what it does.
                let down = if quality.is_some_and(Quality::is_speed) { !most } else { most };
                let groups = matches!(s.shown.as_slice(), [one] if (one.table != self.log.table || !self.index.is_unique(*one)) && !self.measure(*one));
                let elapsed = if groups { Expr::Agg(Agg::Avg, Box::new(elapsed)) } else { elapsed };
                s.query.order.push((elapsed, down));
                s.limit = s.limit.or(Some(1));
                self.push(s, Cond::Null(to, false));
            }
            (None, Some(agg)) => {
                for agg in std::iter::once(agg).chain(std::mem::take(&mut s.aggs)) {
                    s.figures.push(Expr::Agg(agg, Box::new(elapsed.clone())));
                }
            }
            (None, None) => s.elapsed = Some((elapsed, asked)),
            (Some(_), Some(_)) => s.left += 1,
        }
    }

    /// The figure of many values where none is named: what took time has a mean, all else a sum.
    pub(super) fn usual(&self, column: ColumnId) -> Agg {
        if Some(column) == self.log.duration && !self.adds_up(column) { Agg::Avg } else { Agg::Sum }
    }

    /// Whether several rows have the same value, which is no figure and not what a row is shown by.
    pub(super) fn repeats(&self, column: ColumnId) -> bool {
        let named = !self.measure(column) && !self.index.kind(column).is_time();
        named && !self.index.is_unique(column) && !self.log.shown.starts_with(&[column])
    }

    /// Whether a column's values add up, as bytes and calls do.
    pub(super) fn adds_up(&self, column: ColumnId) -> bool {
        let words = &self.index.column(column).words;
        let mean = [
            "mean", "max", "min", "avg", "average", "percent", "pct", "rate", "ratio", "memory", "used", "free", "load",
        ];
        ["bytes", "size", "total", "calls", "rows", "count", "amount"].iter().any(|w| words.has(w))
            && !mean.iter().any(|w| words.has(w))
    }

    /// A comparison by a quality as it reads on the scale of the column that measures it: what is slower takes longer,
    /// what is older is dated before.
    pub(super) fn compared_by(&self, s: &mut State, op: Op, quality: Quality, next: Option<&Word>) -> Op {
        if quality.is_age() || quality.is_recency() {
            s.left += usize::from(!matches!(next, Some(Word::Date(_))));
            return if quality.is_age() { op.mirrored() } else { op };
        }
        let measured = |c: ColumnId| {
            let found = quality.measured_by(&self.index.column(c).words.stems).filter(|_| self.measure(c));
            found.map(|(rank, grows)| (rank, c, grows))
        };
        let told = s.column.or(self.log.duration).and_then(measured);
        let found =
            told.or_else(|| self.index.columns(self.log.table).filter_map(measured).min_by_key(|(rank, ..)| *rank));
        match found {
            Some((_, column, grows)) => {
                s.column = Some(column);
                if grows { op } else { op.mirrored() }
            }
            None => {
                s.left += 1;
                op
            }
        }
    }

    pub(super) fn take_column(&self, s: &mut State, column: ColumnId, words: &[Word], at: usize) {
        let next = words.get(at + 1);
        let measure = self.measure(column);
        // A comparison is over where a group begins.
        if let (Some(op), Some(n), false) = (s.op, s.number, s.each || s.by) {
            (s.op, s.number) = (None, None);
            let literal = Operand::Literal(Literal::Number(n));
            // "users from more than 3 addresses": so many different ones of each.
            if self.index.kind(column) == Kind::Text && !self.index.is_numeric_text(column) {
                s.left += usize::from(s.shown.is_empty() || s.having.is_some());
                s.having = Some((Expr::Agg(Agg::Distinct, Box::new(Expr::Column(column))), op, n));
                return;
            }
            self.push(s, Cond::Compare(Expr::Column(column), op, literal));
            return;
        }
        if s.query.order.is_empty() && s.most.is_none() && s.agg.is_none() && s.number == Some(0.0) && measure {
            s.number = None;
            self.push(s, Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Number(0.0))));
            return;
        }
        if let Some(most) = s.frequent.take() {
            s.query.group.push(Expr::Column(column));
            s.figures.push(Expr::Count);
            s.ranked = Some(most);
            s.limit = s.limit.or((!self.is_said_of_several(column)).then_some(1));
            return;
        }
        if let Some((most, _)) = s.most.take() {
            let figure = s.agg.take().map(|agg| Expr::Agg(agg, Box::new(Expr::Column(column))));
            let alone = !s.when && s.shown.is_empty() && !s.rows && s.query.group.is_empty() && s.limit.is_none();
            if alone && figure.is_none() {
                // "worst paths": names have no worst.
                s.left += usize::from(self.index.kind(column) == Kind::Text && !self.index.is_numeric_text(column));
                let agg = if most { Agg::Max } else { Agg::Min };
                s.figures.push(Expr::Agg(agg, Box::new(Expr::Column(column))));
                return;
            }
            let groups = matches!(s.shown.as_slice(), [one] if !self.log.shown.starts_with(&[*one]) && !self.measure(*one) && !self.index.is_unique(*one));
            let whole = (groups && self.adds_up(column)).then(|| Expr::Agg(Agg::Sum, Box::new(Expr::Column(column))));
            s.query.order.push((figure.or(whole).unwrap_or(Expr::Column(column)), most));
            s.limit = s.limit.or(Some(1));
            return;
        }
        if let Some(agg) = s.agg {
            // A moment has no mean and no sum: what took time is meant.
            let column = match agg {
                Agg::Min | Agg::Max | Agg::Distinct => column,
                _ if self.index.kind(column).is_time() => {
                    let time = self.index.column(column).words.words == ["time"];
                    s.left += usize::from(self.log.duration.is_none() || !time);
                    self.log.duration.unwrap_or(column)
                }
                _ => column,
            };
            let listed = matches!(next, Some(Word::Cue(Cue::And)))
                && matches!(words.get(at + 2), Some(Word::Column(c)) if self.measure(*c))
                || matches!(next, Some(Word::Column(c)) if self.measure(*c));
            if !listed {
                s.agg = None;
            }
            s.left += usize::from(
                self.index.kind(column) == Kind::Text && !matches!(agg, Agg::Min | Agg::Max | Agg::Distinct),
            );
            let figure = Expr::Agg(agg, Box::new(Expr::Column(column)));
            if !listed && !s.aggs.is_empty() {
                s.figures.push(figure);
                let further = std::mem::take(&mut s.aggs).into_iter();
                s.figures.extend(further.map(|agg| Expr::Agg(agg, Box::new(Expr::Column(column)))));
                s.left += usize::from(s.by || s.order);
                return;
            }
            let by = std::mem::take(&mut s.by);
            if by || s.order {
                s.query.order.push((figure, s.ranked.unwrap_or(true)));
            } else {
                s.figures.push(figure);
            }
            return;
        }
        if std::mem::take(&mut s.by) {
            self.ranked_by(s, column, measure);
            return;
        }
        // "the average rows per call": all rows by all calls.
        if s.each && measure && self.adds_up(column) {
            s.each = false;
            match s.figures.as_slice() {
                [Expr::Agg(Agg::Avg | Agg::Sum, of)] => {
                    let sum = |of: &Expr| Box::new(Expr::Agg(Agg::Sum, Box::new(of.clone())));
                    s.figures = vec![Expr::Ratio(sum(of), sum(&Expr::Column(column)))];
                }
                _ => s.left += 1,
            }
            return;
        }
        if s.each {
            s.each = false;
            let ranked = s.ranked.is_some() && s.limit.is_some() && s.query.order.is_empty();
            let several = !s.shown.is_empty() || !s.query.group.is_empty();
            if s.query.order.iter().any(|(e, _)| !e.is_aggregate()) || ranked && several {
                s.within = Some(column);
            } else {
                s.query.group.push(Expr::Column(column));
            }
            return;
        }
        if s.order {
            s.query.order.push((Expr::Column(column), s.ranked.take().unwrap_or(false)));
            return;
        }
        let follows = matches!(
            next,
            Some(Word::Text(_) | Word::Cue(Cue::Compare(..) | Cue::Between | Cue::Contains(_) | Cue::Not | Cue::Named))
        ) || matches!(next, Some(Word::Value(c, _)) if *c == column)
            || matches!(next, Some(Word::Number(_))) && self.index.kind(column).is_number();
        // "how many addresses made more than 300 requests": rows of each are compared.
        let rows_compared = s.count
            && matches!(next, Some(Word::Cue(Cue::Compare(..))))
            && matches!(words.get(at + 3), Some(Word::Rows(_) | Word::Cond(_)));
        if follows
            && !rows_compared
            && (s.rows
                || s.count
                || s.when
                || !s.figures.is_empty()
                || !s.shown.is_empty()
                || !s.query.filter.is_empty())
        {
            s.column = Some(column);
            return;
        }
        if std::mem::take(&mut s.count) {
            let distinct = std::mem::take(&mut s.distinct);
            s.figures.push(if measure && !distinct {
                Expr::Agg(Agg::Sum, Box::new(Expr::Column(column)))
            } else {
                Expr::Agg(Agg::Distinct, Box::new(Expr::Column(column)))
            });
            return;
        }
        if s.share && measure && s.figures.is_empty() {
            self.base(s);
            s.figures.push(Expr::Agg(Agg::Sum, Box::new(Expr::Column(column))));
            return;
        }
        if let Some(top) = s.top.filter(|_| s.number.is_some()) {
            s.limit = s.number.take().and_then(limit);
            s.ranked = Some(top);
            s.shown.push(column);
            return;
        }
        if let Some(top) = s.top.filter(|_| s.shown.is_empty() && !measure && !self.log.shown.starts_with(&[column])) {
            s.ranked = Some(top);
            // "the top path per host" is one.
            if !self.is_said_of_several(column) && matches!(next, None | Some(Word::Cue(Cue::Each | Cue::By))) {
                s.limit = Some(1);
            }
        }
        if std::mem::take(&mut s.distinct) {
            s.query.distinct = true;
        }
        if !s.shown.contains(&column) {
            s.shown.push(column);
        }
    }

    /// `top 5 clients by bytes`: the figure that ranks groups, or the column that ranks rows.
    fn ranked_by(&self, s: &mut State, column: ColumnId, measure: bool) {
        let grouped =
            s.shown.len() == 1 && s.shown.iter().all(|c| !self.measure(*c) && !self.log.shown.starts_with(&[*c]));
        let down = s.ranked.take().unwrap_or(true);
        if s.shown.is_empty() && !s.query.group.is_empty() && measure {
            let figure = Expr::Agg(self.usual(column), Box::new(Expr::Column(column)));
            s.figures.push(figure.clone());
            s.query.order.push((figure, down));
        } else if grouped && measure {
            let group: Vec<Expr> = s.shown.drain(..).map(Expr::Column).collect();
            s.query.group.extend(group);
            let figure = Expr::Agg(self.usual(column), Box::new(Expr::Column(column)));
            s.figures.push(figure.clone());
            s.query.order.push((figure, down));
        } else {
            if s.shown.is_empty() && s.rows {
                s.shown.clone_from(&self.log.shown);
            }
            s.query.order.push((Expr::Column(column), down));
            if !s.shown.contains(&column) {
                s.shown.push(column);
            }
        }
        s.top = None;
    }
}
