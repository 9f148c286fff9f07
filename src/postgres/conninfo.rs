//! Where a connection's parameters come from, as libpq resolves them: the URL or keyword/value string, a service file,
//! the `PG*` variables, the defaults; and a password per server from the password file.
//!
//! Nothing here opens a connection, and the environment is a value, so that every rule is tested without a server.

use crate::error::{Error, Result};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How long one server may take to answer, in seconds, where `connect_timeout` says nothing. libpq waits for ever,
/// which a cron job must not.
pub const DEFAULT_CONNECT_TIMEOUT: u64 = 15;

/// Folders in which servers keep their sockets: Debian's and the upstream default.
const SOCKET_DIRS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// What we do with one of libpq's keywords.
#[derive(Clone, Copy)]
enum Handling {
    /// Understood.
    Used,
    /// Without meaning for this client, or its only behaviour anyway.
    Moot,
    /// It would change who is trusted or what is sent, and is not implemented: refused, except for these values.
    Refused(&'static [&'static str]),
}

use Handling::{Moot, Refused, Used};

/// libpq's keywords (PostgreSQL 18, "Parameter Key Words" and "Environment Variables").
const KEYWORDS: &[(&str, Option<&str>, Handling)] = &[
    ("host", Some("PGHOST"), Used),
    ("hostaddr", Some("PGHOSTADDR"), Used),
    ("port", Some("PGPORT"), Used),
    ("dbname", Some("PGDATABASE"), Used),
    ("user", Some("PGUSER"), Used),
    ("password", Some("PGPASSWORD"), Used),
    ("passfile", Some("PGPASSFILE"), Used),
    ("service", Some("PGSERVICE"), Used),
    ("servicefile", Some("PGSERVICEFILE"), Used),
    ("options", Some("PGOPTIONS"), Used),
    ("application_name", Some("PGAPPNAME"), Used),
    ("fallback_application_name", None, Used),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Used),
    ("keepalives", None, Used),
    ("keepalives_idle", None, Used),
    ("keepalives_interval", None, Used),
    ("keepalives_count", None, Used),
    ("tcp_user_timeout", None, Used),
    ("sslmode", Some("PGSSLMODE"), Used),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Used),
    ("sslcert", Some("PGSSLCERT"), Used),
    ("sslkey", Some("PGSSLKEY"), Used),
    ("sslrootcert", Some("PGSSLROOTCERT"), Used),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), Used),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Used),
    ("channel_binding", Some("PGCHANNELBINDING"), Used),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Used),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Used),
    ("client_encoding", Some("PGCLIENTENCODING"), Moot),
    ("sslcompression", Some("PGSSLCOMPRESSION"), Moot),
    ("sslsni", Some("PGSSLSNI"), Moot),
    ("krbsrvname", Some("PGKRBSRVNAME"), Moot),
    ("gsslib", Some("PGGSSLIB"), Moot),
    ("gssdelegation", Some("PGGSSDELEGATION"), Moot),
    ("min_protocol_version", Some("PGMINPROTOCOLVERSION"), Moot),
    ("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), Moot),
    ("gssencmode", Some("PGGSSENCMODE"), Refused(&["", "disable", "prefer"])),
    ("sslcertmode", Some("PGSSLCERTMODE"), Refused(&["", "allow"])),
    ("requiressl", Some("PGREQUIRESSL"), Refused(&["", "0"])),
    ("sslpassword", None, Refused(&[""])),
    ("sslcrl", Some("PGSSLCRL"), Refused(&[""])),
    ("sslcrldir", Some("PGSSLCRLDIR"), Refused(&[""])),
    ("require_auth", Some("PGREQUIREAUTH"), Refused(&[""])),
    ("requirepeer", Some("PGREQUIREPEER"), Refused(&[""])),
    ("replication", None, Refused(&["", "0", "false", "off", "no"])),
];

/// The environment a connection is resolved in.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The `PG*` variables.
    pub variables: BTreeMap<String, String>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The name of the operating system's user.
    pub user: Option<String>,
}

impl Environment {
    /// This process's.
    #[must_use]
    pub fn process() -> Self {
        let account = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let home = std::env::var_os("HOME").filter(|h| !h.is_empty()).map(PathBuf::from);
        Environment {
            variables: std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .filter(|(k, _)| k.starts_with("PG"))
                .collect(),
            home: home.or_else(|| account.as_ref().map(|a| a.dir.clone())),
            user: account.map(|a| a.name),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
}

/// Which servers may use TLS, and what of their certificate is checked (libpq's `sslmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Without TLS first, with it where the server refuses that.
    Allow,
    /// TLS where the server has it.
    Prefer,
    /// TLS; the certificate is checked only where a root certificate is configured.
    Require,
    /// TLS, and the certificate leads to a trusted root.
    VerifyCa,
    /// TLS, the certificate leads to a trusted root and names the host.
    VerifyFull,
}

/// What the certificates are checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The operating system's trusted roots (`sslrootcert=system`).
    System,
    /// A PEM file.
    File(PathBuf),
}

/// Which server of several is wanted (libpq's `target_session_attrs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttrs {
    /// Whichever answers.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions may not write.
    ReadOnly,
    /// One that is no standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or else whichever answers.
    PreferStandby,
}

/// Whether a login over TLS must be bound to its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Never.
    Disable,
    /// Where the server offers it.
    Prefer,
    /// Or no login.
    Require,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The folder of its socket.
    Socket(PathBuf),
    /// A name or an address; the name is what its certificate must carry.
    Tcp {
        /// The name.
        host: String,
        /// The address to use instead of looking the name up.
        addr: Option<IpAddr>,
    },
}

/// One server to try.
#[derive(Debug, Clone)]
pub struct Server {
    /// How it is reached.
    pub address: Address,
    /// Its port, also in the name of its socket.
    pub port: u16,
    /// The password, where one was found.
    pub password: Option<SecretString>,
    /// Where the password was found (`PGPASSWORD`, `/home/x/.pgpass`), for errors.
    pub password_from: Option<String>,
}

impl Server {
    /// `db1:5432`, `[::1]:5432`, `/var/run/postgresql:5432`.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.address {
            Address::Socket(dir) => format!("{}:{}", dir.display(), self.port),
            Address::Tcp { host, .. } if host.contains(':') => format!("[{host}]:{}", self.port),
            Address::Tcp { host, .. } => format!("{host}:{}", self.port),
        }
    }
}

/// Everything needed to connect.
#[derive(Debug, Clone)]
pub struct Conninfo {
    /// The servers, in the order to try.
    pub servers: Vec<Server>,
    /// The database.
    pub dbname: String,
    /// The role.
    pub user: String,
    /// What the server shows this client as; `llmsql` unless told otherwise.
    pub application_name: String,
    /// Command-line options of the session (`-c statement_timeout=0`).
    pub options: Option<String>,
    /// Seconds one server may take; `None`: for ever.
    pub connect_timeout: Option<u64>,
    /// TCP keepalives: on, idle seconds, interval seconds, count.
    pub keepalives: (bool, Option<u64>, Option<u64>, Option<u32>),
    /// Milliseconds sent data may stay unacknowledged.
    pub tcp_user_timeout: Option<u64>,
    /// TLS or not, and how strict.
    pub sslmode: SslMode,
    /// TLS from the first byte (PostgreSQL 17+).
    pub ssl_direct: bool,
    /// What certificates are checked against; `None`: nothing is configured.
    pub roots: Option<Roots>,
    /// The client's own certificate and key, PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Lowest and highest TLS version, `TLSv1.2` or `TLSv1.3`.
    pub tls_versions: (Option<String>, Option<String>),
    /// Channel binding.
    pub channel_binding: Binding,
    /// Which of several servers is wanted.
    pub session_attrs: SessionAttrs,
    /// Try the servers in random order.
    pub random_order: bool,
    /// What the operator should know: a password file that was left aside.
    pub warnings: Vec<String>,
}

/// The parameters of one source, the password apart so that it is never shown.
#[derive(Debug, Default)]
struct Parameters {
    values: BTreeMap<&'static str, String>,
    password: Option<(SecretString, String)>,
}

impl Parameters {
    fn set(&mut self, key: &str, value: String, from: &str) -> Result<()> {
        let Some((name, _, handling)) = KEYWORDS.iter().find(|(k, _, _)| *k == key) else {
            let near = KEYWORDS
                .iter()
                .map(|(k, _, _)| (*k, strsim::jaro_winkler(k, key)))
                .filter(|(_, likeness)| *likeness > 0.8)
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let error = Error::usage("connect.keyword", format!("there is no connection parameter \"{key}\"")).at(from);
            return Err(match near {
                Some((near, _)) => error.next(format!("did you mean \"{near}\"?")),
                None => error.next("PostgreSQL's documentation lists them under \"Parameter Key Words\""),
            });
        };
        if let Refused(harmless) = handling {
            if harmless.contains(&value.as_str()) {
                return Ok(());
            }
            return Err(Error::usage(
                "connect.unsupported",
                format!("the connection parameter {name} is not supported"),
            )
            .at(from)
            .next("leave it out; what it asks for would otherwise go unheeded"));
        }
        if *name == "password" {
            self.password = Some((SecretString::from(value), from.to_owned()));
        } else {
            self.values.insert(name, value);
        }
        Ok(())
    }

    /// Takes over what is not yet set.
    fn fill(&mut self, lower: Parameters) {
        for (key, value) in lower.values {
            self.values.entry(key).or_insert(value);
        }
        if self.password.is_none() {
            self.password = lower.password;
        }
    }

    /// The value, where it is set and not empty.
    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|v| !v.is_empty())
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| {
            Error::usage("connect.value", format!("{key} must be a whole number, not \"{text}\"")).at("connection")
        })
    }

    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        let Some(text) = self.get(key) else { return Ok(default) };
        choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Error::usage("connect.value", format!("{key} cannot be \"{text}\""))
                .at("connection")
                .next(format!("write one of {}", names.join(", ")))
        })
    }
}

/// Resolves the parameters of a connection: `dsn` (a URL, a keyword/value string, or the name of a database), then the
/// service, then the environment, then the defaults.
///
/// # Errors
/// Usage errors (exit 64) for a string that cannot be read, an unknown keyword, a service that is not there, a value
/// that is none of the possible. No error shows the string or a password.
pub fn resolve(dsn: Option<&str>, environment: &Environment) -> Result<Conninfo> {
    let mut parameters = match dsn {
        Some(text) => parse(text, "--dsn")?,
        None => Parameters::default(),
    };
    let from_environment = from_environment(environment)?;
    // The service stands between the string and the environment, and may be named in either.
    let service = parameters.get("service").or(from_environment.get("service")).map(str::to_owned);
    if let Some(service) = service {
        let file = parameters.get("servicefile").or(from_environment.get("servicefile")).map(PathBuf::from);
        parameters.fill(read_service(&service, file, environment)?);
    }
    parameters.fill(from_environment);
    // libpq expands a database name that is itself a connection string.
    if let Some(text) = parameters.get("dbname").filter(|t| is_url(t) || t.contains('=')).map(str::to_owned) {
        parameters.values.remove("dbname");
        let mut inner = parse(&text, "dbname")?;
        inner.fill(parameters);
        parameters = inner;
    }
    finish(parameters, environment)
}

fn is_url(text: &str) -> bool {
    text.starts_with("postgresql://") || text.starts_with("postgres://")
}

fn parse(text: &str, from: &str) -> Result<Parameters> {
    let text = text.trim();
    let mut parameters = Parameters::default();
    if is_url(text) {
        parse_url(text, from, &mut parameters)?;
    } else if text.contains('=') {
        parse_pairs(text, from, &mut parameters)?;
    } else if !text.is_empty() {
        parameters.set("dbname", text.to_owned(), from)?;
    }
    Ok(parameters)
}

fn malformed(from: &str, what: &str) -> Error {
    Error::usage("connect.dsn", what).at(from).next(
        "write postgresql://user@host:5432/database?sslmode=verify-full or \"host=… port=… dbname=… user=…\"; \
         the password belongs in ~/.pgpass",
    )
}

/// `key = value key='a value'`, with `\'` and `\\` inside.
fn parse_pairs(text: &str, from: &str, out: &mut Parameters) -> Result<()> {
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(());
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.next() != Some('=') {
            // What stands here may be half of a password: it is not shown.
            return Err(malformed(from, "a keyword is not followed by \"=\""));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        if chars.next_if_eq(&'\'').is_some() {
            loop {
                match chars.next() {
                    Some('\'') => break,
                    Some('\\') => value.extend(chars.next()),
                    Some(c) => value.push(c),
                    None => return Err(malformed(from, "a quoted value is not closed")),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                if c == '\\' { value.extend(chars.next()) } else { value.push(c) }
            }
        }
        out.set(&key, value, from)?;
    }
}

/// A value as a keyword/value string holds it.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// `postgresql://[user[:password]@][host[:port][,…]][/dbname][?key=value&…]`.
fn parse_url(text: &str, from: &str, out: &mut Parameters) -> Result<()> {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
    let (authority, dbname) = rest.split_once('/').map_or((rest, None), |(a, b)| (a, Some(b)));
    let (userinfo, hosts) = authority.rsplit_once('@').map_or((None, authority), |(a, b)| (Some(a), b));
    if let Some(userinfo) = userinfo {
        let (user, password) = userinfo.split_once(':').map_or((userinfo, None), |(a, b)| (a, Some(b)));
        if !user.is_empty() {
            out.set("user", decode(user, from)?, from)?;
        }
        if let Some(password) = password.filter(|p| !p.is_empty()) {
            out.set("password", decode(password, from)?, from)?;
        }
    }
    if !hosts.is_empty() {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = match host.strip_prefix('[') {
                Some(v6) => {
                    let (name, port) =
                        v6.split_once(']').ok_or_else(|| malformed(from, "an IPv6 address lacks its \"]\""))?;
                    (name, port.strip_prefix(':').unwrap_or_default())
                }
                None => host.split_once(':').unwrap_or((host, "")),
            };
            names.push(decode(name, from)?);
            ports.push(port);
        }
        out.set("host", names.join(","), from)?;
        if ports.iter().any(|p| !p.is_empty()) {
            out.set("port", ports.join(","), from)?;
        }
    }
    if let Some(dbname) = dbname.filter(|d| !d.is_empty()) {
        out.set("dbname", decode(dbname, from)?, from)?;
    }
    for pair in query.unwrap_or_default().split('&').filter(|p| !p.is_empty()) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| malformed(from, "a parameter after \"?\" has no value"))?;
        let (key, value) = (decode(key, from)?, decode(value, from)?);
        match (key.as_str(), value.as_str()) {
            // For JDBC's sake, as libpq does.
            ("ssl", "true") => out.set("sslmode", "require".to_owned(), from)?,
            _ => out.set(&key, value, from)?,
        }
    }
    Ok(())
}

pub(crate) fn decode(text: &str, from: &str) -> Result<String> {
    let wrong = || malformed(from, "a % in the URL is not followed by two hexadecimal digits");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else { return Err(wrong()) };
        bytes.push((high * 16 + low) as u8);
    }
    if bytes.contains(&0) {
        return Err(malformed(from, "the URL contains %00"));
    }
    String::from_utf8(bytes).map_err(|_| malformed(from, "the URL does not decode to UTF-8"))
}

fn from_environment(environment: &Environment) -> Result<Parameters> {
    let mut out = Parameters::default();
    for (key, variable, _) in KEYWORDS {
        if let Some(variable) = variable
            && let Some(value) = environment.get(variable)
        {
            out.set(key, value.to_owned(), variable)?;
        }
    }
    Ok(out)
}

/// A `[service]` of the user's service file, or else of the system's.
fn read_service(service: &str, file: Option<PathBuf>, environment: &Environment) -> Result<Parameters> {
    let user_file = file.or_else(|| environment.home.as_ref().map(|h| h.join(".pg_service.conf")));
    let system = environment.get("PGSYSCONFDIR").map_or_else(
        || vec![PathBuf::from("/etc/postgresql-common/pg_service.conf"), PathBuf::from("/etc/pg_service.conf")],
        |dir| vec![Path::new(dir).join("pg_service.conf")],
    );
    let mut looked = Vec::new();
    for path in user_file.into_iter().chain(system) {
        looked.push(path.display().to_string());
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if let Some(parameters) = parse_service(&text, service, &path)? {
            return Ok(parameters);
        }
    }
    Err(Error::usage("connect.service", format!("there is no service \"{service}\""))
        .at("connection")
        .next(format!("write a [{service}] section into one of: {}", looked.join(", "))))
}

fn parse_service(text: &str, service: &str, path: &Path) -> Result<Option<Parameters>> {
    let mut found: Option<Parameters> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let place = format!("{}:{}", path.display(), number + 1);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if name.strip_suffix(']') == Some(service) {
                found = Some(Parameters::default());
            }
            continue;
        }
        let Some(parameters) = &mut found else { continue };
        let Some((key, value)) = line.split_once('=') else {
            return Err(Error::usage("connect.service", "a line of the service is not \"keyword=value\"").at(place));
        };
        let key = key.trim();
        if matches!(key, "service" | "servicefile") {
            return Err(Error::usage("connect.service", "a service cannot name another service").at(place));
        }
        parameters.set(key, value.trim().to_owned(), &place)?;
    }
    Ok(found)
}

fn finish(mut p: Parameters, environment: &Environment) -> Result<Conninfo> {
    let user = p.get("user").map(str::to_owned).or_else(|| environment.user.clone()).ok_or_else(|| {
        Error::usage("connect.user", "no role is named and the operating system's user has no name")
            .at("connection")
            .next("name one: user=… in --dsn, or PGUSER")
    })?;
    let dbname = p.get("dbname").map_or_else(|| user.clone(), str::to_owned);
    let mut warnings = Vec::new();

    let ports = list(p.get("port"));
    let hosts = list(p.get("host"));
    let addresses = list(p.get("hostaddr"));
    if hosts.len() > 1 && addresses.len() > 1 && hosts.len() != addresses.len() {
        return Err(malformed(
            "connection",
            &format!("{} hosts are named, but {} hostaddr", hosts.len(), addresses.len()),
        ));
    }
    let count = hosts.len().max(addresses.len()).max(1);
    if ports.len() > 1 && ports.len() != count {
        return Err(malformed("connection", &format!("{count} hosts are named, but {} ports", ports.len())));
    }
    let mut servers = Vec::new();
    for i in 0..count {
        let port = ports.get(i).or(ports.first()).map_or("", String::as_str).trim();
        let port: u16 =
            if port.is_empty() { 5432 } else { port.parse().ok().filter(|p| *p > 0).ok_or_else(|| bad_port(port))? };
        let host = hosts.get(i).map_or("", String::as_str).trim();
        let addr = addresses.get(i).map(|a| a.trim()).filter(|a| !a.is_empty());
        let addr: Option<IpAddr> = match addr {
            Some(text) => Some(text.parse().map_err(|_| {
                Error::usage("connect.value", format!("hostaddr must be an IP address, not \"{text}\""))
                    .at("connection")
            })?),
            None => None,
        };
        let address = match (host, addr) {
            ("", None) => default_address(port),
            ("", Some(addr)) => Address::Tcp { host: addr.to_string(), addr: Some(addr) },
            (dir, None) if dir.starts_with('/') => Address::Socket(PathBuf::from(dir)),
            (dir, Some(addr)) if dir.starts_with('/') => Address::Tcp { host: addr.to_string(), addr: Some(addr) },
            (host, addr) => Address::Tcp { host: host.to_owned(), addr },
        };
        servers.push(Server { address, port, password: None, password_from: None });
    }

    if let Some((password, from)) = p.password.take().filter(|(p, _)| !p.expose_secret().is_empty()) {
        for server in &mut servers {
            server.password = Some(password.clone());
            server.password_from = Some(from.clone());
        }
    } else {
        let path =
            p.get("passfile").map(PathBuf::from).or_else(|| environment.home.as_ref().map(|home| home.join(".pgpass")));
        if let Some(path) = path {
            read_passfile(&path, &mut servers, &dbname, &user, &mut warnings);
        }
    }

    let roots = match p.get("sslrootcert") {
        Some("system") => Some(Roots::System),
        Some(path) => Some(Roots::File(PathBuf::from(path))),
        None => dot_postgresql(environment, "root.crt").map(Roots::File),
    };
    let default_mode = if roots == Some(Roots::System) { SslMode::VerifyFull } else { SslMode::Prefer };
    let sslmode = p.choice(
        "sslmode",
        &[
            ("disable", SslMode::Disable),
            ("allow", SslMode::Allow),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ],
        default_mode,
    )?;
    if roots == Some(Roots::System) && sslmode != SslMode::VerifyFull {
        return Err(Error::usage("connect.value", "sslrootcert=system allows sslmode=verify-full only")
            .at("connection")
            .next("a weaker mode would accept any certificate that a public authority has signed"));
    }
    let ssl_direct = p.choice("sslnegotiation", &[("postgres", false), ("direct", true)], false)?;
    if ssl_direct && matches!(sslmode, SslMode::Disable | SslMode::Allow | SslMode::Prefer) {
        return Err(
            Error::usage("connect.value", "sslnegotiation=direct needs sslmode=require or stricter").at("connection")
        );
    }
    let certificate = p.get("sslcert").map(PathBuf::from).or_else(|| dot_postgresql(environment, "postgresql.crt"));
    let client_certificate = certificate.map(|certificate| {
        let key = p
            .get("sslkey")
            .map(PathBuf::from)
            .or_else(|| dot_postgresql(environment, "postgresql.key"))
            .unwrap_or_else(|| certificate.with_extension("key"));
        (certificate, key)
    });
    let version = |key: &str| -> Result<Option<String>> {
        p.choice(
            key,
            &[("TLSv1.2", Some("TLSv1.2")), ("TLSv1.3", Some("TLSv1.3")), ("TLSv1", None), ("TLSv1.1", None)],
            None,
        )
        .map(|v| v.map(str::to_owned))
    };

    Ok(Conninfo {
        servers,
        dbname,
        user,
        application_name: p
            .get("application_name")
            .or(p.get("fallback_application_name"))
            .unwrap_or("llmsql")
            .to_owned(),
        options: p.get("options").map(str::to_owned),
        connect_timeout: match p.number::<i64>("connect_timeout")? {
            None => Some(DEFAULT_CONNECT_TIMEOUT),
            Some(seconds) => u64::try_from(seconds).ok().filter(|s| *s > 0),
        },
        keepalives: (
            p.get("keepalives") != Some("0"),
            p.number("keepalives_idle")?,
            p.number("keepalives_interval")?,
            p.number("keepalives_count")?,
        ),
        tcp_user_timeout: p.number::<u64>("tcp_user_timeout")?.filter(|ms| *ms > 0),
        sslmode,
        ssl_direct,
        roots,
        client_certificate,
        tls_versions: (version("ssl_min_protocol_version")?, version("ssl_max_protocol_version")?),
        channel_binding: p.choice(
            "channel_binding",
            &[("disable", Binding::Disable), ("prefer", Binding::Prefer), ("require", Binding::Require)],
            Binding::Prefer,
        )?,
        session_attrs: p.choice(
            "target_session_attrs",
            &[
                ("any", SessionAttrs::Any),
                ("read-write", SessionAttrs::ReadWrite),
                ("read-only", SessionAttrs::ReadOnly),
                ("primary", SessionAttrs::Primary),
                ("standby", SessionAttrs::Standby),
                ("prefer-standby", SessionAttrs::PreferStandby),
            ],
            SessionAttrs::Any,
        )?,
        random_order: p.choice("load_balance_hosts", &[("disable", false), ("random", true)], false)?,
        warnings,
    })
}

fn bad_port(text: &str) -> Error {
    Error::usage("connect.value", format!("port must be a number from 1 to 65535, not \"{text}\"")).at("connection")
}

fn list(text: Option<&str>) -> Vec<String> {
    text.map(|t| t.split(',').map(str::to_owned).collect()).unwrap_or_default()
}

/// `~/.postgresql/NAME`, where it exists.
fn dot_postgresql(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.home.as_ref().map(|home| home.join(".postgresql").join(name)).filter(|path| path.exists())
}

/// The first socket folder with a socket for the port, or else the local host by TCP.
fn default_address(port: u16) -> Address {
    let socket = |dir: &&str| {
        fs::metadata(Path::new(dir).join(format!(".s.PGSQL.{port}"))).is_ok_and(|m| m.file_type().is_socket())
    };
    match SOCKET_DIRS.iter().find(|dir| socket(dir)) {
        Some(dir) => Address::Socket(PathBuf::from(dir)),
        None => Address::Tcp { host: "localhost".to_owned(), addr: None },
    }
}

/// Gives each server the password of its first matching line. As libpq, leaves a file aside that others may read.
fn read_passfile(path: &Path, servers: &mut [Server], dbname: &str, user: &str, warnings: &mut Vec<String>) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if !metadata.is_file() {
        warnings.push(format!("the password file {} is not a plain file and was left aside", path.display()));
        return;
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        warnings.push(format!(
            "the password file {} may be read by others (mode {:04o}) and was left aside: chmod 0600 it",
            path.display(),
            metadata.mode() & 0o7777
        ));
        return;
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => SecretString::from(text),
        Err(e) => {
            warnings.push(format!("the password file {} cannot be read: {e}", path.display()));
            return;
        }
    };
    for server in servers {
        let host = match &server.address {
            // libpq looks sockets in the default folder up as localhost, others by their folder.
            Address::Socket(dir) if SOCKET_DIRS.iter().any(|d| Path::new(d) == dir) => "localhost".to_owned(),
            Address::Socket(dir) => dir.display().to_string(),
            Address::Tcp { host, .. } => host.clone(),
        };
        let port = server.port.to_string();
        let wanted = [host.as_str(), port.as_str(), dbname, user];
        let found = text.expose_secret().lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = passfile_fields(line);
            let matches = wanted.iter().zip(&fields).all(|(want, field)| field == "*" || field == want);
            (fields.len() == 5 && matches).then(|| fields.into_iter().nth(4)).flatten()
        });
        if let Some(password) = found {
            server.password = Some(SecretString::from(password));
            server.password_from = Some(path.display().to_string());
        }
    }
}

/// `host:port:database:user:password`, with `\:` and `\\`; the password may contain colons.
fn passfile_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.trim_end_matches('\r').chars();
    while let Some(c) = chars.next() {
        let last = fields.len() == 5;
        match c {
            ':' if !last => fields.push(String::new()),
            '\\' => {
                if let Some(field) = fields.last_mut() {
                    field.extend(chars.next());
                }
            }
            c => {
                if let Some(field) = fields.last_mut() {
                    field.push(c);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment {
            variables: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            home: None,
            user: Some("me".to_owned()),
        }
    }

    fn tcp(host: &str) -> Address {
        Address::Tcp { host: host.to_owned(), addr: None }
    }

    fn password(server: &Server) -> Option<&str> {
        server.password.as_ref().map(|p| p.expose_secret())
    }

    #[test]
    fn a_url_with_several_hosts_escapes_and_parameters() {
        let c = resolve(
            Some("postgresql://ada:p%40ss%3A@[::1]:6000,db2/my%20db?sslmode=require&target_session_attrs=read-write"),
            &environment(&[]),
        )
        .unwrap();
        assert_eq!((c.user.as_str(), c.dbname.as_str()), ("ada", "my db"));
        assert_eq!(
            c.servers.iter().map(|s| (s.address.clone(), s.port)).collect::<Vec<_>>(),
            [(tcp("::1"), 6000), (tcp("db2"), 5432)]
        );
        assert_eq!(password(&c.servers[1]), Some("p@ss:"));
        assert_eq!((c.sslmode, c.session_attrs), (SslMode::Require, SessionAttrs::ReadWrite));
        assert_eq!(c.application_name, "llmsql");
        let socket = resolve(Some("postgres:///d?host=/run/pg&port=7"), &environment(&[])).unwrap();
        assert_eq!(socket.servers[0].address, Address::Socket("/run/pg".into()));
        assert_eq!(socket.servers[0].place(), "/run/pg:7");
        let encoded = resolve(Some("postgresql://%2Frun%2Fpg/d"), &environment(&[])).unwrap();
        assert_eq!(encoded.servers[0].address, Address::Socket("/run/pg".into()));
    }

    #[test]
    fn keyword_values_with_quotes_and_spaces() {
        let c = resolve(
            Some(r"host = db1 user='it\'s me' dbname=a\ b password='' connect_timeout=0"),
            &environment(&[("PGPORT", "6432"), ("PGHOST", "unused")]),
        )
        .unwrap();
        assert_eq!((c.user.as_str(), c.dbname.as_str()), ("it's me", "a b"));
        assert_eq!((c.servers[0].address.clone(), c.servers[0].port), (tcp("db1"), 6432));
        assert_eq!(c.connect_timeout, None);
        assert!(c.servers[0].password.is_none());
    }

    #[test]
    fn a_bare_word_is_a_database_and_the_user_is_its_default() {
        assert_eq!(resolve(Some("shop"), &environment(&[("PGHOST", "h")])).unwrap().dbname, "shop");
        let c = resolve(None, &environment(&[("PGHOST", "h")])).unwrap();
        assert_eq!((c.dbname.as_str(), c.user.as_str()), ("me", "me"));
        let c = resolve(None, &environment(&[("PGHOST", "h"), ("PGDATABASE", "host=other dbname=inner")])).unwrap();
        assert_eq!((c.servers[0].address.clone(), c.dbname.as_str()), (tcp("other"), "inner"));
    }

    #[test]
    fn a_service_stands_between_the_string_and_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("services");
        fs::write(
            &file,
            "# ours\n[a]\nhost=wrong\n\n[prod]\nhost=db9\nport=6000\nuser=ada\npassword=geheim\n[z]\nhost=z\n",
        )
        .unwrap();
        let env = environment(&[
            ("PGSERVICEFILE", file.to_str().unwrap()),
            ("PGSERVICE", "prod"),
            ("PGUSER", "bob"),
            ("PGDATABASE", "shop"),
        ]);
        let c = resolve(Some("port=7000"), &env).unwrap();
        assert_eq!((c.servers[0].address.clone(), c.servers[0].port), (tcp("db9"), 7000));
        assert_eq!((c.user.as_str(), c.dbname.as_str()), ("ada", "shop"));
        assert_eq!(password(&c.servers[0]), Some("geheim"));
        assert!(c.servers[0].password_from.as_deref().unwrap().ends_with("services:9"));
        let error = resolve(Some("service=gone"), &env).unwrap_err();
        assert_eq!(error.exit, crate::error::Exit::Usage);
        assert!(error.next.unwrap().contains(file.to_str().unwrap()));
    }

    #[test]
    fn the_password_file_gives_each_server_its_own_and_must_be_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pass");
        fs::write(&file, "# c\ndb1:5432:*:ada:one\n\\:\\:1:*:*:ada:si\\:x:y\n*:*:*:bob:no\nshort:line\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let env = environment(&[("PGPASSFILE", file.to_str().unwrap())]);
        let dsn = Some("postgresql://ada@db1,[::1],db3/x");
        let c = resolve(dsn, &env).unwrap();
        assert_eq!(c.servers.iter().map(password).collect::<Vec<_>>(), [Some("one"), Some("si:x:y"), None]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let c = resolve(dsn, &env).unwrap();
        assert!(c.servers.iter().all(|s| s.password.is_none()));
        assert!(c.warnings[0].contains("0640"), "{:?}", c.warnings);
    }

    #[test]
    fn what_would_go_unheeded_or_is_mistyped_is_refused_with_a_hint() {
        let error = resolve(Some("hots=db1"), &environment(&[])).unwrap_err();
        assert_eq!(error.next.as_deref(), Some("did you mean \"host\"?"));
        for dsn in
            ["requirepeer=postgres", "sslmode=verify", "port=0", "port=1,2", "host=h hostaddr=x", "keepalives_idle=y"]
        {
            assert_eq!(resolve(Some(dsn), &environment(&[])).unwrap_err().exit, crate::error::Exit::Usage, "{dsn}");
        }
        assert!(resolve(Some("host=h gssencmode=prefer"), &environment(&[])).is_ok());
        assert!(resolve(Some("host=h sslrootcert=system sslmode=require"), &environment(&[])).is_err());
        let system = resolve(Some("host=h sslrootcert=system"), &environment(&[])).unwrap();
        assert_eq!((system.sslmode, system.roots), (SslMode::VerifyFull, Some(Roots::System)));
    }

    #[test]
    fn no_error_and_no_debug_output_shows_a_password() {
        for dsn in [
            "postgresql://u:hunter2%@h/d",
            "host=h password='hunter2",
            "password=hunter2 hunter2",
            "postgresql://u:hunter2@[::1/d",
        ] {
            let error = resolve(Some(dsn), &environment(&[])).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        }
        let c = resolve(Some("postgresql://u:hunter2@h/d"), &environment(&[])).unwrap();
        assert!(!format!("{c:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = resolve(Some(&text), &environment(&[]));
            let _ = resolve(Some(&format!("postgresql://{text}")), &environment(&[]));
        }

        #[test]
        fn any_value_survives_quoting(value in "[^\\x00]{1,20}") {
            let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
            let c = resolve(Some(&format!("host=h user='{quoted}'")), &environment(&[])).unwrap();
            prop_assert_eq!(c.user, value);
        }
    }
}
