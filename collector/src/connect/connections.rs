//! The connections of one worker, by their key.
//!
//! In: connections, put and taken. Out: the same. Events of one connection follow each other, so the one that was put last is
//! kept outside the map: to take it again and again costs a comparison.

use hashbrown::HashMap;

use super::connection::Connection;

#[derive(Default)]
pub struct Connections {
    others: HashMap<u64, Box<Connection>>,
    last: Option<Box<Connection>>,
}

impl Connections {
    pub fn len(&self) -> usize {
        self.others.len() + usize::from(self.last.is_some())
    }

    pub fn contains(&self, key: u64) -> bool {
        self.get(key).is_some()
    }

    pub fn get(&self, key: u64) -> Option<&Connection> {
        match &self.last {
            Some(last) if last.key == key => Some(last),
            _ => self.others.get(&key).map(|connection| &**connection),
        }
    }

    pub fn get_mut(&mut self, key: u64) -> Option<&mut Connection> {
        match &mut self.last {
            Some(last) if last.key == key => Some(last),
            _ => self.others.get_mut(&key).map(|connection| &mut **connection),
        }
    }

    pub fn take(&mut self, key: u64) -> Option<Box<Connection>> {
        self.last.take_if(|last| last.key == key).or_else(|| self.others.remove(&key))
    }

    /// Gives back the connection that had its key before.
    pub fn put(&mut self, connection: Box<Connection>) -> Option<Box<Connection>> {
        let key = connection.key;
        let last = self.last.replace(connection)?;
        if last.key == key {
            return Some(last);
        }
        self.others.insert(last.key, last);
        self.others.remove(&key)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.others.values().map(|connection| &**connection).chain(self.last.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::event::{Endpoint, Opened};
    use protocol_parsers::Transport;

    fn connection(id: i64, key: u64) -> Box<Connection> {
        let opened = Opened {
            key,
            transport: Transport::Stream,
            local: Endpoint::Unknown,
            remote: Endpoint::Unknown,
            role: None,
            from_start: true,
            at_ns: 1,
            host: None,
        };
        Box::new(Connection::new(id, &opened))
    }

    #[test]
    fn each_is_found_whether_it_was_put_last_or_not() {
        let mut all = Connections::default();
        for key in 1..=5 {
            assert!(all.put(connection(key as i64, key)).is_none());
        }
        assert_eq!(all.len(), 5);
        for key in [5, 1, 1, 3, 5, 4, 2] {
            assert_eq!(all.get(key).map(|c| c.identity.id), Some(key as i64));
            assert_eq!(all.get_mut(key).map(|c| c.key), Some(key));
            let taken = all.take(key).expect("it was put");
            assert!(!all.contains(key) && all.take(key).is_none());
            assert_eq!((taken.key, all.len()), (key, 4));
            assert!(all.put(taken).is_none());
        }
        let mut keys: Vec<u64> = all.iter().map(|c| c.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn another_one_with_the_same_key_takes_its_place() {
        let mut all = Connections::default();
        all.put(connection(1, 7));
        assert_eq!(all.put(connection(2, 7)).map(|c| c.identity.id), Some(1));
        all.put(connection(3, 8));
        assert_eq!(all.put(connection(4, 7)).map(|c| c.identity.id), Some(2));
        assert_eq!((all.len(), all.get(7).map(|c| c.identity.id)), (2, Some(4)));
    }
}
