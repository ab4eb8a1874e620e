//! A map that knows which of its entries was used least recently, to the second.
//!
//! In: keys, values, times. Out: entries by key or slot, the oldest first where asked for. Its order does not depend on hashing,
//! so that the same input always gives the same output. Enforces no limit itself: who inserts looks at `len`.

use std::hash::Hash;

use hashbrown::HashMap;

const NONE: u32 = u32::MAX;
/// Entries used within this time of each other may stand in either order. Moving an entry at each use would touch its old and
/// new neighbours, which are seldom in the processor's cache.
const ORDER_NS: u64 = 1_000_000_000;

pub struct Table<K, V> {
    by_key: HashMap<K, u32>,
    slots: Vec<Slot<K, V>>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
}

struct Slot<K, V> {
    entry: Option<(K, V)>,
    used_ns: u64,
    /// When it was made the newest.
    moved_ns: u64,
    older: u32,
    newer: u32,
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    pub fn new() -> Self {
        Self { by_key: HashMap::new(), slots: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE }
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The slot of a key.
    pub fn find(&self, key: &K) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// The value in a slot that `find` or `insert` gave and `remove` has not taken back.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        self.slots.get_mut(slot as usize)?.entry.as_mut().map(|(_, value)| value)
    }

    /// Says that the entry in a slot was used.
    pub fn touch(&mut self, slot: u32, now_ns: u64) {
        let entry = &mut self.slots[slot as usize];
        entry.used_ns = now_ns;
        if entry.moved_ns.abs_diff(now_ns) > ORDER_NS {
            entry.moved_ns = now_ns;
            self.unlink(slot);
            self.link(slot);
        }
    }

    /// The key must not be there yet.
    pub fn insert(&mut self, key: K, value: V, now_ns: u64) -> u32 {
        let filled = Slot { entry: Some((key, value)), used_ns: now_ns, moved_ns: now_ns, older: NONE, newer: NONE };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = filled;
                slot
            }
            None => {
                self.slots.push(filled);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_key.insert(key, slot);
        self.link(slot);
        slot
    }

    /// The key, the value and when it was last used.
    pub fn remove(&mut self, slot: u32) -> Option<(K, V, u64)> {
        let (key, value) = self.slots.get_mut(slot as usize)?.entry.take()?;
        self.by_key.remove(&key);
        self.unlink(slot);
        self.free.push(slot);
        Some((key, value, self.slots[slot as usize].used_ns))
    }

    pub fn pop_oldest(&mut self) -> Option<(K, V, u64)> {
        self.remove(self.oldest)
    }

    /// Removes the entry least recently used if it was last used more than `idle_ns` before `now_ns`.
    pub fn pop_idle(&mut self, now_ns: u64, idle_ns: u64) -> Option<(K, V, u64)> {
        let used_ns = self.slots.get(self.oldest as usize)?.used_ns;
        if now_ns.saturating_sub(used_ns) > idle_ns { self.pop_oldest() } else { None }
    }

    fn link(&mut self, slot: u32) {
        let newest = self.newest;
        self.slots[slot as usize].older = newest;
        self.slots[slot as usize].newer = NONE;
        match newest {
            NONE => self.oldest = slot,
            newest => self.slots[newest as usize].newer = slot,
        }
        self.newest = slot;
    }

    fn unlink(&mut self, slot: u32) {
        let (older, newer) = (self.slots[slot as usize].older, self.slots[slot as usize].newer);
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
    }
}
