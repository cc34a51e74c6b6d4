//! How many workers a pool has.
//!
//! Owns the value and its text. Leaves when a pool grows and shrinks to the queue's rules.

use std::{ops::RangeInclusive, str::FromStr};

use pixie_grammar::TextValue;

/// How many workers of a pool run jobs at the same time: a fixed number (`4`), or a range (`2..=8`).
///
/// With `0..=8`, workers are started on demand. With `0`, jobs run on threads of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Workers that run also while the pool is idle.
    pub min: usize,
    /// Workers that run while many jobs wait.
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

    /// Reads `4`, `2..8` or `2..=8`; both ranges include 8.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("invalid size `{text}`: write a number of workers, or a range such as `2..8`");
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let size = match text.split_once("..") {
            Some((min, max)) => Size { min: number(min)?, max: number(max.strip_prefix('=').unwrap_or(max))? },
            None => number(text)?.into(),
        };
        if size.min > size.max { Err(wrong()) } else { Ok(size) }
    }
}

impl TextValue for Size {
    const TAKES: &'static str = "a number of workers, or a range such as `2..8`";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn to_text(&self) -> String {
        if self.min == self.max { self.max.to_string() } else { format!("{}..{}", self.min, self.max) }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_or_a_range() {
        for (text, min, max) in [("4", 4, 4), ("0", 0, 0), ("2..8", 2, 8), ("2..=8", 2, 8), (" 0 .. 3 ", 0, 3)] {
            assert_eq!(text.parse(), Ok(Size { min, max }), "{text}");
        }
        for text in ["", "many", "8..2", "-1", "2..", "1..2..3", "1.5"] {
            assert!(text.parse::<Size>().unwrap_err().contains("such as `2..8`"), "{text}");
        }
    }
}
