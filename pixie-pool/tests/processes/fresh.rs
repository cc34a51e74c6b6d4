//! Fresh pools: each job has a process of its own, and what a job leaves reaches no other one.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    sync::Mutex,
    time::Duration,
};

use pixie_pool::{Config, Error, Pool, Sandbox, Size, StartMethod};

use crate::{
    Test,
    setup::{ask, children, config, job, job_with, pool, refusal, text, until},
};

pub(crate) const TESTS: &[Test] = &[
    ("each_job_of_a_fresh_pool_has_a_process_of_its_own", || Box::pin(own_processes())),
    ("nothing_that_a_job_leaves_reaches_the_next_one_in_a_fresh_pool", || Box::pin(nothing_left())),
    ("what_a_job_leaves_reaches_the_next_one_in_other_pools", || Box::pin(all_is_left())),
    ("a_fresh_pool_has_spare_workers_before_they_are_needed", || Box::pin(spares())),
    ("a_fresh_pool_streams_kills_cancels_and_retries_as_others", || Box::pin(as_others())),
    ("a_fresh_pool_on_threads_is_refused", || Box::pin(on_threads())),
];

fn fresh(size: impl Into<Size>) -> Config {
    Pool::named("test").size(size).table_hash(crate::setup::TABLE_HASH).fresh()
}

/// What a job has left: see [`leave`].
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// The bytes of secrets are looked for with this mask, so that the search does not find its own needle.
const MASK: u8 = 0x55;
const SECRET: &str = "the-secret-of-client-A";

/// In a worker: leaves a value in a static, leaked memory, a thread, an open file and another working directory.
pub(crate) fn leave(secret: &str) {
    LEFT.lock().unwrap().push("something".to_owned());
    Box::leak(secret.to_owned().into_boxed_str());
    std::thread::spawn(std::thread::park);
    std::mem::forget(File::open("/proc/self/status"));
    std::env::set_current_dir("/proc").unwrap();
}

/// In a worker: reports what there is of that, and whether memory has the masked secret.
pub(crate) fn look(masked: &str) -> String {
    let count = |path: &str| fs::read_dir(path).map_or(0, Iterator::count);
    let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
    let left = LEFT.lock().unwrap().len();
    let directory = std::env::current_dir().unwrap();
    let secrets = if masked.is_empty() { 0 } else { occurrences(masked.as_bytes()) };
    format!("threads={threads} files={files} directory={} left={left} secrets={secrets}", directory.display())
}

/// Returns how often the writable memory of this process has these bytes, which are masked.
fn occurrences(masked: &[u8]) -> usize {
    let (mut memory, mut count) = (File::open("/proc/self/mem").unwrap(), 0);
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; (end - start) as usize];
        // The stack of another thread, and what the kernel maps, cannot all be read.
        if memory.seek(SeekFrom::Start(start)).is_ok() && memory.read_exact(&mut bytes).is_ok() {
            bytes.iter_mut().for_each(|byte| *byte ^= MASK);
            count += bytes.windows(masked.len()).filter(|window| *window == masked).count();
        }
    }
    count
}

fn masked(secret: &str) -> String {
    secret.bytes().map(|byte| char::from(byte ^ MASK)).collect()
}

async fn own_processes() {
    let before = children();
    for method in [StartMethod::Fork, StartMethod::Exec] {
        let pool = pool(fresh(2).start_method(method)).await;
        let mut pids = BTreeSet::new();
        let jobs: Vec<_> = (0..20).map(|_| tokio::spawn(pool.submit(job("pid")))).collect();
        for job in jobs {
            pids.insert(text(job.await.unwrap().unwrap()).await.unwrap());
            assert_eq!(ask(&pool, "turn").await.unwrap(), "0");
        }
        assert_eq!(pids.len(), 20);
        pool.stop(Duration::ZERO).await;
        assert_eq!(children(), before);
    }
}

async fn nothing_left() {
    for sandbox in [Sandbox::none(), Sandbox::no_network()] {
        let pool = pool(fresh(1).spares(0).sandbox(sandbox)).await;
        let look = format!("look {}", masked(SECRET));
        let first = ask(&pool, &look).await.unwrap();
        assert!(first.ends_with("left=0 secrets=0"), "{first}");
        for _ in 0..3 {
            assert_eq!(ask(&pool, &format!("leave {SECRET}")).await.unwrap(), "left");
            assert_eq!(ask(&pool, &look).await.unwrap(), first);
        }
        pool.stop(Duration::ZERO).await;
    }
}

/// Shows that the test above can fail.
async fn all_is_left() {
    let pool = pool(config(1)).await;
    let look = format!("look {}", masked(SECRET));
    let first = ask(&pool, &look).await.unwrap();
    ask(&pool, &format!("leave {SECRET}")).await.unwrap();
    let second = ask(&pool, &look).await.unwrap();
    for (before, after) in first.split(' ').zip(second.split(' ')) {
        assert_ne!(before, after, "{second}");
    }
    pool.stop(Duration::ZERO).await;
}

async fn spares() {
    let pool = pool(fresh(1).spares(3)).await;
    for _ in 0..5 {
        until(&pool, |s| s.idle == 4 && s.busy == 0).await;
        assert_eq!(ask(&pool, "turn").await.unwrap(), "0");
    }
    pool.stop(Duration::ZERO).await;
}

async fn as_others() {
    let directory = tempfile::tempdir().unwrap();
    for (number, sandbox) in [Sandbox::none(), Sandbox::strict().write(directory.path())].into_iter().enumerate() {
        let pool = pool(fresh(1).sandbox(sandbox)).await;
        let body = vec![b'x'; 3_000_000];
        let reply = pool.submit(job_with("echo", body.clone())).await.unwrap();
        assert_eq!(reply.body.collect().await.unwrap(), body);
        let endless = pool.submit(job("spin").deadline(Duration::from_millis(100)));
        assert!(matches!(endless.await, Err(Error::Deadline)));
        assert!(matches!(ask(&pool, "abort").await, Err(Error::Exited(_))));
        assert!(matches!(ask(&pool, "panic now").await, Err(Error::Panicked { .. })));
        let marker = directory.path().join(number.to_string());
        let retried = pool.submit(job(&format!("once {}", marker.display())).replayable(true)).await.unwrap();
        assert_eq!(text(retried).await.unwrap(), "the second time");
        let canceled = tokio::spawn(pool.submit(job("spin")));
        until(&pool, |s| s.busy == 1).await;
        canceled.abort();
        assert_eq!(ask(&pool, "turn").await.unwrap(), "0");
        pool.stop(Duration::ZERO).await;
    }
}

async fn on_threads() {
    let message = refusal(fresh(0)).await;
    assert!(message.contains("a process for each job"), "{message}");
}
