//! What is known about a reading when it is judged: how its words were linked, and whether the query has what the
//! question's form asks for and nothing else.

use std::collections::BTreeSet;

use super::super::assign::{Assignment, Item, Part};
use super::super::cues::Cue;
use super::super::index::{ColumnId, Index, TableId};
use super::super::joins::connect;
use super::super::link::{Candidate, Meaning, Piece, Span};
use super::super::logic::{Agg, Cond, Expr, Literal, Op, Operand, Query};
use super::super::words::Token;
use crate::query::schema::Kind;

/// What a reading is judged by: names and values, always the same names in the same order.
pub type Signs = Vec<(&'static str, f64)>;

/// A reading and what it comes from.
pub struct Seen<'s, 'a> {
    /// The schema.
    pub index: &'s Index<'a>,
    /// The question.
    pub tokens: &'s [Token],
    /// Its stems.
    pub hints: &'s [String],
    /// Its stretches with all that they may mean.
    pub spans: &'s [Span],
    /// What they mean in this reading.
    pub combination: &'s Assignment,
    /// The query made of it.
    pub query: &'s Query,
    /// What did not fit into the query.
    pub cost: f64,
}

/// Words that every question may have, whatever it is about.
const SMALL_WORDS: &[&str] = &[
    "a",
    "all",
    "also",
    "and",
    "any",
    "are",
    "at",
    "average",
    "be",
    "by",
    "different",
    "distinct",
    "do",
    "each",
    "find",
    "for",
    "give",
    "has",
    "have",
    "how",
    "id",
    "ids",
    "in",
    "is",
    "kind",
    "least",
    "list",
    "many",
    "maximum",
    "minimum",
    "more",
    "most",
    "name",
    "names",
    "no",
    "not",
    "number",
    "of",
    "on",
    "one",
    "or",
    "order",
    "ordered",
    "return",
    "show",
    "some",
    "sorted",
    "than",
    "that",
    "their",
    "them",
    "there",
    "they",
    "to",
    "total",
    "type",
    "was",
    "were",
    "what",
    "when",
    "where",
    "which",
    "who",
    "whose",
    "with",
    "without",
];

/// How a reading stands among those of the same question.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Its place, 0 the best.
    pub place: usize,
    /// All of them.
    pub of: usize,
    /// Its score less the best other.
    pub margin: f64,
    /// Combinations of meanings that make the same query.
    pub votes: usize,
    /// Whether it takes the rows of another reading each once, or all.
    pub varied: bool,
    /// Its part in the probability of all, the scores taken as logarithms.
    pub part: f64,
}

/// The parts of a query and of those inside it, counted.
#[derive(Debug, Default)]
struct Shape {
    counts: usize,
    sums: usize,
    extremes: usize,
    statistics: usize,
    ordered: usize,
    cut: usize,
    groups: usize,
    having: usize,
    distinct: usize,
    negations: usize,
    alternatives: usize,
    inequalities: usize,
    equalities: usize,
    between: usize,
    like: usize,
    during: usize,
    intersections: usize,
    depth: usize,
    numbers: Vec<f64>,
    texts: Vec<String>,
    columns: BTreeSet<ColumnId>,
    tables: BTreeSet<TableId>,
}

impl Shape {
    fn of(query: &Query, index: &Index<'_>, hints: &[String]) -> Self {
        let mut shape = Self::default();
        shape.read(query, index, hints);
        shape
    }

    fn read(&mut self, query: &Query, index: &Index<'_>, hints: &[String]) {
        query.select.iter().for_each(|e| self.expr(e));
        query.order.iter().filter(|(e, _)| !query.select.contains(e)).for_each(|(e, _)| self.expr(e));
        if !query.order.is_empty() {
            if query.limit.is_some() { self.cut += 1 } else { self.ordered += 1 }
        }
        self.numbers.extend(query.limit.and_then(|n| u32::try_from(n).ok()).map(f64::from));
        self.groups += query.group.iter().filter(|e| !matches!(e, Expr::Column(c) if index.is_unique(*c))).count();
        self.groups += usize::from(!query.limit_by.is_empty());
        self.having += query.having.len();
        self.distinct += usize::from(query.distinct);
        query.filter.iter().chain(&query.having).for_each(|c| self.cond(c));
        self.columns.extend(query.columns());
        if let Some(tree) = connect(index, &query.needed(), hints) {
            self.tables.extend(tree.tables());
        }
        self.intersections += usize::from(query.combine.is_some());
        let inner = query.inner();
        self.depth += inner.len();
        inner.into_iter().for_each(|inner| self.read(inner, index, hints));
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Count | Expr::Agg(Agg::Distinct, _) => self.counts += 1,
            Expr::Agg(Agg::Min | Agg::Max, _) => self.extremes += 1,
            Expr::Agg(Agg::Avg | Agg::Sum, _) => self.sums += 1,
            Expr::Column(_) => {}
            _ => self.statistics += 1,
        }
    }

    fn cond(&mut self, cond: &Cond) {
        match cond {
            Cond::Compare(left, op, right) => {
                if !matches!(left, Expr::Column(_)) {
                    self.expr(left);
                }
                match op {
                    Op::Eq => self.equalities += 1,
                    Op::Ne => self.negations += 1,
                    _ => self.inequalities += 1,
                }
                match right {
                    Operand::Literal(literal) => self.literal(literal),
                    Operand::Query(_) | Operand::Column(_) => {}
                }
            }
            Cond::Between(_, low, high) => {
                self.between += 1;
                self.literal(low);
                self.literal(high);
            }
            Cond::Like(_, _, text, negated) => {
                self.like += 1;
                self.negations += usize::from(*negated);
                self.texts.push(text.clone());
            }
            Cond::Null(_, null) => self.negations += usize::from(*null),
            Cond::During(..) => self.during += 1,
            Cond::In(_, _, positive) => self.negations += usize::from(!positive),
            Cond::Any(conds) => {
                self.alternatives += 1;
                conds.iter().for_each(|c| self.cond(c));
            }
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Text(text) => self.texts.push(text.clone()),
            Literal::Number(n) => self.numbers.push(*n),
            Literal::Time(_) | Literal::Span(_) => self.during += 1,
        }
    }
}

impl Seen<'_, '_> {
    /// The signs of the reading.
    #[must_use]
    pub fn signs(&self, standing: Standing) -> Signs {
        let shape = Shape::of(self.query, self.index, self.hints);
        let mut signs = Vec::with_capacity(90);
        self.words(&mut signs);
        self.links(&mut signs);
        self.use_of_words(&shape, &mut signs);
        self.form(&shape, &mut signs);
        self.query(&shape, &mut signs);
        self.places(&shape, &mut signs);
        let has = |word: &&'static str| self.tokens.iter().any(|t| t.lower == **word);
        signs.extend(SMALL_WORDS.iter().map(|word| (*word, flag(has(word)))));
        signs.push(("varied", flag(standing.varied)));
        let log = |n: usize| (count(n) + 1.0).ln();
        signs.extend([
            ("cost", self.cost),
            ("score", self.combination.score),
            ("net score", self.combination.score - self.cost),
            ("place", count(standing.place)),
            ("readings", count(standing.of)),
            ("margin", standing.margin),
            ("votes", count(standing.votes)),
            ("part", standing.part),
            ("tables of the schema", log(self.index.tables.len())),
            ("columns of the schema", log(self.index.tables.iter().map(|t| t.columns.len()).sum())),
        ]);
        signs
    }

    fn parts(&self) -> &[Part] {
        &self.combination.parts
    }

    fn text(&self, part: &Part) -> &[Token] {
        self.tokens.get(part.start..part.end).unwrap_or_default()
    }

    /// What the question is made of.
    fn words(&self, signs: &mut Signs) {
        let word = |p: &&Part| self.text(p).iter().any(Token::is_word);
        let unknown: Vec<&Part> = self.parts().iter().filter(|p| p.item == Item::Unknown).filter(word).collect();
        let chosen = |p: &Part| self.spans.iter().any(|s| s.start == p.start && matches!(s.piece, Piece::Mention(_)));
        let verb = |p: &&&Part| self.text(p).iter().any(|t| t.lower.ends_with("ed") || t.lower.ends_with("ing"));
        let known: usize = self.parts().iter().filter(|p| names(&p.item)).map(|p| p.end - p.start).sum();
        let content = known + unknown.len();
        let short = |p: &&&Part| self.text(p).iter().all(|t| t.lower.len() < 4);
        let free = |i: &Item| matches!(i, Item::Text(_, false));
        let capital = |p: &&&Part| p.start > 0 && self.text(p).iter().any(Token::is_capital);
        signs.extend([
            ("words", count(self.tokens.iter().filter(|t| t.is_word()).count())),
            ("unexplained", count(unknown.len())),
            ("unexplained verbs", count(unknown.iter().filter(verb).count())),
            ("unexplained short words", count(unknown.iter().filter(short).count())),
            ("unexplained capitals", count(unknown.iter().filter(capital).count())),
            ("rejected mentions", count(unknown.iter().filter(|p| chosen(p)).count())),
            ("explained part", if content == 0 { 0.0 } else { count(known) / count(content) }),
            ("names that are stored nowhere", count(self.parts().iter().filter(|p| free(&p.item)).count())),
            ("sentences", count(self.cues(|c| matches!(c, Cue::Stop)))),
            ("idle words", count(self.cues(|c| matches!(c, Cue::Idle)))),
        ]);
    }

    /// How well words were linked, and how close other links are.
    fn links(&self, signs: &mut Signs) {
        let mentions: Vec<&Part> = self.parts().iter().filter(|p| names(&p.item)).collect();
        let between =
            |low: f64, high: f64| count(mentions.iter().filter(|p| p.strength > low && p.strength <= high).count());
        let of = |wanted: fn(&Item) -> bool| count(mentions.iter().filter(|p| wanted(&p.item)).count());
        let weakest = |wanted: fn(&Item) -> bool| {
            let strengths = mentions.iter().filter(|p| wanted(&p.item)).map(|p| p.strength);
            strengths.fold(1.0, f64::min)
        };
        let mut better = 0.0;
        let mut equal = 0.0;
        let mut near = 0.0;
        let mut elsewhere = 0.0;
        for part in &mentions {
            let candidates = self.candidates(part);
            let own = candidates.iter().find(|c| same(&c.meaning, &part.item)).map_or(part.strength, |c| c.strength);
            let others = candidates.iter().filter(|c| !same(&c.meaning, &part.item));
            for other in others.filter(|c| c.meaning != Meaning::Nothing) {
                better += flag(other.strength > own + 0.02);
                equal += flag((other.strength - own).abs() <= 0.02);
                near += flag(other.strength < own - 0.02 && other.strength > own * 0.75);
                let table = table_of(&part.item);
                elsewhere += flag(other.strength >= own - 0.02 && other.meaning.table() != table);
            }
        }
        let logs: Vec<f64> = mentions.iter().map(|p| p.strength.max(0.05).ln()).collect();
        let sum: f64 = logs.iter().sum();
        signs.extend([
            ("mentions", count(mentions.len())),
            ("tables named", of(|i| matches!(i, Item::Table(_)))),
            ("columns named", of(|i| matches!(i, Item::Column(_)))),
            ("values named", of(|i| matches!(i, Item::Value(..)))),
            ("strength", sum),
            ("mean strength", if logs.is_empty() { 0.0 } else { sum / count(logs.len()) }),
            ("weakest link", weakest(|_| true)),
            ("weakest table", weakest(|i| matches!(i, Item::Table(_)))),
            ("weakest column", weakest(|i| matches!(i, Item::Column(_)))),
            ("weakest value", weakest(|i| matches!(i, Item::Value(..)))),
            ("exact links", between(0.94, 1.0)),
            ("good links", between(0.78, 0.94)),
            ("fair links", between(0.5, 0.78)),
            ("poor links", between(0.0, 0.5)),
            ("better candidates", better),
            ("equal candidates", equal),
            ("near candidates", near),
            ("equal candidates elsewhere", elsewhere),
        ]);
    }

    fn candidates(&self, part: &Part) -> &[Candidate] {
        let span = self.spans.iter().find(|s| s.start == part.start && s.end == part.end);
        match span.map(|s| &s.piece) {
            Some(Piece::Mention(candidates)) => candidates,
            _ => &[],
        }
    }

    /// Whether what the question names is used, and what is used was named.
    fn use_of_words(&self, shape: &Shape, signs: &mut Signs) {
        let unused = |used: &dyn Fn(&Item) -> Option<bool>| {
            count(self.parts().iter().filter(|p| used(&p.item) == Some(false)).count())
        };
        let tables = unused(&|i| if let Item::Table(t) = i { Some(shape.tables.contains(t)) } else { None });
        let columns = unused(&|i| if let Item::Column(c) = i { Some(shape.columns.contains(c)) } else { None });
        let values = unused(&|i| if let Item::Value(_, text) = i { Some(shape.texts.contains(text)) } else { None });
        let moved = unused(&|i| if let Item::Value(c, _) = i { Some(shape.columns.contains(c)) } else { None });
        let texts = unused(&|i| if let Item::Text(text, _) = i { Some(shape.texts.contains(text)) } else { None });
        let numbers = unused(&|i| match i {
            Item::Number(n) => Some(shape.numbers.iter().any(|used| (used - n).abs() < 1e-9)),
            _ => None,
        });
        let dates = self.parts().iter().filter(|p| matches!(p.item, Item::Date(_))).count();
        let years = shape.numbers.iter().filter(|n| **n > 1000.0 && **n < 2200.0).count();
        let mentioned = |c: &ColumnId| {
            self.parts().iter().any(|p| matches!(&p.item, Item::Column(own) | Item::Value(own, _) if own == c))
        };
        let named_table = |t: &TableId| {
            self.parts().iter().any(|p| match &p.item {
                Item::Table(own) => own == t,
                Item::Column(c) | Item::Value(c, _) => c.table == *t,
                _ => false,
            })
        };
        let shown: Vec<&ColumnId> =
            self.query.select.iter().filter_map(|e| if let Expr::Column(c) = e { Some(c) } else { None }).collect();
        let assumed = shown.iter().filter(|c| !mentioned(c)).count();
        let assumed_keys = shown.iter().filter(|c| !mentioned(c) && self.index.column(***c).key).count();
        let way = shape.tables.iter().filter(|t| !named_table(t)).count();
        let bridges = shape.tables.iter().filter(|t| !named_table(t) && self.index.table(**t).bridge).count();
        signs.extend([
            ("tables not used", tables),
            ("columns not used", columns),
            ("values not used", values),
            ("values of another column", moved),
            ("texts not used", texts),
            ("numbers not used", numbers),
            ("dates not used", (count(dates) - count(shape.during + years)).max(0.0)),
            ("texts", count(self.parts().iter().filter(|p| matches!(p.item, Item::Text(..))).count())),
            ("columns assumed", count(assumed)),
            ("keys assumed", count(assumed_keys)),
            ("other columns assumed", count(shape.columns.iter().filter(|c| !mentioned(c)).count())),
            ("tables on the way", count(way)),
            ("bridges on the way", count(bridges)),
        ]);
    }

    /// Whether the query has what the form of the question asks for.
    fn form(&self, shape: &Shape, signs: &mut Signs) {
        let first = self.parts().iter().find_map(|p| if let Item::Cue(cue) = &p.item { Some(*cue) } else { None });
        let counting = self.cues(|c| matches!(c, Cue::Count));
        let means = self.cues(|c| matches!(c, Cue::Agg(Agg::Avg | Agg::Sum)));
        let extremes = self.cues(|c| matches!(c, Cue::Agg(Agg::Min | Agg::Max)));
        let most = self.cues(|c| matches!(c, Cue::Superlative(..) | Cue::Frequent(_) | Cue::Top(_)));
        let each = self.cues(|c| matches!(c, Cue::Each | Cue::Per(_) | Cue::PerPart(_)));
        let not = self.cues(|c| matches!(c, Cue::Not | Cue::Without | Cue::But));
        let compare = self.cues(|c| matches!(c, Cue::Compare(op, _) | Cue::Behind(op) if *op != Op::Eq));
        let both = self.cues(|c| matches!(c, Cue::Both));
        let order = self.cues(|c| matches!(c, Cue::Order | Cue::Ascending | Cue::Descending | Cue::Alphabetical));
        let numbers = self.parts().iter().filter(|p| matches!(p.item, Item::Number(_))).count();
        let less = |a: usize, b: usize| count(a) - count(b);
        signs.extend([
            ("begins with a count", flag(matches!(first, Some(Cue::Count)))),
            ("begins with which", flag(matches!(first, Some(Cue::Which)))),
            ("begins with ask", flag(matches!(first, Some(Cue::Ask)))),
            ("counts against words", less(shape.counts, counting)),
            ("counts", count(shape.counts)),
            ("count words", count(counting)),
            ("means against words", less(shape.sums, means)),
            ("extremes against words", less(shape.extremes + shape.cut, extremes + most)),
            ("superlatives", count(most + extremes)),
            ("groups against words", less(shape.groups, each)),
            ("each words", count(each)),
            ("negations against words", less(shape.negations, not)),
            ("negation words", count(not)),
            ("inequalities against words", less(shape.inequalities + shape.during, compare)),
            ("comparisons", count(compare)),
            ("intersections against words", less(shape.intersections, both)),
            ("alternatives against words", less(shape.alternatives, self.cues(|c| matches!(c, Cue::Or)))),
            ("order against words", less(shape.ordered, order)),
            ("order words", count(order)),
            ("distinct against words", less(shape.distinct, self.cues(|c| matches!(c, Cue::Distinct)))),
            ("between against words", less(shape.between, self.cues(|c| matches!(c, Cue::Between)))),
            ("contains against words", less(shape.like, self.cues(|c| matches!(c, Cue::Contains(_))))),
            ("relatives", count(self.cues(|c| matches!(c, Cue::Relative | Cue::Whose | Cue::With)))),
            ("pronouns", count(self.cues(|c| matches!(c, Cue::Pronoun)))),
            ("ands", count(self.cues(|c| matches!(c, Cue::And)))),
            ("numbers", count(numbers)),
            ("shown against asked", less(self.query.select.len(), self.asked())),
        ]);
    }

    /// The things that are asked for before the first condition, group or order.
    fn asked(&self) -> usize {
        let ends = |i: &Item| {
            matches!(
                i,
                Item::Value(..)
                    | Item::Number(_)
                    | Item::Date(_)
                    | Item::Cue(
                        Cue::Relative
                            | Cue::Whose
                            | Cue::With
                            | Cue::Each
                            | Cue::Per(_)
                            | Cue::PerPart(_)
                            | Cue::Order
                            | Cue::Compare(..)
                            | Cue::Superlative(..)
                            | Cue::Without
                            | Cue::But
                    )
            )
        };
        let asks = |i: &Item| matches!(i, Item::Column(_) | Item::Metric(_) | Item::Cue(Cue::Count));
        let parts = self.parts().iter().skip(1).take_while(|p| !ends(&p.item));
        let first = self.parts().first().map_or(0, |p| usize::from(asks(&p.item)));
        (first + parts.filter(|p| asks(&p.item)).count()).max(1)
    }

    /// What the query is made of.
    fn query(&self, shape: &Shape, signs: &mut Signs) {
        let query = self.query;
        let text = |e: &Expr| matches!(e, Expr::Column(c) if self.index.kind(*c) == Kind::Text);
        let odd_figure = |e: &Expr| match e {
            Expr::Agg(Agg::Avg | Agg::Sum, inner) => {
                matches!(&**inner, Expr::Column(c) if !self.index.kind(*c).is_number() || self.index.column(*c).key)
            }
            _ => false,
        };
        let unique = |e: &Expr| matches!(e, Expr::Column(c) if self.index.is_unique(*c));
        let odd_order = query.limit.is_some() && query.order.first().is_some_and(|(e, _)| text(e));
        let key_compared =
            |c: &Cond| matches!(c, Cond::Compare(Expr::Column(c), op, _) if *op != Op::Eq && self.index.column(*c).key);
        let undeclared = connect(self.index, &query.needed(), self.hints)
            .map_or(0, |tree| tree.joins.iter().filter(|(edge, _)| !edge.declared).count());
        signs.extend([
            ("tables", count(shape.tables.len())),
            ("joins over inferred keys", count(undeclared)),
            ("shown", count(query.select.len())),
            ("figures shown", count(query.select.iter().filter(|e| e.is_aggregate()).count())),
            ("unique shown", flag(query.select.iter().any(unique))),
            ("conditions", count(query.filter.len())),
            ("equalities", count(shape.equalities)),
            ("having", count(shape.having)),
            ("groups", count(query.group.len())),
            ("grouped by a key", flag(query.group.iter().any(unique))),
            ("ordered", count(query.order.len())),
            ("cut", flag(query.limit.is_some())),
            ("cut to one", flag(query.limit == Some(1))),
            ("inside", count(shape.depth)),
            ("distinct", flag(query.distinct)),
            ("statistics", count(shape.statistics)),
            ("odd figures", count(query.select.iter().filter(|e| odd_figure(e)).count())),
            ("odd order", flag(odd_order)),
            ("keys compared", count(query.filter.iter().filter(|c| key_compared(c)).count())),
            ("entity not shown", flag(query.entity.is_some_and(|t| !shape.tables.contains(&t)))),
        ]);
    }

    /// Where in the question the things stand that the query shows, and what it does with them besides.
    fn places(&self, shape: &Shape, signs: &mut Signs) {
        let query = self.query;
        let begins = |i: &Item| {
            matches!(i, Item::Value(..) | Item::Cue(Cue::Relative | Cue::Whose | Cue::With | Cue::Where | Cue::Without))
        };
        let first = self.parts().iter().skip(1).position(|p| begins(&p.item)).map_or(usize::MAX, |at| at + 1);
        let mut shown: Vec<ColumnId> = Vec::new();
        query.select.iter().for_each(|e| e.columns(&mut shown));
        let named = |c: &ColumnId, before: bool| {
            let mut parts = self.parts().iter().enumerate();
            parts.any(|(at, p)| matches!(&p.item, Item::Column(own) if own == c) && (at < first) == before)
        };
        let late = shown.iter().filter(|c| named(c, false) && !named(c, true)).count();
        let early =
            self.parts().iter().take(first).filter_map(|p| if let Item::Column(c) = &p.item { Some(c) } else { None });
        let missing = early.filter(|c| !shown.contains(c)).count();
        let compared = |column: &ColumnId| {
            let own = |c: &&Cond| matches!(c, Cond::Compare(Expr::Column(c), Op::Eq, _) if c == column);
            query.filter.iter().any(|c| own(&c))
        };
        let mut read: BTreeSet<TableId> = shown.iter().map(|c| c.table).collect();
        let tables = read.len();
        read.extend(query.columns().iter().map(|c| c.table));
        let own = connect(self.index, &query.needed(), self.hints).map(|tree| tree.tables()).unwrap_or_default();
        let joined = own.len() > 1;
        let distinct = query.select.iter().any(|e| matches!(e, Expr::Agg(Agg::Distinct, _)));
        let counted = query.select.contains(&Expr::Count);
        signs.extend([
            ("shown from the condition", count(late)),
            ("asked but not shown", count(missing)),
            ("shown and compared", count(shown.iter().filter(|c| compared(c)).count())),
            ("tables shown", count(tables)),
            ("tables only joined", count(own.iter().filter(|t| !read.contains(t)).count())),
            ("counts of different", flag(distinct)),
            ("counts over joins", flag(counted && joined)),
            ("rows shown over joins", flag(joined && query.group.is_empty() && !query.distinct && shape.counts == 0)),
            ("having without groups", flag(!query.having.is_empty() && query.group.is_empty())),
        ]);
    }

    fn cues(&self, wanted: impl Fn(&Cue) -> bool) -> usize {
        self.parts().iter().filter(|p| matches!(&p.item, Item::Cue(cue) if wanted(cue))).count()
    }
}

/// Whether a part names something of the schema.
fn names(item: &Item) -> bool {
    matches!(item, Item::Table(_) | Item::Column(_) | Item::Value(..) | Item::Metric(_))
}

fn table_of(item: &Item) -> Option<TableId> {
    match item {
        Item::Table(table) => Some(*table),
        Item::Column(column) | Item::Value(column, _) => Some(column.table),
        _ => None,
    }
}

/// Whether a candidate is what was chosen.
fn same(meaning: &Meaning, item: &Item) -> bool {
    match (meaning, item) {
        (Meaning::Table(a), Item::Table(b)) => a == b,
        (Meaning::Column(a), Item::Column(b)) => a == b,
        (Meaning::Value(a, x), Item::Value(b, y)) => a == b && x == y,
        (Meaning::Metric(a), Item::Metric(b)) => a == b,
        _ => false,
    }
}

fn count(n: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let n = n as f64;
    n
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
