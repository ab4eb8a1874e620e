//! What a row says of a certificate: whose it is, who signed it, until when it holds.
//!
//! In: the body of a Certificate message of TLS 1.2 or earlier. Out: a summary of the first certificate in it. Names and times
//! are decoded by `x509-cert`, which checks every length, has no `unsafe` and is small; the fields around them are stepped over
//! here, so that a certificate with an odd number or extension still has its summary. Nothing is verified.

use std::fmt::Write;

use x509_cert::der::{Decode, Header, Reader as _, SliceReader, Tag, TagNumber};
use x509_cert::name::Name;
use x509_cert::time::Validity;

use super::read::Reader;

#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `None` when it is empty.
    pub subject: Option<String>,
    pub issuer: Option<String>,
    /// Nanoseconds since 1970; `None` when that is too far away, which is how "never" is written.
    pub not_after_ns: Option<i64>,
}

/// The first certificate of a list; `None` when there is none or it cannot be read.
pub fn first(body: &[u8]) -> Option<Certificate> {
    let mut reader = Reader(body);
    reader.u24()?;
    let length = reader.u24()?;
    summary(reader.take(length)?)
}

fn summary(der: &[u8]) -> Option<Certificate> {
    let certificate = contents(der, Tag::Sequence)?;
    let mut fields = SliceReader::new(contents(certificate, Tag::Sequence)?).ok()?;
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    if Tag::peek(&fields).ok()? == version {
        fields.tlv_bytes().ok()?;
    }
    // serial number, algorithm of the signature
    fields.tlv_bytes().ok()?;
    fields.tlv_bytes().ok()?;
    let issuer = text(&Name::decode(&mut fields).ok()?);
    let validity: Validity = Validity::decode(&mut fields).ok()?;
    let subject = text(&Name::decode(&mut fields).ok()?);
    let not_after_ns = i64::try_from(validity.not_after.to_unix_duration().as_nanos()).ok();
    Some(Certificate { subject, issuer, not_after_ns })
}

fn text(name: &Name) -> Option<String> {
    let mut text = String::new();
    write!(text, "{name}").ok().filter(|()| !text.is_empty())?;
    Some(text)
}

/// What is inside the value at the beginning of `der`.
fn contents(der: &[u8], tag: Tag) -> Option<&[u8]> {
    let mut reader = SliceReader::new(der).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    if header.tag() != tag {
        return None;
    }
    reader.read_slice(header.length()).ok()
}
