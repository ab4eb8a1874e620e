//! The columns that tables share: which host, process and connection a row belongs to.

crate::columns! {
    /// The prefix of every table that belongs to the host as a whole.
    pub struct HostPrefix {
        /// When it happened, or when it was measured.
        time: Time,
        /// Name of the host.
        host: Name,
    }
}

crate::columns! {
    /// The prefix of every table whose rows belong to a process.
    pub struct ProcessPrefix {
        /// When it happened, or when it was measured.
        time: Time,
        /// Name of the host.
        host: Name,
        /// One life of a process on one host; unique over pid reuse and hosts, the same over exec.
        process_id: Int64,
        /// Process number as the host sees it.
        pid: Int32,
        /// The process's name, as in /proc/PID/comm.
        process_name: Name,
        /// Container that the process runs in; null outside containers.
        container_id: Name,
        /// Kubernetes namespace of the pod; null outside Kubernetes.
        namespace: Name,
        /// Kubernetes pod; null outside Kubernetes.
        pod: Name,
        /// Service that the process belongs to: the Kubernetes workload, the systemd unit, else the process's name.
        service: Name,
    }
}

crate::columns! {
    /// The prefix of every traffic table.
    pub struct TrafficPrefix {
        /// When the first byte of the request was seen.
        time: Time,
        /// Name of the host.
        host: Name,
        /// One life of the process at this row's end; unique over pid reuse and hosts.
        process_id: Int64,
        /// Process number as the host sees it.
        pid: Int32,
        /// Thread that read the request's first byte (at a client: wrote it).
        thread_id: Int32,
        /// The process's name, as in /proc/PID/comm.
        process_name: Name,
        /// Container that the process runs in; null outside containers.
        container_id: Name,
        /// Kubernetes namespace of the pod; null outside Kubernetes.
        namespace: Name,
        /// Kubernetes pod; null outside Kubernetes.
        pod: Name,
        /// Service that the process belongs to: the Kubernetes workload, the systemd unit, else the process's name.
        service: Name,
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
        /// DNS name that the remote address was last looked up by on this host.
        remote_name: Name,
        /// Process at the other end when it is on this host.
        peer_process_id: Int64,
        /// Process number at the other end when it is on this host.
        peer_pid: Int32,
        /// Process name at the other end when it is on this host.
        peer_process_name: Name,
        /// This row's end: 'server', 'client' or 'unknown'.
        role: Name,
        /// Whether the connection is encrypted on the wire.
        encrypted: Bool,
    }
}

crate::columns! {
    /// The suffix of every traffic table.
    pub struct TrafficSuffix {
        /// First byte of the request to last byte of the response; null without either.
        latency_ns: Int64 [Nanoseconds],
        /// All bytes of the request on its connection, framing included.
        request_bytes: Int64 [Bytes],
        /// All bytes of the response on its connection, framing included; null without a response.
        response_bytes: Int64 [Bytes],
        /// Whether a text or body of this row is not whole; one of which nothing was seen is null, with its size.
        truncated: Bool,
        /// Whether bytes of the connection before this message were not seen.
        gap_before: Bool,
        /// How sure the row is: 'certain', 'likely' or 'guessed'.
        confidence: Name,
        /// Trace that the request says it belongs to.
        trace_id: Text,
        /// Span that the request says it belongs to.
        span_id: Text,
        /// Whether the connection ended before the response was whole.
        broken: Bool,
    }
}
