//! `/api/openapi.json`: this API, as OpenAPI 3.1 describes it.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{App, HEAP_SECONDS_MAX};

pub(super) async fn get(State(app): State<App>) -> Json<Value> {
    let mut document = document();
    if app.config.token.is_some() {
        document["components"]["securitySchemes"] = json!({ "token": { "type": "http", "scheme": "bearer" } });
        document["security"] = json!([{ "token": [] }]);
        document["paths"]["/healthz"]["get"]["security"] = json!([]);
    }
    Json(document)
}

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "earshot",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "SQL over the traffic of this host. Errors are application/problem+json. When an answer has \
                begun and then fails, NDJSON and JSON end with an object {\"error\": problem}; CSV and Arrow break off.",
        },
        "paths": {
            "/api/v1/sql": { "post": post_sql(), "get": get_sql() },
            "/api/v1/stream": { "get": stream() },
            "/api/v1/flamegraph": { "get": flamegraph() },
            "/api/v1/heap": { "post": heap() },
            "/querier.v1.QuerierService/{call}": { "post": pyroscope_call() },
            "/pyroscope/render": { "get": pyroscope_render("One flame graph", &["query", "from", "until"]) },
            "/pyroscope/render-diff": { "get": pyroscope_render(
                "Two flame graphs beside each other",
                &["leftQuery", "leftFrom", "leftUntil", "rightQuery", "rightFrom", "rightUntil"],
            )},
            "/pyroscope/labels": { "get": {
                "summary": "Names of labels, as Pyroscope tells them",
                "responses": { "200": json_answer("Names", json!({ "type": "array", "items": { "type": "string" } })) },
            }},
            "/pyroscope/label-values": { "get": {
                "summary": "Values of a label, as Pyroscope tells them",
                "parameters": [query_parameter("label", "string", true, "a name that /pyroscope/labels tells")],
                "responses": {
                    "200": json_answer("Values", json!({ "type": "array", "items": { "type": "string" } })),
                    "400": problem("No label"),
                },
            }},
            "/api/v1/tables": { "get": {
                "summary": "All tables and views",
                "responses": { "200": json_answer("Tables", json!({ "type": "array", "items": reference("Table") })) },
            }},
            "/api/v1/tables/{name}": { "get": {
                "summary": "One table or view",
                "parameters": [{ "name": "name", "in": "path", "required": true, "schema": { "type": "string" } }],
                "responses": { "200": json_answer("The table", reference("Table")), "404": problem("No such table") },
            }},
            "/api/openapi.json": { "get": {
                "summary": "This document",
                "responses": { "200": json_answer("OpenAPI 3.1", json!({ "type": "object" })) },
            }},
            "/healthz": { "get": { "summary": "Whether earshot answers", "responses": { "200": text("It does") } } },
            "/readyz": { "get": {
                "summary": "Whether every probe is attached and every port open",
                "responses": { "200": text("Ready"), "503": problem("Not ready") },
            }},
            "/metrics": { "get": {
                "summary": "Metrics of earshot itself, in Prometheus' text format",
                "responses": { "200": text("Metrics") },
            }},
        },
        "components": { "schemas": { "Table": table(), "Problem": problem_schema() } },
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn json_answer(about: &str, schema: Value) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": schema } } })
}

fn text(about: &str) -> Value {
    json!({ "description": about, "content": { "text/plain": { "schema": { "type": "string" } } } })
}

fn problem(about: &str) -> Value {
    json!({ "description": about, "content": { "application/problem+json": { "schema": reference("Problem") } } })
}

fn query_parameter(name: &str, ty: &str, required: bool, about: &str) -> Value {
    let minimum = if ty == "integer" { json!(0) } else { Value::Null };
    let mut schema = json!({ "type": ty });
    if !minimum.is_null() {
        schema["minimum"] = minimum;
    }
    json!({ "name": name, "in": "query", "required": required, "description": about, "schema": schema })
}

fn sql_answers() -> Value {
    let object = json!({ "type": "object", "additionalProperties": true });
    json!({
        "200": { "description": "The rows, streamed", "content": {
            "application/x-ndjson": { "schema": { "type": "string", "description": "one JSON object a line" } },
            "application/json": { "schema": { "type": "array", "items": object } },
            "text/csv": { "schema": { "type": "string" } },
            "application/vnd.apache.arrow.stream": { "schema": { "type": "string", "contentEncoding": "binary" } },
        }},
        "400": problem("Wrong request or query; position, line and column say where"),
        "403": problem("Not allowed: a statement that writes, or a request from another site"),
        "406": problem("No such format"),
        "413": problem("Query text over 1 MiB"),
        "422": problem("Memory or row limit"),
        "429": problem("Too many queries at once"),
        "504": problem("Timeout"),
    })
}

fn post_sql() -> Value {
    json!({
        "summary": "Ask",
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object",
            "required": ["query"],
            "additionalProperties": false,
            "properties": {
                "query": { "type": "string", "description": "one SELECT, WITH, VALUES or EXPLAIN" },
                "timeout_ms": { "type": "integer", "minimum": 0, "description": "30,000 unless given; capped at 600,000" },
                "limit": { "type": "integer", "minimum": 0, "description": "cuts the answer after this many rows" },
            },
        }}}},
        "responses": sql_answers(),
    })
}

fn get_sql() -> Value {
    json!({
        "summary": "Ask, from a script",
        "parameters": [
            query_parameter("query", "string", true, "one SELECT, WITH, VALUES or EXPLAIN"),
            query_parameter("timeout_ms", "integer", false, "30,000 unless given; capped at 600,000"),
            query_parameter("limit", "integer", false, "cuts the answer after this many rows"),
        ],
        "responses": sql_answers(),
    })
}

fn flamegraph() -> Value {
    let time = "RFC 3339, now, or so long ago: -90s, -5m, -2h, -1d";
    json!({
        "summary": "Where the time of a window went, as one file",
        "description": "The samples of one kind, summed by stack. With a baseline (diff_from, diff_until) folded stacks have both \
            values, pprof the differences, speedscope two profiles, json `before` beside `value`, and the drawing colours by change.",
        "parameters": [
            query_parameter("from", "string", false, &format!("-5m unless given; {time}")),
            query_parameter("until", "string", false, &format!("now unless given, and not in the window; {time}")),
            query_parameter("where", "string", false, "SQL condition over stack_samples"),
            query_parameter("requests", "string", false, "SQL condition over requests: only samples of their processes and threads while they were answered"),
            query_parameter("kind", "string", false, "on_cpu unless given; off_cpu, page_fault, rss_growth, heap …"),
            choice("root", "what stands above the frames; none unless given", &["none", "process", "thread", "service"]),
            choice("format", "folded unless given", &["folded", "pprof", "speedscope", "svg", "json"]),
            query_parameter("diff_from", "string", false, &format!("begin of the baseline; {time}")),
            query_parameter("diff_until", "string", false, &format!("end of the baseline; {time}")),
            query_parameter("normalize", "boolean", false, "scale the baseline to the window's sum"),
            query_parameter("frames", "integer", false, "the largest so many frames, the rest summed as [other]; 5,000 for svg, else 200,000"),
        ],
        "responses": {
            "200": { "description": "The file; valid and empty when there are no samples", "content": {
                "text/plain": { "schema": { "type": "string", "description": "folded: frames joined by ';', a blank, the value" } },
                "application/octet-stream": { "schema": { "type": "string", "contentEncoding": "binary" } },
                "application/json": { "schema": { "type": "object" } },
                "image/svg+xml": { "schema": { "type": "string" } },
            }},
            "400": problem("Wrong parameter or condition; position, line and column say where in the condition"),
            "422": problem("Memory or row limit"),
            "429": problem("Too many queries at once"),
            "504": problem("Timeout"),
        },
    })
}

fn heap() -> Value {
    let count = |about: &str| json!({ "type": "integer", "description": about });
    let texts = |about: &str| json!({ "type": "array", "items": { "type": "string" }, "description": about });
    json!({
        "summary": "Profile the heap of one process for some seconds",
        "description": "Probes the functions of its allocator, which slows every call of them, and leaves them when the time is over or the \
            client goes away. The answer comes then; the samples are rows of stack_samples of the kind heap, whose state says whether \
            the memory was given back: ask /api/v1/flamegraph for the same window with kind=heap.",
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object",
            "required": ["pid"],
            "additionalProperties": false,
            "properties": {
                "pid": { "type": "integer", "minimum": 1 },
                "seconds": { "type": "integer", "minimum": 1, "maximum": HEAP_SECONDS_MAX, "description": "10 unless given" },
                "every_bytes": { "type": "integer", "minimum": 0, "description": "a sample stands for at least so many bytes; 524,288 unless given" },
            },
        }}}},
        "responses": {
            "200": json_answer("What was seen", json!({ "type": "object", "properties": {
                "pid": count("the process"),
                "from": { "type": "string", "format": "date-time" },
                "until": { "type": "string", "format": "date-time" },
                "allocations": count("calls that asked for memory"),
                "allocated_bytes": count("bytes that they asked for"),
                "frees": count("calls that gave memory back"),
                "samples": count("rows of stack_samples"),
                "sampled_bytes": count("bytes that they stand for"),
                "live_bytes": { "type": ["integer", "null"], "description": "of these, bytes that were not given back; null where that is not seen" },
                "unwatched": count("samples that are told as freed because too many were not"),
                "functions": texts("what was probed"),
                "refused": texts("what was not, and why"),
            }})),
            "400": problem("Wrong request"),
            "404": problem("No such process"),
            "409": problem("A heap is being profiled"),
            "422": problem("No known allocator in this process"),
            "503": problem("Nothing is captured"),
        },
    })
}

/// What Grafana's Pyroscope data source asks.
fn pyroscope_call() -> Value {
    let calls = [
        "ProfileTypes",
        "LabelNames",
        "LabelValues",
        "Series",
        "SelectMergeStacktraces",
        "SelectMergeProfile",
        "SelectSeries",
        "Diff",
        "GetProfileStats",
    ];
    json!({
        "summary": "Pyroscope's query calls over the profiler's samples, by Connect's unary protocol",
        "description": "In JSON or protocol buffers, as the request is. A profile type is a kind of stack_samples \
            (on_cpu: process_cpu:cpu:nanoseconds:cpu:nanoseconds), a label a column; service_name is the service, else the process. \
            SelectMergeProfile answers in protocol buffers only. An error is Connect's: code and message.",
        "parameters": [{ "name": "call", "in": "path", "required": true, "schema": { "type": "string", "enum": calls } }],
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": { "type": "object" } },
            "application/proto": { "schema": { "type": "string", "contentEncoding": "binary" } },
        }},
        "responses": {
            "200": json_answer("The message", json!({ "type": "object" })),
            "400": { "description": "Wrong message or selector" },
            "404": { "description": "A call, or a field of it, that is not answered here" },
            "415": { "description": "Neither JSON nor protocol buffers" },
        },
    })
}

fn pyroscope_render(about: &str, names: &[&str]) -> Value {
    let parameter = |name: &&str| {
        let query = name.to_ascii_lowercase().ends_with("query");
        let about = if query {
            "a profile type and a selector: process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name=\"nginx\"}"
        } else {
            "seconds, milliseconds or nanoseconds since 1970, RFC 3339, now, or now-1h"
        };
        query_parameter(name, "string", query, about)
    };
    let mut parameters: Vec<Value> = names.iter().map(parameter).collect();
    parameters.push(query_parameter("max-nodes", "integer", false, "the largest so many frames; 16,384 unless given"));
    json!({
        "summary": format!("{about}, as Pyroscope's viewers draw it"),
        "parameters": parameters,
        "responses": {
            "200": json_answer("Names and levels of bars", json!({ "type": "object" })),
            "400": problem("Wrong query, selector or time"),
        },
    })
}

fn choice(name: &str, about: &str, values: &[&str]) -> Value {
    let mut parameter = query_parameter(name, "string", false, about);
    parameter["schema"]["enum"] = json!(values);
    parameter
}

fn stream() -> Value {
    json!({
        "summary": "New rows of a query as they arrive",
        "description": "One event a row, its data the row's JSON object. The event `lost` says how many rows this reader was \
            too slow for so far; `failed` is the last event and carries the problem.",
        "parameters": [query_parameter("query", "string", true, "columns, expressions and WHERE over one table or requests")],
        "responses": {
            "200": { "description": "Server-sent events", "content": { "text/event-stream": { "schema": { "type": "string" } } } },
            "400": problem("Wrong query, or one that cannot be followed"),
            "429": problem("Too many followers"),
        },
    })
}

fn table() -> Value {
    json!({
        "type": "object",
        "required": ["name", "about", "columns"],
        "properties": {
            "name": { "type": "string" },
            "about": { "type": "string" },
            "columns": { "type": "array", "items": {
                "type": "object",
                "required": ["name", "type", "unit", "meaning"],
                "properties": {
                    "name": { "type": "string" },
                    "type": { "type": "string" },
                    "unit": { "type": ["string", "null"] },
                    "meaning": { "type": "string" },
                },
            }},
        },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["title", "status", "detail", "hint"],
        "properties": {
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "hint": { "type": ["string", "null"] },
            "position": { "type": "integer", "description": "character of the query, from 1" },
            "line": { "type": "integer" },
            "column": { "type": "integer" },
        },
    })
}
