//! The flags by which every subcommand that talks to PostgreSQL is told which server.

use crate::apply::servers::Wishes;
use crate::error::Result;
use crate::facts::Facts;
use crate::postgres::connect::{self, Blocking};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::live::Live;
use clap::Args;
use secrecy::SecretString;

/// Which server to talk to.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionArgs {
    /// The server: a URL, keywords and values, or a database's name
    ///
    /// As in psql: postgresql://role@host:5432/database?sslmode=verify-full, "host=db1 dbname=shop", or service=NAME.
    /// Without it, and for whatever it leaves out: PGSERVICE and the service file, the PG* variables, the local socket.
    /// Passwords belong in ~/.pgpass (mode 0600) or in the service file, since others see a command line.
    #[arg(
        long,
        value_name = "DSN",
        env = "LLMSQL_DSN",
        hide_env_values = true,
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(SecretString::from(text)),
        help_heading = "Connection options"
    )]
    pub dsn: Option<SecretString>,
}

impl ConnectionArgs {
    /// The parameters of the connection, everything resolved.
    ///
    /// # Errors
    /// Those of [`crate::postgres::conninfo::resolve`].
    pub fn conninfo(&self) -> Result<Conninfo> {
        connect::conninfo(self.dsn.as_ref())
    }

    /// Adds what a live server says to the facts, where one is named.
    ///
    /// # Errors
    /// Those of connecting and of reading what every role may read.
    pub fn live(&self, facts: &mut Facts) -> Result<()> {
        if self.dsn.is_some() {
            facts.database = Some(Live::of(&self.conninfo()?)?.fact());
        }
        Ok(())
    }

    /// How the servers of a change are reached: by the connection that is named, else by their own ways.
    ///
    /// # Errors
    /// Those of [`ConnectionArgs::conninfo`].
    pub fn wishes(&self) -> Result<Wishes> {
        let conninfo = self.dsn.as_ref().map(|_| self.conninfo()).transpose()?;
        Ok(Wishes { restart: false, conninfo })
    }

    /// Connects.
    ///
    /// # Errors
    /// Those of [`Blocking::open`].
    pub fn open(&self) -> Result<Blocking> {
        Blocking::open(&self.conninfo()?)
    }
}
