//! uprobes at the calls of TLS libraries and of Go's crypto/tls: who calls, with which buffer, and what came of it.
//!
//! What each function does and where its arguments are comes from user space, a [`Site`] for each probed instruction: these
//! programs know of objects, buffers and results, not of any library.

use core::mem::MaybeUninit;

use aya_ebpf::{
    EbpfContext,
    bindings::pt_regs,
    helpers::generated as helpers,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use ebpf_abi::{
    CHUNK_BYTES, Count, GoDescriptor, SLICES_MAX, SessionKey, Site, call, direction, evidence, moment, place, policy, runtime,
};

use crate::calls::{self, Call, CallKey};
use crate::evidence::{self as threads, ThreadState, Touch};
use crate::kernel::{OWN_PID, read_user};
use crate::maps::{SESSIONS, SITE_HITS, SITES, counters};
use crate::places::{Words, value};
use crate::plain_copy;
use crate::sessions::{self, Session};

/// Parts of what is taken in at once: as many as OpenSSL has pipelines.
const PARTS_MAX: u64 = 32;
/// What Go keeps in the place of a descriptor that it has closed.
const CLOSED_DESCRIPTOR: u32 = u32::MAX;

/// One program for all instructions, so that all of a file can be probed at once.
#[uprobe]
pub fn call_passes(ctx: ProbeContext) -> u32 {
    unsafe {
        let regs = ctx.as_ptr().cast();
        if let Some(site) = site(regs) {
            if site.call >= call::OPENED {
                passed(regs, site);
            } else if site.moment == moment::ENTRY {
                entered(regs, site);
            } else {
                returned(regs, site);
            }
        }
    }
    0
}

#[uretprobe]
pub fn call_return(ctx: RetProbeContext) -> u32 {
    unsafe {
        let regs = ctx.as_ptr().cast();
        if let Some(site) = site(regs) {
            returned(regs, site);
        }
    }
    0
}

/// Adds to a value of this CPU. These programs may lose the CPU to another thread's in their midst, which counts in the same
/// place.
#[inline(always)]
pub unsafe fn add(to: *mut u64, n: u64) {
    #[cfg(target_arch = "bpf")]
    unsafe {
        core::arch::asm!("lock *(u64 *)({to} + 0) += {n}", to = in(reg) to, n = in(reg) n);
    }
    #[cfg(not(target_arch = "bpf"))]
    unsafe {
        *to += n;
    }
}

#[inline(always)]
unsafe fn counted(count: &mut Count, bytes: u64) {
    unsafe {
        add(&raw mut count.events, 1);
        add(&raw mut count.bytes, bytes);
    }
}

/// Counts what passed and could not be taken.
#[inline(always)]
unsafe fn unread(bytes: u64) {
    if let Some(counters) = counters() {
        for count in [&mut counters.plain_seen, &mut counters.plain_unread] {
            unsafe { counted(count, bytes) };
        }
    }
}

#[inline(always)]
unsafe fn site(regs: *mut pt_regs) -> Option<&'static Site> {
    unsafe {
        let index = helpers::bpf_get_attach_cookie(regs.cast()) as u32;
        if let Some(hits) = SITE_HITS.get_ptr_mut(index) {
            add(hits, 1);
        }
        SITES.get(index)
    }
}

#[inline(always)]
unsafe fn key(regs: *const pt_regs, site: &Site) -> CallKey {
    let id = unsafe { helpers::bpf_get_current_pid_tgid() };
    let call = site.call as u64;
    let process = (id >> 32) as u32;
    if site.runtime == runtime::GO {
        CallKey { process, thread: 0, goroutine: unsafe { (*regs).r14 }, call }
    } else {
        CallKey { process, thread: id as u32, goroutine: 0, call }
    }
}

// each with a stack of its own, which is small together
#[inline(never)]
unsafe fn entered(regs: *mut pt_regs, site: &Site) {
    unsafe {
        let key = key(regs, site);
        let object = value(regs, &site.object);
        if key.process == OWN_PID.load() || object == 0 {
            return;
        }
        let session_key = SessionKey { object, pid: key.process, _pad: 0 };
        if site.call == call::FREE {
            over(session_key, site.runtime);
            return;
        }
        if site.call == call::SET_DESCRIPTOR {
            let fd = value(regs, &site.length) as u32;
            if let Some(session) = sessions::of(session_key) {
                (*session).fd_plus_one = fd.wrapping_add(1);
            }
            return;
        }
        // elsewhere the object's end is told, or its handshake comes first
        if site.runtime == runtime::GO || site.call == call::HANDSHAKE {
            if let Some(session) = SESSIONS.get_ptr_mut(session_key) {
                let ended = match site.runtime {
                    runtime::GO => sessions::may_have_ended(session) && !goes_on(session, object, &site.go),
                    _ => sessions::has_ended(session),
                };
                if ended {
                    sessions::begins(session);
                }
            }
        }
        let thread = threads::of_this_thread();
        let (mut received, mut sent) = (0, 0);
        if !thread.is_null() {
            received = (*thread).received.number;
            sent = (*thread).sent.number;
            // what was received just before is what the library is given now
            if site.runtime == runtime::THREADS && (*thread).received.taken == 0 && (*thread).received.connection != 0 {
                if !writes(site.call) {
                    if let Some(session) = sessions::of(session_key) {
                        followed(session, &raw mut (*thread).received);
                    }
                }
            }
        }
        let Some(under_way) = calls::begin(&key, thread) else { return };
        let mut buffer = value(regs, &site.buffer);
        let (mut slices, mut skip, mut came) = (0, 0, 0);
        if site.call == call::RECEIVED || site.call == call::SEND {
            let Some([first, second, third]) = read_user::<[u64; 3]>(buffer) else { return calls::end(&key, thread) };
            if site.call == call::RECEIVED {
                (buffer, came) = (second, third);
            } else if first == 0 {
                buffer = second;
            } else {
                (buffer, slices, skip) = (first, second, third);
            }
        }
        (*under_way).object = object;
        (*under_way).buffer = buffer;
        (*under_way).slices = slices;
        (*under_way).skip = skip;
        (*under_way).length = value(regs, &site.length);
        (*under_way).received = received;
        (*under_way).sent = sent;
        // what was received is there already
        if site.call == call::RECEIVED && came > 0 {
            if let Some(session) = sessions::of(session_key) {
                transfer::<false>(&key, under_way, session, came, false);
            }
            calls::end(&key, thread);
        }
    }
}

/// The sum of so many words.
#[inline(always)]
unsafe fn sum(at: u64, words: u64) -> u64 {
    let mut sum = 0;
    for n in 0..PARTS_MAX {
        if n >= words {
            break;
        }
        sum += unsafe { read_user::<u64>(at.wrapping_add(n * 8)).unwrap_or(0) };
    }
    sum
}

/// Plaintext passes a place inside a call: all is known there.
#[inline(never)]
unsafe fn passed(regs: *mut pt_regs, site: &Site) {
    unsafe {
        let mut words = MaybeUninit::uninit();
        Words::read(&mut words, regs, site);
        let words = words.assume_init_ref();
        let at = |place| words.value(regs, place);
        if !words.hold(regs, &site.only_if[0]) || !words.hold(regs, &site.only_if[1]) {
            return;
        }
        let key = key(regs, site);
        if key.process == OWN_PID.load() {
            return;
        }
        let writing = site.call != call::OPENED;
        let (mut buffer, mut length) = (at(&site.buffer), at(&site.length));
        if site.call == call::SEALED {
            length = sum(length, at(&site.result));
        } else if site.call == call::SEALED_TOGETHER {
            let Some([_, at, together]) = read_user::<[u64; 3]>(buffer) else { return unread(0) };
            (buffer, length) = (at, together);
        }
        if length == 0 {
            return;
        }
        let object = at(&site.object);
        if object == 0 {
            return unread(length);
        }
        let session_key = SessionKey { object, pid: key.process, _pad: 0 };
        let Some(session) = sessions::of(session_key) else { return unread(length) };
        let thread = threads::of_this_thread();
        if !thread.is_null() {
            if writing && (*session).connection == 0 {
                (*thread).waiting.object = session_key.object;
                (*thread).waiting.pid = session_key.pid;
            } else if !writing && (*thread).received.taken == 0 && (*thread).received.connection != 0 {
                if (*thread).received.holds(buffer) {
                    learnt(session, &raw mut (*thread).received);
                } else {
                    followed(session, &raw mut (*thread).received);
                }
            }
        }
        let Some(under_way) = calls::begin(&key, thread) else { return unread(length) };
        (*under_way).object = object;
        (*under_way).buffer = buffer;
        transfer::<false>(&key, under_way, session, length, writing);
        calls::end(&key, thread);
    }
}

/// Whether an object of Go is still that of a session that has ended, so that calls of other goroutines may be under way: its
/// descriptor is invalid once it is closed, and still the same one when only the other end has closed the connection.
#[inline(always)]
unsafe fn goes_on(session: *const Session, object: u64, at: &GoDescriptor) -> bool {
    unsafe {
        let session = &*session;
        match go_descriptor(object, at) {
            Some(CLOSED_DESCRIPTOR) => true,
            Some(fd) => session.over == 0 && session.fd_plus_one == fd.wrapping_add(1),
            None => false,
        }
    }
}

/// The program is done with a session. In Go its object lives on, and a write of another goroutine may return only after this.
#[inline(always)]
unsafe fn over(key: SessionKey, runtime_: u8) {
    unsafe {
        if runtime_ != runtime::GO {
            let _ = SESSIONS.remove(key);
        } else if let Some(session) = SESSIONS.get_ptr_mut(key) {
            (*session).over = 1;
        }
    }
}

#[inline(always)]
fn writes(call_: u8) -> bool {
    call_ == call::WRITE || call_ == call::WRITE_EX || call_ == call::SEND
}

#[inline(always)]
unsafe fn followed(session: *mut Session, touch: *mut Touch) {
    unsafe {
        (*touch).taken = 1;
        let named = (*session).fd_plus_one;
        if named == 0 {
            sessions::bind(session, touch, evidence::FOLLOWED);
        } else if named == (*touch).fd.wrapping_add(1) {
            sessions::bind(session, touch, evidence::DESCRIPTOR);
        }
    }
}

#[inline(never)]
unsafe fn returned(regs: *mut pt_regs, site: &Site) {
    unsafe {
        let key = key(regs, site);
        let thread = threads::of_this_thread();
        let Some(under_way) = calls::under_way(&key, thread) else { return };
        let session_key = SessionKey { object: (*under_way).object, pid: key.process, _pad: 0 };
        let writing = writes(site.call);
        let failed = site.status.kind != place::NOWHERE && value(regs, &site.status) as i32 <= 0;
        let moved =
            if failed { 0 } else { moved(site.call, value(regs, &site.result) + value(regs, &site.plus), (*under_way).length) };
        if let Some(session) = sessions::in_call(session_key) {
            if !thread.is_null() {
                learn(session, thread, under_way, site, writing);
                // in Go what is written is sent inside of the call
                if writing && moved > 0 && (*session).connection == 0 && site.runtime == runtime::THREADS {
                    (*thread).waiting.object = session_key.object;
                    (*thread).waiting.pid = session_key.pid;
                }
            }
            if moved > 0 && (*under_way).slices == 0 {
                transfer::<false>(&key, under_way, session, moved, writing);
            } else if moved > 0 {
                transfer_slices(&key, under_way, session, moved);
            }
        } else if moved > 0 {
            unread(moved);
        }
        calls::end(&key, thread);
    }
}

/// How many bytes a call moved.
#[inline(always)]
unsafe fn moved(call_: u8, result: u64, length_at: u64) -> u64 {
    match call_ {
        call::READ | call::WRITE | call::SEND => {
            let n = result as i32;
            if n > 0 { n as u64 } else { 0 }
        }
        call::READ_EX | call::WRITE_EX if result as i32 == 1 => unsafe { read_user::<u64>(length_at).unwrap_or(0) },
        _ => 0,
    }
}

/// Which socket the call used, if it used one.
#[inline(always)]
unsafe fn learn(session: *mut Session, thread: *mut ThreadState, under_way: *const Call, site: &Site, writing: bool) {
    unsafe {
        let (received, sent) = (&raw mut (*thread).received, &raw mut (*thread).sent);
        if site.runtime == runtime::GO {
            let touch = if writing { sent } else { received };
            // once known by its descriptor it stays so until the connection closes
            if (*touch).connection != 0
                && (*session).evidence != evidence::DESCRIPTOR
                && go_descriptor((*under_way).object, &site.go) == Some((*touch).fd)
            {
                sessions::bind(session, touch, evidence::DESCRIPTOR);
                (*session).fd_plus_one = (*touch).fd.wrapping_add(1);
            }
            return;
        }
        let (read_inside, wrote_inside) = ((*received).number != (*under_way).received, (*sent).number != (*under_way).sent);
        let touch = if writing && wrote_inside {
            sent
        } else if read_inside {
            received
        } else if wrote_inside {
            sent
        } else {
            return;
        };
        learnt(session, touch);
    }
}

/// The call used this socket.
#[inline(always)]
unsafe fn learnt(session: *mut Session, touch: *mut Touch) {
    unsafe {
        (*touch).taken = 1;
        let named = (*session).fd_plus_one;
        if named == 0 || named == (*touch).fd.wrapping_add(1) {
            sessions::bind(session, touch, evidence::INSIDE);
        }
    }
}

/// The descriptor behind a `tls.Conn`. What is read may be something else where a program wraps its connections; it counts
/// only when it is the one that the thread used.
#[inline(always)]
unsafe fn go_descriptor(object: u64, at: &GoDescriptor) -> Option<u32> {
    unsafe {
        let conn: u64 = read_user(object.wrapping_add(at.conn as u64))?;
        let net_fd: u64 = read_user(conn.wrapping_add(at.fd as u64))?;
        read_user::<u64>(net_fd.wrapping_add(at.sysfd as u64)).map(|fd| fd as u32)
    }
}

/// A list of slices, each an address and a length.
#[inline(always)]
unsafe fn transfer_slices(key: &CallKey, under_way: *mut Call, session: *mut Session, moved: u64) {
    unsafe {
        (*under_way).list = (*under_way).buffer;
        (*under_way).left = moved;
        let mut call = *key;
        helpers::bpf_loop(SLICES_MAX, slice as *mut core::ffi::c_void, (&raw mut call).cast(), 0);
        let left = (*under_way).left;
        if left > 0 {
            (*session).sent_bytes += left;
            unread(left);
        }
    }
}

/// One slice. Returns 1 to stop.
unsafe extern "C" fn slice(_: u32, key: *mut core::ffi::c_void) -> i64 {
    unsafe {
        let key = &*key.cast::<CallKey>();
        let Some(under_way) = calls::under_way(key, threads::of_this_thread()) else { return 1 };
        let session_key = SessionKey { object: (*under_way).object, pid: key.process, _pad: 0 };
        let Some(session) = sessions::in_call(session_key) else { return 1 };
        if (*under_way).left == 0 || (*under_way).slices == 0 {
            return 1;
        }
        let Some([at, len]) = read_user::<[u64; 2]>((*under_way).list) else { return 1 };
        (*under_way).list += 16;
        (*under_way).slices -= 1;
        let skipped = if (*under_way).skip < len { (*under_way).skip } else { len };
        (*under_way).skip -= skipped;
        let rest = len - skipped;
        let n = if rest < (*under_way).left { rest } else { (*under_way).left };
        if n > 0 {
            (*under_way).buffer = at.wrapping_add(skipped);
            (*under_way).left -= n;
            transfer::<true>(key, under_way, session, n, true);
        }
        0
    }
}

/// `LOOPED`: what fits into one record takes the way of what does not, so that the verifier has less to look at.
#[inline(never)]
unsafe fn transfer<const LOOPED: bool>(key: &CallKey, under_way: *mut Call, session: *mut Session, moved: u64, writing: bool) {
    unsafe {
        let Some(counters) = counters() else { return };
        counted(&mut counters.plain_seen, moved);
        let at = if writing { &raw mut (*session).sent_bytes } else { &raw mut (*session).received_bytes };
        let offset = *at;
        *at = offset + moved;
        let policy_ = sessions::current_policy(session);
        if policy_ == policy::COUNTERS || policy_ == policy::OFF {
            counted(&mut counters.plain_counted, moved);
            return;
        }
        let needed_from = if writing { (*session).sent_from } else { (*session).received_from };
        let needed = if offset + moved <= needed_from { 0 } else { plain_copy::wanted(moved, policy_) };
        let step = (*session).step;
        if step == policy::COUNTERS {
            counted(if needed > 0 { &mut counters.plain_over_budget } else { &mut counters.plain_counted }, moved);
            return;
        }
        let wanted = plain_copy::wanted(needed, step);
        let about = plain_copy::about(
            if writing { direction::SENT } else { direction::RECEIVED },
            (*session).evidence,
            (*session).ring,
        );
        let copy = &raw mut (*under_way).copy;
        (*copy).left = moved;
        (*copy).wanted = wanted;
        (*copy).left_out = needed - wanted;
        (*copy).offset = offset;
        (*copy).time_ns = helpers::bpf_ktime_get_ns();
        (*copy).session = (*session).number;
        (*copy).connection = (*session).connection;
        (*copy).lost = 0;
        (*copy).about = about;
        if LOOPED || (*copy).wanted > CHUNK_BYTES as u64 {
            plain_copy::all(key);
        } else {
            plain_copy::next(under_way);
        }
        // read back from the map: the verifier would look at what follows once for each way that this was found out
        let left_out = (&raw const (*copy).left_out).read_volatile();
        if (*copy).lost == 0 && left_out > 0 {
            counted(&mut counters.plain_over_budget, left_out);
            add(&raw mut counters.plain_copied.bytes, moved - left_out);
            return;
        }
        let count = match (*copy).lost {
            0 if offset + moved <= needed_from => &mut counters.plain_counted,
            0 => &mut counters.plain_copied,
            plain_copy::LOST_RING_FULL => &mut counters.plain_ring_full,
            _ => &mut counters.plain_unread,
        };
        counted(count, moved);
    }
}
