//! The page, embedded, and what no route knows.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::problem::{Problem, not_found, wrong_method};

#[derive(RustEmbed)]
#[folder = "../ui/dist"]
struct Dist;

const INDEX: &str = "index.html";
/// Files there have a hash of their content in their name.
const HASHED: &str = "assets/";
/// Only this server's own scripts run; styles may also be inline, which the editor's are.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) async fn get(request: Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    if path.starts_with("/api/") {
        return Err(not_found(path));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(wrong_method(request.method().clone(), request.uri().clone()).await);
    }
    let name = path.trim_start_matches('/');
    if !name.is_empty()
        && let Some(file) = Dist::get(name)
    {
        return Ok(served(name, file.data.into_owned()));
    }
    // a place inside the page, such as /sql: the page itself finds out
    let page = (name.is_empty() || wants_page(request.headers())).then(|| Dist::get(INDEX)).flatten();
    page.map(|page| served(INDEX, page.data.into_owned())).ok_or_else(|| not_found(path))
}

fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn served(name: &str, content: Vec<u8>) -> Response {
    let caching = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = (StatusCode::OK, content).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
