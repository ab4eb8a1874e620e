//! Who woke a thread.
//!
//! In: which thread ran when it was woken, and the system calls that both were in. Out: how it was woken, and the thread that is
//! surely, or in all likelihood, the one that did it. An interrupt comes while any thread runs: such a thread is never named.

use ebpf_abi::{Waker, waker};

use super::rows::text;

/// How a thread was woken.
#[derive(Debug, PartialEq, Eq)]
pub struct Woken<'a> {
    pub context: &'static [u8],
    pub thread: Option<Thread<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Thread<'a> {
    pub pid: u32,
    pub tid: u32,
    pub name: &'a [u8],
}

/// System calls of x86-64 by which bytes, or the end of them, go to another socket of this host: write, sendfile, connect, sendto,
/// sendmsg, shutdown, close, writev, exit, exit_group, splice, sendmmsg, io_uring_enter.
const SENDING: [i32; 13] = [1, 40, 42, 44, 46, 48, 3, 20, 60, 231, 275, 307, 426];
/// Those that wait for that: read, write, poll, readv, writev, select, connect, accept, sendto, recvfrom, sendmsg, recvmsg,
/// epoll_wait, pselect6, ppoll, epoll_pwait, accept4, recvmmsg, io_uring_enter, epoll_pwait2.
const RECEIVING: [i64; 20] = [0, 1, 7, 19, 20, 23, 42, 43, 44, 45, 46, 47, 232, 270, 271, 281, 288, 299, 426, 441];

/// `call` is the one that the woken thread waited in. `None` when it was not seen.
pub fn woken(by: &Waker, call: i64) -> Option<Woken<'_>> {
    let thread = Thread { pid: by.pid, tid: by.tid, name: text(&by.comm) };
    let delivered = SENDING.contains(&by.call) && RECEIVING.contains(&call);
    Some(match by.how {
        waker::NONE => return None,
        // number 0 is what runs when nothing does
        waker::THREAD if by.tid != 0 => Woken { context: b"thread", thread: Some(thread) },
        waker::IN_CALL if delivered => Woken { context: b"packet", thread: Some(thread) },
        _ => Woken { context: b"interrupt", thread: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUTEX: i64 = 202;
    const SENDTO: i32 = 44;
    const EPOLL_WAIT: i64 = 232;

    fn by(how: u32, call: i32, tid: u32) -> Waker {
        Waker { how, call, pid: 7, tid, comm: *b"sender\0garbage!!" }
    }

    #[test]
    fn a_thread_that_an_interrupt_stopped_is_not_named() {
        let thread = |tid| Some(Thread { pid: 7, tid, name: b"sender" });
        for (by, call, context, named) in [
            (by(waker::THREAD, 202, 8), FUTEX, &b"thread"[..], thread(8)),
            (by(waker::THREAD, SENDTO, 8), EPOLL_WAIT, b"thread", thread(8)),
            (by(waker::THREAD, 0, 0), EPOLL_WAIT, b"interrupt", None),
            (by(waker::IN_CALL, SENDTO, 8), EPOLL_WAIT, b"packet", thread(8)),
            // nobody sends to a futex, and nobody sends by waiting
            (by(waker::IN_CALL, SENDTO, 8), FUTEX, b"interrupt", None),
            (by(waker::IN_CALL, 232, 8), EPOLL_WAIT, b"interrupt", None),
            (by(waker::INTERRUPT, -1, 8), EPOLL_WAIT, b"interrupt", None),
        ] {
            assert_eq!(woken(&by, call), Some(Woken { context, thread: named }), "{by:?} {call}");
        }
        assert_eq!(woken(&Waker::default(), EPOLL_WAIT), None);
    }
}
