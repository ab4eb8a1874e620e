//! Stacks as a tree: a node a frame under its callers.
//!
//! Two numbers a node, since a comparison has two windows; without one the first is 0. Nothing here recurses: a stack may be as deep
//! as its program was.

use hashbrown::HashMap;

use super::{ALL, OTHER};

/// Nodes of a tree; stacks that would need more are summed up as `[other]`.
const NODES_MAX: usize = 4_000_000;

const ROOT: u32 = 0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values {
    pub before: i64,
    pub after: i64,
}

impl Values {
    pub fn add(&mut self, other: Self) {
        self.before = self.before.saturating_add(other.before);
        self.after = self.after.saturating_add(other.after);
    }

    /// What a frame's width stands for.
    pub fn both(self) -> i64 {
        self.before.saturating_add(self.after)
    }

    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub parent: u32,
    /// Index in `Tree::names`.
    pub name: u32,
    /// Of samples whose last frame this is.
    pub own: Values,
    /// With those of all frames below it; filled by [`Tree::largest`].
    pub total: Values,
}

/// A node comes after its parent; the first is the root.
#[derive(Debug)]
pub struct Tree {
    pub names: Vec<Box<str>>,
    pub nodes: Vec<Node>,
    known_names: HashMap<Box<str>, u32>,
    known_nodes: HashMap<(u32, u32), u32>,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Node { parent: ROOT, name: 0, own: Values::default(), total: Values::default() };
        let mut known_names = HashMap::new();
        known_names.insert(ALL.into(), 0);
        Self { names: vec![ALL.into()], nodes: vec![root], known_names, known_nodes: HashMap::new() }
    }
}

impl Tree {
    /// A stack, root first.
    pub fn add<'a>(&mut self, frames: impl Iterator<Item = &'a str>, values: Values) {
        if values.is_zero() {
            return;
        }
        let mut at = ROOT;
        for frame in frames {
            let name = self.name(frame);
            let Some(next) = self.child(at, name, NODES_MAX) else {
                let other = self.name(OTHER);
                // one more than the limit, once
                at = self.child(ROOT, other, usize::MAX).unwrap_or(ROOT);
                break;
            };
            at = next;
        }
        self.nodes[at as usize].own.add(values);
    }

    pub fn name_of(&self, node: u32) -> &str {
        &self.names[self.nodes[node as usize].name as usize]
    }

    fn name(&mut self, text: &str) -> u32 {
        if let Some(known) = self.known_names.get(text) {
            return *known;
        }
        let index = self.names.len() as u32;
        self.names.push(text.into());
        self.known_names.insert(text.into(), index);
        index
    }

    fn child(&mut self, parent: u32, name: u32, nodes_max: usize) -> Option<u32> {
        if let Some(known) = self.known_nodes.get(&(parent, name)) {
            return Some(*known);
        }
        if self.nodes.len() >= nodes_max {
            return None;
        }
        let index = self.nodes.len() as u32;
        self.nodes.push(Node { parent, name, own: Values::default(), total: Values::default() });
        self.known_nodes.insert((parent, name), index);
        Some(index)
    }

    /// Scales the first number so that its sum is the second's, exactly: what rounding leaves over goes to the next node.
    pub fn scale_first(&mut self) {
        let sum = |value: fn(&Values) -> i64| self.nodes.iter().map(|n| i128::from(value(&n.own))).sum::<i128>();
        let (before, after) = (sum(|v| v.before), sum(|v| v.after));
        if before <= 0 || after <= 0 {
            return;
        }
        let (mut seen, mut given) = (0_i128, 0_i128);
        for node in &mut self.nodes {
            seen += i128::from(node.own.before);
            let scaled = seen * after / before;
            node.own.before = i64::try_from(scaled - given).unwrap_or(i64::MAX);
            given = scaled;
        }
    }

    /// The tree with its `frames_max` largest frames; what is left out is a frame `[other]` under the same caller.
    pub fn largest(mut self, frames_max: usize) -> Self {
        self.sum_up();
        let mut order: Vec<u32> = (1..self.nodes.len() as u32).collect();
        // a caller is never smaller than what it calls, and before it when they are alike
        order.sort_by_key(|i| (std::cmp::Reverse(self.nodes[*i as usize].total.both()), *i));
        let mut kept: Vec<u32> = order.into_iter().take(frames_max).collect();
        kept.sort_unstable();
        let mut smaller = Self::default();
        smaller.nodes[0].own = self.nodes[0].own;
        let mut places = vec![None; self.nodes.len()];
        places[0] = Some(ROOT);
        for index in kept {
            let node = &self.nodes[index as usize];
            let Some(parent) = places[node.parent as usize] else { continue };
            let name = smaller.name(&self.names[node.name as usize]);
            let Some(place) = smaller.child(parent, name, usize::MAX) else { continue };
            smaller.nodes[place as usize].own.add(node.own);
            places[index as usize] = Some(place);
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if places[index].is_none()
                && let Some(parent) = places[node.parent as usize]
            {
                let other = smaller.name(OTHER);
                let place = smaller.child(parent, other, usize::MAX).unwrap_or(parent);
                smaller.nodes[place as usize].own.add(node.total);
            }
        }
        smaller.sum_up();
        smaller
    }

    /// Fills the totals: children come after their parents.
    fn sum_up(&mut self) {
        for node in &mut self.nodes {
            node.total = node.own;
        }
        for index in (1..self.nodes.len()).rev() {
            let (total, parent) = (self.nodes[index].total, self.nodes[index].parent);
            self.nodes[parent as usize].total.add(total);
        }
    }

    pub fn total(&self) -> Values {
        self.nodes[0].total
    }

    /// The frames of a node, root first, without the root of all.
    pub fn path(&self, mut node: u32) -> Vec<u32> {
        let mut path = vec![];
        while node != ROOT {
            path.push(self.nodes[node as usize].name);
            node = self.nodes[node as usize].parent;
        }
        path.reverse();
        path
    }

    /// Nodes that samples end in, with what these are worth.
    pub fn ends(&self) -> impl Iterator<Item = (u32, Values)> {
        self.nodes.iter().enumerate().filter(|(_, n)| !n.own.is_zero()).map(|(i, n)| (i as u32, n.own))
    }

    /// Of each node its children, by name.
    pub fn children(&self) -> Vec<Vec<u32>> {
        let mut children = vec![vec![]; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().skip(1) {
            children[node.parent as usize].push(index as u32);
        }
        for list in &mut children {
            list.sort_by_key(|i| self.name_of(*i));
        }
        children
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(stacks: &[(&str, i64, i64)]) -> Tree {
        let mut tree = Tree::default();
        for (folded, before, after) in stacks {
            tree.add(folded.split(';'), Values { before: *before, after: *after });
        }
        tree
    }

    fn ends(tree: &Tree) -> Vec<(String, i64, i64)> {
        let text = |node| tree.path(node).iter().map(|n| tree.names[*n as usize].as_ref()).collect::<Vec<_>>().join(";");
        let mut ends: Vec<_> = tree.ends().map(|(node, v)| (text(node), v.before, v.after)).collect();
        ends.sort();
        ends
    }

    #[test]
    fn stacks_are_summed_and_totals_are_of_all_below() {
        let tree = tree(&[("a;b", 0, 3), ("a", 0, 1), ("a;b", 0, 4), ("c", 0, 0)]).largest(100);
        assert_eq!(ends(&tree), [("a".into(), 0, 1), ("a;b".into(), 0, 7)]);
        assert_eq!(tree.total(), Values { before: 0, after: 8 });
        assert_eq!(tree.nodes[1].total.after, 8);
    }

    #[test]
    fn the_rest_is_other_under_its_caller_and_the_sum_stays() {
        let stacks = [("a;b;c", 0, 50), ("a;b;d", 0, 5), ("a;e;f", 0, 4), ("a;e;g", 0, 3), ("h", 0, 2)];
        let smaller = tree(&stacks).largest(3);
        assert_eq!(
            ends(&smaller),
            [("[other]".into(), 0, 2), ("a;[other]".into(), 0, 7), ("a;b;[other]".into(), 0, 5), ("a;b;c".into(), 0, 50)]
        );
        for frames_max in 1..12 {
            assert_eq!(tree(&stacks).largest(frames_max).total().after, 64);
        }
    }

    #[test]
    fn a_scaled_baseline_has_exactly_the_windows_sum() {
        let mut tree = tree(&[("a", 1, 0), ("b", 1, 70), ("c", 1, 30)]);
        tree.scale_first();
        assert_eq!(ends(&tree), [("a".into(), 33, 0), ("b".into(), 33, 70), ("c".into(), 34, 30)]);
        let mut alone = self::tree(&[("a", 5, 0)]);
        alone.scale_first();
        assert_eq!(ends(&alone), [("a".into(), 5, 0)]);
    }

    #[test]
    fn a_very_deep_stack_is_a_very_deep_tree() {
        let mut tree = Tree::default();
        tree.add(std::iter::repeat_n("f", 200_000), Values { before: 0, after: 1 });
        let tree = tree.largest(1_000_000);
        assert_eq!((tree.nodes.len(), tree.total().after), (200_001, 1));
    }
}
