//! The table of messages.

schema::table! {
    /// One row a WebSocket message; `time` is when its first byte was seen.
    pub struct WebsocketEvent in "websocket_events", traffic;
    {
        /// 'to_server' or 'to_client'.
        direction: Name,
        /// 'text', 'binary', 'ping', 'pong', 'close'; null when the message's beginning was not seen.
        opcode: Name,
        /// Size of the payload without framing, before decompression.
        payload_bytes: Int64 [Bytes],
        /// The beginning of a text message, unmasked and decompressed; null for others.
        text: Recurring,
        /// Frames that carried the message.
        fragments: Int32,
        /// Whether the message is compressed (permessage-deflate).
        compressed: Bool,
        /// Status code of a close; null when it has none, and for others.
        close_code: Int32,
        /// Reason of a close; null when it has none, and for others.
        close_reason: Recurring,
    }
}
