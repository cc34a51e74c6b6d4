//! The comparisons: in each round, the primitive and the pool in turn.
//!
//! A list of comparisons, each a function of one round. Every second round runs them in reverse order, so
//! that a temporary disturbance affects all of them.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use bench_kit::{Result, histogram::Histogram, system};
use bytes::Bytes;
use pixie_pool::{Pool, StartMethod};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    args::Args,
    pooled,
    raw::{self, Peer},
    web::Web,
};

/// The deadline that jobs miss.
pub(crate) const DEADLINE: Duration = Duration::from_millis(50);
/// Bodies in each round.
const BODIES: u32 = 3;
/// Round trips in a row before the other side runs.
const TURN_TRIPS: u32 = 200;

/// One comparison.
pub(crate) struct Comparison {
    /// What the pool does.
    pub(crate) what: &'static str,
    /// What it is compared with.
    pub(crate) beside: &'static str,
    /// Its target.
    pub(crate) target: Target,
    run: fn(&mut Bench) -> Result<Round>,
}

/// The target of a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At most this many times the raw primitive, at the median and at the 99th percentile.
    Both(f64),
    /// At most this many times the raw primitive, at the median.
    Median(f64),
    /// At most this long at the median.
    Time(Duration),
    /// No target.
    None,
}

/// Every comparison, in the order of the report.
pub(crate) const COMPARISONS: [Comparison; 16] = [
    Comparison {
        what: "round trip, 64 B",
        beside: "echo on a local socket",
        target: Target::Both(2.0),
        run: |bench| bench.round_trips(64, Part::Head),
    },
    Comparison {
        what: "round trip, 4 KiB",
        beside: "echo on a local socket",
        target: Target::Both(2.0),
        run: |bench| bench.round_trips(4096, Part::Head),
    },
    Comparison {
        what: "round trip, 4 KiB as a body",
        beside: "echo on a local socket",
        target: Target::None,
        run: |bench| bench.round_trips(4096, Part::Body),
    },
    Comparison {
        what: "call from a worker, 64 B",
        beside: "echo on a local socket",
        target: Target::Median(1.6),
        run: |bench| bench.calls(64),
    },
    Comparison {
        what: "16 MiB to a worker",
        beside: "copy through a local socket",
        target: Target::Median(1.0 / 0.75),
        run: Bench::bodies_to,
    },
    Comparison {
        what: "16 MiB from a worker",
        beside: "copy through a local socket",
        target: Target::Median(1.0 / 0.75),
        run: Bench::bodies_from,
    },
    Comparison {
        what: "256 MiB to a pool route, over HTTP",
        beside: "to a thread route",
        target: Target::Median(1.0 / 0.7),
        run: |bench| bench.exchanges(|web, target| web.upload(target), ["/thread", "/pool"]),
    },
    Comparison {
        what: "256 MiB from a stream route, over HTTP",
        beside: "from an async route",
        target: Target::None,
        run: |bench| bench.exchanges(|web, target| web.download(target), ["/async", "/stream"]),
    },
    Comparison {
        what: "start of a pool of one, to READY",
        beside: "spawn of this program, its exit, wait",
        target: Target::Median(1.5),
        run: Bench::starts,
    },
    Comparison {
        what: "kill of a worker to the next answer, no spare",
        beside: "spawn of this program, its exit, wait",
        target: Target::None,
        run: |bench| bench.kills(0),
    },
    Comparison {
        what: "kill of a worker to the next answer, one spare",
        beside: "echo on a local socket",
        target: Target::None,
        run: |bench| bench.kills(1),
    },
    Comparison {
        what: "fork of a worker on demand, to its answer",
        beside: "fork of a small process, its answer, wait",
        target: Target::None,
        run: Bench::forks,
    },
    Comparison {
        what: "kill of a forked worker to the next answer, no spare",
        beside: "fork of a small process, its answer, wait",
        target: Target::None,
        run: Bench::forked_kills,
    },
    Comparison {
        what: "fresh jobs from four tasks, time for each",
        beside: "two loops that fork for each message",
        target: Target::Median(1.5),
        run: Bench::fresh,
    },
    Comparison {
        what: "answer after a missed deadline of 50 ms",
        beside: "lateness of a sleep of the runtime",
        target: Target::Time(Duration::from_millis(5)),
        run: Bench::deadlines,
    },
    Comparison {
        what: "504 after a missed deadline of 50 ms, over HTTP",
        beside: "lateness of a sleep of the runtime",
        target: Target::Time(Duration::from_millis(5)),
        run: Bench::deadlines_of_web,
    },
];

/// What one round of one comparison measured.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// The raw primitive.
    pub(crate) raw: Histogram,
    /// The pool.
    pub(crate) pool: Histogram,
}

/// How often the two sides of a round trip ran on different processors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crossings {
    /// Number of samples.
    pub(crate) looks: u32,
    /// Samples with two processors.
    pub(crate) apart: u32,
}

/// All measurements with one assignment of processors.
#[derive(Default)]
pub(crate) struct Measured {
    /// The rounds of each comparison.
    pub(crate) rounds: Vec<Vec<Round>>,
    /// The processor of the echo.
    pub(crate) raw: Crossings,
    /// The processor of the pool's worker.
    pub(crate) pool: Crossings,
    /// The proportional memory of an executed and of a forked worker, in KiB.
    pub(crate) memory: [u64; 2],
}

/// The way of a message.
#[derive(Clone, Copy)]
enum Part {
    Head,
    Body,
}

/// The processes that take part.
struct Bench {
    args: Args,
    runtime: Runtime,
    echo: Peer,
    sink: Peer,
    source: Peer,
    /// Each forks for each message.
    forks: [Peer; 2],
    /// One that stays for a job or two, and one whose workers have one job each.
    forked: [Pool; 2],
    /// One worker without a spare, and one with.
    pools: [Pool; 2],
    web: Web,
    seen: (Crossings, Crossings),
}

/// Measures everything with the processors that this thread may use.
pub(crate) fn all(args: &Args) -> Result<Measured> {
    let folder = TempDir::new()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let start = |role| Peer::start(role, folder.path());
    let (echo, sink, source) = (start("echo")?, start("sink")?, start("source")?);
    let pools = [runtime.block_on(pooled::start(0))?.0, runtime.block_on(pooled::start(1))?.0];
    let forks = [start("fork")?, start("fork")?];
    let forked =
        [runtime.block_on(pooled::start_forked(0..=1, false))?, runtime.block_on(pooled::start_forked(2, true))?];
    let memory = [StartMethod::Exec, StartMethod::Fork].map(|method| runtime.block_on(pooled::memory(method)));
    let [executed, shared] = memory;
    let memory = [executed?, shared?];
    let (args, web, seen) = (args.clone(), Web::start()?, Default::default());
    let mut bench = Bench { args, runtime, echo, sink, source, forks, forked, pools, web, seen };
    let mut rounds: Vec<Vec<Round>> = COMPARISONS.iter().map(|_| Vec::new()).collect();
    for round in 0..bench.args.rounds {
        let named = |index: &usize| COMPARISONS[*index].what.contains(&bench.args.only);
        let mut order: Vec<usize> = (0..COMPARISONS.len()).filter(named).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            let Comparison { what, run, .. } = COMPARISONS[index];
            rounds[index].push(run(&mut bench).map_err(|error| format!("measure {what}: {error}"))?);
        }
    }
    let Bench { runtime, pools, forked, seen, .. } = bench;
    for pool in pools.into_iter().chain(forked) {
        runtime.block_on(pool.stop(Duration::from_secs(1)));
    }
    Ok(Measured { rounds, raw: seen.0, pool: seen.1, memory })
}

impl Bench {
    fn round_trips(&mut self, bytes: usize, part: Part) -> Result<Round> {
        let mut round = Round::default();
        let message: Bytes = vec![b'x'; bytes].into();
        let mut back = vec![0; bytes];
        let mut left = self.args.trips;
        while left > 0 {
            let trips = left.min(TURN_TRIPS);
            left -= trips;
            for _ in 0..trips {
                round.raw.add(self.echo.round_trip(&message, &mut back)?);
            }
            self.seen.0.look(self.echo.pid());
            let (pool, message) = (self.pools[0].clone(), message.clone());
            let (times, seen) = self.in_task(pooled_trips(pool, message, part, trips))?;
            round.pool.merge(&times);
            self.seen.1.add(seen);
        }
        Ok(round)
    }

    fn calls(&mut self, bytes: usize) -> Result<Round> {
        let mut round = Round::default();
        let message: Bytes = vec![b'c'; bytes].into();
        let mut back = vec![0; bytes];
        for _ in 0..self.args.trips.div_ceil(TURN_TRIPS) {
            for _ in 0..TURN_TRIPS {
                round.raw.add(self.echo.round_trip(&message, &mut back)?);
            }
            let (pool, message) = (self.pools[0].clone(), message.clone());
            let times = self.in_task(async move { pooled::calls(&pool, message, TURN_TRIPS).await })?;
            times.into_iter().for_each(|time| round.pool.add(time));
        }
        Ok(round)
    }

    fn bodies_to(&mut self) -> Result<Round> {
        let mut round = Round::default();
        for _ in 0..BODIES {
            round.raw.add(self.sink.send_body()?);
            let pool = self.pools[0].clone();
            round.pool.add(self.in_task(async move { pooled::send_body(&pool).await })?);
        }
        Ok(round)
    }

    fn bodies_from(&mut self) -> Result<Round> {
        let mut round = Round::default();
        for _ in 0..BODIES {
            round.raw.add(self.source.fetch_body()?);
            let pool = self.pools[0].clone();
            round.pool.add(self.in_task(async move { pooled::fetch_body(&pool).await })?);
        }
        Ok(round)
    }

    fn exchanges(&mut self, exchange: fn(&Web, &str) -> Result<Duration>, targets: [&str; 2]) -> Result<Round> {
        let mut round = Round::default();
        for _ in 0..BODIES {
            round.raw.add(exchange(&self.web, targets[0])?);
            round.pool.add(exchange(&self.web, targets[1])?);
        }
        Ok(round)
    }

    fn starts(&mut self) -> Result<Round> {
        let mut round = Round::default();
        for _ in 0..self.args.ends {
            round.raw.add(raw::start_and_wait()?);
            let (pool, time) = self.in_task(pooled::start(0))?;
            round.pool.add(time);
            self.runtime.block_on(pool.stop(Duration::from_secs(1)));
        }
        Ok(round)
    }

    fn kills(&mut self, spares: usize) -> Result<Round> {
        let mut round = Round::default();
        let message = Bytes::from_static(&[b'x'; 64]);
        for _ in 0..self.args.ends {
            round.raw.add(match spares {
                0 => raw::start_and_wait()?,
                _ => self.echo.round_trip(&message, &mut [0; 64])?,
            });
            let (pool, message) = (self.pools[spares].clone(), message.clone());
            round.pool.add(self.in_task(async move { pooled::kill_and_ask(&pool, spares, &message).await })?);
        }
        Ok(round)
    }

    fn forks(&mut self) -> Result<Round> {
        let mut round = Round::default();
        let message = Bytes::from_static(&[b'x'; 64]);
        for _ in 0..self.args.ends {
            round.raw.add(self.forks[0].round_trip(&message, &mut [0; 64])?);
            let (pool, message) = (self.forked[0].clone(), message.clone());
            round.pool.add(self.in_task(async move { pooled::ask_on_demand(&pool, &message).await })?);
        }
        Ok(round)
    }

    fn forked_kills(&mut self) -> Result<Round> {
        let mut round = Round::default();
        let message = Bytes::from_static(&[b'x'; 64]);
        let pool = self.runtime.block_on(pooled::start_forked(1, false))?;
        for _ in 0..self.args.ends {
            round.raw.add(self.forks[0].round_trip(&message, &mut [0; 64])?);
            let (pool, message) = (pool.clone(), message.clone());
            round.pool.add(self.in_task(async move { pooled::kill_and_ask(&pool, 0, &message).await })?);
        }
        self.runtime.block_on(pool.stop(Duration::from_secs(1)));
        Ok(round)
    }

    fn fresh(&mut self) -> Result<Round> {
        let (mut round, jobs) = (Round::default(), self.args.trips);
        let message = Bytes::from_static(&[b'x'; 64]);
        let start = Instant::now();
        std::thread::scope(|scope| {
            let loops = self.forks.each_mut().map(|peer| {
                let message = &message;
                scope.spawn(move || (0..jobs / 2).try_for_each(|_| peer.round_trip(message, &mut [0; 64]).map(drop)))
            });
            loops.into_iter().try_for_each(|ended| ended.join().map_err(|_| "a loop has panicked")?.map_err(Box::from))
        })
        .map_err(|error: Box<dyn std::error::Error + Send + Sync>| error)?;
        round.raw.add(start.elapsed() / jobs);
        let (pool, message) = (self.forked[1].clone(), message.clone());
        round.pool.add(self.in_task(async move { pooled::sustained(&pool, &message, jobs).await })?);
        Ok(round)
    }

    fn deadlines(&mut self) -> Result<Round> {
        let mut round = Round::default();
        for _ in 0..self.args.ends {
            round.raw.add(self.sleep()?);
            let pool = self.pools[1].clone();
            round.pool.add(self.in_task(async move { pooled::miss_deadline(&pool, DEADLINE).await })?);
        }
        Ok(round)
    }

    fn deadlines_of_web(&mut self) -> Result<Round> {
        let mut round = Round::default();
        for _ in 0..self.args.ends {
            round.raw.add(self.sleep()?);
            round.pool.add(self.web.miss_deadline()?);
        }
        Ok(round)
    }

    /// Returns the delay of the runtime's timer.
    fn sleep(&self) -> Result<Duration> {
        self.in_task(async {
            let start = Instant::now();
            tokio::time::sleep(DEADLINE).await;
            Ok(start.elapsed().saturating_sub(DEADLINE))
        })
    }

    /// Runs a future where a server's requests run: in a task on a thread of the runtime.
    fn in_task<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.runtime.block_on(self.runtime.spawn(work))?
    }
}

async fn pooled_trips(pool: Pool, message: Bytes, part: Part, trips: u32) -> Result<(Histogram, Crossings)> {
    let (mut times, mut seen) = (Histogram::default(), Crossings::default());
    for trip in 1..=trips {
        let (time, pid) = match part {
            Part::Head => pooled::round_trip_head(&pool, &message).await?,
            Part::Body => pooled::round_trip_body(&pool, &message).await?,
        };
        times.add(time);
        if trip == trips {
            seen.look(pid);
        }
    }
    Ok((times, seen))
}

impl Crossings {
    fn look(&mut self, peer: u32) {
        let ours = rustix::thread::sched_getcpu();
        if let Some(process) = system::process(peer) {
            self.looks += 1;
            self.apart += u32::from(process.processor as usize != ours);
        }
    }

    fn add(&mut self, other: Crossings) {
        self.looks += other.looks;
        self.apart += other.apart;
    }
}
