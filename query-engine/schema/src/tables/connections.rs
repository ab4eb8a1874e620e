crate::table! {
    /// One row a connection when it closes, and one a minute while it is open.
    pub struct Connection in "connections", process;
    {
        /// One life of a connection.
        connection_id: Int64,
        /// Address of this row's end; a Unix socket is 'unix:PATH'.
        local_addr: Name,
        /// Port of this row's end; null for Unix sockets.
        local_port: Int32,
        /// Address of the other end.
        remote_addr: Name,
        /// Port of the other end; null for Unix sockets.
        remote_port: Int32,
        /// Process at the other end when it is on this host.
        peer_process_id: Int64,
        /// Process number at the other end when it is on this host.
        peer_pid: Int32,
        /// Process name at the other end when it is on this host.
        peer_process_name: Name,
        /// This row's end: 'server', 'client' or 'unknown'.
        role: Name,
        /// When it was established; null when it is older than earshot.
        opened_at: Time,
        /// When it closed; null while open.
        closed_at: Time,
        /// Protocol recognised on it; null when none was.
        protocol: Name,
        /// Protocol that it was taken for until later bytes refuted it; null when the first recognised held.
        protocol_before: Name,
        /// Bytes that this end sent since it was first seen.
        sent_bytes: Int64 [Bytes],
        /// Bytes that this end received since it was first seen.
        received_bytes: Int64 [Bytes],
        /// TCP segments sent again; null for other transports.
        retransmits: Int64 [Packets],
        /// TCP smoothed round-trip time; null for other transports.
        rtt_ns: Int64 [Nanoseconds],
        /// 'open' or 'closed'.
        state: Name,
    }
}
