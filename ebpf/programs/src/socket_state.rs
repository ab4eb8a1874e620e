//! What is kept of a socket, and how it is announced to user space when it is first heard of.

use aya_ebpf::helpers::generated as helpers;
use ebpf_abi::{ListenKey, SocketEvent, SocketState, UNIX_PATH_BYTES, kind, policy, role, transport};

use crate::kernel::*;
use crate::maps::{EPOCH, LISTENERS, NOTICE, NUMBERS, POLICIES, SOCKETS, STEPS, notice};

/// The state of a socket, made at first use; null when the kernel has no memory for it.
#[inline(always)]
pub unsafe fn of(sk: *const u8) -> *mut SocketState {
    unsafe {
        helpers::bpf_sk_storage_get((&raw const SOCKETS).cast_mut().cast(), sk.cast_mut().cast(), core::ptr::null_mut(), 1)
            .cast()
    }
}

/// The state of a socket that has one, else null.
#[inline(always)]
pub unsafe fn existing(sk: *const u8) -> *mut SocketState {
    unsafe {
        helpers::bpf_sk_storage_get((&raw const SOCKETS).cast_mut().cast(), sk.cast_mut().cast(), core::ptr::null_mut(), 0)
            .cast()
    }
}

/// The transport of a socket of a family that is watched, else 0.
#[inline(always)]
pub unsafe fn watched(sk: *const u8) -> u8 {
    unsafe {
        let family = *(sk.add(SK_FAMILY.load() as usize) as *const u16);
        if family == AF_INET || family == AF_INET6 {
            match *(sk.add(SK_PROTOCOL.load() as usize) as *const u16) {
                IPPROTO_TCP | IPPROTO_MPTCP => transport::TCP,
                IPPROTO_UDP => transport::UDP,
                _ => 0,
            }
        } else if family == AF_UNIX && *(sk.add(SK_TYPE.load() as usize) as *const u16) == SOCK_STREAM {
            transport::UNIX
        } else {
            0
        }
    }
}

/// Looks the policy, and what the budget of the process allows, up again when any has changed since the last time.
#[inline(always)]
pub unsafe fn current_policy(state: &mut SocketState, pid: u32) -> u32 {
    if let Some(epoch) = EPOCH.get(0)
        && *epoch != state.epoch
    {
        state.epoch = *epoch;
        if let Some(decided) = unsafe { POLICIES.get(state.connection) } {
            state.policy = decided.policy;
            state.sent_from = decided.sent_from;
            state.received_from = decided.received_from;
        }
        state.step = unsafe { STEPS.get(pid) }.copied().unwrap_or(0);
    }
    state.policy
}

fn is_loopback(family: u16, addr: &[u8; 16]) -> bool {
    if family == AF_INET {
        return addr[0] == 127;
    }
    let words: &[u32; 4] = unsafe { &*addr.as_ptr().cast() };
    // ::1, and IPv4-mapped 127.0.0.0/8
    words[0] == 0
        && words[1] == 0
        && ((words[2] == 0 && words[3] == 0x0100_0000) || (words[2] == 0xffff_0000 && addr[12] == 127))
}

fn listening(netns: u32, port: u16) -> bool {
    unsafe { LISTENERS.get(ListenKey { netns, port: port as u32 }).is_some() }
}

/// Gives the socket its number, finds out who serves, and tells user space.
///
/// `state.role`, `state.pid` and `state.from_start` are what is known already.
#[inline(never)]
pub fn announce(sk: *const u8, state: &mut SocketState, transport_: u8) {
    unsafe {
        let Some(event) = NOTICE.get_ptr_mut(0) else { return };
        let event = &mut *event.cast::<SocketEvent>();
        let Some(number) = NUMBERS.get_ptr_mut(0) else { return };
        *number += 1;
        let at = sk as u64;
        let id = helpers::bpf_get_current_pid_tgid();
        if state.pid == 0 {
            state.pid = (id >> 32) as u32;
            state.tid = id as u32;
        }
        // numbers of different CPUs differ in their low bits
        state.connection = *number << 10 | helpers::bpf_get_smp_processor_id() as u64;
        state.transport = transport_;
        event.kind = kind::SOCKET;
        event.transport = transport_;
        event.family = *(sk.add(SK_FAMILY.load() as usize) as *const u16);
        event.netns = read(read::<u64>(at + SK_NET.load() as u64) + NET_INUM.load() as u64);
        event.socket = at;
        event.peer_socket = 0;
        event.path_len = 0;
        event.local_port = 0;
        event.remote_port = 0;
        event.local_addr = [0; 16];
        event.remote_addr = [0; 16];
        if transport_ == transport::UNIX {
            unix(at, state, event)
        } else {
            inet(at, state, event)
        }
        event.role = state.role;
        event.mirrored = state.mirrored;
        event.from_start = state.from_start;
        event.pid = state.pid;
        event.tid = state.tid;
        event.connection = state.connection;
        event.time_ns = helpers::bpf_ktime_get_ns();
        if state.pid == OWN_PID.load() {
            state.policy = policy::OFF;
            return;
        }
        notice(state.ring, event);
    }
}

#[inline(always)]
unsafe fn inet(at: u64, state: &mut SocketState, event: &mut SocketEvent) {
    unsafe {
        event.local_port = read(at + SK_NUM.load() as u64);
        event.remote_port = u16::from_be(read(at + SK_DPORT.load() as u64));
        if event.family == AF_INET {
            let addr: &mut [u32; 4] = &mut *event.local_addr.as_mut_ptr().cast();
            addr[0] = read(at + SK_RCV_SADDR.load() as u64);
            let addr: &mut [u32; 4] = &mut *event.remote_addr.as_mut_ptr().cast();
            addr[0] = read(at + SK_DADDR.load() as u64);
        } else {
            event.local_addr = read(at + SK_V6_RCV_SADDR.load() as u64);
            event.remote_addr = read(at + SK_V6_DADDR.load() as u64);
        }
        if state.transport == transport::UDP {
            state.ring = 0;
            return;
        }
        // both ends of a connection get the same ring
        state.ring = (event.local_port.wrapping_add(event.remote_port) as u32 & RING_MASK.load()) as u8;
        if state.role == role::UNKNOWN {
            let (here, there) = (listening(event.netns, event.local_port), listening(event.netns, event.remote_port));
            let local_peer = event.local_addr == event.remote_addr || is_loopback(event.family, &event.remote_addr);
            state.role = match (here, there) {
                (true, false) => role::SERVER,
                (false, true) if local_peer => role::CLIENT,
                (false, false) if !local_peer => role::CLIENT,
                _ => role::UNKNOWN,
            };
        }
        let on_this_host = event.local_addr == event.remote_addr || is_loopback(event.family, &event.remote_addr);
        state.mirrored = (on_this_host && state.role == role::CLIENT) as u8;
    }
}

/// The end that has a path serves; a pair without names is left to user space.
#[inline(always)]
unsafe fn unix(at: u64, state: &mut SocketState, event: &mut SocketEvent) {
    unsafe {
        let own: u64 = read(at + UNIX_ADDR.load() as u64);
        let peer: u64 = read(at + UNIX_PEER.load() as u64);
        event.peer_socket = peer;
        let others: u64 = if peer == 0 { 0 } else { read(peer + UNIX_ADDR.load() as u64) };
        // both ends get the same ring, whichever is announced first
        // (read back from the record: the verifier lets nobody calculate with a pointer)
        let own_at = (&raw const event.socket).read_volatile();
        state.ring = (((own_at ^ peer) >> 12) as u32 & RING_MASK.load()) as u8;
        if own != 0 && others == 0 {
            state.role = role::SERVER;
        } else if own == 0 && others != 0 {
            state.role = role::CLIENT;
            state.mirrored = 1;
        }
        let named = if own != 0 { own } else { others };
        if named != 0 {
            // sockaddr_un: two bytes of family, then the path
            let len = read::<u32>(named + UNIX_ADDR_LEN.load() as u64).wrapping_sub(2);
            let len = bounded(len as u64, UNIX_PATH_BYTES as u64);
            helpers::bpf_probe_read_kernel(
                event.path.as_mut_ptr().cast(),
                len as u32,
                (named + UNIX_ADDR_NAME.load() as u64 + 2) as *const _,
            );
            event.path_len = len as u8;
        }
    }
}
