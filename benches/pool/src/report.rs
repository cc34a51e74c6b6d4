//! The measurements as a Markdown table: the primitive, the pool, and the ratio, at the median and the 99th
//! percentile.
//!
//! A ratio is computed within each round, and the table shows the median, so that a slow minute of the
//! machine has no effect.

use std::fmt::{self, Display, Formatter};

use bench_kit::{histogram::Histogram, show, spread::Spread};

use crate::measure::{COMPARISONS, Comparison, Crossings, Measured, Round, Target};

/// Shows what was measured with one assignment of processors.
pub(crate) struct Report<'a> {
    /// All measurements.
    pub(crate) measured: &'a Measured,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "| pixie-pool | beside | at | raw | pool | ratio (rounds) | target |")?;
        writeln!(f, "|---|---|---|--:|--:|--:|---|")?;
        for (comparison, rounds) in COMPARISONS.iter().zip(&self.measured.rounds) {
            write_line(f, comparison, rounds, "p50", 0.5)?;
            write_line(f, comparison, rounds, "p99", 0.99)?;
        }
        let apart = |Crossings { looks, apart }| 100 * apart / looks.max(1);
        let (raw, pool) = (apart(self.measured.raw), apart(self.measured.pool));
        writeln!(
            f,
            "\nWake-ups of round trips cross processors in {raw} % of the looks (raw echo) and {pool} % (worker)."
        )?;
        let [executed, forked] = self.measured.memory;
        writeln!(f, "Proportional memory of each of four workers: executed {executed} KiB, forked {forked} KiB.")
    }
}

fn write_line(f: &mut Formatter, comparison: &Comparison, rounds: &[Round], at: &str, share: f64) -> fmt::Result {
    let (mut raw, mut pool) = (Histogram::default(), Histogram::default());
    for round in rounds {
        raw.merge(&round.raw);
        pool.merge(&round.pool);
    }
    let seconds = |all: &Histogram| all.quantile(share).map_or(f64::NAN, |time| time.as_secs_f64());
    let ratios = rounds.iter().map(|round| seconds(&round.pool) / seconds(&round.raw));
    let Some(Spread { low, median, high }) = Spread::of(ratios) else {
        return Ok(());
    };
    let time = |all: &Histogram| all.quantile(share).map_or("–".into(), show::time);
    write!(f, "| {} | {} | {at} | {} | {} ", comparison.what, comparison.beside, time(&raw), time(&pool))?;
    let verdict = verdict(comparison.target, share, median, seconds(&pool));
    writeln!(f, "| {median:.2} ({low:.2} to {high:.2}) | {verdict} |")
}

fn verdict(target: Target, share: f64, ratio: f64, seconds: f64) -> String {
    let is_median = share == 0.5;
    let (is_met, words) = match target {
        Target::Both(most) => (ratio <= most, format!("≤ {most:.2}")),
        Target::Median(most) if is_median => (ratio <= most, format!("≤ {most:.2}")),
        Target::Time(most) if is_median => (seconds <= most.as_secs_f64(), format!("≤ {}", show::time(most))),
        _ => return "–".into(),
    };
    format!("{words}: {}", if is_met { "met" } else { "missed" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_target_is_met_or_missed_where_it_applies() {
        assert_eq!(verdict(Target::Both(2.0), 0.99, 2.0, 1.0), "≤ 2.00: met");
        assert_eq!(verdict(Target::Both(2.0), 0.5, 2.1, 1.0), "≤ 2.00: missed");
        assert_eq!(verdict(Target::Median(1.5), 0.5, 1.4, 1.0), "≤ 1.50: met");
        assert_eq!(verdict(Target::Median(1.5), 0.99, 9.0, 1.0), "–");
        assert_eq!(verdict(Target::Time(Duration::from_millis(5)), 0.5, 9.0, 0.004), "≤ 5.00 ms: met");
        assert_eq!(verdict(Target::None, 0.5, 9.0, 1.0), "–");
    }
}
