//! Changes of a host for people.

use super::plan::width;
use crate::apply::change::{ChangeSet, FileChange, SettingChange};
use crate::plan::TakesEffect;
use console::{Style, measure_text_width, truncate_str};
use similar::{Algorithm, TextDiff};
use std::fmt::Write;

/// The changes by setting, and by file.
#[must_use]
pub fn table(set: &ChangeSet) -> String {
    let mut out = String::new();
    let rows: Vec<(String, String)> = set.settings.iter().map(|s| (s.key.clone(), values(s))).collect();
    let key = rows.iter().map(|(key, _)| measure_text_width(key)).max().unwrap_or(0);
    let room = width();
    for (setting, (name, values)) in set.settings.iter().zip(&rows) {
        let line = format!("  {name:key$}  {values}  {}, ", effect(setting.takes_effect));
        let rest = room.saturating_sub(measure_text_width(&line));
        let dim = Style::new().dim();
        if rest < 16 {
            let _ = writeln!(out, "{}", line.trim_end_matches(", "));
            let _ = writeln!(out, "      {}", dim.apply_to(truncate_str(&setting.reason, room.saturating_sub(6), "…")));
        } else {
            let _ = writeln!(out, "{line}{}", dim.apply_to(truncate_str(&setting.reason, rest, "…")));
        }
        if let Some(winner) = &setting.loses_to {
            let _ = writeln!(out, "      {}", Style::new().yellow().apply_to(format!("will not count: {winner} wins")));
        }
    }
    if !rows.is_empty() && !set.files.is_empty() {
        out.push('\n');
    }
    for file in &set.files {
        let (mark, style) = match (&file.old, &file.new) {
            (None, _) => ("new", Style::new().green()),
            (_, None) => ("removed", Style::new().red()),
            _ => ("changed", Style::new().yellow()),
        };
        let (plus, minus) = counts(file);
        let _ = writeln!(
            out,
            "  {}  {} (+{plus} -{minus}, {})",
            style.apply_to(format!("{mark:7}")),
            file.target,
            file.ownership
        );
    }
    out
}

fn values(setting: &SettingChange) -> String {
    let shown = |value: &Option<String>| match value.as_deref() {
        None => "(default)".to_owned(),
        Some("") => "''".to_owned(),
        Some(value) => truncate_str(value, 40, "…").into_owned(),
    };
    format!("{} → {}", shown(&setting.old), Style::new().green().apply_to(shown(&setting.new)))
}

/// The word for when a change counts.
#[must_use]
pub fn effect(takes: TakesEffect) -> &'static str {
    match takes {
        TakesEffect::Runtime => "at once",
        TakesEffect::Reload => "reload",
        TakesEffect::Restart => "restart",
        TakesEffect::Reboot => "reboot",
    }
}

/// The lines that change, as `diff -u` prints them; passwords are left out.
#[must_use]
pub fn unified(set: &ChangeSet) -> String {
    let mut out = String::new();
    for file in &set.files {
        let (old, new) = texts(file);
        let name =
            |side: bool, prefix: &str| if side { format!("{prefix}{}", file.target) } else { "/dev/null".to_owned() };
        let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(&old, &new);
        let mut unified = diff.unified_diff();
        unified.context_radius(3).header(&name(file.old.is_some(), "a"), &name(file.new.is_some(), "b"));
        for line in unified.to_string().split_inclusive('\n') {
            let style = match line.as_bytes().first() {
                Some(b'+') => Style::new().green(),
                Some(b'-') => Style::new().red(),
                Some(b'@') => Style::new().cyan(),
                _ => Style::new(),
            };
            let _ = write!(out, "{}", style.apply_to(line));
        }
    }
    for value in &set.kernel {
        let _ = write!(out, "--- a{0}\n+++ b{0}\n@@ -1 +1 @@\n-{1}\n+{2}\n", value.path, value.old, value.new);
    }
    out
}

fn texts(file: &FileChange) -> (String, String) {
    let text = |side: &Option<crate::apply::change::Version>| {
        side.as_ref().map(|v| String::from_utf8_lossy(&v.content).into_owned()).unwrap_or_default()
    };
    (text(&file.old), text(&file.new))
}

/// Lines that come and lines that go.
fn counts(file: &FileChange) -> (usize, usize) {
    let (old, new) = texts(file);
    let diff = TextDiff::from_lines(&old, &new);
    let count = |tag| diff.iter_all_changes().filter(|c| c.tag() == tag).count();
    (count(similar::ChangeTag::Insert), count(similar::ChangeTag::Delete))
}
