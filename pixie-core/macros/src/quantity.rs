//! Times and sizes as options write them: `"500ms"`, `"2s"`, `"64KiB"`, `"10MB"`.
//!
//! Must stay true: a whole number and a unit, nothing rounded, nothing assumed.

const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 60 * 60 * 1000)];

const SIZES: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a time above zero and returns its milliseconds.
pub(crate) fn milliseconds(text: &str) -> Result<u64, String> {
    let time = read(text, &TIMES).filter(|time| *time > 0);
    time.ok_or_else(|| {
        format!("`{text}` is no time: write a whole number above 0 with `ms`, `s`, `m` or `h`, such as \"2s\"")
    })
}

/// Reads a size and returns its bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    read(text, &SIZES).ok_or_else(|| {
        format!("`{text}` is no size: write a whole number with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, such as \"10MB\"")
    })
}

fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::{bytes, milliseconds};

    #[test]
    fn a_number_with_its_unit_is_read_exactly() {
        for (text, time) in [("500ms", 500), ("2s", 2000), ("1m", 60_000), ("1 h", 3_600_000)] {
            assert_eq!(milliseconds(text), Ok(time), "{text}");
        }
        for (text, size) in [("0B", 0), ("1024B", 1024), ("64KiB", 65_536), ("10MB", 10_000_000), ("1 GiB", 1 << 30)] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        for text in ["", "2", "s", "0s", "-1s", "1.5s", "2 sec", "2S", "99999999999999999999s", "18446744073709551615s"]
        {
            assert!(milliseconds(text).is_err(), "{text}");
        }
        for text in ["", "10", "MB", "10 megabytes", "10mb", "18446744073709551615GB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
