//! What is measured: each subject is a function that makes a number of calls.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, histogram::Histogram, process::Killed};
use pixie_pool::Pool;
use pixie_store::Store;
use redis::{AsyncTypedCommands, TypedCommands, aio::ConnectionManager};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    servers::{self, echo::Echo},
    worker,
};

/// Callers at the same time, where the number of calls in a second counts.
pub(crate) const CALLERS: u32 = 64;

/// Bytes of a value: a small session.
const VALUE_BYTES: usize = 100;

/// The calls of one subject in one round.
#[derive(Default)]
pub(crate) struct Turn {
    /// How long the calls took.
    pub(crate) latencies: Histogram,
    /// How long all of them took together.
    pub(crate) took: Duration,
}

/// One sort of call.
pub(crate) struct Subject {
    /// What is called, and from where.
    pub(crate) name: &'static str,
    /// The subject that it is compared with, and the target for the ratio of the medians.
    pub(crate) beside: Option<(&'static str, Option<f64>)>,
    run: fn(&mut Bench, u32) -> Result<Turn>,
}

const fn subject(name: &'static str, run: fn(&mut Bench, u32) -> Result<Turn>) -> Subject {
    Subject { name, beside: None, run }
}

const fn compared(
    name: &'static str,
    beside: &'static str,
    target: Option<f64>,
    run: fn(&mut Bench, u32) -> Result<Turn>,
) -> Subject {
    Subject { name, beside: Some((beside, target)), run }
}

/// Every subject, in the order of the report.
pub(crate) const SUBJECTS: [Subject; 25] = [
    subject("local socket, round trip", Bench::round_trips),
    compared("worker, get from memory", "local socket, round trip", Some(1.6), |bench, calls| {
        bench.in_a_worker(Bench::of_memory, "get", calls)
    }),
    compared("worker, add in memory", "local socket, round trip", Some(1.6), |bench, calls| {
        bench.in_a_worker(Bench::of_memory, "add", calls)
    }),
    subject("memory, get", |bench, calls| in_a_thread(calls, || read(&bench.memory))),
    subject("memory, put", |bench, calls| in_a_thread(calls, || Ok(bench.memory.put("value", &bench.value).wait()?))),
    subject("memory, add", |bench, calls| in_a_thread(calls, || add(&bench.memory))),
    subject("memory, get, 64 threads", |bench, calls| by_threads(calls, || read(&bench.memory))),
    subject("memory, add, 64 threads", |bench, calls| by_threads(calls, || add(&bench.memory))),
    subject("file, get", |bench, calls| in_a_thread(calls, || read(&bench.file))),
    subject("file, put", |bench, calls| {
        in_a_thread(calls / 100, || Ok(bench.file.put("value", &bench.value).wait()?))
    }),
    subject("file, add", |bench, calls| in_a_thread(calls / 100, || add(&bench.file))),
    subject("file, add, 64 threads", |bench, calls| by_threads(calls, || add(&bench.file))),
    subject("bare client, get", |bench, calls| bench.in_a_task(calls, Call::BareGet)),
    compared("Redis, get", "bare client, get", Some(1.15), |bench, calls| bench.in_a_task(calls, Call::Get)),
    subject("bare client, set", |bench, calls| bench.in_a_task(calls, Call::BareSet)),
    compared("Redis, put", "bare client, set", Some(1.15), |bench, calls| bench.in_a_task(calls, Call::Put)),
    subject("bare client, incr", |bench, calls| bench.in_a_task(calls, Call::BareIncr)),
    compared("Redis, add", "bare client, incr", Some(1.15), |bench, calls| bench.in_a_task(calls, Call::Add)),
    subject("bare blocking client, get", |bench, calls| {
        let mut connection = bench.client.get_connection()?;
        in_a_thread(calls, || {
            connection.get("pixie:value")?;
            Ok(())
        })
    }),
    compared("Redis, get, wait", "bare blocking client, get", None, |bench, calls| {
        in_a_thread(calls, || read(&bench.redis))
    }),
    compared("worker, get from Redis", "bare blocking client, get", None, |bench, calls| {
        bench.in_a_worker(Bench::of_redis, "get", calls)
    }),
    compared("worker, add in Redis", "bare blocking client, get", None, |bench, calls| {
        bench.in_a_worker(Bench::of_redis, "add", calls)
    }),
    subject("bare client, incr, 64 tasks", |bench, calls| bench.by_tasks(calls, Call::BareIncr)),
    compared("Redis, add, 64 tasks", "bare client, incr, 64 tasks", Some(1.15), |bench, calls| {
        bench.by_tasks(calls, Call::Add)
    }),
    subject("Redis, add, 64 threads, wait", |bench, calls| by_threads(calls, || add(&bench.redis))),
];

/// What a task calls.
#[derive(Clone)]
struct Remote {
    store: Store,
    manager: ConnectionManager,
    value: Arc<str>,
    /// The value as a store writes it.
    json: Arc<str>,
}

/// A call of a task.
#[derive(Clone, Copy)]
enum Call {
    BareGet,
    BareSet,
    BareIncr,
    Get,
    Put,
    Add,
}

impl Remote {
    async fn call(&mut self, call: Call) -> Result<()> {
        match call {
            Call::BareGet => drop(self.manager.get("pixie:value").await?),
            Call::BareSet => self.manager.set("pixie:value", &*self.json).await?,
            Call::BareIncr => drop(self.manager.incr("pixie:sum", 1).await?.to_string()),
            Call::Get => drop(self.store.get::<String>("value").await?),
            Call::Put => self.store.put("value", &*self.value).await?,
            Call::Add => drop(self.store.add("sum", 1).await?.to_string()),
        }
        Ok(())
    }

    /// Calls one after the other.
    async fn calls(mut self, call: Call, calls: u32) -> Result<Turn> {
        let (mut turn, start) = (Turn::default(), Instant::now());
        for _ in 0..calls {
            let start = Instant::now();
            self.call(call).await?;
            turn.latencies.add(start.elapsed());
        }
        Ok(Turn { took: start.elapsed(), ..turn })
    }
}

fn read(store: &Store) -> Result<()> {
    store.get::<String>("value").wait()?;
    Ok(())
}

fn add(store: &Store) -> Result<()> {
    store.add("sum", 1).wait()?;
    Ok(())
}

/// All stores, clients and servers.
pub(crate) struct Bench {
    memory: Store,
    file: Store,
    redis: Store,
    client: redis::Client,
    remote: Remote,
    echo: Echo,
    value: String,
    /// Each has one worker, whose jobs use a store.
    pool_of_memory: Pool,
    pool_of_redis: Pool,
    runtime: Runtime,
    _server: Killed,
    _folder: TempDir,
}

impl Bench {
    pub(crate) fn start() -> Result<Bench> {
        // Beside the program, because the folder for temporary files may be in memory.
        let folder = tempfile::tempdir_in(std::env::current_exe()?.parent().ok_or("the program is in a folder")?)?;
        let (server, address) = servers::redis(folder.path())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let client = redis::Client::open(address.as_str())?;
        let manager = runtime.block_on(ConnectionManager::new(client.clone()))?;
        let file = Store::open(&format!("redb:{}", folder.path().join("store.redb").display()))?;
        let (memory, redis) = (Store::memory(), Store::open(&address)?);
        runtime.block_on(async { redis.attach() });
        let value = "x".repeat(VALUE_BYTES - 2);
        for store in [&memory, &file, &redis] {
            store.put("value", &value).wait()?;
        }
        let json = format!("\"{value}\"").into();
        let remote = Remote { store: redis.clone(), manager, value: value.as_str().into(), json };
        let echo = Echo::start(folder.path())?;
        let pool_of_memory = runtime.block_on(worker::start(&memory))?;
        let pool_of_redis = runtime.block_on(worker::start(&redis))?;
        Ok(Bench {
            memory,
            file,
            redis,
            client,
            remote,
            echo,
            value,
            pool_of_memory,
            pool_of_redis,
            runtime,
            _server: server,
            _folder: folder,
        })
    }

    pub(crate) fn turn(&mut self, subject: &Subject, calls: u32) -> Result<Turn> {
        (subject.run)(self, calls)
    }

    fn round_trips(&mut self, calls: u32) -> Result<Turn> {
        let mut bytes = [b'x'; VALUE_BYTES];
        in_a_thread(calls, || Ok(self.echo.round_trip(&mut bytes)?))
    }

    fn of_memory(&self) -> &Pool {
        &self.pool_of_memory
    }

    fn of_redis(&self) -> &Pool {
        &self.pool_of_redis
    }

    /// Calls one after the other, in one job of the worker.
    fn in_a_worker(&self, pool: fn(&Bench) -> &Pool, call: &'static str, calls: u32) -> Result<Turn> {
        let (mut turn, start) = (Turn::default(), Instant::now());
        for time in self.runtime.block_on(worker::ask(pool(self), call, calls))? {
            turn.latencies.add(Duration::from_nanos(time));
        }
        Ok(Turn { took: start.elapsed(), ..turn })
    }

    /// Calls one after the other, in a task of a runtime with several threads.
    fn in_a_task(&self, calls: u32, call: Call) -> Result<Turn> {
        self.runtime.block_on(self.runtime.spawn(self.remote.clone().calls(call, calls)))?
    }

    fn by_tasks(&self, calls: u32, call: Call) -> Result<Turn> {
        let start = Instant::now();
        let spawn = |_| self.runtime.spawn(self.remote.clone().calls(call, calls / CALLERS));
        let tasks: Vec<_> = (0..CALLERS).map(spawn).collect();
        let mut all = Turn::default();
        for task in tasks {
            all.latencies.merge(&self.runtime.block_on(task)??.latencies);
        }
        Ok(Turn { took: start.elapsed(), ..all })
    }
}

/// Calls one after the other, on this thread.
fn in_a_thread(calls: u32, mut call: impl FnMut() -> Result<()>) -> Result<Turn> {
    let (mut turn, start) = (Turn::default(), Instant::now());
    for _ in 0..calls {
        let start = Instant::now();
        call()?;
        turn.latencies.add(start.elapsed());
    }
    Ok(Turn { took: start.elapsed(), ..turn })
}

fn by_threads(calls: u32, call: impl Fn() -> Result<()> + Sync) -> Result<Turn> {
    let start = Instant::now();
    let turns = thread::scope(|scope| {
        let work = |_| scope.spawn(|| in_a_thread(calls / CALLERS, &call));
        let threads: Vec<_> = (0..CALLERS).map(work).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>>>()
    })?;
    let mut all = Turn { took: start.elapsed(), ..Turn::default() };
    turns.iter().for_each(|turn| all.latencies.merge(&turn.latencies));
    Ok(all)
}
