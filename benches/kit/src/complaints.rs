//! Failures of one kind: how many, and the first few as text.

/// Limits the stored examples.
const EXAMPLES_MAX: usize = 5;

/// Failures of one kind.
#[derive(Debug, Default)]
pub struct Complaints {
    /// Their number.
    pub count: u64,
    /// The first few, as text.
    pub examples: Vec<String>,
}

impl Complaints {
    /// Adds one.
    pub fn add(&mut self, what: String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what);
        }
    }

    /// Adds those of another count.
    pub fn merge(&mut self, other: Complaints) {
        self.count += other.count;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept() {
        let mut all = Complaints::default();
        (0..4).for_each(|number| all.add(number.to_string()));
        let mut more = Complaints::default();
        (4..8).for_each(|number| more.add(number.to_string()));
        all.merge(more);
        assert_eq!((all.count, all.examples.join("")), (8, "01234".to_owned()));
    }
}
