//! Flame graphs: where the time of a window went.
//!
//! In: a window, filters and a format ([`Parameters`]). Out: one file's bytes ([`Answer`]). The samples are asked for by SQL through
//! the engine, with its limits, summed up in a tree of bounded size whose total stays exact, and written in one of five
//! formats. Takes no samples, names no functions, knows no HTTP.

mod ask;
mod flamebearer;
mod folded;
mod json;
#[cfg(any(test, feature = "otlp"))]
mod otlp;
mod parameters;
mod pprof;
mod speedscope;
mod svg;
mod tree;

pub(crate) use ask::{literal, within};
pub(crate) use flamebearer::Flamebearer;
#[cfg(any(test, feature = "otlp"))]
pub use otlp::otlp;
pub(crate) use parameters::time;
pub use parameters::{Format, Parameters, Question, Root, Window, WrongParameter, time_text};

use futures::FutureExt;
use futures::future::BoxFuture;

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

impl Graph {
    fn of(gathered: ask::Gathered, question: &Question, diff: bool) -> Self {
        let mut tree = gathered.tree;
        if question.normalize {
            tree.scale_first();
        }
        Self {
            tree: tree.largest(question.frames_max),
            kind: question.kind.clone(),
            unit: gathered.unit,
            window: question.window,
            diff,
            title: question.title(),
        }
    }
}

/// What a question asks for as levels of bars.
pub(crate) async fn flamebearer(engine: &SqlEngine, question: &Question) -> Result<Flamebearer, SqlError> {
    let gathered = ask::samples(engine, question).await?;
    Ok(flamebearer::write(&Graph::of(gathered, question, question.diff.is_some())))
}

/// The same as an uncompressed profile for `pprof`.
pub(crate) async fn profile(engine: &SqlEngine, question: &Question) -> Result<Vec<u8>, SqlError> {
    let gathered = ask::samples(engine, question).await?;
    Ok(pprof::profile(&Graph::of(gathered, question, question.diff.is_some())))
}

/// Two questions beside each other, the first as the baseline.
pub(crate) async fn compared(engine: &SqlEngine, before: &Question, after: &Question) -> Result<Flamebearer, SqlError> {
    let (first, mut both) = (ask::samples(engine, before).await?, ask::samples(engine, after).await?);
    for (node, values) in first.tree.ends() {
        let path = first.tree.path(node);
        let frames = path.iter().map(|name| first.tree.names[*name as usize].as_ref());
        both.tree.add(frames, tree::Values { before: values.after, after: 0 });
    }
    Ok(flamebearer::write(&Graph::of(both, after, true)))
}

/// The flame graph that a question asks for.
pub fn answer<'a>(engine: &'a SqlEngine, question: &'a Question) -> BoxFuture<'a, Result<Answer, SqlError>> {
    async move {
        let gathered = ask::samples(engine, question).await?;
        let graph = Graph::of(gathered, question, question.diff.is_some());
        let bytes = match question.format {
            Format::Folded => folded::write(&graph),
            Format::Pprof => pprof::write(&graph),
            Format::Speedscope => speedscope::write(&graph),
            Format::Svg => svg::write(&graph),
            Format::Json => json::write(&graph),
        };
        Ok(Answer { media_type: question.format.media_type(), bytes })
    }
    .boxed()
}
