//! Plaintext of encrypted connections, taken at the calls of TLS libraries.

/// How it is known which connection a TLS session uses. A greater value is better evidence.
pub mod evidence {
    /// It is not known yet.
    pub const NONE: u8 = 0;
    /// The thread's socket activity right before or after the call was on it.
    pub const FOLLOWED: u8 = 1;
    /// That has been so more than once, and never otherwise.
    pub const REPEATED: u8 = 2;
    /// The session's own descriptor is the one that the thread used.
    pub const DESCRIPTOR: u8 = 3;
    /// The call itself used it.
    pub const INSIDE: u8 = 4;
}

/// Followed by `copied` bytes. The record may be longer than that. One that stands for no bytes tells only which connection its
/// session uses: what was told of the session before, when that was unknown, belongs there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PlainHeader {
    pub kind: u8,
    pub direction: u8,
    pub evidence: u8,
    pub _pad: u8,
    /// Bytes that follow.
    pub copied: u32,
    /// Names the TLS session among all of this source.
    pub session: u64,
    /// The connection it uses, 0 when unknown.
    pub connection: u64,
    pub time_ns: u64,
    /// Where the bytes stand in this direction of the session since it was first heard of.
    pub offset: u64,
    /// How many bytes this record stands for, `copied` of which follow.
    pub len: u32,
    pub pid: u32,
    pub tid: u32,
    pub _pad2: u32,
}

/// What a probed function does.
pub mod call {
    /// Returns how many bytes it read, or wrote.
    pub const READ: u8 = 0;
    pub const WRITE: u8 = 1;
    /// Returns 1 when it did and stores how many bytes at the address in `length`.
    pub const READ_EX: u8 = 2;
    pub const WRITE_EX: u8 = 3;
    pub const HANDSHAKE: u8 = 4;
    /// Is given bytes that were received: `buffer` points to a word, their address, their length. Its result is of no interest.
    pub const RECEIVED: u8 = 5;
    /// Returns how many bytes it took. `buffer` points to a word 0, their address, their length; or to the address of a list
    /// of slices, how many there are, and from which byte of them on.
    pub const SEND: u8 = 6;
    /// The session is over; its address may become another's.
    pub const FREE: u8 = 7;
    /// Names the session's descriptor, in `length`.
    pub const SET_DESCRIPTOR: u8 = 8;
    /// A place inside a call, passed for each piece of plaintext, and not a call: `length` bytes at `buffer` are handed out.
    pub const OPENED: u8 = 9;
    /// As before, for bytes that are taken in: `length` points to the lengths of their parts, `result` is how many parts there are.
    pub const SEALED: u8 = 10;
    /// As before; `buffer` points to a word, their address, their length.
    pub const SEALED_TOGETHER: u8 = 11;
}

/// What is known of a call where a probe is.
pub mod moment {
    /// It begins: its arguments.
    pub const ENTRY: u8 = 0;
    /// It ends: its result.
    pub const RESULT: u8 = 1;
}

/// Who keeps a call apart from others of its process.
pub mod runtime {
    /// The thread.
    pub const THREADS: u8 = 0;
    /// The goroutine, whose structure is in r14.
    pub const GO: u8 = 1;
}

pub mod place {
    pub const NOWHERE: u8 = 0;
    /// In the register with this DWARF number.
    pub const REGISTER: u8 = 1;
    /// In memory, `offset` bytes from the stack pointer.
    pub const STACK: u8 = 2;
}

/// Where a value is when a probe fires.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// A value of [`place`].
    pub kind: u8,
    /// x86-64: rax 0, rdx 1, rcx 2, rbx 3, rsi 4, rdi 5, rbp 6, rsp 7, r8 to r15.
    pub register: u8,
    /// Which of the [`words`] at a hit the value is in, and from which of its bits on: see [`Site::arranged`].
    pub word: u8,
    pub shift: u8,
    pub offset: i32,
}

/// What a hit is looked at in: all that a site may ask for, read at once.
pub mod words {
    /// The registers, by their DWARF numbers.
    pub const REGISTERS: usize = 16;
    /// Then the stack, from [`super::Site::stack_from`] on.
    pub const STACK: usize = 8;
    /// Then a 0, for what is nowhere.
    pub const ZERO: u8 = (REGISTERS + STACK) as u8;
    pub const COUNT: usize = REGISTERS + STACK + 1;
    /// It is in none of them: further away on the stack.
    pub const BEYOND: u8 = COUNT as u8;
}

/// Where the descriptor behind a Go `tls.Conn` is, in bytes from the beginning of each structure that leads to it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GoDescriptor {
    /// In the `tls.Conn`: the pointer to its `net.TCPConn`.
    pub conn: u8,
    /// There: the pointer to its `net.netFD`.
    pub fd: u8,
    /// There: the descriptor.
    pub sysfd: u8,
    pub _pad: u8,
}

/// A value that a 32-bit place must have.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// None, where the place is [`place::NOWHERE`].
    pub at: Place,
    pub value: u32,
}

/// A probed instruction. Its index is the probe's cookie.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site {
    pub call: u8,
    pub runtime: u8,
    /// A value of [`moment`].
    pub moment: u8,
    /// How many bytes of the stack hold values, from `stack_from` bytes from the stack pointer on.
    pub stack_bytes: u8,
    pub stack_from: i32,
    pub object: Place,
    pub buffer: Place,
    pub length: Place,
    /// What the function returns.
    pub result: Place,
    /// Where this is known, it is added to the result.
    pub plus: Place,
    /// Where this is known, `result` counts only when it is above 0.
    pub status: Place,
    /// Of a place inside a call: it is passed for something else where one of these does not hold.
    pub only_if: [Condition; 2],
    pub go: GoDescriptor,
}

/// Bytes of a register, and of a word of the stack.
const WORD_BYTES: i32 = 8;

impl Site {
    /// With the word of each place. As much of the stack is read as holds the values that are nearest to its top.
    pub fn arranged(mut self) -> Site {
        let whole = [self.object, self.buffer, self.length, self.result];
        let halves = self.only_if.map(|condition| condition.at);
        let all = whole.iter().chain(&halves).filter(|at| at.kind == place::STACK);
        let from = all.clone().map(|at| at.offset & -WORD_BYTES).min().unwrap_or(0);
        let mut bytes = 0;
        let mut arrange = |at: &mut Place, size: i32| {
            let distance = i64::from(at.offset) - i64::from(from);
            (at.word, at.shift) = match at.kind {
                place::REGISTER => (at.register, 0),
                place::STACK if distance % i64::from(size) != 0 => (words::BEYOND, 0),
                place::STACK if distance >= words::STACK as i64 * i64::from(WORD_BYTES) => (words::BEYOND, 0),
                place::STACK => {
                    let (word, byte) = (distance as i32 / WORD_BYTES, distance as i32 % WORD_BYTES);
                    bytes = bytes.max((word + 1) * WORD_BYTES);
                    ((words::REGISTERS as i32 + word) as u8, byte as u8 * 8)
                }
                _ => (words::ZERO, 0),
            };
        };
        for at in [&mut self.object, &mut self.buffer, &mut self.length, &mut self.result] {
            arrange(at, WORD_BYTES);
        }
        for condition in &mut self.only_if {
            arrange(&mut condition.at, WORD_BYTES / 2);
        }
        (self.stack_from, self.stack_bytes) = (from, bytes as u8);
        self
    }
}

/// A TLS session's object in a process.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    pub object: u64,
    pub pid: u32,
    pub _pad: u32,
}

const _: () = assert!(size_of::<PlainHeader>() == 56 && size_of::<Site>() == 84 && size_of::<SessionKey>() == 16);
