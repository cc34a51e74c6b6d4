//! What every test needs: a pool of this program, a way to ask it, and lists of processes and descriptors.

use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use pixie_pool::{Config, Error, Pool, Reply, Size, StartMethod, Submission};

use crate::handler;

pub(crate) const TABLE_HASH: u64 = 7;

pub(crate) type Outcome = Pin<Box<dyn Future<Output = ()>>>;

static IS_FORKED: AtomicBool = AtomicBool::new(false);

/// Sets how the next pools start their workers.
pub(crate) fn start_by(method: StartMethod) {
    IS_FORKED.store(method == StartMethod::Fork, Ordering::Relaxed);
}

pub(crate) fn method() -> StartMethod {
    if IS_FORKED.load(Ordering::Relaxed) { StartMethod::Fork } else { StartMethod::Exec }
}

pub(crate) fn config(size: impl Into<Size>) -> Config {
    Pool::named("test").size(size).spares(0).table_hash(TABLE_HASH).start_method(method())
}

pub(crate) async fn pool(config: Config) -> Pool {
    config.start(handler::handler()).await.expect("the pool starts")
}

/// Returns why the pool does not start.
pub(crate) async fn refusal(config: Config) -> String {
    match config.start(handler::handler()).await {
        Err(Error::Start(message)) => message,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn job(head: &str) -> Submission {
    Submission::new(head.to_owned())
}

pub(crate) fn job_with(head: &str, body: impl Into<bytes::Bytes>) -> Submission {
    job(head).body(body)
}

pub(crate) async fn ask(pool: &Pool, head: &str) -> Result<String, Error> {
    text(pool.submit(job(head)).await?).await
}

pub(crate) async fn text(reply: Reply) -> Result<String, Error> {
    let body = reply.body.collect().await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Takes snapshots of the pool until one has the wanted state.
pub(crate) async fn until(pool: &Pool, is_reached: impl Fn(&pixie_pool::Snapshot) -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while !is_reached(&pool.snapshot()) {
        tick.tick().await;
    }
}

pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux lists descriptors").count()
}

/// Returns the pids of this process's children, also of exited ones that were not reaped.
pub(crate) fn children() -> Vec<u32> {
    let mut pids = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").expect("Linux lists threads").flatten() {
        let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        pids.extend(list.split_whitespace().filter_map(|p| p.parse::<u32>().ok()));
    }
    pids
}
