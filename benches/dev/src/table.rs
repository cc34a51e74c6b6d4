//! Times and their medians, as rows of a table.
use std::{ops::Sub, time::Duration};

/// Milliseconds. A difference may be negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ms(pub f64);

impl From<Duration> for Ms {
    fn from(time: Duration) -> Ms {
        Ms(time.as_secs_f64() * 1e3)
    }
}

impl Sub for Ms {
    type Output = Ms;

    fn sub(self, other: Ms) -> Ms {
        Ms(self.0 - other.0)
    }
}

/// Times of the same thing, one from each round.
#[derive(Clone, Debug, Default)]
pub struct Times(pub Vec<Ms>);

impl Times {
    /// Adds a round's.
    pub fn add(&mut self, time: impl Into<Ms>) {
        self.0.push(time.into());
    }

    /// Returns the middle one.
    pub fn median(&self) -> Ms {
        let sorted = self.sorted();
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Ms(f64::midpoint(low.0, high.0))
    }

    /// Returns the shortest and the longest.
    pub fn range(&self) -> (Ms, Ms) {
        let sorted = self.sorted();
        (sorted[0], sorted[sorted.len() - 1])
    }

    /// Returns the difference to the others in each round, so that a disturbance of a round affects both.
    pub fn beyond(&self, others: &Times) -> Times {
        Times(self.0.iter().zip(&others.0).map(|(one, other)| *one - *other).collect())
    }

    fn sorted(&self) -> Vec<Ms> {
        let mut sorted = self.0.clone();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        sorted
    }
}

/// Returns a cell: the median and the range.
pub fn cell(times: &Times) -> String {
    let (low, high) = times.range();
    format!("{:.0} ms ({:.0} … {:.0})", times.median().0, low.0, high.0)
}
