//! The stretches of a question: what each of its phrases is to a table of operations data.

use super::super::cues::{self, Cue};
use super::super::index::ColumnId;
use super::super::link::{Candidate, Meaning, is_filler};
use super::super::logic::{Bucket, Expr, Part};
use super::super::synonyms;
use super::super::words::{Shape, Token, number_word};
use super::{Reader, Word};

impl Reader<'_, '_, '_> {
    /// The stretches of the question, the longest first at each place; none where a word is not understood.
    pub(super) fn words(&self) -> Option<Vec<Word>> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            // What is contained is a text, whatever else it may mean.
            let text = self.tokens.get(at).filter(|t| t.is_word() && cues::of(&t.lower).is_none());
            if let (Some(Word::Cue(Cue::Contains(_))), Some(token)) = (words.last(), text) {
                words.push(Word::Text(token.text.clone()));
                at += 1;
                continue;
            }
            match self.word(at) {
                Some((word, next)) => {
                    words.extend(word);
                    at = next.max(at + 1);
                }
                None if self.tokens.get(at).is_some_and(|t| !matches!(t.shape, Shape::Mark(_))) => return None,
                None => at += 1,
            }
        }
        Some(words)
    }

    /// What begins at a token, none for words that say nothing, and the token after it.
    fn word(&self, at: usize) -> Option<(Option<Word>, usize)> {
        let token = self.tokens.get(at)?;
        let begins = |d: &super::super::dates::Span| d.certain && d.start == token.start;
        if let Some((place, date)) = self.dated.iter().enumerate().find(|(_, d)| begins(d)) {
            let next = self.tokens.iter().position(|t| t.start >= date.end).unwrap_or(self.tokens.len());
            return Some((Some(Word::Date(place)), next));
        }
        for length in (1..=6.min(self.tokens.len() - at)).rev() {
            let phrase = self.tokens.get(at..at + length)?;
            let dated = |t: &Token| self.dated.iter().any(|d| d.certain && d.start == t.start);
            let word = if phrase.iter().skip(1).any(dated) { self.compared(phrase) } else { self.phrase(phrase, at) };
            if let Some(word) = word {
                return Some((word, at + length));
            }
        }
        None
    }

    /// A comparison that names the time it is made with: `compared to last week`.
    fn compared(&self, phrase: &[Token]) -> Option<Option<Word>> {
        let lower = phrase.iter().map(|t| t.lower.as_str()).collect::<Vec<_>>().join(" ");
        self.own(&lower).filter(|word| *word == Some(Word::Change))
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
        if let Some(word) = self.own(&lower) {
            return Some(word);
        }
        let stems: Vec<&str> = phrase.iter().map(|t| t.stem.as_str()).collect();
        if let Some(cond) = self.log.condition(&stems) {
            return Some(Some(Word::Cond(cond)));
        }
        if let Some(column) = self.value(phrase) {
            return Some(Some(column));
        }
        let cue = cues::of(&lower);
        if phrase.iter().all(Token::is_word) {
            if let Some(column) = self.written(phrase).filter(|_| phrase.len() > 1 || cue != Some(Cue::Count)) {
                let rows = phrase.len() == 1 && self.log.rows.contains(&phrase.first().map_or("", |t| t.stem.as_str()));
                return Some(Some(if rows { Word::Rows(Some(column)) } else { Word::Column(column) }));
            }
            if phrase.len() == 1 && self.log.rows.contains(&phrase.first().map_or("", |t| t.stem.as_str())) {
                return Some(Some(Word::Rows(None)));
            }
            if let Some(column) = self.glued(&stems) {
                return Some(Some(Word::Column(column)));
            }
            let ends = |t: Option<&Token>| t.is_some_and(|t| is_filler(&t.lower));
            let named = !ends(phrase.first()) && !ends(phrase.last()) && (cue.is_none() || phrase.len() > 1);
            if named && let Some(column) = self.column(&stems) {
                return Some(Some(Word::Column(column)));
            }
            let table = &self.index.table(self.log.table).words.stems;
            if !table.is_empty() && table.iter().map(String::as_str).eq(stems.iter().copied()) {
                return Some(Some(Word::Rows(None)));
            }
        }
        match cue {
            Some(Cue::Idle | Cue::Of | Cue::Do | Cue::Be | Cue::Have | Cue::Ask | Cue::All) => Some(None),
            Some(Cue::Which | Cue::Relative | Cue::Who | Cue::Whose | Cue::Pronoun | Cue::Stop | Cue::Where) => {
                Some(None)
            }
            Some(Cue::Superlative(..)) if lower == "peak" => Some(Some(Word::Cue(Cue::Frequent(true)))),
            Some(cue) => Some(Some(Word::Cue(cue))),
            None => number_word(&lower).map(|n| Some(Word::Number(n))).or_else(|| self.verb(&lower, at)),
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
                | "created"
                | "occur"
                | "happen"
                | "read"
                | "status"
                | "result"
                | "results"
                | "schema"
                | "responses"
                | "server"
                | "page"
                | "http"
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
            "which hour" | "which day" | "which week" | "which month" | "busiest hour" | "busiest day"
            | "what hour" | "what day" => {
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
            "error rate" | "failure rate" | "rate of errors" | "rate of failures" => {
                let sql = self.log.rate(self.index, false)?;
                return Some(Some(Word::Rate("error_rate".to_owned(), sql)));
            }
            "success rate" => {
                let sql = self.log.rate(self.index, true)?;
                return Some(Some(Word::Rate("success_rate".to_owned(), sql)));
            }
            "took" | "take" | "takes" | "taking" | "lasted" | "last longer" => return Some(Some(Word::Took)),
            "ms" | "millisecond" | "milliseconds" => return Some(Some(Word::Unit(1.0))),
            "s" | "sec" | "second" | "seconds" => return Some(Some(Word::Unit(1000.0))),
            "minutes" => return Some(Some(Word::Unit(60_000.0))),
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
    fn column(&self, stems: &[&str]) -> Option<ColumnId> {
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
        // What a row took is a number; its "time" alone is when it happened.
        let mut found: Vec<(ColumnId, f64)> = self.linker.names(stems).iter().filter_map(own).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        let longer = stems.len() > 1 && stems.last() == Some(&"time");
        let fits =
            |c: &ColumnId| !longer || self.index.kind(*c).is_number() || self.index.column(*c).words.words.len() > 1;
        found.iter().find(|(c, _)| fits(c)).map(|(c, _)| *c)
    }

    /// The column that a phrase writes as the table does.
    fn written(&self, phrase: &[Token]) -> Option<ColumnId> {
        let stems = || phrase.iter().map(|t| t.stem.as_str());
        let same = |c: &ColumnId| self.index.column(*c).written.iter().map(String::as_str).eq(stems());
        self.index.columns(self.log.table).find(same)
    }

    /// A column of PostgreSQL's catalogue, whose names are no English words.
    fn glued(&self, stems: &[&str]) -> Option<ColumnId> {
        let name = glued(stems)?;
        self.index.columns(self.log.table).find(|c| self.index.column(*c).column.name == name)
    }

    /// A value that is stored in the table.
    fn value(&self, phrase: &[Token]) -> Option<Word> {
        let (first, last) = (phrase.first()?, phrase.last()?);
        let text = self.question.get(first.start..last.end)?;
        let code = text.chars().any(|c| c.is_ascii_digit()) && text.chars().any(char::is_alphabetic);
        if text.len() < 3 && !code || phrase.len() == 1 && cues::of(&first.lower).is_some() && !first.is_capital() {
            return None;
        }
        let own = |lower: &str| {
            let found = self.index.values(lower).iter().find(|v| v.column.table == self.log.table);
            found.map(|v| Word::Value(v.column, v.text.clone()))
        };
        let lower = text.to_lowercase();
        own(&lower).or_else(|| synonyms::of_value(&lower).iter().find_map(|other| own(other)))
    }

    fn quoted(&self, text: &str) -> Word {
        let found = self.index.values(&text.to_lowercase()).iter().find(|v| v.column.table == self.log.table);
        found.map_or_else(|| Word::Text(text.to_owned()), |v| Word::Value(v.column, v.text.clone()))
    }
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
