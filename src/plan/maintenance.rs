//! When maintenance runs (the guide's 1.6 and 5.4): a timer where systemd runs, cron's line elsewhere.

use super::Component;
use super::budget::Budget;
use super::draft::{Draft, constant, derived, rule};
use crate::value::Value;

const MAINTENANCE: Component = Component::Maintenance;

pub(super) fn settings(draft: &mut Draft<'_>, budget: &Budget) {
    let host = draft.host;
    if !host.has(Component::PostgreSql) {
        return;
    }
    let text = |t: &str| Value::Text(t.to_owned());
    draft.put(MAINTENANCE, "program", text("/usr/local/bin/llmsql"), constant("where a program of one's own stands"));
    let night = "Sunday at 03:17: when few ask, and not on the hour, when everybody's jobs start";
    draft.put(MAINTENANCE, "index_day", text("Sun"), constant(night));
    draft.put(MAINTENANCE, "index_hour", Value::Int(3), constant(night));
    draft.put(MAINTENANCE, "index_minute", Value::Int(17), constant(night));
    let user = "the server's own user, who needs no password on its socket; set postgresql's role of your own with peer \
                authentication";
    draft.put(MAINTENANCE, "index_user", text("postgres"), constant(user));
    let file = "PG* variables of the job's connection; without the file it connects to the local socket";
    draft.put(MAINTENANCE, "index_env_file", text("/etc/llmsql/index.env"), constant(file));
    let rotation =
        "none: secrets are rotated by hand; a calendar expression of systemd, such as monthly, makes a timer";
    draft.put(MAINTENANCE, "secrets_rotation", text(""), constant(rotation));
    draft.put(
        MAINTENANCE,
        "secrets_env_file",
        text("/etc/llmsql/.env"),
        constant("the file whose secrets are rotated"),
    );
    let Some(pg) = &budget.postgresql else { return };
    // What is kept for superusers is theirs, and the pools must all find a place.
    let room = pg.max_connections.saturating_sub(pg.reserved);
    let limit = (pg.max_connections * 3 / 4).max(pg.clients).min(room);
    let inputs = vec![
        derived("max_connections", pg.max_connections.to_string(), "postgresql.max_connections"),
        derived("C", pg.clients.to_string(), "back ends that clients can occupy"),
    ];
    let worked = format!("min(max(3/4·{}, {}), {room})", pg.max_connections, pg.clients);
    let reason = rule("min(max(3/4·max_connections, C), max_connections − reserved)", worked, inputs)
        .note("One database cannot take every connection there is, as the guide's 150 of 200; superusers are not bound by it.");
    draft.put(MAINTENANCE, "database_connection_limit", Value::Int(limit as i64), reason);
}
