//! BTF tracepoint `inet_sock_set_state`: who opens a TCP connection, who accepts it, and when it ends.

use aya_ebpf::{helpers::generated as helpers, macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_abi::{CloseEvent, EndEvent, direction, hook, kind, policy, role, transport};

use crate::kernel::{IPPROTO_TCP, OWN_PID, SK_PROTOCOL, TCP_COPIED_SEQ, TCP_RCV_NXT, TCP_SRTT_US, TCP_TOTAL_RETRANS, read};
use crate::maps::{CLOSED, PLAIN_ON, hit, notice};
use crate::socket_state;

const TCP_ESTABLISHED: i32 = 1;
const TCP_SYN_SENT: i32 = 2;
const TCP_SYN_RECV: i32 = 3;
const TCP_FIN_WAIT1: i32 = 4;
const TCP_CLOSE: i32 = 7;
const TCP_LAST_ACK: i32 = 9;

#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn set_state(ctx: BtfTracePointContext) -> i32 {
    hit(hook::SET_STATE);
    unsafe {
        let sk: *const u8 = ctx.arg(0);
        let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
        if socket_state::watched(sk) == transport::TCP {
            change(sk, old, new);
        }
    }
    0
}

#[inline(always)]
unsafe fn change(sk: *const u8, old: i32, new: i32) {
    unsafe {
        match (old, new) {
            // in the thread that calls connect; addresses and ports are not yet complete
            (_, TCP_SYN_SENT) => {
                let state = socket_state::of(sk);
                if !state.is_null() {
                    let id = helpers::bpf_get_current_pid_tgid();
                    (*state).connection = 0;
                    (*state).sent_bytes = 0;
                    (*state).received_bytes = 0;
                    (*state).policy = policy::UNCLASSIFIED;
                    (*state).sent_from = 0;
                    (*state).received_from = 0;
                    (*state).role = role::CLIENT;
                    (*state).from_start = 1;
                    (*state).pid = (id >> 32) as u32;
                    (*state).tid = id as u32;
                }
            }
            // in whatever thread the answer interrupts
            (TCP_SYN_SENT, TCP_ESTABLISHED) => {
                let state = socket_state::of(sk);
                if !state.is_null() && (*state).connection == 0 {
                    socket_state::announce(sk, &mut *state, transport::TCP);
                }
            }
            // the one who serves is known when it reads or writes
            (TCP_SYN_RECV, TCP_ESTABLISHED) => {
                let state = socket_state::of(sk);
                if !state.is_null() {
                    (*state).role = role::SERVER;
                    (*state).from_start = 1;
                }
            }
            (_, TCP_FIN_WAIT1 | TCP_LAST_ACK) => ended(sk),
            // told when it was reset
            (TCP_CLOSE, TCP_CLOSE) => {}
            (_, TCP_CLOSE) => closed(sk),
            _ => {}
        }
    }
}

/// Whether user space knows this socket and wants to hear of it.
#[inline(always)]
unsafe fn known(sk: *const u8) -> Option<&'static mut ebpf_abi::SocketState> {
    unsafe {
        let state = socket_state::existing(sk);
        if state.is_null() || (*state).connection == 0 || (*state).pid == OWN_PID.load() { None } else { Some(&mut *state) }
    }
}

/// No TLS session begins on this connection any more. A thread that used it last is no evidence for one, whose descriptor may by
/// now have the same number.
#[inline(always)]
unsafe fn no_longer_new(connection: u64, in_use: bool) {
    if matches!(PLAIN_ON.get(0), Some(1)) {
        let _ = CLOSED.insert(connection, in_use as u64, 0);
    }
}

#[inline(always)]
unsafe fn ended(sk: *const u8) {
    unsafe {
        let Some(state) = known(sk) else { return };
        no_longer_new(state.connection, true);
        if state.mirrored == 0 {
            let event = EndEvent {
                kind: kind::END,
                direction: direction::SENT,
                _pad: [0; 2],
                tid: 0,
                connection: state.connection,
                time_ns: helpers::bpf_ktime_get_ns(),
            };
            notice(state.ring, &event);
        }
    }
}

#[inline(always)]
unsafe fn closed(sk: *const u8) {
    unsafe {
        let Some(state) = known(sk) else { return };
        let at = sk as u64;
        // a multipath socket is no struct tcp_sock
        let tcp = read::<u16>(at + SK_PROTOCOL.load() as u64) == IPPROTO_TCP;
        // a reset closes the socket at once, and what came before it can still be read
        let unread = match tcp {
            true => read::<u32>(at + TCP_RCV_NXT.load() as u64).wrapping_sub(read(at + TCP_COPIED_SEQ.load() as u64)),
            false => 0,
        };
        // the end itself counts as a byte
        let unread = if unread > 1 && unread < i32::MAX as u32 { unread } else { 0 };
        let event = CloseEvent {
            kind: kind::CLOSE,
            _pad: [0; 3],
            retransmits: if tcp { read(at + TCP_TOTAL_RETRANS.load() as u64) } else { 0 },
            connection: state.connection,
            time_ns: helpers::bpf_ktime_get_ns(),
            sent_bytes: state.sent_bytes,
            received_bytes: state.received_bytes,
            // kept eight times as large
            rtt_us: if tcp { read::<u32>(at + TCP_SRTT_US.load() as u64) >> 3 } else { 0 },
            _pad2: 0,
        };
        notice(state.ring, &event);
        // the socket keeps its number: a transfer that is under way returns after this, and is still this connection's
        no_longer_new(state.connection, unread > 0);
    }
}
