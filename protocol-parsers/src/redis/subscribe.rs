//! What arrays and pushes mean to a client that has subscriptions.

use super::render::Render;
use super::reply::{Kind, Reply};

/// What a reply is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    /// A published message or an invalidation: belongs to no command.
    Message,
    /// Confirms one subscription or its end.
    Confirmation,
    Other,
}

/// How many subscriptions there are.
#[derive(Debug)]
pub struct Subscriptions {
    /// To channels, to patterns, to shard channels.
    counts: [u64; 3],
    /// All confirmations were seen, so that `counts` is right.
    exact: bool,
    /// A message or a confirmation came.
    subscribed: bool,
}

impl Subscriptions {
    pub fn new(from_start: bool) -> Self {
        Self { counts: [0; 3], exact: from_start, subscribed: false }
    }

    /// `waited`: a command waits whose reply could look like a message.
    pub fn topic(&self, reply: &Reply, waited: bool) -> Topic {
        let push = reply.kind == Some(Kind::Push);
        if !push && reply.kind != Some(Kind::Array) {
            return Topic::Other;
        }
        match (reply.topic(), reply.elements) {
            (b"message" | b"smessage", 3) | (b"pmessage", 4) if push || self.subscribed || !(self.exact || waited) => {
                Topic::Message
            }
            (b"invalidate", _) if push => Topic::Message,
            (topic, 3) if kind(topic).is_some() => Topic::Confirmation,
            _ => Topic::Other,
        }
    }

    /// A message came, so that there is a subscription.
    pub fn messaged(&mut self) {
        self.subscribed = true;
    }

    /// Takes a confirmation. Returns how many more an UNSUBSCRIBE of everything of its kind will send.
    pub fn confirmed(&mut self, reply: &Reply) -> u64 {
        let Some(kind) = kind(reply.topic()) else { return 0 };
        let total = reply.last_integer.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        // channels and patterns are counted together
        let others = match kind {
            0 => self.counts[1],
            1 => self.counts[0],
            _ => 0,
        };
        self.counts[kind] = total.saturating_sub(others);
        self.subscribed = self.counts.iter().any(|c| *c > 0);
        self.counts[kind]
    }
}

/// Which of the three kinds a confirmation is about.
fn kind(topic: &[u8]) -> Option<usize> {
    match topic {
        b"subscribe" | b"unsubscribe" => Some(0),
        b"psubscribe" | b"punsubscribe" => Some(1),
        b"ssubscribe" | b"sunsubscribe" => Some(2),
        _ => None,
    }
}

/// The confirmations of one command, as a list.
#[derive(Debug, Default)]
pub struct Gathered {
    pub text: Vec<u8>,
    /// On the connection.
    pub bytes: u64,
    pub truncated: bool,
}

impl Gathered {
    /// Adds a confirmation, as long as there is less text than `bytes_max`.
    pub fn add(&mut self, confirmation: &Render, bytes_max: usize) {
        if self.text.len() + confirmation.text.len() >= bytes_max {
            self.truncated = true;
            return;
        }
        self.text.push(if self.text.is_empty() { b'[' } else { b',' });
        self.text.extend_from_slice(&confirmation.text);
        self.truncated |= confirmation.truncated;
    }

    /// The whole list.
    pub fn finish(mut self) -> Self {
        self.text.extend_from_slice(if self.text.is_empty() { b"[]" } else { b"]" });
        self
    }
}
