//! Which of its candidates each phrase means: the few best combinations.

use std::collections::BTreeSet;

use super::cues::Cue;
use super::index::{ColumnId, Index, TableId};
use super::joins::connect;
use super::link::{Candidate, Meaning, Piece, Span};
use super::words::Token;

/// What a stretch of the question means in one combination.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A word that shapes the question.
    Cue(Cue),
    /// A table.
    Table(TableId),
    /// A column.
    Column(ColumnId),
    /// A stored value.
    Value(ColumnId, String),
    /// A figure of the operator's.
    Metric(Vec<String>),
    /// A number.
    Number(f64),
    /// A text, in quotation marks where the flag is set.
    Text(String, bool),
    /// A time.
    Date(usize),
    /// A word that means nothing here.
    Unknown,
}

/// A stretch of the question with what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it means.
    pub item: Item,
    /// First token.
    pub start: usize,
    /// Token after the last.
    pub end: usize,
    /// How well it fits, above 0 to 1.
    pub strength: f64,
}

/// A combination.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The question's stretches in order.
    pub parts: Vec<Part>,
    /// How well they fit together; the greater the better.
    pub score: f64,
}

/// Combinations that are looked at while they are made.
const BEAM: usize = 40;
/// What one more join costs.
const JOIN_COST: f64 = 0.55;

struct State {
    choices: Vec<usize>,
    tables: BTreeSet<TableId>,
    named: BTreeSet<TableId>,
    score: f64,
}

/// The best combinations, the best first, at most `count`; `hints` are the question's stems.
#[must_use]
pub fn assignments(
    index: &Index<'_>,
    spans: &[Span],
    tokens: &[Token],
    hints: &[String],
    count: usize,
) -> Vec<Assignment> {
    let context = Context { index, spans, tokens };
    let mut states = vec![State { choices: Vec::new(), tables: BTreeSet::new(), named: BTreeSet::new(), score: 0.0 }];
    let mentions: Vec<(usize, &Vec<Candidate>)> = spans
        .iter()
        .enumerate()
        .filter_map(
            |(at, span)| if let Piece::Mention(candidates) = &span.piece { Some((at, candidates)) } else { None },
        )
        .collect();
    for (place, (at, candidates)) in mentions.iter().enumerate() {
        let mut next = Vec::new();
        for state in &states {
            for (choice, candidate) in candidates.iter().enumerate() {
                next.push(context.extend(state, &mentions, place, *at, choice, candidate));
            }
        }
        let rough = |s: &State| {
            #[expect(clippy::cast_precision_loss, reason = "a handful of tables")]
            let tables = s.tables.len() as f64;
            s.score - JOIN_COST * tables
        };
        next.sort_by(|a, b| rough(b).total_cmp(&rough(a)));
        next.truncate(BEAM);
        states = next;
    }
    let mut finished: Vec<Assignment> = states.iter().map(|state| context.finish(state, hints)).collect();
    finished.sort_by(|a, b| b.score.total_cmp(&a.score));
    finished.truncate(count);
    finished
}

struct Context<'c, 'a> {
    index: &'c Index<'a>,
    spans: &'c [Span],
    tokens: &'c [Token],
}

impl Context<'_, '_> {
    fn extend(
        &self,
        state: &State,
        mentions: &[(usize, &Vec<Candidate>)],
        place: usize,
        at: usize,
        choice: usize,
        candidate: &Candidate,
    ) -> State {
        let mut score = state.score + 1.2 * candidate.strength.ln() + self.fit(at, &candidate.meaning);
        let before = place.checked_sub(1).and_then(|p| {
            let (at, candidates) = mentions.get(p)?;
            Some((*at, &candidates.get(*state.choices.get(p)?)?.meaning))
        });
        if let Some((earlier, meaning)) = before {
            score += self.affinity(earlier, meaning, at, &candidate.meaning);
        }
        let second = place.checked_sub(2).and_then(|p| {
            let (at, candidates) = mentions.get(p)?;
            Some((*at, &candidates.get(*state.choices.get(p)?)?.meaning))
        });
        if let Some((earlier, meaning)) = second {
            score += 0.4 * self.affinity(earlier, meaning, at, &candidate.meaning);
        }
        let repeated = mentions.iter().zip(&state.choices).any(|((_, candidates), choice)| {
            candidates
                .get(*choice)
                .is_some_and(|c| c.meaning == candidate.meaning && matches!(c.meaning, Meaning::Column(_)))
        });
        if repeated {
            score -= 0.15;
        }
        let mut tables = state.tables.clone();
        let mut named = state.named.clone();
        if let Some(table) = candidate.meaning.table() {
            if tables.contains(&table) {
                score += 0.2;
            }
            tables.insert(table);
            if let Meaning::Table(table) = candidate.meaning {
                named.insert(table);
            }
        }
        let mut choices = state.choices.clone();
        choices.push(choice);
        State { choices, tables, named, score }
    }

    /// How well a meaning fits the words around it.
    fn fit(&self, at: usize, meaning: &Meaning) -> f64 {
        let before = self.cue_before(at);
        let after = self.cue_after(at);
        match meaning {
            Meaning::Table(_) => match before {
                Some(Cue::Count | Cue::All | Cue::Without | Cue::Both) => 0.56,
                Some(Cue::Each | Cue::Which | Cue::Superlative(..) | Cue::Frequent(_)) => 0.1,
                Some(Cue::Whose | Cue::Pronoun | Cue::Order | Cue::Agg(_)) => -0.5,
                _ => match after {
                    Some(Cue::Be | Cue::Compare(..) | Cue::Between) if matches!(before, Some(Cue::With | Cue::And)) => {
                        -0.3
                    }
                    _ => 0.05,
                },
            },
            Meaning::Column(column) => {
                let number = super::link::is_measure(self.index, *column);
                let numbered = at
                    .checked_sub(1)
                    .and_then(|p| self.spans.get(p))
                    .is_some_and(|s| matches!(s.piece, Piece::Number(_)));
                match before {
                    _ if numbered && !number => -0.6,
                    Some(Cue::Agg(super::logic::Agg::Avg | super::logic::Agg::Sum)) if !number => -0.8,
                    Some(Cue::Agg(_)) if number => 0.2,
                    Some(Cue::Whose | Cue::Pronoun | Cue::Order) => 0.1,
                    _ => 0.0,
                }
            }
            Meaning::Value(column, _) => {
                self.way(at, *column)
                    + if self.index.column(*column).key && self.index.kind(*column) != crate::query::schema::Kind::Text
                    {
                        -0.3
                    } else {
                        0.0
                    }
            }
            Meaning::Metric(_) => 0.3,
            Meaning::Nothing => 0.0,
        }
    }

    /// `from` and `to` before a value: where a way begins and where it ends.
    fn way(&self, at: usize, column: ColumnId) -> f64 {
        let start = self.spans.get(at).map_or(0, |s| s.start);
        let before = start.checked_sub(1).and_then(|p| self.tokens.get(p));
        let Some(before) = before else { return 0.0 };
        let words = &self.index.column(column).words;
        let any = |list: &[&str]| list.iter().any(|w| words.has(w));
        let start = any(&["from", "origin", "source", "departure", "start", "begin"]);
        let end = any(&["to", "destination", "arrival", "end", "target"]);
        match before.lower.as_str() {
            "from" | "leaving" | "departing" if start != end => {
                if start {
                    0.8
                } else {
                    -0.8
                }
            }
            "to" | "into" | "towards" | "arriving" if start != end => {
                if end {
                    0.8
                } else {
                    -0.8
                }
            }
            _ => 0.0,
        }
    }

    /// How well two meanings fit each other, the second following the first.
    fn affinity(&self, earlier: usize, first: &Meaning, later: usize, second: &Meaning) -> f64 {
        let between: Vec<Cue> = self
            .spans
            .get(earlier + 1..later)
            .unwrap_or_default()
            .iter()
            .filter_map(|s| if let Piece::Cue(cue) = s.piece { Some(cue) } else { None })
            .filter(|c| !matches!(c, Cue::Idle | Cue::All | Cue::Each | Cue::Distinct))
            .collect();
        let pronoun = |c: &Cue| *c == Cue::Pronoun;
        let others =
            self.spans.get(earlier + 1..later).unwrap_or_default().iter().any(|s| !matches!(s.piece, Piece::Cue(_)));
        let same = first.table().is_some() && first.table() == second.table();
        match (first, second) {
            (Meaning::Column(column), Meaning::Value(own, _)) => {
                let close = between.iter().all(|c| {
                    matches!(
                        c,
                        Cue::Be
                            | Cue::Named
                            | Cue::In
                            | Cue::Compare(..)
                            | Cue::Not
                            | Cue::Of
                            | Cue::With
                            | Cue::Contains(_)
                            | Cue::Both
                    )
                });
                if column == own && close {
                    1.4
                } else if column == own {
                    0.7
                } else if same {
                    0.2
                } else if close && self.told(*own, *column) {
                    0.8
                } else if close {
                    -0.64
                } else {
                    0.0
                }
            }
            (Meaning::Table(table), Meaning::Value(own, _)) => {
                let named = between.iter().any(|c| matches!(c, Cue::Named));
                let display = self.index.table(*table).display.contains(own);
                let close = between.is_empty() && !others;
                if same && display && (named || close) {
                    1.2
                } else if same && named {
                    0.5
                } else if same {
                    0.35
                } else {
                    0.0
                }
            }
            (Meaning::Value(own, _), Meaning::Table(table)) => {
                let adjacent = later == earlier + 1;
                if own.table == *table && adjacent {
                    0.6
                } else if own.table == *table {
                    0.2
                } else {
                    0.0
                }
            }
            (Meaning::Value(own, _), Meaning::Value(other, _)) => {
                if own == other {
                    0.8
                } else if same {
                    0.1
                } else {
                    0.0
                }
            }
            (Meaning::Value(own, _), Meaning::Column(column)) => {
                if own == column && later == earlier + 1 {
                    1.0
                } else if same {
                    0.1
                } else {
                    0.0
                }
            }
            (Meaning::Column(column), Meaning::Table(table)) => {
                let of_each = self.spans.get(earlier + 1..later).unwrap_or_default().iter().any(|s| {
                    s.piece == Piece::Cue(Cue::Each) && self.tokens.get(s.start).is_some_and(|t| t.lower == "of")
                });
                let owned = !others && between.is_empty() && of_each
                    || !others
                        && between.first().is_some_and(|c| matches!(c, Cue::Of | Cue::In))
                        && between.iter().skip(1).all(pronoun);
                let adjacent = later == earlier + 1;
                // "the names of regions" are not those of the storms, where regions have names.
                let name = |c: &ColumnId| ["name", "title"].iter().any(|w| self.index.column(*c).words.ends_with(w));
                if column.table != *table && owned && name(column) && self.index.columns(*table).any(|c| name(&c)) {
                    return -0.3;
                }
                if column.table == *table && owned {
                    0.9
                } else if column.table == *table {
                    0.4
                } else if adjacent {
                    -0.2
                } else {
                    0.0
                }
            }
            (Meaning::Table(table), Meaning::Column(column)) => {
                let possessive = self
                    .tokens
                    .get(self.spans.get(earlier).map_or(0, |s| s.end.saturating_sub(1)))
                    .is_some_and(|t| t.possessive);
                let close = later == earlier + 1
                    || possessive
                    || between
                        .iter()
                        .all(|c| matches!(c, Cue::Whose | Cue::With | Cue::Have | Cue::Order | Cue::By | Cue::Pronoun));
                if column.table == *table && close {
                    0.7
                } else if column.table == *table {
                    0.3
                } else {
                    0.0
                }
            }
            (Meaning::Column(column), Meaning::Column(key))
                if self.names_other(*column, *key) && between == [Cue::Of] =>
            {
                if column.table == key.table {
                    -0.5
                } else {
                    0.5
                }
            }
            (Meaning::Column(_), Meaning::Column(_)) => {
                let list = between.iter().all(|c| matches!(c, Cue::And));
                let owned = between
                    .iter()
                    .all(|c| matches!(c, Cue::Whose | Cue::With | Cue::Have | Cue::Relative | Cue::Pronoun));
                if same && (list || owned) {
                    0.36
                } else if same {
                    0.15
                } else {
                    -0.2
                }
            }
            _ => {
                if same {
                    0.1
                } else {
                    0.0
                }
            }
        }
    }

    /// Whether a key refers to a table that has a name of its own, as the key's has: "the names of counties" are not
    /// those of the cities that lie in them.
    fn names_other(&self, column: ColumnId, key: ColumnId) -> bool {
        let info = self.index.column(column);
        let name = info.words.ends_with("name") || info.words.ends_with("title");
        name && self.index.edges.iter().any(|e| {
            let refers = matches!(e.on.as_slice(), [(from, _)] if *from == key);
            refers && e.to != key.table && (column.table == e.to || column.table == key.table)
        })
    }

    /// Whether a value's column is the one that names what another column refers to.
    fn told(&self, own: ColumnId, column: ColumnId) -> bool {
        self.index.edges.iter().any(|e| e.on.iter().any(|(from, to)| *from == column && to.table == own.table))
    }

    fn cue_before(&self, at: usize) -> Option<Cue> {
        let mut back = self.spans.get(..at)?.iter().rev();
        back.find_map(|s| match &s.piece {
            Piece::Cue(Cue::Idle | Cue::Distinct) => None,
            Piece::Cue(cue) => Some(Some(*cue)),
            _ => Some(None),
        })?
    }

    fn cue_after(&self, at: usize) -> Option<Cue> {
        self.spans.get(at + 1).and_then(|s| if let Piece::Cue(cue) = s.piece { Some(cue) } else { None })
    }

    fn finish(&self, state: &State, hints: &[String]) -> Assignment {
        let tables: Vec<TableId> = state.tables.iter().copied().collect();
        let joined =
            if tables.is_empty() { Some(0) } else { connect(self.index, &tables, hints).map(|t| t.joins.len()) };
        #[expect(clippy::cast_precision_loss, reason = "a handful of joins")]
        let cost = joined.map_or(4.0, |joins| JOIN_COST * joins as f64);
        #[expect(clippy::cast_precision_loss, reason = "a handful of tables")]
        let unnamed = if state.named.is_empty() { 0.0 } else { state.tables.difference(&state.named).count() as f64 };
        let mut choices = state.choices.iter();
        let parts = self.spans.iter().map(|span| self.part(span, &mut choices)).collect();
        Assignment { parts, score: state.score - cost - 0.25 * unnamed }
    }

    fn part(&self, span: &Span, choices: &mut std::slice::Iter<'_, usize>) -> Part {
        let (item, strength) = match &span.piece {
            Piece::Cue(cue) => (Item::Cue(*cue), 1.0),
            Piece::Number(n) => (Item::Number(*n), 1.0),
            Piece::Text(text, quoted) => (Item::Text(text.clone(), *quoted), 1.0),
            Piece::Date(at) => (Item::Date(*at), 1.0),
            Piece::Unknown => (Item::Unknown, 0.0),
            Piece::Mention(candidates) => {
                let chosen = choices.next().and_then(|choice| candidates.get(*choice));
                chosen.map_or((Item::Unknown, 0.0), |c| (item(&c.meaning), c.strength))
            }
        };
        Part { item, start: span.start, end: span.end, strength }
    }
}

fn item(meaning: &Meaning) -> Item {
    match meaning {
        Meaning::Table(table) => Item::Table(*table),
        Meaning::Column(column) => Item::Column(*column),
        Meaning::Value(column, text) => Item::Value(*column, text.clone()),
        Meaning::Metric(name) => Item::Metric(name.clone()),
        Meaning::Nothing => Item::Unknown,
    }
}
