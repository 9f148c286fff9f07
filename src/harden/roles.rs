//! The read-only role, the application's role, and the rows each may see (the guide, 5.1).

use super::look::{Look, Rights, Schema, Table};
use super::{Change, Finding, Isolation, Severity, Wish, qualified};
use crate::error::{Error, Result};
use crate::postgres::connect::{quote_ident, quote_literal};

/// Name of the policy by which the application sees its own rows.
const OWN_ROWS: &str = "llmsql_own_rows";
/// Name of the policy by which the read-only role sees all of them.
const ALL_ROWS: &str = "llmsql_all_rows";

/// Everything that the wish names and the database lacks.
///
/// # Errors
/// A schema, table or column that is not there (exit 64).
pub fn check_names(look: &Look, wish: &Wish) -> Result<()> {
    let names = || look.schemas.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    for schema in wish.schemas.iter().chain(&wish.write_schemas) {
        if !look.schemas.iter().any(|s| s.name == *schema) {
            return Err(Error::usage("harden.schema", format!("there is no schema {schema}"))
                .at(&look.database)
                .next(format!("there are: {}", names())));
        }
    }
    for isolation in &wish.isolate {
        let Isolation { schema, table, column, .. } = isolation;
        let missing = |what: String| Err(Error::usage("harden.isolate", what).at(&look.database));
        let Some(found) = look.table(schema, table).filter(|t| t.is_table) else {
            return missing(format!("there is no table {schema}.{table}"));
        };
        if !found.columns.contains_key(column) {
            let columns: Vec<&str> = found.columns.keys().map(String::as_str).collect();
            return missing(format!("{schema}.{table} has no column {column}; it has {}", columns.join(", ")));
        }
    }
    for name in wish.readonly_role.iter().chain(&wish.app_role) {
        if look.role(name).is_some_and(|r| r.superuser) {
            return Err(Error::usage("harden.roles", format!("{name} is a superuser, whom no privilege limits"))
                .next("name a role of its own for the application"));
        }
    }
    Ok(())
}

/// The checks of the roles and rows that the wish names.
#[must_use]
pub fn checks(look: &Look, wish: &Wish) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(role) = &wish.readonly_role {
        findings.push(readonly(look, wish, role));
    }
    if let Some(role) = &wish.app_role {
        findings.push(application(look, wish, role));
    }
    findings.extend(wish.isolate.iter().map(|isolation| rows(look, wish, isolation)));
    findings
}

/// The schemas that both roles read.
fn read_schemas<'a>(look: &'a Look, wish: &'a Wish) -> impl Iterator<Item = &'a Schema> {
    look.schemas.iter().filter(|s| {
        let wanted = wish.schemas.contains(&s.name) || wish.write_schemas.contains(&s.name);
        if wish.schemas.is_empty() { !s.tables.is_empty() || wanted } else { wanted }
    })
}

/// `GRANT` of something, with its inverse.
fn grant(what: &str, on: &str, role: &str) -> Change {
    let role = quote_ident(role);
    Change::sql(format!("GRANT {what} ON {on} TO {role}"), format!("REVOKE {what} ON {on} FROM {role}"))
}

/// The role itself, without a password: it can log in only after one is set.
fn login(look: &Look, role: &str) -> Vec<Change> {
    let name = quote_ident(role);
    match look.role(role) {
        Some(found) if found.login => Vec::new(),
        Some(_) => vec![Change::sql(format!("ALTER ROLE {name} LOGIN"), format!("ALTER ROLE {name} NOLOGIN"))],
        None => vec![Change::sql(format!("CREATE ROLE {name} LOGIN"), format!("DROP ROLE {name}"))],
    }
}

/// The right to connect, and to use and read schemas, now and what is made in them later.
fn reading(look: &Look, wish: &Wish, role: &str, rights: &Rights) -> Vec<Change> {
    let mut changes = login(look, role);
    if !rights.connect {
        changes.push(grant("CONNECT", &format!("DATABASE {}", quote_ident(&look.database)), role));
    }
    // The types of an extension are in reach of every query only where its schema is.
    let reached = |s: &Schema| !s.extensions.is_empty() && !s.public_usage;
    let read: Vec<&str> = read_schemas(look, wish).map(|s| s.name.as_str()).collect();
    for schema in look.schemas.iter().filter(|s| read.contains(&s.name.as_str()) || reached(s)) {
        if !rights.usage.contains(&schema.name) {
            changes.push(grant("USAGE", &format!("SCHEMA {}", quote_ident(&schema.name)), role));
        }
    }
    for schema in read_schemas(look, wish) {
        changes.extend(tables(schema, "SELECT", role, rights));
        changes.extend(defaults(schema, "SELECT", "TABLES", role, rights));
    }
    changes
}

/// A privilege on every table of a schema that the role lacks it on.
fn tables(schema: &Schema, privilege: &str, role: &str, rights: &Rights) -> Option<Change> {
    let lacks = |t: &&Table| !rights.has(&schema.name, &t.name, privilege);
    let writable = |t: &&Table| privilege == "SELECT" || t.is_table;
    let names: Vec<String> =
        schema.tables.iter().filter(writable).filter(lacks).map(|t| qualified(&schema.name, &t.name)).collect();
    (!names.is_empty()).then(|| grant(privilege, &format!("TABLE {}", names.join(", ")), role))
}

/// The same for what the owners make later: a default privilege is the maker's, not the schema's.
fn defaults(schema: &Schema, what: &str, kind: &str, role: &str, rights: &Rights) -> Vec<Change> {
    let mut owners: Vec<&str> = schema.tables.iter().map(|t| t.owner.as_str()).collect();
    owners.push(&schema.owner);
    owners.sort_unstable();
    owners.dedup();
    // A role of the system (pg_database_owner owns public) makes nothing itself.
    owners.retain(|owner| !owner.starts_with("pg_"));
    let lacks = |owner: &&str| !rights.has_default(owner, &schema.name, kind, what);
    let change = |owner: &str| {
        let head =
            format!("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {}", quote_ident(owner), quote_ident(&schema.name));
        let role = quote_ident(role);
        Change::sql(
            format!("{head} GRANT {what} ON {kind} TO {role}"),
            format!("{head} REVOKE {what} ON {kind} FROM {role}"),
        )
    };
    owners.into_iter().filter(lacks).map(change).collect()
}

const READONLY: &str = "reports, dashboards and people need to read, not to write; a role of their own keeps a mistake or a \
    stolen password from changing anything. It is made without a password: set one with llmsql secrets";

fn readonly(look: &Look, wish: &Wish, role: &str) -> Finding {
    let rights = look.rights(role);
    let mut changes = reading(look, wish, role, &rights);
    let mut otherwise = Vec::new();
    for (schema, table, privilege, direct) in &rights.writes {
        let (on, name) = (format!("TABLE {}", qualified(schema, table)), quote_ident(role));
        if *direct {
            changes.push(Change::sql(
                format!("REVOKE {privilege} ON {on} FROM {name}"),
                format!("GRANT {privilege} ON {on} TO {name}"),
            ));
        } else {
            otherwise.push(format!("{privilege} on {schema}.{table}"));
        }
    }
    let option = "default_transaction_read_only";
    if !rights.options.iter().any(|o| o.starts_with(option)) {
        let name = quote_ident(role);
        changes.push(Change::sql(
            format!("ALTER ROLE {name} SET {option} = on"),
            format!("ALTER ROLE {name} RESET {option}"),
        ));
    }
    let mut finding = Finding::new("roles.readonly", Severity::Medium, READONLY).judge(
        changes,
        format!("{role} is not the read-only role it should be"),
        format!("{role} may read and nothing else"),
    );
    if !otherwise.is_empty() {
        finding.status = super::Status::Fails;
        finding = finding.by_hand(format!(
            "{role} may write by membership, ownership or PUBLIC ({}): take that away where it comes from",
            otherwise.join(", ")
        ));
    }
    finding
}

const APPLICATION: &str = "an application that may do only what it does cannot be made to do more: no DDL, no deleting, no \
    reading of other schemas (the guide, 5.1). It is made without a password: set one with llmsql secrets";

fn application(look: &Look, wish: &Wish, role: &str) -> Finding {
    let rights = look.rights(role);
    let mut changes = reading(look, wish, role, &rights);
    for schema in look.schemas.iter().filter(|s| wish.write_schemas.contains(&s.name)) {
        changes.extend(tables(schema, "INSERT", role, &rights));
        changes.extend(defaults(schema, "INSERT", "TABLES", role, &rights));
        let lacks = |s: &&String| !rights.sequences.contains(&(schema.name.clone(), (*s).clone()));
        let names: Vec<String> = schema.sequences.iter().filter(lacks).map(|s| qualified(&schema.name, s)).collect();
        if !names.is_empty() {
            changes.push(grant("USAGE, SELECT", &format!("SEQUENCE {}", names.join(", ")), role));
        }
        changes.extend(defaults(schema, "USAGE, SELECT", "SEQUENCES", role, &rights));
    }
    Finding::new("roles.application", Severity::Medium, APPLICATION).judge(
        changes,
        format!("{role} lacks what the application needs"),
        format!("{role} has what the application needs"),
    )
}

const ROWS: &str = "the application sees and writes only rows that carry what it has put into the session variable, in each \
    transaction (SET LOCAL, so that a pooler hands nothing on); unset, it sees none. A table's owner and superusers see \
    all rows, and so do pg_dump and index maintenance as them; where the application itself owns the table the policy is \
    forced on the owner too, and its counts and dumps then need a superuser";

fn rows(look: &Look, wish: &Wish, isolation: &Isolation) -> Finding {
    let Isolation { schema, table: name, column, variable } = isolation;
    let finding = Finding::new("rls.rows", Severity::Medium, ROWS);
    let (Some(table), Some(app)) = (look.table(schema, name), &wish.app_role) else {
        return finding.unknown(format!("{schema}.{name} cannot be seen"));
    };
    let on = qualified(schema, name);
    let kind = table.columns.get(column).map_or("text", String::as_str);
    let mut changes = Vec::new();
    let mut policy = |name: &str, rest: String| {
        if !table.policies.iter().any(|p| p == name) {
            changes.push(Change::sql(
                format!("CREATE POLICY {name} ON {on} {rest}"),
                format!("DROP POLICY {name} ON {on}"),
            ));
        }
    };
    let own = format!(
        "({} = NULLIF(pg_catalog.current_setting({}, true), '')::{kind})",
        quote_ident(column),
        quote_literal(variable)
    );
    policy(OWN_ROWS, format!("FOR ALL TO {} USING {own} WITH CHECK {own}", quote_ident(app)));
    if let Some(readonly) = &wish.readonly_role {
        policy(ALL_ROWS, format!("FOR SELECT TO {} USING (true)", quote_ident(readonly)));
    }
    if !table.row_security {
        changes.push(Change::sql(
            format!("ALTER TABLE {on} ENABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {on} DISABLE ROW LEVEL SECURITY"),
        ));
    }
    let owns = *app == table.owner || look.role(app).is_some_and(|r| r.member_of.contains(&table.owner));
    if owns && !table.forced {
        changes.push(Change::sql(
            format!("ALTER TABLE {on} FORCE ROW LEVEL SECURITY"),
            format!("ALTER TABLE {on} NO FORCE ROW LEVEL SECURITY"),
        ));
    }
    let blind = blinded(look, wish, schema, table);
    let finding = finding.judge(
        changes,
        format!("{app} sees every row of {schema}.{name}"),
        format!("{app} sees only the rows of {schema}.{name} whose {column} is {variable}"),
    );
    if blind.is_empty() || table.row_security {
        return finding;
    }
    let what = format!("{} read this table too and will see no row until a policy is made for them", blind.join(", "));
    finding.by_hand(what)
}

/// Roles with a right on the table that no policy is for.
fn blinded<'a>(look: &'a Look, wish: &Wish, schema: &str, table: &Table) -> Vec<&'a str> {
    let served = [wish.app_role.as_ref(), wish.readonly_role.as_ref(), Some(&table.owner)];
    let sees = |name: &str| look.role(name).is_some_and(|r| r.superuser || r.bypass);
    let users = look.schemas.iter().filter(|s| s.name == schema).flat_map(|s| &s.users);
    users.filter(|u| !served.contains(&Some(*u)) && !sees(u)).map(String::as_str).collect()
}
