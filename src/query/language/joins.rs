//! Paths between tables over their keys.

use std::collections::BTreeSet;

use super::index::{Edge, Index, TableId};

/// A set of tables joined to one another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    /// The table the joins start from.
    pub root: TableId,
    /// The edges, in an order in which each touches what is joined before it, with the table it adds.
    pub joins: Vec<(Edge, TableId)>,
}

impl Tree {
    /// All its tables.
    #[must_use]
    pub fn tables(&self) -> BTreeSet<TableId> {
        self.joins.iter().map(|(_, table)| *table).chain([self.root]).collect()
    }
}

/// The cheapest joins that connect `wanted`, `hints` being the stems of the question, which choose between two keys to
/// the same table; none where no keys connect them. `wanted` may not be empty.
#[must_use]
pub fn connect(index: &Index<'_>, wanted: &[TableId], hints: &[String]) -> Option<Tree> {
    let root = *wanted.first()?;
    let mut tree = Tree { root, joins: Vec::new() };
    let mut joined = BTreeSet::from([root]);
    let mut missing: BTreeSet<TableId> = wanted.iter().copied().filter(|t| *t != root).collect();
    while !missing.is_empty() {
        let path = nearest(index, &joined, &missing, wanted, hints)?;
        for (edge, table) in path {
            if joined.insert(table) {
                missing.remove(&table);
                tree.joins.push((edge, table));
            }
        }
    }
    Some(tree)
}

/// The cost of a join over an edge; tables the question names are preferred as way stations.
fn cost(index: &Index<'_>, edge: &Edge, wanted: &[TableId], to: TableId, hints: &[String]) -> u32 {
    let base = if edge.declared { 100 } else { 115 };
    let station = if wanted.contains(&to) { 0 } else { 20 };
    let told = edge.on.iter().any(|(from, to)| {
        let same = index.column(*to).words.stems.clone();
        let own = &index.table(from.table).words.stems;
        let words = index.column(*from).words.stems.iter();
        words.filter(|w| !same.contains(w) && !own.contains(w)).any(|word| hints.contains(word))
    });
    let alike = edge.on.iter().any(|(a, b)| index.column(*a).words.stems == index.column(*b).words.stems);
    base + station - if told { 12 } else { 0 } - if alike { 5 } else { 0 }
}

/// The cheapest path from what is joined to one of the missing tables (Dijkstra).
fn nearest(
    index: &Index<'_>,
    joined: &BTreeSet<TableId>,
    missing: &BTreeSet<TableId>,
    wanted: &[TableId],
    hints: &[String],
) -> Option<Vec<(Edge, TableId)>> {
    let mut best: Vec<Option<(u32, Option<(usize, TableId)>)>> = vec![None; index.tables.len()];
    let mut open: BTreeSet<(u32, TableId)> = BTreeSet::new();
    for table in joined {
        *best.get_mut(*table)? = Some((0, None));
        open.insert((0, *table));
    }
    while let Some((distance, here)) = open.pop_first() {
        if missing.contains(&here) {
            return path(index, &best, here);
        }
        for (at, edge) in index.edges.iter().enumerate() {
            let there = match (edge.from == here, edge.to == here) {
                (true, false) => edge.to,
                (false, true) => edge.from,
                _ => continue,
            };
            let reached = distance + cost(index, edge, wanted, there, hints);
            let known = best.get_mut(there)?;
            if known.is_none_or(|(known, _)| reached < known) {
                *known = Some((reached, Some((at, here))));
                open.insert((reached, there));
            }
        }
    }
    None
}

fn path(
    index: &Index<'_>,
    best: &[Option<(u32, Option<(usize, TableId)>)>],
    end: TableId,
) -> Option<Vec<(Edge, TableId)>> {
    let mut steps = Vec::new();
    let mut here = end;
    while let Some((edge, before)) = (*best.get(here)?)?.1 {
        steps.push((index.edges.get(edge)?.clone(), here));
        here = before;
    }
    steps.reverse();
    Some(steps)
}

/// Whether a row of `from` may meet several rows of `to` on the way of the joins: some join goes against a reference.
#[must_use]
pub fn fans_out(index: &Index<'_>, tree: &Tree, from: TableId, to: TableId) -> bool {
    // The tree seen from `from`: walk to `to` and look at the direction of each edge.
    let mut stack = vec![(from, false)];
    let mut seen = BTreeSet::from([from]);
    while let Some((here, fanned)) = stack.pop() {
        if here == to {
            return fanned;
        }
        for (edge, _) in &tree.joins {
            let next = if edge.from == here {
                Some((edge.to, fanned))
            } else if edge.to == here {
                let single = edge.on.iter().any(|(from, _)| index.is_unique(*from));
                Some((edge.from, fanned || !single))
            } else {
                None
            };
            if let Some(next) = next.filter(|(table, _)| seen.insert(*table)) {
                stack.push(next);
            }
        }
    }
    false
}
