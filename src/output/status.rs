//! What has drifted, for people.

use super::changes::effect;
use super::plan::width;
use crate::apply::drift::{Edited, FileDrift, FileState, PlanDrift, Status};
use crate::apply::servers::{Differs, Waits};
use crate::root::Root;
use console::{Style, measure_text_width, pad_str, truncate_str};
use std::fmt::Write;

/// The whole of it: what was compared, each layer with something in it, and what to do.
#[must_use]
pub fn table(status: &Status, root: &Root) -> String {
    let mut out = String::new();
    if let Some(g) = &status.interrupted {
        let recover = root.command("recover");
        let text = format!("generation {}, begun at {} by {}, was interrupted: {recover}", g.id, g.at, g.user);
        let _ = writeln!(out, "{}", Style::new().red().apply_to(text));
    }
    match &status.generation {
        Some(g) => {
            let _ = writeln!(out, "generation {} ({} by {} at {})", g.id, g.kind, g.user, g.at);
        }
        None if status.compared.planned > 0 => out.push_str("compared with our files as they stand\n"),
        None if status.interrupted.is_some() => {}
        None => {
            let _ = writeln!(out, "nothing was applied here; {} shows what would be changed", root.command("diff"));
        }
    }
    section(&mut out, "files", &status.files, file);
    section(&mut out, "edited by hand, and nothing of ours", &status.edited, file);
    section(&mut out, "running values", &status.running, |out, d| value(out, d, &status.running));
    section(&mut out, "plan", &status.plan, |out, d| planned(out, d, &status.plan));
    section(&mut out, "applied, and not yet in force", &status.waiting, |out, d| value(out, d, &status.waiting));
    section(&mut out, "not looked at", &status.unread, |out, u| {
        let next = u.next.as_ref().map(|next| format!("; {next}")).unwrap_or_default();
        let _ = writeln!(out, "  {}: {}{next}", u.what, u.why);
    });
    let compared = status.compared;
    let counts = format!(
        "{} files, {} running values and {} planned files compared",
        compared.files, compared.running, compared.planned
    );
    let verdict = match (status.drift, status.generation.is_some() || compared.planned > 0) {
        (true, _) => Style::new().yellow().apply_to("drift"),
        (false, true) => Style::new().green().apply_to("no drift"),
        (false, false) => return out,
    };
    let _ = writeln!(out, "\n{verdict}: {counts}");
    if status.drift {
        let (apply, set) = (root.command("apply"), root.command("config set KEY VALUE"));
        let _ = writeln!(out, "the plan again: {apply}; to keep a value: {set}");
    }
    let by_us =
        |d: &&Differs| d.waits == Some(Waits::Restart) && ["postgresql", "pgbouncer"].contains(&d.component.as_str());
    let mut servers: Vec<&str> = status.waiting.iter().filter(by_us).map(|d| d.component.as_str()).collect();
    servers.dedup();
    if !servers.is_empty() {
        let (servers, restart) = (servers.join(" and "), root.command("apply --restart"));
        let _ = writeln!(out, "have {servers} restarted and proved when that suits: {restart}");
    }
    out
}

fn section<T>(out: &mut String, title: &str, rows: &[T], mut row: impl FnMut(&mut String, &T)) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{}", Style::new().bold().apply_to(title));
    rows.iter().for_each(|one| row(out, one));
}

fn file(out: &mut String, file: &FileDrift) {
    let word = match file.state {
        FileState::Edited => "edited",
        FileState::Comments => "comments only",
        FileState::Others => "yours",
        FileState::Gone => "gone",
        FileState::Attributes => "mode",
    };
    let counts = match file.state {
        FileState::Edited | FileState::Comments | FileState::Others => format!(" (+{} -{})", file.added, file.removed),
        _ => String::new(),
    };
    let _ = writeln!(out, "  {}  {}{counts}", Style::new().yellow().apply_to(format!("{word:6}")), file.target);
    for Edited { name, applied, now } in &file.settings {
        let _ = writeln!(out, "      {name}  {} → {}", shown(applied.as_deref()), shown(now.as_deref()));
    }
    for line in file.lines.iter().chain(&file.attributes) {
        let _ = writeln!(out, "      {line}");
    }
}

fn value(out: &mut String, one: &Differs, all: &[Differs]) {
    let key = all.iter().map(|d| measure_text_width(&d.key)).max().unwrap_or(0);
    let name = pad_str(&one.key, key, console::Alignment::Left, None);
    let mut line = format!("  {name}  applied {}, runs {}", shown(Some(&one.applied)), shown(Some(&one.running)));
    if let Some(place) = &one.set_by {
        let _ = write!(line, "  by {place}");
    }
    match one.waits {
        Some(Waits::Restart) => line.push_str("  waits for a restart"),
        Some(Waits::Reboot) => line.push_str("  waits for a reboot"),
        Some(Waits::Host) | None => {}
    }
    if let Some(next) = &one.next {
        let _ = write!(line, "  {next}");
    }
    let _ = writeln!(out, "{line}");
}

fn planned(out: &mut String, one: &PlanDrift, all: &[PlanDrift]) {
    let dim = Style::new().dim();
    let Some(name) = &one.key else {
        let _ = writeln!(out, "  {}  {}", one.target, dim.apply_to(&one.reason));
        return;
    };
    let key = all.iter().filter_map(|d| d.key.as_deref()).map(measure_text_width).max().unwrap_or(0);
    let name = pad_str(name, key, console::Alignment::Left, None);
    let when = one.takes_effect.map(|t| format!("  {}, ", effect(t))).unwrap_or_else(|| "  ".to_owned());
    let line = format!("  {name}  {} → {}{when}", shown(one.applied.as_deref()), shown(one.planned.as_deref()));
    let room = width().saturating_sub(measure_text_width(&line));
    if room < 16 {
        let _ = writeln!(out, "{}\n      {}", line.trim_end().trim_end_matches(','), dim.apply_to(&one.reason));
    } else {
        let _ = writeln!(out, "{line}{}", dim.apply_to(truncate_str(&one.reason, room, "…")));
    }
}

fn shown(value: Option<&str>) -> String {
    match value {
        None => "(not set)".to_owned(),
        Some("") => "''".to_owned(),
        Some(value) => truncate_str(value, 40, "…").into_owned(),
    }
}
