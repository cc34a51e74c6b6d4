//! Quantities as options write them: [`ByteSize`], such as `10MB`, and durations, such as `500ms`.
//!
//! Owns the units. Invariant: a text is a whole number and a unit; nothing is rounded and no unit is assumed.

use std::{fmt, time::Duration};

/// The units of sizes, in bytes, largest first.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1000 * 1000 * 1000),
    ("MiB", 1 << 20),
    ("MB", 1000 * 1000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// The units of durations, in milliseconds.
const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 60 * 60 * 1000)];

/// A number of bytes: from a number, or from a text such as `"10MB"`.
///
/// The units of a text are `B`, `kB`, `MB` and `GB`, each 1000 times the one before, and `KiB`, `MiB` and
/// `GiB`, each 1024 times the one before, in capital or small letters. A malformed text becomes a `ByteSize`
/// without a number: the app or the pool that gets it refuses to start, and names the option.
///
/// ```
/// use pixie_grammar::ByteSize;
///
/// assert_eq!(ByteSize::from("10MB").bytes(), Ok(10_000_000));
/// assert_eq!(ByteSize::from("10 MiB"), ByteSize::from(10 * 1024 * 1024));
/// assert_eq!(ByteSize::from(65_536).to_string(), "64KiB");
/// assert!(ByteSize::from("10 gigs").bytes().is_err());
/// ```
// There is one conversion from integers: with a second one, the compiler could not tell the type of a plain
// `1024`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteSize(Result<u64, String>);

impl ByteSize {
    /// Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Returns a message that shows the text and how to fix it if the size was made from a malformed text.
    pub fn bytes(&self) -> Result<u64, &str> {
        self.0.as_ref().copied().map_err(String::as_str)
    }
}

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> ByteSize {
        ByteSize(Ok(bytes))
    }
}

impl From<&str> for ByteSize {
    fn from(text: &str) -> ByteSize {
        ByteSize(quantity(text.trim(), &SIZES, str::eq_ignore_ascii_case).ok_or_else(|| {
            format!(
                "invalid size `{text}`: write a whole number with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, such as `10MB`"
            )
        }))
    }
}

impl fmt::Display for ByteSize {
    /// Writes the number with the largest unit that divides it, or the message about a malformed text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match &self.0 {
            Ok(bytes) => *bytes,
            Err(message) => return f.write_str(message),
        };
        match SIZES.iter().find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", bytes / factor),
            None => f.write_str("0B"),
        }
    }
}

/// Reads a whole number with `ms`, `s`, `m` or `h`, such as `2s`.
///
/// ```
/// use std::time::Duration;
/// use pixie_grammar::parse_duration;
///
/// assert_eq!(parse_duration("2s"), Ok(Duration::from_secs(2)));
/// assert!(parse_duration("2").is_err());
/// ```
///
/// # Errors
///
/// Returns a message that shows the text and how to fix it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    quantity(text, &TIMES, |name, unit| name == unit).map(Duration::from_millis).ok_or_else(|| {
        format!("invalid duration `{text}`: write a whole number with `ms`, `s`, `m` or `h`, such as `2s`")
    })
}

/// Reads how often something may happen: a number, a slash, and `s`, `min`, `h`, `day` or a duration, such as
/// `5/min` or `100/10s`.
///
/// ```
/// use std::time::Duration;
/// use pixie_grammar::parse_rate;
///
/// assert_eq!(parse_rate("5/min"), Ok((5, Duration::from_secs(60))));
/// assert_eq!(parse_rate("100/10s"), Ok((100, Duration::from_secs(10))));
/// assert!(parse_rate("5").is_err());
/// ```
///
/// # Errors
///
/// Returns a message that shows the text and how to fix it.
pub fn parse_rate(text: &str) -> Result<(u32, Duration), String> {
    let wrong = || {
        format!(
            "invalid rate `{text}`: write a whole number from 1, `/`, and `s`, `min`, `h`, `day` or a duration, such as `5/min`"
        )
    };
    let (count, per) = text.split_once('/').ok_or_else(wrong)?;
    let per = match per.trim() {
        "s" => Duration::from_secs(1),
        "min" | "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(60 * 60),
        "day" | "d" => Duration::from_secs(24 * 60 * 60),
        duration => parse_duration(duration).map_err(|_| wrong())?,
    };
    match count.trim().parse() {
        Ok(count @ 1..) if !per.is_zero() => Ok((count, per)),
        _ => Err(wrong()),
    }
}

/// Reads a whole number and a unit, with or without spaces between them.
fn quantity(text: &str, units: &[(&str, u64)], is_same: fn(&str, &str) -> bool) -> Option<u64> {
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let (_, factor) = units.iter().find(|(name, _)| is_same(name, unit.trim_start()))?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_whole_number_with_a_unit() {
        for (text, bytes) in [
            ("0B", 0),
            ("1B", 1),
            ("64kB", 64_000),
            ("64KB", 64_000),
            ("64KiB", 65_536),
            ("10MB", 10_000_000),
            ("10MiB", 10 << 20),
            (" 3mb ", 3_000_000),
            ("1GB", 1_000_000_000),
            ("2 GiB", 2 << 30),
        ] {
            assert_eq!(ByteSize::from(text).bytes(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_count_and_a_time() {
        let second = Duration::from_secs(1);
        assert_eq!(
            ["1/s", "7 / h", "2/day"].map(parse_rate),
            [Ok((1, second)), Ok((7, 3600 * second)), Ok((2, 86_400 * second))]
        );
        for wrong in ["", "5", "/min", "0/min", "-1/s", "1.5/s", "5/", "5/week", "5/0s", "4294967296/s", "5/min/s"] {
            assert!(parse_rate(wrong).is_err_and(|why| why.contains(&format!("`{wrong}`"))), "{wrong}");
        }
    }

    #[test]
    fn a_malformed_text_keeps_its_error() {
        for text in ["", "256", "MB", "1.5GB", "-1MB", "+1MB", "1TB", "10 megabytes", "18446744073709551615GB"] {
            let size = ByteSize::from(text);
            let message = size.bytes().expect_err(text);
            assert!(message.starts_with(&format!("invalid size `{text}`: ")), "{message}");
            assert_eq!(size.to_string(), message);
        }
    }

    #[test]
    fn a_size_is_shown_exactly() {
        for text in ["0B", "1B", "1001B", "64kB", "64KiB", "10MB", "10MiB", "1GB", "3GiB", "1536MiB"] {
            assert_eq!(ByteSize::from(text).to_string(), text);
        }
    }

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        for (text, milliseconds) in [("0s", 0), ("500ms", 500), ("2s", 2000), ("1m", 60_000), ("1 h", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn a_malformed_text_is_refused_with_its_text() {
        for text in ["", "2", "s", "-1s", "1.5s", "2 sec", "2S", "99999999999999999999s", "18446744073709551615s"] {
            assert!(
                parse_duration(text).expect_err(text).starts_with(&format!("invalid duration `{text}`: ")),
                "{text}"
            );
        }
    }
}
