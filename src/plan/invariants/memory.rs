//! Memory: the budget, overcommit, huge pages, containers and services.

use super::{Court, number, size};
use crate::plan::budget::{Budget, Guilty, WorkMemTerm};
use crate::plan::host::Sizing;
use crate::plan::{Check, Severity, containers, kernel};
use crate::units;
use crate::value::{Dialect, Value};

/// The verdict of `memory.fit` where it holds.
fn above_the_floors(numbers: &[(String, String)]) -> Check {
    Check {
        invariant: "memory.fit",
        holds: Some(true),
        numbers: numbers.to_vec(),
        message: "no pool, number of connections or work_mem goes under its floor".to_owned(),
    }
}

impl Court<'_> {
    pub(super) fn memory(&mut self) {
        let ram = self.budget.ram;
        let fixed = self.budget.fixed(self.host);
        let mut numbers = vec![size("RAM", ram), size("reserve, fixed needs, other tenants", fixed)];
        let mut total = fixed;
        if let Some(pg) = &self.budget.postgresql {
            numbers.extend(pg.terms().into_iter().map(|(term, bytes)| size(&format!("PostgreSQL: {term}"), bytes)));
            numbers.push(size("PostgreSQL at worst", pg.worst_case()));
            total = total.saturating_add(pg.worst_case());
        }
        if let Some(duck) = &self.budget.duckdb {
            let share = duck.share.max(duck.memory_limit);
            numbers.push(size("DuckDB", share));
            total = total.saturating_add(share);
        }
        numbers.push(size("in all", total));
        if self.host.sizing == Sizing::Budget && !self.budget.is_sound(self.host) {
            let (what, next) = self.what_would_do(&mut numbers);
            if !self.budget.fits {
                let message = format!(
                    "{} of RAM cannot hold this stack, with pools and connections already down to their least: {what}",
                    units::human_bytes(ram)
                );
                self.verdict("memory.fit", Some(false), numbers, message, &next);
                return;
            }
            self.checks.push(above_the_floors(&numbers));
            let message = format!(
                "{} are committed at worst, {:.1} × the {} there are: {what}",
                units::human_bytes(total),
                total as f64 / ram.max(1) as f64,
                units::human_bytes(ram)
            );
            self.verdict("memory.total", Some(false), numbers, message, &next);
            return;
        }
        self.checks.push(above_the_floors(&numbers));
        let holds = total <= ram;
        let message = if holds {
            format!("{} of {} are committed at worst", units::human_bytes(total), units::human_bytes(ram))
        } else {
            format!(
                "{} are committed at worst, {:.1} × the {} there are",
                units::human_bytes(total),
                total as f64 / ram.max(1) as f64,
                units::human_bytes(ram)
            )
        };
        self.verdict("memory.total", Some(holds), numbers, message, "plan with --sizing budget");
        let floor = self.budget.postgresql.as_ref().is_some_and(|p| p.work_mem_term == WorkMemTerm::Floor);
        debug_assert!(!floor || self.host.sizing == Sizing::Guide, "a floor is a memory.fit");
    }

    pub(super) fn overcommit(&mut self) {
        let (Some(mode), Some(pg)) = (self.count("kernel.vm.overcommit_memory"), &self.budget.postgresql) else {
            return;
        };
        if mode != 2 {
            let numbers = vec![number("vm.overcommit_memory", mode)];
            let message = format!("vm.overcommit_memory is {mode}: there is no limit to keep");
            self.verdict("memory.overcommit", Some(true), numbers, message, "");
            return;
        }
        let planned = self.count("kernel.vm.overcommit_ratio");
        let limit = kernel::commit_limit(self.host, pg, planned);
        let need = kernel::commit_need(self.host, pg);
        let ratio = planned.or_else(|| self.host.sysctl("vm.overcommit_ratio"));
        let mut numbers = vec![size("CommitLimit", limit), size("planned and committed now", need)];
        numbers.extend(ratio.map(|ratio| number("ratio", ratio)));
        let holds = need <= limit;
        let verb = if holds { "holds" } else { "is less than" };
        let message = format!(
            "CommitLimit {} {verb} the {} that are planned and committed now",
            units::human_bytes(limit),
            units::human_bytes(need)
        );
        self.verdict("memory.overcommit", Some(holds), numbers, message, "set kernel.vm.overcommit_memory to 0");
    }

    pub(super) fn huge_pages(&mut self) {
        let Some(pg) = self.budget.postgresql.as_ref().filter(|p| p.huge_pages) else { return };
        let forced = self.value("postgresql.huge_pages") == Some(&Value::Text("on".to_owned()));
        let there = self.host.facts.memory.huge_pages;
        // A container cannot make them: what its host has counts, and that they are missing is said as a premise.
        let planned = match self.host.owns_kernel() {
            true => self.count("kernel.vm.nr_hugepages").or(there),
            false if !forced && there.is_none_or(|n| n < pg.huge_page_count) => return,
            false => there,
        };
        let mut numbers = vec![
            number("planned", planned.map_or("none".to_owned(), |n| n.to_string())),
            number("needed", pg.huge_page_count),
            size("page", pg.huge_page_size),
        ];
        let held = planned.unwrap_or(0).saturating_mul(pg.huge_page_size);
        let enough = planned.unwrap_or(0) >= pg.huge_page_count;
        // Pages that PostgreSQL does not use are lost for everything else: they come out of the reserve and of what
        // the budget leaves free.
        let others = self.host.facts.memory.huge_pages_other_bytes.filter(|_| self.host.ram_is_measured).unwrap_or(0);
        let unused = held.saturating_sub(pg.shared_buffers / 100 * 103).saturating_add(others);
        let free =
            self.budget.ram.saturating_sub(self.budget.committed(self.host)).saturating_add(self.budget.reserve.value);
        let within = unused <= free;
        numbers.push(size("held beyond shared memory", unused));
        numbers.push(size("reserve and what is free", free));
        let message = match (enough, within) {
            (true, true) => format!("{} huge pages hold shared_buffers and what goes with it", planned.unwrap_or(0)),
            (false, _) => format!("{} huge pages are needed", pg.huge_page_count),
            (true, false) => format!(
                "huge pages hold {} beyond PostgreSQL's shared memory, which nothing else can use, and the budget leaves {}",
                units::human_bytes(unused),
                units::human_bytes(free)
            ),
        };
        let next = match (enough, self.host.owns_kernel()) {
            (false, true) => format!("raise kernel.vm.nr_hugepages to {}", pg.huge_page_count),
            (false, false) => format!("on the container's host: sysctl -w vm.nr_hugepages={}", pg.huge_page_count),
            (true, _) if others > 0 => {
                let held = units::human_bytes(others);
                format!("give back the {held} in pools of other page sizes, or take them off with host.other_memory")
            }
            (true, _) => format!("lower vm.nr_hugepages to {} and pin it", pg.huge_page_count),
        };
        if forced && !enough && self.host.sizing == Sizing::Budget {
            let message = format!("{message}, and with huge_pages = on the server does not start without them");
            let next = format!("{next}, or set postgresql.huge_pages to try");
            return self.verdict_of("memory.huge_pages", Some(false), Severity::Error, numbers, message, &next);
        }
        self.verdict("memory.huge_pages", Some(enough && within), numbers, message, &next);
    }

    /// For a plan that memory does not hold: how much RAM would do and which pins are the cause, as the end of a
    /// sentence and as what to do next. The figures are added to the numbers.
    fn what_would_do(&self, numbers: &mut Vec<(String, String)>) -> (String, String) {
        let shown = |ram: Option<u64>| ram.map_or_else(|| "none up to 64TB".to_owned(), units::format_bytes);
        let told = |key: &String| {
            let set = self.host.profile.get(key);
            set.map_or_else(
                || key.clone(),
                |s| format!("{key} = {} ({})", s.value.written(Dialect::PostgreSql), s.origin),
            )
        };
        let list = |keys: &[String], word: &str| keys.iter().map(told).collect::<Vec<_>>().join(word);
        let are = |keys: &[String]| if keys.len() == 1 { "is" } else { "are" };
        let enough = Budget::smallest_ram(self.host);
        numbers.push(number("smallest RAM that would do", shown(enough)));
        let would = match enough {
            Some(enough) => format!("{} would do", units::format_bytes(enough)),
            None => "no RAM up to 64TB would do".to_owned(),
        };
        let found = match Budget::guilty_pins(self.host) {
            Guilty::None => None,
            Guilty::Any(pins) if pins.len() > 1 => Some((pins, " or ", "any one of them")),
            Guilty::Any(pins) => Some((pins, "", "it")),
            Guilty::All(pins) => Some((pins, " and ", "them")),
        };
        if let Some((pins, word, them)) = found {
            numbers.push(number("pinned", list(&pins, word)));
            let more = enough.map(|enough| format!(", or give the host {}", units::format_bytes(enough)));
            let (told, with) = (list(&pins, " and "), if pins.len() == 1 { "it" } else { "them" });
            return (
                format!("{told} {} pinned; without {them} all would fit, with {with} {would}", are(&pins)),
                format!("unset or lower {}{}", pins.join(word), more.unwrap_or_default()),
            );
        }
        let (costly, without) = Budget::costly_pins(self.host, enough);
        let unset = if costly.is_empty() { String::new() } else { format!(", unset {}", costly.join(" and ")) };
        let next = match self.host.components.len() {
            0 | 1 if unset.is_empty() => "give the host more memory".to_owned(),
            0 | 1 => format!("give the host more memory{unset}"),
            _ => format!("give the host more memory{unset}, or take components off it (host.components)"),
        };
        if costly.is_empty() {
            return (would, next);
        }
        numbers.push(number("pinned", list(&costly, " and ")));
        numbers.push(number("smallest RAM without the pins", shown(without)));
        let pins = list(&costly, " and ");
        (format!("{would} with {pins}, which {} pinned, and {} without", are(&costly), shown(without)), next)
    }

    /// The memory that the files of a component's unit give it, on this host.
    fn unit_limit(&self, component: &str) -> Option<(u64, &str)> {
        let Some(Value::Text(name)) = self.value(&format!("limits.units.{component}.name")) else { return None };
        let unit = self.host.facts.units.iter().find(|unit| &unit.name == name)?;
        unit.memory_limit(self.host.facts.memory.total_bytes).filter(|_| self.host.ram_is_measured)
    }

    /// Limits that the kernel enforces, a container's and a service's, against what their components need at worst.
    pub(super) fn containers(&mut self) {
        let mut worst = Vec::new();
        worst.extend(self.budget.postgresql.as_ref().map(|pg| ("postgresql", pg.worst_case())));
        worst.extend(self.budget.duckdb.as_ref().map(|duck| ("duckdb", duck.share.max(duck.memory_limit))));
        worst.extend(self.budget.needs.iter().map(|need| (need.component.name(), need.bytes)));
        let (mut numbers, mut short) = (Vec::new(), Vec::new());
        for (name, need) in worst {
            for (kind, key) in [
                ("container's limit", format!("containers.{name}.memory")),
                ("MemoryMax", format!("limits.units.{name}.memory_max")),
            ] {
                let Some(limit) = self.count(&key) else { continue };
                numbers.push((
                    format!("{name}: {kind} / at worst"),
                    format!("{} / {}", units::human_bytes(limit), units::human_bytes(need)),
                ));
                if limit < need {
                    short.push(key);
                }
            }
            // What the service's own files say holds beside ours; PostgreSQL's is in the RAM that is planned for.
            if let Some((limit, file)) = self.unit_limit(name).filter(|_| name != "postgresql") {
                let shown = (units::human_bytes(limit), units::human_bytes(need));
                numbers.push((format!("{name}: {file} / at worst"), format!("{} / {}", shown.0, shown.1)));
                if limit < need {
                    short.push(format!("MemoryMax of {file}"));
                }
            }
        }
        if let (Some(pg), Some(shm)) = (&self.budget.postgresql, self.count("containers.postgresql.shm_size")) {
            let needed = containers::shm_needed(pg);
            numbers.push(size("shm_size", shm));
            numbers.push(size("shared by parallel workers", needed));
            if shm < needed {
                short.push("containers.postgresql.shm_size".to_owned());
            }
        }
        if numbers.is_empty() {
            return;
        }
        let holds = short.is_empty();
        let message = if holds {
            "every limit holds its component's worst case".to_owned()
        } else {
            format!("less than its component needs at worst: {}", short.join(", "))
        };
        let next = match short.iter().any(|what| what.starts_with("MemoryMax of")) {
            true => "raise that MemoryMax, or make the component smaller",
            false => "unset the pinned containers.* and limits.units.* values",
        };
        self.verdict("memory.containers", Some(holds), numbers, message, next);
    }
}
