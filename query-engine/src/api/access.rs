//! Who may ask.
//!
//! With a token: whoever sends it; only the page itself and `/healthz`, which tell nothing, go without. Without a token only
//! this host can reach us, but so can a browser on it, on behalf of any site: a request from another site's page is
//! refused by its `Origin`, and one to a name that a site may have pointed here (DNS rebinding) by its `Host`.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;

/// Names that no public DNS server can point anywhere (RFC 6761), so that no site can be behind them.
const RESERVED_NAMES: [&str; 2] = ["localhost", "test"];

pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let refused = match &app.config.token {
        Some(_) if path == "/healthz" || !tells(path) => None,
        Some(token) => with_token(request.headers(), token).err(),
        None => from_here(request.headers(), tells(path)).err(),
    };
    match refused {
        Some(problem) => {
            metrics::counter!("earshot_refused_requests_total", "status" => problem.status.as_u16().to_string()).increment(1);
            problem.into_response()
        }
        None => next.run(request).await,
    }
}

/// Whether a path tells anything about this host: all but the page.
fn tells(path: &str) -> bool {
    let prefixes = ["/api/", "/pyroscope/", "/querier.v1.QuerierService/"];
    prefixes.iter().any(|prefix| path.starts_with(prefix)) || matches!(path, "/metrics" | "/readyz" | "/healthz")
}

fn with_token(headers: &HeaderMap, token: &str) -> Result<(), Problem> {
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let given = given.and_then(|v| v.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match given {
        Some((_, given)) if same(given.trim().as_bytes(), token.as_bytes()) => Ok(()),
        Some(_) => Err(Problem::new(StatusCode::UNAUTHORIZED, "not authorised", "the token is not the configured one")),
        None => Err(Problem::new(StatusCode::UNAUTHORIZED, "not authorised", "this earshot asks for a token")
            .hint("send it as the header Authorization: Bearer TOKEN")),
    }
}

/// Compares without telling by its time how much was right.
pub(crate) fn same(given: &[u8], wanted: &[u8]) -> bool {
    let differing = given.iter().zip(wanted).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(differing) == 0 && given.len() == wanted.len()
}

fn from_here(headers: &HeaderMap, tells: bool) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|v: &axum::http::HeaderValue| v.to_str().unwrap_or("?"));
    let host = text(header::HOST);
    if let Some(host) = host
        && !is_local_name(host)
    {
        let detail = format!("{host} is not a name of this earshot");
        return Err(Problem::new(StatusCode::FORBIDDEN, "not allowed", detail)
            .hint("use the address that it listens on; behind a proxy, configure a token"));
    }
    let foreign = match text(header::ORIGIN) {
        Some(origin) => origin.split_once("://").map(|(_, at)| at) != host,
        // requests that carry no origin, such as an image's, say at least this much
        None => tells && text(header::HeaderName::from_static("sec-fetch-site")) == Some("cross-site"),
    };
    if foreign {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not allowed", "the request comes from another site's page")
            .hint("pages of other sites may ask only an earshot with a token"));
    }
    Ok(())
}

fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    // an address is no name: nobody can point it elsewhere
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    name.parse::<IpAddr>().is_ok() || RESERVED_NAMES.iter().any(|r| r.eq_ignore_ascii_case(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_reserved_names_are_ours() {
        for host in
            ["127.0.0.1:7117", "localhost", "LOCALHOST:1", "[::1]:7117", "[::1]", "10.0.0.1", "a.localhost:80", "live.test"]
        {
            assert!(is_local_name(host), "{host}");
        }
        for host in ["evil.example:7117", "localhost.evil.com", "127.0.0.1.evil.com", "", ":7117", "evil", "[evil]:1"] {
            assert!(!is_local_name(host), "{host}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(same(b"secret", b"secret"));
        for given in [b"secre".as_slice(), b"secrets", b"", b"Secret"] {
            assert!(!same(given, b"secret"));
        }
    }
}
