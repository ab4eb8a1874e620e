//! Dates and times of binary parameters as text, as PostgreSQL writes them with DateStyle ISO.
//!
//! In: days or microseconds since 2000-01-01. Out: text into a buffer.

use std::io::Write;

const DAY_US: i64 = 86_400_000_000;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

/// `date`: days.
pub fn date(out: &mut Vec<u8>, days: i32) {
    match days {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        days => day(out, i64::from(days)),
    }
}

/// `timestamp` and, with `zone`, `timestamptz`: microseconds.
pub fn timestamp(out: &mut Vec<u8>, us: i64, zone: bool) {
    match us {
        i64::MAX => return out.extend_from_slice(b"infinity"),
        i64::MIN => return out.extend_from_slice(b"-infinity"),
        _ => {}
    }
    let days = us.div_euclid(DAY_US);
    year_first(out, days, |out| {
        out.push(b' ');
        time(out, us.rem_euclid(DAY_US));
        if zone {
            out.extend_from_slice(b"+00");
        }
    });
}

/// `time`: microseconds since midnight.
pub fn time(out: &mut Vec<u8>, us: i64) {
    let (seconds, fraction) = (us / 1_000_000, us % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // writing to a Vec does not fail
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        let _ = write!(out, ".{fraction:06}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn day(out: &mut Vec<u8>, days: i64) {
    year_first(out, days, |_| {});
}

/// The date, what `rest` writes, and BC where it applies.
fn year_first(out: &mut Vec<u8>, days: i64, rest: impl FnOnce(&mut Vec<u8>)) {
    let (year, month, day) = civil(days + EPOCH_DAYS);
    let shown = if year > 0 { year } else { 1 - year };
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
    rest(out);
    if year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// Year, month and day of days since 1970-01-01 in the proleptic Gregorian calendar
/// (<https://howardhinnant.github.io/date_algorithms.html#civil_from_days>).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Vec<u8>), text: &str) {
        let mut out = vec![];
        write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    // as `SELECT date '…'::…` of PostgreSQL 15 has them
    #[test]
    fn dates() {
        check(|o| date(o, 0), "2000-01-01");
        check(|o| date(o, 8825), "2024-02-29");
        check(|o| date(o, -10_957), "1970-01-01");
        check(|o| date(o, -730_119), "0001-01-01");
        check(|o| date(o, -730_120), "0001-12-31 BC");
        check(|o| date(o, i32::MAX), "infinity");
        check(|o| date(o, i32::MAX - 1), "5881610-07-10");
    }

    #[test]
    fn times() {
        check(|o| timestamp(o, 0, false), "2000-01-01 00:00:00");
        check(|o| timestamp(o, 1_500_000, true), "2000-01-01 00:00:01.5+00");
        check(|o| timestamp(o, -1, false), "1999-12-31 23:59:59.999999");
        check(|o| timestamp(o, i64::MIN, true), "-infinity");
        check(|o| timestamp(o, i64::MIN + 1, true), "290279-12-22 19:59:05.224193+00 BC");
        check(|o| time(o, 86_399_000_001), "23:59:59.000001");
    }
}
