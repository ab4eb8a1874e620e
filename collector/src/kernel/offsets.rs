//! The offsets that the kernel programs need, by the name of their global.

use super::btf::Btf;

/// Global of the programs, structure, path of the member.
const OFFSETS: &[(&str, &str, &str)] = &[
    ("SK_FAMILY", "sock", "__sk_common.skc_family"),
    ("SK_PROTOCOL", "sock", "sk_protocol"),
    ("SK_TYPE", "sock", "sk_type"),
    ("SK_STATE", "sock", "__sk_common.skc_state"),
    ("SK_DPORT", "sock", "__sk_common.skc_dport"),
    ("SK_NUM", "sock", "__sk_common.skc_num"),
    ("SK_DADDR", "sock", "__sk_common.skc_daddr"),
    ("SK_RCV_SADDR", "sock", "__sk_common.skc_rcv_saddr"),
    ("SK_V6_DADDR", "sock", "__sk_common.skc_v6_daddr"),
    ("SK_V6_RCV_SADDR", "sock", "__sk_common.skc_v6_rcv_saddr"),
    ("SK_NET", "sock", "__sk_common.skc_net.net"),
    ("NET_INUM", "net", "ns.inum"),
    ("TCP_SRTT_US", "tcp_sock", "srtt_us"),
    ("TCP_TOTAL_RETRANS", "tcp_sock", "total_retrans"),
    ("TCP_RCV_NXT", "tcp_sock", "rcv_nxt"),
    ("TCP_COPIED_SEQ", "tcp_sock", "copied_seq"),
    ("UNIX_ADDR", "unix_sock", "addr"),
    ("UNIX_PEER", "unix_sock", "peer"),
    ("UNIX_ADDR_LEN", "unix_address", "len"),
    ("UNIX_ADDR_NAME", "unix_address", "name"),
    ("SOCKET_SK", "socket", "sk"),
    ("TASK_PID", "task_struct", "pid"),
    ("TASK_TGID", "task_struct", "tgid"),
    ("TASK_GROUP_LEADER", "task_struct", "group_leader"),
    ("TASK_PARENT", "task_struct", "real_parent"),
    ("TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    ("TASK_EXIT_CODE", "task_struct", "exit_code"),
    ("TASK_SIGNAL", "task_struct", "signal"),
    ("SIGNAL_LIVE", "signal_struct", "live.counter"),
    ("TASK_MM", "task_struct", "mm"),
    ("TASK_COMM", "task_struct", "comm"),
    ("TASK_FSBASE", "task_struct", "thread.fsbase"),
    ("MM_ARG_START", "mm_struct", "arg_start"),
    ("MM_ARG_END", "mm_struct", "arg_end"),
    ("MM_EXE_FILE", "mm_struct", "exe_file"),
    ("MM_EXEC_VM", "mm_struct", "exec_vm"),
    ("BPRM_FILENAME", "linux_binprm", "filename"),
];

/// Where a process's own pages are counted: its second counter. 0 on kernels that count them in another way.
pub const MM_ANON_PAGES: &str = "MM_ANON_PAGES";

/// Every offset, or the structure and member that this kernel lacks.
pub fn all(btf: &Btf) -> Result<Vec<(&'static str, u32)>, String> {
    let known = OFFSETS.iter().map(|(global, name, path)| {
        btf.offset(name, path).map(|o| (*global, o)).ok_or_else(|| format!("struct {name} has no member {path}"))
    });
    let pages = btf.offset_in_array("mm_struct", "rss_stat", ("percpu_counter", 1), "count");
    known.chain([Ok((MM_ANON_PAGES, pages.unwrap_or(0)))]).collect()
}
