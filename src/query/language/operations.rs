//! Tables of operations data, such as logs and statistics of statements: what their rows are called, when they are
//! dated, how long they took, which of them failed.

use super::index::{ColumnId, Index, TableId};
use super::logic::{Cond, Expr, Literal, Op, Operand};
use crate::query::schema::Kind;

/// A table of operations data.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// The table.
    pub table: TableId,
    /// Stems that name its rows.
    pub rows: Vec<&'static str>,
    /// What a row is shown by.
    pub shown: Vec<ColumnId>,
    /// When a row happened.
    pub time: Option<ColumnId>,
    /// How long it took, or how long on average.
    pub duration: Option<ColumnId>,
    /// How it ended.
    pub status: Option<Status>,
}

/// How rows say that they failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// The code of HTTP.
    Http(ColumnId),
    /// A word of these for a failure, and of these for success.
    Word(ColumnId, Vec<String>, Vec<String>),
    /// The priority of syslog: 3 and below are errors, 4 a warning.
    Priority(ColumnId),
}

const FAILED: &[&str] = &["error", "failed", "failure", "fail", "fatal", "critical"];
const SUCCEEDED: &[&str] = &["success", "ok", "succeeded", "completed", "done"];

impl Log {
    /// A table as operations data, where it is.
    #[must_use]
    pub fn of(index: &Index<'_>, table: TableId) -> Option<Self> {
        let has = |c: &ColumnId, words: &[&str]| words.iter().any(|w| index.column(*c).words.has(w));
        let find = |words: &[&str], fits: &dyn Fn(ColumnId) -> bool| {
            words.iter().find_map(|w| index.columns(table).find(|c| has(c, &[w]) && fits(*c)))
        };
        let number = |c: ColumnId| index.kind(c).is_number() && !index.column(c).key;
        let text = |c: ColumnId| index.kind(c) == Kind::Text;
        let named = index.time.get(&table).copied();
        let time = named.or_else(|| index.columns(table).find(|c| index.kind(*c) == Kind::Timestamp));
        let time = time.or_else(|| index.columns(table).find(|c| index.kind(*c).is_time()));
        let mean = index.columns(table).find(|c| number(*c) && has(c, &["mean"]) && has(c, &["time"]));
        let duration = mean.or_else(|| find(&["duration", "latency", "elapsed", "time", "ms"], &number));
        let http = |c: ColumnId| {
            let bound = |text: &Option<String>| text.as_ref().and_then(|t| t.parse::<f64>().ok());
            let info = index.column(c).column;
            let within = |n: Option<f64>| n.is_some_and(|n| (100.0..600.0).contains(&n));
            number(c) && within(bound(&info.min)) && within(bound(&info.max))
        };
        let word = || {
            let column = find(&["status", "state", "level", "severity", "result", "outcome"], &text)?;
            let values = &index.column(column).column.values;
            let of = |words: &[&str]| {
                let own = values.iter().filter(|v| words.contains(&v.to_lowercase().as_str()));
                own.cloned().collect::<Vec<String>>()
            };
            let (failed, succeeded) = (of(FAILED), of(SUCCEEDED));
            (!failed.is_empty()).then_some(Status::Word(column, failed, succeeded))
        };
        let status = find(&["status", "code"], &http).map(Status::Http);
        let status = status.or_else(word).or_else(|| find(&["priority"], &number).map(Status::Priority));
        let path = find(&["path", "url", "uri", "request", "endpoint"], &text);
        let message = find(&["message", "msg"], &text);
        let statement = find(&["query", "statement", "sql"], &text);
        let name = &index.table(table).words;
        let own = &index.table(table).table.name;
        let statistics = own.rsplit('.').next().is_some_and(|n| n.starts_with("pg_stat"));
        let log = name.has("log") || name.has("logs") || name.has("journal") || name.has("access");
        let signs =
            [time.is_some(), duration.is_some(), status.is_some(), path.or(message).or(statement).is_some(), log];
        if !statistics && signs.iter().filter(|s| **s).count() < 3 {
            return None;
        }
        let mut rows = vec!["row", "record", "entri", "event"];
        let mut shown: Vec<ColumnId> = index.columns(table).collect();
        if let Some(Status::Http(_)) = status {
            rows.extend(["request", "hit", "call", "respons", "visit", "access", "log"]);
        } else if let Some(column) = statement {
            rows.extend(["queri", "statement", "question"]);
            shown = vec![column];
        } else if let Some(column) = message {
            rows.extend(["messag", "log", "line"]);
            shown = vec![column];
        }
        if index.columns(table).any(|c| index.column(c).column.name == "attname") {
            rows.push("column");
        }
        Some(Self { table, rows, shown, time, duration, status })
    }

    /// The condition that a word stands for, by its stem: `fail`, `5xx`, `warn`.
    #[must_use]
    pub fn condition(&self, stems: &[&str]) -> Option<Cond> {
        let between = |c: ColumnId, low: f64, high: f64| {
            Cond::Between(Expr::Column(c), Literal::Number(low), Literal::Number(high))
        };
        let compare =
            |c: ColumnId, op: Op, literal: Literal| Cond::Compare(Expr::Column(c), op, Operand::Literal(literal));
        let any = |c: ColumnId, words: &[String]| {
            let mut conds: Vec<Cond> = words.iter().map(|w| compare(c, Op::Eq, Literal::Text(w.clone()))).collect();
            if conds.len() == 1 { conds.pop() } else { (!conds.is_empty()).then_some(Cond::Any(conds)) }
        };
        match (self.status.as_ref()?, stems) {
            (Status::Http(c), [class]) if class.len() == 3 && class.ends_with("xx") => {
                let first = class.get(..1).and_then(|d| d.parse::<f64>().ok()).filter(|d| (1.0..=5.0).contains(d))?;
                Some(between(*c, first * 100.0, first * 100.0 + 99.0))
            }
            (Status::Http(c), ["client", "error"]) => Some(between(*c, 400.0, 499.0)),
            (Status::Http(c), ["redirect"]) => Some(between(*c, 300.0, 399.0)),
            (Status::Http(c), ["success"]) => Some(between(*c, 200.0, 299.0)),
            (Status::Http(c), ["fail" | "failur" | "error"] | ["server", "error"]) => {
                Some(compare(*c, Op::Ge, Literal::Number(500.0)))
            }
            (Status::Word(c, failed, _), ["fail" | "failur" | "error" | "unsuccess"]) => any(*c, failed),
            (Status::Word(c, _, succeeded), ["success" | "succeed"]) => any(*c, succeeded),
            (Status::Priority(c), ["error" | "failur"]) => Some(compare(*c, Op::Le, Literal::Number(3.0))),
            (Status::Priority(c), ["warn"]) => Some(compare(*c, Op::Eq, Literal::Number(4.0))),
            _ => None,
        }
    }

    /// The share of failed rows in percent, as SQL.
    #[must_use]
    pub fn rate(&self, index: &Index<'_>, succeeded: bool) -> Option<String> {
        use super::write::{quote, quote_text};
        let name = |c: &ColumnId| quote(&index.column(*c).column.name);
        let failed = match self.status.as_ref()? {
            Status::Http(c) => format!("{} {} 500", name(c), if succeeded { "<" } else { ">=" }),
            Status::Word(c, failed, good) => {
                let words = if succeeded { good } else { failed };
                let words: Vec<String> = words.iter().map(|w| quote_text(w)).collect();
                (!words.is_empty()).then(|| format!("{} IN ({})", name(c), words.join(", ")))?
            }
            Status::Priority(c) => format!("{} {} 3", name(c), if succeeded { ">" } else { "<=" }),
        };
        Some(format!("100.0 * count(*) FILTER (WHERE {failed}) / count(*)"))
    }
}
