//! A drawing in one file: callers above, what they call below, as wide as their samples are worth. Its script zooms and searches;
//! nothing is loaded from elsewhere, and without scripts it is a drawing still.
//!
//! With a baseline a frame is as wide as both windows together, redder the more it grew and bluer the more it shrank.

mod colour;

use std::fmt::Write;

use super::Graph;
use super::tree::Values;

const WIDTH_PX: f64 = 1200.0;
const MARGIN_PX: f64 = 10.0;
/// Above the frames: the title and what the pointer is on.
const HEAD_PX: f64 = 56.0;
const ROW_PX: f64 = 17.0;
/// Of a character of the font; a name that does not fit is cut.
const CHARACTER_PX: f64 = 6.6;
/// Longest title, in characters.
const TITLE_CHARACTERS_MAX: usize = 170;

const STYLE: &str = "text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#1b1b1b;pointer-events:none}\
    #title{font-size:13px;font-weight:600}.button{pointer-events:auto;cursor:pointer;fill:#0b57d0}\
    .f{cursor:pointer}.f rect{stroke:#fff;stroke-width:.5}.f:hover rect{stroke:#000}.above{opacity:.5}.hidden{display:none}\
    .found rect{fill:#c026d3}.found text{fill:#fff}";
const SCRIPT: &str = include_str!("zoom.js");

/// Where a frame is, in parts of the whole width and in rows from the top.
struct Place {
    node: u32,
    left: i64,
    row: usize,
}

pub(super) fn write(graph: &Graph) -> Vec<u8> {
    let places = places(graph);
    let rows = places.iter().map(|p| p.row + 1).max().unwrap_or(0);
    let height = HEAD_PX + rows as f64 * ROW_PX + MARGIN_PX;
    let whole = graph.tree.total().both();
    let mut out = String::with_capacity(places.len() * 300);
    // writing to memory cannot fail
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH_PX} {height}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fafafa\"/>\n<text id=\"title\" x=\"{MARGIN_PX}\" y=\"20\">{short}</text>\n\
         <text id=\"reset\" class=\"button hidden\" x=\"{MARGIN_PX}\" y=\"42\">reset zoom</text>\n\
         <text id=\"search\" class=\"button\" x=\"{right}\" y=\"42\" text-anchor=\"end\">search</text>\n\
         <text id=\"found\" x=\"{before_right}\" y=\"42\" text-anchor=\"end\"/>\n<text id=\"details\" x=\"100\" y=\"42\"/>\n\
         <g id=\"frames\" data-whole=\"{whole}\" data-left=\"{MARGIN_PX}\" data-width=\"{inner}\" data-character=\"{CHARACTER_PX}\">\n",
        title = escaped(&graph.title),
        short = escaped(&cut(&graph.title, TITLE_CHARACTERS_MAX)),
        right = WIDTH_PX - MARGIN_PX,
        before_right = WIDTH_PX - MARGIN_PX - 60.0,
        inner = inner_px(),
    );
    for place in &places {
        frame(&mut out, graph, place, whole);
    }
    let _ = write!(out, "</g>\n<script><![CDATA[\n{SCRIPT}]]></script>\n</svg>\n");
    out.into_bytes()
}

fn inner_px() -> f64 {
    WIDTH_PX - 2.0 * MARGIN_PX
}

/// Every frame that is worth something, callers before what they call.
fn places(graph: &Graph) -> Vec<Place> {
    let children = graph.tree.children();
    let worth = |node: u32| graph.tree.nodes[node as usize].total.both();
    let mut places = vec![];
    let mut left = vec![Place { node: 0, left: 0, row: 0 }];
    while let Some(place) = left.pop() {
        let mut at = place.left;
        for child in &children[place.node as usize] {
            if worth(*child) > 0 {
                left.push(Place { node: *child, left: at, row: place.row + 1 });
                at = at.saturating_add(worth(*child));
            }
        }
        places.push(place);
    }
    places
}

fn frame(out: &mut String, graph: &Graph, place: &Place, whole: i64) {
    let values = graph.tree.nodes[place.node as usize].total;
    let name = graph.tree.name_of(place.node);
    let scale = if whole > 0 { inner_px() / whole as f64 } else { 0.0 };
    let width = if whole > 0 { values.both() as f64 * scale } else { inner_px() };
    let (x, y) = (MARGIN_PX + place.left as f64 * scale, HEAD_PX + place.row as f64 * ROW_PX);
    let fits = (width - 6.0) / CHARACTER_PX;
    let text = if fits < 3.0 { String::new() } else { cut(name, fits as usize) };
    let colour = if graph.diff { colour::of_change(values) } else { colour::of_name(name, &graph.kind) };
    let _ = writeln!(
        out,
        "<g class=\"f\" data-at=\"{}\" data-worth=\"{}\" data-row=\"{}\"><title>{}\n{}</title>\
         <rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{}\" fill=\"{colour}\"/><text x=\"{:.2}\" y=\"{}\">{}</text></g>",
        place.left,
        values.both(),
        place.row,
        escaped(name),
        escaped(&told(graph, values)),
        ROW_PX - 1.0,
        x + 3.0,
        y + 12.0,
        escaped(&text),
    );
}

/// What a frame is worth, in words.
fn told(graph: &Graph, values: Values) -> String {
    let whole = graph.tree.total();
    let share = |value: i64, of: i64| if of > 0 { 100.0 * value as f64 / of as f64 } else { 0.0 };
    let one = |value, of| format!("{} ({:.2} %)", amount(value, &graph.unit), share(value, of));
    match graph.diff {
        true => format!("before {}, after {}", one(values.before, whole.before), one(values.after, whole.after)),
        false => one(values.after, whole.after),
    }
}

fn amount(value: i64, unit: &str) -> String {
    let value = value as f64;
    match unit {
        "ns" if value >= 1e9 => format!("{:.2} s", value / 1e9),
        "ns" => format!("{:.2} ms", value / 1e6),
        "bytes" if value >= 1048576.0 => format!("{:.1} MiB", value / 1048576.0),
        "bytes" => format!("{:.1} KiB", value / 1024.0),
        other => format!("{value} {other}"),
    }
}

/// At most so many characters, the last two of them dots when there were more.
fn cut(text: &str, characters: usize) -> String {
    if text.chars().nth(characters).is_none() {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(2)).chain("..".chars()).collect()
}

/// As text or attribute of XML, which has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_inside_its_element() {
        assert_eq!(escaped("a<b>&\"'\n\u{1}ü"), "a&lt;b&gt;&amp;&quot;&#39; \u{fffd}ü");
        assert!(!SCRIPT.contains("]]>"));
    }

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!((cut("äöüß", 4), cut("äöüß", 3), cut("ab", 0)), ("äöüß".to_owned(), "ä..".to_owned(), "..".to_owned()));
    }
}
