//! The logical form of a question: what SQL is written from, and restated in English.

use jiff::civil::DateTime;

use super::index::{ColumnId, TableId};

/// A function over the rows of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Agg {
    /// The mean.
    Avg,
    /// The sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The middle value.
    Median,
    /// The value under which a share lies, 0 to 1.
    Quantile(f64),
    /// The standard deviation of a sample.
    Deviation,
    /// The number of distinct values.
    Distinct,
}

/// A piece of the calendar by which rows are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// One second.
    Second,
    /// Sixty seconds.
    Minute,
    /// Sixty minutes.
    Hour,
    /// Midnight to midnight.
    Day,
    /// Seven days from the first day of the week.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months.
    Quarter,
    /// A calendar year.
    Year,
}

/// A part of a time that repeats, `hour of day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// 0 to 23.
    Hour,
    /// 0, Sunday, to 6.
    Weekday,
}

/// What is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column.
    Column(ColumnId),
    /// The number of rows.
    Count,
    /// A function over a column or expression.
    Agg(Agg, Box<Expr>),
    /// A column's times cut to a piece of the calendar.
    Bucket(Bucket, ColumnId),
    /// A part of a column's times.
    Part(Part, ColumnId),
    /// A column's numbers cut to steps of this width.
    Step(ColumnId, f64),
    /// A figure and its share in percent of the whole.
    ShareOf(Box<Expr>),
    /// A figure added up over the groups in their order.
    Running(Box<Expr>),
    /// A figure less that of the group before.
    Change(Box<Expr>),
    /// A figure against that of the group before, in percent.
    ChangePercent(Box<Expr>),
    /// The operator's own figure.
    Metric(TableId, String, String),
    /// The part in percent of a figure that rows with these conditions have.
    ShareIf(Box<Expr>, Vec<Cond>),
    /// One figure divided by another.
    Ratio(Box<Expr>, Box<Expr>),
    /// A figure's mean over so many groups, up to each.
    Moving(Box<Expr>, u32),
    /// The time between two columns, the earlier first.
    Elapsed(ColumnId, ColumnId),
    /// The time since the row before.
    Gap(ColumnId),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

impl Op {
    /// As SQL writes it.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// The comparison as it reads from the other end of the scale: older is born before.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }

    /// What holds where this does not.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }
}

/// A value written into the SQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A moment.
    Time(DateTime),
    /// A length of time, in seconds.
    Span(f64),
}

/// What a column or figure is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A value.
    Literal(Literal),
    /// The one value a query gives.
    Query(Box<Query>),
    /// What the row has in another column.
    Column(ColumnId),
}

/// Where a text has to occur in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Anywhere.
    Inside,
    /// At its beginning.
    Start,
    /// At its end.
    End,
}

/// A condition on a row or group.
#[derive(Debug, Clone, PartialEq)]
pub enum Cond {
    /// A comparison.
    Compare(Expr, Op, Operand),
    /// Between two values, both included.
    Between(Expr, Literal, Literal),
    /// A column that contains a text.
    Like(ColumnId, Place, String, bool),
    /// NULL, or not where the flag is false.
    Null(ColumnId, bool),
    /// Within a half-open range of time.
    During(ColumnId, DateTime, DateTime),
    /// Among the values a query gives; not among them where the flag is false.
    In(ColumnId, Box<Query>, bool),
    /// Any of these.
    Any(Vec<Cond>),
}

/// How two queries are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOp {
    /// Rows of both.
    Intersect,
    /// Rows of either.
    Union,
}

/// A query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// What is shown.
    pub select: Vec<Expr>,
    /// Each row once.
    pub distinct: bool,
    /// The table asked about, where there is one.
    pub entity: Option<TableId>,
    /// Tables that have to be joined though no column of theirs is used.
    pub tables: Vec<TableId>,
    /// What rows have to hold.
    pub filter: Vec<Cond>,
    /// What rows are grouped by.
    pub group: Vec<Expr>,
    /// What groups have to hold.
    pub having: Vec<Cond>,
    /// The order, descending where the flag is set.
    pub order: Vec<(Expr, bool)>,
    /// The number of rows.
    pub limit: Option<u64>,
    /// Rows of the order that are passed over, as of the second.
    pub skip: u64,
    /// The number of rows of each group of these columns, ranked by the order.
    pub limit_by: Vec<ColumnId>,
    /// A second query.
    pub combine: Option<(SetOp, Box<Query>)>,
}

impl Bucket {
    /// How many seconds it has, where that is always the same.
    #[must_use]
    pub fn seconds(self) -> Option<u32> {
        match self {
            Self::Second => Some(1),
            Self::Minute => Some(60),
            Self::Hour => Some(3_600),
            Self::Day => Some(86_400),
            Self::Week => Some(604_800),
            Self::Month | Self::Quarter | Self::Year => None,
        }
    }
}

impl Expr {
    /// Whether it is computed over a group of rows.
    #[must_use]
    pub fn is_aggregate(&self) -> bool {
        !matches!(
            self,
            Self::Column(_) | Self::Bucket(..) | Self::Part(..) | Self::Step(..) | Self::Elapsed(..) | Self::Gap(_)
        )
    }

    /// The columns it reads, in order.
    pub fn columns(&self, found: &mut Vec<ColumnId>) {
        match self {
            Self::Column(column)
            | Self::Bucket(_, column)
            | Self::Part(_, column)
            | Self::Step(column, _)
            | Self::Gap(column) => found.push(*column),
            Self::Elapsed(from, to) => found.extend([*from, *to]),
            Self::ShareIf(inner, conds) => {
                inner.columns(found);
                conds.iter().for_each(|c| c.columns(found));
            }
            Self::Ratio(above, below) => {
                above.columns(found);
                below.columns(found);
            }
            Self::Agg(_, inner)
            | Self::ShareOf(inner)
            | Self::Moving(inner, _)
            | Self::Running(inner)
            | Self::Change(inner)
            | Self::ChangePercent(inner) => inner.columns(found),
            Self::Count | Self::Metric(..) => {}
        }
    }

    /// The tables it reads that none of its columns name.
    fn tables(&self, found: &mut Vec<TableId>) {
        if let Self::Metric(table, ..) = self {
            found.push(*table);
        }
    }
}

impl Cond {
    /// The columns it reads in its own query, in order.
    pub fn columns(&self, found: &mut Vec<ColumnId>) {
        match self {
            Self::Compare(left, _, Operand::Column(right)) => {
                left.columns(found);
                found.push(*right);
            }
            Self::Compare(left, ..) | Self::Between(left, ..) => left.columns(found),
            Self::Like(column, ..) | Self::Null(column, _) | Self::During(column, ..) | Self::In(column, ..) => {
                found.push(*column);
            }
            Self::Any(conds) => conds.iter().for_each(|c| c.columns(found)),
        }
    }

    /// The queries inside it.
    pub fn queries<'q>(&'q self, found: &mut Vec<&'q Query>) {
        match self {
            Self::Compare(_, _, Operand::Query(query)) | Self::In(_, query, _) => found.push(query),
            Self::Any(conds) => conds.iter().for_each(|c| c.queries(found)),
            _ => {}
        }
    }
}

impl Query {
    /// The columns it reads itself, in order, some more than once.
    #[must_use]
    pub fn columns(&self) -> Vec<ColumnId> {
        let mut found = Vec::new();
        self.select.iter().for_each(|e| e.columns(&mut found));
        self.filter.iter().chain(&self.having).for_each(|c| c.columns(&mut found));
        self.group.iter().chain(self.order.iter().map(|(e, _)| e)).for_each(|e| e.columns(&mut found));
        found.extend(&self.limit_by);
        found
    }

    /// The tables it has to join, the one asked about first.
    #[must_use]
    pub fn needed(&self) -> Vec<TableId> {
        let mut found: Vec<TableId> = Vec::new();
        let mut metric = Vec::new();
        let expressions = self.select.iter().chain(&self.group).chain(self.order.iter().map(|(e, _)| e));
        expressions.for_each(|e| e.tables(&mut metric));
        let columns = self.columns();
        let all = columns.iter().map(|c| c.table).chain(self.tables.iter().copied()).chain(metric);
        for table in self.entity.filter(|e| self.tables.contains(e)).into_iter().chain(all) {
            if !found.contains(&table) {
                found.push(table);
            }
        }
        found
    }

    /// The queries inside it, not itself.
    #[must_use]
    pub fn inner(&self) -> Vec<&Query> {
        let mut found = Vec::new();
        self.filter.iter().chain(&self.having).for_each(|c| c.queries(&mut found));
        found.extend(self.combine.iter().map(|(_, query)| query.as_ref()));
        found
    }
}
