//! The steps in their order, and the decision to answer, ask or refuse.

use std::ops::Range;

use super::assign::{Assignment, Item, Part, assignments};
use super::confidence::results::{Found, weighed};
use super::confidence::{Seen, Signs, Standing, leaves_out_never_or_only, neglects, probability};
use super::cues::Cue;
use super::dates;
use super::glossary::Glossary;
use super::index::{ColumnId, Index};
use super::link::{Linker, Span};
use super::logic::{Agg, Expr, Query};
use super::operations::{Log, Status};
use super::parse::Parser;
use super::restate::restate;
use super::statistics::{self, Bad};
use super::translation::{Clock, Dated, Likely, Link, Lookup, Outcome, Reading, Translation};
use super::words::{Token, tokens};
use super::write::{Writer, quote_text};
use crate::query::schema::{Kind, Schema};

/// Translates questions about one schema; made once for a batch.
#[derive(Debug)]
pub struct Translator<'a> {
    index: Index<'a>,
    glossary: &'a Glossary,
    /// The tables that are operations data.
    logs: Vec<Log>,
}

/// Combinations of meanings that are read.
const READ: usize = 16;
/// Readings that are offered where none is certain.
const OFFERED: usize = 4;
/// The confidence from which on a reading is the answer.
const ANSWER: f64 = 0.74;
/// The same after readings were run.
const ANSWER_WEIGHED: f64 = 0.76;
/// The confidence from which on readings are offered.
const OFFER: f64 = 0.3;
/// The most confidence in a reading that leaves out a word that changes what is asked.
const NEGLECTED: f64 = 0.6;
/// The confidence in a reading of operations data that leaves no word over.
const UNDERSTOOD: f64 = 0.92;
/// The same where it may mean two things.
const EITHER: f64 = 0.5;
/// Readings of which the other way to take their rows is looked at, and what that costs.
const VARIANTS: usize = 4;
const VARIED: f64 = 0.8;
/// The longest question that is read, in bytes.
const LONGEST: usize = 4096;

/// A reading with what it was judged by.
struct Judged {
    confidence: f64,
    /// The most it may be trusted.
    most: f64,
    query: Query,
    signs: Signs,
    sql: String,
    from: usize,
}

/// A question about operations data: its query, and what each of its words became.
struct Figures {
    query: Query,
    /// Whether a plain reading that is certain goes before.
    weak: bool,
    words: Vec<Link>,
    /// What it may mean as well.
    other: Option<Query>,
}

/// A question taken apart.
struct Apart {
    tokens: Vec<Token>,
    hints: Vec<String>,
    spans: Vec<Span>,
    found: Vec<dates::Span>,
    combinations: Vec<Assignment>,
    /// What the question asks of operations data, where it is wholly understood.
    figures: Option<Figures>,
    week_start: i8,
}

impl<'a> Translator<'a> {
    /// Reads the schema and the operator's words.
    #[must_use]
    pub fn new(schema: &'a Schema, glossary: &'a Glossary) -> Self {
        let index = Index::new(schema, glossary);
        let logs = (0..index.tables.len()).filter_map(|table| Log::of(&index, table)).collect();
        Self { index, glossary, logs }
    }

    /// The operator's entries that mean no table or column of these sources, as [`Glossary`] has them.
    #[must_use]
    pub fn unknown(&self) -> Vec<String> {
        super::index::unknown(&self.index, self.glossary)
    }

    /// What `question` means at the time of `clock`. Values that the schema does not hold are looked up through
    /// `lookup`. Never fails: what cannot be understood is refused with the reason.
    #[must_use]
    pub fn translate(&self, question: &str, clock: &Clock, lookup: &dyn Lookup) -> Translation {
        let tokens = tokens(question);
        if let Some(reason) = unreadable(&self.index, question, &tokens) {
            return refused(reason.to_owned(), Vec::new(), Vec::new());
        }
        if let Some(reading) = self.verified(&tokens) {
            return without_rivals(Outcome::Answer(reading));
        }
        if self.is_order_to_write(&tokens) {
            let reason =
                "a question is only read: nothing is deleted, changed or added; ask which rows are meant instead";
            return refused(reason.to_owned(), Vec::new(), Vec::new());
        }
        let apart = self.take_apart(question, tokens, clock, lookup);
        let writer = self.writer(&apart);
        let mut judged = self.judge(&writer, &apart);
        let certain = judged.first().is_some_and(|j| j.confidence >= ANSWER);
        let weak = apart.figures.as_ref().is_some_and(|f| f.weak);
        let mut explained = None;
        if let Some(figures) = self.judge_figures(&writer, &apart).filter(|_| !(certain && weak)) {
            // What may mean two things means no third.
            judged.retain(|j| figures.len() == 1 && figures.iter().all(|f| f.sql != j.sql));
            judged.splice(0..0, figures);
            explained = apart.figures.as_ref().map(|f| f.words.clone());
        }
        let understood = explained.is_some();
        let dates = apart.found.iter().map(|d| dated(question, d)).collect();
        let words = |j: &Judged| apart.combinations.get(j.from).map(|c| self.links(question, &apart.tokens, c));
        let likely: Vec<Likely> = judged
            .into_iter()
            .take(OFFERED)
            .map(|judged| {
                let words = explained.take().or_else(|| words(&judged)).unwrap_or_default();
                Likely { words, most: judged.most, reading: self.reading(&writer, judged) }
            })
            .collect();
        let words = match likely.first() {
            Some(first) => first.words.clone(),
            None => apart.combinations.first().map(|c| self.links(question, &apart.tokens, c)).unwrap_or_default(),
        };
        let outcome = decide(likely.iter().map(|l| l.reading.clone()).collect(), &words, ANSWER);
        // What is wholly understood has no rival, and a time may well have no rows.
        let likely = if understood || !apart.found.is_empty() { Vec::new() } else { likely };
        Translation { outcome, dates, words, likely, weighed: false }
    }

    /// The readings of a question, the likeliest first, with what each is judged by: what the confidence is fitted to
    /// (`tools/fit-confidence`).
    #[must_use]
    pub fn signs(&self, question: &str, clock: &Clock, lookup: &dyn Lookup) -> Vec<(String, f64, Signs)> {
        let apart = self.take_apart(question, tokens(question), clock, lookup);
        let judged = self.judge(&self.writer(&apart), &apart);
        judged.into_iter().map(|j| (j.sql, j.confidence, j.signs)).collect()
    }

    fn take_apart(&self, question: &str, tokens: Vec<Token>, clock: &Clock, lookup: &dyn Lookup) -> Apart {
        let mut found = dates::find(question, clock);
        found.retain(|span| !self.is_stored(question, &tokens, span) && !is_age(&tokens, span));
        let linker = Linker::new(&self.index, lookup);
        let tokens = linker.spread(tokens);
        let spans = linker.spans(question, &tokens, &found);
        let hints: Vec<String> = tokens.iter().map(|t| t.stem.clone()).collect();
        let combinations = assignments(&self.index, &spans, &tokens, &hints, READ);
        let figures = |bad| self.figures(&linker, question, &tokens, &found, bad);
        let mut figures_first = figures(Bad::Slow);
        if tokens.iter().any(|t| t.lower == "worst") {
            let second = figures(Bad::Failing);
            match &mut figures_first {
                Some(first) => first.other = second.map(|f| f.query).filter(|q| *q != first.query),
                None => figures_first = second,
            }
        }
        let figures = figures_first;
        let week_start = clock.week_starts_on.to_monday_zero_offset();
        Apart { tokens, hints, spans, found, combinations, figures, week_start }
    }

    /// Whether a time of one short word, `h1`, is a stored value and no word before it says that a time is meant.
    fn is_stored(&self, question: &str, tokens: &[Token], span: &dates::Span) -> bool {
        let text = question.get(span.start..span.end).unwrap_or_default().to_lowercase();
        let code = text.len() <= 3
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.ends_with(|c: char| c.is_ascii_digit());
        let before = tokens.iter().rev().find(|t| t.end <= span.start).map_or("", |t| t.lower.as_str());
        let timed = matches!(before, "in" | "during" | "since" | "until" | "before" | "after" | "through");
        code && !timed && !self.index.values(&text).is_empty()
    }

    /// The query of a question about operations data; none where words are left over, or several tables may be meant.
    fn figures(
        &self,
        linker: &Linker<'_, 'a>,
        question: &str,
        tokens: &[Token],
        dated: &[dates::Span],
        bad: Bad,
    ) -> Option<Figures> {
        // The table that the question names first, where it names one.
        let named = |log: &Log| {
            let own = &self.index.table(log.table).words.stems;
            let begins = |w: &[Token]| w.iter().map(|t| &t.stem).eq(own);
            if own.is_empty() { None } else { tokens.windows(own.len()).position(begins) }
        };
        let mut places: Vec<usize> = self.logs.iter().filter_map(named).collect();
        places.sort_unstable();
        places.dedup();
        let only = self.index.tables.len() == 1;
        let reader = |log| statistics::Reader { index: &self.index, linker, log, question, tokens, dated, bad };
        let happened = |log: &Log| tokens.iter().any(|t| log.event(&t.lower).or(log.deed(&t.stem)).is_some());
        let figured = |log: &Log| {
            let own = statistics::Reader { index: &self.index, linker, log, question, tokens, dated, bad };
            own.asks_for_figures()
        };
        let open = |log: &Log| only || !log.plain || happened(log) || figured(log);
        let read = |log| {
            if self.is_of_another(log, tokens) && !happened(log) && !figured(log) {
                return None;
            }
            let reader = reader(log);
            reader.read().map(|(query, weak)| (reader, query, weak))
        };
        // The first of them by which the question is understood; where none is named, the only one.
        let one = |meant: &dyn Fn(&Log) -> bool| {
            let mut readings = self.logs.iter().filter(|log| meant(log)).filter_map(read);
            let first = readings.next()?;
            readings.next().is_none().then_some(first)
        };
        let (reader, query, weak) = if places.is_empty() {
            one(&open)?
        } else {
            places.iter().find_map(|place| one(&|log| named(log) == Some(*place)))?
        };
        let link = |(range, meaning): (Range<usize>, String)| link(question, tokens, range, meaning);
        let words = reader.explained().into_iter().filter_map(link).collect();
        Some(Figures { query, weak, words, other: None })
    }

    /// Whether the rows of another table are asked about, and not by those of this one: "how many projects are active"
    /// says nothing of builds, and "projects without failed builds" nothing of the builds of each.
    fn is_of_another(&self, log: &Log, tokens: &[Token]) -> bool {
        let place = |table: usize| {
            let own = &self.index.table(table).words.stems;
            let begins = |w: &[Token]| w.iter().map(|t| &t.stem).eq(own);
            if own.is_empty() { None } else { tokens.windows(own.len()).position(begins) }
        };
        let Some(other) = (0..self.index.tables.len()).filter(|t| *t != log.table).filter_map(place).min() else {
            return false;
        };
        let rows = tokens.iter().position(|t| log.rows.contains(&t.stem.as_str()));
        match place(log.table).into_iter().chain(rows).min() {
            None => true,
            Some(own) => {
                let between = tokens.get(other..own).unwrap_or_default();
                between.iter().any(|t| matches!(t.lower.as_str(), "without" | "no" | "never"))
            }
        }
    }

    fn writer<'w>(&'w self, apart: &'w Apart) -> Writer<'w, 'a> {
        Writer { index: &self.index, hints: &apart.hints, week_start: apart.week_start }
    }

    /// The reading of a question about operations data, whose words are all understood.
    fn judge_figures(&self, writer: &Writer<'_, '_>, apart: &Apart) -> Option<Vec<Judged>> {
        let figures = apart.figures.as_ref()?;
        let judge = |query: &Query, confidence: f64| {
            let sql = writer.sql(query).filter(|_| !leaves_out_never_or_only(&apart.tokens, query))?;
            let query = query.clone();
            Some(Judged { confidence, most: 1.0, query, signs: Signs::new(), sql, from: 0 })
        };
        let one = |query: &Query| judge(query, if figures.other.is_some() { EITHER } else { UNDERSTOOD });
        Some(one(&figures.query).into_iter().chain(figures.other.as_ref().and_then(one)).collect())
            .filter(|readings: &Vec<Judged>| !readings.is_empty())
    }

    /// The readings, each SQL once, the likeliest first.
    fn judge(&self, writer: &Writer<'_, '_>, apart: &Apart) -> Vec<Judged> {
        struct Read {
            score: f64,
            cost: f64,
            query: Query,
            sql: String,
            from: usize,
            votes: usize,
            varied: bool,
        }
        let mut read: Vec<Read> = Vec::new();
        for (from, combination) in apart.combinations.iter().enumerate() {
            let draft = Parser::new(&self.index, &apart.tokens, &combination.parts, &apart.found).draft();
            let Some((query, cost)) = draft.query(&self.index, writer.hints) else { continue };
            let Some(sql) = writer.sql(&query) else { continue };
            let score = combination.score - cost;
            match read.iter_mut().find(|r| r.sql == sql) {
                Some(known) => {
                    known.votes += 1;
                    if score > known.score {
                        *known = Read { score, cost, query, sql, from, votes: known.votes, varied: false };
                    }
                }
                None => read.push(Read { score, cost, query, sql, from, votes: 1, varied: false }),
            }
        }
        read.sort_by(|a, b| b.score.total_cmp(&a.score));
        let varied = |one: &Read| {
            let query = once_or_all(&self.index, &one.query)?;
            let sql = writer.sql(&query)?;
            let known = read.iter().any(|r| r.sql == sql);
            let score = one.score - VARIED;
            (!known).then_some(Read { score, query, sql, votes: 0, varied: true, ..*one })
        };
        let variants: Vec<Read> = read.iter().take(VARIANTS).filter_map(varied).collect();
        read.extend(variants);
        read.sort_by(|a, b| b.score.total_cmp(&a.score));
        let scores: Vec<f64> = read.iter().map(|r| r.score).collect();
        let best = scores.first().copied().unwrap_or_default();
        let whole: f64 = scores.iter().map(|s| (s - best).exp()).sum();
        let of = read.len();
        let mut judged: Vec<Judged> = Vec::with_capacity(of);
        for (place, one) in read.into_iter().enumerate() {
            let Some(combination) = apart.combinations.get(one.from) else { continue };
            let other = scores.get(usize::from(place == 0)).map_or(3.0, |s| one.score - s);
            let part = (one.score - best).exp() / whole;
            let standing = Standing { place, of, margin: other, votes: one.votes, part, varied: one.varied };
            let seen = Seen {
                index: &self.index,
                tokens: &apart.tokens,
                hints: &apart.hints,
                spans: &apart.spans,
                combination,
                query: &one.query,
                cost: one.cost,
            };
            let signs = seen.signs(standing);
            let neglected = self.leaves_out_deed(&apart.tokens, &combination.parts, &one.query)
                || neglects(&self.index, &apart.tokens, &combination.parts, &one.query)
                || self.misuses(&apart.tokens, &one.query);
            let most = if neglected { NEGLECTED } else { 1.0 };
            let confidence = probability(&signs).min(most);
            judged.push(Judged { confidence, most, query: one.query, signs, sql: one.sql, from: one.from });
        }
        judged.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        judged
    }

    /// Whether it is not understood what somebody did to rows that say when things happen to them: `did ann reject`.
    fn leaves_out_deed(&self, tokens: &[Token], parts: &[Part], query: &Query) -> bool {
        let did = tokens.iter().position(|t| matches!(t.lower.as_str(), "did" | "does" | "do"));
        let unknown = |p: &Part| {
            p.item == Item::Unknown
                && did.is_some_and(|did| p.start > did)
                && tokens.get(p.start).is_some_and(Token::is_word)
        };
        let tables = || query.needed();
        parts.iter().any(unknown) && self.logs.iter().any(|log| !log.events.is_empty() && tables().contains(&log.table))
    }

    /// Whether a code of HTTP became a number of rows, or a mean or sum is made of moments.
    fn misuses(&self, tokens: &[Token], query: &Query) -> bool {
        let tables = query.needed();
        let coded = self.logs.iter().any(|l| matches!(l.status, Some(Status::Http(_))) && tables.contains(&l.table));
        let number = |t: &Token, n: u64| t.text == n.to_string();
        let counted = |n: u64| {
            let before = |w: &[Token]| {
                matches!(w, [first, second] if number(second, n)
                    && matches!(first.lower.as_str(), "top" | "first" | "last" | "bottom" | "which"))
            };
            n == 1 || !tokens.iter().any(|t| number(t, n)) || tokens.windows(2).any(before)
        };
        let limited = coded && query.limit.is_some_and(|n| (100..600).contains(&n) && !counted(n));
        let moment = |e: &Expr| {
            matches!(e, Expr::Agg(Agg::Avg | Agg::Sum | Agg::Median | Agg::Quantile(_), of)
                if matches!(of.as_ref(), Expr::Column(c) if self.index.kind(*c).is_time()))
        };
        // "p99 by host": names have no percentiles.
        let named = |e: &Expr| {
            matches!(e, Expr::Agg(Agg::Median | Agg::Quantile(_), of)
                if matches!(of.as_ref(), Expr::Column(c) if self.index.kind(*c) == Kind::Text && !self.index.is_numeric_text(*c)))
        };
        // "the most common error": no row without one.
        let logged = self.logs.iter().any(|l| !l.plain && tables.contains(&l.table));
        let empty = |e: &Expr| {
            matches!(e, Expr::Column(c) if self.index.kind(*c) == Kind::Text && self.index.column(*c).column.nullable
            && !query.filter.iter().any(|f| {
                let mut own = Vec::new();
                f.columns(&mut own);
                own.contains(c)
            }))
        };
        let empty = logged && query.limit.is_some() && query.group.iter().any(empty);
        // "memory by host" lists no memory in the order of hosts.
        let listed = logged
            && query.group.is_empty()
            && matches!(query.select.as_slice(), [Expr::Column(c)] if self.index.kind(*c).is_number())
            && matches!(query.order.as_slice(), [(Expr::Column(c), _), ..] if self.index.kind(*c) == Kind::Text);
        let senseless = |e: &Expr| moment(e) || named(e);
        // "how many made more than 300": of groups that are not made.
        let ungrouped = !query.having.is_empty() && query.group.is_empty() && query.limit_by.is_empty();
        // "worst paths": not those with the fewest rows.
        let judged = tokens.iter().any(|t| matches!(t.lower.as_str(), "worst" | "best"))
            && query.order.iter().any(|(e, _)| *e == Expr::Count);
        limited
            || ungrouped
            || judged
            || empty
            || listed
            || query.select.iter().chain(query.order.iter().map(|(e, _)| e)).any(senseless)
    }

    /// Whether it is no question but an order to change the data. "deletes per hour" and "DELETE requests by path" ask.
    fn is_order_to_write(&self, tokens: &[Token]) -> bool {
        let polite = |t: &&Token| {
            matches!(
                t.lower.as_str(),
                "please" | "can" | "could" | "would" | "you" | "kindly" | "now" | "just" | "then"
            )
        };
        let mut words = tokens.iter().skip_while(polite);
        let Some(verb) = words.next() else { return false };
        let orders = [
            "delete",
            "drop",
            "update",
            "insert",
            "truncate",
            "alter",
            "remove",
            "set",
            "erase",
            "purge",
            "wipe",
            "overwrite",
            "rename",
            "clear",
            "destroy",
        ];
        let Some(object) = words.next().filter(|_| orders.contains(&verb.lower.as_str())) else { return false };
        let told = matches!(
            object.lower.as_str(),
            "all"
                | "the"
                | "a"
                | "an"
                | "any"
                | "every"
                | "everything"
                | "each"
                | "from"
                | "into"
                | "table"
                | "tables"
                | "row"
                | "rows"
                | "old"
                | "these"
                | "those"
                | "this"
                | "that"
                | "column"
                | "database"
                | "where"
        );
        // A value of the data with what is counted, or a noun: "drop rate by host", "update statements per user".
        let groups = |t: &Token| matches!(super::cues::of(&t.lower), Some(Cue::By | Cue::Each | Cue::Per(_)));
        let grouped = tokens.iter().any(groups);
        let value = !self.index.values(&verb.lower).is_empty();
        let shouted = verb.text.chars().all(char::is_uppercase);
        let noun = matches!(super::cues::of(&object.lower), Some(Cue::In | Cue::Of));
        told || !(noun || grouped || value && shouted)
    }

    fn reading(&self, writer: &Writer<'_, '_>, judged: Judged) -> Reading {
        Reading {
            restatement: restate(&self.index, &judged.query),
            confidence: judged.confidence,
            uses: writer.uses(&judged.query),
            sql: judged.sql,
        }
    }

    /// The operator's own SQL for a question that is known.
    fn verified(&self, asked: &[Token]) -> Option<Reading> {
        let stems = |tokens: &[Token]| -> Vec<String> {
            tokens.iter().filter(|t| !matches!(t.shape, super::words::Shape::Mark(_))).map(|t| t.stem.clone()).collect()
        };
        let wanted = stems(asked);
        let pair = self.glossary.pairs.iter().find(|p| stems(&tokens(&p.question)) == wanted)?;
        let all = self.index.tables.iter().map(|t| super::translation::Used {
            table: t.table.name.clone(),
            columns: t.columns.iter().map(|c| c.column.name.clone()).collect(),
        });
        let named = |used: &super::translation::Used| pair.sql.to_lowercase().contains(&used.table.to_lowercase());
        Some(Reading {
            sql: pair.sql.clone(),
            restatement: format!("The verified answer to: {}", pair.question),
            confidence: 1.0,
            uses: all.filter(named).collect(),
        })
    }

    fn links(&self, question: &str, tokens: &[Token], combination: &Assignment) -> Vec<Link> {
        let linked = |part: &Part| {
            let name = |c: ColumnId| self.index.full_name(c);
            let meaning = match &part.item {
                Item::Cue(cue) => cue.to_string(),
                Item::Table(table) => format!("table {}", self.index.table(*table).table.name),
                Item::Column(column) => format!("column {}", name(*column)),
                Item::Value(column, text) => format!("value {} of {}", quote_text(text), name(*column)),
                Item::Metric(_) => "figure of the glossary".to_owned(),
                Item::Number(n) => format!("number {n}"),
                Item::Text(text, _) => format!("text {}", quote_text(text)),
                Item::Date(_) => "time".to_owned(),
                Item::Unknown => UNEXPLAINED.to_owned(),
            };
            link(question, tokens, part.start..part.end, meaning)
        };
        combination.parts.iter().filter_map(linked).collect()
    }
}

/// A stretch of tokens with what it means.
fn link(question: &str, tokens: &[Token], stretch: Range<usize>, meaning: String) -> Option<Link> {
    let from = tokens.get(stretch.start)?.start;
    let to = tokens.get(stretch.end.checked_sub(1)?)?.end;
    Some(Link { word: question.get(from..to).unwrap_or_default().to_owned(), meaning })
}

impl Translation {
    /// The outcome after the likely readings were run, by what each found; nothing where it failed.
    #[must_use]
    pub fn weighed_by(mut self, found: &[Option<Found>]) -> Self {
        let before: Vec<f64> = self.likely.iter().map(|l| l.reading.confidence).collect();
        for (likely, confidence) in self.likely.iter_mut().zip(weighed(&before, found)) {
            likely.reading.confidence = confidence.min(likely.most);
        }
        self.likely.sort_by(|a, b| b.reading.confidence.total_cmp(&a.reading.confidence));
        self.words = self.likely.first().map(|l| l.words.clone()).unwrap_or_default();
        let readings = self.likely.iter().map(|l| l.reading.clone()).collect();
        self.outcome = decide(readings, &self.words, ANSWER_WEIGHED);
        self.weighed = true;
        self
    }
}

/// Whether a stretch of years is an age: `25 years old`.
fn is_age(tokens: &[Token], span: &dates::Span) -> bool {
    let within = |t: &&Token| t.end > span.start && t.start < span.end;
    let age = |t: &Token| t.lower == "old" || t.lower == "age";
    let said = tokens.iter().any(|t| matches!(t.lower.as_str(), "year" | "years") && within(&t));
    let mut behind = tokens.iter().skip_while(|t| t.end <= span.start).skip_while(|t| within(t));
    let old = behind.next().is_some_and(|t| age(t) || t.lower == "of") || tokens.iter().any(|t| age(t) && within(&t));
    said && old
}

/// The same rows each once, or all of them: questions leave open which is meant.
fn once_or_all(index: &Index<'_>, query: &Query) -> Option<Query> {
    let shown = |e: &Expr| query.select.contains(e);
    let unique = |e: &Expr| matches!(e, Expr::Column(c) if index.is_unique(*c));
    let plain = query.group.is_empty() && !query.select.iter().any(Expr::is_aggregate) && query.limit.is_none();
    let joined = query.needed().len() > 1;
    let certain = !joined && query.select.iter().any(unique);
    let ordered = query.distinct || query.order.iter().all(|(e, _)| shown(e));
    (plain && !certain && ordered && query.combine.is_none())
        .then(|| Query { distinct: !query.distinct, ..query.clone() })
}

/// What a word that means nothing here is said to be.
const UNEXPLAINED: &str = "unexplained";

/// Why a question cannot be read at all.
fn unreadable(index: &Index<'_>, question: &str, tokens: &[Token]) -> Option<&'static str> {
    let words: Vec<&Token> = tokens.iter().filter(|t| t.is_word()).collect();
    if words.is_empty() {
        return Some("the question is empty; ask in a sentence, such as: how many rows has each table");
    }
    if question.len() > LONGEST {
        return Some("the question is longer than 4096 bytes; ask one thing at a time");
    }
    let foreign = words.iter().filter(|t| !t.lower.is_ascii()).count();
    let pair = |w: &[&Token]| matches!(w, [a, b] if super::cues::of(&format!("{} {}", a.lower, b.lower)).is_some());
    let known = words.iter().filter(|t| super::cues::of(&t.lower).is_some()).count()
        + words.windows(2).filter(|w| pair(w)).count();
    let other = foreign * 2 > words.len() || foreign > 0 && known == 0;
    let english = |t: &&&Token| super::synonyms::is_word(&t.stem) || !index.named(&t.stem).is_empty();
    let unknown = known == 0 && words.iter().filter(english).count() * 2 <= words.len();
    (other || words.len() > 4 && unknown).then_some("the question does not seem to be English; ask it in English")
}

fn refused(reason: String, words: Vec<String>, candidates: Vec<Reading>) -> Translation {
    without_rivals(Outcome::Refuse { reason, words, candidates })
}

fn without_rivals(outcome: Outcome) -> Translation {
    Translation { outcome, dates: Vec::new(), words: Vec::new(), likely: Vec::new(), weighed: false }
}

/// The best reading where it can be trusted, those near it where they may be meant, else a refusal.
fn decide(mut readings: Vec<Reading>, words: &[Link], answer: f64) -> Outcome {
    let alphabetic = |l: &&Link| l.meaning == UNEXPLAINED && l.word.chars().any(char::is_alphabetic);
    let unexplained: Vec<String> = words.iter().filter(alphabetic).map(|l| l.word.clone()).collect();
    let best = readings.first().map_or(0.0, |r| r.confidence);
    if best >= answer {
        readings.truncate(1);
        if let Some(reading) = readings.pop() {
            return Outcome::Answer(reading);
        }
    }
    readings.truncate(OFFERED);
    if best >= OFFER && readings.len() > 1 && unexplained.is_empty() {
        return Outcome::Ask(readings);
    }
    let reason = if readings.is_empty() {
        "the question names nothing that the data has".to_owned()
    } else if unexplained.is_empty() {
        "the question can be read, but not with enough certainty to answer it".to_owned()
    } else {
        format!("these words fit nothing in the data: {}", unexplained.join(", "))
    };
    Outcome::Refuse { reason, words: unexplained, candidates: readings }
}

fn dated(question: &str, span: &dates::Span) -> Dated {
    Dated {
        phrase: question.get(span.start..span.end).unwrap_or_default().to_owned(),
        from: (!span.is_open_before()).then_some(span.from),
        to: (!span.is_open_after()).then_some(span.to),
    }
}
