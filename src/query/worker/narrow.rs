//! Conditions that a source applies by itself, in its own SQL. A source may return more rows than the condition lets
//! through, never fewer: DuckDB applies it again.

use super::catalogue::{Entry, Origin, Rows};
use super::columns::Fill;
use crate::postgres::connect::{quote_ident, quote_literal};
use crate::query::guard::filters::{Constant, Filter, Narrowed, Op, is_time};

/// Which rows of a table a query needs, as far as its source can tell; `most` rows are returned at last.
pub fn rows(entry: &Entry, narrowed: &Narrowed, most: Option<u64>) -> Rows {
    let filters = narrowed.filters.iter().filter(|(named, _)| entry.is(named)).flat_map(|(_, filters)| filters);
    let conditions: Vec<String> = filters
        .filter_map(|filter| {
            let at = entry.table.columns.iter().position(|c| c.name.to_lowercase() == filter.column)?;
            let (column, fill) = (entry.table.columns.get(at)?, *entry.fills.get(at)?);
            match entry.origin {
                Origin::Native(_) => None,
                Origin::Sqlite(..) => sqlite(filter, &column.name, fill),
                Origin::Postgres(..) => postgres(filter, &column.name, fill),
            }
        })
        .collect();
    let first = match &narrowed.first {
        Some((named, limit)) if entry.is(named) => limit.iter().chain(&most).min().copied(),
        _ => None,
    };
    Rows { condition: (!conditions.is_empty()).then(|| conditions.join(" AND ")), most: first }
}

/// For PostgreSQL.
pub fn postgres(filter: &Filter, column: &str, fill: Fill) -> Option<String> {
    let name = quote_ident(column);
    let each = filter.constants.iter().map(|constant| {
        let op = filter.op.sql();
        Some(match (fill, constant) {
            (Fill::Int | Fill::Decimal(..), Constant::Number(n)) => format!("{name} {op} {n}"),
            // DuckDB holds these as double precision, and compares them so.
            (Fill::Float, Constant::Number(n)) => format!("{name}::float8 {op} {n}::float8"),
            (Fill::Text, Constant::Text(text)) if filter.op == Op::Equal => {
                format!("{name}::text = {}", quote_literal(text))
            }
            (Fill::Date | Fill::Timestamp, constant) => format!("{name} {op} {}::timestamp", literal(constant)?),
            (Fill::Since(unit), constant) => unit.condition(&name, filter.op, time(constant)?.get(..10)?)?,
            (Fill::Instant, constant) => {
                // An hour that a zone has twice is one of two instants, and each database takes its own.
                let at = format!("{}::timestamp", literal(constant)?);
                let (from, to) = (format!("{name} >= {at} - interval '3h'"), format!("{name} <= {at} + interval '3h'"));
                match filter.op {
                    Op::Equal => format!("{from} AND {to}"),
                    Op::Greater | Op::GreaterOrEqual => from,
                    Op::Less | Op::LessOrEqual => to,
                }
            }
            _ => return None,
        })
    });
    any(each.collect::<Option<Vec<String>>>()?)
}

/// For SQLite, where any column may hold a value of any type: one that does not fit is let through.
pub fn sqlite(filter: &Filter, column: &str, fill: Fill) -> Option<String> {
    let name = quote_ident(column);
    let each = filter.constants.iter().map(|constant| {
        let op = filter.op.sql();
        Some(match (fill, constant) {
            (Fill::Int | Fill::Float, Constant::Number(n)) => {
                format!("{name} {op} {n} OR typeof({name}) IN ('text', 'blob')")
            }
            (Fill::Text, Constant::Text(text)) if filter.op == Op::Equal => {
                format!("{name} = {} OR typeof({name}) NOT IN ('text', 'null')", quoted(text))
            }
            (Fill::Since(unit), constant) => {
                let within = unit.condition(&name, filter.op, time(constant)?.get(..10)?)?;
                format!("{within} OR typeof({name}) IN ('text', 'blob')")
            }
            (Fill::Date | Fill::Timestamp, constant) => {
                // Days only: times of day are written in several ways.
                let day = quoted(time(constant)?.get(..10)?);
                let op = match filter.op {
                    Op::Equal => "=",
                    Op::Greater | Op::GreaterOrEqual => ">=",
                    Op::Less | Op::LessOrEqual => "<=",
                };
                format!("substr({name}, 1, 10) {op} {day} OR typeof({name}) NOT IN ('text', 'null')")
            }
            _ => return None,
        })
    });
    any(each.collect::<Option<Vec<String>>>()?)
}

/// Quotes a text for SQLite, which knows no escapes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn any(each: Vec<String>) -> Option<String> {
    if each.is_empty() { None } else { Some(format!("({})", each.join(" OR "))) }
}

/// A date or time; a text that is one is meant as one where it is compared with a date.
fn time(constant: &Constant) -> Option<&str> {
    match constant {
        Constant::Time(text) => Some(text),
        Constant::Text(text) if is_time(text) => Some(text),
        _ => None,
    }
}

fn literal(constant: &Constant) -> Option<String> {
    time(constant).map(quote_literal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::worker::counted::Unit;

    fn filter(op: Op, constants: Vec<Constant>) -> Filter {
        Filter { column: "c".to_owned(), op, constants }
    }

    #[test]
    fn each_source_gets_its_own_sql() {
        let number = filter(Op::Less, vec![Constant::Number("5".to_owned())]);
        assert_eq!(postgres(&number, "c", Fill::Int).unwrap(), "(\"c\" < 5)");
        assert_eq!(sqlite(&number, "c", Fill::Int).unwrap(), "(\"c\" < 5 OR typeof(\"c\") IN ('text', 'blob'))");
        assert_eq!(postgres(&number, "c", Fill::Text), None);
        let day = filter(Op::Greater, vec![Constant::Time("2026-03-01 12:00:00".to_owned())]);
        assert!(postgres(&day, "c", Fill::Instant).unwrap().contains("- interval '3h'"));
        assert!(sqlite(&day, "c", Fill::Timestamp).unwrap().starts_with("(substr(\"c\", 1, 10) >= '2026-03-01' OR"));
        let text = filter(Op::Equal, vec![Constant::Text("it's".to_owned()), Constant::Text("x".to_owned())]);
        assert_eq!(postgres(&text, "c", Fill::Text).unwrap(), "(\"c\"::text = 'it''s' OR \"c\"::text = 'x')");
        assert_eq!(postgres(&filter(Op::Less, text.constants), "c", Fill::Text), None);
        // Whatever the zone: the whole day before and after.
        let counted = postgres(&day, "c", Fill::Since(Unit::Millis)).unwrap();
        assert_eq!(counted, "(\"c\" >= 1772236800000)");
        let at = filter(Op::Less, day.constants);
        assert!(sqlite(&at, "c", Fill::Since(Unit::Seconds)).unwrap().starts_with("(\"c\" <= 1772496000 OR typeof"));
    }
}
