//! The results as Markdown tables, and the last line.

use std::fmt::{self, Display, Formatter};

use bench_kit::{complaints::Complaints, show};

use crate::tally::Tally;

/// One row: a phase with its results.
pub(crate) struct Row {
    /// The name of the phase.
    pub(crate) name: &'static str,
    /// What the fault reported.
    pub(crate) note: String,
    /// What the visitors got.
    pub(crate) tally: Tally,
}

/// All results.
#[derive(Default)]
pub(crate) struct Report {
    /// The phases.
    pub(crate) rows: Vec<Row>,
    /// Worker hosts, and answers per second with so many.
    pub(crate) throughput: Vec<(usize, f64)>,
    /// POSTs without an answer that have run, and those that have not.
    pub(crate) unknown_posts: (u64, u64),
    /// POSTs that ran twice, as the handlers counted them.
    pub(crate) doubled: u64,
    /// How often the balancer has sent a request again.
    pub(crate) retries: u64,
}

impl Report {
    /// Returns whether all promises were kept.
    pub(crate) fn is_good(&self) -> bool {
        self.sum(|tally| &tally.wrong) + self.doubled() + self.sum(|tally| &tally.lost) == 0
    }

    fn doubled(&self) -> u64 {
        // The handlers see all of them, the visitors those whose answer arrived.
        self.doubled.max(self.sum(|tally| &tally.doubled))
    }

    fn sum(&self, of: fn(&Tally) -> &Complaints) -> u64 {
        self.rows.iter().map(|row| of(&row.tally).count).sum()
    }

    fn write_phases(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "| phase | requests | wrong | lost | POSTs cut | refused | other | p50 | p99 | longest |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for Row { name, tally, .. } in &self.rows {
            let time = |share| tally.latencies.quantile(share).map_or("–".into(), show::time);
            write!(f, "| {name} | {} ", tally.requests)?;
            let wrong = tally.wrong.count + tally.doubled.count;
            for count in [wrong, tally.lost.count, tally.cut.count, tally.refused.count, tally.failed.count] {
                write!(f, "| {count} ")?;
            }
            writeln!(f, "| {} | {} | {} |", time(0.5), time(0.99), show::time(tally.latencies.longest()))?;
        }
        Ok(())
    }

    fn write_notes(&self, f: &mut Formatter) -> fmt::Result {
        for Row { name, note, tally } in &self.rows {
            let places: Vec<String> = tally.places.iter().map(|(place, count)| format!("{place} {count}")).collect();
            let note = if note.is_empty() { String::new() } else { format!("{note}; ") };
            writeln!(f, "- {name}: {note}{}", places.join(", "))?;
            for (what, all) in [
                ("wrong", &tally.wrong),
                ("doubled", &tally.doubled),
                ("lost", &tally.lost),
                ("cut", &tally.cut),
                ("refused", &tally.refused),
                ("other", &tally.failed),
            ] {
                if all.count > 0 {
                    writeln!(f, "  - {what} {}: {}", all.count, all.examples.join("; "))?;
                }
            }
        }
        let crossed: u64 = self.rows.iter().map(|row| row.tally.crossed).sum();
        writeln!(f, "- messages that were published on another host than that of their subscriber: {crossed}")?;
        let (ran, not) = self.unknown_posts;
        writeln!(f, "- POSTs without an answer: {ran} had run once, {not} had not run")?;
        writeln!(f, "- requests that the balancer sent again: {}", self.retries)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        if !self.rows.is_empty() {
            self.write_phases(f)?;
            writeln!(f)?;
            self.write_notes(f)?;
            writeln!(f)?;
        }
        if !self.throughput.is_empty() {
            writeln!(f, "| worker hosts | answers per second |\n|--:|--:|")?;
            for (hosts, rate) in &self.throughput {
                writeln!(f, "| {hosts} | {rate:.0} |")?;
            }
            writeln!(f)?;
        }
        let sum = |of| self.sum(of);
        write!(f, "wrong {}, doubled {}, lost {}, ", sum(|t| &t.wrong), self.doubled(), sum(|t| &t.lost))?;
        write!(f, "cut {}, refused {}, other {}", sum(|t| &t.cut), sum(|t| &t.refused), sum(|t| &t.failed))
    }
}
