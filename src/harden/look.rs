//! What a server says of itself, read once, so that the checks are pure.

use super::Wish;
use crate::error::Result;
use crate::formats::pg_hba;
use crate::postgres::connect::{RowExt, Session};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use tokio_postgres::types::Type;
use x509_cert::der::Decode;

/// A database and its server.
#[derive(Debug)]
pub struct Look {
    /// The database.
    pub database: String,
    /// 14 to 18.
    pub major: u32,
    /// Whether this role is a superuser; others see less.
    pub superuser: bool,
    /// Whether the server is a standby, on which nothing can be changed.
    pub standby: bool,
    /// Schemas that are not the system's.
    pub schemas: Vec<Schema>,
    /// Every role that is not the system's.
    pub roles: Vec<Role>,
    /// What the roles of the wish may do; a role that is not there yet may nothing.
    pub rights: BTreeMap<String, Rights>,
    /// Policies that ask for the client's address.
    pub address_policies: Vec<String>,
    /// The settings the checks ask for.
    pub settings: BTreeMap<String, String>,
    /// What ALTER SYSTEM has set; `None` where this role may not know.
    pub auto: Option<BTreeMap<String, String>>,
    /// Whether pgaudit can be installed, and is.
    pub pgaudit: (bool, bool),
    /// `pg_hba.conf`; `None` where this role may not know it.
    pub hba: Option<Hba>,
    /// Who is connected.
    pub sessions: Vec<Client>,
    /// When the server's certificate ends, or why it cannot be used; `None` where this role may not know.
    pub certificate: Option<std::result::Result<SystemTime, String>>,
}

/// A schema.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether PUBLIC may create in it.
    pub public_create: bool,
    /// Whether PUBLIC may use it.
    pub public_usage: bool,
    /// Extensions that live in it.
    pub extensions: Vec<String>,
    /// Roles with a privilege on something in it that is no extension's, owners among them.
    pub users: Vec<String>,
    /// Its tables, views and the like, an extension's left out.
    pub tables: Vec<Table>,
    /// Its sequences.
    pub sequences: Vec<String>,
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether row-level security is on.
    pub row_security: bool,
    /// Whether it holds for the owner too.
    pub forced: bool,
    /// Names of its policies.
    pub policies: Vec<String>,
    /// Whether it is a table, and so can have policies.
    pub is_table: bool,
    /// Columns and their types.
    pub columns: BTreeMap<String, String>,
}

/// What a role may do in this database.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// Connect to it.
    pub connect: bool,
    /// Schemas it may use.
    pub usage: BTreeSet<String>,
    /// Schema, table, `SELECT` or `INSERT`.
    pub tables: BTreeSet<(String, String, String)>,
    /// Schema and sequence of which it may take values.
    pub sequences: BTreeSet<(String, String)>,
    /// Schema, table, privilege to change rows, and whether it was granted to this very role.
    pub writes: Vec<(String, String, String, bool)>,
    /// Owner, schema, `TABLES` or `SEQUENCES`, privilege: what it will have on new objects.
    pub defaults: BTreeSet<(String, String, String, String)>,
    /// Settings of the role (`name=value`).
    pub options: Vec<String>,
}

impl Rights {
    /// Whether it has a privilege on a table.
    #[must_use]
    pub fn has(&self, schema: &str, table: &str, privilege: &str) -> bool {
        self.tables.contains(&(schema.to_owned(), table.to_owned(), privilege.to_owned()))
    }

    /// Whether it will have each of the privileges, separated by commas, on what this owner makes in the schema.
    #[must_use]
    pub fn has_default(&self, owner: &str, schema: &str, kind: &str, privileges: &str) -> bool {
        privileges
            .split(", ")
            .all(|p| self.defaults.contains(&(owner.to_owned(), schema.to_owned(), kind.to_owned(), p.to_owned())))
    }
}

/// What kind of password a role has.
#[derive(Debug, Clone)]
pub enum Password {
    /// This role may not know.
    Unreadable,
    /// None.
    None,
    /// An MD5 hash.
    Md5(SecretString),
    /// A SCRAM verifier.
    Scram(SecretString),
}

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it is the one that initdb made.
    pub bootstrap: bool,
    /// Whether it may log in.
    pub login: bool,
    /// Whether row-level security does not hold for it.
    pub bypass: bool,
    /// Its password.
    pub password: Password,
    /// Roles it is a member of, by whatever way.
    pub member_of: Vec<String>,
}

/// `pg_hba.conf`.
#[derive(Debug)]
pub struct Hba {
    /// Where the server has it.
    pub path: String,
    /// What the server's file holds now.
    pub bytes: Vec<u8>,
    /// Read.
    pub document: pg_hba::Document,
    /// What the server says is wrong in it.
    pub errors: Vec<String>,
}

/// A client that is connected now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// As whom.
    pub role: String,
    /// To which database.
    pub database: String,
    /// From where; `None`: over the socket.
    pub address: Option<IpAddr>,
    /// Whether over TLS.
    pub tls: bool,
}

/// Settings that the checks ask for.
const SETTINGS: &[&str] = &[
    "ssl",
    "ssl_cert_file",
    "ssl_key_file",
    "password_encryption",
    "log_connections",
    "log_disconnections",
    "port",
    "shared_preload_libraries",
    "pgaudit.log",
    "pgaudit.log_parameter",
];

/// Relations that are not the system's and belong to no extension.
const OWN_RELATIONS: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS \
    (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid \
     AND d.deptype = 'e')";

impl Look {
    /// Asks the server.
    ///
    /// # Errors
    /// What the server said. What only a superuser may know is left out for others.
    pub async fn at(session: &Session, wish: &Wish) -> Result<Look> {
        let row = session
            .query_one(
                "SELECT pg_catalog.current_database()::text AS database, \
                 pg_catalog.current_setting('server_version_num')::int4 / 10000 AS major, \
                 pg_catalog.pg_is_in_recovery() AS standby, \
                 (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser",
                &[],
            )
            .await?;
        let superuser: bool = row.value("superuser")?;
        let major: i32 = row.value("major")?;
        let names: Vec<String> = SETTINGS.iter().map(|&s| s.to_owned()).collect();
        let settings: BTreeMap<String, String> = session
            .query(
                "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY ($1)",
                &[(&names, Type::TEXT_ARRAY)],
            )
            .await?
            .iter()
            .map(|row| Ok((row.value("name")?, row.value("setting")?)))
            .collect::<Result<_>>()?;
        let pgaudit = session
            .query_opt(
                "SELECT installed_version IS NOT NULL AS installed FROM pg_catalog.pg_available_extensions \
                 WHERE name = 'pgaudit'",
                &[],
            )
            .await?;
        let pgaudit = match pgaudit {
            Some(row) => (true, row.value("installed")?),
            None => (false, false),
        };
        Ok(Look {
            database: row.value("database")?,
            major: u32::try_from(major).unwrap_or_default(),
            superuser,
            standby: row.value("standby")?,
            schemas: schemas(session).await?,
            roles: roles(session, superuser).await?,
            rights: rights(session, wish).await?,
            address_policies: address_policies(session).await?,
            auto: if superuser { Some(auto(session).await?) } else { None },
            pgaudit,
            hba: if superuser { Some(hba(session).await?) } else { None },
            sessions: if superuser { clients(session).await? } else { Vec::new() },
            certificate: if superuser { Some(certificate(session).await?) } else { None },
            settings,
        })
    }

    /// A setting's value; empty where there is none.
    #[must_use]
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// A role.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|r| r.name == name)
    }

    /// What a role may do; nothing where there is no such role.
    #[must_use]
    pub fn rights(&self, role: &str) -> Rights {
        self.rights.get(role).cloned().unwrap_or_default()
    }

    /// A table.
    #[must_use]
    pub fn table(&self, schema: &str, table: &str) -> Option<&Table> {
        self.schemas.iter().find(|s| s.name == schema)?.tables.iter().find(|t| t.name == table)
    }
}

async fn schemas(session: &Session) -> Result<Vec<Schema>> {
    let public = |privilege: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a \
             WHERE a.grantee = 0 AND a.privilege_type = '{privilege}')"
        )
    };
    let sql = format!(
        "SELECT n.nspname::text AS name, pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner, {} AS public_create, \
         {} AS public_usage, ARRAY(SELECT e.extname::text FROM pg_catalog.pg_extension e \
           WHERE e.extnamespace = n.oid ORDER BY 1) AS extensions, \
         ARRAY(SELECT DISTINCT r.rolname::text FROM pg_catalog.pg_class c \
           CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) a \
           JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE c.relnamespace = n.oid AND {OWN_RELATIONS} \
           ORDER BY 1) AS users, \
         ARRAY(SELECT c.relname::text FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'S' \
           AND {OWN_RELATIONS} ORDER BY 1) AS sequences \
         FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1",
        public("CREATE"),
        public("USAGE"),
    );
    let mut schemas = Vec::new();
    for row in session.query(&sql, &[]).await? {
        schemas.push(Schema {
            name: row.value("name")?,
            owner: row.value("owner")?,
            public_create: row.value("public_create")?,
            public_usage: row.value("public_usage")?,
            extensions: row.value("extensions")?,
            users: row.value("users")?,
            tables: Vec::new(),
            sequences: row.value("sequences")?,
        });
    }
    let sql = format!(
        "SELECT n.nspname::text AS schema, c.relname::text AS name, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, \
         c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced, c.relkind IN ('r', 'p') AS is_table, \
         ARRAY(SELECT p.polname::text FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid ORDER BY 1) AS policies, \
         ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
           AND NOT a.attisdropped ORDER BY a.attnum) AS columns, \
         ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a \
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS types \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {OWN_RELATIONS} ORDER BY 1, 2"
    );
    for row in session.query(&sql, &[]).await? {
        let (schema, columns, types): (String, Vec<String>, Vec<String>) =
            (row.value("schema")?, row.value("columns")?, row.value("types")?);
        let table = Table {
            name: row.value("name")?,
            owner: row.value("owner")?,
            row_security: row.value("row_security")?,
            forced: row.value("forced")?,
            policies: row.value("policies")?,
            is_table: row.value("is_table")?,
            columns: columns.into_iter().zip(types).collect(),
        };
        if let Some(schema) = schemas.iter_mut().find(|s| s.name == schema) {
            schema.tables.push(table);
        }
    }
    Ok(schemas)
}

async fn roles(session: &Session, superuser: bool) -> Result<Vec<Role>> {
    let password =
        if superuser { "(SELECT a.rolpassword FROM pg_catalog.pg_authid a WHERE a.oid = r.oid)" } else { "NULL" };
    let sql = format!(
        "SELECT r.rolname::text AS name, r.rolsuper AS superuser, r.oid = 10 AS bootstrap, r.rolcanlogin AS login, \
         r.rolbypassrls AS bypass, {password}::text AS password, \
         ARRAY(SELECT m.rolname::text FROM pg_catalog.pg_roles m WHERE m.oid <> r.oid AND NOT r.rolsuper \
           AND pg_catalog.pg_has_role(r.oid, m.oid, 'USAGE') ORDER BY 1) AS member_of \
         FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1"
    );
    let mut roles = Vec::new();
    for row in session.query(&sql, &[]).await? {
        let password: Option<String> = row.value("password")?;
        roles.push(Role {
            name: row.value("name")?,
            superuser: row.value("superuser")?,
            bootstrap: row.value("bootstrap")?,
            login: row.value("login")?,
            bypass: row.value("bypass")?,
            password: match password.map(SecretString::from) {
                None if superuser => Password::None,
                None => Password::Unreadable,
                Some(p) if p.expose_secret().starts_with("SCRAM-SHA-256$") => Password::Scram(p),
                Some(p) => Password::Md5(p),
            },
            member_of: row.value("member_of")?,
        });
    }
    Ok(roles)
}

async fn rights(session: &Session, wish: &Wish) -> Result<BTreeMap<String, Rights>> {
    let mut all = BTreeMap::new();
    for name in wish.readonly_role.iter().chain(&wish.app_role) {
        let sql = "SELECT r.oid, pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'CONNECT') AS connect, \
                   coalesce(r.rolconfig, '{}') AS options, \
                   ARRAY(SELECT n.nspname::text FROM pg_catalog.pg_namespace n \
                     WHERE pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE')) AS usage \
                   FROM pg_catalog.pg_roles r WHERE r.rolname = $1";
        let Some(row) = session.query_opt(sql, &[(name, Type::TEXT)]).await? else { continue };
        let oid: u32 = row.value("oid")?;
        let usage: Vec<String> = row.value("usage")?;
        let mut rights = Rights {
            connect: row.value("connect")?,
            options: row.value("options")?,
            usage: usage.into_iter().collect(),
            ..Rights::default()
        };
        relations(session, oid, &mut rights).await?;
        let sql = "SELECT pg_catalog.pg_get_userbyid(d.defaclrole)::text AS owner, n.nspname::text AS schema, \
                   CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END AS kind, a.privilege_type AS privilege \
                   FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace \
                   CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) a \
                   WHERE a.grantee = $1 AND d.defaclobjtype IN ('r', 'S')";
        for row in session.query(sql, &[(&oid, Type::OID)]).await? {
            let default = (row.value("owner")?, row.value("schema")?, row.value("kind")?, row.value("privilege")?);
            rights.defaults.insert(default);
        }
        all.insert(name.clone(), rights);
    }
    Ok(all)
}

/// What a role may do with tables and sequences.
async fn relations(session: &Session, role: u32, rights: &mut Rights) -> Result<()> {
    let sql = format!(
        "SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'S' AS is_sequence, p.privilege, \
         EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) a WHERE a.grantee = $1 AND a.privilege_type = p.privilege) \
         AS direct FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) p (privilege) \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {OWN_RELATIONS} \
         AND CASE WHEN c.relkind <> 'S' THEN pg_catalog.has_table_privilege($1, c.oid, p.privilege) \
           ELSE p.privilege = 'SELECT' AND pg_catalog.has_sequence_privilege($1, c.oid, 'USAGE') \
             AND pg_catalog.has_sequence_privilege($1, c.oid, 'SELECT') END \
         ORDER BY 1, 2, 4"
    );
    for row in session.query(&sql, &[(&role, Type::OID)]).await? {
        let (schema, name, privilege): (String, String, String) =
            (row.value("schema")?, row.value("name")?, row.value("privilege")?);
        if row.value("is_sequence")? {
            rights.sequences.insert((schema, name));
            continue;
        }
        if privilege != "SELECT" {
            rights.writes.push((schema.clone(), name.clone(), privilege.clone(), row.value("direct")?));
        }
        rights.tables.insert((schema, name, privilege));
    }
    Ok(())
}

/// Behind a pooler `inet_client_addr()` is the pooler's address, and over a socket it is NULL.
async fn address_policies(session: &Session) -> Result<Vec<String>> {
    let sql = "SELECT pg_catalog.format('%I on %I.%I', policyname, schemaname, tablename) AS name \
               FROM pg_catalog.pg_policies WHERE pg_catalog.concat(qual, with_check) ~ 'inet_client_(addr|port)' ORDER BY 1";
    session.query(sql, &[]).await?.iter().map(|row| row.value("name")).collect()
}

async fn auto(session: &Session) -> Result<BTreeMap<String, String>> {
    // The last line for a name wins.
    let sql = "SELECT DISTINCT ON (name) name, setting FROM pg_catalog.pg_file_settings \
               WHERE sourcefile LIKE '%/postgresql.auto.conf' AND setting IS NOT NULL ORDER BY name, seqno DESC";
    session.query(sql, &[]).await?.iter().map(|row| Ok((row.value("name")?, row.value("setting")?))).collect()
}

async fn hba(session: &Session) -> Result<Hba> {
    let row = session
        .query_one(
            "SELECT pg_catalog.current_setting('hba_file') AS path, \
             pg_catalog.pg_read_binary_file(pg_catalog.current_setting('hba_file')) AS bytes",
            &[],
        )
        .await?;
    let bytes: Vec<u8> = row.value("bytes")?;
    let document = pg_hba::Document::parse(&bytes);
    Ok(Hba { path: row.value("path")?, bytes, document, errors: hba_errors(session).await? })
}

/// What the server says is wrong in the file as it stands now.
///
/// # Errors
/// What the server said.
pub async fn hba_errors(session: &Session) -> Result<Vec<String>> {
    let sql = "SELECT pg_catalog.format('line %s: %s', line_number, error) AS message \
               FROM pg_catalog.pg_hba_file_rules WHERE error IS NOT NULL ORDER BY line_number";
    session.query(sql, &[]).await?.iter().map(|row| row.value("message")).collect()
}

async fn clients(session: &Session) -> Result<Vec<Client>> {
    let sql = "SELECT DISTINCT a.usename::text AS role, a.datname::text AS database, a.client_addr AS address, \
               coalesce(s.ssl, false) AS tls FROM pg_catalog.pg_stat_activity a \
               LEFT JOIN pg_catalog.pg_stat_ssl s USING (pid) \
               WHERE a.usename IS NOT NULL AND a.datname IS NOT NULL AND a.backend_type = 'client backend' \
               AND a.pid <> pg_catalog.pg_backend_pid() ORDER BY 1, 2";
    let mut clients = Vec::new();
    for row in session.query(sql, &[]).await? {
        clients.push(Client {
            role: row.value("role")?,
            database: row.value("database")?,
            address: row.value("address")?,
            tls: row.value("tls")?,
        });
    }
    Ok(clients)
}

async fn certificate(session: &Session) -> Result<std::result::Result<SystemTime, String>> {
    let row = session
        .query_one(
            "SELECT pg_catalog.pg_read_binary_file(pg_catalog.current_setting('ssl_cert_file'), 0, 1048576, true) AS bytes, \
             (pg_catalog.pg_stat_file(pg_catalog.current_setting('ssl_key_file'), true)).size AS key, \
             pg_catalog.current_setting('ssl_cert_file') AS path, pg_catalog.current_setting('ssl_key_file') AS key_path",
            &[],
        )
        .await?;
    let (bytes, key): (Option<Vec<u8>>, Option<i64>) = (row.value("bytes")?, row.value("key")?);
    let (path, key_path): (String, String) = (row.value("path")?, row.value("key_path")?);
    let Some(bytes) = bytes else { return Ok(Err(format!("there is no certificate in ssl_cert_file = {path}"))) };
    if key.is_none() {
        return Ok(Err(format!("there is no key in ssl_key_file = {key_path}")));
    }
    let end = CertificateDer::from_pem_slice(&bytes)
        .ok()
        .and_then(|der| x509_cert::Certificate::from_der(&der).ok())
        .map(|c| SystemTime::UNIX_EPOCH + c.tbs_certificate.validity.not_after.to_unix_duration());
    Ok(end.ok_or_else(|| format!("{path} is no certificate in PEM")))
}

/// How long before its end a certificate is called about to expire.
pub const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 3600);
