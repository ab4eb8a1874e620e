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
];
pub const SELECT_SERIES: Fields = &[
    (1, "profileTypeID", Part::ProfileType),
    (2, "labelSelector", Part::Selector),
    (3, "start", Part::Start),
    (4, "end", Part::End),
    (5, "groupBy", Part::Label),
    (6, "step", Part::Step),
];
pub const DIFF: Fields = &[(1, "left", Part::Left), (2, "right", Part::Right)];

impl Asked {
    /// `None` when the bytes are no message.
    pub fn protobuf(bytes: &[u8], known: Fields) -> Option<Self> {
        let mut asked = Self::default();
        for (number, held) in fields(bytes)? {
            let Some((_, _, part)) = known.iter().find(|(known, ..)| *known == number) else { continue };
            match (part, held) {
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
            let Some((_, _, part)) = known.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(&name)) else { continue };
            match (part, value) {
                (_, Value::Null) => {}
                (Part::Left, side) => asked.left = Some(Box::new(Self::json(side, STACKTRACES)?)),
                (Part::Right, side) => asked.right = Some(Box::new(Self::json(side, STACKTRACES)?)),
                (Part::Start | Part::End | Part::NodesMax, value) => {
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
            _ => {}
        }
    }

    fn double(&mut self, part: Part, value: f64) {
        if let Part::Step = part {
            self.step_seconds = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::Message;

    #[test]
    fn both_encodings_ask_the_same() {
        let mut message = Message::default();
        message.bytes(1, b"a:b").bytes(2, b"{}").number(3, 1000).number(4, 2000).bytes(5, b"pod").double(6, 15.0).number(99, 1);
        let json = serde_json::json!({ "profileTypeID": "a:b", "label_selector": "{}", "start": "1000", "end": 2000,
            "groupBy": ["pod"], "step": 15, "unknown": {} });
        let asked = Asked {
            profile_type: "a:b".into(),
            selectors: vec!["{}".into()],
            labels: vec!["pod".into()],
            start_ms: 1000,
            end_ms: 2000,
            step_seconds: 15.0,
            ..Asked::default()
        };
        assert_eq!(Asked::protobuf(&message.0, SELECT_SERIES), Some(asked.clone()));
        assert_eq!(Asked::json(&json, SELECT_SERIES), Some(asked));
        assert_eq!(Asked::protobuf(b"\xff", SELECT_SERIES), None);
        assert_eq!(Asked::json(&serde_json::json!({ "start": "soon" }), SELECT_SERIES), None);
        assert_eq!(Asked::json(&serde_json::json!([]), SELECT_SERIES), None);
    }
}
