//! The table that every version of HTTP fills.

use schema::{Column, RequestsView};

schema::table! {
    /// One row an HTTP request or stream, with its final response.
    pub struct HttpEvent in "http_events", traffic, requests REQUESTS;
    {
        /// '1.0', '1.1' or '2'; of a request that servers refuse another one, '0.9' when it says none.
        http_version: Name,
        /// Number of the HTTP/2 stream; null in HTTP/1.
        stream_id: Int64,
        /// Method; null when the request was not seen.
        req_method: Name,
        /// Request target as sent; null when the request was not seen.
        req_path: Recurring,
        /// Host that was asked for: the header Host, or the authority in the target.
        req_authority: Name,
        /// Request headers as an object with lower-case names; a repeated header is a list.
        req_headers: Recurring [Json],
        /// Request body, decoded; null when there is none. Messages of gRPC are one a line, their fields by number.
        req_body: Recurring,
        /// Size of the request body without transfer framing, before content decoding.
        req_body_bytes: Int64 [Bytes],
        /// Status of the final response; null when none was seen.
        resp_status: Int32,
        /// Response headers as an object with lower-case names; a repeated header is a list.
        resp_headers: Recurring [Json],
        /// Response trailers as an object; null when there are none, and in HTTP/1.
        resp_trailers: Recurring [Json],
        /// Response body, decoded; null when there is none. Messages of gRPC are one a line, their fields by number.
        resp_body: Recurring,
        /// Size of the response body without transfer framing, before content decoding.
        resp_body_bytes: Int64 [Bytes],
        /// Content-Type of the response, else of the request.
        content_type: Name,
        /// gRPC service; null for other requests.
        grpc_service: Name,
        /// gRPC method; null for other requests.
        grpc_method: Name,
        /// gRPC status code; null for other requests.
        grpc_status: Int32,
        /// gRPC status message; null for other requests.
        grpc_message: Recurring,
        /// gRPC messages that the client sent; null for other requests.
        grpc_request_messages: Int32,
        /// gRPC messages that the server sent; null for other requests.
        grpc_response_messages: Int32,
        /// Why either end gave the HTTP/2 stream up ('CANCEL', 'REFUSED_STREAM' …); null when neither did.
        stream_error: Name,
    }
}

/// The columns that depend on what bodies say, and not on their size alone.
pub fn body_columns() -> impl Iterator<Item = &'static Column> {
    HttpEvent::TABLE.columns().filter(|column| matches!(column.name, "req_body" | "resp_body" | "truncated"))
}

/// The columns that hold all headers.
pub fn header_columns() -> impl Iterator<Item = &'static Column> {
    HttpEvent::TABLE.columns().filter(|column| matches!(column.name, "req_headers" | "resp_headers" | "resp_trailers"))
}

const REQUESTS: RequestsView = RequestsView {
    protocol: "CASE WHEN grpc_service IS NOT NULL THEN 'grpc' ELSE 'http' END",
    operation: "COALESCE(grpc_method, req_method)",
    target: "req_path",
    status: "CAST(COALESCE(grpc_status, resp_status) AS VARCHAR)",
    failed: "broken OR COALESCE(resp_status >= 500, CASE WHEN grpc_status IS NOT NULL THEN FALSE END) \
             OR COALESCE(grpc_status IN (2, 4, 8, 12, 13, 14, 15), FALSE)",
};
