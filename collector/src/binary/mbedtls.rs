//! mbed TLS's functions.

use super::c_library::Library;
use super::function::{Function, Need};
use super::site::{Call, Kind};
use super::values::Width::{Bits32, Bits64};

const KIND: Kind = Kind::MbedTls;

pub const LIBRARY: Library =
    Library { kind: KIND, functions: FUNCTIONS, essential: ["mbedtls_ssl_read", "mbedtls_ssl_write"], versions: "MBEDTLS_" };

const FUNCTIONS: &[Function] = &[
    Function::new(KIND, "mbedtls_ssl_read", Call::Read, &[Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "mbedtls_ssl_write", Call::Write, &[Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "mbedtls_ssl_handshake", Call::Handshake, &[Bits64], Need::Result(Bits32)),
    Function::new(KIND, "mbedtls_ssl_free", Call::Free, &[Bits64], Need::Entry),
];
