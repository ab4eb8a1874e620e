//! House rules that a search over the text can check. What needs more than a line's text is a test in `tests/tests/structure.rs`.

use anyhow::Context;

use crate::place::Place;
use crate::program::{output, program};

/// Words of work that is not done. Written in two parts, so that this file holds to its own rule.
const UNFINISHED: [&str; 5] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "helpers", "helper", "common", "misc", "manager"];
/// Endings of files that are written by hand.
const WRITTEN: [&str; 9] = [".rs", ".ts", ".tsx", ".mjs", ".css", ".toml", ".md", ".py", ".slt"];
/// Folders whose files come from elsewhere or are generated.
const NOT_OURS: [&str; 2] = ["tests/captures/", "ui/dist/"];

pub fn tidy(place: &Place) -> anyhow::Result<()> {
    let listed = output(program(place, "git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let mut wrong = vec![];
    for name in listed.lines().filter(|name| !NOT_OURS.iter().any(|folder| name.starts_with(folder))) {
        let path = place.root.join(name);
        if !path.is_file() {
            continue;
        }
        wrong.extend(name_rules(name));
        if WRITTEN.iter().any(|ending| name.ends_with(ending)) {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
            wrong.extend(text_rules(name, &text));
        }
    }
    anyhow::ensure!(wrong.is_empty(), "house rules are broken:\n  {}", wrong.join("\n  "));
    Ok(())
}

fn name_rules(name: &str) -> Option<String> {
    let empty = name.split('/').any(|part| EMPTY_NAMES.contains(&part.split('.').next().unwrap_or_default()));
    empty.then(|| format!("{name}: the name does not say what is inside"))
}

fn text_rules(name: &str, text: &str) -> Vec<String> {
    let mut wrong = vec![];
    for (at, line) in text.lines().enumerate() {
        let mut say = |what: &str| wrong.push(format!("{name}:{}: {what}", at + 1));
        if UNFINISHED.iter().any(|word| line.contains(word)) {
            say("unfinished work");
        }
        if line.ends_with([' ', '\t']) {
            say("white space at the end of the line");
        }
        if name.ends_with(".rs") && is_silencing(line) {
            say("a silenced lint: use #[expect(…, reason = \"…\")]");
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        wrong.push(format!("{name}: no line end at the end"));
    }
    if name.ends_with(".rs") && needs_head(name) && !text.starts_with("//!") {
        wrong.push(format!("{name}: no //! head that says what the module is for"));
    }
    wrong
}

fn is_silencing(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(concat!("#[", "allow(")) || line.starts_with(concat!("#![", "allow("))
}

/// Every room has a head. A table's declaration has its own words, and a file of unit tests is named after what it tests.
fn needs_head(name: &str) -> bool {
    name.contains("src/") && !name.starts_with("query-engine/schema/src/tables/") && !name.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_what_breaks_it() {
        let rules = |name, text| text_rules(name, text).len();
        assert_eq!(rules("a/src/b.rs", "//! head\nfn f() {}\n"), 0);
        assert_eq!(rules("a/src/b.rs", "fn f() {}\n"), 1);
        assert_eq!(rules("a/b.md", concat!("TO", "DO\n")), 1);
        assert_eq!(rules("a/b.md", "end "), 2);
        assert_eq!(rules("a/src/b.rs", concat!("//! head\n#[", "allow(dead_code)]\n")), 1);
        assert!(name_rules("a/src/utils.rs").is_some());
        assert!(name_rules("a/src/common/x.rs").is_some());
        assert!(name_rules("a/src/commons.rs").is_none());
    }
}
