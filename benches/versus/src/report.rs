//! The measurements as Markdown: a table of medians and ratios, then which targets are met.
//!
//! A ratio compares the two servers within each round. The report shows the median, so that a slow minute of
//! the machine has no effect.

use std::fmt::{self, Display, Formatter};

use crate::{
    case::{BASELINES, CASES, TARGETS, Target},
    rounds::Row,
    spread::Spread,
    wrk::Sample,
};

/// Shows what was measured.
pub struct Report<'a> {
    /// Every server in every case.
    pub rows: &'a [Row],
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "| case | connections | server | requests/s | p50 | p99 | × hyper | × axum |")?;
        writeln!(f, "|---|--:|---|--:|--:|--:|--:|--:|")?;
        for row in self.rows {
            self.write_row(row, f)?;
        }
        writeln!(f)?;
        TARGETS.iter().try_for_each(|target| self.write_target(target, f))
    }
}

impl Report<'_> {
    fn write_row(&self, row: &Row, f: &mut Formatter) -> fmt::Result {
        let case = row.case;
        write!(f, "| {} | {} | {} ", case.title, case.connections, row.label)?;
        write!(f, "| {} ", median(row, |sample| Some(sample.requests_per_second), |number| format!("{number:.0}")))?;
        write!(f, "| {} ", median(row, |sample| sample.p50_us, latency))?;
        write!(f, "| {} ", median(row, |sample| sample.p99_us, latency))?;
        for baseline in BASELINES {
            match self.ratio(case.name, row.peer, baseline) {
                Some(ratio) => write!(f, "| {:.2} ", ratio.median)?,
                None => write!(f, "| – ")?,
            }
        }
        writeln!(f, "|")
    }

    fn write_target(&self, target: &Target, f: &mut Formatter) -> fmt::Result {
        let Target { case, baseline, at_least } = target;
        let ratio = self.ratio(case, "pixie", baseline);
        let verdict = match ratio {
            None => "not measured",
            Some(ratio) if ratio.median >= *at_least => "met",
            Some(_) => "missed",
        };
        let title = CASES.iter().find(|known| known.name == *case).map_or(*case, |case| case.title);
        write!(f, "- {verdict}: {title} ({case}), pixie at least {at_least:.2} × {baseline}")?;
        match ratio {
            Some(Spread { low, median, high }) => {
                writeln!(f, ": {median:.3} (rounds from {low:.3} to {high:.3})")
            }
            None => writeln!(f),
        }
    }

    fn ratio(&self, case: &str, peer: &str, baseline: &str) -> Option<Spread> {
        let samples = |peer| {
            let row = self.rows.iter().find(|row| row.case.name == case && row.peer == peer)?;
            Some(row.samples.iter().map(|sample| sample.requests_per_second))
        };
        Spread::of(samples(peer)?.zip(samples(baseline)?).map(|(ours, theirs)| ours / theirs))
    }
}

fn median(row: &Row, value: impl Fn(&Sample) -> Option<f64>, show: impl Fn(f64) -> String) -> String {
    Spread::of(row.samples.iter().filter_map(value)).map_or("–".to_owned(), |spread| show(spread.median))
}

fn latency(us: f64) -> String {
    if us < 1000.0 { format!("{us:.0} µs") } else { format!("{:.2} ms", us / 1000.0) }
}

#[cfg(test)]
mod tests;
