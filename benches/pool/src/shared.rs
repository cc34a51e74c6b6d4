//! Workers with shared data: how long starts, reads and replacements take, and what memory a worker has of
//! its own, with nothing shared and with 1 GiB.

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use bench_kit::{Result, histogram::Histogram, show};
use bytes::Bytes;
use pixie_pool::{Job, Pool, Share, StartMethod, Submission, share, shared};
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

use crate::{args::Args, pooled};

/// The name of this section, for `--only`.
pub(crate) const WHAT: &str = "1 GiB of shared data";
const NAME: &str = "bench";
const BYTES: u64 = 1 << 30;
const REPLACEMENTS: u32 = 5;
/// The head of a job that reads the data.
const LOOK: u8 = b'm';
/// What is known of a worker: the times of its first call, of a second one, and of a sum over all data, in
/// nanoseconds, and its private and proportional memory after that, in KiB.
type Seen = [u64; 5];

/// Measures everything, and returns a table.
pub(crate) fn table(args: &Args) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let file = NamedTempFile::new()?;
    io::copy(&mut io::Read::take(io::repeat(7), BYTES), &mut file.as_file())?;
    let mut table = "| with shared data | nothing | 1 GiB |\n|---|--:|--:|\n".to_owned();
    let mut sides = Vec::new();
    for is_full in [false, true] {
        let what = || if is_full { Share::file(file.path()) } else { Share::bytes("") };
        share(NAME, what())?;
        sides.push(measure(&runtime, args, &what)?);
    }
    let [empty, full] = <[_; 2]>::try_from(sides).map_err(|_| "measure two sides")?;
    for ((what, without), (_, with)) in empty.into_iter().zip(full) {
        writeln!(table, "| {what} | {without} | {with} |")?;
    }
    let read = replacements(|| Ok(fs::read(file.path()).map(drop)?))?;
    writeln!(table, "\nReading the same file into the memory of one process takes {}.", median(&read))?;
    share(NAME, Share::bytes(""))?;
    Ok(table)
}

/// Returns the times of some replacements by 1 GiB, which vary with the memory that the system has at hand.
fn replacements(mut replace: impl FnMut() -> Result<()>) -> Result<Histogram> {
    let mut times = Histogram::default();
    for _ in 0..REPLACEMENTS {
        let begun = Instant::now();
        replace()?;
        times.add(begun.elapsed());
    }
    Ok(times)
}

fn median(times: &Histogram) -> String {
    times.quantile(0.5).map_or_else(|| "–".to_owned(), show::time)
}

fn measure(runtime: &Runtime, args: &Args, what: &dyn Fn() -> Share) -> Result<Vec<(&'static str, String)>> {
    let (mut starts, mut forks) = (Histogram::default(), Histogram::default());
    let forked = runtime.block_on(pooled::start_forked(0..=1, false))?;
    let message = Bytes::from_static(b"hello");
    for _ in 0..args.ends {
        let (pool, time) = runtime.block_on(pooled::start(0))?;
        starts.add(time);
        runtime.block_on(pool.stop(Duration::ZERO));
        forks.add(runtime.block_on(pooled::ask_on_demand(&forked, &message))?);
    }
    runtime.block_on(forked.stop(Duration::ZERO));
    let [executed, copied] = [StartMethod::Exec, StartMethod::Fork].map(|method| runtime.block_on(look(method)));
    let [executed, copied] = [executed?, copied?];
    let nanoseconds = |time| show::time(Duration::from_nanos(time));
    let memory = |seen: Seen| format!("{} KiB, {} KiB", seen[3], seen[4]);
    let replaced = replacements(|| Ok(share(NAME, what()).map(drop)?))?;
    Ok(vec![
        ("start of a pool of one, to READY", median(&starts)),
        ("fork of a worker on demand, to its answer", median(&forks)),
        ("first `shared` of an executed worker", nanoseconds(executed[0])),
        ("first `shared` of a forked worker", nanoseconds(copied[0])),
        ("later `shared` of a worker", nanoseconds(executed[1])),
        ("first read of all data by an executed worker", nanoseconds(executed[2])),
        ("private memory of one of four executed workers that have read the data, and PSS", memory(executed)),
        ("private memory of one of four forked workers that have read the data, and PSS", memory(copied)),
        ("replacement by a file", median(&replaced)),
    ])
}

/// Has four workers read the data at the same time, and returns what one of them has seen, and the mean of
/// their memory.
async fn look(method: StartMethod) -> Result<Seen> {
    let config = Pool::named("shared").size(4).spares(0).args(Vec::new()).start_method(method);
    let pool = config.start(pooled::handler()).await?;
    pooled::complete(&pool, 3).await?;
    // A job of each worker, because each of them runs longer than it takes to send all.
    let jobs: Vec<_> = (0..4).map(|_| tokio::spawn(pool.submit(Submission::new(vec![LOOK])))).collect();
    let mut seen = Seen::default();
    for job in jobs {
        let reply = job.await??.body.collect().await?;
        for (value, bytes) in seen.iter_mut().zip(reply.chunks_exact(8)) {
            *value = u64::from_le_bytes(bytes.try_into()?);
        }
    }
    let pids: Vec<u32> = pool.snapshot().workers.into_iter().filter_map(|worker| worker.pid).collect();
    let mean = |names: &[&str]| -> Result<u64> {
        Ok(pids.iter().map(|pid| kib(*pid, names)).sum::<Result<u64>>()? / pids.len() as u64)
    };
    seen[3] = mean(&["Private_Clean:", "Private_Dirty:"])?;
    seen[4] = mean(&["Pss:"])?;
    pool.stop(Duration::ZERO).await;
    Ok(seen)
}

fn kib(pid: u32, names: &[&str]) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let value = |name: &&str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    Ok(names.iter().filter_map(value).filter_map(|value| value.parse::<u64>().ok()).sum())
}

/// Reads the data, in a worker.
pub(crate) fn read(job: Job) -> io::Result<()> {
    let begun = Instant::now();
    drop(shared(NAME)?);
    let first = begun.elapsed();
    let again = Instant::now();
    let data = shared(NAME)?;
    let second = again.elapsed();
    let reading = Instant::now();
    black_box(data.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    let read = reading.elapsed();
    let times = [first, second, read].map(|time| (time.as_nanos() as u64).to_le_bytes());
    job.reply(b"", &times.concat())
}
