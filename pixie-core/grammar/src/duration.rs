//! Durations as options write them: `500ms`, `2s`, `5m`, `1h`.
//!
//! Owns the units. Invariant: a text is a whole number and a unit; nothing is rounded and no unit is assumed.

use std::time::Duration;

/// The units, in milliseconds.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 60 * 60 * 1000)];

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
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let factor = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, factor)| factor);
    let milliseconds = digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(*factor));
    milliseconds.map(Duration::from_millis).ok_or_else(|| {
        format!("invalid duration `{text}`: write a whole number with `ms`, `s`, `m` or `h`, such as `2s`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
