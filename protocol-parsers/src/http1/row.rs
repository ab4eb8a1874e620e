//! A request and its response become a row of `http_events`.

use super::head::{Head, list};
use super::message::Message;
use super::table::HttpEvent;
use crate::coding::{self, Coding};
use crate::trace;
use crate::{Exchange, Moment, Output, Settings};

/// Memory for the texts of one row, used again for the next.
#[derive(Debug)]
pub struct Rows {
    body_bytes_max: usize,
    /// See [`Settings::headers`].
    headers: bool,
    req_headers: Vec<u8>,
    resp_headers: Vec<u8>,
    /// Whose headers the texts are, see [`Head::number`].
    req_number: u64,
    resp_number: u64,
    req_body: Vec<u8>,
    resp_body: Vec<u8>,
}

/// Memory that is kept from row to row.
const KEPT_BYTES_MAX: usize = 4 << 10;

impl Rows {
    pub fn new(settings: &Settings) -> Self {
        Self {
            body_bytes_max: settings.body_bytes_max,
            headers: settings.headers,
            req_headers: vec![],
            resp_headers: vec![],
            req_number: 0,
            resp_number: 0,
            req_body: vec![],
            resp_body: vec![],
        }
    }

    pub fn heap_bytes(&self) -> usize {
        [&self.req_headers, &self.resp_headers, &self.req_body, &self.resp_body].iter().map(|b| b.capacity()).sum()
    }

    /// Writes the row of a request, a response, or both.
    pub fn write(&mut self, request: Option<&Message>, response: Option<&Message>, broken: bool, out: &mut dyn Output) {
        let (mut row, mut exchange) = (HttpEvent::default(), Exchange { broken, ..Exchange::default() });
        if let Some(response) = response {
            row.resp_status = Some(i32::from(response.head.status()));
            row.http_version = Some(response.head.version());
            row.content_type = content_type(&response.head);
            if self.headers {
                headers(&response.head, &mut self.resp_headers, &mut self.resp_number);
                row.resp_headers = Some(&self.resp_headers);
            }
            row.resp_body_bytes = size(response.body_bytes);
            let (body, cut) = body(response, self.body_bytes_max, &mut self.resp_body);
            row.resp_body = body;
            exchange.started = response.started;
            // how long it took is not known when its request was not seen
            exchange.ended_ns = (request.is_some() && response.whole).then_some(response.last_ns);
            exchange.response_bytes = Some(response.bytes);
            add(&mut exchange, response, cut);
        }
        if let Some(request) = request {
            row.http_version = Some(request.head.version());
            row.req_method = request.head.method();
            row.req_path = request.head.target();
            row.req_authority = authority(&request.head);
            row.content_type = row.content_type.or_else(|| content_type(&request.head));
            if self.headers {
                headers(&request.head, &mut self.req_headers, &mut self.req_number);
                row.req_headers = Some(&self.req_headers);
            }
            row.req_body_bytes = size(request.body_bytes);
            let (body, cut) = body(request, self.body_bytes_max, &mut self.req_body);
            row.req_body = body;
            exchange.started = started(request, response);
            exchange.request_bytes = Some(request.bytes);
            add(&mut exchange, request, cut);
            if let Some(trace) = trace::from_headers(|name| request.head.values(name).next()) {
                exchange.trace_id = Some(trace.trace_id);
                exchange.span_id = trace.span_id;
            }
        }
        out.row(&row, &exchange);
        for body in [&mut self.req_body, &mut self.resp_body] {
            body.clear();
            body.shrink_to(KEPT_BYTES_MAX);
        }
        for (text, number) in [(&mut self.req_headers, &mut self.req_number), (&mut self.resp_headers, &mut self.resp_number)] {
            if text.capacity() > KEPT_BYTES_MAX {
                *text = vec![];
                *number = 0;
            }
        }
    }
}

/// The headers as JSON in `text`, where those with `number` are.
fn headers(head: &Head, text: &mut Vec<u8>, number: &mut u64) {
    if head.number == 0 || head.number != *number {
        head.json(text);
        *number = head.number;
    }
}

/// What either message adds to the exchange.
fn add(exchange: &mut Exchange<'_>, message: &Message, body_cut: bool) {
    exchange.truncated |= body_cut || message.head.cut_bytes > 0;
    exchange.gap_before |= message.gap_before;
    exchange.confidence = exchange.confidence.min(message.confidence);
}

/// A request can be reported a moment after its response; it was sent before, though.
fn started(request: &Message, response: Option<&Message>) -> Moment {
    let mono_ns = response.map_or(request.started.mono_ns, |r| r.started.mono_ns.min(request.started.mono_ns));
    Moment { mono_ns, ..request.started }
}

fn size(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

/// The body as text, and whether it was cut.
fn body<'a>(message: &'a Message, bytes_max: usize, decoded: &'a mut Vec<u8>) -> (Option<&'a [u8]>, bool) {
    if message.body.is_empty() {
        // a body of which nothing was seen is told by its size; only one that broke off is cut
        return (None, message.body_cut && !message.whole);
    }
    let (text, cut) = coding::text(&message.body, message.body_cut, &codings(&message.head), bytes_max, decoded);
    (Some(text), cut)
}

/// The codings in the order in which they were applied; none when one of them is unknown.
fn codings(head: &Head) -> Vec<Coding> {
    let content = head.values(b"content-encoding").flat_map(list);
    let transfer = head.values(b"transfer-encoding").flat_map(list);
    Coding::all(content.chain(transfer))
}

fn content_type(head: &Head) -> Option<&[u8]> {
    head.values(b"content-type").next()
}

/// The header Host; without it the target's authority (RFC 9112, section 3.2).
fn authority(head: &Head) -> Option<&[u8]> {
    if let Some(host) = head.values(b"host").next() {
        return Some(host);
    }
    let target = head.target()?;
    if head.method() == Some(b"CONNECT") {
        return Some(target);
    }
    let scheme_end = memchr::memmem::find(target, b"://")?;
    let scheme = &target[..scheme_end];
    if scheme.is_empty() || !scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
        return None;
    }
    let rest = &target[scheme_end + 3..];
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    Some(&rest[..end])
}
