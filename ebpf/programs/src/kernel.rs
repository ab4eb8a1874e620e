//! Reading the kernel's structures: member offsets are globals that user space sets before loading.

use aya_ebpf::{Global, bindings::pt_regs, helpers::generated as helpers};
pub use ebpf_abi::bounded;

macro_rules! offsets {
    ($($name:ident),* $(,)?) => {
        $(
            #[unsafe(no_mangle)]
            pub static $name: Global<u32> = Global::new(0);
        )*
    };
}

// struct sock and struct sock_common
offsets!(
    SK_FAMILY,
    SK_PROTOCOL,
    SK_TYPE,
    SK_STATE,
    SK_DPORT,
    SK_NUM,
    SK_DADDR,
    SK_RCV_SADDR,
    SK_V6_DADDR,
    SK_V6_RCV_SADDR,
    SK_NET
);
// struct net, struct tcp_sock, struct unix_sock, struct unix_address, struct socket
offsets!(
    NET_INUM,
    TCP_SRTT_US,
    TCP_TOTAL_RETRANS,
    TCP_RCV_NXT,
    TCP_COPIED_SEQ,
    UNIX_ADDR,
    UNIX_PEER,
    UNIX_ADDR_LEN,
    UNIX_ADDR_NAME,
    SOCKET_SK
);
// struct task_struct and what hangs off it
offsets!(
    TASK_PID,
    TASK_TGID,
    TASK_GROUP_LEADER,
    TASK_PARENT,
    TASK_START_BOOTTIME,
    TASK_EXIT_CODE,
    TASK_SIGNAL,
    SIGNAL_LIVE,
    TASK_MM,
    TASK_COMM
);
offsets!(TASK_FSBASE);
offsets!(MM_ARG_START, MM_ARG_END, MM_EXE_FILE, MM_EXEC_VM, BPRM_FILENAME, MM_ANON_PAGES);

/// earshot's own process, whose traffic is left out.
#[unsafe(no_mangle)]
pub static OWN_PID: Global<u32> = Global::new(0);
/// Ring buffers in use: a power of two, minus one.
#[unsafe(no_mangle)]
pub static RING_MASK: Global<u32> = Global::new(0);

pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
pub const IPPROTO_TCP: u16 = 6;
pub const IPPROTO_UDP: u16 = 17;
/// Multipath TCP, which Go's servers listen with; its sockets are used like TCP's.
pub const IPPROTO_MPTCP: u16 = 262;
pub const SOCK_STREAM: u16 = 1;

/// A copy of kernel memory; zeros when it cannot be read, which the helper sees to.
#[inline(always)]
pub unsafe fn read<T: Copy>(at: u64) -> T {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    unsafe {
        helpers::bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, at as *const _);
        value.assume_init()
    }
}

/// A copy of the current process's memory.
#[inline(always)]
pub unsafe fn read_user<T: Copy>(at: u64) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    unsafe {
        let failed = helpers::bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, at as *const _);
        if failed == 0 { Some(value.assume_init()) } else { None }
    }
}

/// Registers with which the current thread entered the kernel.
#[inline(always)]
pub fn user_registers() -> *const pt_regs {
    unsafe { helpers::bpf_task_pt_regs(helpers::bpf_get_current_task_btf()) as *const pt_regs }
}
