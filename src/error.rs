//! The one error type and the one table of exit codes.

use std::fmt;

/// How a run ended. The number of each is fixed for ever: scripts depend on it (README, "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done as asked.
    Done = 0,
    /// Failed; nothing was changed or what was changed is said.
    Failed = 1,
    /// There are changes or there is drift (only with `--detailed-exitcode`).
    Changes = 2,
    /// Failed after writing, and everything was put back.
    RolledBack = 3,
    /// An interrupted change waits for `recover`.
    RecoverFirst = 4,
    /// An invariant of severity error is violated.
    Invariant = 5,
    /// `doctor` found warnings.
    DoctorWarnings = 6,
    /// `doctor` found something critical.
    DoctorCritical = 7,
    /// The saved plan no longer fits the host.
    Stale = 10,
    /// Another run holds the lock.
    Locked = 11,
    /// A test login or a rotation's proof failed.
    LoginFailed = 12,
    /// A precondition refused: pooler, standby, privilege, memory or disk.
    Precondition = 13,
    /// A question was ambiguous or refused.
    Unanswered = 20,
    /// The command line or the configuration is wrong.
    Usage = 64,
    /// Ended by SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// Every exit code with its meaning, in the order of README's table; the man page and `--help` print this.
    pub const TABLE: &[(Exit, &'static str)] = &[
        (Exit::Done, "done"),
        (Exit::Failed, "failed"),
        (Exit::Changes, "changes or drift (only with --detailed-exitcode)"),
        (Exit::RolledBack, "failed and rolled back"),
        (Exit::RecoverFirst, "an interrupted change waits for `recover`"),
        (Exit::Invariant, "an invariant is violated (plan --check, render, apply)"),
        (Exit::DoctorWarnings, "doctor: warnings"),
        (Exit::DoctorCritical, "doctor: critical"),
        (Exit::Stale, "the plan is stale"),
        (Exit::Locked, "locked by another run"),
        (Exit::LoginFailed, "login or rotation test failed"),
        (Exit::Precondition, "a precondition refused (pooler, standby, privilege, memory, disk)"),
        (Exit::Unanswered, "a question was ambiguous or refused"),
        (Exit::Usage, "usage: the command line or the configuration is wrong"),
        (Exit::Interrupted, "interrupted (SIGINT)"),
        (Exit::Terminated, "terminated (SIGTERM)"),
    ];

    /// The number the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// What went wrong, where, and what to do next. Printed once, by [`crate::cli::main`].
#[derive(Debug)]
pub struct Error {
    /// The exit code this error ends the process with.
    pub exit: Exit,
    /// A stable, machine-readable name (`config.unknown_key`, `memory.fit`), for `--format json`.
    pub code: &'static str,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// Where: a file with line and column, a path, a key.
    pub place: Option<String>,
    /// What the operator can do next.
    pub next: Option<String>,
    /// The single faults where there are several, such as all the wrong lines of one file.
    pub faults: Option<Box<Faults>>,
    /// The cause, if another error led to this one.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// One fault among several of the same input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// Where: a file with line and column, a variable.
    pub place: String,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
}

/// Several faults; boxed in [`Error`], which every fallible function carries around.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Faults(pub Vec<Fault>);

impl Error {
    /// One usage error out of all the faults of one input; `None` where there is no fault.
    #[must_use]
    pub fn from_faults(code: &'static str, place: impl fmt::Display, faults: Vec<Fault>) -> Option<Self> {
        match faults.as_slice() {
            [] => None,
            [only] => Some(Error::usage(code, only.message.clone()).at(&only.place)),
            several => {
                let mut error = Error::usage(code, format!("{} errors", several.len())).at(place);
                error.faults = Some(Box::new(Faults(faults)));
                Some(error)
            }
        }
    }

    /// A new error.
    #[must_use]
    pub fn new(exit: Exit, code: &'static str, what: impl Into<String>) -> Self {
        Error { exit, code, what: what.into(), place: None, next: None, faults: None, source: None }
    }

    /// A failure of the ordinary kind (exit code 1).
    #[must_use]
    pub fn failed(code: &'static str, what: impl Into<String>) -> Self {
        Error::new(Exit::Failed, code, what)
    }

    /// A wrong command line or configuration (exit code 64).
    #[must_use]
    pub fn usage(code: &'static str, what: impl Into<String>) -> Self {
        Error::new(Exit::Usage, code, what)
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(place.to_string());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The chain of causes, outermost first.
    pub fn causes(&self) -> impl Iterator<Item = String> + '_ {
        let mut next: Option<&(dyn std::error::Error + 'static)> =
            self.source.as_ref().map(|s| &**s as &(dyn std::error::Error + 'static));
        std::iter::from_fn(move || {
            let now = next?;
            next = now.source();
            Some(now.to_string())
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        for cause in self.causes() {
            write!(f, ": {cause}")?;
        }
        for fault in self.faults.iter().flat_map(|f| &f.0) {
            write!(f, "\n  {}: {}", fault.place, fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
