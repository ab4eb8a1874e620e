//! TLS sessions: one a library's object, and the connection that it is known to use.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated as helpers};
use ebpf_abi::{PlainHeader, Policy, SessionKey, direction, evidence, kind};

use crate::evidence::Touch;
use crate::maps::{CLOSED, EPOCH, POLICIES, SESSIONS, STEPS, notice};

/// Weak evidence for another connection that is needed to believe it.
const OBJECTIONS_MAX: u8 = 2;
/// Set in the number by which user space decides about a connection's plaintext.
pub const PLAIN_BIT: u64 = 1 << 63;

/// What is kept of a TLS session.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Session {
    pub number: u64,
    /// 0 while unknown.
    pub connection: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub policy: Policy,
    pub epoch: u32,
    /// Descriptor that the program named, plus one; 0 when it named none.
    pub fd_plus_one: u32,
    pub ring: u8,
    pub evidence: u8,
    pub objections: u8,
    /// 1 when the program has closed it: calls that are under way go on, and the next one is another session's.
    pub over: u8,
    /// The most that is copied while the process is over its budget; 0 while it is not.
    pub step: Policy,
    pub _pad: u32,
    /// See [`ebpf_abi::Decision`].
    pub sent_from: u64,
    pub received_from: u64,
}

/// Names a session by when and on which CPU it was first heard of: a counter would have to be shared with programs that may
/// run in the midst of this one.
#[inline(always)]
unsafe fn next_number() -> u64 {
    unsafe { helpers::bpf_ktime_get_ns() << 10 | helpers::bpf_get_smp_processor_id() as u64 }
}

/// The session of an object in the midst of a call, made at first use.
#[inline(always)]
pub unsafe fn in_call(key: SessionKey) -> Option<*mut Session> {
    unsafe {
        if let Some(session) = SESSIONS.get_ptr_mut(key) {
            return Some(session);
        }
        let new = Session {
            number: next_number(),
            connection: 0,
            sent_bytes: 0,
            received_bytes: 0,
            policy: 0,
            epoch: 0,
            fd_plus_one: 0,
            ring: 0,
            evidence: evidence::NONE,
            objections: 0,
            over: 0,
            step: 0,
            _pad: 0,
            sent_from: 0,
            received_from: 0,
        };
        // another thread or goroutine may make it at the same moment
        let _ = SESSIONS.insert(key, new, BPF_NOEXIST as u64);
        SESSIONS.get_ptr_mut(key)
    }
}

/// The session of an object as a call begins, made at first use. When it has ended since the last call, the address may have been
/// given to another one; in the midst of a call an end, as by a reset or by another goroutine, says nothing of the kind.
#[inline(always)]
pub unsafe fn of(key: SessionKey) -> Option<*mut Session> {
    unsafe {
        let session = in_call(key)?;
        if has_ended(session) {
            begins(session);
        }
        Some(session)
    }
}

/// Whether a session of Go may have ended: its program has closed it, or its connection is closing.
#[inline(always)]
pub unsafe fn may_have_ended(session: *const Session) -> bool {
    unsafe {
        let session = &*session;
        session.over != 0 || (session.connection != 0 && CLOSED.get_ptr(session.connection).is_some())
    }
}

/// Whether its connection is closed and nothing can be read from it any more.
#[inline(always)]
pub unsafe fn has_ended(session: *const Session) -> bool {
    unsafe {
        let session = &*session;
        session.connection != 0 && matches!(CLOSED.get(session.connection), Some(0))
    }
}

/// The address has been given to another session.
#[inline(always)]
pub unsafe fn begins(session: *mut Session) {
    unsafe {
        let session = &mut *session;
        session.number = next_number();
        session.connection = 0;
        session.sent_bytes = 0;
        session.received_bytes = 0;
        session.evidence = evidence::NONE;
        session.policy = 0;
        session.epoch = 0;
        session.sent_from = 0;
        session.received_from = 0;
        session.fd_plus_one = 0;
        session.over = 0;
    }
}

/// There is evidence that the session uses the connection of this touch. A guess is never latched: better evidence for
/// another connection wins at once, weak evidence against what was so more than once when it repeats. A session that moves is a new one.
#[inline(always)]
pub unsafe fn bind(session: *mut Session, touch: *const Touch, how: u8) {
    unsafe {
        let session = &mut *session;
        let connection = (*touch).connection;
        if connection == 0 {
            return;
        }
        // looked at once: a call that returns on another CPU may bind it at the same moment, which moves nothing
        let before = (&raw const session.connection).read_volatile();
        if before == connection {
            session.objections = 0;
            if how == evidence::FOLLOWED && session.evidence == evidence::FOLLOWED {
                session.evidence = evidence::REPEATED;
            } else if how > session.evidence {
                session.evidence = how;
            }
            return;
        }
        // a thread may not have used a socket since one that is gone, whose descriptor another has by now
        if how != evidence::INSIDE && CLOSED.get_ptr(connection).is_some() {
            return;
        }
        if before != 0 {
            if how < evidence::DESCRIPTOR && session.evidence >= evidence::DESCRIPTOR {
                return;
            }
            // what was seen once only is no better than what is seen now
            if how < evidence::DESCRIPTOR && session.evidence > evidence::FOLLOWED {
                session.objections += 1;
                if session.objections < OBJECTIONS_MAX {
                    return;
                }
            }
            session.number = next_number();
            session.sent_bytes = 0;
            session.received_bytes = 0;
        }
        session.connection = connection;
        session.ring = (*touch).ring;
        session.evidence = how;
        session.objections = 0;
        session.policy = 0;
        session.epoch = 0;
        session.sent_from = 0;
        session.received_from = 0;
    }
}

/// Tells of a session's connection, by a record that stands for no bytes.
#[inline(always)]
pub unsafe fn tell(session: *const Session) {
    unsafe {
        let (session, thread) = (&*session, helpers::bpf_get_current_pid_tgid());
        notice(
            session.ring,
            &PlainHeader {
                kind: kind::PLAIN,
                direction: direction::SENT,
                evidence: session.evidence,
                _pad: 0,
                copied: 0,
                session: session.number,
                connection: session.connection,
                time_ns: helpers::bpf_ktime_get_ns(),
                offset: 0,
                len: 0,
                pid: (thread >> 32) as u32,
                tid: thread as u32,
                _pad2: 0,
            },
        );
    }
}

/// Looks the policy, and what the budget of the process allows, up again when any has changed since the last time.
#[inline(always)]
pub unsafe fn current_policy(session: *mut Session) -> Policy {
    unsafe {
        let session = &mut *session;
        if let Some(epoch) = EPOCH.get(0)
            && *epoch != session.epoch
        {
            session.epoch = *epoch;
            if let Some(decided) = POLICIES.get(session.connection | PLAIN_BIT) {
                session.policy = decided.policy;
                session.sent_from = decided.sent_from;
                session.received_from = decided.received_from;
            }
            let pid = (helpers::bpf_get_current_pid_tgid() >> 32) as u32;
            session.step = STEPS.get(pid).copied().unwrap_or(0);
        }
        session.policy
    }
}
