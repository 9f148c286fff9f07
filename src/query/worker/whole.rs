//! Whether compressed files are whole. DuckDB takes a CSV file whose compressed bytes end in the middle for one that ends
//! there, and does not compare gzip's sums: rows would be missing, and nobody would know. So the files of a query are
//! looked through beside it, each once.

use super::answer;
use crate::error::{Error, Result};
use crate::query::protocol::Response;
use flate2::bufread::GzDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long a query that has ended waits for its files: this, or as long as it took itself. One that has read a file to
/// its end took as long as the look through it takes; one that stopped early need not know how the file ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the bytes of a zstd file begin, and the least of those of what may be skipped.
const ZSTD: u32 = 0xFD2F_B528;
const SKIPPED: u32 = 0x184D_2A50;

/// The compressed files, and what is known of them.
#[derive(Debug, Default)]
pub struct Packed {
    tables: Vec<(String, Vec<PathBuf>)>,
    begun: BTreeSet<PathBuf>,
    coming: Vec<Receiver<(PathBuf, Option<String>)>>,
    /// What is wrong with each file that was looked through.
    known: BTreeMap<PathBuf, Option<String>>,
}

/// The files of one query, and when it began.
#[derive(Debug)]
pub struct Watched {
    files: Vec<PathBuf>,
    since: Instant,
}

/// How much of its files a query needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// All, or nobody knows.
    All,
    /// What stands before the end of the last one that it came to.
    Beginning,
}

impl Packed {
    /// Notes which files a table is read from.
    pub fn add(&mut self, table: &str, files: &[PathBuf]) {
        let packed: Vec<PathBuf> = files.iter().filter(|f| is_gzip(f) || is_zstd(f)).cloned().collect();
        if !packed.is_empty() {
            self.tables.push((table.to_owned(), packed));
        }
    }

    /// Begins to look through the files of these tables.
    ///
    /// # Errors
    /// No thread for it.
    pub fn watch<'t>(&mut self, tables: impl Iterator<Item = &'t str>) -> Result<Watched> {
        let named: BTreeSet<&str> = tables.collect();
        let files: Vec<PathBuf> =
            self.tables.iter().filter(|(t, _)| named.contains(t.as_str())).flat_map(|(_, f)| f.clone()).collect();
        let new: Vec<PathBuf> = files.iter().filter(|f| !self.begun.contains(*f)).cloned().collect();
        if !new.is_empty() {
            self.begun.extend(new.iter().cloned());
            let (give, take) = mpsc::channel();
            let look = move || {
                for file in new {
                    let wrong = fault(&file);
                    if give.send((file, wrong)).is_err() {
                        break;
                    }
                }
            };
            std::thread::Builder::new()
                .spawn(look)
                .map_err(|e| Error::failed("query.worker", "compressed files cannot be looked through").because(e))?;
            self.coming.push(take);
        }
        Ok(Watched { files, since: Instant::now() })
    }

    /// Whether no file is compressed.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Waits for what was begun, for a while.
    ///
    /// # Errors
    /// A file that is cut off or damaged.
    pub fn confirm(&mut self, watched: &Watched, reached: Reached) -> Result<()> {
        // Of an only file the end was not read; of several, some may have been read to theirs.
        if reached == Reached::Beginning && watched.files.len() < 2 {
            return Ok(());
        }
        let elapsed = watched.since.elapsed();
        let end = Instant::now() + if reached == Reached::All { elapsed.max(PATIENCE) } else { elapsed };
        for coming in &self.coming {
            while watched.files.iter().any(|f| !self.known.contains_key(f)) {
                let Ok((file, wrong)) = coming.recv_timeout(end.saturating_duration_since(Instant::now())) else {
                    break;
                };
                self.known.insert(file, wrong);
            }
        }
        let unknown = |f: &&PathBuf| reached == Reached::All && !self.known.contains_key(*f);
        if let Some(file) = watched.files.iter().find(unknown) {
            let file = file.display();
            answer(&Response::Note(format!("note: {file} was not looked through to its end, which may be missing")))?;
        }
        let wrong = watched.files.iter().find_map(|f| Some((f, self.known.get(f)?.as_ref()?)));
        wrong.map_or(Ok(()), |(file, wrong)| {
            let unpack = if is_gzip(file) { "zcat" } else { "zstdcat" };
            Err(Error::failed("source.damaged", wrong.clone())
                .at(file.display())
                .next(format!("fetch it again; `{unpack} FILE | llmsql … --source -` asks what is there")))
        })
    }
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

fn is_zstd(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("zst"))
}

/// What is wrong with a file, if anything is.
fn fault(path: &Path) -> Option<String> {
    let looked = File::open(path).and_then(|file| if is_gzip(path) { gzip(file) } else { zstd(file) });
    looked.err().map(|e| match e.kind() {
        ErrorKind::UnexpectedEof => {
            "is cut off: its compressed bytes end in the middle, and rows are missing".to_owned()
        }
        _ => format!("is damaged: {e}"),
    })
}

/// Inflates a file, which compares its sums. What stands behind the last member is nobody's.
fn gzip(file: File) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, file);
    loop {
        io::copy(&mut GzDecoder::new(&mut reader), &mut io::sink())?;
        if !reader.fill_buf()?.starts_with(b"\x1f\x8b") {
            return Ok(());
        }
    }
}

/// Goes from block to block of a file, which needs no unpacking; DuckDB finds what is wrong within one.
fn zstd(file: File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let mut at = 0;
    let take = |reader: &mut BufReader<File>, bytes: usize| -> io::Result<u64> {
        let mut number = [0; 8];
        let part = number.get_mut(..bytes).ok_or(ErrorKind::InvalidData)?;
        reader.read_exact(part)?;
        Ok(u64::from_le_bytes(number))
    };
    while at < length {
        let magic = u32::try_from(take(&mut reader, 4)?).unwrap_or(0);
        if magic & 0xFFFF_FFF0 == SKIPPED {
            let skipped = take(&mut reader, 4)?;
            at = skip(&mut reader, skipped, length)?;
            continue;
        }
        if magic != ZSTD {
            return Err(io::Error::new(ErrorKind::InvalidData, "it holds something that is no zstd"));
        }
        let descriptor = take(&mut reader, 1)?;
        let (single, sum) = (descriptor >> 5 & 1 == 1, descriptor >> 2 & 1);
        let window = u64::from(!single);
        let dictionary = [0, 1, 2, 4].get((descriptor & 3) as usize).copied().unwrap_or(0);
        let size = [u64::from(single), 2, 4, 8].get((descriptor >> 6) as usize).copied().unwrap_or(0);
        skip(&mut reader, window + dictionary + size, length)?;
        loop {
            let block = take(&mut reader, 3)?;
            let (last, kind, size) = (block & 1 == 1, block >> 1 & 3, block >> 3);
            // A block of one byte repeated holds that byte only.
            skip(&mut reader, if kind == 1 { 1 } else { size }, length)?;
            if last {
                break;
            }
        }
        at = skip(&mut reader, sum * 4, length)?;
    }
    Ok(())
}

/// Goes on by so many bytes, which have to be there; where it is then.
fn skip(reader: &mut BufReader<File>, bytes: u64, length: u64) -> io::Result<u64> {
    reader.seek_relative(i64::try_from(bytes).map_err(|_| ErrorKind::UnexpectedEof)?)?;
    let at = reader.stream_position()?;
    if at > length { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(at) }
}
