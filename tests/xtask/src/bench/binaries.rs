//! The collector's own bench: what it takes to know programs for the first time.

use serde_json::json;

use super::report::Section;
use crate::place::Place;
use crate::program::{cargo, output};

pub fn measure(place: &Place) -> anyhow::Result<Section> {
    // for the whole workspace, as for the store's bench
    let said = output(cargo(place).args(["bench", "--locked", "--quiet", "--workspace", "--bench", "binaries"]))?;
    let lines: Vec<(&str, &str)> = said.lines().filter_map(line).collect();
    anyhow::ensure!(!lines.is_empty(), "bench 'binaries' printed no figure: {said}");
    let figures = lines.iter().map(|(what, figure)| json!({ "what": what, "figure": figure })).collect();
    let rows = lines.iter().map(|(what, figure)| vec![(*what).to_owned(), (*figure).to_owned()]).collect();
    let notes = vec![
        "A name and a table are those of one address in the middle of the program. Aim: 500 programs in 150 MiB.".to_owned(),
    ];
    Ok(Section { title: "Programs seen for the first time", head: vec!["what", "figure"], rows, notes, figures })
}

/// `node 94 MB: name 12 ms, …`: what it is, and what was measured.
fn line(text: &str) -> Option<(&str, &str)> {
    text.split_once(": ").filter(|(what, _)| what.contains(" MB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_and_a_figure() {
        assert_eq!(line("node 94 MB: name 12 ms"), Some(("node 94 MB", "name 12 ms")));
        assert!(line("test result: ok").is_none());
    }
}
