//! One handshake: what its messages said, and where it ends.
//!
//! In: messages in clear and the ends of records, in the order in which they were seen. Out: the outcome, then the row.
//!
//! Where it ends, as far as that can be seen from outside. Up to TLS 1.2 both ends say "change cipher spec" and then one encrypted
//! message each, of which the second is the last; data from the server never comes before. In TLS 1.3 the client's first encrypted
//! record after the server's hello is the last, or begins with it; it is as short as an alert when it is one.

use std::borrow::Cow;

use super::alert;
use super::certificate::Certificate;
use super::frame::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Record};
use super::hello::{ClientHello, Selected};
use super::table::TlsEvent;
use crate::{Confidence, Exchange, Flow, Moment, Output};

/// TLS_AES_256_GCM_SHA384, whose hash is longer, and TLS_AES_128_CCM_8_SHA256, whose checksum is shorter than that of others.
const AES_256_GCM_SHA384: u16 = 0x1302;
const AES_128_CCM_8_SHA256: u16 = 0x1305;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Done,
    /// With the alert's description, where it is in clear.
    Failed(Option<u8>),
}

/// What one end has sent.
#[derive(Debug, Default)]
struct Side {
    /// All of its records; `None` where some were not seen.
    bytes: Option<u64>,
    changed_cipher: bool,
    /// An encrypted message after that.
    finished: bool,
    data: bool,
}

#[derive(Debug)]
pub struct Handshake {
    started: Moment,
    /// The client's first hello was seen, so that `started` is the beginning.
    start_seen: bool,
    client: Side,
    server: Side,
    hello: Option<ClientHello>,
    /// The server asked for another hello.
    retried: bool,
    selected: Option<Selected>,
    certificate: Option<Certificate>,
    resumed: Option<bool>,
    confidence: Confidence,
    /// Bytes before its hello were not seen.
    gap_before: bool,
    /// Records of the handshake were not seen: it may have ended in them.
    holed: bool,
    truncated: bool,
}

impl Handshake {
    /// Begins with a client's hello or, where that was not seen, with the server's.
    pub fn new(started: Moment, hello: Option<ClientHello>, confidence: Confidence, gap_before: bool) -> Self {
        let client = Side { bytes: hello.is_some().then_some(0), ..Side::default() };
        let server = Side { bytes: Some(0), ..Side::default() };
        let truncated = hello.as_ref().is_some_and(|h| h.sni_cut);
        Self {
            started,
            start_seen: hello.is_some(),
            client,
            server,
            hello,
            retried: false,
            selected: None,
            certificate: None,
            resumed: None,
            confidence,
            gap_before,
            holed: false,
            truncated,
        }
    }

    pub fn started_ns(&self) -> u64 {
        self.started.mono_ns
    }

    pub fn heap_bytes(&self) -> usize {
        let name = self.hello.as_ref().and_then(|h| h.sni.as_ref()).map_or(0, Vec::capacity);
        let alpn = self.selected.as_ref().and_then(|s| s.alpn.as_ref()).map_or(0, Vec::capacity);
        let texts = self.certificate.as_ref().map_or([&None, &None], |c| [&c.subject, &c.issuer]);
        size_of::<Self>() + name + alpn + texts.into_iter().flatten().map(String::capacity).sum::<usize>()
    }

    fn side(&mut self, flow: Flow) -> &mut Side {
        match flow {
            Flow::ToServer => &mut self.client,
            Flow::ToClient => &mut self.server,
        }
    }

    fn is_13(&self) -> bool {
        self.retried || self.selected.as_ref().is_some_and(|s| s.version.is_13())
    }

    /// Whether a message in this direction is in clear. In TLS 1.3 "change cipher spec" means nothing, and encrypted messages look
    /// like data.
    pub fn in_clear(&self, flow: Flow) -> bool {
        let side = if flow == Flow::ToServer { &self.client } else { &self.server };
        !side.changed_cipher || self.is_13()
    }

    /// Another hello of the client belongs to this handshake: one was asked for, or that was not seen.
    pub fn takes_another_hello(&self) -> bool {
        self.hello.is_none() || (self.selected.is_none() && (self.retried || self.holed))
    }

    pub fn another_hello(&mut self, started: Moment, hello: ClientHello) {
        match &mut self.hello {
            Some(first) => {
                first.sni = first.sni.take().or(hello.sni);
                // a server that asks for another hello refuses it
                first.early_data = false;
            }
            None => {
                self.started = if started.mono_ns < self.started.mono_ns { started } else { self.started };
                self.start_seen = !self.retried;
                self.client.bytes = Some(0);
                self.hello = Some(hello);
            }
        }
    }

    pub fn retry(&mut self) {
        self.retried = true;
    }

    pub fn select(&mut self, selected: Selected) {
        if self.selected.is_none() {
            if selected.version.is_13() {
                self.resumed = Some(selected.shared_key);
            }
            self.selected = Some(selected);
        }
    }

    pub fn certificate(&mut self, certificate: Option<Certificate>) {
        if self.certificate.is_none() {
            self.certificate = certificate;
        }
    }

    pub fn truncate(&mut self) {
        self.truncated = true;
    }

    /// Bytes that were not seen hide messages.
    pub fn hole(&mut self) {
        self.holed = true;
        self.confidence = Confidence::Guessed;
    }

    /// And records, so that this direction's size is not known.
    pub fn uncount(&mut self, flow: Flow) {
        self.side(flow).bytes = None;
    }

    /// Bytes of records that came before the one in which this handshake was recognised.
    pub fn count(&mut self, flow: Flow, bytes: u64) {
        if let Some(sum) = &mut self.side(flow).bytes {
            *sum += bytes;
        }
    }

    /// A record ended. `alerts` is its payload, when it is one of alerts and short enough to be in clear.
    pub fn ended(&mut self, flow: Flow, record: &Record, in_clear: bool, alerts: Option<&[u8]>) -> Option<Outcome> {
        let outcome = self.outcome(flow, record, in_clear, alerts);
        if outcome.is_some() && self.is_13() || self.belongs(flow, record.kind) {
            self.count(flow, record.bytes());
        }
        outcome
    }

    fn outcome(&mut self, flow: Flow, record: &Record, in_clear: bool, alerts: Option<&[u8]>) -> Option<Outcome> {
        match record.kind {
            CHANGE_CIPHER_SPEC => {
                self.change_cipher(flow);
                None
            }
            ALERT => self.alerted(alerts),
            HANDSHAKE if !in_clear => {
                self.side(flow).finished = true;
                (self.client.finished && self.server.finished).then_some(Outcome::Done)
            }
            APPLICATION_DATA => self.data(flow, record),
            _ => None,
        }
    }

    /// Whether a record is part of the handshake: not what is sent along with it.
    fn belongs(&self, flow: Flow, kind: u8) -> bool {
        let early = || self.hello.as_ref().is_some_and(|h| h.early_data);
        kind != APPLICATION_DATA || (self.is_13() && (flow == Flow::ToClient || !early()))
    }

    fn change_cipher(&mut self, flow: Flow) {
        let first = !self.client.changed_cipher && !self.server.changed_cipher;
        self.side(flow).changed_cipher = true;
        if first && !self.holed && self.selected.as_ref().is_some_and(|s| !s.version.is_13()) {
            // with new keys the client is first
            self.resumed = Some(flow == Flow::ToClient);
        }
    }

    fn alerted(&mut self, alerts: Option<&[u8]>) -> Option<Outcome> {
        let Some(alerts) = alerts else { return Some(Outcome::Failed(None)) };
        let ending = alerts.chunks_exact(alert::ALERT_BYTES).find(|a| alert::ends(a[0], a[1]));
        ending.map(|a| Outcome::Failed(Some(a[1])))
    }

    fn data(&mut self, flow: Flow, record: &Record) -> Option<Outcome> {
        self.side(flow).data = true;
        let done = match &self.selected {
            Some(selected) if selected.version.is_13() => return self.encrypted(flow, record.length, selected.cipher),
            Some(_) => {
                let both_changed = self.client.changed_cipher && self.server.changed_cipher;
                flow == Flow::ToClient || both_changed
            }
            None => self.client.data && self.server.data,
        };
        done.then_some(Outcome::Done)
    }

    /// An encrypted record of TLS 1.3: the client's first one tells.
    fn encrypted(&self, flow: Flow, length: u16, cipher: Option<u16>) -> Option<Outcome> {
        if flow == Flow::ToClient {
            return None;
        }
        let checksum = if cipher == Some(AES_128_CCM_8_SHA256) { 8 } else { 16 };
        // the last byte tells the kind
        let content = length.saturating_sub(checksum + 1);
        if self.hello.as_ref().is_some_and(|h| h.early_data) {
            // data may go on until the message that ends the handshake: a header and a hash
            let finished = 4 + if cipher == Some(AES_256_GCM_SHA384) { 48 } else { 32 };
            return (content == finished).then_some(Outcome::Done);
        }
        Some(if usize::from(content) == alert::ALERT_BYTES { Outcome::Failed(None) } else { Outcome::Done })
    }

    /// What is known when nothing more comes.
    pub fn broken_off(&self) -> Option<Outcome> {
        let early = self.hello.as_ref().is_some_and(|h| h.early_data) && self.client.data && self.server.data;
        (!self.holed && !early).then_some(Outcome::Failed(None))
    }

    /// Writes the row. `ended` is when the last record of the handshake was seen; `broken` when the connection ended before it.
    pub fn write(&self, outcome: Option<Outcome>, ended: Option<Moment>, broken: bool, out: &mut dyn Output) {
        let selected = self.selected.as_ref();
        let version = selected.map(|s| s.version.name());
        let cipher = selected.and_then(|s| s.cipher).map(super::cipher::name);
        let alert = match outcome {
            Some(Outcome::Failed(Some(description))) => Some(alert::name(description)),
            _ => None,
        };
        let certificate = self.certificate.as_ref();
        let row = TlsEvent {
            sni: self.hello.as_ref().and_then(|h| h.sni.as_deref()),
            version: version.as_ref().map(Cow::as_ref),
            alpn: selected.and_then(|s| s.alpn.as_deref()),
            cipher: cipher.as_ref().map(Cow::as_ref),
            handshake: outcome.map(|o| if o == Outcome::Done { b"done".as_slice() } else { b"failed" }),
            alert: alert.as_ref().map(Cow::as_ref),
            resumed: self.resumed,
            cert_subject: certificate.and_then(|c| c.subject.as_ref()).map(String::as_bytes),
            cert_issuer: certificate.and_then(|c| c.issuer.as_ref()).map(String::as_bytes),
            cert_not_after: certificate.and_then(|c| c.not_after_ns),
            ..TlsEvent::default()
        };
        let exchange = Exchange {
            started: self.started,
            ended_ns: ended.map(|at| at.mono_ns).filter(|_| self.start_seen),
            request_bytes: self.client.bytes,
            response_bytes: self.server.bytes.filter(|bytes| *bytes > 0),
            truncated: self.truncated,
            gap_before: self.gap_before,
            broken,
            confidence: self.confidence,
            encrypted: true,
            ..Exchange::default()
        };
        out.row(&row, &exchange);
    }
}
