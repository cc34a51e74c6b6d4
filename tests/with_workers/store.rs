//! One counter for eight worker processes and the main process, on each back end.
use std::thread;

use pixie_web::{App, FromRequest, Needs, Pool, Request, Result, Route, Sandbox, Store, store::Access};

use crate::app;

const WORKERS: usize = 8;
const REQUESTS: i64 = 100;
/// Additions of one request: 20 000 in all.
const BATCH: i64 = 200;
/// The same for a file, which is written to the disk for each group of additions.
const FILE_BATCH: i64 = 20;

pub(crate) fn routes(app: App) -> App {
    let needs = || Needs::default().extractor::<Store>();
    app.route(Route::get("/add/pool/<times>").pool(add).needs(needs()).deadline(std::time::Duration::from_secs(120)))
        .route(Route::get("/add/async/<times>").asynchronous(add_async).needs(needs()))
        .route(Route::get("/strict/<key>").pool(put).needs(needs()).pool("strict"))
        .pool(Pool::named("strict").size(1).sandbox(Sandbox::strict()).store("allowed/*", Access::ReadWrite))
}

fn add(request: &mut Request) -> Result<()> {
    let store = Store::from_request(request)?;
    for _ in 0..request.param::<i64>("times")? {
        store.add("sum", 1).wait()?;
    }
    Ok(())
}

async fn add_async(mut request: Request) -> Result<()> {
    let store = Store::from_request(&mut request)?;
    for _ in 0..request.param::<i64>("times")? {
        store.add("sum", 1).await?;
    }
    Ok(())
}

fn put(request: &mut Request) -> Result<String> {
    let key = format!("{}/key", request.param::<String>("key")?);
    Store::from_request(request)?.put(&key, &7).wait()?;
    Ok("stored".to_owned())
}

/// Adds from all processes at once, and checks the sum.
fn count_exactly(store: Store, batch: i64) {
    let client = app().store(store.clone()).test_with_workers(WORKERS).expect("the app fits together");
    let client = &client;
    thread::scope(|scope| {
        for number in 0..WORKERS + 2 {
            let kind = if number < WORKERS { "pool" } else { "async" };
            let path = format!("/add/{kind}/{batch}");
            scope.spawn(move || {
                for _ in 0..REQUESTS / (WORKERS as i64 + 2) {
                    client.get(&path).header("x-name", "Ada").send().assert_status(200);
                }
            });
        }
    });
    assert_eq!(store.get::<i64>("sum").wait().expect("it answers"), Some(batch * REQUESTS));
}

#[test]
fn workers_and_async_routes_lose_no_addition_in_memory() {
    count_exactly(Store::memory(), BATCH);
}

#[test]
#[cfg(feature = "store-file")]
fn workers_and_async_routes_lose_no_addition_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("redb:{}", folder.path().join("store.redb").display());
    count_exactly(Store::open(&address).expect("the file can be made"), FILE_BATCH);
}

#[test]
#[cfg(feature = "store-redis")]
fn workers_and_async_routes_lose_no_addition_in_redis() {
    let Some(redis) = crate::redis::Redis::start() else { return };
    count_exactly(Store::open(&redis.address()).expect("it is an address"), BATCH);
}

#[test]
#[cfg(target_os = "linux")]
fn a_worker_in_a_strict_sandbox_uses_what_its_pool_was_allowed() {
    let client = app().test_with_workers(1).expect("the app fits together");
    client.get("/strict/allowed").header("x-name", "Ada").send().assert_status(200).assert_text("stored");
    client.get("/strict/forbidden").header("x-name", "Ada").send().assert_status(500);
    assert_eq!(client.store().get("allowed/key").wait().expect("it answers"), Some(7));
    assert_eq!(client.store().get::<u8>("forbidden/key").wait().expect("it answers"), None);
}
