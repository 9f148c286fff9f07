//! How far a reading can be trusted: a logistic model over what was left unexplained and what had to be assumed.

use super::assign::{Assignment, Item};
use super::logic::{Expr, Query};
use super::words::Token;

/// What is known about a reading when it is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signs {
    /// Words that mean nothing in the schema and shape nothing.
    pub unexplained: f64,
    /// The product of how well the names fit, as a logarithm; 0 is a perfect fit.
    pub strength: f64,
    /// What did not fit into the logical form.
    pub cost: f64,
    /// Joins.
    pub joins: f64,
    /// Conditions on rows and groups.
    pub conditions: f64,
    /// 1 where rows are grouped.
    pub grouped: f64,
    /// 1 where a query stands inside it.
    pub nested: f64,
    /// 1 where the order is cut off.
    pub limited: f64,
    /// Columns shown.
    pub shown: f64,
    /// Pieces of the question that name something.
    pub mentions: f64,
    /// 1 where what is shown is only what rows are called by, which the question does not say.
    pub assumed: f64,
    /// How far the next reading is behind.
    pub margin: f64,
    /// Words of the question.
    pub words: f64,
}

/// The weights of [`Signs`], in its order, and the constant. Fitted to whether the answers were right, over questions
/// about databases that were not those the result was checked on.
const WEIGHTS: [f64; 13] =
    [-0.456, 0.567, -1.276, -0.361, -0.173, 0.149, 0.331, -0.127, -0.284, 0.203, -1.012, 0.475, -0.083];
const CONSTANT: f64 = 1.384;

impl Signs {
    /// Of a reading; `cost` and `margin` come from the reader and the ranking.
    #[must_use]
    pub fn of(combination: &Assignment, query: &Query, tokens: &[Token], joins: usize, cost: f64) -> Self {
        let parts = &combination.parts;
        let word = |start: usize| tokens.get(start).is_some_and(Token::is_word);
        let unexplained = parts.iter().filter(|p| p.item == Item::Unknown && word(p.start)).count();
        let named = |i: &Item| matches!(i, Item::Table(_) | Item::Column(_) | Item::Value(..) | Item::Metric(_));
        let mentions = parts.iter().filter(|p| named(&p.item));
        let column = |e: &Expr| matches!(e, Expr::Column(c) if parts.iter().any(|p| p.item == Item::Column(*c)));
        let plain = query.select.iter().filter(|e| !e.is_aggregate());
        Self {
            unexplained: count(unexplained),
            strength: mentions.clone().map(|p| p.strength.max(0.05).ln()).sum(),
            cost,
            joins: count(joins),
            conditions: count(query.filter.len() + query.having.len()),
            grouped: flag(!query.group.is_empty()),
            nested: flag(!query.inner().is_empty()),
            limited: flag(query.limit.is_some()),
            shown: count(query.select.len()),
            mentions: count(mentions.count()),
            assumed: flag(plain.clone().count() > 0 && !plain.clone().all(column)),
            margin: 0.0,
            words: count(tokens.iter().filter(|t| t.is_word()).count()),
        }
    }

    /// In the order of the weights.
    #[must_use]
    pub fn values(&self) -> [f64; 13] {
        [
            self.unexplained.min(4.0),
            self.strength.max(-3.0),
            self.cost.min(4.0),
            self.joins.min(4.0),
            self.conditions.min(4.0),
            self.grouped,
            self.nested,
            self.limited,
            self.shown.min(5.0),
            self.mentions.min(8.0),
            self.assumed,
            self.margin.min(2.0),
            self.words.min(30.0),
        ]
    }

    /// The probability that the reading is what was meant.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        let sum: f64 = self.values().iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
        1.0 / (1.0 + (-(sum + CONSTANT)).exp())
    }
}

fn count(n: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful of words")]
    let n = n as f64;
    n
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
