//! Which instructions the kernel emulates when they are probed, and which it refuses.
//!
//! In: an instruction's bytes. The rules are those of `arch/x86/kernel/uprobes.c` (`branch_setup_xol_ops`,
//! `push_setup_xol_ops`) as they are in every kernel from 5.10 on: later ones emulate more forms of nop, which are not counted
//! on.

/// Pushes of a register, one-byte nops, relative jumps and calls.
pub fn emulated(instruction: &[u8]) -> bool {
    matches!(
        *instruction,
        [0x50..=0x57 | 0x90]
            | [0x41, 0x50..=0x57]
            | [0xeb | 0x70..=0x7f, _]
            | [0xe8 | 0xe9, _, _, _, _]
            | [0x0f, 0x80..=0x8f, _, _, _, _]
    )
}

/// Segment and lock prefixes make the kernel refuse a probe (`is_prefix_bad`); so do software interrupts.
pub fn attachable(instruction: &[u8]) -> bool {
    const BAD: [u8; 5] = [0x26, 0x2e, 0x36, 0x3e, 0xf0];
    const PREFIXES: [u8; 11] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];
    let prefixes = instruction.iter().take_while(|b| PREFIXES.contains(b));
    let opcode = instruction.iter().find(|b| !PREFIXES.contains(b));
    !prefixes.into_iter().any(|b| BAD.contains(b)) && !matches!(opcode, None | Some(0xcc | 0xcd | 0xce | 0xf1 | 0xf4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_emulates() {
        let yes: [&[u8]; 9] = [
            &[0x55],                               // push rbp
            &[0x41, 0x57],                         // push r15
            &[0x90],                               // nop
            &[0xeb, 0x10],                         // jmp short
            &[0xe9, 0, 1, 0, 0],                   // jmp near
            &[0xe8, 0, 1, 0, 0],                   // call
            &[0x7e, 0x03],                         // jle short
            &[0x0f, 0x86, 0xde, 0, 0, 0],          // jbe near
            &[0x0f, 0x8e, 0x00, 0x01, 0x00, 0x00], // jle near
        ];
        assert!(yes.iter().all(|bytes| emulated(bytes)));
        let no: [&[u8]; 10] = [
            &[],
            &[0xf3, 0x0f, 0x1e, 0xfa], // endbr64
            &[0x48, 0x83, 0xec, 0x18], // sub rsp, 0x18
            &[0xc3],                   // ret
            &[0x48, 0x55],             // push rbp with a needless prefix
            &[0x41, 0x90],             // xchg r8, rax
            &[0x66, 0x90],             // two-byte nop: since 6.2 only
            &[0x0f, 0x1f, 0x00],       // nop: since 6.16 only
            &[0xff, 0xe0],             // jmp rax
            &[0xe3, 0x10],             // jrcxz
        ];
        assert!(!no.iter().any(|bytes| emulated(bytes)));
    }

    #[test]
    fn what_the_kernel_refuses() {
        assert!(attachable(&[0xc3]) && attachable(&[0xf3, 0x0f, 0x1e, 0xfa]) && attachable(&[0x64, 0x48, 0x8b, 0x04, 0x25]));
        assert!(!attachable(&[0xf0, 0x0f, 0xc1, 0x07]), "lock xadd");
        assert!(!attachable(&[0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]), "cs nop");
        assert!(!attachable(&[0xcc]) && !attachable(&[]));
    }
}
