//! The store's own bench: building batches, appending, a full store, saving and reading back.

use serde_json::json;

use super::report::Section;
use crate::place::Place;
use crate::program::{cargo, output};

pub fn measure(place: &Place) -> anyhow::Result<Section> {
    // for the whole workspace: with the features of one package alone the SQL engine would be compiled once more
    let said = output(cargo(place).args(["bench", "--locked", "--quiet", "--workspace", "--bench", "ingest"]))?;
    let lines: Vec<(String, String)> = said.lines().filter_map(line).collect();
    anyhow::ensure!(!lines.is_empty(), "bench 'ingest' printed no figure: {said}");
    let figures = lines.iter().map(|(step, figure)| json!({ "step": step, "figure": figure })).collect();
    let rows = lines.into_iter().map(|(step, figure)| vec![step, figure]).collect();
    Ok(Section { title: "Store", head: vec!["step", "figure"], rows, notes: vec![], figures })
}

/// `append    1234 rows/s, …`: a word, and what was measured.
fn line(text: &str) -> Option<(String, String)> {
    let (step, figure) = text.split_once(' ')?;
    let figure = figure.split_whitespace().collect::<Vec<_>>().join(" ");
    figure.starts_with(|c: char| c.is_ascii_digit()).then(|| (step.to_owned(), figure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_a_figure() {
        let read = line("save            1.25 s");
        assert_eq!(read, Some(("save".to_owned(), "1.25 s".to_owned())));
        assert!(line("test result: ok").is_none());
        assert!(line("").is_none());
    }
}
