//! OpenSSL's functions, under the names that BoringSSL and LibreSSL share.

use super::function::{Function, Need};
use super::site::{Call, Kind};
use super::values::Width::{Bits32, Bits64};

const KIND: Kind = Kind::OpenSsl;

pub const FUNCTIONS: &[Function] = &[
    Function::new(KIND, "SSL_read", Call::Read, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "SSL_write", Call::Write, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "SSL_read_ex", Call::ReadEx, &[Bits64, Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "SSL_write_ex", Call::WriteEx, &[Bits64, Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "SSL_peek", Call::Peek, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "SSL_peek_ex", Call::PeekEx, &[Bits64, Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "SSL_do_handshake", Call::Handshake, &[Bits64], Need::Result(Bits32)),
    // both end in SSL_do_handshake, where the result is seen
    Function::new(KIND, "SSL_connect", Call::Connect, &[Bits64], Need::Entry),
    Function::new(KIND, "SSL_accept", Call::Accept, &[Bits64], Need::Entry),
    Function::new(KIND, "SSL_set_fd", Call::SetFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "SSL_set_rfd", Call::SetReadFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "SSL_set_wfd", Call::SetWriteFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "SSL_set_bio", Call::SetBio, &[Bits64, Bits64, Bits64], Need::Entry),
    Function::new(KIND, "SSL_free", Call::Free, &[Bits64], Need::Entry),
];

/// The functions without which there is nothing to see.
pub const ESSENTIAL: [&str; 2] = ["SSL_read", "SSL_write"];
