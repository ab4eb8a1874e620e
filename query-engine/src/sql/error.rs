//! What went wrong with a query, as its author needs to hear it.

use std::time::Duration;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use super::place::Place;

/// Which answer an error is; an API maps each to one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The query is wrong.
    Wrong,
    /// The query would write, or change a setting.
    Forbidden,
    /// The text is longer than `QUERY_BYTES_MAX`.
    TextTooLong,
    /// The memory or row limit.
    Exhausted,
    /// Too many queries at once.
    Busy,
    /// The time limit.
    Timeout,
    /// earshot is at fault.
    Internal,
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    pub kind: SqlErrorKind,
    pub message: String,
    pub hint: Option<String>,
    pub place: Option<Place>,
}

impl SqlError {
    pub(super) fn new(kind: SqlErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, place: None }
    }

    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self::new(SqlErrorKind::Wrong, message)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    pub(super) fn timeout(after: Duration) -> Self {
        Self::new(SqlErrorKind::Timeout, format!("the query did not end within {} ms", after.as_millis()))
            .hint("narrow it, for example by a range of time, or ask for more with timeout_ms")
    }

    pub(super) fn crashed() -> Self {
        Self::new(SqlErrorKind::Internal, "the query ended unexpectedly")
    }

    /// Rows that arrived cannot be read as they should be.
    pub(crate) fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::new(SqlErrorKind::Internal, error.to_string())
    }

    /// The parser's word on `text`.
    pub(super) fn from_parser(error: &ParserError, text: &str) -> Self {
        let message = match error {
            ParserError::TokenizerError(m) | ParserError::ParserError(m) => m.as_str(),
            ParserError::RecursionLimitExceeded => return Self::too_deep(),
        };
        if message.to_ascii_lowercase().contains("recursion limit") {
            return Self::too_deep();
        }
        let (message, place) = split_location(message, text);
        let place = place.or_else(|| message.contains("EOF").then(|| Place::end(text)));
        Self::wrong(message).at(place)
    }

    pub(super) fn too_deep() -> Self {
        Self::wrong("the query is nested too deeply").hint(format!(
            "at most {} levels of parentheses, and {} words in one expression; a list (x IN (…)) is not nested",
            super::limits::NESTING_DEPTH_MAX,
            super::limits::EXPRESSION_TOKENS_MAX
        ))
    }

    /// DataFusion's word on `text`.
    pub(super) fn from_datafusion(error: &DataFusionError, text: &str) -> Self {
        let root = innermost(error);
        let span = error.diagnostic().and_then(|d| d.span);
        let place = span.and_then(|s| Place::at(text, s.start.line, s.start.column));
        match root {
            DataFusionError::SQL(parser, _) => Self::from_parser(parser, text),
            DataFusionError::ResourcesExhausted(message) => Self::new(SqlErrorKind::Exhausted, memory_message(message))
                .hint("narrow the query, for example by a range of time, or select fewer columns"),
            DataFusionError::SchemaError(schema, _) => {
                Self::wrong(schema_message(schema)).at(place.or_else(|| schema_place(schema, text)))
            }
            DataFusionError::Internal(message) => Self::new(SqlErrorKind::Internal, first_line(message)),
            DataFusionError::ExecutionJoin(_) => Self::crashed(),
            DataFusionError::External(inner) => match inner.downcast_ref::<SqlError>() {
                Some(own) => own.clone(),
                None => Self::wrong(inner.to_string()),
            },
            DataFusionError::ArrowError(arrow, _) => Self::wrong(arrow.to_string()),
            other => {
                let message = first_line(&other.strip_backtrace());
                let message = strip_prefixes(&message);
                let hint = error.to_string().lines().find(|l| l.starts_with("Did you mean")).map(str::to_owned);
                let place = place.or_else(|| quoted(&message).into_iter().find_map(|name| Place::of_identifier(text, name)));
                Self { kind: SqlErrorKind::Wrong, message, hint, place }
            }
        }
    }
}

fn innermost(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => innermost(inner),
        DataFusionError::Shared(inner) => innermost(inner),
        DataFusionError::Collection(all) => all.first().map_or(error, innermost),
        DataFusionError::ArrowError(arrow, _) => match &**arrow {
            arrow::error::ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => innermost(inner),
                None => error,
            },
            _ => error,
        },
        DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => innermost(inner),
            None => error,
        },
        _ => error,
    }
}

/// What DataFusion puts before a table's name.
const DEFAULT_SCHEMA: &str = "datafusion.public.";
const DEFAULT_CATALOG: &str = "'datafusion.";

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

fn strip_prefixes(message: &str) -> String {
    let mut rest = message;
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "Invalid or Unsupported Configuration: ",
    ] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    // a query names tables without the catalogue and schema that DataFusion adds
    rest.replace(DEFAULT_SCHEMA, "").replace(DEFAULT_CATALOG, "'")
}

fn memory_message(message: &str) -> String {
    // the pool's own report lists operators by internal names; what matters is which limit it was
    let operator = quoted(message).into_iter().next().and_then(|o| o.split(['[', '#']).next()).unwrap_or_default().trim();
    if operator.is_empty() {
        "the query needs more memory than the limit allows".to_owned()
    } else {
        format!("the query needs more memory than the limit allows (in {operator})")
    }
}

fn schema_message(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, .. } => format!("no column {}", field.flat_name()),
        SchemaError::AmbiguousReference { field } => format!("column {} could be one of several tables'", field.flat_name()),
        other => first_line(&other.to_string()),
    }
}

fn schema_place(error: &SchemaError, text: &str) -> Option<Place> {
    match error {
        SchemaError::FieldNotFound { field, .. } | SchemaError::AmbiguousReference { field } => {
            Place::of_identifier(text, &field.name)
        }
        SchemaError::DuplicateUnqualifiedField { name } | SchemaError::DuplicateQualifiedField { name, .. } => {
            Place::of_identifier(text, name)
        }
    }
}

/// The parts of a message between quotes.
fn quoted(message: &str) -> Vec<&str> {
    message.split(['\'', '"']).skip(1).step_by(2).collect()
}

/// Cuts the parser's ` at Line: 1, Column: 8` off.
fn split_location(message: &str, text: &str) -> (String, Option<Place>) {
    let Some((before, after)) = message.rsplit_once(" at Line: ") else { return (message.to_owned(), None) };
    let number = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().ok();
    let place = number(after)
        .zip(after.split_once("Column: ").and_then(|(_, c)| number(c)))
        .and_then(|(line, column)| Place::at(text, line, column));
    (before.to_owned(), place)
}
