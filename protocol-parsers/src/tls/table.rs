//! The table of handshakes.

schema::table! {
    /// One row a TLS handshake; `latency_ns` is from the client's hello to the end of the handshake as it can be seen from outside.
    pub struct TlsEvent in "tls_events", traffic;
    {
        /// Server name that the client asks for; with Encrypted Client Hello the outer one.
        sni: Recurring,
        /// Version that the server selected: 'TLSv1.3', 'TLSv1.2', 'TLSv1.1', 'TLSv1.0', 'SSLv3'.
        version: Name,
        /// Application protocol that the server selected ('h2'); null where there is none, and in TLS 1.3, which hides it.
        alpn: Name,
        /// Cipher suite that the server selected, by its IANA name.
        cipher: Name,
        /// 'done' or 'failed'; null when the end was not seen.
        handshake: Name,
        /// Why it failed, as one end told the other in clear ('unknown_ca', 'handshake_failure'); null where it is encrypted.
        alert: Name,
        /// Whether an earlier session is resumed; null where that was not seen.
        resumed: Bool,
        /// Subject of the server's certificate (RFC 4514); null in TLS 1.3, which hides it, and where a session is resumed.
        cert_subject: Recurring,
        /// Issuer of the server's certificate (RFC 4514).
        cert_issuer: Recurring,
        /// When the server's certificate expires.
        cert_not_after: Time,
    }
}
