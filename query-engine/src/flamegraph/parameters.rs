//! What may be asked: text as a URL or a command has it, and what it means.
//!
//! The expressions are SQL and judged where they are asked; everything else is judged here.

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::temporal_conversions::timestamp_ns_to_datetime;
use serde::Deserialize;

/// The window of who names none: from here to now.
const WINDOW_DEFAULT: &str = "-5m";
const KIND_DEFAULT: &str = "on_cpu";
/// Longest name of a kind, in bytes.
const KIND_BYTES_MAX: usize = 64;
/// Frames of an answer, unless it says otherwise: in a drawing, and in what programs read.
const FRAMES_DRAWN_DEFAULT: usize = 5_000;
const FRAMES_DEFAULT: usize = 200_000;
/// Frames that may be asked for.
const FRAMES_MAX: usize = 1_000_000;

/// What a parameter says that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct WrongParameter {
    pub detail: String,
    pub hint: &'static str,
}

fn wrong(detail: String, hint: &'static str) -> WrongParameter {
    WrongParameter { detail, hint }
}

/// The parameters of `GET /api/v1/flamegraph`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    pub from: Option<String>,
    pub until: Option<String>,
    #[serde(rename = "where")]
    pub where_: Option<String>,
    pub requests: Option<String>,
    pub kind: Option<String>,
    pub root: Option<String>,
    pub format: Option<String>,
    pub diff_from: Option<String>,
    pub diff_until: Option<String>,
    pub normalize: Option<bool>,
    pub frames: Option<usize>,
}

impl Parameters {
    /// Those that are given, as a URL has them.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("from", &self.from),
            ("until", &self.until),
            ("where", &self.where_),
            ("requests", &self.requests),
            ("kind", &self.kind),
            ("root", &self.root),
            ("format", &self.format),
            ("diff_from", &self.diff_from),
            ("diff_until", &self.diff_until),
        ];
        let mut pairs: Vec<_> = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))).collect();
        pairs.extend(self.normalize.map(|yes| ("normalize", yes.to_string())));
        pairs.extend(self.frames.map(|frames| ("frames", frames.to_string())));
        pairs
    }

    /// What they ask for, at a time in nanoseconds since 1970 UTC.
    pub fn read(&self, now_ns: i64) -> Result<Question, WrongParameter> {
        let window = window(("from", self.from.as_deref()), ("until", self.until.as_deref()), now_ns)?;
        let diff = match (&self.diff_from, &self.diff_until) {
            (None, None) => None,
            (from, until) => Some(self::window(("diff_from", from.as_deref()), ("diff_until", until.as_deref()), now_ns)?),
        };
        let format = self.format.as_deref().map_or(Ok(Format::Folded), Format::of)?;
        let kind = self.kind.clone().unwrap_or_else(|| KIND_DEFAULT.to_owned());
        if kind.is_empty() || kind.len() > KIND_BYTES_MAX {
            return Err(wrong("kind is no kind of sample".into(), "such as on_cpu or off_cpu"));
        }
        let frames_default = if format == Format::Svg { FRAMES_DRAWN_DEFAULT } else { FRAMES_DEFAULT };
        let frames_max = self.frames.unwrap_or(frames_default);
        if !(1..=FRAMES_MAX).contains(&frames_max) {
            return Err(wrong(format!("frames is {frames_max}"), "from 1 to 1000000"));
        }
        Ok(Question {
            window,
            diff,
            where_: self.where_.clone(),
            requests: self.requests.clone(),
            kind,
            root: self.root.as_deref().map_or(Ok(Root::None), Root::of)?,
            format,
            normalize: self.normalize.unwrap_or(false) && diff.is_some(),
            frames_max,
        })
    }
}

/// A stretch of time: nanoseconds since 1970 UTC, its end not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: i64,
    pub until: i64,
}

fn window(from: (&str, Option<&str>), until: (&str, Option<&str>), now_ns: i64) -> Result<Window, WrongParameter> {
    let read = |(name, text): (&str, Option<&str>), default| time(name, text.unwrap_or(default), now_ns);
    let window = Window { from: read(from, WINDOW_DEFAULT)?, until: read(until, "now")? };
    if window.until < window.from {
        return Err(wrong(format!("{} is before {}", until.0, from.0), "a window ends after it begins"));
    }
    Ok(window)
}

/// RFC 3339, `now`, or `-5m`: so long ago.
pub(crate) fn time(name: &str, text: &str, now_ns: i64) -> Result<i64, WrongParameter> {
    let read = match text.strip_prefix('-') {
        Some(ago) => duration(ago).map(|ns| now_ns.saturating_sub(ns)),
        None if text == "now" => Some(now_ns),
        None => string_to_timestamp_nanos(text).ok(),
    };
    read.ok_or_else(|| wrong(format!("{name} is no time: {text}"), "RFC 3339 such as 2026-01-02T03:04:05Z, or -5m, or now"))
}

/// RFC 3339 in UTC, of nanoseconds since 1970.
pub fn time_text(ns: i64) -> String {
    timestamp_ns_to_datetime(ns).map_or_else(|| ns.to_string(), |time| format!("{time}Z").replace(' ', "T"))
}

fn duration(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit_ns: i64 = match &text[digits..] {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<i64>().ok()?.checked_mul(unit_ns)
}

/// What stands above the frames of the stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    None,
    /// The process's name.
    Process,
    /// The process's name, then the thread's.
    Thread,
    Service,
}

impl Root {
    fn of(text: &str) -> Result<Self, WrongParameter> {
        Ok(match text {
            "none" => Self::None,
            "process" => Self::Process,
            "thread" => Self::Thread,
            "service" => Self::Service,
            _ => return Err(wrong(format!("there is no root {text}"), "one of none, process, thread, service")),
        })
    }

    /// Columns of `stack_samples`, the outermost first.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Process => &["process_name"],
            Self::Thread => &["process_name", "thread_name"],
            Self::Service => &["service"],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line a stack: its frames joined by ';', and its value; with a baseline both values.
    Folded,
    /// Compressed protocol buffer of `pprof`; with a baseline the differences.
    Pprof,
    /// A file for speedscope.app; with a baseline two profiles.
    Speedscope,
    /// A drawing with zoom and search, in one file.
    Svg,
    /// A tree of `name`, `value`, `children`; with a baseline also `before`.
    Json,
}

impl Format {
    fn of(text: &str) -> Result<Self, WrongParameter> {
        Ok(match text {
            "folded" => Self::Folded,
            "pprof" => Self::Pprof,
            "speedscope" => Self::Speedscope,
            "svg" => Self::Svg,
            "json" => Self::Json,
            _ => return Err(wrong(format!("there is no format {text}"), "one of folded, pprof, speedscope, svg, json")),
        })
    }

    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Folded => "text/plain; charset=utf-8",
            Self::Pprof => "application/octet-stream",
            Self::Speedscope | Self::Json => "application/json",
            Self::Svg => "image/svg+xml",
        }
    }
}

/// What to draw.
#[derive(Clone, Debug)]
pub struct Question {
    pub window: Window,
    /// The baseline that the window is compared with.
    pub diff: Option<Window>,
    /// SQL over `stack_samples`.
    pub where_: Option<String>,
    /// SQL over `requests`: only samples of their processes and threads while they were answered.
    pub requests: Option<String>,
    pub kind: String,
    pub root: Root,
    pub format: Format,
    /// Whether the baseline is scaled to the window's total.
    pub normalize: bool,
    /// Frames of the answer; the smallest are summed up as `[other]`.
    pub frames_max: usize,
}

impl Question {
    pub(super) fn title(&self) -> String {
        let span = |window: Window| format!("{} to {}", time_text(window.from), time_text(window.until));
        let mut title = format!("{}, {}", self.kind, span(self.window));
        for (word, text) in
            [("against", self.diff.map(span)), ("where", self.where_.clone()), ("requests", self.requests.clone())]
        {
            if let Some(text) = text {
                title.push_str(&format!(", {word} {text}"));
            }
        }
        title
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_NS: i64 = 1_767_323_045_000_000_000;

    fn read(pairs: &[(&str, &str)]) -> Result<Question, WrongParameter> {
        let object = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        serde_json::from_value::<Parameters>(serde_json::Value::Object(object)).expect("known names").read(NOW_NS)
    }

    #[test]
    fn times_are_absolute_or_so_long_ago() {
        let window =
            |from, until| read(&[("from", from), ("until", until)]).map(|q| (q.window.from - NOW_NS, q.window.until - NOW_NS));
        assert_eq!(window("-5m", "now"), Ok((-300_000_000_000, 0)));
        assert_eq!(window("-1h", "-250ms"), Ok((-3_600_000_000_000, -250_000_000)));
        assert_eq!(window("2026-01-02T03:04:05.000000001Z", "2026-01-02T04:04:06+01:00"), Ok((1, 1_000_000_000)));
        assert_eq!(read(&[]).map(|q| q.window), Ok(Window { from: NOW_NS - 300_000_000_000, until: NOW_NS }));
        for (from, until) in [
            ("yesterday-ish", "now"),
            ("-5", "now"),
            ("-m", "now"),
            ("", "now"),
            ("now", "-1s"),
            ("-99999999999999999d", "now"),
        ] {
            assert!(window(from, until).is_err(), "{from} {until}");
        }
    }

    #[test]
    fn what_there_is_not_is_said() {
        for (name, value) in [("format", "xml"), ("root", "host"), ("kind", ""), ("diff_from", "soon"), ("diff_until", "-99d")]
        {
            let error = read(&[(name, value)]).expect_err(name);
            assert!(!error.detail.is_empty() && !error.hint.is_empty(), "{error:?}");
        }
        let all = Parameters { frames: Some(0), ..Parameters::default() };
        assert!(all.read(NOW_NS).is_err());
    }

    #[test]
    fn pairs_are_read_as_they_were_given() {
        let given =
            Parameters { where_: Some("pid = 1".into()), frames: Some(7), normalize: Some(true), ..Parameters::default() };
        assert_eq!(
            given.pairs(),
            [("where", "pid = 1".to_owned()), ("normalize", "true".to_owned()), ("frames", "7".to_owned())]
        );
    }
}
