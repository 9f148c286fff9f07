//! Tables of operations data, such as logs and statistics of statements: what their rows are called, when they are
//! dated, how long they took, which of them failed.

use super::index::{ColumnId, Index, TableId};
use super::logic::{Cond, Expr, Literal, Op, Operand};
use super::words::stem;
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
    /// What happens to a row and when, `closed` of `closed_at`.
    pub events: Vec<Event>,
    /// How large it is, in bytes.
    pub size: Option<ColumnId>,
    /// The program that asked.
    pub agent: Option<ColumnId>,
    /// What went wrong, in words.
    pub told: Option<ColumnId>,
    /// Who asked: a user, or an address where no user is known.
    pub actor: Option<ColumnId>,
    /// Tables that it refers to.
    pub referred: Vec<TableId>,
    /// Whether it is known by nothing but that its rows are dated.
    pub plain: bool,
}

/// What happens to rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The column that dates it.
    pub column: ColumnId,
    word: String,
    stem: String,
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
    /// True or false; the value of a failure.
    Flag(ColumnId, bool),
}

/// Words for the time at which a row begins to be.
const BEGUN: &[&str] = &[
    "created",
    "opened",
    "started",
    "submitted",
    "placed",
    "received",
    "filed",
    "raised",
    "reported",
    "registered",
    "added",
    "made",
    "occurred",
    "logged",
];

const FAILED: &[&str] = &["error", "errored", "failed", "failure", "fail", "fatal", "critical"];
const SUCCEEDED: &[&str] = &["success", "successful", "ok", "succeeded", "completed", "done", "passed"];

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
        let events = events(index, table);
        let begun = || events.iter().find(|e| BEGUN.contains(&e.word.as_str())).map(|e| e.column);
        let time = named.or_else(begun).or_else(|| index.columns(table).find(|c| index.kind(*c) == Kind::Timestamp));
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
        let flag = || {
            let boolean = |c: ColumnId| index.kind(c) == Kind::Boolean;
            let good = find(&["success", "successful", "succeeded", "ok"], &boolean).map(|c| Status::Flag(c, false));
            good.or_else(|| find(&["failed", "failure", "error"], &boolean).map(|c| Status::Flag(c, true)))
        };
        let status = status.or_else(word).or_else(|| find(&["priority"], &number).map(Status::Priority)).or_else(flag);
        let path = find(&["path", "url", "uri", "request", "endpoint"], &text);
        let message = find(&["message", "msg"], &text);
        let statement = find(&["query", "statement", "sql"], &text);
        let name = &index.table(table).words;
        let own = &index.table(table).table.name;
        let statistics = own.rsplit('.').next().is_some_and(|n| n.starts_with("pg_stat"));
        let log = name.has("log") || name.has("logs") || name.has("journal") || name.has("access");
        let log =
            log || ["errors", "error", "events", "logins", "alerts", "incidents", "audit"].iter().any(|w| name.has(w));
        let signs =
            [time.is_some(), duration.is_some(), status.is_some(), path.or(message).or(statement).is_some(), log];
        let size = find(&["bytes", "size"], &number);
        let stamped = time.is_some_and(|t| index.kind(t) == Kind::Timestamp);
        let gauge = find(&["cpu", "memory", "load", "disk"], &number).is_some();
        let more = usize::from(size.is_some()) + 2 * usize::from(gauge);
        let plain = !statistics && signs.iter().filter(|s| **s).count() + more < 3;
        if plain && !stamped && size.is_none() {
            return None;
        }
        let agent = find(&["agent"], &text);
        let told =
            find(&["error", "exception"], &|c| text(c) && !matches!(&status, Some(Status::Word(s, ..)) if *s == c));
        let user = find(&["usename", "username", "user", "login", "account", "assignee", "owner"], &|c| {
            text(c) && !has(&c, &["agent", "query"])
        });
        // Where one column tells who does what rows are, as `deployed_by`.
        let mut by = index.columns(table).filter(|c| text(*c) && index.column(*c).words.ends_with("by"));
        let by = by.next().filter(|_| by.next().is_none());
        let actor = user.or_else(|| find(&["addr", "address", "ip", "client"], &text)).or(by);
        let own_edges = index.edges.iter().filter(|e| e.from == table && e.to != table);
        let referred = own_edges.map(|e| e.to).collect();
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
        Some(Self { table, rows, shown, time, duration, status, events, size, agent, told, actor, referred, plain })
    }

    /// The column that dates what a word says has happened to a row, `closed` or `paid`.
    #[must_use]
    pub fn event(&self, lower: &str) -> Option<ColumnId> {
        let own = self.events.iter().find(|e| e.word == lower).map(|e| e.column);
        let begun =
            || self.time.filter(|t| self.events.iter().any(|e| e.column == *t && BEGUN.contains(&e.word.as_str())));
        own.or_else(|| BEGUN.contains(&lower).then(begun).flatten())
    }

    /// The column that dates what a verb in its plain form is about, `close` or `pay`, by the verb's stem.
    #[must_use]
    pub fn deed(&self, verb: &str) -> Option<ColumnId> {
        let done = match verb {
            "pay" => "paid",
            "send" => "sent",
            "build" => "built",
            other => other,
        };
        self.events.iter().find(|e| e.stem == verb || e.word == done).map(|e| e.column)
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
            (Status::Priority(c), ["critic"]) => Some(compare(*c, Op::Le, Literal::Number(2.0))),
            (Status::Flag(c, failed), ["fail" | "failur" | "error" | "unsuccess"]) => {
                Some(compare(*c, Op::Eq, Literal::Text(failed.to_string())))
            }
            (Status::Flag(c, failed), ["success" | "succeed"]) => {
                Some(compare(*c, Op::Eq, Literal::Text((!failed).to_string())))
            }
            (Status::Priority(c), ["warn"]) => Some(compare(*c, Op::Eq, Literal::Number(4.0))),
            _ => None,
        }
    }

    /// The share of blocks that were found in memory, in percent, as SQL.
    #[must_use]
    pub fn hits(&self, index: &Index<'_>) -> Option<String> {
        use super::write::quote;
        let named = |end: &str| {
            let mut own = index.columns(self.table).map(|c| index.column(c).column.name.as_str());
            own.find(|name| *name == format!("shared_blks_{end}") || name.ends_with(&format!("blks_{end}"))).map(quote)
        };
        let (hit, read) = named("hit").zip(named("read"))?;
        Some(format!("100.0 * sum({hit}) / nullif(sum({hit} + {read}), 0)"))
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
            Status::Flag(c, failed) => format!("{}{}", if *failed == succeeded { "NOT " } else { "" }, name(c)),
        };
        Some(format!("100.0 * count(*) FILTER (WHERE {failed}) / count(*)"))
    }
}

/// The columns that date one thing each that happens to rows, `closed_at`, and its word.
fn events(index: &Index<'_>, table: TableId) -> Vec<Event> {
    let event = |c: ColumnId| {
        let (word, rest) = index.column(c).words.words.split_first()?;
        let dated =
            matches!(rest, [last] if matches!(last.as_str(), "at" | "on" | "date" | "time" | "timestamp" | "ts"));
        let happened =
            word.ends_with("ed") || matches!(word.as_str(), "paid" | "sent" | "built" | "seen" | "begun" | "done");
        (index.kind(c).is_time() && dated && happened).then(|| Event {
            column: c,
            word: word.clone(),
            stem: stem(word),
        })
    };
    index.columns(table).filter_map(event).collect()
}
