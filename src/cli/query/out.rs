//! Where a result goes: stdout or a file, in every format.

use super::Arguments;
use crate::cli::Global;
use crate::error::Result;
use crate::output::{self, Format, file};
use crate::query::ask::Answer;
use crate::query::chart;
use crate::query::engine::{self, Done, Query};
use crate::query::protocol::Parquet;
use crate::query::results::{self, Rows, Stream};
use std::fs::File;
use std::io;
use std::path::Path;

/// The columns of a chart that goes to no terminal.
const WIDTH: usize = 80;

/// Where a result goes.
pub(super) struct Out<'a> {
    arguments: &'a Arguments,
    format: Format,
    /// The folder of a Parquet file on its way.
    parquet: Option<tempfile::TempDir>,
}

impl<'a> Out<'a> {
    pub(super) fn new(arguments: &'a Arguments, global: &Global) -> Result<Self> {
        arguments.output.iter().for_each(|path| file::sweep_killed(file::folder(path)));
        let parquet = match &arguments.output {
            Some(path) if global.format == Format::Parquet => {
                let target = file::target(path)?;
                let prefix = format!("{}{}", file::TEMPORARY, file::own());
                let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(file::folder(&target));
                Some(made.map_err(|e| file::unwritten(path, e))?)
            }
            _ => None,
        };
        Ok(Out { arguments, format: global.format, parquet })
    }

    pub(super) fn folder(&self) -> Option<&Path> {
        self.parquet.as_ref().map(tempfile::TempDir::path)
    }

    pub(super) fn parquet(&self) -> Option<Parquet> {
        let folder = std::fs::canonicalize(self.folder()?).ok()?;
        Some(Parquet { path: folder.join("result.parquet"), level: 3, group: 100_000 })
    }

    /// Runs the query and writes its result.
    pub(super) fn run(
        &mut self,
        run: &mut dyn FnMut(&Query, &mut dyn engine::Sink) -> Result<Done>,
        query: &Query,
        answer: Answer,
    ) -> Result<Done> {
        if let (Some(parquet), Some(target)) = (&query.parquet, &self.arguments.output) {
            let done = run(query, &mut Rows::default()).map_err(|e| file::full(e, target))?;
            let target = file::target(target)?;
            let put = || {
                File::open(&parquet.path)?.sync_all()?;
                std::fs::rename(&parquet.path, &target)?;
                file::sync_folder(file::folder(&target))
            };
            put().map_err(|e| file::unwritten(&target, e))?;
            return Ok(done);
        }
        if results::streams(self.format) {
            return self.stream(run, query);
        }
        let mut rows = Rows::default();
        let done = run(query, &mut rows)?;
        let text = match self.format {
            Format::Markdown => rows.markdown(),
            Format::Table => {
                let term = console::Term::stdout();
                let width = (self.arguments.output.is_none() && term.is_term()).then(|| usize::from(term.size().1));
                self.chart(&rows, width).unwrap_or_else(|| rows.table(width))
            }
            format => output::to_document(&answer.rows(rows, &done), format)?,
        };
        match &self.arguments.output {
            Some(path) => file::replace(&file::target(path)?, text.as_bytes())?,
            None => output::stdout(&text)?,
        }
        Ok(done)
    }

    /// The chart that was asked for; nothing, and a note, where the result is no series.
    fn chart(&self, rows: &Rows, width: Option<usize>) -> Option<String> {
        let kind = self.arguments.chart?;
        match chart::draw(rows, kind, width.unwrap_or(WIDTH)) {
            Ok(text) => Some(text),
            Err(why) => {
                output::note(&format!("note: {why}; here is the table"));
                None
            }
        }
    }

    fn stream(
        &self,
        run: &mut dyn FnMut(&Query, &mut dyn engine::Sink) -> Result<Done>,
        query: &Query,
    ) -> Result<Done> {
        let Some(path) = &self.arguments.output else {
            let mut stream = Stream::new(io::BufWriter::new(io::stdout().lock()), self.format);
            let done = run(query, &mut stream).and_then(|done| stream.finish().map(|_| done));
            return match done {
                Err(e) if e.code == results::CLOSED => Ok(Done::default()),
                done => done,
            };
        };
        let mut done = Done::default();
        file::replace_with(&file::target(path)?, |file| {
            let mut stream = Stream::new(io::BufWriter::new(file), self.format);
            done = run(query, &mut stream)?;
            stream.finish().map(drop)
        })
        .map_err(|e| if e.code == "output.write" { e.at(path.display()) } else { e })?;
        Ok(done)
    }
}
