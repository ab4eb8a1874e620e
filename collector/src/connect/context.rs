//! What connections need of the world around them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use protocol_parsers::{Settings, Wanted};

use super::names::Names;
use super::unbound::Unbound;
use crate::batch::Sink;
use crate::discover::Processes;
use crate::kernel::Clock;

/// How much of a connection is to be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub wanted: Wanted,
    /// What lies before these offsets is needed by its size alone.
    pub sent_from: u64,
    pub received_from: u64,
}

/// Takes decisions about connections; a capture file has no use for them.
pub trait PolicyControl: Send {
    /// False when no more decisions can be kept.
    fn set(&mut self, key: u64, decision: Decision) -> bool;
    fn forget(&mut self, key: u64);
}

/// What all workers share.
#[derive(Clone)]
pub struct Context {
    pub host: Arc<[u8]>,
    pub clock: Clock,
    pub settings: Settings,
    /// Literals, parameters and what may quote them are replaced before rows are kept.
    pub redact: bool,
    pub sink: Arc<dyn Sink>,
    /// `None` in a replay: nothing is known of processes.
    pub processes: Option<Arc<Processes>>,
    /// What addresses are called, by the answers of name servers.
    pub names: Arc<Names>,
    /// What was said inside TLS before its connection was known.
    pub unbound: Unbound,
    /// The last connection id given.
    pub ids: Arc<AtomicU64>,
}
