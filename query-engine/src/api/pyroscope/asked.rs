//! What a call asks for, from either encoding of Connect.

use serde_json::Value;

use crate::protobuf::{Held, fields};

/// The parameters of every call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub profile_type: String,
    pub selectors: Vec<String>,
    /// Names of labels that are wanted, or to group by.
    pub labels: Vec<String>,
    /// The label whose values are wanted.
    pub name: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub nodes_max: Option<i64>,
    pub step_seconds: f64,
    /// The most series that are wanted, the largest first.
    pub series_max: Option<i64>,
    /// A field that asks for what is not answered: passing it over would give a wrong answer.
    pub beyond: Option<&'static str>,
    /// The two sides of a comparison.
    pub left: Option<Box<Asked>>,
    pub right: Option<Box<Asked>>,
}

#[derive(Clone, Copy, Debug)]
pub enum Part {
    ProfileType,
    Selector,
    Label,
    Name,
    Start,
    End,
    NodesMax,
    Step,
    SeriesMax,
    /// What only its absence, or 0, is answered for.
    Beyond,
    /// A flame graph is 1 in place of 0.
    Format,
    Left,
    Right,
}

/// A call's fields: number, name in JSON, meaning.
pub type Fields = &'static [(u64, &'static str, Part)];

pub const PROFILE_TYPES: Fields = &[(1, "start", Part::Start), (2, "end", Part::End)];
pub const LABEL_NAMES: Fields = &[(1, "matchers", Part::Selector), (2, "start", Part::Start), (3, "end", Part::End)];
pub const LABEL_VALUES: Fields =
    &[(1, "name", Part::Name), (2, "matchers", Part::Selector), (3, "start", Part::Start), (4, "end", Part::End)];
pub const SERIES: Fields =
    &[(1, "matchers", Part::Selector), (2, "labelNames", Part::Label), (3, "start", Part::Start), (4, "end", Part::End)];
pub const STACKTRACES: Fields = &[
    (1, "profileTypeID", Part::ProfileType),
    (2, "labelSelector", Part::Selector),
    (3, "start", Part::Start),
    (4, "end", Part::End),
    (5, "maxNodes", Part::NodesMax),
    (6, "format", Part::Format),
    (7, "stackTraceSelector", Part::Beyond),
    (8, "profileIdSelector", Part::Beyond),
];
pub const PROFILE: Fields = &[
    (1, "profileTypeID", Part::ProfileType),
    (2, "labelSelector", Part::Selector),
    (3, "start", Part::Start),
    (4, "end", Part::End),
    (5, "maxNodes", Part::NodesMax),
    (6, "stackTraceSelector", Part::Beyond),
    (7, "profileIdSelector", Part::Beyond),
];
pub const SELECT_SERIES: Fields = &[
    (1, "profileTypeID", Part::ProfileType),
    (2, "labelSelector", Part::Selector),
    (3, "start", Part::Start),
    (4, "end", Part::End),
    (5, "groupBy", Part::Label),
    (6, "step", Part::Step),
    (7, "aggregation", Part::Beyond),
    (8, "stackTraceSelector", Part::Beyond),
    (9, "limit", Part::SeriesMax),
];
pub const DIFF: Fields = &[(1, "left", Part::Left), (2, "right", Part::Right)];

impl Asked {
    /// `None` when the bytes are no message.
    pub fn protobuf(bytes: &[u8], known: Fields) -> Option<Self> {
        let mut asked = Self::default();
        for (number, held) in fields(bytes)? {
            let Some((_, name, part)) = known.iter().find(|(known, ..)| *known == number) else { continue };
            match (part, held) {
                (Part::Beyond, Held::Number(0)) | (Part::Format, Held::Number(0 | 1)) => {}
                (Part::Beyond | Part::Format, _) => asked.beyond = Some(name),
                (Part::Left, Held::Bytes(side)) => asked.left = Some(Box::new(Self::protobuf(side, STACKTRACES)?)),
                (Part::Right, Held::Bytes(side)) => asked.right = Some(Box::new(Self::protobuf(side, STACKTRACES)?)),
                (part, Held::Bytes(text)) => asked.text(*part, std::str::from_utf8(text).ok()?),
                (part, Held::Number(value)) => asked.number(*part, value as i64),
                (part, Held::Double(value)) => asked.double(*part, value),
            }
        }
        Some(asked)
    }

    /// The same from JSON, where a 64-bit integer may be a text; fields that are not known are passed over.
    pub fn json(value: &Value, known: Fields) -> Option<Self> {
        let mut asked = Self::default();
        for (name, value) in value.as_object()? {
            let name = name.replace('_', "");
            let Some((_, name, part)) = known.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(&name)) else { continue };
            match (part, value) {
                (_, Value::Null) => {}
                (Part::Beyond | Part::Format, value) if is_default(value) => {}
                (Part::Beyond | Part::Format, _) => asked.beyond = Some(name),
                (Part::Left, side) => asked.left = Some(Box::new(Self::json(side, STACKTRACES)?)),
                (Part::Right, side) => asked.right = Some(Box::new(Self::json(side, STACKTRACES)?)),
                (Part::Start | Part::End | Part::NodesMax | Part::SeriesMax, value) => {
                    let text = value.as_str().and_then(|text| text.parse().ok());
                    asked.number(*part, value.as_i64().or(text)?);
                }
                (Part::Step, value) => asked.double(*part, value.as_f64()?),
                (part, Value::Array(texts)) => {
                    for text in texts {
                        asked.text(*part, text.as_str()?);
                    }
                }
                (part, value) => asked.text(*part, value.as_str()?),
            }
        }
        Some(asked)
    }

    fn text(&mut self, part: Part, text: &str) {
        match part {
            Part::ProfileType => self.profile_type = text.to_owned(),
            Part::Selector => self.selectors.push(text.to_owned()),
            Part::Label => self.labels.push(text.to_owned()),
            Part::Name => self.name = text.to_owned(),
            _ => {}
        }
    }

    fn number(&mut self, part: Part, value: i64) {
        match part {
            Part::Start => self.start_ms = value,
            Part::End => self.end_ms = value,
            Part::NodesMax => self.nodes_max = Some(value),
            Part::SeriesMax => self.series_max = Some(value),
            _ => {}
        }
    }

    fn double(&mut self, part: Part, value: f64) {
        if let Part::Step = part {
            self.step_seconds = value;
        }
    }
}

/// What a field says that says nothing: 0 of an enumeration by its number or name, an empty list.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(name) => name.is_empty() || ["_UNSPECIFIED", "_FLAMEGRAPH", "_SUM"].iter().any(|end| name.ends_with(end)),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::Message;

    #[test]
    fn both_encodings_ask_the_same() {
        let mut message = Message::default();
        message.bytes(1, b"a:b").bytes(2, b"{}").number(3, 1000).number(4, 2000).bytes(5, b"pod").double(6, 15.0);
        message.number(7, 0).number(9, 3).number(99, 1);
        let json = serde_json::json!({ "profileTypeID": "a:b", "label_selector": "{}", "start": "1000", "end": 2000,
            "groupBy": ["pod"], "step": 15, "aggregation": "TIME_SERIES_AGGREGATION_TYPE_SUM", "limit": "3", "unknown": {} });
        let asked = Asked {
            profile_type: "a:b".into(),
            selectors: vec!["{}".into()],
            labels: vec!["pod".into()],
            start_ms: 1000,
            end_ms: 2000,
            step_seconds: 15.0,
            series_max: Some(3),
            ..Asked::default()
        };
        assert_eq!(Asked::protobuf(&message.0, SELECT_SERIES), Some(asked.clone()));
        assert_eq!(Asked::json(&json, SELECT_SERIES), Some(asked));
        assert_eq!(Asked::protobuf(b"\xff", SELECT_SERIES), None);
        assert_eq!(Asked::json(&serde_json::json!({ "start": "soon" }), SELECT_SERIES), None);
        assert_eq!(Asked::json(&serde_json::json!([]), SELECT_SERIES), None);
    }

    #[test]
    fn what_is_not_answered_is_noticed() {
        let beyond = |json: Value, known| Asked::json(&json, known).and_then(|asked| asked.beyond);
        assert_eq!(beyond(serde_json::json!({ "aggregation": 1 }), SELECT_SERIES), Some("aggregation"));
        assert_eq!(beyond(serde_json::json!({ "format": "PROFILE_FORMAT_TREE" }), STACKTRACES), Some("format"));
        assert_eq!(
            beyond(serde_json::json!({ "stack_trace_selector": { "callSite": [] } }), PROFILE),
            Some("stackTraceSelector")
        );
        let harmless = serde_json::json!({ "format": "PROFILE_FORMAT_FLAMEGRAPH", "profileIdSelector": [] });
        assert_eq!(beyond(harmless, STACKTRACES), None);
        let mut tree = Message::default();
        tree.number(6, 2);
        assert_eq!(Asked::protobuf(&tree.0, STACKTRACES).and_then(|asked| asked.beyond), Some("format"));
        tree = Message::default();
        tree.number(6, 1);
        assert_eq!(Asked::protobuf(&tree.0, STACKTRACES), Some(Asked::default()));
    }
}
