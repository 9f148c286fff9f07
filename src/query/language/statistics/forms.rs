//! Questions of a form of their own: distributions, rates, runs, kinds set beside each other.

use super::{Reader, State};
use crate::query::language::index::ColumnId;
use crate::query::language::logic::{Agg, Bucket, Cond, Expr, Literal, Op, Query};
use crate::query::language::write::{bucket_word, quote};
use crate::query::schema::Kind;

impl Reader<'_, '_, '_> {
    /// "404s and 500s by day": one figure for each that is named.
    pub(super) fn each_named(&self, s: &State, query: &mut Query, column: ColumnId) {
        let equal = |c: &Cond| matches!(c, Cond::Compare(Expr::Column(c), Op::Eq, _) if *c == column);
        let named = |c: &Cond| matches!(c, Cond::Any(all) if all.len() > 1 && all.iter().all(equal));
        let class = |c: &Cond| matches!(c, Cond::Between(Expr::Column(c), Literal::Number(low), Literal::Number(high)) if *c == column && high - low == 99.0);
        let classes = |c: &Cond| matches!(c, Cond::Any(all) if all.len() > 1 && all.iter().all(class));
        let ranked = s.ranked.is_some() || !query.order.is_empty() || s.limit.is_some();
        let further = s.share || s.change.is_some() || s.moving.is_some() || s.running || s.mean || s.compare;
        // "4xx and 5xx": by the first digit.
        let classes = query.filter.iter().any(classes);
        let group = if classes { Expr::Step(column, 100.0) } else { Expr::Column(column) };
        if (classes || query.filter.iter().any(named)) && !ranked && !further && !query.group.contains(&group) {
            query.group.push(group);
        }
    }

    /// The distribution of numbers by steps of equal width, of other values by each of them.
    pub(super) fn spread(&self, s: &mut State) {
        s.left += usize::from(s.agg.is_some() || !s.figures.is_empty() || s.count || !s.query.order.is_empty());
        for column in std::mem::take(&mut s.shown) {
            let group = if self.measure(column) { self.steps(column) } else { Some(Expr::Column(column)) };
            s.left += usize::from(group.is_none());
            s.query.group.extend(group);
        }
        s.left += usize::from(s.query.group.is_empty());
        s.figures.push(Expr::Count);
    }

    /// Between ten and some twenty steps over the values of a column.
    pub(super) fn steps(&self, column: ColumnId) -> Option<Expr> {
        let info = self.index.column(column).column;
        let bound = |text: &Option<String>| text.as_ref()?.parse::<f64>().ok();
        let range = bound(&info.max)? - bound(&info.min)?;
        let whole = info.kind == Kind::Integer;
        if !range.is_finite() || range <= 0.0 {
            return None;
        }
        let power = 10_f64.powf((range / 10.0).log10().floor());
        let width = [5.0, 2.0, 1.0].iter().map(|n| n * power).find(|width| range / width >= 10.0).unwrap_or(power);
        Some(Expr::Step(column, if whole { width.max(1.0) } else { width }))
    }

    /// "requests per second per hour": a rate in each hour.
    pub(super) fn rates(&self, s: &mut State) {
        let buckets: Vec<(usize, Bucket)> = s
            .query
            .group
            .iter()
            .enumerate()
            .filter_map(|(at, e)| if let Expr::Bucket(bucket, _) = e { Some((at, *bucket)) } else { None })
            .collect();
        // A mean over seconds that have rows is none over all seconds.
        s.left += usize::from(s.agg == Some(Agg::Avg) && buckets.iter().any(|(_, b)| *b == Bucket::Second));
        let [(at, unit), (_, coarse)] = buckets.as_slice() else { return };
        let spans = unit.seconds().zip(coarse.seconds()).filter(|(fine, coarse)| fine < coarse);
        match (spans, s.figures.as_slice()) {
            (Some((fine, coarse)), [] | [Expr::Count]) => {
                s.query.group.remove(*at);
                let name = format!("per_{}", bucket_word(*unit));
                let sql = format!("count(*) / {}.0", coarse / fine);
                s.figures = vec![Expr::Metric(self.log.table, name, sql)];
            }
            _ => s.left += 1,
        }
    }

    /// "which user ran the most queries": statements that are counted by a column were run that often.
    pub(super) fn runs(&self, s: &mut State) {
        let ran =
            |t: &super::Token| matches!(t.lower.as_str(), "ran" | "run" | "runs" | "executed" | "executes" | "issued");
        if s.ranked.is_none() || !s.query.order.is_empty() || !(s.figures.is_empty() || s.figures == [Expr::Count]) {
            return;
        }
        let calls = self.index.columns(self.log.table).find(|c| self.index.column(*c).column.name == "calls");
        if let Some(calls) = calls.filter(|_| self.tokens.iter().any(ran)) {
            s.figures = vec![Expr::Agg(Agg::Sum, Box::new(Expr::Column(calls)))];
        }
    }

    /// "how many addresses made more than 300 requests": those among the groups.
    pub(super) fn count_groups(&self, query: &mut Query) {
        let [Expr::Agg(Agg::Distinct, of)] = query.select.as_slice() else { return };
        let Expr::Column(column) = of.as_ref() else { return };
        if !query.group.is_empty() || query.having.is_empty() {
            return;
        }
        let inner = Query {
            select: vec![Expr::Column(*column)],
            tables: vec![self.log.table],
            filter: query.filter.clone(),
            group: vec![Expr::Column(*column)],
            having: std::mem::take(&mut query.having),
            ..Query::default()
        };
        query.filter = vec![Cond::In(*column, Box::new(inner), true)];
    }

    /// Figures of bytes in a larger unit.
    pub(super) fn scaled(&self, s: &mut State, bytes: f64, name: &str) {
        if let ([one], true) = (s.shown.as_slice(), s.figures.is_empty())
            && Some(*one) == self.log.size
        {
            s.figures.push(Expr::Agg(Agg::Sum, Box::new(Expr::Column(*one))));
            s.shown.clear();
        }
        let [figure @ Expr::Agg(agg, of)] = s.figures.as_slice() else {
            s.left += 1;
            return;
        };
        let (Expr::Column(column), true) = (of.as_ref(), matches!(agg, Agg::Sum | Agg::Avg | Agg::Min | Agg::Max))
        else {
            s.left += 1;
            return;
        };
        let words = &self.index.column(*column).words;
        s.left += usize::from(Some(*column) != self.log.size || ["kb", "mb", "gb"].iter().any(|w| words.has(w)));
        let agg = match agg {
            Agg::Avg => "avg",
            Agg::Min => "min",
            Agg::Max => "max",
            _ => "sum",
        };
        let sql = format!("{agg}({}) / {bytes:.1}", quote(&self.index.column(*column).column.name));
        let scaled = Expr::Metric(self.log.table, name.to_owned(), sql);
        for (expr, _) in s.query.order.iter_mut().filter(|(e, _)| e == figure) {
            *expr = scaled.clone();
        }
        s.figures = vec![scaled];
    }

    /// `compare web1 and web2`, `today against yesterday`: a group of each.
    pub(super) fn compare(&self, s: &mut State) {
        let equal = |c: &Cond| match c {
            Cond::Compare(Expr::Column(column), Op::Eq, _) => Some(*column),
            _ => None,
        };
        let days = |c: &Cond| match c {
            Cond::During(time, from, to) if *from > jiff::civil::DateTime::MIN && *to < jiff::civil::DateTime::MAX => {
                Some((*time, (to.date() - from.date()).get_days()))
            }
            _ => None,
        };
        let group = s.query.filter.iter().find_map(|cond| {
            let Cond::Any(all) = cond else { return None };
            let column = all.iter().map(equal).collect::<Option<Vec<ColumnId>>>().and_then(|c| c.first().copied());
            let spans = all.iter().map(days).collect::<Option<Vec<(ColumnId, i32)>>>();
            let bucket = spans.and_then(|spans| match spans.as_slice() {
                [(time, 1), (_, 1)] => Some(Expr::Bucket(Bucket::Day, *time)),
                [(time, 7), (_, 7)] => Some(Expr::Bucket(Bucket::Week, *time)),
                [(time, 28..=31), (_, 28..=31)] => Some(Expr::Bucket(Bucket::Month, *time)),
                _ => None,
            });
            column.map(Expr::Column).or(bucket)
        });
        // "compare the models".
        let shown = match s.shown.as_slice() {
            [one] if self.repeats(*one) && s.figures.is_empty() => Some(Expr::Column(*one)),
            _ => None,
        };
        let all = group.is_none() && shown.is_some();
        match group.or(shown) {
            Some(group) => {
                if all {
                    s.shown.clear();
                }
                if s.figures.is_empty() {
                    s.figures.push(Expr::Count);
                    // Nothing is named by which they are compared: what they took and how much of them failed as well.
                    if !s.count && !s.rows {
                        let mean = |c| Expr::Agg(Agg::Avg, Box::new(Expr::Column(c)));
                        s.figures.extend(self.log.duration.map(mean));
                        let rate = |sql| Expr::Metric(self.log.table, "error_rate".to_owned(), sql);
                        s.figures.extend(self.log.rate(self.index, false).map(rate));
                    }
                }
                if !s.query.group.contains(&group) {
                    s.query.group.push(group);
                }
            }
            None => s.left += usize::from(s.query.group.is_empty()),
        }
    }
}
