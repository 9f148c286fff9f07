//! The stretches of a question: what each of its phrases is to a table of operations data.

use std::ops::Range;

use super::super::cues::{self, Cue};
use super::super::index::{ColumnId, TableId};
use super::super::link::{Candidate, Meaning, is_filler, is_state};
use super::super::logic::{Agg, Bucket, Cond, Expr, Literal, Op, Operand, Part, Place};
use super::super::words::{Shape, Token, number_word};
use super::{Reader, Word};

impl Reader<'_, '_, '_> {
    /// The stretches of the question that say something, the longest first at each place; none where a word is not
    /// understood.
    pub(super) fn words(&self) -> Option<Vec<Word>> {
        Some(self.stretches()?.into_iter().filter_map(|(word, _)| word).collect())
    }

    /// All stretches of the question in order, with the tokens they take.
    pub(super) fn stretches(&self) -> Option<Vec<(Option<Word>, Range<usize>)>> {
        let mut found: Vec<(Option<Word>, Range<usize>)> = Vec::new();
        let mut contains = false;
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            // What is contained is a text, whatever else it may mean.
            let text = contains && token.is_word() && cues::of(&token.lower).is_none();
            let (word, next) = match if text { None } else { self.word(at) } {
                _ if text => (Some(Word::Text(token.text.clone())), at + 1),
                Some((word, next)) => (word, next.max(at + 1)),
                None if matches!(token.shape, Shape::Mark(_)) => (None, at + 1),
                None => return None,
            };
            if let Some(word) = &word {
                contains = matches!(word, Word::Cue(Cue::Contains(_)));
            }
            found.push((word, at..next));
            at = next;
        }
        self.codes(&mut found);
        Some(found)
    }

    /// What begins at a token, none for words that say nothing, and the token after it.
    fn word(&self, at: usize) -> Option<(Option<Word>, usize)> {
        let token = self.tokens.get(at)?;
        let begins = |d: &super::super::dates::Span| d.certain && d.start == token.start;
        if let Some((place, date)) = self.dated.iter().enumerate().find(|(_, d)| begins(d)) {
            let next = self.tokens.iter().position(|t| t.start >= date.end).unwrap_or(self.tokens.len());
            return Some((Some(Word::Date(place)), next));
        }
        for length in (1..=7.min(self.tokens.len() - at)).rev() {
            let phrase = self.tokens.get(at..at + length)?;
            let dated = |t: &Token| self.dated.iter().any(|d| d.certain && d.start == t.start);
            let word = if phrase.iter().skip(1).any(dated) { self.compared(phrase) } else { self.phrase(phrase, at) };
            if let Some(word) = word {
                return Some((word, at + length));
            }
        }
        None
    }

    /// A phrase that names a time and means another: `compared to last week`, `day of the week`.
    fn compared(&self, phrase: &[Token]) -> Option<Option<Word>> {
        let lower = phrase.iter().map(|t| t.lower.as_str()).collect::<Vec<_>>().join(" ");
        self.own(&lower).filter(|word| matches!(word, Some(Word::Change | Word::Series(Expr::Part(..)))))
    }

    /// What a phrase is: `Some(None)` where it says nothing.
    fn phrase(&self, phrase: &[Token], at: usize) -> Option<Option<Word>> {
        let lower = phrase.iter().map(|t| t.lower.as_str()).collect::<Vec<_>>().join(" ");
        if let [token] = phrase {
            match token.shape {
                Shape::Quoted => return Some(Some(self.quoted(&token.text))),
                Shape::Number(n) => return Some(Some(Word::Number(n))),
                Shape::Mark(',' | '&') => return Some(Some(Word::Cue(Cue::And))),
                Shape::Mark(_) => return Some(None),
                Shape::Word => {}
            }
        }
        if phrase.iter().any(|t| matches!(t.shape, Shape::Quoted)) {
            return None;
        }
        let ends = |word: &str| self.tokens.get(at + phrase.len()).is_some_and(|t| t.lower == word);
        if lower.ends_with("last time") && ends("out") {
            return None;
        }
        if let Some(word) = self.spoken(phrase, &lower, at).or_else(|| self.own(&lower)) {
            return Some(word);
        }
        let stems: Vec<&str> = phrase.iter().map(|t| t.stem.as_str()).collect();
        let table = &self.index.table(self.log.table).words.stems;
        let rows = table.iter().map(String::as_str).eq(stems.iter().copied());
        if let Some(cond) = self.log.condition(&stems).filter(|_| !rows) {
            return Some(Some(Word::Cond(cond)));
        }
        if let Some(column) = self.value(phrase).filter(|_| !rows) {
            return Some(Some(column));
        }
        let cue = cues::of(&lower);
        if phrase.iter().all(Token::is_word) {
            if let Some(column) = self.written(phrase).filter(|_| phrase.len() > 1 || cue != Some(Cue::Count)) {
                let rows = rows
                    || phrase.len() == 1 && self.log.rows.contains(&phrase.first().map_or("", |t| t.stem.as_str()));
                return Some(Some(if rows { Word::Rows(Some(column)) } else { Word::Column(column) }));
            }
            if phrase.len() == 1 && self.log.rows.contains(&phrase.first().map_or("", |t| t.stem.as_str())) {
                return Some(Some(Word::Rows(None)));
            }
            if rows && !table.is_empty() {
                return Some(Some(Word::Rows(None)));
            }
            if let Some(column) = self.glued(&stems).or_else(|| self.referred(&stems)) {
                return Some(Some(Word::Column(column)));
            }
            let ends = |t: Option<&Token>| t.is_some_and(|t| is_filler(&t.lower));
            let article = |t: &Token| matches!(t.lower.as_str(), "a" | "an" | "the");
            let named = stems.len() <= 5
                && !phrase.iter().any(article)
                && !ends(phrase.first())
                && !ends(phrase.last())
                && (cue.is_none() || phrase.len() > 1);
            if named && let Some(column) = self.column(&stems) {
                return Some(Some(Word::Column(column)));
            }
        }
        match cue {
            Some(Cue::Idle | Cue::Of | Cue::Do | Cue::Be | Cue::Have | Cue::Ask | Cue::All) => Some(None),
            Some(Cue::Running) if lower == "running" && is_state(self.tokens, at) => None,
            Some(Cue::Relative | Cue::Who) if at == 0 && lower.starts_with("who") => {
                self.log.actor.map(|who| Some(Word::Column(who)))
            }
            Some(Cue::Which | Cue::Relative | Cue::Who | Cue::Whose | Cue::Pronoun | Cue::Stop | Cue::Where) => {
                Some(None)
            }
            Some(Cue::Superlative(..)) if lower == "peak" => {
                // "peak memory" is its greatest, "peak hour" the one with most rows.
                let figure = self.is_measure_next(at + phrase.len());
                Some(Some(Word::Cue(if figure { Cue::Agg(Agg::Max) } else { Cue::Frequent(true) })))
            }
            Some(cue) => Some(Some(Word::Cue(cue))),
            None => number_word(&lower)
                .map(|n| Some(Word::Number(n)))
                .or_else(|| self.verb(&lower, at))
                .or_else(|| self.part_of_value(phrase).map(Some)),
        }
    }

    /// Verbs of rows that say nothing more.
    fn verb(&self, lower: &str, at: usize) -> Option<Option<Word>> {
        let idle = matches!(
            lower,
            "run"
                | "ran"
                | "made"
                | "make"
                | "logged"
                | "happened"
                | "occurred"
                | "served"
                | "came"
                | "seen"
                | "wrote"
                | "written"
                | "sent"
                | "handled"
                | "received"
                | "issued"
                | "executed"
                | "processed"
                | "done"
                | "returned"
                | "return"
                | "returns"
                | "gives"
                | "give"
                | "created"
                | "occur"
                | "happen"
                | "read"
                | "see"
                | "appeared"
                | "appear"
                | "placed"
                | "place"
                | "found"
                | "active"
                | "got"
                | "status"
                | "result"
                | "results"
                | "schema"
                | "responses"
                | "server"
                | "page"
                | "http"
                | "ask"
                | "asks"
                | "asked"
        );
        (at > 0 && idle).then_some(None)
    }

    /// Words of operations.
    fn own(&self, lower: &str) -> Option<Option<Word>> {
        let bucket = |unit: &str| {
            Some(match unit {
                "minute" => Bucket::Minute,
                "hour" => Bucket::Hour,
                "day" => Bucket::Day,
                "week" => Bucket::Week,
                "month" => Bucket::Month,
                "quarter" => Bucket::Quarter,
                "year" => Bucket::Year,
                _ => return None,
            })
        };
        let time = self.log.time;
        let series = |make: &dyn Fn(ColumnId) -> Expr| time.map(|t| Some(Word::Series(make(t))));
        if let Some(Cue::Per(unit)) = cues::of(lower) {
            return series(&|t| Expr::Bucket(unit, t));
        }
        if let Some(Cue::PerPart(part)) = cues::of(lower) {
            return series(&|t| Expr::Part(part, t));
        }
        let tail = lower.rsplit(' ').next().unwrap_or_default();
        match lower {
            "hours of the day" | "hour of the day" | "hours of day" | "hour of day" => {
                return series(&|t| Expr::Part(Part::Hour, t));
            }
            "days of the week" | "day of the week" | "weekday" | "weekdays" => {
                return series(&|t| Expr::Part(Part::Weekday, t));
            }
            "which hour" | "which day" | "which week" | "which month" | "which minute" | "what hour" | "what day" => {
                let unit = bucket(tail)?;
                return series(&|t| Expr::Bucket(unit, t));
            }
            "week over week"
            | "day over day"
            | "month over month"
            | "hour over hour"
            | "compared to the previous week"
            | "compared with the previous week"
            | "compared to the week before"
            | "compared to the previous day"
            | "compared to the day before"
            | "compared to the previous month"
            | "compared to last week"
            | "against last week"
            | "against the week before"
            | "change against last week"
            | "versus last week"
            | "compared with last week"
            | "vs last week" => return Some(Some(Word::Change)),
            "error rate" | "failure rate" | "rate of errors" | "rate of failures" | "error percentage"
            | "failure percentage" | "error ratio" | "failure ratio" => {
                let sql = self.log.rate(self.index, false)?;
                return Some(Some(Word::Rate("error_rate".to_owned(), sql)));
            }
            "success rate" | "success percentage" | "success ratio" | "pass rate" => {
                let sql = self.log.rate(self.index, true)?;
                return Some(Some(Word::Rate("success_rate".to_owned(), sql)));
            }
            "cache hit ratio" | "cache hit rate" | "hit ratio" | "buffer hit ratio" | "hit rate" => {
                let sql = self.log.hits(self.index)?;
                return Some(Some(Word::Rate("hit_percent".to_owned(), sql)));
            }
            "spill to disk" | "spilled to disk" | "spills to disk" | "spill" | "wrote temp blocks"
            | "use temp files" | "used temp files" => {
                let column = self
                    .index
                    .columns(self.log.table)
                    .find(|c| self.index.column(*c).column.name == "temp_blks_written")?;
                let none = Operand::Literal(Literal::Number(0.0));
                return Some(Some(Word::Cond(Cond::Compare(Expr::Column(column), Op::Gt, none))));
            }
            "took" | "take" | "takes" | "taking" | "lasted" | "last longer" => return Some(Some(Word::Took)),
            "ms" | "millisecond" | "milliseconds" => return Some(Some(Word::Unit(1.0))),
            "s" | "sec" | "second" | "seconds" => return Some(Some(Word::Unit(1000.0))),
            "minutes" => return Some(Some(Word::Unit(60_000.0))),
            "hours" => return Some(Some(Word::Unit(3_600_000.0))),
            "days" => return Some(Some(Word::Unit(86_400_000.0))),
            "last time" | "the last time" => return time.map(|_| Some(Word::Moment(true))),
            "first time" | "the first time" => return time.map(|_| Some(Word::Moment(false))),
            "latest" | "newest" | "most recent" | "last" | "the latest" | "the last" | "the most recent" => {
                return Some(Some(Word::Time(true)));
            }
            "first" | "earliest" | "oldest" | "the first" | "the earliest" | "the oldest" => {
                return Some(Some(Word::Time(false)));
            }
            "no" | "zero" | "have no" | "has no" | "had no" => return Some(Some(Word::Number(0.0))),
            "highest first" | "largest first" | "most first" => return Some(Some(Word::Cue(Cue::Descending))),
            "timed out" | "time out" | "timeouts" => {
                let found = self.index.values("timeout").iter().find(|v| v.column.table == self.log.table)?;
                return Some(Some(Word::Value(found.column, found.text.clone())));
            }
            "number" | "the number" => return Some(Some(Word::Cue(Cue::Count))),
            "when" => return Some(Some(Word::Cue(Cue::When))),
            _ => {}
        }
        let adverb = match lower {
            "hourly" => Some(Bucket::Hour),
            "daily" => Some(Bucket::Day),
            "weekly" => Some(Bucket::Week),
            "monthly" => Some(Bucket::Month),
            _ => None,
        };
        adverb.and_then(|unit| series(&|t| Expr::Bucket(unit, t)))
    }

    /// A column of the table by its name, in these words or in others.
    pub(super) fn column(&self, stems: &[&str]) -> Option<ColumnId> {
        // A longer name may leave out its unit, `execution time` of `execution_time_ms`.
        let enough = if stems.len() > 1 { 0.62 } else { 0.7 };
        let own = |c: &Candidate| match c.meaning {
            Meaning::Column(column) if column.table == self.log.table && c.strength >= enough => {
                Some((column, c.strength))
            }
            _ => None,
        };
        let duration = ["latenc", "durat", "latency"];
        if let [one] = stems
            && (duration.contains(one) || *one == "duration")
            && let Some(column) = self.log.duration
        {
            return Some(column);
        }
        // What a request took, not the time at which it came.
        if let [what, "time" | "durat" | "latenc"] = stems
            && matches!(*what, "respons" | "request" | "process" | "elaps" | "serv" | "server" | "run" | "load")
            && let Some(column) = self.log.duration
        {
            return Some(column);
        }
        // What a row took is a number; its "time" alone is when it happened.
        let short = |stem: &str| {
            stem == "execut" && self.index.columns(self.log.table).any(|c| self.index.column(c).words.has("exec"))
        };
        // "addresses" of `remote_addr`.
        if let ["address"] = stems {
            let named = |c: &ColumnId| ["addr", "address", "ip"].iter().any(|w| self.index.column(*c).words.has(w));
            let mut columns = self.index.columns(self.log.table).filter(named);
            if let (Some(only), None) = (columns.next(), columns.next()) {
                return Some(only);
            }
        }
        let stems: &[&str] = &stems.iter().map(|s| if short(s) { "exec" } else { s }).collect::<Vec<_>>();
        let names = self.linker.names(stems);
        let mut found: Vec<(ColumnId, f64)> = names.iter().filter_map(own).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        if found.is_empty() {
            let other = |c: &Candidate| match c.meaning {
                Meaning::Column(column) if self.log.referred.contains(&column.table) && c.strength >= 0.95 => {
                    Some((column, c.strength))
                }
                _ => None,
            };
            found.extend(names.iter().filter_map(other));
        }
        let longer = stems.len() > 1 && stems.last() == Some(&"time");
        if found.is_empty() {
            found.extend(self.shortened(stems).map(|c| (c, 0.7)));
        }
        let fits =
            |c: &ColumnId| !longer || self.index.kind(*c).is_number() || self.index.column(*c).words.words.len() > 1;
        found.iter().find(|(c, _)| fits(c)).map(|(c, _)| *c)
    }

    /// The column whose name without its unit is this, `cpu` of `cpu_percent`, or the only one that has all these words.
    fn shortened(&self, stems: &[&str]) -> Option<ColumnId> {
        let unit = |w: &&String| {
            !matches!(w.as_str(), "percent" | "pct" | "byte" | "ms" | "second" | "kb" | "mb" | "gb" | "count")
        };
        let same = |own: &str, said: &str| own == said || (own, said) == ("use", "usag");
        let own = |c: ColumnId| self.index.column(c).words.stems.iter().filter(unit);
        let whole =
            |c: &ColumnId| own(*c).count() == stems.len() && own(*c).zip(stems).all(|(own, said)| same(own, said));
        let has = |c: &ColumnId| stems.len() > 1 && stems.iter().all(|s| own(*c).any(|o| same(o, s)));
        let columns = || self.index.columns(self.log.table);
        let mut having = columns().filter(has);
        let only = having.next().filter(|_| having.next().is_none());
        columns().find(whole).or(only)
    }

    /// The column that a phrase writes as the table does.
    fn written(&self, phrase: &[Token]) -> Option<ColumnId> {
        let stems = || phrase.iter().map(|t| t.stem.as_str());
        let same = |c: &ColumnId| self.index.column(*c).written.iter().map(String::as_str).eq(stems());
        self.index.columns(self.log.table).find(same)
    }

    /// What a row of a table that is referred to is called by.
    fn referred(&self, stems: &[&str]) -> Option<ColumnId> {
        let called =
            |t: &&TableId| self.index.table(**t).words.stems.iter().map(String::as_str).eq(stems.iter().copied());
        let table = self.log.referred.iter().find(called)?;
        let named = |c: &&ColumnId| ["name", "title"].iter().any(|w| self.index.column(**c).words.has(w));
        self.index.table(*table).display.first().filter(named).copied()
    }

    /// What is said of events, ranks and sizes; the words around it tell what it is.
    fn spoken(&self, phrase: &[Token], lower: &str, at: usize) -> Option<Option<Word>> {
        let before = at.checked_sub(1).and_then(|p| self.tokens.get(p));
        let after = |n: usize| self.tokens.get(at + phrase.len() + n).map_or("", |t| t.lower.as_str());
        let dated = |n: usize| {
            let token = self.tokens.get(at + phrase.len() + n);
            token.is_some_and(|t| self.dated.iter().any(|d| d.certain && d.start <= t.start && t.start < d.end))
        };
        let follows = |n: usize| cues::of(after(n)).or_else(|| cues::of(&format!("{} {}", after(n), after(n + 1))));
        let figure = match phrase {
            [one] => self.earned(one),
            [total, one] if total.lower == "total" => self.earned(one),
            _ => self.rate_of(phrase),
        };
        if let Some(word) = figure.or_else(|| self.lasts(lower)) {
            return Some(Some(word));
        }
        let word = match lower {
            "second" | "2nd" => Some(2),
            "third" | "3rd" => Some(3),
            "fourth" | "4th" => Some(4),
            "fifth" | "5th" => Some(5),
            _ => None,
        };
        if let Some(nth) = word {
            let ranked = matches!(follows(0), Some(Cue::Superlative(..) | Cue::Frequent(_)));
            return ranked.then_some(Some(Word::Nth(nth)));
        }
        let bytes = match lower {
            "kb" | "kilobyte" | "kilobytes" => Some(1e3),
            "mb" | "megabyte" | "megabytes" => Some(1e6),
            "gb" | "gigabyte" | "gigabytes" => Some(1e9),
            "tb" | "terabyte" | "terabytes" => Some(1e12),
            "kib" => Some(1024.0),
            "mib" => Some(1_048_576.0),
            "gib" => Some(1_073_741_824.0),
            "bytes" | "byte" => Some(1.0),
            _ => None,
        };
        if let Some(bytes) = bytes.filter(|_| before.is_some_and(|t| matches!(t.shape, Shape::Number(_)))) {
            return Some(Some(Word::Bytes(bytes)));
        }
        // "traffic in MB".
        if let (Some(bytes), Some("in"), true) = (
            bytes,
            before.map(|t| t.lower.as_str()),
            matches!(follows(0), None | Some(Cue::By | Cue::Each | Cue::Stop)),
        ) {
            let name = match lower.bytes().next() {
                _ if bytes < 2.0 => return Some(None),
                Some(b'k') => "kilobytes",
                Some(b'm') => "megabytes",
                Some(b'g') => "gigabytes",
                _ => "terabytes",
            };
            return Some(Some(Word::Scale(bytes, name)));
        }
        let topped = || {
            at.checked_sub(2)
                .and_then(|p| self.tokens.get(p))
                .is_some_and(|t| t.lower == "top" || matches!(cues::of(&t.lower), Some(Cue::Frequent(_))))
        };
        let ranked = before.is_some_and(|t| {
            matches!(cues::of(&t.lower), Some(Cue::Frequent(_)))
                || t.lower == "peak"
                || matches!(t.shape, Shape::Number(_)) && topped()
        });
        let unit = match lower {
            "minute" | "minutes" => Some(Bucket::Minute),
            "hour" | "hours" => Some(Bucket::Hour),
            "day" | "days" => Some(Bucket::Day),
            "week" | "weeks" => Some(Bucket::Week),
            "month" | "months" => Some(Bucket::Month),
            _ => None,
        };
        // "days with more than 5 errors".
        let begins = before.is_none_or(|t| matches!(t.lower.as_str(), "which" | "what" | "show" | "list" | "the"))
            && lower.ends_with('s')
            && matches!(after(0), "with" | "where" | "that" | "had" | "when" | "in");
        if let (Some(unit), Some(time), true) = (unit, self.log.time, ranked || begins) {
            return Some(Some(Word::Series(Expr::Bucket(unit, time))));
        }
        match lower {
            "trend of" | "trend in" | "the trend of" | "the trend in" => {
                let told =
                    |t: &Token| matches!(t.lower.as_str(), "per" | "by" | "daily" | "hourly" | "weekly" | "monthly");
                let day = |time| Word::Series(Expr::Bucket(Bucket::Day, time));
                let time = self.log.time?;
                return Some((!self.tokens.iter().any(told)).then(|| day(time)));
            }
            "percent" | "%" if before.is_some_and(|t| matches!(t.shape, Shape::Number(_))) => return Some(None),
            "largest" | "the largest" | "biggest" | "the biggest" | "smallest" | "the smallest" => {
                let next = at + phrase.len();
                let number = self.tokens.get(next).is_some_and(|t| matches!(t.shape, Shape::Number(_)));
                let rows = self.is_rows(if number { next + 1 } else { next });
                let column = self.log.size.or_else(|| self.amount()).filter(|_| rows)?;
                return Some(Some(Word::Ranked(column, !lower.ends_with("smallest"))));
            }
            "distribution of"
            | "the distribution of"
            | "histogram of"
            | "a histogram of"
            | "breakdown of"
            | "the breakdown of"
            | "spread of"
            | "the spread of"
            | "histogram"
            | "distribution"
            | "breakdown" => {
                return Some(Some(Word::Spread));
            }
            "how long do" | "how long does" | "how long did" if self.log.duration.is_some() => {
                let lasts = |t: &Token| {
                    matches!(t.lower.as_str(), "take" | "takes" | "took" | "last" | "lasted" | "run" | "runs")
                };
                return self.tokens.iter().skip(at).any(lasts).then_some(Some(Word::HowLong));
            }
            // "current cpu by host": what was measured last.
            "current" | "the current" if self.log.time.is_some() => {
                let figure = self.is_measure_next(at + phrase.len());
                return figure.then_some(Some(Word::Time(true)));
            }
            "worst" | "the worst" => return Some(Some(Word::Worst(false))),
            // "over the last 2 weeks": in that time, not after its end.
            "over" if dated(0) => return Some(Some(Word::Cue(Cue::In))),
            "over time" if self.log.time.is_some() => return Some(Some(Word::OverTime)),
            "only" => return Some(Some(Word::Only)),
            "gap" | "gaps" | "gap between" | "gaps between" | "the gap between" | "pause between"
            | "interval between" | "time between two" => return Some(Some(Word::Gap)),
            "compare" | "comparison of" => return Some(Some(Word::Against(false))),
            "vs" | "versus" | "compared to" | "compared with" | "against" | "and compared to" => {
                return Some(Some(Word::Against(true)));
            }
            "first seen" | "first appeared" | "first logged" | "seen first" | "newly seen" => {
                return Some(Some(Word::Fresh));
            }
            "new" if dated(0) || after(0) == "since" && dated(1) => return Some(Some(Word::Fresh)),
            "new"
                if self.is_rows(at + phrase.len())
                    && self
                        .tokens
                        .get(at + phrase.len())
                        .is_none_or(|t| self.written(std::slice::from_ref(t)).is_none()) =>
            {
                return self.log.event("created").map(|_| None);
            }
            "new" if self.dated.iter().any(|d| d.certain) => return Some(Some(Word::Fresh)),
            "slow" => {
                let Some(Cue::Superlative(most, Some(quality))) = cues::of("slowest") else { return None };
                return Some(Some(Word::Most(most, quality)));
            }
            "bots" | "bot" | "crawlers" | "crawler" | "spiders" => {
                let agent = self.log.agent?;
                let like = |text: &str| Cond::Like(agent, Place::Inside, text.to_owned(), false);
                return Some(Some(Word::Cond(Cond::Any(["bot", "crawl", "spider"].map(like).to_vec()))));
            }
            "space" | "disk space" => return self.log.size.map(|c| Some(Word::Column(c))),
            _ => {}
        }
        // "addresses that sent more than 100 requests": what is sent is said.
        if at > 0
            && lower == "sent"
            && (at + 1..self.tokens.len()).any(|later| {
                self.is_rows(later)
                    || self.tokens.get(later).is_some_and(|t| matches!(t.lower.as_str(), "bytes" | "data" | "traffic"))
            })
        {
            return Some(None);
        }
        if at > 0 && matches!(lower, "run" | "runs" | "ran") && !matches!(after(0), "time" | "times") {
            return Some(None);
        }
        if let Some(groups) = moving(lower) {
            return Some(Some(Word::Moving(groups)));
        }
        self.happened(phrase, lower, before, at)
    }

    /// Whether the tokens from one on name a column of figures.
    fn is_measure_next(&self, at: usize) -> bool {
        (1..=3).any(|length| {
            let phrase = self.tokens.get(at..at + length).unwrap_or_default();
            let stems: Vec<&str> = phrase.iter().map(|t| t.stem.as_str()).collect();
            !stems.is_empty() && self.column(&stems).is_some_and(|c| self.measure(c))
        })
    }

    /// Whether the token names the rows.
    fn is_rows(&self, at: usize) -> bool {
        let own = &self.index.table(self.log.table).words.stems;
        self.tokens
            .get(at)
            .is_some_and(|t| own.as_slice() == [t.stem.clone()] || self.log.rows.contains(&t.stem.as_str()))
    }

    /// What happened to a row, and how long it took until it did.
    fn happened(&self, phrase: &[Token], lower: &str, before: Option<&Token>, at: usize) -> Option<Option<Word>> {
        if self.log.events.is_empty() {
            return None;
        }
        let status = before.is_some_and(|t| matches!(t.lower.as_str(), "status" | "state" | "=" | "is"));
        if let ([token], false) = (phrase, status && before.is_some_and(|t| t.lower != "is")) {
            let asked = self.tokens.iter().take(at).any(|t| matches!(t.lower.as_str(), "did" | "does" | "do"));
            let event = self.log.event(&token.lower).or_else(|| self.log.deed(&token.stem).filter(|_| asked));
            return event.map(|column| Some(Word::Event(column)));
        }
        let last = lower.rsplit(' ').next()?;
        let words: Vec<&str> = lower.split(' ').collect();
        let lasts = ["time to", "to", "time taken to", "time it takes to", "time it took to"];
        let asks = ["how long does it take to", "how long did it take to", "how long it takes to", "how long to"];
        let head = lower.get(..lower.len() - last.len())?.trim_end();
        let asked = asks.contains(&head);
        if asked || lasts.contains(&head) {
            let (from, to) = self.log.time.zip(self.log.deed(&phrase.last()?.stem))?;
            return (from != to).then_some(Some(Word::Elapsed(from, to, asked)));
        }
        if let ["time", "from" | "between", _, "to" | "and", _] = words.as_slice() {
            let stem = |at: usize| phrase.get(at).map(|t| t.stem.as_str());
            let (from, to) = self.log.deed(stem(2)?).zip(self.log.deed(stem(4)?))?;
            return (from != to).then_some(Some(Word::Elapsed(from, to, false)));
        }
        None
    }

    /// A column of PostgreSQL's catalogue, whose names are no English words.
    fn glued(&self, stems: &[&str]) -> Option<ColumnId> {
        let name = glued(stems)?;
        self.index.columns(self.log.table).find(|c| self.index.column(*c).column.name == name)
    }
}

/// The groups of `7 day moving average`, or of one that does not say how many.
fn moving(lower: &str) -> Option<u32> {
    let head =
        lower.strip_suffix(" average").and_then(|h| h.strip_suffix("moving").or_else(|| h.strip_suffix("rolling")))?;
    let mut words = head.split([' ', '-']).filter(|w| !w.is_empty());
    let groups = words.next()?.parse::<u32>().ok().filter(|n| (2..=1000).contains(n))?;
    matches!(words.next(), Some("day" | "hour" | "week" | "month" | "minute")).then_some(groups)
}

/// Names of PostgreSQL's catalogue that are no English words.
fn glued(stems: &[&str]) -> Option<&'static str> {
    Some(match stems {
        ["user"] | ["user", "name"] => "usename",
        ["databas"] | ["databas", "name"] => "datname",
        ["schema"] => "schemaname",
        ["tabl"] | ["tabl", "name"] => "tablename",
        ["column"] | ["attribut"] => "attname",
        _ => return None,
    })
}
