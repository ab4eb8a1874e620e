//! Which format an answer has, by the request's `Accept` (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, StatusCode, header};

use super::problem::Problem;
use crate::format::Format;

/// In order of preference where a client takes several alike.
const OFFERED: [(Format, &str, &str); 4] = [
    (Format::Json, "application", "x-ndjson"),
    (Format::JsonList, "application", "json"),
    (Format::Csv, "text", "csv"),
    (Format::Arrow, "application", "vnd.apache.arrow.stream"),
];

pub(super) fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    if accept.is_empty() {
        return Ok(Format::Json);
    }
    let ranges: Vec<Range> = accept.iter().flat_map(|v| v.split(',')).filter_map(Range::parse).collect();
    let mut best: Option<(Format, f32, u8)> = None;
    for (format, kind, subtype) in OFFERED {
        // the most specific range decides about a type
        let Some(range) = ranges.iter().filter(|r| r.covers(kind, subtype)).max_by_key(|r| r.precision()) else { continue };
        let rank = (range.quality, range.precision());
        if range.quality > 0.0 && best.is_none_or(|(_, quality, precision)| rank > (quality, precision)) {
            best = Some((format, range.quality, range.precision()));
        }
    }
    best.map(|(format, ..)| format).ok_or_else(|| {
        let offered: Vec<&str> = OFFERED.iter().map(|(format, ..)| format.media_type()).collect();
        Problem::new(StatusCode::NOT_ACCEPTABLE, "no such format", format!("no format fits Accept: {}", accept.join(", ")))
            .hint(format!("one of {}", offered.join(", ")))
    })
}

struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality =
            parts.find_map(|p| p.strip_prefix("q=").or(p.strip_prefix("Q="))).map_or(Some(1.0), |q| q.parse().ok())?;
        Some(Self { kind, subtype, quality })
    }

    fn covers(&self, kind: &str, subtype: &str) -> bool {
        let one = |range: &str, ty: &str| range == "*" || range.eq_ignore_ascii_case(ty);
        one(self.kind, kind) && one(self.subtype, subtype)
    }

    fn precision(&self) -> u8 {
        u8::from(self.kind != "*") + u8::from(self.subtype != "*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        format(&headers).ok()
    }

    #[test]
    fn the_best_offered_type_is_chosen() {
        assert_eq!(format(&HeaderMap::new()).ok(), Some(Format::Json));
        assert_eq!(chosen("*/*"), Some(Format::Json));
        assert_eq!(chosen("application/json"), Some(Format::JsonList));
        assert_eq!(chosen("text/csv; charset=utf-8"), Some(Format::Csv));
        assert_eq!(chosen("application/vnd.apache.arrow.stream"), Some(Format::Arrow));
        assert_eq!(chosen("text/html,application/xhtml+xml,*/*;q=0.8"), Some(Format::Json));
        assert_eq!(chosen("text/csv;q=0.5, application/json;q=0.9"), Some(Format::JsonList));
        assert_eq!(chosen("*/*, text/csv"), Some(Format::Csv));
        assert_eq!(chosen("application/x-ndjson;q=0, */*"), Some(Format::JsonList));
        assert_eq!(chosen("text/html"), None);
    }
}
