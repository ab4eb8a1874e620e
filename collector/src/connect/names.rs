//! The names that addresses were looked up by on this host.
//!
//! In: what name servers answered. Out: the last name of an address. Bounded; what was looked up longest ago goes first.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use hashbrown::HashMap;

/// Addresses with a name; a new one beyond that drops the older half.
const NAMES_MAX: usize = 16 << 10;

/// Each with the version at which it was last told.
type ByAddress = HashMap<IpAddr, (Arc<[u8]>, u64)>;

#[derive(Debug, Default)]
pub struct Names {
    by_address: Mutex<ByAddress>,
    /// Grows with each change.
    version: AtomicU64,
}

impl Names {
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub fn of(&self, address: IpAddr) -> Option<Arc<[u8]>> {
        self.lock().get(&address.to_canonical()).map(|(name, _)| name.clone())
    }

    pub fn told(&self, name: &[u8], address: IpAddr) {
        let mut names = self.lock();
        let now = self.version.load(Ordering::Relaxed) + 1;
        if let Some((known, used)) = names.get_mut(&address.to_canonical()) {
            *used = now;
            if **known == *name {
                return;
            }
        }
        if names.len() >= NAMES_MAX {
            let mut ages: Vec<u64> = names.values().map(|(_, used)| *used).collect();
            let (_, middle, _) = ages.select_nth_unstable(NAMES_MAX / 2);
            let middle = *middle;
            names.retain(|_, (_, used)| *used > middle);
        }
        names.insert(address.to_canonical(), (Arc::from(name), now));
        self.version.store(now, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, ByAddress> {
        self.by_address.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The names of a connection's ends, as of a version of [`Names`].
#[derive(Clone, Debug, Default)]
pub struct EndNames {
    version: u64,
    pub local: Option<Arc<[u8]>>,
    pub remote: Option<Arc<[u8]>>,
}

impl EndNames {
    /// Looks up again what has no name yet: a connection keeps the name that it was opened by.
    pub fn look_up(&mut self, names: &Names, local: Option<IpAddr>, remote: Option<IpAddr>) {
        let version = names.version();
        if version == self.version {
            return;
        }
        self.version = version;
        for (name, address) in [(&mut self.local, local), (&mut self.remote, remote)] {
            if name.is_none() {
                *name = address.and_then(|address| names.of(address));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol_parsers::{Moment, Transport};

    use super::*;
    use crate::connect::kept::Kept;
    use crate::connect::{Consumer, Data, Direction, Endpoint, Event, Opened, Role};

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_connection_keeps_the_name_it_was_opened_by() {
        let names = Names::default();
        names.told(b"shop.example", address(1));
        let mut ends = EndNames::default();
        ends.look_up(&names, Some(address(9)), Some(address(1)));
        assert_eq!((ends.local.as_deref(), ends.remote.as_deref()), (None, Some(&b"shop.example"[..])));
        names.told(b"mail.example", address(1));
        names.told(b"here.example", address(9));
        ends.look_up(&names, Some(address(9)), Some(address(1)));
        assert_eq!((ends.local.as_deref(), ends.remote.as_deref()), (Some(&b"here.example"[..]), Some(&b"shop.example"[..])));
        assert_eq!(names.of(address(1)).as_deref(), Some(&b"mail.example"[..]));
    }

    #[test]
    fn an_address_is_the_same_in_both_families() {
        let names = Names::default();
        names.told(b"a.example", "::ffff:10.0.0.1".parse().expect("an address"));
        assert_eq!(names.of("10.0.0.1".parse().expect("an address")).as_deref(), Some(&b"a.example"[..]));
    }

    #[test]
    fn the_newest_names_are_kept() {
        let names = Names::default();
        for n in 0..3 * NAMES_MAX as u32 {
            names.told(b"x", address(n));
            assert!(names.lock().len() <= NAMES_MAX);
        }
        assert!(names.of(address(3 * NAMES_MAX as u32 - 1)).is_some());
        assert!(names.of(address(0)).is_none());
    }

    /// A question for the address of `name` (RFC 1035 section 4), or its answer.
    fn message(name: &[u8], answer: Option<[u8; 4]>) -> Vec<u8> {
        let mut out = vec![0, 7, if answer.is_some() { 0x81 } else { 1 }, 0, 0, 1, 0, answer.is_some() as u8, 0, 0, 0, 0];
        for label in name.split(|c| *c == b'.') {
            out.push(label.len() as u8);
            out.extend_from_slice(label);
        }
        out.extend_from_slice(&[0, 0, 1, 0, 1]);
        if let Some(address) = answer {
            out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            out.extend_from_slice(&address);
        }
        out
    }

    #[test]
    fn rows_name_the_other_end_as_it_was_looked_up() {
        let (mut tracker, kept) = Kept::tracker(None);
        let at = |mono_ns| Moment { mono_ns, thread_id: 0 };
        let mut open = |key, transport, role, remote: &str| {
            tracker.event(Event::Opened(Opened {
                key,
                transport,
                local: Endpoint::Inet("10.0.0.1:4000".parse().expect("an address")),
                remote: Endpoint::Inet(remote.parse().expect("an address")),
                role: Some(role),
                from_start: true,
                at_ns: 1,
                host: None,
            }));
        };
        open(1, Transport::Datagram, Role::Client, "10.0.0.53:53");
        open(2, Transport::Stream, Role::Server, "10.0.0.9:4001");
        let (question, answer) = (message(b"shop.example", None), message(b"shop.example", Some([10, 0, 0, 9])));
        let said: [(u64, Direction, &[u8]); 4] = [
            (1, Direction::Sent, &question),
            (1, Direction::Received, &answer),
            (2, Direction::Received, b"GET / HTTP/1.1\r\n\r\n"),
            (2, Direction::Sent, b"HTTP/1.1 204 No Content\r\n\r\n"),
        ];
        for (n, (key, direction, bytes)) in said.into_iter().enumerate() {
            let (len, at) = (bytes.len() as u64, at(10 + n as u64));
            tracker.event(Event::Data(Data { key, direction, offset: 0, len, bytes, at, pid: 0, remote: None }));
        }
        tracker.finish_all();
        assert_eq!(kept.names("dns_events", "remote_name"), [None]);
        assert_eq!(kept.known_names("http_events", "remote_name"), ["shop.example"]);
    }
}
