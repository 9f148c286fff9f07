//! The query of all that was said, or none where something waits for what it belongs to.

use super::{Reader, State};
use crate::query::language::cues::{self, Cue};
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Agg, Bucket, Cond, Expr, Literal, Operand, Query};
use crate::query::language::operations::Status;
use crate::query::schema::Kind;

/// Verbs that tell what became of rows, or of which kind they are.
const VERBS: &[&str] = &[
    "failed",
    "fail",
    "fails",
    "succeeded",
    "succeed",
    "succeeds",
    "are",
    "is",
    "were",
    "was",
    "returned",
    "return",
    "returns",
    "got",
    "took",
    "take",
    "takes",
    "came",
    "come",
    "comes",
    "ended",
    "end",
    "ends",
    "had",
    "have",
    "has",
    "used",
    "use",
    "uses",
];

impl Reader<'_, '_, '_> {
    pub(super) fn finish(&self, mut s: State) -> Option<Query> {
        let table = self.log.table;
        self.settle(&mut s);
        s.left += [
            s.count && !s.rows && s.query.group.is_empty(),
            s.agg.is_some(),
            s.op.is_some(),
            s.like.is_some(),
            s.between.is_some(),
            s.not,
        ]
        .iter()
        .filter(|waits| **waits)
        .count();
        s.left += usize::from(s.number.is_some() && s.limit.is_none()) + usize::from(s.column.is_some());
        s.left += usize::from(s.most.is_some())
            + usize::from(s.frequent.is_some())
            + usize::from(s.each && s.shown.is_empty() && s.query.group.is_empty());
        // "when were the most errors": in which stretch of time is not said.
        s.left += usize::from(s.when && s.ranked.is_some());
        if s.when && s.figures.is_empty() && s.shown.is_empty() {
            s.shown.extend(self.log.time);
        }
        let mut query = std::mem::take(&mut s.query);
        query.entity = Some(table);
        query.tables = vec![table];
        if s.change.is_some() && !query.group.iter().any(|e| matches!(e, Expr::Bucket(..))) {
            since_before(&mut query);
        }
        // "errors this week versus last week by path": the weeks of each path beside each other.
        if s.change == Some(false) && query.group.len() + s.shown.len() > 1 {
            let told = |t: &super::Token| matches!(t.stem.as_str(), "chang" | "grow" | "growth" | "differ" | "increas");
            s.left += usize::from(self.tokens.iter().any(told));
            s.change = None;
        }
        if query.distinct && !query.group.is_empty() && s.figures.is_empty() {
            query.distinct = false;
            match s.shown.as_slice() {
                [one] => s.figures.push(Expr::Agg(Agg::Distinct, Box::new(Expr::Column(*one)))),
                _ => s.left += 1,
            }
            s.shown.clear();
        }
        let mut named = std::mem::take(&mut s.named_values);
        named.sort_unstable();
        named.dedup();
        if query.group.is_empty() {
            // "requests by web1 and web2": whether they are grouped by what is said last is not clear.
            s.left += usize::from(named.len() > 1 && self.tokens.iter().any(|t| t.lower == "by"));
        } else {
            named.iter().for_each(|column| self.each_named(&s, &mut query, *column));
        }
        let part = self.part(&mut s, &mut query);
        if s.moving.is_some() && query.group.is_empty() {
            query.group.extend(self.log.time.map(|t| Expr::Bucket(Bucket::Day, t)));
        }
        let series = query.group.iter().any(|e| matches!(e, Expr::Bucket(..) | Expr::Part(..)));
        // What is shown beside a figure of groups, or ranked by its rows, is what groups are made by.
        let ranks = s.ranked.is_some() && query.order.is_empty();
        // "the top 5 hosts per day" are no 5 of all days.
        let bucketed = |q: &Query| q.group.iter().any(|e| matches!(e, Expr::Bucket(..) | Expr::Part(..)));
        s.left += usize::from(ranks && s.limit.is_some() && bucketed(&query) && query.group.len() + s.shown.len() > 1);
        let aggregate_order = query.order.iter().any(|(e, _)| e.is_aggregate());
        if (s.having.is_some() || ranks || aggregate_order || !s.figures.is_empty()) && !query.distinct {
            for column in s.shown.drain(..) {
                if self.measure(column) && !s.figures.is_empty() {
                    s.left += 1;
                }
                let group = Expr::Column(column);
                if !query.group.contains(&group) {
                    query.group.push(group);
                }
            }
        }
        if s.figures.is_empty()
            && (s.share || s.running || s.moving.is_some() || s.change.is_some() || series)
            && query.order.is_empty()
        {
            s.figures.push(Expr::Count);
        }
        if s.count && s.figures.is_empty() {
            s.figures.push(Expr::Count);
        }
        if !query.group.is_empty() && s.figures.is_empty() && !ranks && !aggregate_order && s.having.is_none() {
            s.figures.push(Expr::Count);
        }
        query.having.extend(
            s.having.take().map(|(figure, op, n)| Cond::Compare(figure, op, Operand::Literal(Literal::Number(n)))),
        );
        if ranks {
            let figure = s.figures.first().cloned().unwrap_or(Expr::Count);
            query.order.push((figure, s.ranked.unwrap_or(true)));
            query.order.extend(query.group.first().map(|e| (e.clone(), false)));
            query.limit = s.limit;
        }
        query.limit = query.limit.or(s.limit);
        if let Some(within) = s.within {
            query.limit_by = vec![within];
            s.shown.retain(|c| *c != within);
            let whole = Expr::Column(within);
            if ranks {
                query.group.retain(|e| *e != whole);
                query.order.retain(|(e, _)| *e != whole);
                query.group.insert(0, whole);
            } else {
                query.select.push(whole);
            }
        }
        query.skip = s.skip;
        s.left += usize::from(s.skip > 0 && (query.limit != Some(1) || query.order.is_empty() || s.within.is_some()));
        query.select.extend(query.group.iter().cloned());
        let shown = if s.shown.is_empty() && s.figures.is_empty() && query.group.is_empty() {
            // What ranks rows is shown beside them.
            let mut shown = self.log.shown.clone();
            let ranks = query.order.iter().filter_map(|(e, _)| if let Expr::Column(c) = e { Some(*c) } else { None });
            let further: Vec<ColumnId> = ranks.filter(|c| !shown.contains(c)).collect();
            shown.extend(further);
            shown
        } else {
            std::mem::take(&mut s.shown)
        };
        for column in shown {
            if !query.select.contains(&Expr::Column(column)) {
                query.select.push(Expr::Column(column));
            }
        }
        query.select.extend(self.log.time.filter(|_| s.gap).map(Expr::Gap));
        let single = s.figures.len() == 1;
        s.left += usize::from(!single && (s.moving.is_some() || !part.is_empty()));
        for figure in std::mem::take(&mut s.figures) {
            let figure = if !part.is_empty() {
                Expr::ShareIf(Box::new(figure), part.clone())
            } else if let Some(groups) = s.moving {
                Expr::Moving(Box::new(figure), groups)
            } else if s.share && !query.group.is_empty() {
                Expr::ShareOf(Box::new(figure))
            } else if s.running {
                Expr::Running(Box::new(figure))
            } else {
                figure
            };
            query.select.push(figure.clone());
            if let Some(percent) = s.change.filter(|_| single) {
                query.select.push(if percent {
                    Expr::ChangePercent(Box::new(figure))
                } else {
                    Expr::Change(Box::new(figure))
                });
            }
        }
        if s.change.is_some() && !series {
            return None;
        }
        self.count_groups(&mut query);
        // "clients who purchased a laptop": each once, however often.
        let elsewhere = |e: &Expr| matches!(e, Expr::Column(c) if c.table != table);
        query.distinct |= query.group.is_empty() && query.order.is_empty() && query.select.iter().all(elsewhere);
        let figure = query.select.iter().any(Expr::is_aggregate);
        let loose = query.select.iter().any(|e| !e.is_aggregate()) && query.group.is_empty();
        let counted = figure || aggregate_order || ranks || !query.having.is_empty();
        let loose_in = |e: &Expr| matches!(e, Expr::Column(_)) && !query.group.contains(e);
        if !query.group.is_empty() && query.select.iter().any(loose_in) {
            return None;
        }
        // A figure of all rows has no order.
        if figure && query.group.is_empty() && !query.order.is_empty() {
            return None;
        }
        if counted && loose || !query.having.is_empty() && query.group.is_empty() {
            return None;
        }
        if let Some(from) = s.none {
            let column = query.select.iter().find_map(|e| if let Expr::Column(c) = e { Some(*c) } else { None })?;
            let mut filter = query.filter.split_off(from.min(query.filter.len()));
            if filter.is_empty() {
                return None;
            }
            if column.table == table && self.index.column(column).column.nullable {
                filter.push(Cond::Null(column, false));
            }
            let mut keys = (column, column);
            // Rows of another table: also those that nothing refers to.
            if column.table != table {
                let edge = self.index.edges.iter().find(|e| e.from == table && e.to == column.table)?;
                let (own, key) = edge.on.first().filter(|_| edge.on.len() == 1)?;
                keys = (*key, *own);
                let mut used = Vec::new();
                query.filter.iter().for_each(|c| c.columns(&mut used));
                if used.iter().any(|c| c.table != column.table) {
                    return None;
                }
                (query.entity, query.tables) = (Some(column.table), vec![column.table]);
                if self.index.column(*own).column.nullable {
                    filter.push(Cond::Null(*own, false));
                }
            }
            let inner = Query { select: vec![Expr::Column(keys.1)], tables: vec![table], filter, ..Query::default() };
            query.filter.push(Cond::In(keys.0, Box::new(inner), false));
            query.distinct = true;
        }
        self.apart(&s, &mut query)?;
        if query.order.is_empty() {
            query.order.extend(
                query
                    .group
                    .iter()
                    .filter(|e| matches!(e, Expr::Bucket(..) | Expr::Part(..) | Expr::Step(..)))
                    .map(|e| (e.clone(), false)),
            );
        }
        if query.select.is_empty() || query.limit.is_some() && query.order.is_empty() {
            return None;
        }
        let null = |e: &Expr| match e {
            Expr::Column(c) if self.index.kind(*c) == Kind::Text && self.index.column(*c).column.nullable => {
                Some(Cond::Null(*c, false))
            }
            _ => None,
        };
        let known: Vec<Cond> = query.group.iter().filter_map(null).collect();
        query.filter.extend(known);
        // Nothing is slow or warm by its name.
        let named = match query.order.first().filter(|_| query.limit.is_some()) {
            Some((Expr::Column(c), _)) if self.index.kind(*c) == Kind::Text => Some(&self.index.column(*c).words.stems),
            _ => None,
        };
        let not_measured = |t: &super::Token| match (cues::of(&t.lower), named) {
            (Some(Cue::Superlative(_, Some(quality))), Some(stems)) => quality.measured_by(stems).is_none(),
            _ => false,
        };
        (s.left == 0 && !self.tokens.iter().any(not_measured)).then_some(query)
    }

    /// What still waits when all is said finds its place.
    fn settle(&self, s: &mut State) {
        if s.fresh && s.shown.is_empty() {
            s.shown.extend(s.named);
        }
        if s.spread {
            self.spread(s);
        }
        // "status codes by path": how many of each.
        if let ([one], true) = (s.shown.as_slice(), s.figures.is_empty() && !s.query.group.is_empty())
            && let Some(Status::Http(c) | Status::Word(c, ..) | Status::Priority(c) | Status::Flag(c, _)) =
                &self.log.status
            && one == c
            && !s.query.group.contains(&Expr::Column(*c))
        {
            s.shown.clear();
            s.query.group.push(Expr::Column(*c));
        }
        self.rates(s);
        self.runs(s);
        s.left += usize::from(s.order && s.query.order.is_empty());
        s.left += usize::from(s.top.is_some() && s.ranked.is_none() && s.query.order.is_empty());
        if let Some((elapsed, asked)) = s.elapsed.take() {
            s.left += usize::from(!asked);
            s.figures.push(Expr::Agg(Agg::Avg, Box::new(elapsed)));
        }
        // What has happened has a time at which it did.
        if let Some(event) = s.event.take().filter(|e| Some(*e) != self.log.time) {
            s.query.filter.push(Cond::Null(event, false));
            s.rows = true;
        }
        // How many of each of the top there are is shown with them.
        if !self.log.plain && s.top.is_some() && s.ranked.is_some() && s.figures.is_empty() && s.query.order.is_empty()
        {
            s.figures.push(Expr::Count);
        }
        // "the most common error": by the column that tells it.
        if let (Some(most), true, [filter]) = (s.frequent, s.shown.is_empty(), s.query.filter.as_slice())
            && self.log.condition(&["error"]).as_ref() == Some(filter)
            && let Some(column) = self.log.told
        {
            s.frequent = None;
            s.query.group.push(Expr::Column(column));
            s.figures.push(Expr::Count);
            s.ranked = Some(most);
            s.limit = s.limit.or((!self.tokens.iter().any(|t| t.lower == "errors")).then_some(1));
        }
        // "which addresses hit /login most".
        if let (Some((most, None)), [_], true) = (s.most, s.shown.as_slice(), s.query.order.is_empty())
            && s.figures.is_empty()
            && s.agg.is_none()
            && s.rows
            && self
                .tokens
                .iter()
                .rev()
                .find(|t| t.is_word())
                .is_some_and(|t| matches!(t.lower.as_str(), "most" | "least"))
        {
            (s.most, s.ranked) = (None, Some(most));
            s.limit = s.limit.or(Some(1));
        }
        if s.gap {
            s.left += usize::from(self.log.time.is_none() || !s.figures.is_empty() || !s.query.group.is_empty());
            let most = s.most.take().map(|m| m.0).or(s.agg.take().map(|agg| agg != Agg::Min));
            if let (Some(time), Some(most)) = (self.log.time, most) {
                s.query.order = vec![(Expr::Gap(time), most)];
                s.limit = s.limit.or(Some(1));
                s.shown = vec![time];
            } else {
                s.left += 1;
            }
        }
        // "traffic by day" adds it up, "response time by method" is a mean.
        if let ([one], true) = (s.shown.as_slice(), s.figures.is_empty() && (s.compare || !s.query.group.is_empty()))
            && self.measure(*one)
            && (self.adds_up(*one) || Some(*one) == self.log.duration || s.change.is_none())
            && s.query.order.is_empty()
        {
            // What neither adds up nor takes time, as memory in use, is told by its mean.
            let agg = if self.adds_up(*one) { self.usual(*one) } else { Agg::Avg };
            s.figures.push(Expr::Agg(agg, Box::new(Expr::Column(*one))));
            s.shown.clear();
        }
        // "the 5 slowest paths" are 5 paths, slow by the mean of their rows.
        if let ([one], [(Expr::Column(by), _)]) = (s.shown.as_slice(), s.query.order.as_slice())
            && Some(*by) == self.log.duration
            && self.repeats(*one)
            && s.query.group.is_empty()
            && s.within.is_none()
            && !s.rows
            && self.tokens.iter().any(|t| {
                matches!(t.lower.as_str(), "worst" | "slow")
                    || matches!(cues::of(&t.lower), Some(Cue::Superlative(_, Some(_))))
            })
        {
            let mean = Expr::Agg(Agg::Avg, Box::new(Expr::Column(*by)));
            let several = self.is_said_of_several(*one);
            s.limit = s.limit.filter(|n| *n > 1 || !several);
            s.figures.push(mean.clone());
            s.query.order.iter_mut().for_each(|(e, _)| *e = mean.clone());
        }
        if let Some((bytes, name)) = s.scale.take() {
            self.scaled(s, bytes, name);
        }
        if s.none.is_some() && s.shown.is_empty() && s.figures.is_empty() {
            s.shown.extend(s.named);
        }
        let counted = s.figures == [Expr::Count];
        if s.agg == Some(Agg::Avg) && counted && s.query.group.len() + s.shown.len() == 1 {
            (s.agg, s.mean) = (None, true);
        }
        if s.mean {
            let shown = std::mem::take(&mut s.shown).into_iter().map(Expr::Column);
            s.query.group.extend(shown);
            match (s.query.group.pop(), s.query.group.is_empty() && counted && s.ranked.is_none()) {
                (Some(group), true) => {
                    let groups = Expr::Agg(Agg::Distinct, Box::new(group));
                    s.figures = vec![Expr::Ratio(Box::new(Expr::Count), Box::new(groups))];
                }
                _ => s.left += 1,
            }
        }
        if s.compare {
            self.compare(s);
        }
    }

    /// The conditions of the part whose share is asked for.
    fn part(&self, s: &mut State, query: &mut Query) -> Vec<Cond> {
        let Some((from, base)) = s.shared else { return Vec::new() };
        // "the ratio of GET to POST" is no share of both.
        let two = query.filter.iter().any(|c| matches!(c, Cond::Any(_)));
        s.left += usize::from(two && self.tokens.iter().any(|t| t.lower == "ratio"));
        let time = |c: &Cond| matches!(c, Cond::During(..));
        let base = base.unwrap_or(from);
        let after: Vec<Cond> = query.filter.split_off(base.min(query.filter.len()));
        let places = s.places.iter().copied().skip(base).chain(std::iter::repeat(usize::MAX));
        let (times, after): (Vec<_>, Vec<_>) = after.into_iter().zip(places).partition(|(cond, _)| time(cond));
        let times: Vec<Cond> = times.into_iter().map(|(cond, _)| cond).collect();
        if !after.is_empty() {
            query.filter.extend(times);
            return self.predicate(s, query, after);
        }
        // "the share of failed requests" is one of all; "per host" leaves open whether of the host's or of the failed.
        let before: Vec<Cond> = query.filter.split_off(from.min(query.filter.len()));
        let (own, before): (Vec<Cond>, Vec<Cond>) = before.into_iter().partition(time);
        query.filter.extend(own);
        query.filter.extend(times);
        let grouped = !query.group.is_empty() || !s.shown.is_empty();
        if !grouped {
            s.left += usize::from(before.is_empty());
            return before;
        }
        let has = |t: &super::Token| matches!(t.lower.as_str(), "does" | "do" | "did" | "has" | "have");
        s.left += usize::from(!before.is_empty() && !self.tokens.iter().any(has));
        query.filter.extend(before);
        Vec::new()
    }

    /// Of conditions behind what a share is asked of, with their places, those that are said of the part: "what percent of
    /// requests to /login failed on web2" is asked of those to /login on web2.
    fn predicate(&self, s: &mut State, query: &mut Query, conds: Vec<(Cond, usize)>) -> Vec<Cond> {
        let plain = |conds: Vec<(Cond, usize)>| conds.into_iter().map(|(cond, _)| cond).collect();
        if conds.len() == 1 {
            return plain(conds);
        }
        let text = |at: usize| self.tokens.get(at).map_or("", |t| t.lower.as_str());
        let verb = |at: &usize| VERBS.contains(&text(*at));
        let share =
            |at: &usize| matches!(text(*at), "share" | "percent" | "percentage" | "proportion" | "fraction" | "%");
        let begin = (0..self.tokens.len()).find(share).unwrap_or(0);
        let mut verbs = (begin..self.tokens.len()).filter(verb);
        let Some(first) = verbs.next() else { return plain(conds) };
        s.left += usize::from(verbs.next().is_some());
        let deed = matches!(text(first), "failed" | "fail" | "fails" | "succeeded" | "succeed" | "succeeds");
        let mut part = Vec::new();
        for (cond, at) in conds {
            if at < first {
                query.filter.push(cond);
            } else if part.is_empty() || at.checked_sub(1).is_some_and(|b| text(b) == "and") {
                part.push(cond);
            } else if deed && at.checked_sub(1).is_some_and(|b| matches!(text(b), "on" | "at" | "in" | "from" | "for"))
            {
                query.filter.push(cond);
            } else {
                s.left += 1;
            }
        }
        s.left += usize::from(part.is_empty());
        part
    }

    /// Values of the one column shown by all of their rows: those that have no other, or none before.
    fn apart(&self, s: &State, query: &mut Query) -> Option<()> {
        let column = match query.select.as_slice() {
            [Expr::Column(column)] => Some(*column),
            _ => None,
        };
        let inner = |filter: Vec<Cond>| {
            let column = column?;
            let mut filter = filter;
            if self.index.column(column).column.nullable {
                filter.push(Cond::Null(column, false));
            }
            let select = vec![Expr::Column(column)];
            Some(Query { select, tables: vec![self.log.table], filter, ..Query::default() })
        };
        if let Some(from) = s.only {
            let only = query.filter.split_off(from.min(query.filter.len()));
            let [cond @ Cond::Compare(..)] = only.as_slice() else { return None };
            let other = inner(vec![super::negated(cond.clone())])?;
            query.filter.push(Cond::In(column?, Box::new(other), false));
            query.distinct = true;
        }
        if s.fresh {
            let mut times = query.filter.iter().filter_map(|c| match c {
                Cond::During(time, from, _) if *from > jiff::civil::DateTime::MIN => Some((*time, *from)),
                _ => None,
            });
            let (time, from) = times.next()?;
            if times.next().is_some() {
                return None;
            }
            let before = inner(vec![Cond::During(time, jiff::civil::DateTime::MIN, from)])?;
            query.filter.push(Cond::In(column?, Box::new(before), false));
            query.distinct = true;
        }
        // "which units logged an error" names each once.
        let repeats = column.is_some_and(|c| self.repeats(c));
        query.distinct |=
            s.which && repeats && query.group.is_empty() && query.order.is_empty() && query.limit.is_none();
        Some(())
    }
}

/// `this week compared to last week`: a series of the stretch named and the one before.
fn since_before(query: &mut Query) {
    let Some(Cond::During(time, from, to)) = query.filter.iter_mut().find(|c| matches!(c, Cond::During(..))) else {
        return;
    };
    let days = (to.date() - from.date()).get_days();
    let (bucket, span) = match days {
        1 => (Bucket::Day, jiff::Span::new().days(1)),
        7 => (Bucket::Week, jiff::Span::new().days(7)),
        28..=31 => (Bucket::Month, jiff::Span::new().months(1)),
        _ => return,
    };
    if let Ok(before) = from.checked_sub(span) {
        *from = before;
        let series = Expr::Bucket(bucket, *time);
        query.group.push(series);
    }
}
