//! The hellos (RFC 8446, sections 4.1.2 and 4.1.3; RFC 5246, section 7.4.1): what the client asks for, what the server selected.
//!
//! In: a message's body, perhaps only its beginning. Out: what can be read of it. Values that a client makes up to keep servers
//! tolerant (GREASE, RFC 8701) are passed over with everything else that is not asked for.

use std::borrow::Cow;

use super::limits::NAME_BYTES_MAX;
use super::read::Reader;

/// Extensions.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;

/// The random of a ServerHello that is a HelloRetryRequest.
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16,
    0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    pub sni: Option<Vec<u8>>,
    /// The name is longer than what is kept.
    pub sni_cut: bool,
    /// Encrypted data may follow before the server answers.
    pub early_data: bool,
    /// All of it was read, and nothing follows.
    pub whole: bool,
}

impl ClientHello {
    pub fn read(body: &[u8]) -> Self {
        let mut hello = Self::default();
        hello.whole = hello.fill(&mut Reader(body)).is_some();
        hello
    }

    fn fill(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        // version, random, session, cipher suites, compression methods
        reader.take(34)?;
        reader.vector8().filter(|session| session.len() <= 32)?;
        reader.vector16().filter(|ciphers| !ciphers.is_empty() && ciphers.len().is_multiple_of(2))?;
        reader.vector8()?;
        if reader.0.is_empty() {
            return Some(());
        }
        let mut extensions = Reader(reader.beginning16()?);
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let length = usize::from(extensions.u16()?);
            match kind {
                SERVER_NAME => self.name(extensions.take(length)?),
                EARLY_DATA => self.early_data = true,
                _ => {}
            }
            if kind != SERVER_NAME {
                extensions.take(length)?;
            }
        }
        reader.0.is_empty().then_some(())
    }

    /// The first host name of the list.
    fn name(&mut self, list: &[u8]) {
        const HOST_NAME: u8 = 0;
        let mut list = Reader(list);
        list.u16();
        while let (Some(kind), Some(name)) = (list.u8(), list.vector16()) {
            if kind == HOST_NAME && !name.is_empty() {
                self.sni_cut = name.len() > NAME_BYTES_MAX;
                self.sni = Some(name[..name.len().min(NAME_BYTES_MAX)].to_vec());
                return;
            }
        }
    }
}

/// A version, as it is numbered on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version(pub u16);

impl Version {
    const TLS13: u16 = 0x0304;

    /// TLS 1.3 or one of its drafts.
    pub fn is_13(self) -> bool {
        self.0 == Self::TLS13 || self.is_draft()
    }

    fn is_draft(self) -> bool {
        self.0 >> 8 == 0x7f
    }

    pub fn name(self) -> Cow<'static, [u8]> {
        Cow::Borrowed(match self.0 {
            0x0300 => b"SSLv3".as_slice(),
            0x0301 => b"TLSv1.0",
            0x0302 => b"TLSv1.1",
            0x0303 => b"TLSv1.2",
            _ if self.is_13() => b"TLSv1.3",
            other => return Cow::Owned(format!("0x{other:04x}").into_bytes()),
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum ServerHello {
    /// The client is to send another hello.
    Retry,
    Selected(Selected),
}

/// What the server selected.
#[derive(Debug, PartialEq, Eq)]
pub struct Selected {
    pub version: Version,
    pub cipher: Option<u16>,
    pub alpn: Option<Vec<u8>>,
    /// The key of an earlier session is used (TLS 1.3).
    pub shared_key: bool,
}

impl ServerHello {
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let mut selected = Selected { version: Version(reader.u16()?), cipher: None, alpn: None, shared_key: false };
        let random = reader.take(32);
        if random == Some(&RETRY_RANDOM) {
            return Some(ServerHello::Retry);
        }
        // what is missing was cut off, or was never seen
        if random.is_some() {
            selected.fill(&mut reader);
        }
        Some(ServerHello::Selected(selected))
    }
}

impl Selected {
    fn fill(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        // the first drafts of TLS 1.3 had neither session nor compression
        let early_draft = self.version.is_draft();
        if !early_draft {
            reader.vector8()?;
        }
        self.cipher = Some(reader.u16()?);
        if !early_draft {
            reader.u8()?;
        }
        let mut extensions = Reader(reader.beginning16()?);
        loop {
            let kind = extensions.u16()?;
            let mut data = Reader(extensions.vector16()?);
            match kind {
                SUPPORTED_VERSIONS => self.version = Version(data.u16()?),
                ALPN => self.alpn = data.vector16().and_then(|list| Reader(list).vector8()).map(<[u8]>::to_vec),
                PRE_SHARED_KEY => self.shared_key = true,
                _ => {}
            }
        }
    }
}
