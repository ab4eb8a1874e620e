//! BTF tracepoints `sock_send_length` and `sock_recv_length` (kernel 6.3): every transfer of socket data, and nothing else.

use aya_ebpf::{helpers::generated as helpers, macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_abi::{
    CALL_BYTES_MAX, CHUNK_BYTES, EndEvent, HEADER_BYTES, OwnerEvent, Peer, SocketState, UNCLASSIFIED_BYTES_MAX, direction,
    hook, kind, policy, transport,
};

use crate::copy::{self, Beginning};
use crate::evidence;
use crate::kernel::{AF_INET, AF_INET6, OWN_PID, read_user};
use crate::maps::{affordable, counters, notice};
use crate::socket_state;
use crate::user_buffer::{self, UserBuffer};

const MSG_OOB: i32 = 0x1;
const MSG_PEEK: i32 = 0x2;
const MSG_TRUNC: i32 = 0x20;
const MSG_ERRQUEUE: i32 = 0x2000;

#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send(ctx: BtfTracePointContext) -> i32 {
    unsafe { transfer(&ctx, direction::SENT) };
    0
}

#[btf_tracepoint(function = "sock_recv_length")]
pub fn sock_receive(ctx: BtfTracePointContext) -> i32 {
    unsafe { transfer(&ctx, direction::RECEIVED) };
    0
}

#[inline(always)]
unsafe fn transfer(ctx: &BtfTracePointContext, direction_: u8) {
    unsafe {
        let sk: *const u8 = ctx.arg(0);
        let ret: i32 = ctx.arg(1);
        let call_flags: i32 = ctx.arg(2);
        let sending = direction_ == direction::SENT;
        if ret < 0 || (ret == 0 && sending) || call_flags & MSG_OOB != 0 {
            return;
        }
        // a look that leaves the bytes in place, and reports of earlier sends
        if !sending && call_flags & (MSG_PEEK | MSG_ERRQUEUE) != 0 {
            return;
        }
        let transport_ = socket_state::watched(sk);
        if transport_ == 0 {
            return;
        }
        let len = ret as u64;
        let Some(counters) = counters() else { return };
        counters.hits[if sending { hook::SEND } else { hook::RECEIVE }] += 1;
        counters.seen.events += 1;
        counters.seen.bytes += len;
        let state = socket_state::of(sk);
        if state.is_null() {
            counters.no_state.events += 1;
            counters.no_state.bytes += len;
            return;
        }
        let state = &mut *state;
        if state.connection == 0 {
            socket_state::announce(sk, state, transport_);
        }
        let offset = if sending { state.sent_bytes } else { state.received_bytes };
        if sending {
            state.sent_bytes = offset + len;
        } else {
            state.received_bytes = offset + len;
        }
        let thread = helpers::bpf_get_current_pid_tgid();
        let pid = (thread >> 32) as u32;
        let policy_ = socket_state::current_policy(state, pid);
        if policy_ == policy::OFF || pid == OWN_PID.load() {
            counters.own.events += 1;
            counters.own.bytes += len;
            return;
        }
        if state.pid != pid {
            state.pid = pid;
            state.no_tls = 0;
            // the budget of this process is another
            state.epoch = 0;
            if state.mirrored != 0 {
                notice(
                    state.ring,
                    &OwnerEvent {
                        kind: kind::OWNER,
                        _pad: [0; 3],
                        pid,
                        connection: state.connection,
                        time_ns: helpers::bpf_ktime_get_ns(),
                    },
                );
            }
        }
        if ret > 0 && transport_ != transport::UDP {
            evidence::note(state, sending, len);
        }
        if state.mirrored != 0 {
            counters.mirrored.events += 1;
            counters.mirrored.bytes += len;
            return;
        }
        if ret == 0 {
            counters.counted.events += 1;
            if transport_ != transport::UDP {
                end(state, direction_);
            }
            return;
        }
        if policy_ == policy::COUNTERS {
            counters.counted.events += 1;
            counters.counted.bytes += len;
            return;
        }
        let needed_from = if sending { state.sent_from } else { state.received_from };
        let needed = match policy_ {
            _ if offset + len <= needed_from => 0,
            policy::HEADERS => smaller(len, HEADER_BYTES),
            policy::UNCLASSIFIED if offset > UNCLASSIFIED_BYTES_MAX && transport_ != transport::UDP => 0,
            _ => smaller(len, CALL_BYTES_MAX),
        };
        if state.step == policy::COUNTERS {
            let count = if needed > 0 { &mut counters.over_budget } else { &mut counters.counted };
            count.events += 1;
            count.bytes += len;
            return;
        }
        let allowed = match state.step {
            // half a datagram is of no use
            policy::HEADERS if transport_ != transport::UDP => smaller(needed, HEADER_BYTES),
            _ => needed,
        };
        let wanted = affordable(state.ring, allowed);
        // MSG_TRUNC on a stream throws the bytes away
        let thrown_away = call_flags & MSG_TRUNC != 0 && transport_ == transport::TCP;
        let buffer = if thrown_away { None } else { user_buffer::of_this_call(len, sending) };
        let Some(work) = copy::scratch(direction_ as u64) else { return };
        let peer = match buffer {
            Some(b) if transport_ == transport::UDP && b.name != 0 => address(b.name),
            _ => None,
        };
        let beginning =
            Beginning { len, wanted, offset, connection: state.connection, thread, direction: direction_, ring: state.ring };
        copy::begin(work, &beginning, peer);
        match buffer {
            Some(b) if b.count == 0 && wanted <= CHUNK_BYTES as u64 => {
                // a datagram may be longer than the buffer it was received into
                copy::one(work, b.at, smaller(wanted, b.len));
            }
            Some(b) => copy::gather(direction_ as u64, &b),
            None => copy::gather(direction_ as u64, &UserBuffer { at: 0, len: 0, count: 0, name: 0 }),
        }
        let Some(work) = copy::scratch(direction_ as u64) else { return };
        if work.transfer.lost == 0 && wanted < needed {
            counters.over_budget.events += 1;
            counters.over_budget.bytes += needed - wanted;
            counters.copied.bytes += len - (needed - wanted);
            return;
        }
        let count = match work.transfer.lost {
            0 if offset + len <= needed_from => &mut counters.counted,
            0 => &mut counters.copied,
            _ => &mut counters.ring_full,
        };
        count.events += 1;
        count.bytes += len;
    }
}

#[inline(always)]
fn smaller(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

/// The address that a sender names.
#[inline(always)]
unsafe fn address(at: u64) -> Option<Peer> {
    unsafe {
        let [family, port_be] = read_user::<[u16; 2]>(at)?;
        let mut addr = [0u8; 16];
        match family {
            AF_INET => addr[..4].copy_from_slice(&read_user::<[u8; 4]>(at + 4)?),
            AF_INET6 => addr = read_user::<[u8; 16]>(at + 8)?,
            _ => return None,
        }
        Some(Peer { family, port_be, _pad: 0, addr })
    }
}

#[inline(always)]
unsafe fn end(state: &SocketState, direction_: u8) {
    unsafe {
        let tid = helpers::bpf_get_current_pid_tgid() as u32;
        notice(
            state.ring,
            &EndEvent {
                kind: kind::END,
                direction: direction_,
                _pad: [0; 2],
                tid,
                connection: state.connection,
                time_ns: helpers::bpf_ktime_get_ns(),
            },
        );
    }
}
