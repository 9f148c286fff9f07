//! A result as a chart in the terminal: bars for categories, lines for time.

use super::results::{Rows, shown};
use super::worker::kind_of;
use console::{measure_text_width, truncate_str};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeSet;

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
/// Values of a further column that get a line of their own, those with the largest figures.
const SERIES: usize = 6;
/// The least columns of a chart.
const NARROW: usize = 30;

/// Draws a result, `width` columns wide.
///
/// # Errors
/// Why it is no series, as a sentence.
pub fn draw(rows: &Rows, kind: Kind, width: usize) -> Result<String, String> {
    let width = width.max(NARROW);
    let kinds: Vec<_> = rows.columns.iter().map(|c| kind_of(&c.sql_type)).collect();
    let names: Vec<usize> = kinds.iter().enumerate().filter(|(_, k)| !k.is_number()).map(|(i, _)| i).collect();
    let time = names.iter().copied().find(|i| kinds.get(*i).is_some_and(|k| k.is_time()));
    let figures: Vec<usize> = kinds
        .iter()
        .enumerate()
        .filter(|(i, k)| k.is_number() && (*i > 0 || !names.is_empty()))
        .map(|(i, _)| i)
        .take(FIGURES)
        .collect();
    if rows.rows.len() < 2 {
        return Err("a chart needs two rows at least".to_owned());
    }
    if figures.is_empty() {
        return Err("a chart needs a column of names or times, and one of numbers".to_owned());
    }
    let labels = Labels::of(rows, &names, time);
    let line = match kind {
        Kind::Auto => time.is_some() && labels.along() >= LINE_FROM,
        Kind::Bar => false,
        Kind::Line => true,
    };
    let mut charts = Vec::new();
    for figure in figures {
        let name = rows.columns.get(figure).map(|c| shown(&c.name)).unwrap_or_default();
        let values: Vec<Option<f64>> = rows.rows.iter().map(|row| number(row.get(figure))).collect();
        if line {
            charts.extend(labels.lines(&name, &values, width));
        } else {
            charts.push(format!("{name}\n{}", bars(&labels.whole(), &values, width)));
        }
    }
    Ok(charts.join("\n"))
}

/// What the rows are named by.
struct Labels {
    /// What runs from left to right: a time where there is one, else the first name.
    first: Vec<String>,
    /// The further names that tell rows of one label apart; none where the label does.
    others: Option<Vec<String>>,
    /// When each row is, where all of them say it, in seconds.
    at: Option<Vec<f64>>,
}

impl Labels {
    fn of(rows: &Rows, names: &[usize], time: Option<usize>) -> Self {
        let column = |at: usize, is_time: bool| -> Vec<String> {
            rows.rows.iter().map(|row| label_of(row.get(at), is_time)).collect()
        };
        let leading = time.or(names.first().copied()).unwrap_or(0);
        let first = column(leading, time.is_some());
        let mut others: Option<Vec<String>> = None;
        for at in names.iter().copied().filter(|at| *at != leading) {
            let told = |i: usize| (first.get(i), others.as_ref().and_then(|texts| texts.get(i)));
            if (0..first.len()).map(told).collect::<BTreeSet<_>>().len() == first.len() {
                break;
            }
            let more = column(at, false);
            others = Some(match others {
                None => more,
                Some(texts) => texts.iter().zip(&more).map(|(a, b)| format!("{a} · {b}")).collect(),
            });
        }
        let at = time.and_then(|at| rows.rows.iter().map(|row| seconds(row.get(at)?.as_str()?)).collect());
        Labels { first, others, at }
    }

    /// How many different labels there are from left to right.
    fn along(&self) -> usize {
        self.first.iter().collect::<BTreeSet<_>>().len()
    }

    /// The labels with what tells them apart.
    fn whole(&self) -> Vec<String> {
        match &self.others {
            None => self.first.clone(),
            Some(others) => self.first.iter().zip(others).map(|(a, b)| format!("{a} · {b}")).collect(),
        }
    }

    /// A figure in a chart for each of the further names.
    fn lines(&self, name: &str, values: &[Option<f64>], width: usize) -> Vec<String> {
        let mut points: Vec<Point<'_>> = Vec::new();
        for (i, (label, value)) in self.first.iter().zip(values).enumerate() {
            let at = match &self.at {
                Some(at) => at.get(i).copied().unwrap_or(0.0),
                None => i as f64,
            };
            points.push(Point { label, at, value: *value });
        }
        let Some(others) = &self.others else {
            return vec![format!("{name}\n{}", lines(&mut points, None, width))];
        };
        let by_time = |a: &&Point<'_>, b: &&Point<'_>| a.at.total_cmp(&b.at);
        let ends = points.iter().min_by(by_time).copied().zip(points.iter().max_by(by_time).copied());
        let total = |of: &str| {
            let own = values.iter().zip(others).filter(|(_, other)| *other == of);
            own.filter_map(|(v, _)| *v).map(f64::abs).sum::<f64>()
        };
        let mut series: Vec<(f64, &String)> =
            others.iter().collect::<BTreeSet<_>>().into_iter().map(|of| (total(of), of)).collect();
        series.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut charts: Vec<String> = series
            .iter()
            .take(SERIES)
            .map(|(_, of)| {
                let own = points.iter().zip(others).filter(|(_, other)| other == of).map(|(point, _)| *point);
                format!("{name} · {of}\n{}", lines(&mut own.collect::<Vec<_>>(), ends, width))
            })
            .collect();
        if let Some(more) = series.len().checked_sub(SERIES).filter(|more| *more > 0) {
            charts.push(format!("… and {more} more with smaller figures\n"));
        }
        charts
    }
}

/// A point of a line.
#[derive(Debug, Clone, Copy)]
struct Point<'a> {
    label: &'a str,
    /// Where it is from left to right, in seconds or rows.
    at: f64,
    value: Option<f64>,
}

/// When a time is, in seconds since 1970; the zone is the same for all.
fn seconds(text: &str) -> Option<f64> {
    let zone = text.get(10..).and_then(|rest| rest.find(['+', '-'])).map_or(text.len(), |at| at + 10);
    let at: DateTime = text.get(..zone)?.parse().ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond() as f64 / 1000.0)
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
    let text = if value.abs() >= 1e15 || (value != 0.0 && value.abs() < 1e-6) {
        format!("{value:.3e}")
    } else if value == value.trunc() {
        format!("{value:.0}")
    } else if value.abs() < 0.1 {
        // Two digits that say something.
        let text = format!("{value:.*}", if value.abs() < 0.001 { 7 } else { 4 });
        text.trim_end_matches('0').to_owned()
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

/// A line in dots of braille, two by four in each column of text. `ends` are those of the axis, where they are not the
/// line's own.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions within the chart")]
fn lines(points: &mut [Point<'_>], ends: Option<(Point<'_>, Point<'_>)>, width: usize) -> String {
    points.sort_by(|a, b| a.at.total_cmp(&b.at));
    let own = points.first().copied().zip(points.last().copied());
    let Some((start, end)) = ends.or(own) else { return "(no figures)\n".to_owned() };
    let (from, to) = (start.at, end.at);
    let length = if to > from { to - from } else { 1.0 };
    let known: Vec<f64> = points.iter().filter_map(|p| p.value).collect();
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
    let place = |at: f64, v: f64| {
        let x = (at - from) / length * (wide - 1) as f64;
        let y = (1.0 - (v - low) / span) * (tall - 1) as f64;
        (x, y)
    };
    let mut last: Option<(f64, f64)> = None;
    for point in points.iter() {
        // A gap stays a gap.
        let Some(value) = point.value else {
            last = None;
            continue;
        };
        let (x, y) = place(point.at, value);
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
    let gap = columns.saturating_sub(measure_text_width(start.label) + measure_text_width(end.label)).max(1);
    out += &format!("{}{}{}{}\n", " ".repeat(margin + 2), start.label, " ".repeat(gap), end.label);
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

    fn by_week(weeks: u64) -> Rows {
        let column = |name: &str, sql_type: &str| Column { name: name.to_owned(), sql_type: sql_type.to_owned() };
        let columns = vec![column("week", "DATE"), column("status", "VARCHAR"), column("n", "BIGINT")];
        let row = |week, status: &str, n: u64| vec![format!("2026-03-{week:02}").into(), status.into(), n.into()];
        let rows = (1..=weeks).flat_map(|week| [row(week, "failed", week), row(week, "ok", 100)]).collect();
        Rows { columns, rows }
    }

    #[test]
    fn a_second_name_tells_lines_and_bars_apart() {
        let drawn = draw(&by_week(9), Kind::Auto, 60).unwrap();
        let (most, least) = (drawn.find("n · ok\n").unwrap(), drawn.find("n · failed\n").unwrap());
        assert!(most < least, "{drawn}");
        // The line of what is always 100 is one line of text; the other one climbs.
        let inked =
            |text: &str| text.lines().filter(|l| l.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c))).count();
        assert_eq!(inked(&drawn[most..least]), 1, "{drawn}");
        assert!(inked(&drawn[least..]) > 6, "{drawn}");
        let drawn = draw(&by_week(2), Kind::Auto, 60).unwrap();
        assert!(drawn.contains("2026-03-01 · failed") && drawn.contains("2026-03-02 · ok"), "{drawn}");
    }

    #[test]
    fn time_runs_from_left_to_right_as_it_passes() {
        let mut days: Vec<(String, Value)> = (1..=8).map(|d| (format!("2026-03-0{d}"), d.into())).collect();
        days.push(("2026-03-29".to_owned(), 0.into()));
        days.reverse();
        let days: Vec<(&str, Value)> = days.iter().map(|(l, v)| (l.as_str(), v.clone())).collect();
        let drawn = draw(&rows("DATE", &days), Kind::Auto, 60).unwrap();
        let last = drawn.lines().last().unwrap();
        assert!(last.trim().starts_with("2026-03-01") && last.ends_with("2026-03-29"), "{drawn}");
        // The first week takes a quarter of the width, and its end is the highest point.
        let top = drawn.lines().nth(1).unwrap();
        assert!(top.chars().count() < 25, "{drawn}");
    }

    #[test]
    fn small_figures_are_told_apart() {
        assert_eq!(
            [figure(0.0012), figure(0.05), figure(0.000_02), figure(1e-9)],
            ["0.0012", "0.05", "0.00002", "1.000e-9"]
        );
        assert_eq!([figure(2.0), figure(-0.0), figure(12.345)], ["2", "0", "12.35"]);
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
