//! What a protocol is to the rest of earshot: how it is recognised, how it is parsed, which table it fills.

use std::net::{IpAddr, SocketAddr};

use schema::{Row, Table};

/// Direction of bytes on a connection, once it is known who serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Flow {
    ToServer,
    ToClient,
}

impl Flow {
    pub fn other(self) -> Self {
        match self {
            Flow::ToServer => Flow::ToClient,
            Flow::ToClient => Flow::ToServer,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Transport {
    /// Ordered bytes: TCP, Unix stream sockets.
    Stream,
    /// Each segment is one whole datagram: UDP.
    Datagram,
}

/// When, and in which thread, bytes were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Nanoseconds on the monotonic clock of the capturing host (in a replay: of the capture).
    pub mono_ns: u64,
    /// Thread that read or wrote the bytes; 0 when unknown.
    pub thread_id: u32,
}

/// The next bytes of one direction; a whole datagram where the transport has datagrams.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub flow: Flow,
    pub bytes: &'a [u8],
    pub at: Moment,
    /// The other end of a datagram whose socket is not connected.
    pub remote: Option<SocketAddr>,
}

/// How sure a row is of its connection, direction and pairing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord)]
pub enum Confidence {
    /// Something essential was inferred, such as the pairing after a gap.
    Guessed,
    /// The protocol was recognised in mid-connection.
    Likely,
    #[default]
    Certain,
}

impl Confidence {
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Guessed => "guessed",
            Confidence::Likely => "likely",
            Confidence::Certain => "certain",
        }
    }
}

/// What every traffic row has beside its protocol's own columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange<'a> {
    /// The first byte of the request; of the response when the request was not seen.
    pub started: Moment,
    /// The last byte of the response; `None` without a whole response.
    pub ended_ns: Option<u64>,
    pub request_bytes: Option<u64>,
    pub response_bytes: Option<u64>,
    /// A text or body was cut, by a limit or because its bytes were not seen.
    pub truncated: bool,
    /// Bytes before this message were not seen.
    pub gap_before: bool,
    /// The connection ended before the response was whole.
    pub broken: bool,
    pub confidence: Confidence,
    /// What the row tells was seen on an encrypted connection.
    pub encrypted: bool,
    pub trace_id: Option<&'a [u8]>,
    pub span_id: Option<&'a [u8]>,
    /// The other end, where it is known by datagram only.
    pub remote: Option<SocketAddr>,
}

/// Why a parser passed bytes over. The text is the `reason` of `lost_events`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Skipped {
    /// Bytes between the messages before and after a gap.
    Gap,
    /// Bytes that are not a message of this protocol.
    Malformed,
    /// A limit of `limits.rs` was reached.
    OverLimit,
    /// The beginning of the connection was not seen, and these bytes belong to a message that began before.
    JoinedMidMessage,
}

impl Skipped {
    pub fn as_str(self) -> &'static str {
        match self {
            Skipped::Gap => "gap",
            Skipped::Malformed => "malformed",
            Skipped::OverLimit => "over_limit",
            Skipped::JoinedMidMessage => "joined_mid_message",
        }
    }
}

/// Where a parser's results go.
pub trait Output {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>);
    /// `messages` that should have become rows did not, or `bytes` belong to none (then `messages` is 0).
    fn skipped(&mut self, why: Skipped, messages: u64, bytes: u64);
    /// Somebody was told that this is an address of this name.
    fn resolved(&mut self, _name: &[u8], _address: IpAddr) {}
}

/// Whether a parser still recognises its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Working,
    /// What came is not this protocol: the connection should be classified anew, from here.
    NotMine,
    /// The protocol was left on purpose (an HTTP upgrade, CONNECT): what follows is for the parser's successor, or, when it
    /// has none, to be classified anew, from here.
    HandedOver,
}

/// How much of a connection is worth copying.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wanted {
    #[default]
    Full,
    /// The beginning of each transfer.
    Headers,
    /// Nothing; sizes are counted.
    Counters,
}

/// One connection's parser. Created when the protocol has been recognised and fed from the first byte that is still known.
pub trait Parser: Send {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output);
    /// `len` bytes follow in this direction that exist but were not seen.
    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output);
    /// No byte follows in this direction (FIN, or end of file).
    fn end(&mut self, flow: Flow, at: Moment, out: &mut dyn Output);
    /// The connection is gone. Requests without a response become rows with null response columns and `broken`.
    fn close(&mut self, at: Moment, out: &mut dyn Output);
    /// Requests that began before `before_ns` and have no response become rows (a response that comes later is not lost from
    /// the pairing: it is dropped together with its request).
    fn expire(&mut self, before_ns: u64, out: &mut dyn Output);
    /// When the oldest request without a response began; `None` when nothing waits. Lets the caller skip `expire`.
    fn waiting_since(&self) -> Option<u64>;
    fn state(&self) -> State {
        State::Working
    }
    /// Once the state is [`State::HandedOver`]: the parser of what follows, where this one knows. It has been given the bytes
    /// that came with those of the hand-over.
    fn successor(&mut self) -> Option<Successor> {
        None
    }
    /// How much of what follows this parser needs. Less than all may be told as unseen from here on, or not at all.
    fn wanted(&self) -> Wanted {
        Wanted::Full
    }
    /// How many of the next bytes in this direction count by their number alone: the rest of a body or value of which a row keeps
    /// no more. They may be told as unseen from here on, or not at all.
    fn passes_over(&self, _flow: Flow) -> u64 {
        0
    }
    /// Bytes of heap that this connection holds, to a reasonable precision.
    fn heap_bytes(&self) -> usize;
}

/// A parser that takes a connection over from another.
pub struct Successor {
    pub protocol: &'static Protocol,
    pub parser: Box<dyn Parser>,
}

/// What can be configured about parsing.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How much of a body or a large value is kept in a row.
    pub body_bytes_max: usize,
    /// How much of one argument or parameter is kept in a row.
    pub argument_bytes_max: usize,
    /// Whether anybody looks at bodies of HTTP. If not, a parser may leave out what [`crate::http1::body_columns`] tell.
    pub bodies: bool,
    /// The same for headers, and [`crate::http1::header_columns`].
    pub headers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { body_bytes_max: 64 << 10, argument_bytes_max: 4 << 10, bodies: true, headers: true }
    }
}

/// What is known of a connection when it has to be recognised.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub transport: Transport,
    /// The first known bytes in this direction, if this assignment of the ends is right.
    pub to_server: &'a [u8],
    pub to_client: &'a [u8],
    /// Whether these bytes are the connection's first.
    pub from_start: bool,
    /// The server's port, if this assignment of the ends is right. Bytes tell what a connection speaks; this is for those that
    /// leave it open.
    pub server_port: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    No,
    /// More bytes may tell.
    Undecided,
    /// `Certain`: a signature that no other protocol has. `Likely`: well-formed and telling. `Guessed`: well-formed, but short.
    Yes(Confidence),
}

/// One protocol: a folder of this crate.
pub struct Protocol {
    /// Lower case, as in the column `protocol`.
    pub name: &'static str,
    pub table: &'static Table,
    pub transports: &'static [Transport],
    pub detect: fn(&Evidence<'_>) -> Verdict,
    /// A parser for one connection; `from_start` says whether its first byte will be the connection's first.
    pub parser: fn(&Settings, Transport, from_start: bool) -> Box<dyn Parser>,
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
