//! How far a reading can be trusted: a forest of small decision trees over its [`signs`], fitted to whether readings
//! gave the right rows.
//!
//! `tools/fit-confidence` makes the forest, `forest.txt`: it reads questions about many databases with this translator,
//! runs every reading and compares its rows with those of the right SQL, questions put to a database that cannot answer
//! them among them. It is checked by leaving databases out. The file's first line names the signs in their order; each
//! further line is a tree, its nodes from the root down, the left branch first: `3<0.5` goes left where the fourth sign
//! is at most 0.5, `=0.12` adds to the log-odds. A second forest of the same form, `results.txt`, judges again where the
//! likeliest readings could be run ([`results`]).

mod neglected;
pub mod results;
mod signs;

use std::sync::LazyLock;

pub use neglected::{leaves_out_never_or_only, neglects};
pub use signs::{Seen, Signs, Standing};

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Node {
    /// Left, the next node, where the sign is at most the bound; else the node at the place.
    Branch { sign: usize, bound: f64, right: usize },
    /// The end.
    Leaf(f64),
}

/// Trees over named signs.
#[derive(Debug)]
struct Forest {
    /// The names of the signs it was fitted to, in their order.
    #[cfg(test)]
    signs: Vec<&'static str>,
    trees: Vec<Vec<Node>>,
}

static FOREST: LazyLock<Forest> = LazyLock::new(|| Forest::of(include_str!("forest.txt")));

impl Forest {
    /// From its lines.
    fn of(text: &'static str) -> Self {
        Self {
            #[cfg(test)]
            signs: text.lines().next().unwrap_or_default().split('|').collect(),
            trees: text.lines().skip(1).map(tree).collect(),
        }
    }

    fn probability(&self, signs: &Signs) -> f64 {
        let sum: f64 = self.trees.iter().map(|tree| value(tree, signs)).sum();
        1.0 / (1.0 + (-sum).exp())
    }

    /// Whether every branch leads to a node of its tree by a sign that there is.
    #[cfg(test)]
    fn is_whole(&self) -> bool {
        let whole = |nodes: &Vec<Node>| {
            nodes.iter().enumerate().all(|(at, node)| match node {
                Node::Branch { sign, right, .. } => *sign < self.signs.len() && *right > at + 1 && *right < nodes.len(),
                Node::Leaf(_) => true,
            })
        };
        self.trees.len() > 20 && self.trees.iter().all(whole)
    }
}

/// A tree from its line.
fn tree(line: &str) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    // Branches whose left side is being read.
    let mut open: Vec<usize> = Vec::new();
    for word in line.split(' ') {
        let here = nodes.len();
        if let Some((sign, bound)) = word.split_once('<') {
            open.push(here);
            nodes.push(Node::Branch {
                sign: sign.parse().unwrap_or_default(),
                bound: bound.parse().unwrap_or_default(),
                right: 0,
            });
        } else {
            nodes.push(Node::Leaf(word.trim_start_matches('=').parse().unwrap_or_default()));
            if let Some(Node::Branch { right, .. }) = open.pop().and_then(|at| nodes.get_mut(at)) {
                *right = here + 1;
            }
        }
    }
    nodes
}

fn value(nodes: &[Node], signs: &Signs) -> f64 {
    let mut at = 0;
    // A branch leads onward only, so that this ends.
    while let Some(node) = nodes.get(at) {
        match node {
            Node::Leaf(value) => return *value,
            Node::Branch { sign, bound, right } => {
                let left = signs.get(*sign).is_some_and(|(_, value)| value <= bound);
                at = if left { at + 1 } else { (*right).max(at + 1) };
            }
        }
    }
    0.0
}

/// The probability that a reading with these signs is what was meant.
#[must_use]
pub fn probability(signs: &Signs) -> f64 {
    FOREST.probability(signs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_from_the_root_down() {
        let nodes = tree("1<0.5 0<2 =1 =2 =3");
        let at = |first: f64, second: f64| value(&nodes, &vec![("a", first), ("b", second)]);
        assert_eq!([at(1.0, 0.0), at(3.0, 0.0), at(1.0, 1.0)], [1.0, 2.0, 3.0]);
    }

    #[test]
    fn the_forest_was_fitted_to_these_signs() {
        use crate::query::language::{Clock, Glossary, NoLookup, Translator};
        use crate::query::schema::{Column, Kind, Schema, Table};
        let column = Column { name: "price".to_owned(), kind: Kind::Integer, ..Column::default() };
        let table = Table { name: "items".to_owned(), columns: vec![column], ..Table::default() };
        let schema = Schema { tables: vec![table], keys: Vec::new() };
        let now = jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0);
        let clock = Clock { now, week_starts_on: jiff::civil::Weekday::Monday };
        let readings = Translator::new(&schema, &Glossary::default()).signs("the price of items", &clock, &NoLookup);
        let names: Vec<&str> = readings.first().expect("a reading").2.iter().map(|(name, _)| *name).collect();
        assert_eq!(FOREST.signs, names);
        assert!(FOREST.is_whole());
    }
}
