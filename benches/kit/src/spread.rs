//! The median and the range of a few measurements.

/// The least, the middle and the greatest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least value.
    pub low: f64,
    /// The middle value, or the mean of the two middle ones.
    pub median: f64,
    /// The greatest value.
    pub high: f64,
}

impl Spread {
    /// Returns the spread of `values`, or `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let upper = *values.get(values.len() / 2)?;
        let lower = values[(values.len() - 1) / 2];
        Some(Self { low: values[0], median: (lower + upper) / 2.0, high: values[values.len() - 1] })
    }
}

#[cfg(test)]
mod tests;
