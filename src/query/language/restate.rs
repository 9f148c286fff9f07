//! A logical form in English, so that the operator sees what was understood.

use super::index::{ColumnId, Index, TableId};
use super::logic::{Agg, Cond, Expr, Literal, Op, Operand, Part, Place, Query, SetOp};
use super::write::{bucket_word, literal};

/// What a query answers, as one line of English.
#[must_use]
pub fn restate(index: &Index<'_>, query: &Query) -> String {
    let speaker = Speaker { index };
    let mut text = speaker.query(query);
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    text
}

/// A condition as it is said.
#[must_use]
pub fn condition(index: &Index<'_>, cond: &Cond) -> String {
    Speaker { index }.cond(cond)
}

/// What is shown or grouped by, as it is said.
#[must_use]
pub fn expression(index: &Index<'_>, expr: &Expr) -> String {
    Speaker { index }.expr(expr)
}

struct Speaker<'s, 'a> {
    index: &'s Index<'a>,
}

impl Speaker<'_, '_> {
    fn query(&self, query: &Query) -> String {
        let unique = if query.distinct { "each different " } else { "" };
        let mut text = format!("{unique}{}", self.list(&query.select, ", "));
        let tables: Vec<String> = query.needed().iter().map(|t| self.table(*t)).collect();
        text.push_str(&format!(" from {}", tables.join(", ")));
        for (word, conds) in [(" where ", &query.filter), (" having ", &query.having)] {
            if !conds.is_empty() {
                let said: Vec<String> = conds.iter().map(|c| self.cond(c)).collect();
                text.push_str(&format!("{word}{}", said.join(" and ")));
            }
        }
        if !query.group.is_empty() {
            text.push_str(&format!(", for each {}", self.list(&query.group, " and ")));
        }
        if !query.order.is_empty() {
            let one =
                |(e, down): &(Expr, bool)| format!("{} {}", self.expr(e), if *down { "downward" } else { "upward" });
            let order: Vec<String> = query.order.iter().map(one).collect();
            text.push_str(&format!(", by {}", order.join(", then ")));
        }
        if let Some(limit) = query.limit {
            let by: Vec<String> = query.limit_by.iter().map(|c| self.column(*c)).collect();
            let within = if by.is_empty() { String::new() } else { format!(" of each {}", by.join(" and ")) };
            text.push_str(&match query.skip {
                0 => format!(", the first {limit}{within}"),
                skip => format!(", {limit} after the first {skip}{within}"),
            });
        }
        if let Some((op, second)) = &query.combine {
            let word = match op {
                SetOp::Intersect => "and also among",
                SetOp::Union => "and",
            };
            text.push_str(&format!("; {word}: {}", self.query(second)));
        }
        text
    }

    fn list(&self, exprs: &[Expr], separator: &str) -> String {
        exprs.iter().map(|e| self.expr(e)).collect::<Vec<_>>().join(separator)
    }

    fn table(&self, table: TableId) -> String {
        self.index.table(table).table.name.clone()
    }

    fn column(&self, column: ColumnId) -> String {
        format!("{} of {}", self.index.column(column).column.name, self.table(column.table))
    }

    fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Column(column) => self.column(*column),
            Expr::Count => "the number of rows".to_owned(),
            Expr::Agg(agg, inner) => format!("{} {}", aggregate(*agg), self.expr(inner)),
            Expr::Bucket(bucket, column) => format!("{} of {}", bucket_word(*bucket), self.column(*column)),
            Expr::Step(column, width) => format!("{} in steps of {width}", self.column(*column)),
            Expr::Part(Part::Hour, column) => format!("hour of the day of {}", self.column(*column)),
            Expr::Part(Part::Weekday, column) => format!("day of the week (0 is Sunday) of {}", self.column(*column)),
            Expr::ShareOf(inner) => format!("the share in percent of {}", self.expr(inner)),
            Expr::Running(inner) => format!("the running total of {}", self.expr(inner)),
            Expr::Change(inner) => format!("the change of {} against the one before", self.expr(inner)),
            Expr::ChangePercent(inner) => {
                format!("the change in percent of {} against the one before", self.expr(inner))
            }
            Expr::ShareIf(inner, conds) => {
                let said: Vec<String> = conds.iter().map(|c| self.cond(c)).collect();
                format!("the share in percent of {} of which {}", self.expr(inner), said.join(" and "))
            }
            Expr::Ratio(above, below) => format!("{} by {}", self.expr(above), self.expr(below)),
            Expr::Moving(inner, groups) => format!("the mean of the last {groups} of {}", self.expr(inner)),
            Expr::Elapsed(from, to) => format!("the time from {} to {}", self.column(*from), self.column(*to)),
            Expr::Gap(column) => format!("the time of {} since the row before", self.column(*column)),
            Expr::Metric(_, name, sql) => format!("{name}, which is {sql},"),
        }
    }

    fn cond(&self, cond: &Cond) -> String {
        match cond {
            Cond::Compare(left, op, right) => {
                let right = match right {
                    Operand::Literal(value) => said(value),
                    Operand::Query(query) => format!("({})", self.query(query)),
                    Operand::Column(column) => self.column(*column),
                };
                format!("{} {} {right}", self.expr(left), comparison(*op))
            }
            Cond::Between(left, low, high) => {
                format!("{} is between {} and {}", self.expr(left), said(low), said(high))
            }
            Cond::Like(column, place, text, negated) => {
                let verb = match place {
                    Place::Inside => "contain",
                    Place::Start => "start with",
                    Place::End => "end with",
                };
                let does = if *negated { "does not" } else { "does" };
                format!("{} {does} {verb} '{text}'", self.column(*column))
            }
            Cond::Null(column, null) => {
                format!("{} is {}", self.column(*column), if *null { "unknown" } else { "known" })
            }
            Cond::During(column, from, to) => {
                let bounds = [("from", from, jiff::civil::DateTime::MIN), ("before", to, jiff::civil::DateTime::MAX)];
                let bounds = bounds.iter().filter(|(_, at, open)| *at != open);
                let bounds: Vec<String> =
                    bounds.map(|(word, at, _)| format!("{word} {}", said(&Literal::Time(**at)))).collect();
                format!("{} is {}", self.column(*column), bounds.join(" and "))
            }
            Cond::In(column, query, positive) => {
                let word = if *positive { "is among" } else { "is not among" };
                format!("{} {word} ({})", self.column(*column), self.query(query))
            }
            Cond::Any(conds) => {
                let said: Vec<String> = conds.iter().map(|c| self.cond(c)).collect();
                format!("({})", said.join(" or "))
            }
        }
    }
}

/// A value as it is said: a time without the words of SQL.
fn said(value: &Literal) -> String {
    match value {
        Literal::Time(at) => format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute()),
        Literal::Span(seconds) if *seconds >= 86400.0 => format!("{} days", seconds / 86400.0),
        Literal::Span(seconds) if *seconds >= 3600.0 => format!("{} hours", seconds / 3600.0),
        Literal::Span(seconds) => format!("{seconds} seconds"),
        other => literal(other),
    }
}

fn comparison(op: Op) -> &'static str {
    match op {
        Op::Eq => "is",
        Op::Ne => "is not",
        Op::Lt => "is less than",
        Op::Le => "is at most",
        Op::Gt => "is more than",
        Op::Ge => "is at least",
    }
}

fn aggregate(agg: Agg) -> String {
    match agg {
        Agg::Avg => "the average of".to_owned(),
        Agg::Sum => "the sum of".to_owned(),
        Agg::Min => "the smallest".to_owned(),
        Agg::Max => "the largest".to_owned(),
        Agg::Median => "the median of".to_owned(),
        Agg::Quantile(share) => format!("the {}th percentile of", share * 100.0),
        Agg::Deviation => "the standard deviation of".to_owned(),
        Agg::Distinct => "the number of different".to_owned(),
    }
}
