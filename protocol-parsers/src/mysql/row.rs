//! The row of a command and its response.

use super::MysqlEvent;
use super::login::Names;
use super::queue::Waiting;
use super::response::Response;
use super::text::{KEYWORD_BYTES_MAX, keyword};
use crate::trace::{self, Trace};
use crate::{Exchange, Output};

/// What is known of a response when its row is written.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub response: &'a Response,
    /// `None` when its last byte was not seen.
    pub ended_ns: Option<u64>,
    /// Part of it was not seen, so that its counts are not known.
    pub cut: bool,
    pub gap_before: bool,
}

/// Writes a command's row. `names` are the session's.
pub fn emit(waiting: &Waiting, answer: Option<Answer<'_>>, broken: bool, names: &Names, out: &mut dyn Output) {
    if waiting.silent {
        return;
    }
    let (mut number, mut word) = (Vec::new(), [0; KEYWORD_BYTES_MAX]);
    let names = waiting.names.as_deref().unwrap_or(names);
    let known = |text: &[u8]| !text.is_empty();
    let query = waiting.query().filter(|_| !waiting.unread);
    let response = answer.map(|a| a.response);
    let count = |n: Option<u64>| n.filter(|_| answer.is_some_and(|a| !a.cut)).map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let row = MysqlEvent {
        command: Some(waiting.code.name(&mut number)),
        operation: query.and_then(|q| keyword(q, &mut word)),
        query,
        parameters: waiting.parameters.then(|| &waiting.buffer[waiting.query_end..]),
        rows: count(response.and_then(|r| r.rows)),
        affected_rows: count(response.and_then(|r| r.affected_rows)),
        error_code: response.and_then(|r| r.error_code).map(i32::from),
        sql_state: response.and_then(|r| r.sql_state.as_ref()).map(|s| s.as_slice()),
        error_message: response.filter(|r| r.error_code.is_some()).map(|r| r.error_message.as_slice()),
        user_name: Some(names.user.as_slice()).filter(|n| known(n)),
        database_name: Some(names.database.as_slice()).filter(|n| known(n)),
        ..MysqlEvent::default()
    };
    let attribute = waiting.trace.as_deref().map(|(trace, span)| Trace { trace_id: trace, span_id: Some(span) });
    let trace = attribute.or_else(|| query.and_then(trace::from_sql));
    let exchange = Exchange {
        started: waiting.started,
        // how long it took is not known when its request was not seen
        ended_ns: answer.and_then(|a| a.ended_ns).filter(|_| waiting.bytes.is_some()),
        request_bytes: waiting.bytes,
        response_bytes: answer.filter(|a| !a.cut || broken).map(|a| a.response.bytes),
        truncated: waiting.truncated || answer.is_some_and(|a| a.cut || a.response.cut),
        gap_before: waiting.gap_before || answer.is_some_and(|a| a.gap_before),
        broken,
        confidence: waiting.confidence,
        trace_id: trace.map(|t| t.trace_id),
        span_id: trace.and_then(|t| t.span_id),
        ..Exchange::default()
    };
    out.row(&row, &exchange);
}
