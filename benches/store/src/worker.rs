//! The store as a job of a worker uses it: through the pool's socket, from the main process.

use std::{io, sync::Arc, time::Instant};

use bench_kit::Result;
use bytes::Bytes;
use pixie_pool::{Handler, Job, Pool, Submission};
use pixie_store::{Gate, Store};

/// Returns the handler of the workers.
pub(crate) fn handler() -> Handler {
    Arc::new(|job: Job| {
        let outcome = calls(job);
        // If a reply cannot be sent, the caller is gone.
        drop(outcome);
    })
}

/// Reads or adds as often as the body has bytes. Replies with the nanoseconds that each call took.
fn calls(mut job: Job) -> io::Result<()> {
    let (caller, adds) = (job.caller(), job.head() == b"add");
    let store = Store::remote(Arc::new(move |asked| Ok(caller.call(asked)?.to_vec())));
    let count = io::copy(job.body(), &mut io::sink())?;
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        let called = match adds {
            true => store.add("sum", 1).wait().map(drop),
            false => store.get::<String>("value").wait().map(drop),
        };
        called.map_err(io::Error::other)?;
        times.extend_from_slice(&(start.elapsed().as_nanos() as u64).to_le_bytes());
    }
    job.reply(b"", &times)
}

/// Starts a pool with one worker, whose jobs use this store.
pub(crate) async fn start(store: &Store) -> Result<Pool> {
    let config = Pool::named("bench").size(1).args(Vec::new());
    let gate = Arc::new(Gate::new(store.clone(), config.store_grants()));
    let config = config.calls(move |asked: Bytes| {
        let answer = gate.answer(&asked);
        async move { Bytes::from(answer.await) }
    });
    Ok(config.start(handler()).await?)
}

/// Lets the worker call so often. Returns how many nanoseconds each call took.
pub(crate) async fn ask(pool: &Pool, call: &'static str, count: u32) -> Result<Vec<u64>> {
    let reply = pool.submit(Submission::new(call).body(vec![0; count as usize])).await?;
    let times = reply.body.collect().await?;
    Ok(times.as_chunks().0.iter().map(|time| u64::from_le_bytes(*time)).collect())
}
