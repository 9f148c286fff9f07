//! Connecting to a server in every way libpq can, and asking it things, with errors that say what, where and what next.
//!
//! [`Session`] is the asynchronous connection; [`Blocking`] the same for callers that do one thing after another.

use super::conninfo::{Address, Binding, Conninfo, Environment, Server, SessionAttrs, SslMode, resolve};
use super::tls;
use crate::error::{Error, Exit, Result};
use crate::output;
use crate::process;
use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::future::Future;
use std::time::{Duration, SystemTime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Config, Row, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What the server said about a statement that failed.
#[derive(Debug, Clone)]
pub struct ServerError {
    /// Five characters: `57014`.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// The server's own advice.
    pub hint: Option<String>,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        write!(f, " [SQLSTATE {}]", self.sqlstate)
    }
}

impl std::error::Error for ServerError {}

/// What the server said, where an error comes from it.
#[must_use]
pub fn server_error(error: &Error) -> Option<&ServerError> {
    error.source.as_ref()?.downcast_ref()
}

/// Whether an error comes from the server with this SQLSTATE.
#[must_use]
pub fn is_sqlstate(error: &Error, state: &SqlState) -> bool {
    server_error(error).is_some_and(|e| e.sqlstate == state.code())
}

/// The parameters of `--dsn` (or none) in this process's environment; warnings go to stderr.
///
/// # Errors
/// Those of [`resolve`].
pub fn conninfo(dsn: Option<&SecretString>) -> Result<Conninfo> {
    conninfo_in(dsn, &Environment::process())
}

/// The same in another environment.
///
/// # Errors
/// Those of [`resolve`].
pub fn conninfo_in(dsn: Option<&SecretString>, environment: &Environment) -> Result<Conninfo> {
    let info = resolve(dsn.map(|d| d.expose_secret()), environment)?;
    for warning in &info.warnings {
        output::note(&format!("warning: {warning}"));
    }
    if info.servers.iter().any(|s| s.password.is_some()) {
        process::no_core_dumps()?;
    }
    Ok(info)
}

/// Runs a future to its end on a runtime of this thread.
///
/// # Errors
/// Its own, and that no runtime could be made.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    runtime()?.block_on(future)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::failed("connect.runtime", "cannot start the network runtime").because(e))
}

/// A connection to one server.
pub struct Session {
    client: tokio_postgres::Client,
    tls: MakeRustlsConnect,
    place: String,
    server: String,
    dbname: String,
    user: String,
    local: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Session {
    /// Connects to the first server that answers and is of the wanted kind. Asks for a password at a terminal only,
    /// and only where a server wants one that nothing holds.
    ///
    /// # Errors
    /// What each server said, the place, and what to do next; exit 1, or 64 for unusable certificates.
    pub async fn open(info: &Conninfo) -> Result<Session> {
        match Session::try_open(info).await {
            Err(e) if e.code == "connect.no_password" && can_prompt() => {
                let mut info = info.clone();
                let password = prompt(&info)?;
                for server in &mut info.servers {
                    server.password = Some(password.clone());
                    server.password_from = Some("the terminal".to_owned());
                }
                Session::try_open(&info).await
            }
            result => result,
        }
    }

    async fn try_open(info: &Conninfo) -> Result<Session> {
        let mut servers: Vec<&Server> = info.servers.iter().collect();
        if info.random_order {
            let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.subsec_nanos() as usize);
            let by = seed % servers.len().max(1);
            servers.rotate_left(by);
        }
        let passes: &[SessionAttrs] = match info.session_attrs {
            SessionAttrs::PreferStandby => &[SessionAttrs::Standby, SessionAttrs::Any],
            SessionAttrs::Any => &[SessionAttrs::Any],
            SessionAttrs::ReadWrite => &[SessionAttrs::ReadWrite],
            SessionAttrs::ReadOnly => &[SessionAttrs::ReadOnly],
            SessionAttrs::Primary => &[SessionAttrs::Primary],
            SessionAttrs::Standby => &[SessionAttrs::Standby],
        };
        let tls = if info.sslmode == SslMode::Disable { tls::unused()? } else { tls::connector(info)? };
        let mut errors: Vec<Error> = Vec::new();
        for wanted in passes {
            errors.clear();
            for server in &servers {
                match connect_server(info, server, &tls, *wanted).await {
                    Ok(session) => return Ok(session),
                    // A server that was reached and refused the login speaks for all, as in libpq.
                    Err(e) if matches!(e.code, "connect.login" | "connect.no_password") => return Err(e),
                    Err(e) => errors.push(e),
                }
            }
        }
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let count = errors.len();
        match errors.pop() {
            Some(only) if count == 1 => Err(only),
            Some(last) => {
                let mut error =
                    Error::failed(last.code, format!("none of {count} servers can be used: {}", all.join("; ")));
                error.next = last.next;
                Err(error)
            }
            None => Err(Error::usage("connect.host", "no server is named").at("connection")),
        }
    }

    /// `db1:5432/shop as ada`, for messages.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// `db1:5432`.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The database asked for.
    #[must_use]
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// The role asked for.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether it goes over a socket or the loopback interface, so that the server most likely runs on this host.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Asks the server to cancel the statement that runs, over a connection of its own: that statement then fails with
    /// SQLSTATE 57014.
    ///
    /// # Errors
    /// Those of connecting.
    pub async fn cancel(&self) -> Result<()> {
        self.client.cancel_token().cancel_query(self.tls.clone()).await.map_err(|e| {
            Error::failed("connect.cancel", "the statement cannot be cancelled").at(&self.place).because(e)
        })
    }

    /// Runs one statement with parameters and returns its rows. Parameters have the given types, so that nothing is
    /// prepared under a name, which a transaction pooler would lose.
    ///
    /// Columns must be of built-in types: the driver looks others up on the same connection while the rows are under
    /// way, and waits for ever behind them. Cast the columns of an extension's types, or take their send function.
    ///
    /// # Errors
    /// What the server said.
    pub async fn query(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
        self.client.query_typed(sql, params).await.map_err(|e| self.failed(e))
    }

    /// Runs a statement that returns exactly one row.
    ///
    /// # Errors
    /// What the server said, and another number of rows.
    pub async fn query_one(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row> {
        self.query_opt(sql, params).await?.ok_or_else(|| {
            Error::failed("sql.rows", "the server returned no row where one was expected").at(&self.place)
        })
    }

    /// Runs a statement and returns its first row, if there is one.
    ///
    /// # Errors
    /// What the server said.
    pub async fn query_opt(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs a statement and returns the number of rows it touched.
    ///
    /// # Errors
    /// What the server said.
    pub async fn execute(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<u64> {
        self.client.execute_typed(sql, params).await.map_err(|e| self.failed(e))
    }

    /// Runs statements without parameters in the simple protocol, each in a transaction of its own where there is only
    /// one (`REINDEX CONCURRENTLY`, `VACUUM`).
    ///
    /// # Errors
    /// What the server said.
    pub async fn batch(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|e| self.failed(e))
    }

    /// Runs a statement in the simple protocol and returns the first column of its first row as text (`EXPLAIN`).
    ///
    /// # Errors
    /// What the server said.
    pub async fn batch_text(&self, sql: &str) -> Result<String> {
        let messages = self.client.simple_query(sql).await.map_err(|e| self.failed(e))?;
        let text = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten().map(str::to_owned),
            _ => None,
        });
        Ok(text.unwrap_or_default())
    }

    /// Does read-only work inside a transaction that is rolled back, under these settings, which last no longer than
    /// that: behind a transaction pooler they would otherwise be other clients' settings too. Names without a schema are
    /// PostgreSQL's own there: the owner of a database may have set a `search_path` in which others hide them, whose code
    /// would run with this session's rights.
    ///
    /// # Errors
    /// Those of the work, and what the server said.
    pub async fn under<T>(&self, settings: &[&str], work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut begin = "BEGIN; SET LOCAL search_path = ''".to_owned();
        settings.iter().for_each(|setting| begin.push_str(&format!("; SET LOCAL {setting}")));
        let result = async {
            self.batch(&begin).await?;
            work.await
        };
        let result = result.await;
        let end = self.batch("ROLLBACK").await;
        let value = result?;
        end?;
        Ok(value)
    }

    /// Runs a statement in the simple protocol and returns its rows as text: for consoles that speak no other
    /// (PgBouncer's).
    ///
    /// # Errors
    /// What the server said.
    pub async fn batch_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let messages = self.client.simple_query(sql).await.map_err(|e| self.failed(e))?;
        let row = |row: &tokio_postgres::SimpleQueryRow| {
            (0..row.len()).map(|i| row.try_get(i).ok().flatten().map(str::to_owned)).collect()
        };
        Ok(messages
            .iter()
            .filter_map(|m| if let SimpleQueryMessage::Row(r) = m { Some(row(r)) } else { None })
            .collect())
    }

    /// Copies a SELECT's rows out, in the binary format, without holding them: `take` gets each message, which holds a row
    /// or the format's header or end.
    ///
    /// # Errors
    /// What the server said, and those of `take`, which end the copying.
    pub async fn copy_out(&self, select: &str, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let sql = format!("COPY ({select}) TO STDOUT (FORMAT binary)");
        let mut messages = Box::pin(self.client.copy_out(&sql).await.map_err(|e| self.failed(e))?);
        while let Some(message) = messages.next().await {
            take(&message.map_err(|e| self.failed(e))?)?;
        }
        Ok(())
    }

    fn failed(&self, error: tokio_postgres::Error) -> Error {
        match error.as_db_error() {
            Some(db) => {
                let mut out = Error::failed("sql.failed", "the server refused a statement").at(&self.place);
                out.next = db.hint().map(str::to_owned);
                out.because(ServerError {
                    sqlstate: db.code().code().to_owned(),
                    message: db.message().to_owned(),
                    detail: db.detail().map(str::to_owned),
                    hint: db.hint().map(str::to_owned),
                })
            }
            None if error.is_closed() || self.client.is_closed() => {
                Error::failed("sql.closed", "the server closed the connection")
                    .at(&self.place)
                    .next("look into the server's log; then run the command again")
                    .because(error)
            }
            None => Error::failed("sql.failed", "a statement failed").at(&self.place).because(error),
        }
    }
}

/// Quotes an identifier for SQL, always.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string for SQL, whatever `standard_conforming_strings` says.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Reads a column without the panic that [`Row::get`] has.
pub trait RowExt {
    /// The column's value.
    ///
    /// # Errors
    /// A column that is not there or of another type.
    fn value<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T>;
}

impl RowExt for Row {
    fn value<'a, T: FromSql<'a>>(&'a self, column: &str) -> Result<T> {
        self.try_get(column).map_err(|e| {
            Error::failed("sql.column", format!("the server's answer lacks a usable \"{column}\"")).because(e)
        })
    }
}

/// A session for callers that do one thing after another.
#[derive(Debug)]
pub struct Blocking {
    // Before the runtime, so that it is dropped before it.
    session: Session,
    runtime: tokio::runtime::Runtime,
}

impl Blocking {
    /// As [`Session::open`].
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn open(info: &Conninfo) -> Result<Self> {
        let runtime = runtime()?;
        let session = runtime.block_on(Session::open(info))?;
        Ok(Blocking { session, runtime })
    }

    /// The session, for [`Blocking::run`] and its names.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Runs something asynchronous on the session.
    ///
    /// # Errors
    /// Its own.
    pub fn run<T>(&self, work: impl AsyncFnOnce(&Session) -> Result<T>) -> Result<T> {
        self.runtime.block_on(work(&self.session))
    }

    /// As [`Session::query`].
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn query(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>> {
        self.runtime.block_on(self.session.query(sql, params))
    }

    /// As [`Session::query_one`].
    ///
    /// # Errors
    /// As [`Session::query_one`].
    pub fn query_one(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row> {
        self.runtime.block_on(self.session.query_one(sql, params))
    }

    /// As [`Session::query_opt`].
    ///
    /// # Errors
    /// As [`Session::query_opt`].
    pub fn query_opt(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Option<Row>> {
        self.runtime.block_on(self.session.query_opt(sql, params))
    }

    /// As [`Session::batch`].
    ///
    /// # Errors
    /// As [`Session::batch`].
    pub fn batch(&self, sql: &str) -> Result<()> {
        self.runtime.block_on(self.session.batch(sql))
    }
}

fn can_prompt() -> bool {
    use std::io::IsTerminal;
    std::io::stdin().is_terminal() && console::user_attended_stderr()
}

fn prompt(info: &Conninfo) -> Result<SecretString> {
    let terminal = console::Term::stderr();
    let read =
        terminal.write_str(&format!("Password for role {}: ", info.user)).and_then(|()| terminal.read_secure_line());
    read.map(SecretString::from)
        .map_err(|e| Error::failed("connect.no_password", "cannot read a password").at("the terminal").because(e))
}

async fn connect_server(
    info: &Conninfo,
    server: &Server,
    tls: &MakeRustlsConnect,
    wanted: SessionAttrs,
) -> Result<Session> {
    use tokio_postgres::config::SslMode as Tls;
    let place = format!("{}/{} as {}", server.place(), info.dbname, info.user);
    let socket = matches!(server.address, Address::Socket(_));
    // (how to try, whether the next may be tried after this failure)
    let attempts: &[Tls] = match info.sslmode {
        _ if socket => &[Tls::Disable],
        SslMode::Disable => &[Tls::Disable],
        SslMode::Allow => &[Tls::Disable, Tls::Require],
        SslMode::Prefer => &[Tls::Prefer, Tls::Disable],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Tls::Require],
    };
    let mut first: Option<Failure> = None;
    for mode in attempts {
        match attempt(info, server, tls, *mode, &place).await {
            Ok(session) => {
                check_attributes(&session, wanted).await?;
                return Ok(session);
            }
            Err(failure) => {
                let another = failure.is_tls() || failure.is_refused_by_rule();
                first.get_or_insert(failure);
                if !another {
                    break;
                }
            }
        }
    }
    match first {
        Some(failure) => Err(explain(failure, info, server, &place)),
        None => Err(Error::failed("connect.failed", "no way to connect is allowed").at(place)),
    }
}

/// Why one attempt failed.
enum Failure {
    Timeout,
    Postgres(tokio_postgres::Error),
}

impl Failure {
    fn is_tls(&self) -> bool {
        // The kind of the error is not public; its text is.
        matches!(self, Failure::Postgres(e) if e.to_string().contains("TLS"))
    }

    fn is_refused_by_rule(&self) -> bool {
        matches!(self, Failure::Postgres(e) if e.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION))
    }
}

async fn attempt(
    info: &Conninfo,
    server: &Server,
    tls: &MakeRustlsConnect,
    mode: tokio_postgres::config::SslMode,
    place: &str,
) -> Result<Session, Failure> {
    let mut config = Config::new();
    config
        .port(server.port)
        .user(&info.user)
        .dbname(&info.dbname)
        .application_name(&info.application_name)
        .ssl_mode(mode);
    match &server.address {
        Address::Socket(dir) => config.host_path(dir),
        Address::Tcp { host, .. } => config.host(host),
    };
    if let Address::Tcp { addr: Some(addr), .. } = server.address {
        config.hostaddr(addr);
    }
    if let Some(password) = &server.password {
        config.password(password.expose_secret());
    }
    if let Some(options) = &info.options {
        config.options(options);
    }
    if info.ssl_direct && matches!(server.address, Address::Tcp { .. }) {
        config.ssl_negotiation(tokio_postgres::config::SslNegotiation::Direct);
    }
    config.channel_binding(match info.channel_binding {
        Binding::Disable => tokio_postgres::config::ChannelBinding::Disable,
        Binding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
        Binding::Require => tokio_postgres::config::ChannelBinding::Require,
    });
    let (keepalives, idle, interval, count) = info.keepalives;
    config.keepalives(keepalives);
    if let Some(idle) = idle {
        config.keepalives_idle(Duration::from_secs(idle));
    }
    if let Some(interval) = interval {
        config.keepalives_interval(Duration::from_secs(interval));
    }
    if let Some(count) = count {
        config.keepalives_retries(count);
    }
    if let Some(ms) = info.tcp_user_timeout {
        config.tcp_user_timeout(Duration::from_millis(ms));
    }
    let connecting = config.connect(tls.clone());
    let connected = match info.connect_timeout {
        Some(seconds) => {
            tokio::time::timeout(Duration::from_secs(seconds), connecting).await.map_err(|_| Failure::Timeout)?
        }
        None => connecting.await,
    };
    let (client, connection) = connected.map_err(Failure::Postgres)?;
    // Errors of the connection reach the statement that waits for it.
    tokio::spawn(connection);
    Ok(Session {
        client,
        tls: tls.clone(),
        place: place.to_owned(),
        server: server.place(),
        dbname: info.dbname.clone(),
        user: info.user.clone(),
        local: match &server.address {
            Address::Socket(_) => true,
            Address::Tcp { addr: Some(addr), .. } => addr.is_loopback(),
            Address::Tcp { host, .. } => {
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|addr| addr.is_loopback())
            }
        },
    })
}

async fn check_attributes(session: &Session, wanted: SessionAttrs) -> Result<()> {
    if wanted == SessionAttrs::Any {
        return Ok(());
    }
    let row = session
        .query_one(
            "SELECT pg_catalog.pg_is_in_recovery() AS standby, \
             pg_catalog.current_setting('transaction_read_only') = 'on' AS read_only",
            &[],
        )
        .await?;
    let (standby, read_only): (bool, bool) = (row.value("standby")?, row.value("read_only")?);
    let (fits, is) = match wanted {
        SessionAttrs::ReadWrite => (!read_only, "read-only"),
        SessionAttrs::ReadOnly => (read_only, "not read-only"),
        SessionAttrs::Primary => (!standby, "a standby"),
        SessionAttrs::Standby => (standby, "no standby"),
        SessionAttrs::Any | SessionAttrs::PreferStandby => (true, ""),
    };
    if fits {
        return Ok(());
    }
    Err(Error::failed("connect.attributes", format!("the server is {is}"))
        .at(session.place())
        .next("name the servers to choose from (host=a,b), or change target_session_attrs"))
}

/// Turns a failure into what, where and what next.
fn explain(failure: Failure, info: &Conninfo, server: &Server, place: &str) -> Error {
    let error = match failure {
        Failure::Timeout => {
            let seconds = info.connect_timeout.unwrap_or_default();
            return Error::failed("connect.timeout", format!("no answer within {seconds} s"))
                .at(place)
                .next("check the address and the firewall, or give it longer with connect_timeout=SECONDS");
        }
        Failure::Postgres(error) => error,
    };
    if let Some(db) = error.as_db_error() {
        let (code, next) = match db.code() {
            c if *c == SqlState::INVALID_PASSWORD => (
                "connect.login",
                match &server.password_from {
                    Some(from) => format!("the password came from {from}: correct it there"),
                    None => "no password was found: put one into ~/.pgpass (mode 0600)".to_owned(),
                },
            ),
            c if *c == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => (
                "connect.login",
                "the server's pg_hba.conf must allow this role, database and address, and the role must exist; \
                 over TLS or not is part of the rule (sslmode)"
                    .to_owned(),
            ),
            c if *c == SqlState::INVALID_CATALOG_NAME => {
                ("connect.database", "name another database (dbname=…), or create it".to_owned())
            }
            c if *c == SqlState::TOO_MANY_CONNECTIONS => (
                "connect.full",
                "wait, or end idle sessions; superuser_reserved_connections keeps a place for a superuser".to_owned(),
            ),
            c if *c == SqlState::CANNOT_CONNECT_NOW => {
                ("connect.starting", "the server is starting or stopping: try again in a moment".to_owned())
            }
            _ => ("connect.failed", db.hint().unwrap_or("look into the server's log").to_owned()),
        };
        return Error::failed(code, "the server refused the connection").at(place).next(next).because(ServerError {
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
        });
    }
    let text = error.to_string();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    if cause == "password missing" {
        return Error::failed("connect.no_password", "the server asks for a password and none was found")
            .at(place)
            .next(
                "put host:port:database:role:password into ~/.pgpass (mode 0600); there is a prompt at a terminal only",
            );
    }
    if text.contains("TLS") {
        let next = if cause.contains("does not support TLS") {
            "switch ssl on in the server, or allow a connection without TLS: sslmode=prefer"
        } else if cause.contains("NotValidForName") || cause.contains("not valid for name") {
            "connect by a name that the certificate carries, or check the chain only: sslmode=verify-ca"
        } else if cause.contains("UnknownIssuer") {
            "name the authority that signed the server's certificate: sslrootcert=FILE"
        } else {
            "check the server's certificate and sslrootcert"
        };
        return Error::failed("connect.tls", "TLS failed").at(place).next(next).because(error);
    }
    let kind =
        std::error::Error::source(&error).and_then(|s| s.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let next = match (kind, &server.address) {
        (Some(std::io::ErrorKind::NotFound), Address::Socket(dir)) => {
            format!(
                "no server has its socket in {}: start it, or name another folder or a host (host=…)",
                dir.display()
            )
        }
        (Some(std::io::ErrorKind::ConnectionRefused), Address::Tcp { .. }) => {
            "no server listens there: start it, or check the port and its listen_addresses".to_owned()
        }
        (Some(std::io::ErrorKind::PermissionDenied), Address::Socket(_)) => {
            "this user may not use the socket: check unix_socket_permissions, or run as another user".to_owned()
        }
        _ if cause.contains("lookup") => "check the host's name, or give its address with hostaddr=".to_owned(),
        _ => "check host and port, and that the server runs".to_owned(),
    };
    Error::new(Exit::Failed, "connect.failed", "cannot connect").at(place).next(next).because(error)
}
