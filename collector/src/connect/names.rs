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

#[derive(Debug, Default)]
pub struct Names {
    by_address: Mutex<HashMap<IpAddr, (Arc<[u8]>, u64)>>,
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

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, (Arc<[u8]>, u64)>> {
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
    use super::*;

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
}
