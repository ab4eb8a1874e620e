//! A stream becomes a row of `http_events`.

use super::fields::Fields;
use super::grpc::{self, Reading};
use super::message::{Call, Message};
use crate::coding::{self, Coding};
use crate::http1::HttpEvent;
use crate::{Exchange, Output, trace};

/// Memory for the texts of one row, used again for the next.
#[derive(Debug)]
pub struct Rows {
    body_bytes_max: usize,
    req_headers: Vec<u8>,
    resp_headers: Vec<u8>,
    resp_trailers: Vec<u8>,
    req_body: Vec<u8>,
    resp_body: Vec<u8>,
    grpc_message: Vec<u8>,
}

/// Memory that is kept from row to row.
const KEPT_BYTES_MAX: usize = 4 << 10;

impl Rows {
    pub fn new(body_bytes_max: usize) -> Self {
        Self {
            body_bytes_max,
            req_headers: vec![],
            resp_headers: vec![],
            resp_trailers: vec![],
            req_body: vec![],
            resp_body: vec![],
            grpc_message: vec![],
        }
    }

    fn texts(&mut self) -> [&mut Vec<u8>; 6] {
        [
            &mut self.req_headers,
            &mut self.resp_headers,
            &mut self.resp_trailers,
            &mut self.req_body,
            &mut self.resp_body,
            &mut self.grpc_message,
        ]
    }

    pub fn heap_bytes(&self) -> usize {
        let headers = self.req_headers.capacity() + self.resp_headers.capacity() + self.resp_trailers.capacity();
        headers + self.req_body.capacity() + self.resp_body.capacity() + self.grpc_message.capacity()
    }

    /// Writes the row of a stream; `broken` says that it was given up before the response was whole.
    pub fn write(&mut self, id: u32, call: &Call, broken: bool, out: &mut dyn Output) {
        let (request, response) = (&call.request, &call.response);
        let mut row = HttpEvent { http_version: Some(b"2"), stream_id: Some(i64::from(id)), ..HttpEvent::default() };
        let mut exchange = Exchange {
            started: call.started(),
            // how long a call took is not known when the beginning of its request was not seen
            ended_ns: (request.head && response.whole).then(|| response.last_ns.max(call.started().mono_ns)),
            request_bytes: request.head.then_some(request.bytes),
            response_bytes: response.begun.then_some(response.bytes),
            truncated: false,
            gap_before: request.gap_before || response.gap_before,
            broken,
            confidence: call.confidence,
            ..Exchange::default()
        };
        row.content_type = content_type(call);
        let grpc = Grpc::of(call);
        if request.begun {
            if request.head {
                let fields = &request.fields;
                row.req_method = fields.value(b":method");
                row.req_path = fields.value(b":path");
                row.req_authority = fields.value(b":authority").or_else(|| fields.value(b"host"));
                fields.json(&mut self.req_headers);
                row.req_headers = Some(&self.req_headers);
                exchange.truncated |= fields.incomplete();
                if let Some(trace) = trace::from_headers(|name| fields.value(name)) {
                    exchange.trace_id = Some(trace.trace_id);
                    exchange.span_id = trace.span_id;
                }
            }
            row.req_body_bytes = size(request.body_bytes);
            let (body, cut) = body(request, grpc, self.body_bytes_max, &mut self.req_body);
            row.req_body = body;
            exchange.truncated |= cut;
        }
        if response.begun {
            if response.head {
                row.resp_status = response.fields.status().map(i32::from);
                response.fields.json(&mut self.resp_headers);
                row.resp_headers = Some(&self.resp_headers);
                exchange.truncated |= response.fields.incomplete();
            }
            if response.has_trailers {
                response.trailers.json(&mut self.resp_trailers);
                row.resp_trailers = Some(&self.resp_trailers);
                exchange.truncated |= response.trailers.incomplete();
            }
            if response.head || response.body_bytes > 0 {
                row.resp_body_bytes = size(response.body_bytes);
                let (body, cut) = body(response, grpc, self.body_bytes_max, &mut self.resp_body);
                row.resp_body = body;
                exchange.truncated |= cut;
            }
        }
        if grpc.is_some() {
            if let Some((service, method)) = row.req_path.and_then(grpc::names) {
                row.grpc_service = Some(service);
                row.grpc_method = Some(method);
            }
            row.grpc_status = outcome(response, b"grpc-status").and_then(number);
            if let Some(message) = outcome(response, b"grpc-message") {
                grpc::percent_decoded(message, &mut self.grpc_message);
                row.grpc_message = Some(&self.grpc_message);
            }
            row.grpc_request_messages = request.begun.then(|| request.messages.count()).flatten();
            row.grpc_response_messages =
                (response.head || response.body_bytes > 0).then(|| response.messages.count()).flatten();
        }
        let code = call.reset.map(error_name);
        row.stream_error = code.as_ref().map(Name::as_bytes);
        out.row(&row, &exchange);
        for text in self.texts() {
            text.clear();
            text.shrink_to(KEPT_BYTES_MAX);
        }
    }
}

/// A call that is known to be gRPC.
#[derive(Clone, Copy)]
struct Grpc;

impl Grpc {
    fn of(call: &Call) -> Option<Self> {
        let kind = |message: &Message| message.fields.value(b"content-type").map(grpc::is_grpc);
        let told = kind(&call.request).or_else(|| kind(&call.response));
        let status = || outcome(&call.response, b"grpc-status").is_some();
        told.unwrap_or_else(status).then_some(Grpc)
    }
}

/// A field of the trailers, which are in place of the headers when there is nothing else.
fn outcome<'a>(response: &'a Message, name: &[u8]) -> Option<&'a [u8]> {
    response.trailers.value(name).or_else(|| response.fields.value(name))
}

fn number(digits: &[u8]) -> Option<i32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn size(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

/// That of the response; that of the request while the response has none, for all that is known.
fn content_type(call: &Call) -> Option<&[u8]> {
    let response = call.response.fields.value(b"content-type");
    if response.is_some() || call.response.begun && call.response.fields.unknown > 0 {
        return response;
    }
    call.request.fields.value(b"content-type")
}

/// The body as text, and whether it was cut.
fn body<'a>(message: &'a Message, grpc: Option<Grpc>, bytes_max: usize, text: &'a mut Vec<u8>) -> (Option<&'a [u8]>, bool) {
    let cut = message.body_cut || !message.whole;
    if message.body.is_empty() {
        // a body of which nothing was seen is told by its size; only one that broke off is cut
        return (None, message.body_cut && !message.whole && message.body_bytes > 0);
    }
    if grpc.is_some() {
        let reading = Reading {
            content_type: message.fields.value(b"content-type").unwrap_or(b"application/grpc"),
            encoding: message.fields.value(b"grpc-encoding"),
            text_bytes_max: bytes_max,
        };
        let cut = grpc::text(&message.body, cut, reading, text);
        return (Some(text), cut);
    }
    let (text, cut) = coding::text(&message.body, cut, &codings(&message.fields), bytes_max, text);
    (Some(text), cut)
}

/// The codings in the order in which they were applied; none when one of them is unknown.
fn codings(fields: &Fields) -> Vec<Coding> {
    Coding::all(fields.values(b"content-encoding").flat_map(|value| value.split(|&b| b == b',').map(<[u8]>::trim_ascii)))
}

/// Name of an error code (RFC 9113, section 7); others by number.
enum Name {
    Known(&'static str),
    Other(String),
}

impl Name {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Name::Known(name) => name.as_bytes(),
            Name::Other(name) => name.as_bytes(),
        }
    }
}

fn error_name(code: u32) -> Name {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    match usize::try_from(code).ok().and_then(|code| NAMES.get(code)) {
        Some(name) => Name::Known(name),
        None => Name::Other(code.to_string()),
    }
}
