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
    /// The faults per second that were to be sent.
    pub(crate) per_second: f64,
    /// How long all phases with faults took together.
    pub(crate) seconds: f64,
    /// Requests while the capacity was measured.
    pub(crate) warm_up: Tally,
    /// All rounds.
    pub(crate) rounds: Vec<Round>,
    /// What the server used before the first phase and after the last one.
    pub(crate) held: (Sample, Sample),
    /// The server's largest memory at the end of a phase.
    pub(crate) server_bytes_max: u64,
    /// The counts of workers at that moment.
    pub(crate) counts: (Counts, Counts),
}

/// Neighboring phases.
pub(crate) struct Round {
    /// Without faults.
    pub(crate) calm: Tally,
    /// With faults.
    pub(crate) faulty: Tally,
    /// With raw forks in place of the fast faults, as many as these end workers.
    pub(crate) forking: Tally,
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
        self.rounds.iter().flat_map(|round| [&round.calm, &round.faulty, &round.forking]).chain([&self.warm_up])
    }

    fn write_requests(&self, f: &mut Formatter) -> fmt::Result {
        let total: u64 = self.tallies().map(|tally| tally.requests).sum();
        let with_faults: u64 = self.rounds.iter().map(|round| round.faulty.requests).sum();
        let faulty: u64 = self.rounds.iter().map(|round| round.faulty.faulty()).sum();
        let forks: u64 = self.rounds.iter().map(|round| round.forking.faulty()).sum();
        writeln!(f, "{total} requests, {with_faults} of them in phases with faults, {faulty} of these faulty\n")?;
        let share = 100.0 * faulty as f64 / with_faults.max(1) as f64;
        let (wanted, possible) = self.faults;
        let is_limited = self.per_second == possible && possible < wanted;
        let why = if is_limited { "as many as the machine can respawn for" } else { "as asked for" };
        let Capacity { requests, respawns } = self.capacity;
        let (of, sent) = (self.per_second, faulty as f64 / self.seconds);
        writeln!(f, "- faults: {share:.2} % of the requests, {sent:.0} a second of {of:.0} ({why})")?;
        writeln!(f, "- raw forks, in phases without a fault: {:.0} a second", forks as f64 / self.seconds)?;
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
        for Round { faulty, .. } in &self.rounds {
            faulty.faults.iter().for_each(|(name, count)| *all.faults.entry(name).or_default() += count);
        }
        let list: Vec<String> = all.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(f, "- of each sort: {}", list.join(", "))
    }

    fn write_latencies(&self, f: &mut Formatter, with: &str, other: fn(&Round) -> &Tally) -> fmt::Result {
        writeln!(
            f,
            "| route | p50 without | with {with} | ratio | p99 without | with {with} | ratio | longest with |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        for (route, name) in HEALTHY.iter().enumerate() {
            let (mut calm, mut faulty) = (Histogram::default(), Histogram::default());
            for round in &self.rounds {
                calm.merge(&round.calm.latencies[route]);
                faulty.merge(&other(round).latencies[route]);
            }
            write!(f, "| `/{name}` ")?;
            for share in [0.5, 0.99] {
                let time = |all: &Histogram| all.quantile(share).map_or("–".into(), show::time);
                write!(f, "| {} | {} | {} ", time(&calm), time(&faulty), self.ratio(route, share, other))?;
            }
            writeln!(f, "| {} |", show::time(faulty.longest()))?;
        }
        Ok(())
    }

    /// The median over the rounds, so that a slow minute of the machine has no effect.
    fn ratio(&self, route: usize, share: f64, other: fn(&Round) -> &Tally) -> String {
        let seconds = |tally: &Tally| Some(tally.latencies[route].quantile(share)?.as_secs_f64());
        let ratios = self.rounds.iter().filter_map(|round| Some(seconds(other(round))? / seconds(&round.calm)?));
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
        self.write_latencies(f, "faults", |round| &round.faulty)?;
        writeln!(f)?;
        self.write_latencies(f, "raw forks", |round| &round.forking)?;
        writeln!(f)?;
        self.write_held(f)
    }
}
