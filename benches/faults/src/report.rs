//! The results as two Markdown tables: a short one, and one with all numbers.

use std::fmt::{self, Display, Formatter};

use bench_kit::show;
use faults_bench::fault::{FAULTS, Fault};

use crate::{
    observe::Observed,
    server::{Entry, SERVERS},
};

/// More processors than the healthy requests need.
const BUSY: f64 = 0.5;

/// Shows what was observed.
pub(crate) struct Report<'a> {
    /// Each fault on each server that was asked for.
    pub(crate) cases: &'a [(&'static Entry, &'static Fault, Observed)],
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let faults = || FAULTS.iter().filter(|fault| self.cases.iter().any(|(_, of, _)| of.name == fault.name));
        let titles: Vec<&str> = faults().map(|fault| fault.title).collect();
        writeln!(f, "| a handler … | {} |", titles.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(titles.len()))?;
        for server in &SERVERS {
            let cells: Vec<String> = faults().filter_map(|fault| Some(summary(self.case(server, fault)?))).collect();
            if !cells.is_empty() {
                writeln!(f, "| {} | {} |", server.title, cells.join(" | "))?;
            }
        }
        writeln!(
            f,
            "\n| server | a handler … | its requests got | others answered | failed | stalled | longest silence | \
             processors busy at the end |"
        )?;
        writeln!(f, "|---|---|---|--:|--:|--:|--:|--:|")?;
        self.cases.iter().try_for_each(|(server, fault, seen)| {
            let Observed { answered, failed, stalled, .. } = seen;
            write!(f, "| {} | {} | {} ", server.title, fault.title, runs(&seen.faulty))?;
            writeln!(f, "| {answered} | {failed} | {stalled} | {} | {:.1} |", silence(seen), seen.busy)
        })
    }
}

impl Report<'_> {
    fn case(&self, server: &Entry, fault: &Fault) -> Option<&Observed> {
        let is_it = |(of, with, _): &&(&Entry, &Fault, Observed)| of.name == server.name && with.name == fault.name;
        self.cases.iter().find(is_it).map(|(_, _, seen)| seen)
    }
}

/// Returns the effect on other requests in a few words.
fn summary(seen: &Observed) -> String {
    match seen {
        Observed { is_back: false, .. } => "**the service is gone**".into(),
        Observed { failed: 0, stalled: 0, busy, .. } if *busy > BUSY => {
            format!("no failure, but the loops run on: {busy:.1} processors")
        }
        Observed { failed: 0, stalled: 0, .. } => "nothing".into(),
        Observed { failed, stalled, .. } => {
            let share = 100.0 * *failed as f64 / (failed + seen.answered) as f64;
            let parts = [
                (*failed > 0).then(|| format!("{failed} failed ({share:.1} %)")),
                (*stalled > 0).then(|| format!("{stalled} stalled")),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    }
}

fn silence(seen: &Observed) -> String {
    match seen.is_back {
        true => show::time(seen.silence),
        false => "not back".into(),
    }
}

/// Returns the words, each with its number of repetitions.
fn runs(words: &[String]) -> String {
    let runs = words.chunk_by(|left, right| left == right);
    let texts: Vec<String> =
        runs.map(|run| if run.len() == 1 { run[0].clone() } else { format!("{} × {}", run.len(), run[0]) }).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seen(answered: usize, failed: usize, stalled: usize, is_back: bool) -> Observed {
        Observed { answered, failed, stalled, is_back, silence: Duration::from_millis(25), ..Observed::default() }
    }

    #[test]
    fn a_summary_says_what_others_noticed() {
        let check = |seen: Observed, expected: &str| assert_eq!(summary(&seen), expected);
        check(seen(1000, 0, 0, true), "nothing");
        let spinning = Observed { busy: 1.9, ..seen(1000, 0, 0, true) };
        check(spinning, "no failure, but the loops run on: 1.9 processors");
        check(seen(900, 100, 0, true), "100 failed (10.0 %)");
        check(seen(900, 100, 7, true), "100 failed (10.0 %), 7 stalled");
        check(seen(100, 900, 0, false), "**the service is gone**");
    }

    #[test]
    fn a_case_is_a_cell_and_a_line() {
        let mut observed = seen(1000, 0, 0, true);
        observed.faulty = ["502", "502", "cut off"].map(str::to_owned).to_vec();
        let report = Report { cases: &[(&SERVERS[0], &FAULTS[1], observed)] }.to_string();
        assert!(report.contains("| a handler … | segfaults |\n|---|---|\n| pixie, pool route | nothing |"), "{report}");
        let line = "| pixie, pool route | segfaults | 2 × 502, cut off | 1000 | 0 | 0 | 25.00 ms | 0.0 |";
        assert!(report.contains(line), "{report}");
        assert!(
            report.contains("| longest silence | processors busy at the end |\n|---|---|---|--:|--:|--:|--:|--:|\n"),
            "{report}"
        );
    }
}
