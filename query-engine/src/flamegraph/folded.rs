//! Folded stacks: `a;b;c 42`, and with a baseline `a;b;c 40 42`; sorted.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Graph;
use super::tree::Values;

pub(super) fn write(graph: &Graph) -> Vec<u8> {
    // two stacks may read alike, for example when a name has a ';' in it
    let mut lines: BTreeMap<String, Values> = BTreeMap::new();
    for (node, values) in graph.tree.ends() {
        let frames: Vec<String> =
            graph.tree.path(node).iter().map(|name| on_one_line(&graph.tree.names[*name as usize])).collect();
        lines.entry(frames.join(";")).or_default().add(values);
    }
    let mut text = String::new();
    for (stack, values) in lines {
        // writing to memory cannot fail
        let _ = match graph.diff {
            true => writeln!(text, "{stack} {} {}", values.before, values.after),
            false => writeln!(text, "{stack} {}", values.after),
        };
    }
    text.into_bytes()
}

fn on_one_line(name: &str) -> String {
    name.replace(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}', " ")
}
