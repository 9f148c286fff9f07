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

/// The cost of a join over the edge at a place; tables the question names are preferred as way stations.
fn cost(index: &Index<'_>, at: usize, wanted: &[TableId], to: TableId, hints: &[String]) -> u32 {
    let base = if index.edges.get(at).is_some_and(|edge| edge.declared) { 100 } else { 115 };
    let station = if wanted.contains(&to) { 0 } else { 20 };
    let Some(said) = index.said.get(at) else { return base + station };
    // Words of the key alone are said in the question or not.
    let told: i32 = said.own.iter().map(|word| if hints.contains(word) { 8 } else { -2 }).sum();
    let told = u32::try_from(20 + told.clamp(-20, 20)).unwrap_or(0);
    base + station - told - if said.alike { 5 } else { 0 }
}

/// What it costs to go up to a parent and down to another of its children: such rows only have the parent in common.
const SIBLINGS: u32 = 130;

/// A table as it was reached: by going up, from what refers to it.
type Node = (TableId, bool);

/// How a table was reached: the distance, and the edge with the node before.
type Step = Option<(u32, Option<(usize, Node)>)>;

/// The cheapest path from what is joined to one of the missing tables (Dijkstra).
fn nearest(
    index: &Index<'_>,
    joined: &BTreeSet<TableId>,
    missing: &BTreeSet<TableId>,
    wanted: &[TableId],
    hints: &[String],
) -> Option<Vec<(Edge, TableId)>> {
    let mut best: Vec<[Step; 2]> = vec![[None, None]; index.tables.len()];
    let mut open: BTreeSet<(u32, Node)> = BTreeSet::new();
    for table in joined {
        best.get_mut(*table)?[0] = Some((0, None));
        open.insert((0, (*table, false)));
    }
    while let Some((distance, here)) = open.pop_first() {
        if missing.contains(&here.0) {
            return path(index, &best, here);
        }
        for at in index.touching(here.0) {
            let Some(edge) = index.edges.get(*at) else { continue };
            let (there, up) = match (edge.from == here.0, edge.to == here.0) {
                (true, false) => (edge.to, true),
                (false, true) => (edge.from, false),
                _ => continue,
            };
            let siblings = if here.1 && !up && !wanted.contains(&here.0) { SIBLINGS } else { 0 };
            let reached = distance + cost(index, *at, wanted, there, hints) + siblings;
            let known = best.get_mut(there)?.get_mut(usize::from(up))?;
            if known.is_none_or(|(known, _)| reached < known) {
                *known = Some((reached, Some((*at, here))));
                open.insert((reached, (there, up)));
            }
        }
    }
    None
}

fn path(index: &Index<'_>, best: &[[Step; 2]], end: Node) -> Option<Vec<(Edge, TableId)>> {
    let mut steps = Vec::new();
    let mut here = end;
    while let Some((edge, before)) = (*best.get(here.0)?.get(usize::from(here.1))?)?.1 {
        steps.push((index.edges.get(edge)?.clone(), here.0));
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
