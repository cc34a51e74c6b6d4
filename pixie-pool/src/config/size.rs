//! How many workers a pool has, and how many bytes something may have, as people write them.
//!
//! Owns the two values and their texts. Leaves what follows from a size to `pool::scale`. Rule: what cannot be read says what could.

use std::{fmt, ops::RangeInclusive, str::FromStr};

/// How many workers of a pool run jobs at the same time: always as many (`4`), or between two numbers (`2..=8`).
///
/// From 0 on (`0..=8`) workers are started on demand. `0` alone means none ever: jobs run on threads of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Workers that are there also when there is nothing to do.
    pub min: usize,
    /// Workers that are there when there is much to do.
    pub max: usize,
}

impl From<usize> for Size {
    fn from(fixed: usize) -> Self {
        Size { min: fixed, max: fixed }
    }
}

impl From<RangeInclusive<usize>> for Size {
    fn from(range: RangeInclusive<usize>) -> Self {
        Size { min: *range.start(), max: *range.end() }
    }
}

impl FromStr for Size {
    type Err = String;

    /// Reads `4`, `2..8` or `2..=8`; both ends count.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no size: write a number of workers, or the fewest and the most, as in `2..8`");
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let size = match text.split_once("..") {
            Some((min, max)) => Size { min: number(min)?, max: number(max.strip_prefix('=').unwrap_or(max))? },
            None => number(text)?.into(),
        };
        if size.min > size.max { Err(wrong()) } else { Ok(size) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => write!(f, "{}", self.max),
            false => write!(f, "{}..{}", self.min, self.max),
        }
    }
}

/// A number of bytes: from a number, or from a text such as `"256MB"`.
///
/// A text that is no number of bytes is refused when the pool starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteSize(Result<u64, String>);

impl ByteSize {
    /// Returns the number, or why the text is none.
    pub fn bytes(&self) -> Result<u64, &str> {
        self.0.as_ref().copied().map_err(String::as_str)
    }
}

impl From<u64> for ByteSize {
    fn from(bytes: u64) -> Self {
        ByteSize(Ok(bytes))
    }
}

impl From<&str> for ByteSize {
    /// Reads a whole number with `B`, `kB`, `MB` or `GB` behind it, each 1024 times the one before.
    fn from(text: &str) -> Self {
        let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
        let unit = text.trim()[digits.len()..].trim();
        let factor = match unit.to_ascii_lowercase().as_str() {
            "b" => Some(1),
            "kb" | "kib" => Some(1 << 10),
            "mb" | "mib" => Some(1 << 20),
            "gb" | "gib" => Some(1 << 30),
            _ => None,
        };
        let bytes = factor.zip(digits.parse::<u64>().ok()).and_then(|(factor, n)| n.checked_mul(factor));
        ByteSize(bytes.ok_or_else(|| format!("`{text}` is no number of bytes: write for example `256MB`")))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, min, max) in [("4", 4, 4), ("0", 0, 0), ("2..8", 2, 8), ("2..=8", 2, 8), (" 0 .. 3 ", 0, 3)] {
            assert_eq!(text.parse(), Ok(Size { min, max }), "{text}");
        }
        for text in ["", "many", "8..2", "-1", "2..", "1..2..3", "1.5"] {
            assert!(text.parse::<Size>().unwrap_err().contains("as in `2..8`"), "{text}");
        }
        assert_eq!(Size::from(2..=8).to_string(), "2..8");
    }

    #[test]
    fn numbers_of_bytes_need_a_unit() {
        for (text, bytes) in [("1B", 1), ("64kB", 65536), ("256MB", 256 << 20), ("2 GiB", 2 << 30), (" 3mb ", 3 << 20)]
        {
            assert_eq!(ByteSize::from(text).bytes(), Ok(bytes), "{text}");
        }
        for text in ["", "256", "MB", "1.5GB", "-1MB", "1TB", "99999999999GB"] {
            assert!(ByteSize::from(text).bytes().unwrap_err().contains("for example `256MB`"), "{text}");
        }
    }
}
