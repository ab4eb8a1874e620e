//! Flame graphs: where the time of a window went.
//!
//! In: a window, filters and a format ([`Parameters`]). Out: one file's bytes ([`Answer`]). The samples are asked for by SQL through
//! the engine, with its limits, summed up in a tree of bounded size whose total stays exact, and written in one of five
//! formats. Takes no samples, names no functions, knows no HTTP.

mod ask;
mod folded;
mod json;
mod parameters;
mod pprof;
mod speedscope;
mod svg;
mod tree;

pub use parameters::{Format, Parameters, Question, Root, Window, WrongParameter};

use crate::sql::{SqlEngine, SqlError};

/// What a viewer calls the frame of a sample that names no frame, and of one whose stack is no longer kept.
const NO_FRAMES: &str = "[no frames]";
const NO_STACK: &str = "[stack not kept]";
/// Where the rest goes when an answer has as many frames as it may have.
const OTHER: &str = "[other]";
/// The frame above all others.
const ALL: &str = "all";

/// A file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
}

/// What the formats write: the tree, and what its numbers are.
struct Graph {
    tree: tree::Tree,
    kind: String,
    /// 'ns' or 'bytes'.
    unit: String,
    window: Window,
    /// Whether the tree's first number is a baseline.
    diff: bool,
    title: String,
}

/// The flame graph that a question asks for.
pub async fn answer(engine: &SqlEngine, question: &Question) -> Result<Answer, SqlError> {
    let gathered = ask::samples(engine, question).await?;
    let mut tree = gathered.tree;
    if question.normalize {
        tree.scale_first();
    }
    let graph = Graph {
        tree: tree.largest(question.frames_max),
        kind: question.kind.clone(),
        unit: gathered.unit,
        window: question.window,
        diff: question.diff.is_some(),
        title: question.title(),
    };
    let bytes = match question.format {
        Format::Folded => folded::write(&graph),
        Format::Pprof => pprof::write(&graph),
        Format::Speedscope => speedscope::write(&graph),
        Format::Svg => svg::write(&graph),
        Format::Json => json::write(&graph),
    };
    Ok(Answer { media_type: question.format.media_type(), bytes })
}
