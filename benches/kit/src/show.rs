//! Formats numbers for tables.

use std::time::Duration;

/// Returns a duration with three digits and its unit.
pub fn time(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        _ if us < 100.0 => format!("{us:.1} µs"),
        _ if us < 1000.0 => format!("{us:.0} µs"),
        _ if us < 100_000.0 => format!("{:.2} ms", us / 1e3),
        _ if us < 1_000_000.0 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}

/// Returns a number of bytes in MiB.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_digits_and_a_unit() {
        let check = |us, expected| assert_eq!(time(Duration::from_micros(us)), expected);
        check(7, "7.0 µs");
        check(345, "345 µs");
        check(12_345, "12.35 ms");
        check(123_456, "123 ms");
        check(2_500_000, "2.5 s");
    }
}
