//! What of a query's conditions a source can apply by itself: rows that fail them are never needed.
//!
//! Only conditions are taken that compare one column with a constant, stand in an AND of a WHERE, and speak of a table that
//! occurs once in the whole statement. Each is one that NULL fails, so that it holds for the table under any join. The
//! query applies them again: a source may return more rows than asked for, never fewer.

use super::Named;
use serde_json::Value;
use std::collections::BTreeMap;

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Op {
    fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "COMPARE_EQUAL" => Op::Equal,
            "COMPARE_LESSTHAN" => Op::Less,
            "COMPARE_LESSTHANOREQUALTO" => Op::LessOrEqual,
            "COMPARE_GREATERTHAN" => Op::Greater,
            "COMPARE_GREATERTHANOREQUALTO" => Op::GreaterOrEqual,
            _ => return None,
        })
    }

    /// The same with the sides changed.
    fn turned(self) -> Self {
        match self {
            Op::Equal => Op::Equal,
            Op::Less => Op::Greater,
            Op::LessOrEqual => Op::GreaterOrEqual,
            Op::Greater => Op::Less,
            Op::GreaterOrEqual => Op::LessOrEqual,
        }
    }

    /// As SQL writes it.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Op::Equal => "=",
            Op::Less => "<",
            Op::LessOrEqual => "<=",
            Op::Greater => ">",
            Op::GreaterOrEqual => ">=",
        }
    }
}

/// A constant of a condition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constant {
    /// A whole or decimal number, in digits.
    Number(String),
    /// A text.
    Text(String),
    /// A date or a time without a zone, as in `2026-03-01 12:00:00`.
    Time(String),
}

/// A condition on one column: it compares equal to one of these, or in this way with the only one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filter {
    /// The column, in lower case.
    pub column: String,
    /// How it is compared.
    pub op: Op,
    /// With what; several only where it is [`Op::Equal`].
    pub constants: Vec<Constant>,
}

/// What a source may leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// The conditions by table.
    pub filters: BTreeMap<Named, Vec<Filter>>,
    /// The table whose first rows are all that is needed, with how many where the query says so.
    pub first: Option<(Named, Option<u64>)>,
    /// Whether each row of the result comes from one row of the only table, so that what stands behind the last one that is
    /// returned means nothing to it.
    pub flows: bool,
}

/// Reads the tree of a statement that passed the guard.
#[must_use]
pub fn narrowed(tree: &Value) -> Narrowed {
    let mut narrowed = Narrowed::default();
    let Some(node) = tree.pointer("/statements/0/node") else { return narrowed };
    let mut tables = Vec::new();
    mentioned(node, &mut tables);
    let once = |named: &Named| tables.iter().filter(|t| t.table.eq_ignore_ascii_case(&named.table)).count() == 1;
    selects(node, &once, &mut narrowed.filters);
    if takes_rows(node) {
        narrowed.first = first(node).filter(|(named, _)| once(named));
        narrowed.flows = limit(node).is_some()
            && node.get("select_list").is_some_and(|list| only(list, &is_of_its_row))
            && node.get("where_clause").is_none_or(|condition| only(condition, &is_within_its_table));
    }
    narrowed
}

/// Whether a SELECT takes rows of one table as they are: none is put together of several, none counted.
fn takes_rows(node: &Value) -> bool {
    let nothing = |key: &str| match node.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::Array(a)) => a.is_empty(),
        Some(_) => false,
    };
    kind(node) == "SELECT_NODE"
        && ["group_expressions", "group_sets", "having", "qualify", "sample"].into_iter().all(nothing)
        // GROUP BY ALL has no expressions.
        && node.get("aggregate_handling").and_then(Value::as_str) == Some("STANDARD_HANDLING")
        && node.pointer("/cte_map/map").and_then(Value::as_array).is_none_or(Vec::is_empty)
        && node.get("from_table").is_some_and(|from| {
            kind(from) == "BASE_TABLE" && from.get("sample").is_none_or(Value::is_null)
        })
}

/// Whether all expressions within a part of a tree are of this kind.
fn only(tree: &Value, is: &dyn Fn(&Value) -> bool) -> bool {
    match tree {
        Value::Array(all) => all.iter().all(|part| only(part, is)),
        Value::Object(all) => (tree.get("class").is_none() || is(tree)) && all.values().all(|part| only(part, is)),
        _ => true,
    }
}

/// An expression that may stand in a condition and looks at nothing but the row.
fn is_within_its_table(expression: &Value) -> bool {
    !matches!(expression.get("class").and_then(Value::as_str), Some("SUBQUERY" | "WINDOW"))
}

/// The same where functions may be aggregates, which the tree does not say, or make several rows; operators are none.
fn is_of_its_row(expression: &Value) -> bool {
    match expression.get("class").and_then(Value::as_str) {
        Some(
            "COLUMN_REF" | "STAR" | "CONSTANT" | "CAST" | "CASE" | "COMPARISON" | "CONJUNCTION" | "OPERATOR"
            | "BETWEEN",
        ) => true,
        Some("FUNCTION") => expression.get("is_operator").and_then(Value::as_bool) == Some(true),
        _ => false,
    }
}

fn named(table: &Value) -> Option<Named> {
    let part = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Named { catalog: part("catalog_name")?, schema: part("schema_name")?, table: part("table_name")? })
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Every table that is named anywhere, as often as it is.
fn mentioned(value: &Value, tables: &mut Vec<Named>) {
    match value {
        Value::Object(fields) => {
            if kind(value) == "BASE_TABLE" {
                tables.extend(named(value));
            }
            // The name of a CTE hides that of a table.
            if let Some(name) = fields.get("key").and_then(Value::as_str) {
                tables.push(Named { catalog: String::new(), schema: String::new(), table: name.to_owned() });
            }
            if let Some(name) = fields.get("cte_name").and_then(Value::as_str) {
                tables.push(Named { catalog: String::new(), schema: String::new(), table: name.to_owned() });
            }
            fields.values().for_each(|v| mentioned(v, tables));
        }
        Value::Array(items) => items.iter().for_each(|v| mentioned(v, tables)),
        _ => {}
    }
}

/// Every SELECT, wherever it stands.
fn selects(value: &Value, once: &dyn Fn(&Named) -> bool, filters: &mut BTreeMap<Named, Vec<Filter>>) {
    match value {
        Value::Object(fields) => {
            if kind(value) == "SELECT_NODE" {
                select(value, once, filters);
            }
            fields.values().for_each(|v| selects(v, once, filters));
        }
        Value::Array(items) => items.iter().for_each(|v| selects(v, once, filters)),
        _ => {}
    }
}

/// The tables of a FROM under the names that columns are qualified with; whether there is anything else in it.
fn leaves<'v>(value: &'v Value, found: &mut Vec<(String, &'v Value)>) -> bool {
    match kind(value) {
        "BASE_TABLE" => {
            let name = |key: &str| value.get(key).and_then(Value::as_str).filter(|n| !n.is_empty());
            let renamed = value.get("column_name_alias").and_then(Value::as_array).is_some_and(|a| !a.is_empty());
            if let (Some(name), false) = (name("alias").or(name("table_name")), renamed) {
                found.push((name.to_lowercase(), value));
            }
            !renamed
        }
        "JOIN" => {
            let side = |key: &str, found: &mut Vec<_>| value.get(key).is_some_and(|v| leaves(v, found));
            let (left, right) = (side("left", found), side("right", found));
            left && right
        }
        _ => false,
    }
}

fn select(node: &Value, once: &dyn Fn(&Named) -> bool, filters: &mut BTreeMap<Named, Vec<Filter>>) {
    let (Some(from), Some(condition)) = (node.get("from_table"), node.get("where_clause")) else { return };
    let mut found = Vec::new();
    let plain = leaves(from, &mut found);
    let mut conditions = Vec::new();
    conjuncts(condition, &mut conditions);
    for condition in conditions {
        for (qualifier, filter) in comparison(condition) {
            let mut fitting = found.iter().filter(|(name, _)| qualifier.as_ref().is_none_or(|q| q == name));
            // A column without a table's name is known to be of it only where there is no other.
            let (Some((_, table)), None) = (fitting.next(), fitting.next()) else { continue };
            if qualifier.is_none() && !plain {
                continue;
            }
            if let Some(named) = named(table).filter(|n| once(n)) {
                filters.entry(named).or_default().push(filter);
            }
        }
    }
}

fn conjuncts<'v>(value: &'v Value, all: &mut Vec<&'v Value>) {
    if kind(value) == "CONJUNCTION_AND" {
        value.get("children").and_then(Value::as_array).into_iter().flatten().for_each(|v| conjuncts(v, all));
    } else if !value.is_null() {
        all.push(value);
    }
}

/// A condition as filters, each with the name that its column is qualified with.
fn comparison(value: &Value) -> Vec<(Option<String>, Filter)> {
    let one = |left: &Value, op: Op, right: &Value| -> Option<(Option<String>, Filter)> {
        let (column, op, constant) = match (column(left), column(right)) {
            (Some(column), None) => (column, op, constant(right)?),
            (None, Some(column)) => (column, op.turned(), constant(left)?),
            _ => return None,
        };
        Some((column.0, Filter { column: column.1, op, constants: vec![constant] }))
    };
    let part = |key: &str| value.get(key).unwrap_or(&Value::Null);
    match kind(value) {
        "COMPARE_IN" => {
            let Some([of, values @ ..]) = value.get("children").and_then(Value::as_array).map(Vec::as_slice) else {
                return Vec::new();
            };
            let constants: Option<Vec<Constant>> = values.iter().map(constant).collect();
            match (column(of), constants) {
                (Some((table, column)), Some(constants)) if !constants.is_empty() && constants.len() <= 1000 => {
                    vec![(table, Filter { column, op: Op::Equal, constants })]
                }
                _ => Vec::new(),
            }
        }
        "COMPARE_BETWEEN" => [("lower", Op::GreaterOrEqual), ("upper", Op::LessOrEqual)]
            .into_iter()
            .filter_map(|(bound, op)| one(part("input"), op, part(bound)))
            .collect(),
        other => match Op::of(other) {
            Some(op) => one(part("left"), op, part("right")).into_iter().collect(),
            None => Vec::new(),
        },
    }
}

/// A column, and the table's name before it.
fn column(value: &Value) -> Option<(Option<String>, String)> {
    if kind(value) != "COLUMN_REF" {
        return None;
    }
    let names: Vec<String> =
        value.get("column_names")?.as_array()?.iter().filter_map(|n| Some(n.as_str()?.to_lowercase())).collect();
    match names.as_slice() {
        [column] => Some((None, column.clone())),
        [table, column] => Some((Some(table.clone()), column.clone())),
        _ => None,
    }
}

fn constant(value: &Value) -> Option<Constant> {
    match kind(value) {
        "VALUE_CONSTANT" => {
            let held = value.get("value")?;
            if held.get("is_null")?.as_bool()? {
                return None;
            }
            let inner = held.get("value")?;
            match held.pointer("/type/id")?.as_str()? {
                "TINYINT" | "SMALLINT" | "INTEGER" | "BIGINT" => Some(Constant::Number(inner.as_i64()?.to_string())),
                "DECIMAL" => decimal(inner.as_i64()?, held.pointer("/type/type_info/scale")?.as_u64()?),
                "VARCHAR" => Some(Constant::Text(inner.as_str()?.to_owned())),
                _ => None,
            }
        }
        "OPERATOR_CAST" => {
            let to = value.pointer("/cast_type/id")?.as_str()?;
            let Constant::Text(text) = constant(value.get("child")?)? else { return None };
            (["DATE", "TIMESTAMP"].contains(&to) && is_time(&text)).then_some(Constant::Time(text))
        }
        _ => None,
    }
}

fn decimal(digits: i64, scale: u64) -> Option<Constant> {
    let scale = usize::try_from(scale).ok().filter(|s| *s <= 18)?;
    let sign = if digits < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, part) = text.split_at_checked(text.len() - scale)?;
    Some(Constant::Number(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }))
}

/// Whether a text is a date, or a date and a time of day, in the one form that every database reads alike.
#[must_use]
pub fn is_time(text: &str) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.chars().zip(shape.chars()).all(|(c, s)| if s == '0' { c.is_ascii_digit() } else { c == s })
    };
    ["0000-00-00", "0000-00-00 00:00", "0000-00-00 00:00:00", "0000-00-00 00:00:00.000", "0000-00-00 00:00:00.000000"]
        .iter()
        .any(|s| shape(text, s))
}

/// The table of a query that only takes columns of it, and the LIMIT.
fn first(node: &Value) -> Option<(Named, Option<u64>)> {
    if node.get("where_clause").is_some_and(|condition| !condition.is_null()) {
        return None;
    }
    let plain = |e: &Value| {
        let kept = |key: &str| e.get(key).is_none_or(|v| v.is_null() || v.as_array().is_some_and(Vec::is_empty));
        kind(e) == "COLUMN_REF" || (kind(e) == "STAR" && kept("replace_list") && kept("expr"))
    };
    if !node.get("select_list")?.as_array()?.iter().all(plain) {
        return None;
    }
    Some((named(node.get("from_table")?)?, limit(node)?))
}

/// With how many rows, those of the OFFSET included, a SELECT is content that has nothing else behind it; nothing inside
/// where it has no LIMIT.
#[allow(clippy::option_option, reason = "whether it can be told, and what it is")]
fn limit(node: &Value) -> Option<Option<u64>> {
    match node.get("modifiers")?.as_array()?.as_slice() {
        [] => Some(None),
        [only] if kind(only) == "LIMIT_MODIFIER" => {
            let number = |key: &str| match only.get(key) {
                None | Some(Value::Null) => Some(0),
                Some(v) => match constant(v)? {
                    Constant::Number(digits) => digits.parse::<u64>().ok(),
                    _ => None,
                },
            };
            if only.get("limit").is_none_or(Value::is_null) {
                return None;
            }
            Some(Some(number("limit")?.checked_add(number("offset")?)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Narrowed {
        let duckdb = duckdb::Connection::open_in_memory().unwrap();
        let text: String = duckdb.query_row("SELECT json_serialize_sql(?::VARCHAR)", [sql], |row| row.get(0)).unwrap();
        narrowed(&serde_json::from_str(&text).unwrap())
    }

    /// The conditions as text, `table: column op constants`.
    fn told(sql: &str) -> Vec<String> {
        let all = of(sql).filters.into_iter().flat_map(|(t, fs)| fs.into_iter().map(move |f| (t.table.clone(), f)));
        all.map(|(t, f)| format!("{t}: {} {} {:?}", f.column, f.op.sql(), f.constants)).collect()
    }

    #[test]
    fn comparisons_with_constants_are_taken() {
        assert_eq!(
            told("SELECT * FROM t WHERE a = 5 AND 1.50 < b AND c IN ('x', 'y') AND d >= DATE '2026-01-01'"),
            [
                "t: a = [Number(\"5\")]",
                "t: b > [Number(\"1.50\")]",
                "t: c = [Text(\"x\"), Text(\"y\")]",
                "t: d >= [Time(\"2026-01-01\")]"
            ]
        );
        assert_eq!(
            told("SELECT count(*) FROM t JOIN u ON t.i = u.i WHERE t.a BETWEEN -3 AND 0.05 AND u.b = 'x' AND z = 1"),
            ["t: a >= [Number(\"-3\")]", "t: a <= [Number(\"0.05\")]", "u: b = [Text(\"x\")]"]
        );
        assert_eq!(told("SELECT * FROM (SELECT a FROM t WHERE a < 3) s WHERE a > 1"), ["t: a < [Number(\"3\")]"]);
    }

    #[test]
    fn what_could_lose_rows_is_not_taken() {
        for sql in [
            "SELECT * FROM t WHERE a = 5 OR b = 3",
            "SELECT * FROM t WHERE NOT (a = 5)",
            "SELECT * FROM t WHERE a IS NULL",
            "SELECT * FROM t WHERE a <> 5",
            "SELECT * FROM t WHERE a = b",
            "SELECT * FROM t WHERE a = NULL",
            "SELECT * FROM t WHERE a IS DISTINCT FROM 5",
            "SELECT * FROM t WHERE a = 5 UNION ALL SELECT * FROM t",
            "SELECT * FROM t x, t y WHERE x.a = 5",
            "WITH t AS (SELECT 1 AS a) SELECT * FROM t WHERE a = 5",
            "SELECT * FROM t(b) WHERE b = 5",
            "SELECT * FROM t, range(3) WHERE a = 5",
            "SELECT * FROM t WHERE lower(a) = 'x'",
            "SELECT * FROM t WHERE d > DATE 'epoch'",
            "SELECT (SELECT max(a) FROM t) FROM u WHERE a = 5 AND t.a = 3",
        ] {
            assert!(!told(sql).iter().any(|f| f.starts_with("t:")), "{sql}: {:?}", told(sql));
        }
    }

    #[test]
    fn the_first_rows_do_only_where_nothing_is_computed() {
        let first = |sql: &str| of(sql).first.map(|(t, n)| (t.table, n));
        assert_eq!(first("SELECT * FROM t"), Some(("t".to_owned(), None)));
        assert_eq!(first("SELECT a, b FROM t LIMIT 10 OFFSET 2"), Some(("t".to_owned(), Some(12))));
        for sql in [
            "SELECT count(*) FROM t LIMIT 1",
            "SELECT * FROM t ORDER BY a LIMIT 1",
            "SELECT DISTINCT a FROM t LIMIT 1",
            "SELECT a FROM t WHERE a > 1 LIMIT 1",
            "SELECT a FROM t GROUP BY a LIMIT 1",
            "SELECT row_number() OVER () FROM t LIMIT 1",
            "SELECT * FROM t, u LIMIT 1",
            "SELECT * FROM t LIMIT 10%",
            "SELECT unnest(a) FROM t LIMIT 1",
            "SELECT COLUMNS(c -> count(c)) FROM t",
            "SELECT a FROM t GROUP BY ALL LIMIT 1",
            "SELECT a FROM t TABLESAMPLE 3 ROWS LIMIT 1",
        ] {
            assert_eq!(first(sql), None, "{sql}");
        }
    }

    #[test]
    fn rows_flow_where_each_comes_from_one() {
        for sql in [
            "SELECT * FROM t",
            "SELECT a + 1, b::INT FROM t WHERE lower(a) LIKE '%x%' LIMIT 3",
            "SELECT CASE WHEN a > 1 THEN 'x' END FROM t",
        ] {
            assert!(of(sql).flows, "{sql}");
        }
        for sql in [
            "SELECT count(*) FROM t",
            "SELECT lower(a) FROM t",
            "SELECT a FROM t ORDER BY a",
            "SELECT DISTINCT a FROM t",
            "SELECT a FROM t GROUP BY ALL",
            "SELECT a, row_number() OVER () FROM t",
            "SELECT a FROM t WHERE a > (SELECT avg(a) FROM t)",
            "SELECT (SELECT max(a) FROM u) FROM t",
            "SELECT a FROM t QUALIFY row_number() OVER () = 1",
            "SELECT a FROM t, u",
            "SELECT unnest(list(a)) FROM t",
            "SELECT a FROM t UNION ALL SELECT a FROM t",
        ] {
            assert!(!of(sql).flows, "{sql}");
        }
    }
}
