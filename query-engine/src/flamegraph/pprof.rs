//! A profile for `pprof`: the protocol buffer `perftools.profiles.Profile`
//! (<https://github.com/google/pprof/blob/main/proto/profile.proto>), compressed by gzip. With a baseline the values are differences.
//!
//! A name is one function and one location, whose numbers are its place in the tree's names and one more.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::Graph;
use crate::protobuf::Message;

/// Places of the texts that are not names of functions.
#[derive(Default)]
struct Texts<'a>(Vec<&'a str>);

impl<'a> Texts<'a> {
    fn place(&mut self, text: &'a str) -> u64 {
        self.0.push(text);
        self.0.len() as u64 - 1
    }
}

pub(super) fn write(graph: &Graph) -> Vec<u8> {
    compressed(&profile(graph))
}

/// The same uncompressed.
pub(super) fn profile(graph: &Graph) -> Vec<u8> {
    let mut texts = Texts::default();
    // the first text is always empty
    texts.place("");
    let unit = if graph.unit == "ns" { "nanoseconds" } else { &graph.unit };
    let (kind, unit) = (texts.place(&graph.kind), texts.place(unit));
    let comment = texts.place(&graph.title);
    let mut value_type = Message::default();
    value_type.number(1, kind).number(2, unit);

    let mut profile = Message::default();
    profile.bytes(1, &value_type.0);
    for (node, values) in graph.tree.ends() {
        let value = if graph.diff { values.after.saturating_sub(values.before) } else { values.after };
        if value != 0 {
            let leaf_first = graph.tree.path(node).into_iter().rev().map(|name| u64::from(name) + 1);
            let mut sample = Message::default();
            sample.numbers(1, leaf_first).numbers(2, std::iter::once(value as u64));
            profile.bytes(2, &sample.0);
        }
    }
    // one mapping that says that functions are known, so that no viewer looks for symbols
    let mut mapping = Message::default();
    mapping.number(1, 1).number(7, 1);
    profile.bytes(3, &mapping.0);
    for (place, name) in graph.tree.names.iter().enumerate() {
        let number = place as u64 + 1;
        let (mut line, mut location, mut function) = (Message::default(), Message::default(), Message::default());
        line.number(1, number);
        location.number(1, number).number(2, 1).bytes(4, &line.0);
        let text = texts.place(name);
        function.number(1, number).number(2, text).number(3, text);
        profile.bytes(4, &location.0);
        profile.bytes(5, &function.0);
    }
    for text in &texts.0 {
        profile.bytes(6, text.as_bytes());
    }
    let length = graph.window.until.saturating_sub(graph.window.from);
    profile.number(9, graph.window.from as u64).number(10, length as u64).bytes(11, &value_type.0).number(13, comment);
    profile.0
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    // writing to memory cannot fail
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
