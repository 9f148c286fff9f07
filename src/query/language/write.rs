//! A logical form as SQL in DuckDB's dialect, and what has to be loaded for it.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{ColumnId, Index, TableId};
use super::joins::{Tree, connect};
use super::logic::{Agg, Bucket, Cond, Expr, Literal, Op, Operand, Part, Place, Query, SetOp};
use super::translation::Used;
use crate::query::schema::Kind;

/// Writes queries over one index; `hints` are the stems of the question, which choose between two keys.
pub struct Writer<'w, 'a> {
    /// The schema.
    pub index: &'w Index<'a>,
    /// The stems of the question.
    pub hints: &'w [String],
    /// The first day of a week, days after Monday.
    pub week_start: i8,
}

impl Writer<'_, '_> {
    /// The SQL of a query; none where no keys connect its tables.
    #[must_use]
    pub fn sql(&self, query: &Query) -> Option<String> {
        let tables = query.needed();
        let tree = connect(self.index, &tables, self.hints)?;
        let scope = Scope { writer: self, qualified: !tree.joins.is_empty() };
        let mut sql =
            if query.limit_by.is_empty() { scope.plain(query, &tree)? } else { scope.ranked(query, &tree)? };
        if let Some((op, second)) = &query.combine {
            let word = match op {
                SetOp::Intersect => "INTERSECT",
                SetOp::Union => "UNION",
            };
            sql = format!("{sql} {word} {}", self.sql(second)?);
        }
        Some(sql)
    }

    /// What a query reads: its tables and columns, those that join them included.
    #[must_use]
    pub fn uses(&self, query: &Query) -> Vec<Used> {
        let mut columns: BTreeMap<TableId, BTreeSet<usize>> = BTreeMap::new();
        self.collect(query, &mut columns);
        let used = |(table, columns): (TableId, BTreeSet<usize>)| {
            let info = self.index.table(table);
            let name = |at: usize| info.columns.get(at).map(|c| c.column.name.clone());
            Used { table: info.table.name.clone(), columns: columns.into_iter().filter_map(name).collect() }
        };
        columns.into_iter().map(used).collect()
    }

    fn collect(&self, query: &Query, columns: &mut BTreeMap<TableId, BTreeSet<usize>>) {
        let tree = connect(self.index, &query.needed(), self.hints).unwrap_or_default();
        for table in tree.tables() {
            columns.entry(table).or_default();
        }
        let on = tree.joins.iter().flat_map(|(edge, _)| &edge.on).flat_map(|(a, b)| [*a, *b]);
        for column in query.columns().into_iter().chain(on) {
            columns.entry(column.table).or_default().insert(column.at);
        }
        for expr in query.select.iter().chain(query.order.iter().map(|(e, _)| e)) {
            // What a figure of the operator's reads is not known: all of its table.
            if let Expr::Metric(table, ..) = expr {
                columns.entry(*table).or_default().extend(self.index.columns(*table).map(|c| c.at));
            }
        }
        query.inner().into_iter().for_each(|inner| self.collect(inner, columns));
    }
}

/// One query's own names.
struct Scope<'s, 'w, 'a> {
    writer: &'s Writer<'w, 'a>,
    qualified: bool,
}

impl Scope<'_, '_, '_> {
    fn plain(&self, query: &Query, tree: &Tree) -> Option<String> {
        let mut sql = String::from(if query.distinct { "SELECT DISTINCT " } else { "SELECT " });
        let order = self.window_order(query);
        let select: Option<Vec<String>> = query.select.iter().map(|e| self.shown(e, &order)).collect();
        sql.push_str(&select?.join(", "));
        sql.push_str(&self.from(tree));
        self.conditions(" WHERE ", &query.filter, &mut sql)?;
        if !query.group.is_empty() {
            let group: Option<Vec<String>> = query.group.iter().map(|e| self.expr(e)).collect();
            sql.push_str(" GROUP BY ");
            sql.push_str(&group?.join(", "));
        }
        self.conditions(" HAVING ", &query.having, &mut sql)?;
        if !query.order.is_empty() {
            sql.push_str(" ORDER BY ");
            sql.push_str(&self.order(query)?);
        }
        if let Some(limit) = query.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        if query.skip > 0 {
            sql.push_str(&format!(" OFFSET {}", query.skip));
        }
        Some(sql)
    }

    /// The first rows of each group, by a rank within it.
    fn ranked(&self, query: &Query, tree: &Tree) -> Option<String> {
        let mut inner = query.clone();
        let limit = inner.limit.take().unwrap_or(1);
        inner.limit_by.clear();
        inner.order.clear();
        let mut sql = self.plain(&inner, tree)?;
        let by: Vec<String> = query.limit_by.iter().map(|c| self.name(*c)).collect();
        sql.push_str(&format!(
            " QUALIFY row_number() OVER (PARTITION BY {} ORDER BY {}) <= {limit} ORDER BY {}, {}",
            by.join(", "),
            self.order(query)?,
            by.join(", "),
            self.order(query)?
        ));
        Some(sql)
    }

    fn from(&self, tree: &Tree) -> String {
        let table = |id: TableId| quote(&self.writer.index.table(id).table.name);
        let mut sql = format!(" FROM {}", table(tree.root));
        for (edge, added) in &tree.joins {
            let on: Vec<String> = edge.on.iter().map(|(a, b)| self.equation(*a, *b)).collect();
            sql.push_str(&format!(" JOIN {} ON {}", table(*added), on.join(" AND ")));
        }
        sql
    }

    /// Two key columns as equal, compared as text where their types differ.
    fn equation(&self, a: ColumnId, b: ColumnId) -> String {
        let text = |c: ColumnId| self.writer.index.kind(c) == Kind::Text;
        let cast = |c: ColumnId| if text(c) { self.name(c) } else { format!("CAST({} AS VARCHAR)", self.name(c)) };
        if text(a) == text(b) {
            format!("{} = {}", self.name(a), self.name(b))
        } else {
            format!("{} = {}", cast(a), cast(b))
        }
    }

    fn conditions(&self, word: &str, conditions: &[Cond], sql: &mut String) -> Option<()> {
        let mut word = word;
        for condition in conditions {
            sql.push_str(word);
            sql.push_str(&self.cond(condition)?);
            word = " AND ";
        }
        Some(())
    }

    fn order(&self, query: &Query) -> Option<String> {
        let one = |(expr, down): &(Expr, bool)| {
            Some(format!("{}{}", self.expr(expr)?, if *down { " DESC NULLS LAST" } else { "" }))
        };
        query.order.iter().map(one).collect::<Option<Vec<_>>>().map(|parts| parts.join(", "))
    }

    /// The order in which figures that look at the group before run.
    fn window_order(&self, query: &Query) -> String {
        query.group.first().and_then(|e| self.expr(e)).unwrap_or_else(|| "1".to_owned())
    }

    /// An expression of the SELECT list, with a name where it is not a column.
    fn shown(&self, expr: &Expr, order: &str) -> Option<String> {
        let sql = match expr {
            Expr::Running(inner) => format!("sum({}) OVER (ORDER BY {order})", self.expr(inner)?),
            Expr::Change(inner) => {
                let figure = self.expr(inner)?;
                format!("{figure} - lag({figure}) OVER (ORDER BY {order})")
            }
            Expr::ChangePercent(inner) => {
                let figure = self.expr(inner)?;
                let before = format!("lag({figure}) OVER (ORDER BY {order})");
                format!("100.0 * ({figure} - {before}) / nullif({before}, 0)")
            }
            Expr::Moving(inner, groups) => {
                let before = groups.saturating_sub(1);
                format!("avg({}) OVER (ORDER BY {order} ROWS {before} PRECEDING)", self.expr(inner)?)
            }
            _ => self.expr(expr)?,
        };
        let name = match expr {
            Expr::Bucket(bucket, _) => Some(bucket_word(*bucket).to_owned()),
            Expr::Step(column, _) => Some(quote(&format!("{}_from", self.writer.index.column(*column).column.name))),
            Expr::Metric(_, name, _) => Some(quote(name)),
            Expr::ShareOf(_) | Expr::ShareIf(..) => Some("percent".to_owned()),
            Expr::Moving(..) => Some("moving_average".to_owned()),
            Expr::Elapsed(..) => Some("elapsed".to_owned()),
            Expr::Gap(_) => Some("gap".to_owned()),
            Expr::Running(_) => Some("running_total".to_owned()),
            Expr::Change(_) => Some("change".to_owned()),
            Expr::ChangePercent(_) => Some("change_percent".to_owned()),
            _ => None,
        };
        Some(name.map_or_else(|| sql.clone(), |name| format!("{sql} AS {name}")))
    }

    fn expr(&self, expr: &Expr) -> Option<String> {
        Some(match expr {
            Expr::Column(column) => self.name(*column),
            Expr::Count => "count(*)".to_owned(),
            Expr::Agg(agg @ (Agg::Quantile(_) | Agg::Deviation), inner) if self.is_interval(inner) => {
                format!("to_seconds({})", aggregate(*agg, &format!("epoch({})", self.expr(inner)?)))
            }
            Expr::Agg(agg, inner) => aggregate(*agg, &self.number(*agg, inner)?),
            Expr::Bucket(bucket, column) => self.bucket(*bucket, *column),
            // By whole numbers, so that steps of 0.2 are no 0.6000000000000001.
            Expr::Step(column, width) if *width < 1.0 => {
                let whole = (1.0 / width).round();
                format!("floor({} * {whole}) / {whole}", self.name(*column))
            }
            Expr::Step(column, width) => {
                let step = format!("floor({} / {width}) * {width}", self.name(*column));
                let whole = self.writer.index.kind(*column) == Kind::Integer && width.fract() == 0.0;
                if whole { format!("CAST({step} AS BIGINT)") } else { step }
            }
            Expr::Part(part, column) => {
                let part = match part {
                    Part::Hour => "hour",
                    Part::Weekday => "dow",
                };
                format!("extract({part} FROM {})", self.moment(*column))
            }
            Expr::ShareOf(inner) => {
                let figure = self.expr(inner)?;
                format!("100.0 * {figure} / sum({figure}) OVER ()")
            }
            Expr::ShareIf(inner, conds) => {
                let figure = self.expr(inner)?;
                let conds: Option<Vec<String>> = conds.iter().map(|c| self.cond(c)).collect();
                format!("100.0 * {figure} FILTER (WHERE {}) / {figure}", conds?.join(" AND "))
            }
            Expr::Ratio(above, below) => format!("{} / {}", self.expr(above)?, self.expr(below)?),
            Expr::Elapsed(from, to) => format!("{} - {}", self.moment(*to), self.moment(*from)),
            Expr::Gap(column) => {
                let time = self.moment(*column);
                format!("{time} - lag({time}) OVER (ORDER BY {time})")
            }
            Expr::Metric(_, _, sql) => format!("({sql})"),
            Expr::Moving(inner, _) | Expr::Running(inner) | Expr::Change(inner) | Expr::ChangePercent(inner) => {
                self.expr(inner)?
            }
        })
    }

    /// Whether an expression is a length of time; between days it is their number.
    fn is_interval(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Elapsed(from, to) if [from, to].iter().any(|c| self.writer.index.kind(**c) != Kind::Date))
    }

    /// What an aggregate is computed over; text that has to be added up is read as numbers.
    fn number(&self, agg: Agg, inner: &Expr) -> Option<String> {
        let sql = self.expr(inner)?;
        let text = matches!(inner, Expr::Column(c) if self.writer.index.kind(*c) == Kind::Text);
        let adds = matches!(agg, Agg::Avg | Agg::Sum | Agg::Median | Agg::Quantile(_) | Agg::Deviation);
        Some(if text && adds { format!("TRY_CAST({sql} AS DOUBLE)") } else { sql })
    }

    fn bucket(&self, bucket: Bucket, column: ColumnId) -> String {
        let time = self.moment(column);
        let shift = i64::from(self.writer.week_start);
        if bucket == Bucket::Week && shift != 0 {
            return format!("date_trunc('week', {time} - INTERVAL {shift} DAY) + INTERVAL {shift} DAY");
        }
        format!("date_trunc('{}', {time})", bucket_word(bucket))
    }

    /// A column as a time; text is read as one.
    fn moment(&self, column: ColumnId) -> String {
        let name = self.name(column);
        if self.writer.index.kind(column) == Kind::Text { format!("TRY_CAST({name} AS TIMESTAMP)") } else { name }
    }

    fn cond(&self, cond: &Cond) -> Option<String> {
        Some(match cond {
            Cond::Compare(left, op, right) => self.compare(left, *op, right)?,
            Cond::Between(left, low, high) => {
                let text = matches!(left, Expr::Column(c) if self.writer.index.kind(*c) == Kind::Text);
                let sql = self.expr(left)?;
                let number = matches!(low, Literal::Number(_));
                let sql = if text && number { format!("TRY_CAST({sql} AS DOUBLE)") } else { sql };
                format!("{sql} BETWEEN {} AND {}", literal(low), literal(high))
            }
            Cond::Like(column, place, text, negated) => {
                let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                let escape = if escaped.len() == text.len() { "" } else { " ESCAPE '\\'" };
                let pattern = match place {
                    Place::Inside => format!("%{escaped}%"),
                    Place::Start => format!("{escaped}%"),
                    Place::End => format!("%{escaped}"),
                };
                let name = self.name(*column);
                let name = if self.writer.index.kind(*column) == Kind::Text {
                    name
                } else {
                    format!("CAST({name} AS VARCHAR)")
                };
                format!("{name}{} ILIKE {}{escape}", if *negated { " NOT" } else { "" }, quote_text(&pattern))
            }
            Cond::Null(column, null) => format!("{} IS {}NULL", self.name(*column), if *null { "" } else { "NOT " }),
            Cond::During(column, from, to) => {
                let time = self.moment(*column);
                if *from == jiff::civil::DateTime::MIN {
                    return Some(format!("{time} < {}", literal(&Literal::Time(*to))));
                }
                if *to == jiff::civil::DateTime::MAX {
                    return Some(format!("{time} >= {}", literal(&Literal::Time(*from))));
                }
                let (from, to) = (Literal::Time(*from), Literal::Time(*to));
                format!("{time} >= {} AND {time} < {}", literal(&from), literal(&to))
            }
            Cond::In(column, query, positive) => {
                let word = if *positive { "IN" } else { "NOT IN" };
                format!("{} {word} ({})", self.name(*column), self.writer.sql(query)?)
            }
            Cond::Any(conds) => {
                let parts: Option<Vec<String>> = conds.iter().map(|c| self.cond(c)).collect();
                format!("({})", parts?.join(" OR "))
            }
        })
    }

    fn compare(&self, left: &Expr, op: Op, right: &Operand) -> Option<String> {
        let mut sql = self.expr(left)?;
        let kind = if let Expr::Column(column) = left { Some(self.writer.index.kind(*column)) } else { None };
        let right = match right {
            Operand::Literal(Literal::Number(n)) if kind == Some(Kind::Text) => {
                if matches!(op, Op::Eq | Op::Ne) {
                    quote_text(&number(*n))
                } else {
                    sql = format!("TRY_CAST({sql} AS DOUBLE)");
                    number(*n)
                }
            }
            Operand::Literal(Literal::Text(text))
                if kind.is_some_and(|k| !matches!(k, Kind::Text | Kind::Date | Kind::Timestamp | Kind::Time)) =>
            {
                sql = format!("CAST({sql} AS VARCHAR)");
                quote_text(text)
            }
            Operand::Literal(Literal::Time(_)) if kind == Some(Kind::Text) => {
                sql = format!("TRY_CAST({sql} AS TIMESTAMP)");
                right_literal(right)?
            }
            Operand::Literal(value) => literal(value),
            Operand::Query(query) => format!("({})", self.writer.sql(query)?),
            Operand::Column(column) => self.name(*column),
        };
        Some(format!("{sql} {} {right}", op.sql()))
    }

    fn name(&self, column: ColumnId) -> String {
        let info = self.writer.index.table(column.table);
        let own = quote(&self.writer.index.column(column).column.name);
        if self.qualified { format!("{}.{own}", quote(&info.table.name)) } else { own }
    }
}

fn right_literal(operand: &Operand) -> Option<String> {
    if let Operand::Literal(value) = operand { Some(literal(value)) } else { None }
}

fn aggregate(agg: Agg, inner: &str) -> String {
    match agg {
        Agg::Avg => format!("avg({inner})"),
        Agg::Sum => format!("sum({inner})"),
        Agg::Min => format!("min({inner})"),
        Agg::Max => format!("max({inner})"),
        Agg::Median => format!("median({inner})"),
        Agg::Quantile(share) => format!("quantile_cont({inner}, {share})"),
        Agg::Deviation => format!("stddev_samp({inner})"),
        Agg::Distinct => format!("count(DISTINCT {inner})"),
    }
}

/// The piece of the calendar as DuckDB's `date_trunc` names it.
#[must_use]
pub fn bucket_word(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Second => "second",
        Bucket::Minute => "minute",
        Bucket::Hour => "hour",
        Bucket::Day => "day",
        Bucket::Week => "week",
        Bucket::Month => "month",
        Bucket::Quarter => "quarter",
        Bucket::Year => "year",
    }
}

/// A value as SQL writes it.
#[must_use]
pub fn literal(value: &Literal) -> String {
    match value {
        Literal::Text(text) => quote_text(text),
        Literal::Number(n) => number(*n),
        Literal::Span(seconds) => format!("to_seconds({})", number(*seconds)),
        Literal::Time(time) if time.time() == jiff::civil::Time::midnight() => format!("DATE '{}'", time.date()),
        Literal::Time(time) => format!("TIMESTAMP '{} {}'", time.date(), time.time()),
    }
}

/// A number without a fraction where it has none.
#[must_use]
pub fn number(n: f64) -> String {
    format!("{n}")
}

/// A text between quotation marks, those inside doubled; NUL, which SQL cannot write, is left out.
#[must_use]
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

/// An identifier, quoted where it is not plain or a reserved word.
#[must_use]
pub fn quote(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !is_reserved(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
    }
}

/// Words that DuckDB does not take for an identifier, and those that read as something else.
fn is_reserved(name: &str) -> bool {
    const RESERVED: &[&str] = &[
        "all",
        "analyse",
        "analyze",
        "and",
        "anti",
        "any",
        "array",
        "as",
        "asc",
        "asof",
        "asymmetric",
        "at",
        "authorization",
        "between",
        "binary",
        "both",
        "by",
        "case",
        "cast",
        "check",
        "coalesce",
        "collate",
        "collation",
        "column",
        "columns",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current_date",
        "current_time",
        "current_timestamp",
        "date",
        "default",
        "deferrable",
        "desc",
        "describe",
        "distinct",
        "do",
        "else",
        "end",
        "except",
        "exists",
        "extract",
        "false",
        "fetch",
        "filter",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "generated",
        "glob",
        "grant",
        "group",
        "grouping",
        "having",
        "ilike",
        "in",
        "initially",
        "inner",
        "intersect",
        "interval",
        "into",
        "is",
        "isnull",
        "join",
        "lambda",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "map",
        "natural",
        "not",
        "notnull",
        "null",
        "nullif",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "over",
        "overlaps",
        "pivot",
        "pivot_longer",
        "pivot_wider",
        "placing",
        "position",
        "positional",
        "primary",
        "qualify",
        "references",
        "returning",
        "right",
        "row",
        "select",
        "semi",
        "session_user",
        "show",
        "similar",
        "some",
        "struct",
        "substring",
        "summarize",
        "symmetric",
        "table",
        "tablesample",
        "then",
        "time",
        "timestamp",
        "to",
        "trailing",
        "trim",
        "true",
        "try_cast",
        "union",
        "unique",
        "unpivot",
        "user",
        "using",
        "values",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
    ];
    RESERVED.contains(&name)
}
