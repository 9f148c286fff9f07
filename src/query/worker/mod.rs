//! The worker: a process of its own in which data is opened and SQL runs, so that a query that takes too much takes
//! nothing with it.
//!
//! It starts DuckDB with a single thread, limits its memory, opens what has to be opened over the network or by path,
//! gives up the right to open anything else (Landlock), and locks DuckDB's configuration. Threads that DuckDB starts from
//! then on inherit all of it. What it is told and what it answers goes over two pipes, which are its stdin and stdout as
//! well ([`super::protocol`]); nothing of it stands in arguments or the environment.

mod access;
mod catalogue;
mod columns;
mod counted;
mod csv;
mod databases;
mod dated;
mod extension;
mod files;
mod narrow;
mod postgres;
mod postgres_scanner;
mod profile;
mod run;
mod sandbox;
mod scanner;
mod small;
mod sqlite;
mod study;
mod times;
mod whole;

use super::protocol::{Failure, Request, Response, receive, send};
use crate::error::{Error, Result};
pub(crate) use catalogue::kind_of;
use catalogue::{Engine, Places};
use duckdb::Connection;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};

/// Answers requests until there are no more; the exit code.
pub fn main(mut from: impl Read + Send + 'static) -> u8 {
    // DuckDB starts while the program finds out what is to be opened.
    let duckdb = catalogue::start();
    let first = receive::<Request>(&mut from).map_err(broken);
    match first.and_then(|first| first.map_or(Ok(()), |first| serve(duckdb?, first, from))) {
        Ok(()) => 0,
        Err(error) => {
            // The program may be gone already.
            let _ = answer(&Response::Failed(Failure::from(error)));
            1
        }
    }
}

fn serve(duckdb: Connection, first: Request, from: impl Read + Send + 'static) -> Result<()> {
    let Request::Open { sources, limits, scratch, output, zone, tuning, archives, extensions } = first else {
        return Err(Error::failed("query.worker", "the worker was asked before it was given sources"));
    };
    let (output, archives) = (output.as_deref(), archives.as_deref());
    let places = Places { scratch: &scratch, output, archives, extensions: &extensions };
    let mut engine = Engine::open(duckdb, &sources, &limits, &places, &zone, tuning)?;
    if !engine.archives.is_empty() {
        return answer(&Response::Archives(engine.archives));
    }
    answer(&Response::Opened)?;
    for request in requests(from, scratch) {
        if let Err(error) = handle(&mut engine, request) {
            answer(&Response::Failed(Failure::from(error)))?;
        }
    }
    Ok(())
}

/// The requests after the first, read by a thread of their own: when the program is gone, nobody waits for the query
/// that runs, and what it has spilled is removed.
fn requests(mut from: impl Read + Send + 'static, scratch: PathBuf) -> Receiver<Request> {
    let (give, take) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        while let Ok(Some(request)) = receive::<Request>(&mut from) {
            if give.send(request).is_err() {
                break;
            }
        }
        clear(&scratch);
        std::process::exit(0);
    });
    take
}

/// Empties the worker's own folder.
fn clear(scratch: &Path) {
    for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
        let path = entry.path();
        // What cannot be removed is in a temporary folder, which the system clears.
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}

fn handle(engine: &mut Engine, request: Request) -> Result<()> {
    match request {
        Request::Open { .. } => Err(Error::failed("query.worker", "the worker has its sources already")),
        Request::Describe => {
            engine.describe()?;
            answer(&Response::Described(engine.schema()))
        }
        Request::Study => {
            engine.describe()?;
            engine.packed.watch(engine.tables.iter().map(|t| t.table.name.as_str()))?;
            let (schema, values) = study::study(engine)?;
            // Of others a part was looked at: how they end is found out for the query that reads them.
            let whole = engine.tables.iter().filter(|t| t.table.rows.is_some()).map(|t| t.table.name.as_str());
            let whole = engine.packed.watch(whole)?;
            engine.packed.confirm(&whole, whole::Reached::All)?;
            answer(&Response::Studied { schema, values })
        }
        Request::Find { text, columns, millis } => {
            answer(&Response::Found(study::find(engine, &text, &columns, millis)))
        }
        Request::Check { sql } => {
            let needs = run::check(engine, &sql)?;
            run::stand_in(engine, &needs)?;
            let columns = run::describe(engine, &sql)?;
            run::explain(engine, &sql)?;
            answer(&Response::Columns(columns))
        }
        Request::Run { sql, rows, bytes, millis, whole_tables, profile, parquet } => {
            let order = run::Order { sql, rows, bytes, millis, whole_tables, profile, parquet };
            run::run(engine, &order).and_then(|done| answer(&done))
        }
    }
}

/// Sends an answer to the program.
fn answer(response: &Response) -> Result<()> {
    send(io::stdout().lock(), response).map_err(broken)
}

fn broken(e: io::Error) -> Error {
    Error::failed("query.worker", "the connection to the worker broke").because(e)
}
