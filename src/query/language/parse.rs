//! From a combination of meanings to a draft: what is asked for, under which conditions, grouped and ordered how.

use super::assign::{Item, Part};
use super::cues::{Cue, Quality};
use super::dates;
use super::draft::{Condition, Draft, Output, count_compared, distinct};
use super::index::{ColumnId, Index, TableId};
use super::link::is_measure;
use super::logic::{Agg, Cond, Expr, Literal, Op, Operand, Place, Query};
use super::words::Token;
use crate::query::schema::Kind;

/// Where in the question the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// What is asked for.
    Select,
    /// What it has to hold.
    Filter,
    /// How it is ordered.
    Order,
}

/// What has been said and waits for the word it belongs to.
#[derive(Debug, Clone, Default)]
struct Pending {
    count: bool,
    /// The superlative says which row is meant, `with the highest …`.
    attached: bool,
    /// The first of two numbers that are alternatives, `3 or 4 stars`.
    other: Option<f64>,
    /// The number of rows is asked for beside other figures.
    rows: bool,
    /// `how old`: the quality asked for and its place among what is shown.
    measure: Option<(Quality, usize)>,
    total: bool,
    alphabetical: bool,
    aggs: Vec<Agg>,
    distinct: bool,
    each: bool,
    superlative: Option<(bool, Option<Quality>)>,
    counted: bool,
    frequent: Option<bool>,
    compare: Option<(Op, Option<Quality>)>,
    number: Option<f64>,
    between: Option<Option<f64>>,
    contains: Option<Place>,
    negated: bool,
    or: bool,
    both: bool,
    and: bool,
    named: bool,
    column: Option<ColumnId>,
    figure: Option<Expr>,
    direction: Option<bool>,
    limit: Option<u64>,
    top: Option<bool>,
    owner: bool,
    pronoun: bool,
    lone: bool,
}

/// Reads one combination.
pub struct Parser<'p, 'a> {
    index: &'p Index<'a>,
    tokens: &'p [Token],
    parts: &'p [Part],
    dated: &'p [dates::Span],
    at: usize,
    mode: Mode,
    wait: Pending,
    draft: Draft,
    last_column: Option<ColumnId>,
    last_table: Option<TableId>,
    asked_place: Option<bool>,
    negated_open: bool,
    outside: Option<Mode>,
    everything: bool,
    top: Option<bool>,
}

impl<'p, 'a> Parser<'p, 'a> {
    /// A reader of the parts of a question.
    #[must_use]
    pub fn new(index: &'p Index<'a>, tokens: &'p [Token], parts: &'p [Part], dated: &'p [dates::Span]) -> Self {
        Self {
            index,
            tokens,
            parts,
            dated,
            at: 0,
            mode: Mode::Select,
            wait: Pending::default(),
            draft: Draft::default(),
            last_column: None,
            last_table: None,
            asked_place: None,
            negated_open: false,
            outside: None,
            everything: false,
            top: None,
        }
    }

    /// The draft.
    #[must_use]
    pub fn draft(mut self) -> Draft {
        while let Some(part) = self.parts.get(self.at) {
            match &part.item {
                Item::Cue(cue) => self.cue(*cue),
                Item::Table(table) => self.table(*table),
                Item::Column(column) => self.column(*column),
                Item::Value(column, text) => self.value(*column, text.clone()),
                Item::Metric(name) => self.metric(name),
                Item::Number(n) => self.number(*n),
                Item::Text(text, quoted) => self.text(text.clone(), *quoted),
                Item::Date(at) => self.date(*at),
                Item::Unknown => self.bracket(),
            }
            self.at += 1;
        }
        self.finish();
        self.draft
    }

    /// What stands between brackets only explains: behind them the question goes on where it was.
    fn bracket(&mut self) {
        match self.phrase().as_str() {
            "(" => self.outside = Some(self.mode),
            ")" => {
                if let Some(mode) = self.outside.take() {
                    self.flush_column();
                    self.mode = mode;
                }
            }
            _ => {}
        }
    }

    /// The parts from the next on, without words that say nothing.
    fn ahead(&self, skip: usize) -> Option<&'p Item> {
        let rest = self.parts.get(self.at + 1..).unwrap_or_default().iter();
        rest.map(|p| &p.item).filter(|i| !matches!(i, Item::Cue(Cue::Idle | Cue::All) | Item::Unknown)).nth(skip)
    }

    /// The part before, without words that say nothing.
    fn behind(&self) -> Option<&'p Item> {
        let back = self.parts.get(..self.at).unwrap_or_default().iter().rev();
        back.map(|p| &p.item).find(|i| !matches!(i, Item::Cue(Cue::Idle | Cue::All | Cue::Distinct)))
    }

    fn cue(&mut self, cue: Cue) {
        match cue {
            Cue::Ask => self.ask(),
            Cue::Which if self.at == 0 || self.draft.outputs.is_empty() => self.mode = Mode::Select,
            Cue::Which | Cue::Relative | Cue::Whose => self.filter(),
            Cue::Who => {
                if self.at > 0 && !self.draft.outputs.is_empty() {
                    self.filter();
                }
            }
            Cue::When if self.at == 0 => self.asked_place = Some(false),
            Cue::When => self.filter(),
            Cue::Where if self.at == 0 => self.asked_place = Some(true),
            Cue::Where => self.filter(),
            Cue::Count => {
                if self.mode == Mode::Filter
                    && self.phrase().starts_with("how many")
                    && matches!(self.part_before(), Some(Item::Cue(Cue::And | Cue::Stop)))
                {
                    self.flush_column();
                    self.mode = Mode::Select;
                }
                self.wait.count = true;
                if self.phrase().ends_with(" and") {
                    let counted = self.draft.outputs.iter().any(|o| matches!(o, Output::CountOf(_)));
                    self.wait.rows = !counted;
                    return;
                }
                let listed = matches!(self.part_before(), Some(Item::Cue(Cue::And)));
                self.wait.total = self.phrase().contains("total") && (self.wait.aggs.is_empty() || listed);
            }
            Cue::HowMuch(quality) => {
                self.flush_column();
                self.mode = Mode::Select;
                self.wait.measure = quality.map(|q| (q, self.draft.outputs.len()));
            }
            Cue::Agg(agg) => self.aggregate(agg),
            Cue::Distinct => self.wait.distinct = true,
            Cue::Superlative(most, quality) => self.superlative(most, quality),
            Cue::Frequent(most) => self.frequent(most),
            Cue::Top(top) => self.wait.top = Some(top),
            Cue::Aged => self.aged(),
            Cue::Compare(op, quality) => {
                let op = if std::mem::take(&mut self.wait.negated) { op.negated() } else { op };
                self.wait.compare = Some((op, quality));
            }
            Cue::Behind(op) => {
                if matches!(self.ahead(0), Some(Item::Number(_))) {
                    self.wait.or = true;
                    self.wait.compare = Some((op, None));
                }
            }
            Cue::Times => self.times(),
            Cue::Between => self.wait.between = Some(None),
            Cue::Each => self.wait.each = true,
            Cue::Per(bucket) => self.bucket(|time| Expr::Bucket(bucket, time)),
            Cue::PerPart(part) => self.bucket(|time| Expr::Part(part, time)),
            Cue::Order if self.at == 0 => {}
            Cue::Order => self.order_cue(),
            Cue::Ascending => self.direction(false),
            Cue::Descending => self.direction(true),
            Cue::Alphabetical => self.alphabetical(),
            Cue::Not => {
                if self.mode == Mode::Select && !self.draft.outputs.is_empty() {
                    self.filter();
                }
                self.wait.negated = true;
            }
            Cue::Without => {
                self.filter();
                self.wait.negated = true;
            }
            Cue::But => {
                self.filter();
                self.wait.negated = true;
            }
            Cue::Both => self.wait.both = true,
            Cue::Or => self.wait.or = true,
            Cue::And => {
                let again = matches!(
                    self.ahead(0),
                    Some(Item::Cue(
                        Cue::Have | Cue::Be | Cue::Not | Cue::Without | Cue::But | Cue::Relative | Cue::Whose
                    ))
                );
                if again {
                    self.negated_open = false;
                }
                self.wait.and = true;
            }
            Cue::With
                if self.phrase().ends_with("which")
                    && matches!(self.part_before(), Some(Item::Cue(Cue::And)))
                    && matches!(self.ahead(0), Some(Item::Column(_))) =>
            {
                self.ask();
            }
            Cue::With => self.with(),
            Cue::Of => self.wait.owner = true,
            Cue::In | Cue::By => self.preposition(),
            Cue::Have | Cue::Do => {
                if !self.draft.outputs.is_empty()
                    && self.mode == Mode::Select
                    && self.wait.aggs.is_empty()
                    && !self.wait.count
                {
                    self.filter();
                }
            }
            Cue::Be => {
                if self.mode == Mode::Select
                    && !self.draft.outputs.is_empty()
                    && matches!(
                        self.ahead(0),
                        Some(
                            Item::Value(..)
                                | Item::Text(..)
                                | Item::Number(_)
                                | Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Not | Cue::In)
                        )
                    )
                {
                    self.filter();
                }
            }
            Cue::Named => {
                if self.mode != Mode::Order {
                    self.mode = Mode::Filter;
                }
                self.wait.named = true;
            }
            Cue::Contains(place) => {
                self.mode = Mode::Filter;
                self.wait.contains = Some(place);
            }
            Cue::Pronoun => self.wait.pronoun = true,
            Cue::Share => self.draft.share = true,
            Cue::Running => self.draft.running = true,
            Cue::Change(percent) => self.draft.change = Some(percent),
            Cue::Everything => self.everything = true,
            Cue::Stop => self.stop(),
            Cue::All | Cue::Idle => {}
        }
    }

    fn filter(&mut self) {
        self.flush_column();
        if self.mode == Mode::Select && self.draft.outputs.is_empty() && !self.wait.count && self.wait.aggs.is_empty() {
            return;
        }
        self.mode = Mode::Filter;
    }

    fn ask(&mut self) {
        if self.at == 0 {
            return;
        }
        // "who do not give lessons", "which did not list": no new question begins.
        if self.wait.negated {
            return;
        }
        self.flush_column();
        self.negated_open = false;
        self.mode = Mode::Select;
        self.wait.each = false;
        let further = self.tokens.iter().any(|t| matches!(t.lower.as_str(), "also" | "too"));
        if matches!(self.part_before(), Some(Item::Cue(Cue::Stop))) && !further {
            self.draft.earlier = self.draft.outputs.len();
        }
    }

    fn stop(&mut self) {
        self.flush_column();
        self.negated_open = false;
        self.mode = Mode::Select;
    }

    fn with(&mut self) {
        // "with their names" asks for more to be shown.
        let figure = matches!(self.ahead(0), Some(Item::Cue(Cue::Count | Cue::Agg(_))))
            && !matches!(self.ahead(2), Some(Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Be) | Item::Number(_)));
        let shows = (figure || matches!(self.ahead(0), Some(Item::Cue(Cue::Pronoun)))) && self.mode == Mode::Select;
        if !shows {
            self.filter();
        }
        self.wait.owner = false;
    }

    fn preposition(&mut self) {
        let next = self.ahead(0);
        let counted = matches!((next, self.ahead(1)), (Some(Item::Number(_)), Some(Item::Table(_))));
        let condition =
            !counted && matches!(next, Some(Item::Value(..) | Item::Text(..) | Item::Number(_) | Item::Date(_)));
        let told = matches!((next, self.ahead(1)), (Some(Item::Column(a)), Some(Item::Value(b, _))) if a == b);
        if (condition || told) && self.mode == Mode::Select && !self.draft.outputs.is_empty() {
            self.mode = Mode::Filter;
        }
        self.wait.owner = true;
    }

    fn order_cue(&mut self) {
        self.flush_column();
        self.negated_open = false;
        // "in" and "order" are cues of order only where an order follows.
        self.mode = Mode::Order;
        self.wait.owner = false;
        self.wait.each = false;
    }

    fn direction(&mut self, down: bool) {
        let phrase = self.phrase();
        let follows = phrase.ends_with(" of")
            || phrase.ends_with(" by")
            || matches!(self.ahead(0), Some(Item::Cue(Cue::Of | Cue::Order | Cue::By | Cue::Alphabetical)))
            || matches!(self.ahead(0), Some(Item::Column(_)) if self.mode != Mode::Order);
        if !follows && let Some(last) = self.draft.order.last_mut() {
            last.1 = down;
            return;
        }
        self.wait.direction = Some(down);
        if follows {
            self.mode = Mode::Order;
        } else if self.mode != Mode::Order {
            if let Some(column) =
                self.draft.outputs.iter().find_map(|o| if let Output::Expr(e) = o { Some(e.clone()) } else { None })
            {
                self.draft.order.push((column, down));
                self.wait.direction = None;
            }
        }
    }

    fn alphabetical(&mut self) {
        let early = self.draft.outputs.is_empty();
        if early {
            self.wait.alphabetical = true;
            return;
        }
        self.mode = Mode::Order;
        if matches!(self.ahead(0), Some(Item::Cue(Cue::Of | Cue::By | Cue::Order) | Item::Column(_))) {
            return;
        }
        self.by_letters();
    }

    /// In the order of the letters of what is shown.
    fn by_letters(&mut self) {
        if let Some(last) = self.draft.order.last_mut() {
            last.1 = self.wait.direction.take().unwrap_or(last.1);
            return;
        }
        let shown = self.draft.outputs.iter().find_map(|o| match o {
            Output::Expr(Expr::Column(c)) if self.index.kind(*c) == Kind::Text => Some(*c),
            Output::Rows(t) => self.index.table(*t).display.first().copied(),
            _ => None,
        });
        if let Some(column) = shown {
            let down = self.wait.direction.take().unwrap_or(false);
            self.draft.order.push((Expr::Column(column), down));
        }
    }

    fn aggregate(&mut self, agg: Agg) {
        if self.wait.compare.is_some() && agg == Agg::Avg
            || self.wait.compare.is_some() && matches!(agg, Agg::Max | Agg::Min)
        {
            let ahead = match (self.ahead(0), self.ahead(1)) {
                (Some(Item::Column(column)), _)
                | (Some(Item::Cue(Cue::Count | Cue::Of)), Some(Item::Column(column))) => Some(*column),
                _ => None,
            };
            let ahead = ahead.filter(|c| is_measure(self.index, *c));
            let column = self
                .wait
                .column
                .or(ahead)
                .or_else(|| self.quality_column(self.wait.compare.and_then(|c| c.1)).map(|q| q.0));
            if let (Some(column), Some((op, _))) = (column, self.wait.compare.take()) {
                let inner = Query {
                    select: vec![Expr::Agg(agg, Box::new(Expr::Column(ahead.unwrap_or(column))))],
                    ..Query::default()
                };
                self.wait.column = None;
                self.condition(Cond::Compare(Expr::Column(column), op, Operand::Query(Box::new(inner))));
                if ahead.is_some() {
                    self.skip_to_column();
                }
                return;
            }
        }
        // "the flight with the maximum price" is one row.
        if matches!(agg, Agg::Max | Agg::Min)
            && matches!(self.behind(), Some(Item::Cue(Cue::With | Cue::Have | Cue::Whose)))
            && !self.draft.outputs.is_empty()
            && matches!(self.ahead(0), Some(Item::Column(c)) if is_measure(self.index, *c))
            && self.mode == Mode::Select
        {
            self.mode = Mode::Filter;
            self.wait.superlative = Some((agg == Agg::Max, None));
            self.wait.attached = true;
            return;
        }
        self.wait.count = false;
        self.wait.aggs.push(agg);
    }

    /// `at least 3 times`: of groups.
    fn times(&mut self) {
        if let Some(n) = self.wait.number.take() {
            let op = self.wait.compare.take().map_or(Op::Eq, |c| c.0);
            self.draft.having.push(count_compared(op, Operand::Literal(Literal::Number(n))));
        } else if let Some((most, _)) = self.wait.superlative.take() {
            self.order_by(Expr::Count, most);
        }
    }

    /// `18 years old`.
    fn aged(&mut self) {
        let Some(n) = self.wait.number.take().or_else(|| self.wait.limit.take().map(|n| n as f64)) else { return };
        let op = self.wait.compare.take().map_or(Op::Eq, |c| c.0);
        match self.quality_column(super::cues::quality("old")) {
            Some((column, true)) => {
                self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Number(n))))
            }
            _ => self.draft.cost += 2.0,
        }
    }

    fn skip_to_column(&mut self) {
        while let Some(part) = self.parts.get(self.at + 1) {
            self.at += 1;
            if matches!(part.item, Item::Column(_)) {
                break;
            }
        }
    }

    fn superlative(&mut self, most: bool, quality: Option<Quality>) {
        if self.wait.top.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.wait.limit = limit(n);
        }
        if let Some((first, None)) = self.wait.superlative
            && quality.is_none()
            && self.mode == Mode::Select
            && matches!(self.part_before(), Some(Item::Cue(Cue::And)))
        {
            self.wait.superlative = None;
            let extreme = |most: bool| if most { Agg::Max } else { Agg::Min };
            self.wait.aggs.extend([extreme(first), extreme(most)]);
            return;
        }
        // "the average and largest age" is two figures.
        if !self.wait.aggs.is_empty()
            && quality.is_none()
            && self.mode == Mode::Select
            && matches!(self.part_before(), Some(Item::Cue(Cue::And)))
        {
            self.wait.aggs.push(if most { Agg::Max } else { Agg::Min });
            return;
        }
        // "the most number of", "most orders": whether rows are counted is seen at the next word.
        let phrase = self.phrase();
        self.wait.counted = phrase.contains("number of") || phrase.contains("amount of");
        self.wait.attached =
            matches!(self.behind(), Some(Item::Cue(Cue::With | Cue::Have | Cue::Relative | Cue::Whose)));
        self.wait.superlative = Some((most, quality));
        self.draft.within |= self.wait.each;
        if quality.is_some() {
            self.quality_order();
        }
    }

    /// The words of the part that is read.
    fn phrase(&self) -> String {
        let part = self.parts.get(self.at);
        let tokens = part.and_then(|p| self.tokens.get(p.start..p.end)).unwrap_or_default();
        tokens.iter().map(|t| t.lower.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// `oldest`: the column is known once the table is.
    fn quality_order(&mut self) {
        let next_column =
            matches!(self.ahead(0), Some(Item::Column(c)) if is_measure(self.index, *c) || self.is_timed(*c));
        let next_table = if let Some(Item::Table(table)) = self.ahead(0) { Some(*table) } else { None };
        if next_column {
            return;
        }
        let Some((most, quality)) = self.wait.superlative else { return };
        let tables: Vec<TableId> = next_table.into_iter().chain(self.last_table).chain(self.draft.entity).collect();
        if let Some((column, grows)) = self.quality_in(quality, &tables) {
            self.order_by(Expr::Column(column), most == grows);
            self.wait.superlative = None;
        }
    }

    fn quality_column(&self, quality: Option<Quality>) -> Option<(ColumnId, bool)> {
        let tables: Vec<TableId> = self.last_table.into_iter().chain(self.draft.entity).collect();
        self.quality_in(quality, &tables).or_else(|| self.quality_near(quality?, &tables))
    }

    /// Members are as old as the people they are: a quality of what a table that only joins refers to.
    fn quality_near(&self, quality: Quality, tables: &[TableId]) -> Option<(ColumnId, bool)> {
        let joins = tables.iter().filter(|t| self.index.table(**t).bridge);
        let next = joins.flat_map(|t| self.index.edges.iter().filter(|e| e.from == *t).map(|e| e.to));
        let found = next.flat_map(|t| self.index.columns(t)).filter_map(|c| self.measures(quality, c));
        found.min_by_key(|(rank, column, _)| (*rank, column.at)).map(|(_, column, grows)| (column, grows))
    }

    /// How well a column measures a quality, and whether it grows with it.
    fn measures(&self, quality: Quality, column: ColumnId) -> Option<(usize, ColumnId, bool)> {
        let kind = self.index.kind(column);
        let info = self.index.column(column);
        let fits = is_measure(self.index, column)
            || kind.is_time()
            || kind == Kind::Time
            || kind == Kind::Text
                && info.words.stems.iter().any(|s| s == "birth" || s == "date" || s == "time" || s == "year");
        let found = quality.measured_by(&info.words.stems).filter(|_| fits && !info.key);
        found.map(|(rank, grows)| (rank, column, grows))
    }

    /// The column of these tables, else of any that is named, that measures a quality.
    fn quality_in(&self, quality: Option<Quality>, tables: &[TableId]) -> Option<(ColumnId, bool)> {
        let quality = quality?;
        let named = self.parts.iter().filter_map(|p| match &p.item {
            Item::Table(table) => Some(*table),
            Item::Column(column) => Some(column.table),
            _ => None,
        });
        let all: Vec<TableId> = tables.iter().copied().chain(named).collect();
        let mut seen = Vec::new();
        for table in all {
            if seen.contains(&table) {
                continue;
            }
            seen.push(table);
            let best = self
                .index
                .columns(table)
                .filter_map(|c| self.measures(quality, c))
                .min_by_key(|(rank, column, _)| (*rank, column.at));
            if let Some((_, column, grows)) = best {
                return Some((column, grows));
            }
        }
        None
    }

    fn frequent(&mut self, most: bool) {
        if self.wait.top.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.wait.limit = limit(n);
        }
        self.wait.frequent = Some(most);
        let next = self.ahead(0);
        if !matches!(next, Some(Item::Column(_) | Item::Table(_))) {
            // "which … is the most common": of what was named.
            self.order_by(Expr::Count, most);
            self.wait.frequent = None;
        }
    }

    fn order_by(&mut self, expr: Expr, down: bool) {
        self.draft.order.push((expr, down));
        let limit = self.wait.limit.take().or(Some(1));
        if self.draft.limit.is_none() {
            self.draft.limit = limit;
        }
    }

    fn note_table(&mut self, table: TableId) {
        // What there may be none of is not joined.
        if self.negated_open && self.draft.without.iter().any(|(t, _)| *t == table) {
            return;
        }
        if !self.draft.tables.contains(&table) {
            self.draft.tables.push(table);
        }
    }

    fn table(&mut self, table: TableId) {
        let wait_number = self.wait.number;
        self.last_table = Some(table);
        if !self.wait.aggs.is_empty()
            && !self.wait.count
            && let Some(figure) = self.only_measure(table)
        {
            self.note_table(table);
            self.column(figure);
            return;
        }
        // "the average number of people injured": of the injured.
        let measured = |item: Option<&Item>| matches!(item, Some(Item::Column(c)) if is_measure(self.index, *c));
        let measured = measured(self.ahead(0))
            || matches!(self.ahead(0), Some(Item::Cue(Cue::Pronoun))) && measured(self.ahead(1));
        let done =
            self.parts.get(self.at + 1).and_then(|p| self.tokens.get(p.start)).is_some_and(|t| t.lower.ends_with("ed"));
        if (!self.wait.aggs.is_empty() || self.mode == Mode::Order || done) && self.wait.count && measured {
            return;
        }
        let owner = std::mem::take(&mut self.wait.owner);
        let and = std::mem::take(&mut self.wait.and);
        let next_column = matches!(self.ahead(0), Some(Item::Column(c)) if c.table == table) && self.adjacent();
        let other_key = matches!(self.ahead(0), Some(Item::Column(c)) if self.index.column(*c).key);
        if next_column
            && (!self.wait.count || !other_key)
            && self.wait.superlative.is_none_or(|s| s.1.is_none())
            && !self.wait.counted
        {
            self.note_table(table);
            self.draft.entity.get_or_insert(table);
            return;
        }
        if self.everything {
            self.wait.each = false;
        }
        if std::mem::take(&mut self.wait.each) {
            self.draft.late |= !self.draft.outputs.is_empty();
            self.note_table(table);
            if !self.draft.group_tables.contains(&table) {
                self.draft.group_tables.push(table);
            }
            self.mode = if self.draft.outputs.is_empty() { Mode::Select } else { self.mode };
            return;
        }
        if let Some(most) = self.wait.frequent.take() {
            self.show_rows(table, and);
            self.order_by(Expr::Count, most);
            return;
        }
        if let Some((most, quality)) = self.wait.superlative {
            self.superlative_table(table, most, quality);
            return;
        }
        // "at least a member" is any.
        if let (Some((Op::Ge, None)), None) = (self.wait.compare, wait_number)
            && self.mode == Mode::Filter
        {
            self.wait.compare = None;
        }
        if let (Some((op, _)), Some(n)) = (self.wait.compare, wait_number) {
            self.wait.compare = None;
            self.wait.number = None;
            self.note_table(table);
            self.draft.having.push(count_compared(op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if let Some(top) = self.wait.top.take() {
            let first = self.wait.number.is_none();
            self.top_limit(top);
            if first && let Some((time, _)) = self.quality_in(super::cues::quality("new"), &[table]) {
                self.order_by(Expr::Column(time), !top);
            }
        }
        if self.wait.count {
            self.wait.count = false;
            self.wait.total = false;
            self.wait.aggs.clear();
            self.count_of(table);
            return;
        }
        if self.wait.negated
            && !self.draft.outputs.is_empty()
            && (self.subject() != Some(table) || self.attribute().is_some())
        {
            self.none_of(table);
            return;
        }
        if let Some(n) = wait_number.filter(|_| self.mode == Mode::Filter) {
            self.wait.number = None;
            self.note_table(table);
            self.draft.having.push(count_compared(Op::Eq, Operand::Literal(Literal::Number(n))));
            return;
        }
        if self.negated_open && self.mode == Mode::Filter && !and {
            return;
        }
        self.note_table(table);
        match self.mode {
            Mode::Select if self.draft.outputs.is_empty() => self.show_rows(table, false),
            Mode::Select if owner => {
                self.draft.entity.get_or_insert(table);
            }
            Mode::Select if and && !self.wait.pronoun => self.draft.outputs.push(Output::Rows(table)),
            _ => {
                self.draft.entity.get_or_insert(table);
            }
        }
    }

    /// The one column of a table that figures can be made of, the stars of a rating.
    fn only_measure(&self, table: TableId) -> Option<ColumnId> {
        let measure = |c: &ColumnId| {
            let info = self.index.column(*c);
            is_measure(self.index, *c) && !info.key && !info.words.has("year") && !info.words.ends_with("id")
        };
        let mut found = self.index.columns(table).filter(measure);
        found.next().filter(|_| found.next().is_none())
    }

    /// The table whose rows are asked about so far.
    fn subject(&self) -> Option<TableId> {
        let shown = self.draft.outputs.iter().find_map(|o| match o {
            Output::Expr(Expr::Column(c)) => Some(c.table),
            _ => None,
        });
        shown.or(self.draft.entity)
    }

    /// The one column asked about, where several rows share its values: `countries that have no …`.
    fn attribute(&self) -> Option<ColumnId> {
        let [Output::Expr(Expr::Column(column))] = self.draft.outputs.as_slice() else { return None };
        let own = self.index.is_unique(*column) || self.index.table(column.table).display.contains(column);
        (!own && self.index.kind(*column) == Kind::Text).then_some(*column)
    }

    /// Begins what the rows asked about must have none of.
    fn none_of(&mut self, table: TableId) {
        self.wait.negated = false;
        self.wait.compare = None;
        self.wait.number = None;
        self.wait.each = false;
        self.draft.open |= self.attribute().is_some() && self.subject() == Some(table);
        self.draft.without.push((table, Vec::new()));
        self.negated_open = true;
        self.mode = Mode::Filter;
    }

    /// Whether a comparison joins onto the one before: `over 5 or under 2`.
    fn compares_again(&self) -> bool {
        let back = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
        let mut words =
            back.skip_while(|i| matches!(i, Item::Cue(Cue::Idle | Cue::Be | Cue::Compare(..) | Cue::Behind(_))));
        self.wait.or || matches!(words.next(), Some(Item::Cue(Cue::And | Cue::Or)))
    }

    /// What stands right before.
    fn part_before(&self) -> Option<&'p Item> {
        self.at.checked_sub(1).and_then(|p| self.parts.get(p)).map(|p| &p.item)
    }

    /// Whether the next part follows without a word between.
    fn adjacent(&self) -> bool {
        let here = self.parts.get(self.at).map_or(0, |p| p.end);
        let next = self
            .parts
            .get(self.at + 1..)
            .unwrap_or_default()
            .iter()
            .find(|p| !matches!(p.item, Item::Cue(Cue::Idle | Cue::All)));
        next.is_some_and(|p| p.start == here && p.item != Item::Unknown)
    }

    fn show_rows(&mut self, table: TableId, also: bool) {
        self.note_table(table);
        self.draft.entity.get_or_insert(table);
        if std::mem::take(&mut self.wait.distinct) {
            self.draft.distinct = true;
        }
        if std::mem::take(&mut self.everything) {
            self.draft.outputs.push(Output::Everything(table));
            return;
        }
        let there = self.draft.outputs.contains(&Output::Rows(table));
        if !there && (self.draft.outputs.is_empty() || also) {
            self.draft.outputs.push(Output::Rows(table));
        }
        if self.wait.top.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.draft.limit = limit(n);
        }
    }

    fn count_of(&mut self, table: TableId) {
        self.note_table(table);
        let distinct_rows = std::mem::take(&mut self.wait.distinct);
        match self.mode {
            Mode::Order => {
                let down = self.wait.direction.take().unwrap_or(false);
                self.draft.order.push((Expr::Count, down));
            }
            Mode::Select => {
                self.draft.entity.get_or_insert(table);
                let key = self.index.table(table).key.filter(|_| distinct_rows);
                let name = self.index.table(table).display.first().copied();
                match key.or(name.filter(|_| distinct_rows)) {
                    Some(key) => self.draft.outputs.push(Output::Expr(distinct(key))),
                    None => self.draft.outputs.push(Output::CountOf(table)),
                }
            }
            Mode::Filter => self.wait.figure = Some(Expr::Count),
        }
    }

    fn superlative_table(&mut self, table: TableId, most: bool, quality: Option<Quality>) {
        self.wait.superlative = None;
        self.wait.count = false;
        let counted = std::mem::take(&mut self.wait.counted);
        let shown = self.draft.outputs.iter().any(|o| matches!(o, Output::Expr(Expr::Column(c)) if c.table == table));
        let other = self.draft.entity.is_some_and(|entity| entity != table) || !self.draft.outputs.is_empty() && !shown;
        if let Some((column, grows)) = self.quality_in(quality, &[table]) {
            if self.draft.outputs.is_empty() {
                self.show_rows(table, false);
            }
            self.note_table(table);
            self.order_by(Expr::Column(column), most == grows);
            return;
        }
        let attached = std::mem::take(&mut self.wait.attached);
        if other || counted || attached && quality.is_none() && !self.draft.outputs.is_empty() {
            self.note_table(table);
            self.order_by(Expr::Count, most);
            return;
        }
        // "the largest city": by what measures the size of a row.
        let size = ["largest", "tallest"].iter().find_map(|word| {
            let Some(Cue::Superlative(_, _)) = super::cues::of(word) else { return None };
            let quality = super::cues::quality(if *word == "largest" { "large" } else { "tall" });
            self.quality_in(quality, &[table])
        });
        self.show_rows(table, false);
        match size {
            Some((column, grows)) => self.order_by(Expr::Column(column), most == grows),
            None => {
                self.draft.cost += 1.0;
                self.order_by(Expr::Count, most);
            }
        }
    }

    fn top_limit(&mut self, top: bool) {
        if let Some(n) = self.wait.number.take() {
            self.draft.limit = limit(n);
        }
        self.top = Some(top);
    }

    fn metric(&mut self, name: &[String]) {
        let Some((table, sql)) = self.index.metrics.get(name) else { return };
        let expr = Expr::Metric(*table, self.phrase().replace(' ', "_"), sql.clone());
        self.note_table(*table);
        match self.mode {
            Mode::Select => self.draft.outputs.push(Output::Expr(expr)),
            Mode::Order => {
                let down = self.wait.direction.take().unwrap_or(false);
                self.draft.order.push((expr, down));
            }
            Mode::Filter => {
                if let Some((most, _)) = self.wait.superlative.take() {
                    self.order_by(expr, most);
                } else {
                    self.wait.figure = Some(expr);
                }
            }
        }
    }

    /// A column and the aggregates that wait for it.
    fn figures(&mut self, column: ColumnId) -> Vec<Expr> {
        let aggs = std::mem::take(&mut self.wait.aggs);
        aggs.into_iter().map(|agg| Expr::Agg(agg, Box::new(Expr::Column(column)))).collect()
    }

    fn column(&mut self, column: ColumnId) {
        self.last_column = Some(column);
        let owner = std::mem::take(&mut self.wait.owner);
        let measure = is_measure(self.index, column) && !self.index.column(column).key;
        if std::mem::take(&mut self.wait.each) {
            self.draft.late |= !self.draft.outputs.is_empty();
            if let Some(names) = self.referred(column) {
                names.iter().for_each(|c| push_new(&mut self.draft.group, Expr::Column(*c)));
                return;
            }
            push_new(&mut self.draft.group, Expr::Column(column));
            return;
        }
        if let Some(most) = self.wait.frequent.take() {
            if self.draft.outputs.is_empty() {
                self.draft.outputs.push(Output::Expr(Expr::Column(column)));
            }
            push_new(&mut self.draft.hidden_group, Expr::Column(column));
            self.order_by(Expr::Count, most);
            return;
        }
        if let Some((most, _)) = self.wait.superlative.take() {
            self.superlative_column(column, most, measure);
            return;
        }
        if let (Some((op, _)), Some(n)) = (self.wait.compare, self.wait.number) {
            self.wait.compare = None;
            self.wait.number = None;
            let literal = Operand::Literal(Literal::Number(n));
            if measure {
                self.condition(Cond::Compare(Expr::Column(column), op, literal));
            } else {
                self.note_table(column.table);
                self.draft.having.push(count_compared(op, literal));
            }
            return;
        }
        if self.mode == Mode::Order {
            let down = self.wait.direction.take().or(self.top.take()).unwrap_or(false);
            let figures = self.figures(column);
            let expr = if std::mem::take(&mut self.wait.count) && !measure {
                Expr::Count
            } else {
                figures.into_iter().next().unwrap_or(Expr::Column(column))
            };
            self.draft.order.push((expr, down));
            return;
        }
        if let Some(top) = self.wait.top.take() {
            self.top_limit(top);
        }
        let compared = self.own_value_follows(column);
        if compared && self.wait.count {
            self.note_table(column.table);
            self.mode = Mode::Filter;
        }
        let counts = !compared && std::mem::take(&mut self.wait.count);
        let total = std::mem::take(&mut self.wait.total);
        if counts && measure && (total || !self.wait.aggs.is_empty()) && self.mode == Mode::Select {
            if total {
                self.wait.aggs.push(Agg::Sum);
            }
        } else if counts {
            self.wait.aggs.clear();
            self.count_column(column, measure);
            return;
        }
        if self.mode == Mode::Select
            && self.draft.outputs.is_empty()
            && compared
            && self.wait.aggs.is_empty()
            && let Some(table) = self.draft.entity.filter(|t| self.last_table == Some(*t))
        {
            self.show_rows(table, false);
        }
        if self.mode == Mode::Select
            && self.draft.outputs.is_empty()
            && compared
            && matches!(self.behind(), Some(Item::Cue(Cue::Which)))
            && figures_wait(&self.wait)
        {
            self.draft.distinct |= std::mem::take(&mut self.wait.distinct);
            self.draft.outputs.push(Output::Expr(Expr::Column(column)));
        }
        if self.mode == Mode::Select && compared && self.wait.aggs.is_empty() {
            self.note_table(column.table);
            self.mode = Mode::Filter;
        }
        if self.mode == Mode::Filter
            && std::mem::take(&mut self.wait.lone)
            && self.wait.compare.is_none()
            && let Some(n) = self.wait.number.take()
        {
            self.equals(column, n);
            return;
        }
        if self.mode == Mode::Filter && self.condition_follows() || self.wait.compare.is_some() {
            self.subject_column(column);
            return;
        }
        let held = self.draft.conditions.last().is_some_and(|c| {
            let mut columns = Vec::new();
            c.cond.columns(&mut columns);
            columns == [column]
        });
        if self.mode == Mode::Filter
            && held
            && matches!(
                self.behind(),
                Some(
                    Item::Value(..)
                        | Item::Text(..)
                        | Item::Number(_)
                        | Item::Cue(Cue::Be | Cue::In | Cue::Pronoun | Cue::Named | Cue::Of)
                )
            )
        {
            self.wait.pronoun = false;
            return;
        }
        let told = self.condition_follows() || self.wait.negated || self.wait.both || self.wait.named;
        let stem = |p: &Part| self.tokens.get(p.end.saturating_sub(1)).map(|t| t.stem.as_str());
        let said = self.parts.get(self.at).and_then(stem);
        let before = self.parts.get(..self.at).unwrap_or_default();
        let repeated = before.iter().any(|p| matches!(p.item, Item::Table(_) | Item::Column(_)) && stem(p) == said);
        let further = self.mode == Mode::Filter
            && !repeated
            && matches!(self.behind(), Some(Item::Cue(Cue::And)))
            && !told
            && !matches!(
                self.ahead(0),
                Some(Item::Cue(Cue::Be | Cue::Not | Cue::Without | Cue::Have) | Item::Value(..))
            )
            && self.wait.column.is_none()
            && figures_wait(&self.wait);
        if self.mode == Mode::Filter && !further && !std::mem::take(&mut self.wait.pronoun) {
            self.flush_column();
            let figures = self.figures(column);
            self.wait.figure = figures.into_iter().next();
            self.wait.column = Some(column);
            return;
        }
        // "contains X in their names": the column of the condition before.
        if self.mode == Mode::Filter && matches!(self.behind(), Some(Item::Cue(Cue::Pronoun))) {
            let back = self.parts.get(..self.at).unwrap_or_default().iter().rev().map(|p| &p.item);
            let within = back.filter(|i| !matches!(i, Item::Cue(Cue::Idle | Cue::Pronoun))).next();
            if matches!(within, Some(Item::Cue(Cue::In)))
                && let Some(Condition { cond: Cond::Like(..), .. }) = self.draft.conditions.last()
            {
                return;
            }
        }
        let again = matches!(self.draft.outputs.last(), Some(Output::Expr(Expr::Agg(_, inner))) if **inner == Expr::Column(column));
        if again && self.wait.aggs.is_empty() && !self.wait.and {
            return;
        }
        let listed = std::mem::take(&mut self.wait.and);
        if listed
            && measure
            && self.wait.aggs.is_empty()
            && let Some(Output::Expr(Expr::Agg(agg, _))) = self.draft.outputs.last()
            && *agg != Agg::Distinct
        {
            self.wait.aggs.push(*agg);
        }
        let figured = self
            .draft
            .outputs
            .iter()
            .any(|o| matches!(o, Output::CountOf(_)) || matches!(o, Output::Expr(e) if e.is_aggregate()));
        if !listed && self.mode == Mode::Select && self.wait.aggs.is_empty() && !self.draft.outputs.is_empty() {
            match self.behind() {
                Some(Item::Cue(Cue::By)) if figured => {
                    push_new(&mut self.draft.group, Expr::Column(column));
                    return;
                }
                Some(Item::Cue(Cue::By)) => {
                    self.draft.order.push((Expr::Column(column), self.wait.direction.take().unwrap_or(false)));
                    return;
                }
                Some(Item::Cue(Cue::In)) if figured => {
                    self.note_table(column.table);
                    self.draft.within_column = Some(column);
                    self.draft.cost += 0.3;
                    return;
                }
                _ => {}
            }
        }
        // "state names" are the states.
        let phrase = self.phrase();
        if matches!(phrase.as_str(), "name" | "names")
            && matches!(self.part_before(), Some(Item::Column(c)) if self.index.kind(*c) == Kind::Text
                && self.draft.outputs.last() == Some(&Output::Expr(Expr::Column(*c))))
        {
            return;
        }
        // "performances they attended": a verb, not a further thing to show.
        let verb = {
            let phrase = self.phrase();
            !phrase.contains(' ') && phrase.ends_with("ed")
        };
        if verb
            && !listed
            && self.mode == Mode::Select
            && figures_wait(&self.wait)
            && !self.draft.outputs.is_empty()
            && matches!(self.behind(), Some(Item::Table(_) | Item::Column(_) | Item::Cue(Cue::Pronoun | Cue::Be)))
        {
            self.note_table(column.table);
            return;
        }
        // "the names of colleges" are the colleges, where those are a column.
        if figures_wait(&self.wait) && self.mode == Mode::Select && self.names_next() {
            return;
        }
        // "the classes of players": whose classes, not a further thing to show.
        let of = matches!(self.behind(), Some(Item::Cue(Cue::Of)));
        if owner
            && of
            && !listed
            && self.mode == Mode::Select
            && self.wait.aggs.is_empty()
            && (self.index.kind(column) == Kind::Text || self.parts.get(self.at).is_some_and(|p| p.strength < 0.85))
            && matches!(self.draft.outputs.last(), Some(Output::Expr(_)))
            && self.phrase().ends_with('s')
        {
            self.note_table(column.table);
            return;
        }
        let figures = self.figures(column);
        if figures.is_empty() {
            if std::mem::take(&mut self.wait.distinct) {
                self.draft.distinct = true;
            }
            if let Some(names) = self.referred(column) {
                self.draft.outputs.extend(names.iter().map(|c| Output::Expr(Expr::Column(*c))));
                return;
            }
            self.draft.outputs.push(Output::Expr(Expr::Column(column)));
        }
        self.draft.outputs.extend(figures.into_iter().map(Output::Expr));
        if matches!(self.ahead(0), Some(Item::Cue(Cue::Be | Cue::Compare(..) | Cue::Between)))
            && matches!(self.ahead(1), Some(Item::Value(..) | Item::Number(_)))
        {
            self.wait.column = None;
        }
    }

    /// Whether a value of the column itself follows, with "is" between or nothing.
    fn own_value_follows(&self, column: ColumnId) -> bool {
        let own = |i: Option<&Item>| matches!(i, Some(Item::Value(c, _)) if *c == column);
        let be = matches!(
            self.ahead(0),
            Some(Item::Cue(Cue::Be | Cue::Named | Cue::In | Cue::Of | Cue::By | Cue::Both | Cue::Or))
        );
        let year = self.index.column(column).words.has("year")
            && (matches!(self.ahead(0), Some(Item::Number(_)))
                || matches!(self.ahead(0), Some(Item::Cue(Cue::Of | Cue::Be | Cue::In)))
                    && matches!(self.ahead(1), Some(Item::Number(_))));
        let dated = matches!(self.ahead(0), Some(Item::Date(_)))
            || matches!(self.ahead(0), Some(Item::Cue(Cue::In | Cue::Be)))
                && matches!(self.ahead(1), Some(Item::Date(_)));
        let counts = matches!(self.ahead(0), Some(Item::Cue(Cue::Compare(..))))
            && matches!(self.ahead(1), Some(Item::Number(_)))
            && matches!(self.ahead(2), Some(Item::Table(_)));
        let compared =
            !counts && matches!(self.ahead(0), Some(Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Contains(_))));
        compared
            || year
            || dated && self.is_timed(column)
            || own(self.ahead(0))
            || be && own(self.ahead(1))
            || matches!(self.ahead(0), Some(Item::Number(_) | Item::Text(_, true))) && self.adjacent()
    }

    /// Whether "name" is read and what it names is a column of its own.
    fn names_next(&self) -> bool {
        let phrase = self.phrase();
        let said = phrase.strip_prefix("the ").unwrap_or(&phrase);
        let named = match (self.ahead(0), self.ahead(1)) {
            (Some(Item::Cue(Cue::Of | Cue::Each)), Some(Item::Column(c))) => Some(*c),
            _ => None,
        };
        let thing = |c: ColumnId| self.index.kind(c) == Kind::Text || self.referred_by(c).is_some();
        let own = |c: ColumnId| self.index.column(c).words.stems.iter().any(|s| s == "name");
        matches!(said, "name" | "names") && named.is_some_and(|c| thing(c) && !own(c))
    }

    /// What the rows are called that a number refers to, where the question names the thing and not its number.
    fn referred(&self, column: ColumnId) -> Option<&'p [ColumnId]> {
        let asked = self.phrase();
        let number = |w: &str| matches!(w, "id" | "ids" | "code" | "codes" | "number" | "numbers" | "key" | "keys");
        if asked.split(' ').any(number) { None } else { self.referred_by(column) }
    }

    /// What the rows are called that a column refers to by number.
    fn referred_by(&self, column: ColumnId) -> Option<&'p [ColumnId]> {
        if !self.index.column(column).key {
            return None;
        }
        let single = self.index.edges.iter().filter(|e| matches!(e.on.as_slice(), [(from, _)] if *from == column));
        let edge = single.min_by_key(|e| !e.declared)?;
        let to = edge.on.first()?.1;
        let display = self.index.table(edge.to).display.as_slice();
        let name = |c: &ColumnId| {
            let info = self.index.column(*c);
            let own = info.words.stems == self.index.table(c.table).words.stems;
            own || ["name", "title"].iter().any(|w| info.words.ends_with(w)) && !info.words.has("login")
        };
        let named = display.iter().all(|c| self.index.kind(*c) == Kind::Text && *c != to && name(c));
        (named && edge.to != column.table && self.index.kind(to) != Kind::Text).then_some(display)
    }

    /// Whether what is asked about may have several values of a column at once.
    fn several(&self, column: ColumnId) -> bool {
        let many = |entity: TableId| super::draft::owns_many(self.index, &[], entity, column.table);
        self.subject().is_some_and(|s| many(s) || s == column.table && self.attribute().is_some_and(|a| a != column))
    }

    /// The condition before and the next have to hold of different rows.
    fn pair(&mut self) {
        self.wait.both = true;
        if let Some(last) = self.draft.conditions.last_mut() {
            last.both = true;
        }
    }

    /// A column that is a number, or one of two.
    fn equals(&mut self, column: ColumnId, n: f64) {
        let is = |n: f64| Cond::Compare(Expr::Column(column), Op::Eq, Operand::Literal(Literal::Number(n)));
        let other = self.wait.other.take();
        self.wait.or &= other.is_none();
        let again = self.draft.conditions.last().is_some_and(
            |c| matches!(&c.cond, Cond::Compare(Expr::Column(known), Op::Eq, Operand::Literal(_)) if *known == column),
        );
        if again && other.is_none() && self.several(column) {
            self.pair();
        }
        self.condition(match other {
            Some(other) => Cond::Any(vec![is(other), is(n)]),
            None => is(n),
        });
    }

    /// Whether a column dates its rows.
    fn is_timed(&self, column: ColumnId) -> bool {
        let words = &self.index.column(column).words;
        self.index.kind(column).is_time() || ["date", "year", "time", "birth"].iter().any(|w| words.has(w))
    }

    /// Whether a comparison, a value or a number follows the column that is read.
    fn condition_follows(&self) -> bool {
        let next = self.ahead(0);
        let after = self.ahead(1);
        let value = |i: Option<&Item>| {
            matches!(
                i,
                Some(
                    Item::Value(..)
                        | Item::Text(..)
                        | Item::Number(_)
                        | Item::Date(_)
                        | Item::Cue(Cue::Compare(..) | Cue::Between | Cue::Contains(_) | Cue::Named)
                )
            )
        };
        value(next)
            || matches!(
                next,
                Some(Item::Cue(
                    Cue::Be | Cue::In | Cue::Of | Cue::Not | Cue::Have | Cue::Named | Cue::Both | Cue::Or | Cue::Do
                ))
            ) && value(after)
    }

    fn subject_column(&mut self, column: ColumnId) {
        if self.wait.column.is_some() {
            self.flush_column();
        }
        let figures = self.figures(column);
        self.wait.figure = figures.into_iter().next();
        self.wait.column = Some(column);
    }

    fn superlative_column(&mut self, column: ColumnId, most: bool, measure: bool) {
        let counted = std::mem::take(&mut self.wait.counted);
        let figure = self.figures(column).into_iter().next();
        let attached = std::mem::take(&mut self.wait.attached);
        let asked =
            self.draft.outputs.is_empty() && self.wait.limit.is_none() && self.draft.limit.is_none() && !attached;
        if asked && self.mode == Mode::Select && measure && !self.draft.within {
            let agg = if most { Agg::Max } else { Agg::Min };
            self.draft.outputs.push(Output::Expr(Expr::Agg(agg, Box::new(Expr::Column(column)))));
            return;
        }
        if counted && !measure {
            self.note_table(column.table);
            self.order_by(Expr::Count, most);
            return;
        }
        if self.mode == Mode::Select
            && !self.draft.outputs.is_empty()
            && self.wait.and
            && measure
            && self.draft.outputs.iter().any(|o| matches!(o, Output::Expr(e) if e.is_aggregate()))
        {
            let agg = if most { Agg::Max } else { Agg::Min };
            self.draft.outputs.push(Output::Expr(Expr::Agg(agg, Box::new(Expr::Column(column)))));
            return;
        }
        if self.draft.outputs.is_empty() && self.draft.entity.is_none() {
            self.draft.outputs.push(Output::Expr(Expr::Column(column)));
        }
        let countable =
            !measure && figure.is_none() && !self.index.kind(column).is_time() && self.index.kind(column) == Kind::Text;
        if countable && !self.draft.outputs.is_empty() {
            self.note_table(column.table);
            self.draft.cost += 0.4;
        }
        let expr = figure.unwrap_or(Expr::Column(column));
        self.order_by(if countable { Expr::Count } else { expr }, most);
    }

    fn count_column(&mut self, column: ColumnId, measure: bool) {
        self.note_table(column.table);
        let unique = self.index.is_unique(column);
        let asked = std::mem::take(&mut self.wait.distinct);
        let expr = if measure && !asked {
            Expr::Column(column)
        } else if unique && !asked && (self.index.column(column).key || measure) {
            Expr::Count
        } else {
            distinct(column)
        };
        match self.mode {
            Mode::Select => self.draft.outputs.push(Output::Expr(expr)),
            Mode::Filter if measure => self.wait.column = Some(column),
            Mode::Filter => self.wait.figure = Some(Expr::Count),
            Mode::Order => {
                let down = self.wait.direction.take().unwrap_or(false);
                self.draft.order.push((expr, down));
            }
        }
    }

    /// A column that was named and waits for a comparison that does not come.
    fn flush_column(&mut self) {
        let soon = |place: usize| matches!(self.ahead(place), Some(Item::Value(c, _)) if Some(*c) == self.wait.column);
        if self.wait.negated && (0..4).any(soon) {
            return;
        }
        if let Some(column) = self.wait.column.take() {
            if std::mem::take(&mut self.wait.negated) {
                self.draft.conditions.push(Condition {
                    cond: Cond::Null(column, true),
                    negated: false,
                    or: false,
                    both: false,
                });
            } else {
                self.note_table(column.table);
                self.draft.cost += 0.5;
            }
        }
    }

    fn condition(&mut self, cond: Cond) {
        let negated = std::mem::take(&mut self.wait.negated);
        let or = std::mem::take(&mut self.wait.or);
        self.wait.and = false;
        self.wait.named = false;
        let mut columns = Vec::new();
        cond.columns(&mut columns);
        let table = columns.first().map(|c| c.table);
        let subject = self.subject();
        if negated
            && !self.negated_open
            && let Some(table) = table.filter(|t| Some(*t) != subject && !self.draft.outputs.is_empty())
            && subject.is_some_and(|s| super::draft::owns_many(self.index, &[], s, table))
        {
            self.none_of(table);
        }
        if self.negated_open
            && (table != subject || self.attribute().is_some())
            && let Some((_, conds)) = self.draft.without.last_mut()
        {
            match conds.pop() {
                Some(Cond::Any(mut all)) if or => {
                    all.push(cond);
                    conds.push(Cond::Any(all));
                }
                Some(one) if or => conds.push(Cond::Any(vec![one, cond])),
                other => {
                    conds.extend(other);
                    conds.push(cond);
                }
            }
            return;
        }
        let both = self.wait.both;
        self.draft.conditions.push(Condition { cond, negated, or, both });
    }

    fn value(&mut self, column: ColumnId, text: String) {
        self.wait.owner = false;
        let subject = self.wait.column.take();
        let (column, text) = match subject {
            Some(subject) if subject != column => match self.stored_in(subject, &text) {
                Some(stored) => (subject, stored),
                None => {
                    if !self.index.edges.iter().any(|e| e.on.iter().any(|(a, _)| *a == subject)) {
                        self.draft.cost += 0.4;
                    }
                    (column, text)
                }
            },
            _ => (column, text),
        };
        let (op, _) = self.wait.compare.take().unwrap_or((Op::Eq, None));
        // "under the subject X", "over the phone": places, no sizes.
        let op = if op == Op::Ne || text.parse::<f64>().is_ok() || self.index.kind(column) != Kind::Text {
            op
        } else {
            Op::Eq
        };
        if let Some(place) = self.wait.contains.take() {
            let column = self.last_column.unwrap_or(column);
            self.condition(Cond::Like(column, place, text, false));
            return;
        }
        let cond = Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Text(text)));
        if !self.wait.negated && self.draft.conditions.iter().any(|c| c.cond == cond) {
            return;
        }
        // Two values of one column that a row cannot have at once are alternatives.
        let last = self.draft.conditions.last();
        let again = last.is_some_and(|c| {
            matches!(&c.cond, Cond::Compare(Expr::Column(known), Op::Eq, Operand::Literal(_)) if *known == column)
                && !c.both
                && !c.negated
        });
        if again && op == Op::Eq && !self.wait.negated {
            if self.wait.and && self.several(column) && !self.wait.or {
                self.pair();
            } else {
                self.wait.or = true;
            }
        }
        self.condition(cond);
    }

    fn stored_in(&self, column: ColumnId, text: &str) -> Option<String> {
        let values = self.index.values(&text.to_lowercase());
        values.iter().find(|v| v.column == column).map(|v| v.text.clone())
    }

    fn text(&mut self, text: String, quoted: bool) {
        self.wait.owner = false;
        let entity = self.last_table.or(self.draft.entity);
        let display = entity.and_then(|t| self.index.table(t).display.first().copied());
        if self.wait.or
            && self.wait.contains.is_none()
            && let Some(Condition { cond: Cond::Like(column, place, ..), .. }) = self.draft.conditions.last()
        {
            let cond = Cond::Like(*column, *place, text, false);
            self.condition(cond);
            return;
        }
        if let Some(place) = self.wait.contains.take() {
            let column = self.wait.column.take().or(self.last_column).or(display);
            match column {
                Some(column) => self.condition(Cond::Like(column, place, text, false)),
                None => self.draft.cost += 3.0,
            }
            return;
        }
        let column = self.wait.column.take().or(if self.wait.named { display } else { None });
        let guess = column.or(if quoted { self.last_column.or(display) } else { None });
        let Some(column) = guess else {
            self.draft.cost += 3.0;
            return;
        };
        self.draft.cost += if quoted { 1.0 } else { 2.0 };
        let op = self.wait.compare.take().map_or(Op::Eq, |c| c.0);
        // What stands nowhere as a whole can only be a part.
        if quoted && op == Op::Eq && !self.wait.negated && self.index.kind(column) == Kind::Text {
            self.condition(Cond::Like(column, Place::Inside, text, false));
            return;
        }
        self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Text(text))));
    }

    fn number(&mut self, n: f64) {
        let behind = match (self.ahead(0), self.ahead(1)) {
            (_, Some(Item::Number(_))) => None,
            (Some(Item::Cue(Cue::Behind(op))), _) => Some(*op),
            _ => None,
        };
        if let Some(op) = behind {
            self.wait.compare = Some((op, None));
        }
        if let Some(Item::Table(table)) = self.part_before()
            && self.wait.compare.is_none()
            && self.wait.between.is_none()
            && behind.is_none()
            && !matches!(self.ahead(0), Some(Item::Cue(Cue::Aged | Cue::Times)))
            && let Some(key) = self.index.table(*table).key
        {
            self.condition(Cond::Compare(Expr::Column(key), Op::Eq, Operand::Literal(Literal::Number(n))));
            return;
        }
        if let Some(first) = self.wait.between {
            match first {
                None => {
                    self.wait.between = Some(Some(n));
                }
                Some(low) => self.between(low, n),
            }
            return;
        }
        if self.wait.top.is_some() {
            self.wait.limit = limit(n);
            self.wait.number = Some(n);
            return;
        }
        let superlative_next = matches!(self.ahead(0), Some(Item::Cue(Cue::Superlative(..) | Cue::Frequent(_))));
        if superlative_next {
            self.wait.limit = limit(n);
            return;
        }
        if self.wait.superlative.is_some() && self.wait.compare.is_none() {
            self.wait.limit = limit(n);
            return;
        }
        let until = self.parts.get(self.at + 1).and_then(|p| self.tokens.get(p.start)).map(|t| t.lower.as_str());
        if self.wait.column.is_some()
            && self.wait.compare.is_none()
            && matches!(until, Some("to" | "-" | "through"))
            && matches!(self.ahead(1), Some(Item::Number(_)))
        {
            self.wait.between = Some(Some(n));
            return;
        }
        let compare = self.wait.compare;
        if compare.is_none()
            && matches!(self.ahead(0), Some(Item::Cue(Cue::Or)))
            && matches!(self.ahead(1), Some(Item::Number(_)))
            && matches!(self.ahead(2), Some(Item::Column(c)) if is_measure(self.index, *c))
        {
            self.wait.other = Some(n);
            return;
        }
        if let Some(figure) = self.wait.figure.take() {
            let op = compare.map_or(Op::Eq, |c| c.0);
            self.wait.compare = None;
            self.wait.column = None;
            self.draft.having.push(Cond::Compare(figure, op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if compare.is_some() && matches!(self.ahead(0), Some(Item::Table(_))) {
            self.wait.column = None;
        }
        if let Some(column) = self.wait.column.take() {
            let op = compare.map_or(Op::Eq, |c| c.0);
            let year = (1000.0..2200.0).contains(&n) && n.fract() == 0.0;
            if year
                && self.is_timed(column)
                && !is_measure(self.index, column)
                && !self.index.column(column).words.has("year")
            {
                self.wait.compare = None;
                self.in_year(column, n, op);
                return;
            }
            self.wait.compare = None;
            self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if let Some((op, quality)) = compare.filter(|c| c.1.is_some()) {
            if let Some((column, grows)) = self.quality_column(quality) {
                let op = if grows { op } else { mirrored(op) };
                self.wait.compare = None;
                self.condition(Cond::Compare(Expr::Column(column), op, Operand::Literal(Literal::Number(n))));
                return;
            }
        }
        let next = self.ahead(if behind.is_some() { 1 } else { 0 });
        if matches!(self.phrase().as_str(), "once" | "twice" | "thrice") {
            self.wait.number = Some(n);
            self.times();
            return;
        }
        let named = matches!(next, Some(Item::Column(_) | Item::Table(_)));
        if let Some((op, None)) = compare.filter(|_| !named && self.compares_again())
            && let Some(Condition { cond: Cond::Compare(expr, _, Operand::Literal(Literal::Number(_))), .. }) =
                self.draft.conditions.last()
        {
            let expr = expr.clone();
            self.wait.compare = None;
            self.condition(Cond::Compare(expr, op, Operand::Literal(Literal::Number(n))));
            return;
        }
        if matches!(next, Some(Item::Cue(Cue::Aged | Cue::Times))) {
            self.wait.number = Some(n);
            return;
        }
        let of_next = compare.is_some()
            && matches!(self.ahead(0), Some(Item::Cue(Cue::In | Cue::Of)))
            && matches!(self.ahead(1), Some(Item::Column(c)) if is_measure(self.index, *c));
        if of_next {
            self.wait.number = Some(n);
            return;
        }
        let number_of_next =
            matches!(next, Some(Item::Column(_) | Item::Table(_))) || matches!(next, Some(Item::Cue(Cue::Distinct)));
        if self.mode == Mode::Filter && !number_of_next {
            self.lone_number(n);
            return;
        }
        self.wait.number = Some(n);
        self.wait.lone = compare.is_none();
    }

    /// A year's number compared with a column of days.
    fn in_year(&mut self, column: ColumnId, n: f64, op: Op) {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be a year")]
        let day = |year: f64| jiff::civil::Date::new(year as i16, 1, 1).ok().map(|d| d.at(0, 0, 0, 0));
        let Some((from, to)) = day(n).zip(day(n + 1.0)) else { return };
        let expr = Expr::Column(column);
        let at = |time| Operand::Literal(Literal::Time(time));
        self.condition(match op {
            Op::Gt => Cond::Compare(expr, Op::Ge, at(to)),
            Op::Ge => Cond::Compare(expr, Op::Ge, at(from)),
            Op::Lt => Cond::Compare(expr, Op::Lt, at(from)),
            Op::Le => Cond::Compare(expr, Op::Lt, at(to)),
            Op::Eq | Op::Ne => Cond::During(column, from, to),
        });
    }

    /// A number behind a column that was shown, or a year.
    fn lone_number(&mut self, n: f64) {
        let op = self.wait.compare.take().map_or(Op::Eq, |c| c.0);
        let literal = Operand::Literal(Literal::Number(n));
        let year = (1000.0..2200.0).contains(&n) && n.fract() == 0.0;
        let named = |word: &str, c: &ColumnId| self.index.column(*c).words.has(word);
        let tables: Vec<TableId> = self.draft.tables.iter().copied().chain(self.draft.entity).collect();
        let year_column =
            tables.iter().flat_map(|t| self.index.columns(*t)).find(|c| named("year", c)).filter(|_| year);
        let column = year_column.or_else(|| self.last_column.filter(|c| is_measure(self.index, *c)));
        match column {
            Some(column) => self.condition(Cond::Compare(Expr::Column(column), op, literal)),
            None if !self.draft.tables.is_empty() && self.wait.figure.is_some() => {
                self.draft.having.push(count_compared(op, literal))
            }
            None => self.draft.cost += 2.0,
        }
    }

    /// The year of what is asked about.
    fn year_column(&self) -> Option<ColumnId> {
        let named = self.parts.iter().filter_map(|p| match &p.item {
            Item::Table(table) => Some(*table),
            Item::Column(column) | Item::Value(column, _) => Some(column.table),
            _ => None,
        });
        let tables: Vec<TableId> = self.draft.entity.into_iter().chain(named).collect();
        tables.iter().flat_map(|t| self.index.columns(*t)).find(|c| self.index.column(*c).words.has("year"))
    }

    fn between(&mut self, low: f64, high: f64) {
        self.wait.between = None;
        let year = |n: f64| (1000.0..2200.0).contains(&n) && n.fract() == 0.0;
        let dated = self.year_column().filter(|_| year(low) && year(high));
        let behind = match self.ahead(0) {
            Some(Item::Column(c)) if is_measure(self.index, *c) => Some(*c),
            _ => None,
        };
        let column =
            self.wait.column.take().or(behind).or(dated).or(self.last_column.filter(|c| is_measure(self.index, *c)));
        if let Some(figure) = self.wait.figure.take() {
            self.draft.having.push(Cond::Between(figure, Literal::Number(low), Literal::Number(high)));
        } else if let Some(column) = column {
            self.condition(Cond::Between(Expr::Column(column), Literal::Number(low), Literal::Number(high)));
        } else {
            self.draft.cost += 2.0;
        }
    }

    fn date(&mut self, at: usize) {
        let Some(span) = self.dated.get(at) else { return };
        let column = self.wait.column.take().filter(|c| {
            self.index.kind(*c) != Kind::Text
                || self.index.column(*c).words.has("date")
                || self.index.column(*c).words.has("time")
        });
        let Some(column) = column.or_else(|| self.time_column()) else {
            self.draft.cost += 3.0;
            return;
        };
        let compare = self.wait.compare.take();
        let kind = self.index.kind(column);
        let whole_year = span.precision == dates::Unit::Year;
        if kind.is_number() || kind == Kind::Text && self.index.column(column).words.has("year") {
            if !whole_year {
                self.draft.cost += 2.0;
            }
            self.year_range(column, span, compare.map(|c| c.0));
            return;
        }
        match compare {
            Some((Op::Gt, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Ge, Operand::Literal(Literal::Time(span.to))))
            }
            Some((Op::Ge, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Ge, Operand::Literal(Literal::Time(span.from))))
            }
            Some((Op::Lt, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Lt, Operand::Literal(Literal::Time(span.from))))
            }
            Some((Op::Le, _)) => {
                self.condition(Cond::Compare(Expr::Column(column), Op::Lt, Operand::Literal(Literal::Time(span.to))))
            }
            _ => self.condition(Cond::During(column, span.from, span.to)),
        }
    }

    /// A range of years over a column of years' numbers.
    fn year_range(&mut self, column: ColumnId, span: &dates::Span, op: Option<Op>) {
        let number = |n: i16| Literal::Number(f64::from(n));
        let last = if span.to.date().day_of_year() == 1 { span.to.year() - 1 } else { span.to.year() };
        let expr = Expr::Column(column);
        let compare = |op: Op, year: i16| Cond::Compare(Expr::Column(column), op, Operand::Literal(number(year)));
        let cond = match op {
            Some(op) => compare(op, span.from.year()),
            None if span.is_open_before() => compare(Op::Le, last),
            None if span.is_open_after() => compare(Op::Ge, span.from.year()),
            None if last > span.from.year() => Cond::Between(expr, number(span.from.year()), number(last)),
            None => compare(Op::Eq, span.from.year()),
        };
        self.condition(cond);
    }

    /// The column that dates the rows asked about: the operator's, else the first time of the tables named.
    fn time_column(&self) -> Option<ColumnId> {
        let named = self.parts.iter().filter_map(|p| match &p.item {
            Item::Table(table) => Some(*table),
            Item::Column(column) | Item::Value(column, _) => Some(column.table),
            _ => None,
        });
        let tables: Vec<TableId> = self.last_table.into_iter().chain(self.draft.entity).chain(named).collect();
        let told = tables.iter().find_map(|t| self.index.time.get(t).copied());
        let times = |t: &TableId| self.index.columns(*t).filter(|c| self.index.kind(*c).is_time()).collect::<Vec<_>>();
        // "registered in 2016" is the date of the registration where there is one.
        let said = |c: &ColumnId| {
            let generic = |s: &str| matches!(s, "date" | "time" | "year" | "timestamp" | "at" | "day");
            let own = self.index.column(*c).own_words().iter().map(|w| super::words::stem(w));
            let own: Vec<String> = own.filter(|s| !generic(s)).collect();
            own.iter().any(|s| self.tokens.iter().any(|t| t.stem == *s))
        };
        let word = |c: &ColumnId| {
            let words = &self.index.column(*c).words;
            words.has("date") || words.has("year") || words.has("timestamp")
        };
        let linked = tables.iter().flat_map(|t| {
            let bridge = |o: &TableId| self.index.table(*o).bridge && !tables.contains(o);
            let edges = self.index.edges.iter().filter(move |e| e.to == *t).map(|e| e.from);
            edges.filter(bridge).collect::<Vec<_>>()
        });
        let near: Vec<TableId> = tables.iter().copied().chain(linked).collect();
        let dated = |c: &ColumnId| self.index.kind(*c).is_time() || word(c);
        let spoken = || near.iter().flat_map(|t| self.index.columns(*t)).find(|c| dated(c) && said(c));
        let typed = || spoken().or_else(|| tables.iter().flat_map(times).next());
        let by_name = || tables.iter().flat_map(|t| self.index.columns(*t)).find(word);
        told.or_else(typed).or_else(by_name).or_else(|| {
            let only = (0..self.index.tables.len()).collect::<Vec<_>>();
            if only.len() == 1 { only.iter().flat_map(times).next() } else { None }
        })
    }

    fn bucket(&mut self, make: impl Fn(ColumnId) -> Expr) {
        if self.mode == Mode::Order || self.everything {
            let down = self.wait.direction.take().unwrap_or(false);
            match self.time_column() {
                Some(time) => self.draft.order.push((Expr::Column(time), down)),
                None => self.draft.cost += 2.0,
            }
            return;
        }
        match self.time_column() {
            // A column of years is its own year.
            Some(time) if self.index.kind(time).is_number() || self.index.is_numeric_text(time) => {
                push_new(&mut self.draft.group, Expr::Column(time));
            }
            Some(time) => push_new(&mut self.draft.group, make(time)),
            None => self.draft.cost += 2.0,
        }
    }

    /// What still waits at the end.
    fn finish(&mut self) {
        self.flush_column();
        if let Some((quality, at)) = self.wait.measure.take() {
            match self.quality_column(Some(quality)) {
                Some((column, _)) => {
                    let figures = self.figures(column);
                    let shown = figures.into_iter().next().unwrap_or(Expr::Column(column));
                    self.draft.outputs.retain(|o| !matches!(o, Output::Rows(_)));
                    let shown = Output::Expr(shown);
                    let there = |o: &Output| match o {
                        Output::Expr(Expr::Agg(_, inner)) => **inner == Expr::Column(column),
                        other => *other == shown,
                    };
                    if !self.draft.outputs.iter().any(there) {
                        self.draft.outputs.insert(at.min(self.draft.outputs.len()), shown);
                    }
                }
                None => self.draft.cost += 2.0,
            }
        }
        if self.wait.rows
            && let Some(table) = self.draft.entity.or(self.draft.tables.first().copied())
        {
            self.draft.outputs.retain(|o| !matches!(o, Output::Rows(_)));
            self.draft.outputs.insert(0, Output::CountOf(table));
        }
        if self.wait.aggs == [Agg::Sum]
            && let Some(Output::Expr(shown @ Expr::Column(_))) = self.draft.outputs.last_mut()
            && matches!(shown, Expr::Column(c) if is_measure(self.index, *c))
        {
            self.wait.aggs.clear();
            *shown = Expr::Agg(Agg::Sum, Box::new(shown.clone()));
        }
        if let Some((most, None)) = self.wait.superlative
            && self.draft.order.is_empty()
            && self.draft.tables.len() > 1
            && self.wait.aggs.is_empty()
        {
            self.wait.superlative = None;
            self.order_by(Expr::Count, most);
        }
        if self.wait.alphabetical {
            self.by_letters();
        }
        if self.mode == Mode::Order
            && self.draft.order.is_empty()
            && let Some(down) = self.wait.direction.take()
            && let Some(Output::Expr(shown)) = self.draft.outputs.first()
        {
            self.draft.order.push((shown.clone(), down));
        }
        if self.mode == Mode::Order && std::mem::take(&mut self.wait.count) {
            let down = self.wait.direction.take().unwrap_or(false);
            self.draft.order.push((Expr::Count, down));
        }
        let draft = &mut self.draft;
        if self.wait.count {
            let held = draft.conditions.iter().find_map(|c| {
                let mut columns = Vec::new();
                c.cond.columns(&mut columns);
                columns.first().map(|c| c.table)
            });
            if let Some(table) = draft.entity.or(draft.tables.first().copied()).or(held) {
                if !draft.outputs.iter().any(|o| matches!(o, Output::CountOf(_))) {
                    draft.outputs.retain(|o| !matches!(o, Output::Rows(_)));
                    draft.outputs.push(Output::CountOf(table));
                }
            }
        }
        draft.cost += f64::from(u8::from(self.wait.superlative.is_some()));
        draft.cost += f64::from(u8::from(self.wait.compare.is_some())) * 1.5;
        draft.cost += f64::from(u8::from(self.wait.number.is_some())) * 1.5;
        draft.cost += f64::from(u8::from(!self.wait.aggs.is_empty())) * 1.0;
        draft.cost += f64::from(u8::from(self.wait.figure.is_some())) * 1.0;
        draft.cost += f64::from(u8::from(self.wait.negated)) * 2.0;
        draft.cost += f64::from(u8::from(self.wait.contains.is_some())) * 2.0;
        draft.cost += f64::from(u8::from(self.wait.between.is_some())) * 2.0;
        // "and how many of each": of each row that is shown.
        if self.wait.each && !draft.outputs.iter().any(|o| matches!(o, Output::CountOf(_))) {
            draft.cost += 0.5;
        }
        if draft.limit.is_some() && draft.order.is_empty() {
            draft.cost += 0.3;
        }
        if let Some(place) = self.asked_place {
            self.answer_where(place);
        }
    }

    /// `where is …`, `when was …`: the place or time of what is asked about.
    fn answer_where(&mut self, place: bool) {
        let Some(table) = self.draft.entity else { return };
        if !self.draft.outputs.iter().all(|o| matches!(o, Output::Rows(_))) {
            return;
        }
        let words: &[&str] = if place {
            &["location", "address", "city", "place", "venue", "state", "country"]
        } else {
            &["date", "time", "year", "day"]
        };
        let rank = |c: &ColumnId| {
            let info = self.index.column(*c);
            let kind = self.index.kind(*c);
            let named =
                words.iter().position(|w| info.words.has(w)).or((!place && kind.is_time()).then_some(words.len()))?;
            let said = info.words.stems.iter().filter(|s| self.tokens.iter().any(|t| t.stem == **s)).count();
            Some((usize::MAX - said, named, c.at))
        };
        let found = self.index.columns(table).filter(|c| rank(c).is_some()).min_by_key(rank);
        match found {
            Some(column) => self.draft.outputs = vec![Output::Expr(Expr::Column(column))],
            None => self.draft.cost += 2.0,
        }
    }
}

/// Whether a column is read for itself and not for a figure.
fn figures_wait(wait: &Pending) -> bool {
    wait.aggs.is_empty() && !wait.count && wait.superlative.is_none() && wait.frequent.is_none()
}

fn push_new(list: &mut Vec<Expr>, expr: Expr) {
    if !list.contains(&expr) {
        list.push(expr);
    }
}

/// A comparison as it reads from the other end of the scale: older is born before.
fn mirrored(op: Op) -> Op {
    match op {
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        same => same,
    }
}

/// A number of rows.
fn limit(n: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and small")]
    (n.fract() == 0.0 && (1.0..=1e9).contains(&n)).then_some(n as u64)
}
