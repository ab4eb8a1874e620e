//! Where the current system call's bytes are in the process's memory, from the registers it entered the kernel with.

use aya_ebpf::{bindings::pt_regs, helpers::generated as helpers};

use crate::kernel::{read_user, user_registers};
use crate::maps::{MULTI_MESSAGES, MultiMessage};

/// The bytes of a transfer, and the address it names, if it names one.
#[derive(Clone, Copy)]
pub struct UserBuffer {
    /// One buffer (`count` is 0, `len` its size), or an array of `count` iovecs.
    pub at: u64,
    pub len: u64,
    pub count: u32,
    /// `struct sockaddr` of the other end, 0 when there is none.
    pub name: u64,
}

/// The code segment of 64-bit user code; a 32-bit call has other system call numbers.
const USER_CS: u64 = 0x33;

mod nr {
    pub const READ: u64 = 0;
    pub const WRITE: u64 = 1;
    pub const READV: u64 = 19;
    pub const WRITEV: u64 = 20;
    pub const SENDTO: u64 = 44;
    pub const RECVFROM: u64 = 45;
    pub const SENDMSG: u64 = 46;
    pub const RECVMSG: u64 = 47;
    pub const PREADV: u64 = 295;
    pub const PWRITEV: u64 = 296;
    pub const RECVMMSG: u64 = 299;
    pub const SENDMMSG: u64 = 307;
    pub const PREADV2: u64 = 327;
    pub const PWRITEV2: u64 = 328;
}

/// `struct user_msghdr`, as far as it is needed.
#[repr(C)]
#[derive(Clone, Copy)]
struct MessageHeader {
    name: u64,
    name_len: u64,
    vector: u64,
    count: u64,
}

/// `struct mmsghdr`: a `struct user_msghdr` of 56 bytes, the message's length and padding.
const MULTI_MESSAGE_BYTES: u64 = 64;

/// None where the bytes cannot be had: sendfile, splice, io_uring, 32-bit processes, kernel threads.
#[inline(always)]
pub unsafe fn of_this_call(transferred: u64, sending: bool) -> Option<UserBuffer> {
    unsafe {
        let regs: *const pt_regs = user_registers();
        if (*regs).cs != USER_CS {
            return None;
        }
        let (nr, at, len) = ((*regs).orig_rax, (*regs).rsi, (*regs).rdx);
        match nr {
            nr::WRITE if sending => Some(UserBuffer { at, len, count: 0, name: 0 }),
            nr::SENDTO if sending => Some(UserBuffer { at, len, count: 0, name: (*regs).r8 }),
            nr::READ | nr::RECVFROM if !sending => Some(UserBuffer { at, len, count: 0, name: 0 }),
            nr::WRITEV | nr::PWRITEV | nr::PWRITEV2 if sending => Some(UserBuffer { at, len: 0, count: len as u32, name: 0 }),
            nr::READV | nr::PREADV | nr::PREADV2 if !sending => Some(UserBuffer { at, len: 0, count: len as u32, name: 0 }),
            nr::SENDMSG if sending => message(at, sending),
            nr::RECVMSG if !sending => message(at, sending),
            nr::SENDMMSG if sending => multi_message(regs, transferred, sending),
            nr::RECVMMSG if !sending => multi_message(regs, transferred, sending),
            _ => None,
        }
    }
}

#[inline(always)]
unsafe fn message(at: u64, sending: bool) -> Option<UserBuffer> {
    let header = unsafe { read_user::<MessageHeader>(at)? };
    // a received message's name is written after this point, so what is there now is not it
    Some(UserBuffer { at: header.vector, len: 0, count: header.count as u32, name: if sending { header.name } else { 0 } })
}

/// The tracepoint fires once a message, with one set of registers: which message it is has to be remembered.
#[inline(never)]
unsafe fn multi_message(regs: *const pt_regs, transferred: u64, sending: bool) -> Option<UserBuffer> {
    unsafe {
        let thread = helpers::bpf_get_current_pid_tgid() as u32;
        let (vector, stack, number) = ((*regs).rsi, (*regs).rsp, (*regs).rdx as u32);
        let mut index = 0;
        if let Some(last) = MULTI_MESSAGES.get_ptr(thread)
            && (*last).vector == vector
            && (*last).stack == stack
            && (*last).number == number
            && (*last).next < number
        {
            index = (*last).next;
        }
        let mut found = message(vector + index as u64 * MULTI_MESSAGE_BYTES, sending)?;
        // an earlier call that stopped early leaves an index behind: a message that cannot hold these bytes is not the one
        if index > 0 && found.count == 1 && read_user::<[u64; 2]>(found.at)?[1] < transferred {
            index = 0;
            found = message(vector, sending)?;
        }
        let _ = MULTI_MESSAGES.insert(thread, MultiMessage { vector, stack, next: index + 1, number }, 0);
        Some(found)
    }
}
