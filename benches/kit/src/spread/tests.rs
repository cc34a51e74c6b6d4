//! Medians of odd, even and empty sets.

use super::Spread;

#[test]
fn the_median_is_the_middle_or_the_mean_of_the_two_middles() {
    let check = |values: &[f64], expected| {
        let spread = Spread::of(values.iter().copied());
        assert_eq!(spread.map(|Spread { low, median, high }| (low, median, high)), expected);
    };
    check(&[], None);
    check(&[7.0], Some((7.0, 7.0, 7.0)));
    check(&[3.0, 1.0, 2.0], Some((1.0, 2.0, 3.0)));
    check(&[4.0, 1.0, 2.0, 3.0], Some((1.0, 2.5, 4.0)));
}
