//! Takes from a command's payload what its row will need, and keeps what is told of prepared statements.

use super::Session;
use crate::mysql::command;
use crate::mysql::execute::{self, Written, bulk_parameters, parameters, statement_id};
use crate::mysql::frame::Packet;
use crate::mysql::login::{Names, change_user, name};
use crate::mysql::queue::Waiting;
use crate::mysql::statements::{LAST, LongData};

impl Session {
    /// Takes from a command's payload what its row will need.
    #[inline]
    pub(super) fn read(&mut self, code: u8, packet: &Packet<'_>, waiting: &mut Waiting) {
        let payload = packet.payload;
        match code {
            command::QUERY => {
                let query = execute::query(&payload[1..], self.dialect.query_attributes);
                waiting.buffer.extend_from_slice(query.text);
                waiting.query_end = waiting.buffer.len();
                waiting.truncated = packet.cut();
                waiting.trace =
                    query.traceparent.and_then(|t| Some(Box::new((t.trace_id.try_into().ok()?, t.span_id?.try_into().ok()?))));
            }
            command::PREPARE => {
                waiting.buffer.extend_from_slice(&payload[1..]);
                waiting.query_end = waiting.buffer.len();
                waiting.truncated = packet.cut();
            }
            command::EXECUTE | command::BULK_EXECUTE => self.read_execution(packet, waiting),
            command::FETCH => self.read_statement(payload, waiting),
            command::SEND_LONG_DATA => self.long_data(payload, packet.cut()),
            command::STMT_CLOSE => {
                if let Some(id) = statement_id(payload) {
                    self.statements.remove(id);
                }
            }
            command::STMT_RESET => {
                if let Some(id) = statement_id(payload) {
                    self.statements.with(id, |s| s.long_data.clear());
                }
            }
            command::INIT_DB => {
                let database = name(payload[1..].strip_suffix(b"\0").unwrap_or(&payload[1..]));
                waiting.names = Some(Box::new(Names { user: self.names.user.clone(), database }));
            }
            command::CHANGE_USER => waiting.names = change_user(&payload[1..]).map(Box::new),
            _ => {}
        }
    }

    /// The text of the statement that a command names.
    fn read_statement(&mut self, payload: &[u8], waiting: &mut Waiting) {
        let known = statement_id(payload).and_then(|id| self.statements.with(id, |s| (s.text.clone(), s.cut)));
        if let Some((text, cut)) = known {
            waiting.prepared = Some(text);
            waiting.truncated = cut;
        }
    }

    fn read_execution(&mut self, packet: &Packet<'_>, waiting: &mut Waiting) {
        if statement_id(packet.payload) == Some(LAST) && self.queue.prepares() {
            // its statement is known when the server has answered
            waiting.buffer.extend_from_slice(packet.payload);
            (waiting.unread, waiting.truncated) = (true, packet.cut());
            return;
        }
        self.bind(packet.payload, packet.cut(), waiting);
    }

    /// The text and the parameters of an execution.
    pub(super) fn bind(&mut self, payload: &[u8], cut: bool, waiting: &mut Waiting) {
        let Some(id) = statement_id(payload) else { return };
        let attributes = self.dialect.query_attributes.unwrap_or_else(|| execute::counts_parameters(payload));
        let bulk = payload.first() == Some(&command::BULK_EXECUTE);
        let (room, buffer) = (self.room, &mut waiting.buffer);
        let bound = self.statements.with(id, |statement| {
            let written = if bulk {
                bulk_parameters(payload, statement, room, buffer)
            } else {
                parameters(payload, attributes, statement, room, buffer)
            };
            (written, statement.text.clone(), statement.cut)
        });
        if let Some((written, text, text_cut)) = bound {
            waiting.prepared = Some(text);
            waiting.parameters = written != Written::Unknown;
            waiting.truncated = text_cut || written == Written::Cut || (cut && waiting.parameters);
        }
    }

    /// `[18] number parameter bytes`, in any number of portions.
    fn long_data(&mut self, payload: &[u8], cut: bool) {
        let Some((&[a, b], data)) = payload.get(5..).and_then(<[u8]>::split_first_chunk) else { return };
        let (Some(id), parameter) = (statement_id(payload), u16::from_le_bytes([a, b])) else { return };
        let bytes_max = self.room.value_bytes_max;
        self.statements.with(id, |statement| {
            if parameter >= statement.parameters {
                return;
            }
            let long: &mut LongData = statement.long_data.entry(parameter).or_default();
            let room = bytes_max.saturating_sub(long.kept.len());
            long.kept.extend_from_slice(&data[..data.len().min(room)]);
            long.cut |= cut || data.len() > room;
        });
    }
}
