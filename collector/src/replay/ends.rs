//! The two ends of a connection, the same whoever of them sends.

use crate::connect::event::Direction;

use super::packet::Socket;

/// Which of the two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Lower,
    Upper,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Side::Lower => Side::Upper,
            Side::Upper => Side::Lower,
        }
    }

    /// What this end sends, as `local` sees it.
    pub fn direction(self, local: Side) -> Direction {
        if self == local { Direction::Sent } else { Direction::Received }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ends {
    lower: Socket,
    upper: Socket,
}

impl Ends {
    /// The ends, and which of them is the sender.
    pub fn of(from: Socket, to: Socket) -> (Self, Side) {
        match from <= to {
            true => (Self { lower: from, upper: to }, Side::Lower),
            false => (Self { lower: to, upper: from }, Side::Upper),
        }
    }

    pub fn at(&self, side: Side) -> Socket {
        match side {
            Side::Lower => self.lower,
            Side::Upper => self.upper,
        }
    }
}

/// One value for each end.
#[derive(Default)]
pub struct Both<T> {
    pub lower: T,
    pub upper: T,
}

impl<T> Both<T> {
    pub fn at(&self, side: Side) -> &T {
        match side {
            Side::Lower => &self.lower,
            Side::Upper => &self.upper,
        }
    }

    pub fn at_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Lower => &mut self.lower,
            Side::Upper => &mut self.upper,
        }
    }
}
