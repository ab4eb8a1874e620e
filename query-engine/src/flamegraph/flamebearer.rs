//! A flame graph as Pyroscope's viewers draw it: levels of bars, the root above.
//!
//! A bar is four numbers: how far right of the bar before it, how wide, how much of that is its own, and its name. With a baseline it
//! is seven: the first three for each side.

use super::Graph;
use super::tree::Values;

/// How these viewers call the root.
const ROOT_NAME: &str = "total";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flamebearer {
    pub names: Vec<String>,
    pub levels: Vec<Vec<i64>>,
    /// Of the window, and of the baseline.
    pub total: i64,
    pub before: i64,
    /// The most that a bar has of its own.
    pub max_self: i64,
    /// 'ns' or 'bytes'.
    pub unit: String,
}

pub(super) fn write(graph: &Graph) -> Flamebearer {
    let (tree, children) = (&graph.tree, graph.tree.children());
    let mut names: Vec<String> = tree.names.iter().map(|name| name.to_string()).collect();
    let root_name = names.len();
    names.push(ROOT_NAME.to_owned());
    let (mut levels, mut max_self) = (vec![], 0);
    let mut level = vec![(0_u32, Values::default())];
    while !level.is_empty() {
        let (mut bars, mut end, mut below) = (vec![], Values::default(), vec![]);
        for (index, at) in level {
            let node = &tree.nodes[index as usize];
            let name = if index == 0 { root_name as i64 } else { i64::from(node.name) };
            let (own, total) = (node.own, node.total);
            if graph.diff {
                bars.extend([at.before - end.before, total.before, own.before]);
            }
            bars.extend([at.after - end.after, total.after, own.after, name]);
            max_self = max_self.max(own.before).max(own.after);
            end = at;
            end.add(total);
            let mut below_at = at;
            for child in &children[index as usize] {
                below.push((*child, below_at));
                below_at.add(tree.nodes[*child as usize].total);
            }
        }
        levels.push(bars);
        level = below;
    }
    let sums = tree.total();
    Flamebearer { names, levels, total: sums.after, before: sums.before, max_self, unit: graph.unit.clone() }
}
