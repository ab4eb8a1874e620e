//! Identifiers that every JSON reader keeps: integers below 2^53.

/// The largest identifier, the largest integer that a double holds exactly together with all below it.
pub const ID_MAX: u64 = (1 << 53) - 1;

/// One life of a process: made from the host's boot, the process number and its start, so that two observers of the same
/// process agree, and pid reuse gives another id.
///
/// `start_ticks` is field 22 of /proc/PID/stat (hundredths of a second since boot).
pub fn process_id(boot_id: u64, pid: u32, start_ticks: u64) -> i64 {
    let mut x = boot_id ^ (u64::from(pid) << 32) ^ start_ticks.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // the finaliser of splitmix64: every input bit reaches every output bit
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    ((x & ID_MAX) | 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_ids_tell_lives_apart_and_stay_below_2_53() {
        let a = process_id(7, 100, 5000);
        assert_eq!(a, process_id(7, 100, 5000));
        assert_ne!(a, process_id(7, 100, 5001));
        assert_ne!(a, process_id(7, 101, 5000));
        assert_ne!(a, process_id(8, 100, 5000));
        assert!((1..=ID_MAX as i64).contains(&a));
    }
}
