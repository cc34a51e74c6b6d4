//! What was measured as Markdown tables: each sort of call, and its ratio to what it is compared with.
//!
//! A ratio is computed within each round, and the table shows the median, so that a slow minute of the machine
//! has no effect.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use bench_kit::{histogram::Histogram, show, spread::Spread};

use crate::subjects::{SUBJECTS, Turn};

/// Shows all subjects that were measured.
pub(crate) struct Report<'a> {
    /// The rounds of each subject.
    pub(crate) measured: &'a [Vec<Turn>],
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "| call | calls per second | p50 | p99 |\n|---|--:|--:|--:|")?;
        for (subject, turns) in SUBJECTS.iter().zip(self.measured) {
            let Some(rates) = Spread::of(turns.iter().map(rate)) else { continue };
            let mut all = Histogram::default();
            turns.iter().for_each(|turn| all.merge(&turn.latencies));
            let at = |share| all.quantile(share).map_or("–".into(), time);
            writeln!(f, "| {} | {:.0} | {} | {} |", subject.name, rates.median, at(0.5), at(0.99))?;
        }
        writeln!(f, "\n| call | beside | at | ratio (rounds) | target |\n|---|---|---|--:|---|")?;
        for (subject, turns) in SUBJECTS.iter().zip(self.measured) {
            let Some((beside, target)) = subject.beside else { continue };
            let others = SUBJECTS.iter().position(|other| other.name == beside).map(|index| &self.measured[index]);
            for (at, share) in [("p50", 0.5), ("p99", 0.99)] {
                let pairs = turns.iter().zip(others.into_iter().flatten());
                let ratios = pairs.map(|(own, other)| seconds(own, share) / seconds(other, share));
                let Some(Spread { low, median, high }) = Spread::of(ratios) else { continue };
                let verdict = verdict(target.filter(|_| share == 0.5), median);
                writeln!(
                    f,
                    "| {} | {beside} | {at} | {median:.2} ({low:.2} to {high:.2}) | {verdict} |",
                    subject.name
                )?;
            }
        }
        Ok(())
    }
}

fn rate(turn: &Turn) -> f64 {
    turn.latencies.count() as f64 / turn.took.as_secs_f64()
}

fn seconds(turn: &Turn, share: f64) -> f64 {
    turn.latencies.quantile(share).map_or(f64::NAN, |time| time.as_secs_f64())
}

fn time(time: Duration) -> String {
    match time.as_nanos() {
        ns @ ..1000 => format!("{ns} ns"),
        _ => show::time(time),
    }
}

fn verdict(target: Option<f64>, ratio: f64) -> String {
    match target {
        Some(most) => format!("≤ {most:.2}: {}", if ratio <= most { "met" } else { "missed" }),
        None => "–".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_is_met_or_missed() {
        assert_eq!(verdict(Some(1.15), 1.15), "≤ 1.15: met");
        assert_eq!(verdict(Some(1.15), 1.2), "≤ 1.15: missed");
        assert_eq!(verdict(None, 9.0), "–");
        assert_eq!(time(Duration::from_nanos(120)), "120 ns");
    }
}
