//! Alerts (RFC 8446, section 6, and what earlier versions had besides).

use std::borrow::Cow;

/// Bytes of one alert: level, description.
pub const ALERT_BYTES: usize = 2;
/// Longest record of alerts in clear; an encrypted one has a checksum, which is longer.
pub const CLEAR_BYTES_MAX: usize = 6;

pub const CLOSE_NOTIFY: u8 = 0;
pub const USER_CANCELED: u8 = 90;
const FATAL: u8 = 2;

/// Whether a handshake ends with this alert.
pub fn ends(level: u8, description: u8) -> bool {
    description != CLOSE_NOTIFY && (level == FATAL || description == USER_CANCELED)
}

/// Whether these are alerts, as far as they go.
pub fn plausible(bytes: &[u8]) -> bool {
    bytes.chunks(ALERT_BYTES).all(|alert| match alert {
        [1 | FATAL, description] => known(*description).is_some(),
        [level] => matches!(*level, 1 | FATAL),
        _ => false,
    })
}

/// Name of a description; its number as text where no RFC names it.
pub fn name(description: u8) -> Cow<'static, [u8]> {
    match known(description) {
        Some(name) => Cow::Borrowed(name.as_bytes()),
        None => Cow::Owned(description.to_string().into_bytes()),
    }
}

fn known(description: u8) -> Option<&'static str> {
    Some(match description {
        CLOSE_NOTIFY => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        USER_CANCELED => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}
