//! The kernel object is part of this crate: a new one means a new build.

fn main() {
    println!("cargo::rerun-if-changed=../ebpf/object/earshot.bpf.o");
}
