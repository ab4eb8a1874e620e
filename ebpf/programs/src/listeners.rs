//! Iterator over the open files of every process: which TCP ports are listened on, in every network namespace.

use aya_ebpf::{bindings::seq_file, helpers::generated as helpers};
use ebpf_abi::{ListenKey, transport};

use crate::kernel::{NET_INUM, SK_NET, SK_NUM, SK_STATE, SOCKET_SK, read};
use crate::socket_state::watched;

const TCP_LISTEN: u8 = 10;

#[repr(C)]
pub struct IterMeta {
    seq: *mut seq_file,
    session: u64,
    number: u64,
}

#[repr(C)]
pub struct IterTaskFile {
    meta: *const IterMeta,
    task: *const u8,
    fd: u64,
    file: *mut u8,
}

#[unsafe(link_section = "iter/task_file")]
#[unsafe(no_mangle)]
pub extern "C" fn listeners(ctx: *mut IterTaskFile) -> i32 {
    unsafe {
        let file = (*ctx).file;
        if file.is_null() {
            return 0;
        }
        let socket = helpers::bpf_sock_from_file(file.cast()) as *const u8;
        if socket.is_null() {
            return 0;
        }
        let sk = *(socket.add(SOCKET_SK.load() as usize) as *const *const u8);
        if sk.is_null() || watched(sk) != transport::TCP || *sk.add(SK_STATE.load() as usize) != TCP_LISTEN {
            return 0;
        }
        let at = sk as u64;
        let key = ListenKey {
            netns: read(read::<u64>(at + SK_NET.load() as u64) + NET_INUM.load() as u64),
            port: read::<u16>(at + SK_NUM.load() as u64) as u32,
        };
        helpers::bpf_seq_write((*(*ctx).meta).seq, (&raw const key).cast_mut().cast(), size_of::<ListenKey>() as u32);
    }
    0
}
