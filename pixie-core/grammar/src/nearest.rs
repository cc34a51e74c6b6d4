//! Which known word a misspelled word probably means, for error messages.
//!
//! Invariant: a suggestion is close enough to the word that it is almost always right.

use std::cmp::Reverse;

/// Returns the known word that differs in the fewest letters, if that number is small enough.
pub fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let word = word.to_lowercase();
    let rated = known.iter().map(|known| {
        let lower = known.to_lowercase();
        // Of two words at the same distance, the one with the same beginning is meant.
        let begin = word.chars().zip(lower.chars()).take_while(|(typed, right)| typed == right).count();
        ((distance(&word, &lower), Reverse(begin)), *known)
    });
    let ((distance, _), known) = rated.min_by_key(|(rating, _)| *rating)?;
    // One change in three letters: `snc` is `sync`, but `row` is not `pool`.
    (distance * 3 <= known.len().max(word.len())).then_some(known)
}

/// Returns the optimal string alignment distance: letters inserted, omitted, changed, or swapped with their
/// neighbor.
pub fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![(0..=to.len()).collect::<Vec<_>>()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests;
