//! The app of the bench: one program for all hosts, whose answers name the request and the host.
//!
//! Handlers wait instead of computing, so that the hosts of the bench can share two processors. Each POST
//! counts itself in the store, under the id of its request, so that a POST that ran twice is found by the
//! handlers themselves.

use std::{env, hint::black_box, process::abort, sync::LazyLock, thread::sleep, time::Duration};

use pixie_web::{
    App, Bytes, Event, Group, Limit, Pool, Query, Result, Session, Sessions, Sse, Store, get, post, put, store,
};
use serde::Deserialize;

/// Time that a handler of the pool waits, unless the request says otherwise.
const WORK: Duration = Duration::from_millis(20);

/// Longest wait that a request may ask for.
const WORK_MAX: Duration = Duration::from_secs(5);

/// How long the store keeps the counts of POSTs. Longer than a run.
const KEPT: Duration = Duration::from_secs(2 * 3600);

/// Limits the memory of a worker. The leak reaches it within milliseconds.
const WORKER_MEMORY: &str = "128MB";

/// The name of the host and the version of the program, as `web1/1`.
static PLACE: LazyLock<String> = LazyLock::new(|| {
    let variable = |name| env::var(name).unwrap_or_else(|_| "?".into());
    format!("{}/{}", variable("CLUSTER_HOST"), variable("CLUSTER_VERSION"))
});

#[derive(Deserialize)]
struct Wait {
    ms: Option<u64>,
}

fn told(id: &str) -> String {
    format!("{id} {}", *PLACE)
}

#[get("/sync/<id>", sync)]
fn on_thread_of_connection(id: String) -> String {
    told(&id)
}

#[get("/async/<id>")]
async fn on_runtime(id: String) -> String {
    tokio::time::sleep(Duration::from_millis(2)).await;
    told(&id)
}

#[get("/image/<id>", pool = "images")]
fn image(id: String, wait: Query<Wait>) -> String {
    sleep(wait.ms.map_or(WORK, Duration::from_millis).min(WORK_MAX));
    told(&id)
}

#[put("/image/<id>", pool = "images")]
fn replace(id: String, body: Bytes) -> String {
    sleep(WORK);
    told(&format!("{id}:{}", body.len()))
}

#[post("/order/<id>", thread)]
fn order(id: String, store: Store) -> Result<String> {
    run(&id, &store)
}

#[post("/image/<id>", pool = "images")]
fn new_image(id: String, store: Store) -> Result<String> {
    run(&id, &store)
}

/// Counts this run of a POST before and after the work.
fn run(id: &str, store: &Store) -> Result<String> {
    let key = format!("runs/{id}");
    let count = store.add(&key, 1).expires_in(KEPT).wait()?;
    if count > 1 {
        store.add("doubled", 1).wait()?;
    }
    sleep(WORK);
    Ok(told(&format!("{id}:{count}")))
}

/// Returns how often a POST has run.
#[get("/runs/<id>")]
async fn runs(id: String, store: Store) -> Result<String> {
    Ok(store.get::<i64>(&format!("runs/{id}")).await?.unwrap_or(0).to_string())
}

/// Returns how often a POST has run again.
#[get("/doubled")]
async fn doubled(store: Store) -> Result<String> {
    Ok(store.get::<i64>("doubled").await?.unwrap_or(0).to_string())
}

/// Returns the length and a checksum of a file, which a worker has read from the spool of its host.
#[post("/upload/<id>", pool = "images", body_limit = "8MB")]
fn upload(id: String, body: Bytes, store: Store) -> Result<String> {
    store.add(&format!("runs/{id}"), 1).expires_in(KEPT).wait()?;
    Ok(told(&format!("{id}:{}:{:016x}", body.len(), fnv(&body))))
}

/// The hash FNV-1a. Short, and no request can guess it.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Sets a number in the session and returns the one before it. A number may be set twice.
#[put("/session/<number>", thread)]
fn session(number: u64, session: Session) -> Result<String> {
    let before = session.get::<u64>("number")?.unwrap_or(0);
    session.set("number", &number)?;
    Ok(told(&format!("{number}:{before}")))
}

/// Events of a topic; each has the number that was published.
#[get("/events/<topic>")]
async fn events(topic: String, store: Store) -> Result<Sse> {
    let subscription = store.topic::<u64>(&topic).subscribe().await?;
    Ok(Sse::unfold((true, subscription), |(is_first, mut subscription)| async move {
        let event = match is_first {
            true => Event::data(format!("subscribed {}", *PLACE)),
            false => match subscription.next().await {
                Ok(number) => Event::data(number.to_string()),
                Err(store::Error::Lagged { .. }) => Event::data("lagged"),
                Err(_) => return None,
            },
        };
        Some((event, (false, subscription)))
    }))
}

#[post("/publish/<topic>/<number>")]
async fn publish(topic: String, number: u64, store: Store) -> Result<String> {
    store.topic::<u64>(&topic).publish(&number).await?;
    Ok(told(&number.to_string()))
}

/// 502: the worker exits.
#[get("/crash/<id>", pool = "images")]
fn crash(id: String) -> String {
    black_box(id);
    abort()
}

/// 504: the worker is killed at the deadline.
#[get("/loop/<id>", pool = "images", deadline = "500ms")]
fn endless(id: String) -> String {
    black_box(id);
    loop {
        // Not busy all the time, because all hosts of the bench share two processors.
        sleep(Duration::from_millis(1));
    }
}

/// 502: the worker uses more memory than its limit.
#[get("/leak/<id>", pool = "images")]
fn leak(id: String) -> String {
    black_box(id);
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1u8; 1024 * 1024]));
    }
}

/// Above the limit: 429. The bench chooses the key, so that each of its bursts counts from 0.
#[get("/burst/<id>", sync)]
fn limited(id: String) -> String {
    told(&id)
}

fn main() -> Result<()> {
    let by_key = Limit::new("5/min").by(|request| request.header("x-key").map(str::to_owned));
    App::collect()
        .group(Group::new("/burst").limit(by_key))
        .pool(Pool::named("images").size(6).memory(WORKER_MEMORY))
        .sessions(Sessions::InStore)
        .behind_proxy(["10.90.0.0/24"])
        .health("/healthz")
        .ready("/readyz")
        .run()
}
