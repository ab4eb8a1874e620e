//! A tree of `{name, value, children}`; with a baseline its value is `before`.

use std::io::Write;

use serde_json::Value;

use super::Graph;

enum Step {
    Open(u32),
    Text(&'static [u8]),
}

pub(super) fn write(graph: &Graph) -> Vec<u8> {
    let children = graph.tree.children();
    let mut out = vec![];
    // a stack of what is still to be written, since the tree may be deeper than ours
    let mut left = vec![Step::Open(0)];
    while let Some(step) = left.pop() {
        let node = match step {
            Step::Text(text) => {
                out.extend(text);
                continue;
            }
            Step::Open(node) => node,
        };
        let values = graph.tree.nodes[node as usize].total;
        // writing to memory cannot fail
        let _ = write!(out, "{{\"name\":{},\"value\":{}", Value::from(graph.tree.name_of(node)), values.after);
        if graph.diff {
            let _ = write!(out, ",\"before\":{}", values.before);
        }
        out.extend(b",\"children\":[");
        left.push(Step::Text(b"]}"));
        for (place, child) in children[node as usize].iter().enumerate().rev() {
            left.push(Step::Open(*child));
            if place > 0 {
                left.push(Step::Text(b","));
            }
        }
    }
    out.push(b'\n');
    out
}
