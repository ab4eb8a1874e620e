//! earshot's kernel programs: one module a hook.
//!
//! They know sockets, processes and bytes, and no protocol (INV-1). Offsets of kernel structures come from user space, which
//! reads them from the running kernel's BTF (INV-5).

#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod calls;
mod copy;
mod evidence;
mod faults;
mod growth;
mod heap;
mod kernel;
mod listeners;
mod maps;
mod places;
mod plain_calls;
mod plain_copy;
mod portions;
mod process;
mod python;
mod sample;
mod sessions;
mod socket_close;
mod socket_io;
mod socket_state;
mod unwind;
mod user_buffer;
mod waits;
mod wakers;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
