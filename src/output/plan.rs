//! Plans and explanations for people.

use crate::facts::Facts;
use crate::plan::invariants::{Invariant, Premise};
use crate::plan::{Basis, Check, Component, Finding, Input, Plan, Setting, Severity, TakesEffect};
use crate::units;
use console::{Style, measure_text_width, truncate_str};
use std::fmt::Write;

/// A key that can be configured and is no setting of this plan: an input, or a setting that is not planned here.
#[derive(Debug, serde::Serialize)]
pub struct Unplanned {
    /// `host.ram`.
    pub key: String,
    /// What it is to this plan.
    pub state: String,
    /// What an input is counted with, and where that comes from.
    pub input: Option<Input>,
    /// Who set it.
    pub set_by: Option<String>,
    /// What it is for.
    pub about: Option<&'static str>,
    /// What it takes.
    pub takes: String,
    /// The server's own limits.
    pub limits: Option<String>,
    /// How it is set.
    pub set_with: String,
}

/// Values wider than this do not widen their column.
const VALUE_WIDTH: usize = 16;
/// Narrower terminals get this many columns all the same.
const LEAST_WIDTH: usize = 80;

/// The columns there are on stdout: the terminal's, or 80 in a pipe.
#[must_use]
pub fn width() -> usize {
    let term = console::Term::stdout();
    if term.is_term() { usize::from(term.size().1).max(LEAST_WIDTH) } else { LEAST_WIDTH }
}

/// A plan as a table, grouped and aligned, headed by a bar of the RAM by component.
#[must_use]
pub fn table(plan: &Plan, width: usize) -> String {
    let mut out = String::new();
    head(&mut out, plan, width);
    bar(&mut out, plan, width);
    for component in Component::ALL {
        let settings: Vec<&Setting> = plan.settings.iter().filter(|s| s.component == *component).collect();
        for group in settings.chunk_by(|a, b| a.group == b.group) {
            let Some(first) = group.first() else { continue };
            let title = format!("{} · {}", component.name(), first.group);
            let _ = writeln!(out, "\n{}", Style::new().bold().apply_to(title));
            let name = group.iter().map(|s| measure_text_width(&s.name)).max().unwrap_or(0);
            let fitting = group.iter().map(|s| measure_text_width(&shown(s))).filter(|w| *w <= VALUE_WIDTH);
            let value = fitting.max().unwrap_or(0);
            for setting in group {
                row(&mut out, setting, name, value, width);
            }
        }
    }
    if !plan.findings.is_empty() {
        out.push('\n');
    }
    for finding in &plan.findings {
        findings(&mut out, finding, width);
    }
    out
}

/// The value, after what the host has now where that differs.
fn shown(setting: &Setting) -> String {
    let value: String = if setting.value.is_empty() { "''".to_owned() } else { setting.value.clone() };
    match &setting.current {
        Some(now) if *now != setting.value => format!("{now} → {value}"),
        _ => value,
    }
}

fn row(out: &mut String, setting: &Setting, name: usize, value: usize, width: usize) {
    let takes = match setting.takes_effect {
        TakesEffect::Runtime => "runtime",
        TakesEffect::Reload => "reload",
        TakesEffect::Restart => "restart",
        TakesEffect::Reboot => "reboot",
    };
    let text = shown(setting);
    let value_style = if setting.origin.is_some() { Style::new().yellow() } else { Style::new().green() };
    let left = format!(
        "  {}  {}  {takes:7}  ",
        console::pad_str(&setting.name, name, console::Alignment::Left, None),
        value_style.apply_to(console::pad_str(&text, value, console::Alignment::Left, None)),
    );
    let room = width.saturating_sub(measure_text_width(&left));
    let dim = Style::new().dim();
    // A long value (a log prefix, a command) pushes the reason to a line of its own.
    if room < 12 {
        let _ = writeln!(out, "{}", left.trim_end());
        let _ = writeln!(out, "      {}", dim.apply_to(short_reason(setting, width.saturating_sub(6))));
    } else {
        let _ = writeln!(out, "{left}{}", dim.apply_to(short_reason(setting, room)));
    }
}

/// Why, in at most so many columns: the numbers if they fit, else the rule, else what of the numbers fits.
fn short_reason(setting: &Setting, room: usize) -> String {
    if let Some(origin) = &setting.origin {
        return truncate_str(&format!("set by {origin}"), room, "…").into_owned();
    }
    // Where a cap bit, the number is not the value: 196 GB/32 = 6.12 GB → 2GB.
    let capped = !setting.reason.caps.is_empty() && !setting.reason.worked.is_empty();
    let cut = if capped { format!("{} → {}", setting.reason.worked, setting.value) } else { String::new() };
    let worked = if capped { cut.as_str() } else { setting.reason.worked.as_str() };
    let formula = setting.reason.formula.as_str();
    let fits = |text: &&str| !text.is_empty() && measure_text_width(text) <= room;
    // A worked value that only repeats the value says less than the rule.
    let told = [worked, formula].into_iter().filter(|t| *t != setting.value).find(fits);
    let longest = if worked.is_empty() || worked == setting.value { formula } else { worked };
    told.map_or_else(|| truncate_str(longest, room, "…").into_owned(), str::to_owned)
}

fn head(out: &mut String, plan: &Plan, width: usize) {
    let facts: &Facts = &plan.facts;
    let host = facts.hostname.as_deref().unwrap_or("a host");
    let ram: u64 = plan.host.ram_bytes;
    let _ = writeln!(
        out,
        "{} · {} · {} RAM · {}",
        Style::new().bold().apply_to(host),
        units::counted(plan.host.cpus, "CPU"),
        units::human_bytes(ram),
        plan.host.disk,
    );
    let profile = if plan.profile.name.is_empty() { "none" } else { &plan.profile.name };
    let _ = write!(out, "profile {profile}");
    if !plan.profile.rule.is_empty() {
        let _ = write!(out, " ({})", plan.profile.rule);
    }
    let parts = plan.host.components.join(", ");
    out.push('\n');
    paragraph(out, &format!("sizing {} · workload {} · {parts}", plan.host.sizing, plan.host.workload), "", width);
}

/// The RAM by component.
fn bar(out: &mut String, plan: &Plan, width: usize) {
    let ram = plan.host.ram_bytes.max(1);
    let total = plan.memory.iter().fold(0u64, |sum, share| sum.saturating_add(share.bytes));
    let whole = total.max(ram);
    let cells = width.saturating_sub(4).min(96);
    let styles = [
        Style::new().blue(),
        Style::new().magenta(),
        Style::new().cyan(),
        Style::new().yellow(),
        Style::new().green(),
        Style::new().red(),
        Style::new().dim(),
    ];
    let marks = ['█', '▓', '▒', '░', '▚', '▞', '▪'];
    let mut drawn = String::new();
    let (mut sum, mut done) = (0u128, 0usize);
    for (i, share) in plan.memory.iter().enumerate() {
        sum += u128::from(share.bytes);
        let until = usize::try_from(sum * cells as u128 / u128::from(whole)).unwrap_or(cells);
        let mark: String = std::iter::repeat_n(marks[i % marks.len()], until.saturating_sub(done)).collect();
        let _ = write!(drawn, "{}", styles[i % styles.len()].apply_to(mark));
        done = until.max(done);
    }
    let _ = writeln!(out, "\n  {drawn}{}", "·".repeat(cells.saturating_sub(done)));
    for (i, share) in plan.memory.iter().enumerate() {
        let percent = share.bytes as f64 * 100.0 / ram as f64;
        let mark = styles[i % styles.len()].apply_to(marks[i % marks.len()]);
        let _ = writeln!(out, "  {mark} {:11} {:>9}  {percent:5.1} %", share.name, units::human_bytes(share.bytes));
    }
    if total > ram {
        let over = format!("{:.1} × the RAM is committed at worst", total as f64 / ram as f64);
        let _ = writeln!(out, "  {}", Style::new().red().apply_to(over));
    } else if ram - total > ram / 100 {
        let free = ram - total;
        let _ = writeln!(
            out,
            "  · {:11} {:>9}  {:5.1} %",
            "page cache",
            units::human_bytes(free),
            free as f64 * 100.0 / ram as f64
        );
    }
}

fn findings(out: &mut String, finding: &Finding, width: usize) {
    let style = match finding.severity {
        Severity::Error => Style::new().red().bold(),
        Severity::Warning => Style::new().yellow().bold(),
        Severity::Assumption => Style::new().cyan(),
        Severity::Info => Style::new().dim(),
    };
    let title = format!("{}: {}", style.apply_to(finding.severity.name()), finding.invariant);
    let _ = writeln!(out, "{title}");
    paragraph(out, &finding.message, "  ", width);
    if let Some(next) = &finding.next {
        paragraph(out, &format!("→ {next}"), "  ", width);
    }
}

/// Adds a text folded at the width, each line indented.
pub fn paragraph(out: &mut String, text: &str, indent: &str, width: usize) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent.len() + measure_text_width(&line) + 1 + measure_text_width(word) > width {
            let _ = writeln!(out, "{indent}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "{indent}{line}");
    }
}

fn field(out: &mut String, name: &str, text: &str, width: usize) {
    if text.is_empty() {
        return;
    }
    let mut body = String::new();
    paragraph(&mut body, text, "             ", width);
    let first = format!("{name:11}  ");
    let _ = write!(out, "{}{}", Style::new().bold().apply_to(first), body.trim_start());
}

/// Everything known of one setting.
#[must_use]
pub fn setting(setting: &Setting, limits: Option<&str>, width: usize) -> String {
    let mut out = String::new();
    let title = format!("{} = {}", setting.key, setting.value);
    let _ = writeln!(out, "{}", Style::new().bold().green().apply_to(title));
    field(&mut out, "formula", &setting.reason.formula, width);
    field(&mut out, "here", &setting.reason.worked, width);
    for cap in &setting.reason.caps {
        field(&mut out, "cap", cap, width);
    }
    for input in &setting.reason.inputs {
        field(&mut out, "input", &shown_input(input), width);
    }
    let winner = setting.origin.as_ref().map_or_else(|| "derived by the plan".to_owned(), ToString::to_string);
    field(&mut out, "set by", &winner, width);
    if let Some(now) = &setting.current {
        field(&mut out, "host has", now, width);
    }
    let takes = match setting.takes_effect {
        TakesEffect::Runtime => "at once",
        TakesEffect::Reload => "after a reload",
        TakesEffect::Restart => "after a restart of the service",
        TakesEffect::Reboot => "after a remount or a reboot",
    };
    field(&mut out, "counts", takes, width);
    field(&mut out, "limits", limits.unwrap_or_default(), width);
    field(&mut out, "guide", &setting.reason.guide.map(|g| format!("section {g}")).unwrap_or_default(), width);
    for note in &setting.reason.notes {
        field(&mut out, "note", note, width);
    }
    out
}

/// Everything known of a key without a setting in the plan.
#[must_use]
pub fn unplanned(key: &Unplanned, width: usize) -> String {
    let mut out = String::new();
    let mut title = String::new();
    paragraph(&mut title, &format!("{} {}", key.key, key.state), "", width);
    let _ = write!(out, "{}", Style::new().bold().apply_to(title));
    field(&mut out, "about", key.about.unwrap_or_default(), width);
    if let Some(told) = &key.input {
        field(&mut out, "here", &shown_input(told), width);
    }
    let unset = if key.input.is_some() { "nobody" } else { "nobody; its default holds, where it has one" };
    field(&mut out, "set by", key.set_by.as_deref().unwrap_or(unset), width);
    field(&mut out, "takes", &key.takes, width);
    field(&mut out, "limits", key.limits.as_deref().unwrap_or_default(), width);
    field(&mut out, "set with", &key.set_with, width);
    out
}

/// An input with what it rests on.
fn shown_input(input: &Input) -> String {
    let basis = match input.basis {
        Basis::Measured => "measured",
        Basis::Configured => "configured",
        Basis::Assumed => "assumed",
        Basis::Derived => "derived",
    };
    format!("{} = {} ({basis}: {})", input.name, input.value, input.source)
}

/// Everything known of one premise, and of what else the plan says under its name.
#[must_use]
pub fn premise(premise: &Premise, found: &[&Finding], width: usize) -> String {
    let mut out = String::new();
    let verdict = if found.is_empty() { "gives no cause for a remark here" } else { "is remarked on here" };
    let _ = writeln!(out, "{}", Style::new().bold().apply_to(format!("{} {verdict}", premise.name)));
    field(&mut out, "about", premise.about, width);
    remarks(&mut out, found, width);
    out
}

/// Findings as fields: how bad, what, and what to do.
fn remarks(out: &mut String, found: &[&Finding], width: usize) {
    for finding in found {
        field(out, finding.severity.name(), &finding.message, width);
        field(out, "next", finding.next.as_deref().unwrap_or_default(), width);
    }
}

/// Everything known of one invariant.
#[must_use]
pub fn invariant(rule: &Invariant, check: Option<&Check>, found: &[&Finding], width: usize) -> String {
    let mut out = String::new();
    let verdict = match check.map(|c| c.holds) {
        Some(Some(true)) => "holds",
        Some(Some(false)) => "is violated",
        Some(None) => "could not be judged",
        None if !found.is_empty() => "rests on a premise",
        None => "does not apply to what lives here",
    };
    let _ = writeln!(out, "{}", Style::new().bold().apply_to(format!("{} {verdict}", rule.name)));
    field(&mut out, "must hold", rule.rule, width);
    field(&mut out, "edge", rule.edge, width);
    let judged = found.iter().find(|f| check.is_some_and(|c| c.message == f.message)).map(|f| f.severity);
    let severity = match (rule.severity, judged) {
        (Severity::Error, Some(Severity::Warning)) => "error; a warning here, as the guide's sizing was asked for",
        (Severity::Error, _) => "error: render and apply refuse",
        _ => "warning",
    };
    field(&mut out, "severity", severity, width);
    if let Some(check) = check {
        for (name, value) in &check.numbers {
            field(&mut out, "number", &format!("{name} = {value}"), width);
        }
        field(&mut out, "verdict", &check.message, width);
    }
    let told = |f: &&&Finding| check.is_none_or(|c| c.message != f.message);
    let others: Vec<&Finding> = found.iter().filter(told).copied().collect();
    let next = found.iter().find(|f| !told(f)).and_then(|f| f.next.as_deref());
    field(&mut out, "next", next.unwrap_or_default(), width);
    remarks(&mut out, &others, width);
    out
}
