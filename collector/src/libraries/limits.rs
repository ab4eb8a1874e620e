//! How many probes a file and a process may have: what exceeds it is refused, and says so. A host's limit is
//! [`ebpf_abi::SITES_MAX`].

/// Probes of one file.
pub const FILE_PROBES_MAX: usize = 256;
/// Probes of all files that one process maps.
pub const PROCESS_PROBES_MAX: usize = 1024;

/// Why a file may not have so many probes in a process that has so many already; `None` when it may.
pub fn refusal(wanted: usize, has: usize) -> Option<String> {
    if wanted > FILE_PROBES_MAX {
        return Some(format!("it takes {wanted} probes, and {FILE_PROBES_MAX} is what a file may have"));
    }
    (wanted + has > PROCESS_PROBES_MAX)
        .then(|| format!("it takes {wanted} probes, and its process has {has} of the {PROCESS_PROBES_MAX} that one may have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_a_limit_is_refused_and_says_so() {
        assert_eq!(refusal(FILE_PROBES_MAX, PROCESS_PROBES_MAX - FILE_PROBES_MAX), None);
        let file = refusal(FILE_PROBES_MAX + 1, 0).expect("too many for a file");
        assert!(file.contains("257 probes") && file.contains("a file"), "{file}");
        let process = refusal(2, PROCESS_PROBES_MAX - 1).expect("too many for a process");
        assert!(process.contains("1023 of the 1024"), "{process}");
    }
}
