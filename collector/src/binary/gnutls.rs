//! GnuTLS's functions. Their results are 64 bits wide, and always fit in 32: a record's length or an error number.

use super::c_library::Library;
use super::function::{Function, Need};
use super::site::{Call, Kind};
use super::values::Width::{Bits32, Bits64};

const KIND: Kind = Kind::GnuTls;

pub const LIBRARY: Library =
    Library { kind: KIND, functions: FUNCTIONS, essential: ["gnutls_record_send", "gnutls_record_recv"], versions: "GNUTLS_" };

const FUNCTIONS: &[Function] = &[
    Function::new(KIND, "gnutls_record_send", Call::Write, &[Bits64, Bits64, Bits64], Need::Result(Bits32))
        .forwards_to("gnutls_record_send2"),
    Function::new(KIND, "gnutls_record_send2", Call::Write, &[Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "gnutls_record_recv", Call::Read, &[Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "gnutls_record_recv_seq", Call::Read, &[Bits64, Bits64, Bits64], Need::Result(Bits32)),
    Function::new(KIND, "gnutls_handshake", Call::Handshake, &[Bits64], Need::Result(Bits32)),
    Function::new(KIND, "gnutls_transport_set_ptr", Call::SetTransport, &[Bits64, Bits64], Need::Entry),
    Function::new(KIND, "gnutls_transport_set_ptr2", Call::SetTransports, &[Bits64, Bits64, Bits64], Need::Entry),
    Function::new(KIND, "gnutls_transport_set_int2", Call::SetFds, &[Bits64, Bits32, Bits32], Need::Entry),
    Function::new(KIND, "gnutls_deinit", Call::Free, &[Bits64], Need::Entry),
];
