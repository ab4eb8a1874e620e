//! The samples of a question, by SQL.
//!
//! Samples are summed by stack before they are joined to the stacks' names, so that a join row is a stack and not a sample.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;

use super::parameters::{Question, Window};
use super::tree::{Tree, Values};
use super::{NO_FRAMES, NO_STACK};
use crate::format::plain;
use crate::sql::{Query, SqlEngine, SqlError, check_expression};

/// A root's name where the sample has none.
const NO_NAME: &str = "[unknown]";
const UNIT_DEFAULT: &str = "ns";

pub(super) struct Gathered {
    pub tree: Tree,
    pub unit: String,
}

pub(super) async fn samples(engine: &SqlEngine, question: &Question) -> Result<Gathered, SqlError> {
    let asked = Asked::new(question)?;
    let mut rows = engine.query(Query::new(asked.text.clone())).await.map_err(|e| asked.placed(e))?;
    let (mut tree, mut unit) = (Tree::default(), None);
    while let Some(batch) = rows.next().await {
        let batch = batch.and_then(|b| plain(&b).map_err(SqlError::unreadable)).map_err(|e| asked.placed(e))?;
        add(&mut tree, &mut unit, question, &batch);
    }
    Ok(Gathered { tree, unit: unit.unwrap_or_else(|| UNIT_DEFAULT.to_owned()) })
}

/// A query, and where in it the expressions are.
struct Asked {
    text: String,
    /// Of each expression: where it begins in the query, in lines and characters before it, and how many of these it has.
    expressions: Vec<Part>,
}

struct Part {
    lines_before: usize,
    characters_before: usize,
    characters: usize,
}

impl Asked {
    fn new(question: &Question) -> Result<Self, SqlError> {
        for expression in [&question.where_, &question.requests].into_iter().flatten() {
            check_expression(expression)?;
        }
        let mut asked = Self { text: String::new(), expressions: vec![] };
        let roots = question.root.columns();
        let named = |table: &str| roots.iter().enumerate().map(|(i, _)| format!(", {table}.root{i}")).collect::<String>();
        let columns = roots.iter().enumerate().map(|(i, c)| format!(", {c} AS root{i}")).collect::<String>();
        let _ = write!(
            asked.text,
            "SELECT t.frames AS frames, v.stack_id AS stack_id, v.before, v.after, v.unit{} FROM (",
            named("v")
        );
        let _ = write!(
            asked.text,
            "SELECT s.stack_id, sum(s.before) AS before, sum(s.after) AS after, max(s.unit) AS unit{} FROM (",
            named("s")
        );
        let _ = write!(
            asked.text,
            "SELECT stack_id, process_id, thread_id, CAST(time AS BIGINT) AS at_ns, value_unit AS unit{columns}, {} AS before, {} AS after FROM stack_samples WHERE kind = {} AND {}",
            value_in(question.diff),
            value_in(Some(question.window)),
            literal(&question.kind),
            bounds(question),
        );
        if let Some(expression) = &question.where_ {
            asked.text.push_str(" AND (");
            asked.expression(expression);
            asked.text.push(')');
        }
        asked.text.push_str(") s");
        if let Some(expression) = &question.requests {
            let (_, until) = span(question);
            let _ = write!(
                asked.text,
                " LEFT SEMI JOIN (SELECT process_id, thread_id, CAST(time AS BIGINT) AS from_ns, CAST(time AS BIGINT) + latency_ns AS until_ns \
                 FROM requests WHERE latency_ns IS NOT NULL AND time < {} AND (",
                instant(until)
            );
            asked.expression(expression);
            asked.text.push_str(
                ")) r ON s.process_id = r.process_id AND s.thread_id = r.thread_id AND s.at_ns >= r.from_ns AND s.at_ns <= r.until_ns",
            );
        }
        let _ = write!(asked.text, " GROUP BY s.stack_id{}) v LEFT JOIN stacks t ON v.stack_id = t.stack_id", named("s"));
        Ok(asked)
    }

    /// On lines of its own: a comment at its end ends there, and places in it are easily told.
    fn expression(&mut self, text: &str) {
        self.text.push('\n');
        self.expressions.push(Part {
            lines_before: self.text.matches('\n').count(),
            characters_before: self.text.chars().count(),
            characters: text.chars().count(),
        });
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// The error with its place counted in the expression that it is in; without, when it is in none.
    fn placed(&self, mut error: SqlError) -> SqlError {
        error.place = error.place.and_then(|mut place| {
            let of = |p: &&Part| (p.characters_before + 1..=p.characters_before + p.characters + 1).contains(&place.position);
            let part = self.expressions.iter().find(of)?;
            place.position -= part.characters_before;
            place.line = place.line.saturating_sub(part.lines_before).max(1);
            Some(place)
        });
        error
    }
}

/// The first and the last moment of all windows.
fn span(question: &Question) -> (i64, i64) {
    let baseline = question.diff.unwrap_or(question.window);
    (question.window.from.min(baseline.from), question.window.until.max(baseline.until))
}

/// The whole span, which whole batches are left out by, and with a baseline each window.
fn bounds(question: &Question) -> String {
    let (from, until) = span(question);
    let whole = within(Window { from, until });
    match question.diff {
        Some(baseline) => format!("{whole} AND ({} OR {})", within(question.window), within(baseline)),
        None => whole,
    }
}

pub(crate) fn within(window: Window) -> String {
    format!("time >= {} AND time < {}", instant(window.from), instant(window.until))
}

fn value_in(window: Option<Window>) -> String {
    window.map_or_else(|| "CAST(0 AS BIGINT)".to_owned(), |w| format!("CASE WHEN {} THEN value ELSE 0 END", within(w)))
}

fn instant(ns: i64) -> String {
    format!("arrow_cast({ns}, 'Timestamp(Nanosecond, Some(\"UTC\"))')")
}

pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn add(tree: &mut Tree, unit: &mut Option<String>, question: &Question, batch: &RecordBatch) {
    let column = |name: &str| batch.column_by_name(name);
    let numbers = |name| column(name).and_then(|c| c.as_primitive_opt::<Int64Type>());
    let (Some(before), Some(after), Some(frames)) = (numbers("before"), numbers("after"), column("frames")) else { return };
    let Some(frames) = frames.as_list_opt::<i32>() else { return };
    if unit.is_none() {
        *unit = column("unit").and_then(first_text);
    }
    let roots: Vec<&ArrayRef> = (0..question.root.columns().len()).filter_map(|i| column(&format!("root{i}"))).collect();
    let mut path: Vec<String> = vec![];
    for row in 0..batch.num_rows() {
        let number = |numbers: &arrow::array::Int64Array| if numbers.is_null(row) { 0 } else { numbers.value(row) };
        let values = Values { before: number(before), after: number(after) };
        path.clear();
        path.extend(roots.iter().map(|root| root_name(root, row)));
        if frames.is_null(row) {
            path.push(NO_STACK.to_owned());
        } else {
            let list = frames.value(row);
            let texts = list.as_string_opt::<i32>();
            path.extend(texts.into_iter().flatten().map(|frame| frame.unwrap_or_default().to_owned()));
            if list.is_empty() {
                path.push(NO_FRAMES.to_owned());
            }
        }
        tree.add(path.iter().map(String::as_str), values);
    }
}

fn first_text(column: &ArrayRef) -> Option<String> {
    column.as_string_opt::<i32>()?.iter().flatten().next().map(str::to_owned)
}

/// A root's name; one that reads as two frames would break the lines of folded stacks.
fn root_name(column: &ArrayRef, row: usize) -> String {
    match column.as_string_opt::<i32>() {
        Some(names) if names.is_valid(row) => names.value(row).replace(';', ":"),
        _ => NO_NAME.to_owned(),
    }
}
