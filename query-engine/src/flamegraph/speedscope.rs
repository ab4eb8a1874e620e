//! A file for speedscope (<https://www.speedscope.app/file-format-schema.json>): one sampled profile, with a baseline two.

use serde_json::{Value, json};

use super::Graph;
use super::tree::Values;

pub(super) fn write(graph: &Graph) -> Vec<u8> {
    let unit = match graph.unit.as_str() {
        "ns" => "nanoseconds",
        "bytes" => "bytes",
        _ => "none",
    };
    let profile = |name: &str, value: fn(Values) -> i64| {
        let (mut samples, mut weights, mut end) = (vec![], vec![], 0_i64);
        for (node, values) in graph.tree.ends() {
            let weight = value(values);
            if weight > 0 {
                samples.push(Value::from(graph.tree.path(node)));
                weights.push(weight);
                end = end.saturating_add(weight);
            }
        }
        json!({ "type": "sampled", "name": name, "unit": unit, "startValue": 0, "endValue": end, "samples": samples, "weights": weights })
    };
    let after = profile(&graph.title, |v| v.after);
    let profiles = if graph.diff { vec![profile("before", |v| v.before), after] } else { vec![after] };
    let frames: Vec<Value> = graph.tree.names.iter().map(|name| json!({ "name": name })).collect();
    let file = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": concat!("earshot ", env!("CARGO_PKG_VERSION")),
        "name": graph.title,
        "activeProfileIndex": profiles.len() - 1,
        "profiles": profiles,
        "shared": { "frames": frames },
    });
    file.to_string().into_bytes()
}
