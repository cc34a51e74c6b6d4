//! The results as text and Markdown tables, and whether all checks passed.

use std::fmt::{self, Display, Formatter};

use bench_kit::{complaints::Complaints, histogram::Histogram, show, spread::Spread};

use crate::{
    capacity::Capacity,
    server::{Counts, Sample},
    tally::{HEALTHY, Tally},
};

/// How much the memory may differ between two idle moments. Allocators keep memory from the peak.
const MEMORY_SLACK: (f64, u64) = (1.25, 16 * 1024 * 1024);

/// All results.
pub(crate) struct Report {
    /// What the machine can serve.
    pub(crate) capacity: Capacity,
    /// The wanted faults per second, and those for which the machine can start workers.
    pub(crate) faults: (f64, f64),
    /// Requests while the capacity was measured.
    pub(crate) warm_up: Tally,
    /// Each pair of phases: without and with faults.
    pub(crate) pairs: Vec<(Tally, Tally)>,
    /// What the server used before the first phase and after the last one.
    pub(crate) held: (Sample, Sample),
    /// The server's largest memory at the end of a phase.
    pub(crate) server_bytes_max: u64,
    /// The counts of workers at that moment.
    pub(crate) counts: (Counts, Counts),
}

impl Report {
    /// Returns each failed check as text.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for (name, complaints) in self.complaints() {
            if complaints.0 > 0 {
                failures.push(format!("{} {name}:\n    {}", complaints.0, complaints.1.join("\n    ")));
            }
        }
        let (before, after) = self.held;
        let mut grown = |what: &str, before: u64, after: u64, limit: u64| {
            if after > limit {
                failures.push(format!("{what} were left behind: {after} after {before}"));
            }
        };
        let memory = |bytes: u64| (bytes as f64 * MEMORY_SLACK.0) as u64 + MEMORY_SLACK.1;
        for (what, before, after) in [
            ("descriptors", before.descriptors, after.descriptors),
            ("workers", before.workers, after.workers),
            ("files", before.files, after.files),
            ("zombies", 0, after.zombies),
        ] {
            grown(what, before as u64, after as u64, before as u64);
        }
        grown("bytes of the server", before.server_bytes, after.server_bytes, memory(before.server_bytes));
        grown("bytes of the workers", before.worker_bytes, after.worker_bytes, memory(before.worker_bytes));
        if after.workers < before.workers {
            failures.push(format!("workers were not replaced: {} after {}", after.workers, before.workers));
        }
        failures
    }

    fn complaints(&self) -> [(&'static str, (u64, Vec<&str>)); 3] {
        let gather = |of: fn(&Tally) -> &Complaints| {
            let complaints = || self.tallies().map(of);
            let examples = complaints().flat_map(|complaints| &complaints.examples).map(String::as_str);
            (complaints().map(|complaints| complaints.count).sum(), examples.take(10).collect())
        };
        [
            ("wrong answers", gather(|tally| &tally.wrong)),
            ("lost answers", gather(|tally| &tally.lost)),
            ("refused requests (503)", gather(|tally| &tally.refused)),
        ]
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.pairs.iter().flat_map(|(calm, faulty)| [calm, faulty]).chain([&self.warm_up])
    }

    fn write_requests(&self, f: &mut Formatter) -> fmt::Result {
        let total: u64 = self.tallies().map(|tally| tally.requests).sum();
        let with_faults: u64 = self.pairs.iter().map(|(_, faulty)| faulty.requests).sum();
        let faulty: u64 = self.pairs.iter().map(|(_, faulty)| faulty.faulty()).sum();
        writeln!(f, "{total} requests, {with_faults} of them in phases with faults, {faulty} of these faulty\n")?;
        let share = 100.0 * faulty as f64 / with_faults.max(1) as f64;
        let (wanted, possible) = self.faults;
        let why = match wanted <= possible {
            true => format!("as asked for: {wanted:.0} a second"),
            false => format!("as many as the machine can respawn for: {possible:.0} a second instead of {wanted:.0}"),
        };
        let Capacity { requests, respawns } = self.capacity;
        writeln!(f, "- faults: {share:.2} % of the requests, {why}")?;
        writeln!(f, "- the machine by itself: {requests:.0} requests/s without faults, {respawns:.0} respawns/s")?;
        for (name, (count, _)) in self.complaints() {
            writeln!(f, "- {name}: {count}")?;
        }
        let (before, after) = self.counts;
        writeln!(
            f,
            "- workers: {} exited by themselves, {} were killed, {} replaced; {} starts failed; {} jobs repeated",
            after.exited - before.exited,
            after.killed - before.killed,
            after.restarts - before.restarts,
            after.start_failures - before.start_failures,
            after.retries - before.retries,
        )
    }

    fn write_faults(&self, f: &mut Formatter) -> fmt::Result {
        let mut all = Tally::default();
        for (_, faulty) in &self.pairs {
            faulty.faults.iter().for_each(|(name, count)| *all.faults.entry(name).or_default() += count);
        }
        let list: Vec<String> = all.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(f, "- of each sort: {}", list.join(", "))
    }

    fn write_latencies(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(
            f,
            "| route | p50 without | with faults | ratio | p99 without | with faults | ratio | longest with |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for (route, name) in HEALTHY.iter().enumerate() {
            let (mut calm, mut faulty) = (Histogram::default(), Histogram::default());
            for pair in &self.pairs {
                calm.merge(&pair.0.latencies[route]);
                faulty.merge(&pair.1.latencies[route]);
            }
            write!(f, "| `/{name}` ")?;
            for share in [0.5, 0.99] {
                let time = |all: &Histogram| all.quantile(share).map_or("–".into(), show::time);
                write!(f, "| {} | {} | {} ", time(&calm), time(&faulty), self.ratio(route, share))?;
            }
            writeln!(f, "| {} |", show::time(faulty.longest()))?;
        }
        Ok(())
    }

    /// The median over the pairs of phases, so that a slow minute of the machine has no effect.
    fn ratio(&self, route: usize, share: f64) -> String {
        let seconds = |tally: &Tally| Some(tally.latencies[route].quantile(share)?.as_secs_f64());
        let ratios = self.pairs.iter().filter_map(|(calm, faulty)| Some(seconds(faulty)? / seconds(calm)?));
        match Spread::of(ratios) {
            Some(Spread { low, median, high }) => format!("{median:.2} ({low:.2} to {high:.2})"),
            None => "–".into(),
        }
    }

    fn write_held(&self, f: &mut Formatter) -> fmt::Result {
        let (before, after) = self.held;
        writeln!(f, "| at rest | before | after |\n|---|--:|--:|")?;
        for (what, before, after) in [
            ("descriptors of the server", before.descriptors, after.descriptors),
            ("workers", before.workers, after.workers),
            ("zombies", before.zombies, after.zombies),
            ("sockets and other files", before.files, after.files),
        ] {
            writeln!(f, "| {what} | {before} | {after} |")?;
        }
        let mut memory =
            |what, before, after| writeln!(f, "| {what} | {} | {} |", show::mebibytes(before), show::mebibytes(after));
        memory("memory of the server", before.server_bytes, after.server_bytes)?;
        memory("memory of all workers", before.worker_bytes, after.worker_bytes)?;
        writeln!(f, "\nThe server's largest memory at the end of a phase: {}", show::mebibytes(self.server_bytes_max))
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        self.write_requests(f)?;
        self.write_faults(f)?;
        writeln!(f)?;
        self.write_latencies(f)?;
        writeln!(f)?;
        self.write_held(f)
    }
}
