//! A result as a chart in the terminal: bars for categories, lines for time.

use super::results::{Rows, shown};
use super::worker::kind_of;
use console::{measure_text_width, truncate_str};
use serde_json::Value;

/// Which chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Lines where the result goes along time, bars otherwise
    Auto,
    /// A bar a row
    Bar,
    /// A line from left to right
    Line,
}

/// Bars that are drawn, and lines of text of a line chart.
const BARS: usize = 60;
const HEIGHT: usize = 12;
/// Rows from which on time is drawn as a line.
const LINE_FROM: usize = 8;
/// Figures of a result that are drawn, each in a chart of its own.
const FIGURES: usize = 4;
/// The least columns of a chart.
const NARROW: usize = 30;

/// Draws a result, `width` columns wide.
///
/// # Errors
/// Why it is no series, as a sentence.
pub fn draw(rows: &Rows, kind: Kind, width: usize) -> Result<String, String> {
    let width = width.max(NARROW);
    let kinds: Vec<_> = rows.columns.iter().map(|c| kind_of(&c.sql_type)).collect();
    let label = kinds.iter().position(|k| !k.is_number()).unwrap_or(0);
    let figures: Vec<usize> =
        kinds.iter().enumerate().filter(|(i, k)| *i != label && k.is_number()).map(|(i, _)| i).take(FIGURES).collect();
    if rows.rows.len() < 2 {
        return Err("a chart needs two rows at least".to_owned());
    }
    if figures.is_empty() {
        return Err("a chart needs a column of names or times, and one of numbers".to_owned());
    }
    let time = kinds.get(label).is_some_and(|k| k.is_time());
    let line = match kind {
        Kind::Auto => time && rows.rows.len() >= LINE_FROM,
        Kind::Bar => false,
        Kind::Line => true,
    };
    let labels: Vec<String> = rows.rows.iter().map(|row| label_of(row.get(label), time)).collect();
    let mut out = String::new();
    for figure in figures {
        let name = rows.columns.get(figure).map(|c| shown(&c.name)).unwrap_or_default();
        let values: Vec<Option<f64>> = rows.rows.iter().map(|row| number(row.get(figure))).collect();
        if !out.is_empty() {
            out.push('\n');
        }
        out += &format!("{name}\n");
        out += &if line { lines(&labels, &values, width) } else { bars(&labels, &values, width) };
    }
    Ok(out)
}

fn number(value: Option<&Value>) -> Option<f64> {
    let number = match value? {
        Value::Number(n) => n.as_f64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    };
    number.filter(|n| n.is_finite())
}

/// A label: text as it is, a time without the parts that are zero.
fn label_of(value: Option<&Value>, time: bool) -> String {
    match value {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(Value::String(text)) if time => {
            let text = text.strip_suffix("+00").unwrap_or(text);
            text.strip_suffix(" 00:00:00").or_else(|| text.strip_suffix(":00")).unwrap_or(text).to_owned()
        }
        Some(Value::String(text)) => shown(text).replace(['\n', '\t'], " "),
        Some(other) => other.to_string(),
    }
}

fn figure(value: f64) -> String {
    let text = if value.abs() >= 1e15 {
        format!("{value:.3e}")
    } else if value == value.trunc() {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    };
    // What is next to nothing below zero is nothing.
    if text == "-0.00" || text == "-0" { text.trim_start_matches('-').to_owned() } else { text }
}

fn bars(labels: &[String], values: &[Option<f64>], width: usize) -> String {
    let count = labels.len().min(BARS);
    let figures: Vec<String> = values.iter().map(|v| v.map(figure).unwrap_or_default()).collect();
    let widest = |texts: &[String]| texts.iter().take(count).map(|t| measure_text_width(t)).max().unwrap_or(0);
    let (label, value) = (widest(labels).min(width / 3), widest(&figures));
    let room = width.saturating_sub(label + value + 4).max(8);
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for v in values.iter().take(count).flatten() {
        (low, high) = (low.min(*v), high.max(*v));
    }
    let scale = if high > low { room as f64 / (high - low) } else { 0.0 };
    let zero = (-low * scale).round();
    let mut out = String::new();
    for ((name, v), text) in labels.iter().zip(values).zip(&figures).take(count) {
        let name = truncate_str(name, label, "…");
        let pad = label.saturating_sub(measure_text_width(&name));
        let drawn = v.map_or_else(String::new, |v| bar(v, scale, zero));
        out += format!("{name}{} │{drawn} {text}", " ".repeat(pad)).trim_end();
        out.push('\n');
    }
    if labels.len() > count {
        out += &format!("… and {} more rows\n", labels.len() - count);
    }
    out
}

/// One bar: below zero to the left of it, in eighths of a column to the right.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length within the width of a terminal")]
fn bar(value: f64, scale: f64, zero: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let left = zero as usize;
    if value < 0.0 {
        let long = ((-value * scale).round() as usize).min(left);
        return format!("{}{}", " ".repeat(left - long), "█".repeat(long));
    }
    let eighths = (value * scale * 8.0).round() as usize;
    let last = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    // What is not nothing is seen.
    let last = if eighths == 0 && value > 0.0 { "▏" } else { last };
    format!("{}{}{last}", " ".repeat(left), "█".repeat(eighths / 8))
}

/// A line in dots of braille, two by four in each column of text.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions within the chart")]
fn lines(labels: &[String], values: &[Option<f64>], width: usize) -> String {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let Some(high) = known.iter().copied().reduce(f64::max) else { return "(no figures)\n".to_owned() };
    let low = known.iter().copied().fold(0.0_f64, f64::min);
    let span = if high > low { high - low } else { 1.0 };
    let marks = [figure(low + span), figure(low + span / 2.0), figure(low)];
    let margin = marks.iter().map(|m| measure_text_width(m)).max().unwrap_or(0);
    let columns = width.saturating_sub(margin + 2).max(10);
    let (wide, tall) = (columns * 2, HEIGHT * 4);
    let mut dots = vec![0u8; columns * HEIGHT];
    let mut dot = |x: usize, y: usize| {
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let bit = BITS.get(x % 2).and_then(|b| b.get(y % 4)).copied().unwrap_or(0);
        if let Some(cell) = dots.get_mut(y / 4 * columns + x / 2) {
            *cell |= bit;
        }
    };
    let place = |i: usize, v: f64| {
        let x = i as f64 / (values.len() - 1).max(1) as f64 * (wide - 1) as f64;
        let y = (1.0 - (v - low) / span) * (tall - 1) as f64;
        (x, y)
    };
    let mut last: Option<(f64, f64)> = None;
    for (i, value) in values.iter().enumerate() {
        // A gap stays a gap.
        let Some(value) = value else {
            last = None;
            continue;
        };
        let (x, y) = place(i, *value);
        let (from_x, from_y) = last.unwrap_or((x, y));
        let steps = (x - from_x).abs().max((y - from_y).abs()).ceil().max(1.0) as usize;
        for step in 0..=steps {
            let part = step as f64 / steps as f64;
            let (x, y) = (from_x + (x - from_x) * part, from_y + (y - from_y) * part);
            dot(x.round() as usize, y.round() as usize);
        }
        last = Some((x, y));
    }
    let mut out = String::new();
    for (row, cells) in dots.chunks(columns).enumerate() {
        let mark = match row {
            0 => marks.first(),
            _ if row == HEIGHT / 2 => marks.get(1),
            _ if row == HEIGHT - 1 => marks.get(2),
            _ => None,
        };
        let drawn: String = cells
            .iter()
            .map(|c| if *c == 0 { ' ' } else { char::from_u32(0x2800 + u32::from(*c)).unwrap_or(' ') })
            .collect();
        out += format!("{:>margin$} ┤{drawn}", mark.map_or("", String::as_str)).trim_end();
        out.push('\n');
    }
    let (first, end) = (labels.first().cloned().unwrap_or_default(), labels.last().cloned().unwrap_or_default());
    let gap = columns.saturating_sub(measure_text_width(&first) + measure_text_width(&end)).max(1);
    out += &format!("{}{first}{}{end}\n", " ".repeat(margin + 2), " ".repeat(gap));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::protocol::Column;

    fn rows(label: &str, values: &[(&str, Value)]) -> Rows {
        let column = |name: &str, sql_type: &str| Column { name: name.to_owned(), sql_type: sql_type.to_owned() };
        Rows {
            columns: vec![column("label", label), column("n", "BIGINT")],
            rows: values.iter().map(|(l, v)| vec![(*l).into(), v.clone()]).collect(),
        }
    }

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let drawn =
            draw(&rows("VARCHAR", &[("a", 10.into()), ("b", 5.into()), ("c", 0.into())]), Kind::Auto, 40).unwrap();
        // In halves of a cell: the longest bar fills an odd number of them.
        let halves = |l: &str| l.chars().map(|c| 2 * usize::from(c == '█') + usize::from(c == '▌')).sum::<usize>();
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(halves(lines[1]), 2 * halves(lines[2]), "{drawn}");
        assert!(halves(lines[2]) > 0 && halves(lines[3]) == 0, "{drawn}");
        assert!(drawn.lines().all(|l| measure_text_width(l) <= 40), "{drawn}");
    }

    #[test]
    fn what_is_below_zero_goes_to_the_left() {
        let drawn = draw(&rows("VARCHAR", &[("a", (-10).into()), ("b", 10.into())]), Kind::Auto, 40).unwrap();
        let at = |l: &str| l.chars().position(|c| c == '█').unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(at(lines[1]) < at(lines[2]), "{drawn}");
    }

    #[test]
    fn time_is_a_line_with_its_first_and_last_day() {
        let days: Vec<(String, Value)> = (1..=9).map(|d| (format!("2026-03-0{d} 00:00:00"), d.into())).collect();
        let days: Vec<(&str, Value)> = days.iter().map(|(l, v)| (l.as_str(), v.clone())).collect();
        let drawn = draw(&rows("TIMESTAMP", &days), Kind::Auto, 60).unwrap();
        assert!(drawn.contains('⢀') || drawn.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{drawn}");
        assert!(drawn.lines().last().unwrap().contains("2026-03-01"), "{drawn}");
        assert!(drawn.lines().all(|l| measure_text_width(l) <= 60), "{drawn}");
    }

    #[test]
    fn what_is_no_series_is_said() {
        assert!(draw(&rows("VARCHAR", &[("a", 1.into())]), Kind::Auto, 80).is_err());
        let mut text = rows("VARCHAR", &[("a", 1.into()), ("b", 2.into())]);
        text.columns[1].sql_type = "VARCHAR".to_owned();
        assert!(draw(&text, Kind::Auto, 80).is_err());
        assert!(draw(&rows("VARCHAR", &[("a", Value::Null), ("b", Value::Null)]), Kind::Line, 80).is_ok());
    }
}
