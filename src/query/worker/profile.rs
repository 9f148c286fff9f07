//! What a query took: DuckDB's plan with times, and its memory by component.

use super::catalogue::Engine;
use crate::units::human_bytes;
use std::fmt::Write;

/// The plan with times of the query that just ran, and what memory is used for after it.
pub fn profile(engine: &Engine) -> Option<String> {
    let info = engine.duckdb.get_profiling_info()?;
    let mut text = String::new();
    draw(&info, 0, &mut text);
    // What cannot be asked is left out: the rows are there already.
    for (component, memory, disk) in engine.memory().unwrap_or_default() {
        if memory + disk > 0 {
            let spilled = if disk > 0 { format!(", {} on disk", human_bytes(disk)) } else { String::new() };
            let _ = writeln!(text, "memory {}: {}{spilled}", component.to_lowercase(), human_bytes(memory));
        }
    }
    Some(text)
}

fn draw(node: &duckdb::profiling::ProfilingInfo, depth: usize, text: &mut String) {
    let metric = |name: &str| node.metrics.get(name).map_or("", String::as_str).trim_matches('"');
    let number = |name: &str| metric(name).parse::<f64>().unwrap_or(0.0);
    let name = metric("OPERATOR_NAME").trim();
    let indent = "  ".repeat(depth);
    if name.is_empty() {
        let _ = writeln!(text, "{:9.3} s  {:>12} rows  whole query", number("LATENCY"), metric("ROWS_RETURNED"));
    } else {
        let _ = writeln!(
            text,
            "{:9.3} s  {:>12} rows  {indent}{name}",
            number("OPERATOR_TIMING"),
            metric("OPERATOR_CARDINALITY")
        );
    }
    for child in &node.children {
        draw(child, depth + usize::from(!name.is_empty()), text);
    }
}
