//! wolfSSL's functions, under its own names.

use super::c_library::Library;
use super::function::{Function, Need};
use super::site::{Call, Kind};
use super::values::Width::{Bits32, Bits64};

const KIND: Kind = Kind::WolfSsl;

pub const LIBRARY: Library =
    Library { kind: KIND, functions: FUNCTIONS, essential: ["wolfSSL_read", "wolfSSL_write"], versions: "WOLFSSL_" };

const FUNCTIONS: &[Function] = &[
    Function::new(KIND, "wolfSSL_read", Call::Read, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "wolfSSL_write", Call::Write, &[Bits64, Bits64, Bits32], Need::Result(Bits32)),
    Function::new(KIND, "wolfSSL_negotiate", Call::Handshake, &[Bits64], Need::Result(Bits32)),
    Function::new(KIND, "wolfSSL_connect", Call::Handshake, &[Bits64], Need::Result(Bits32)),
    Function::new(KIND, "wolfSSL_accept", Call::Handshake, &[Bits64], Need::Result(Bits32)),
    Function::new(KIND, "wolfSSL_set_fd", Call::SetFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "wolfSSL_set_read_fd", Call::SetReadFd, &[Bits64, Bits32], Need::Entry),
    Function::new(KIND, "wolfSSL_free", Call::Free, &[Bits64], Need::Entry),
];
