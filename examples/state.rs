//! One counter and one list of prices that routes of every kind share, and a session that counts visits.
//!
//! `cargo run --release --features sessions --example state`, then
//! `curl localhost:8000/add/sync localhost:8000/add/pool`. Look at the numbers: both processes count with the
//! same store. `PIXIE_STORE` chooses where the store is: `memory`, `redb:PATH` or `redis://HOST:PORT`, the
//! latter two with the features `store-file` and `store-redis`.
//!
//! `curl localhost:8000/prices`, then `curl -d 'tea 3' localhost:8000/prices`: workers read the list at no
//! copy, and all of them have the new one when it is replaced.
use pixie_web::{App, Bytes, Result, Session, Sessions, Share, Store, get, post, share, shared};

const COUNTER: &str = "counter";

#[get("/add/sync", sync)]
fn add_sync(store: Store) -> Result<String> {
    Ok(store.add(COUNTER, 1).wait()?.to_string())
}

#[get("/add/thread", thread)]
fn add_thread(store: Store) -> Result<String> {
    Ok(store.add(COUNTER, 1).wait()?.to_string())
}

#[get("/add/async")]
async fn add_async(store: Store) -> Result<String> {
    Ok(store.add(COUNTER, 1).await?.to_string())
}

/// The worker asks the main process, through the socket of its pool.
#[get("/add/pool")]
fn add_pool(store: Store) -> Result<String> {
    Ok(store.add(COUNTER, 1).wait()?.to_string())
}

#[get("/value", sync)]
fn value(store: Store) -> Result<String> {
    Ok(store.get::<i64>(COUNTER).wait()?.unwrap_or_default().to_string())
}

/// The worker maps the same memory as the main process.
#[get("/prices")]
fn prices() -> Result<String> {
    let prices = shared("prices")?;
    Ok(format!("version {}\n{}", prices.version(), String::from_utf8_lossy(&prices)))
}

/// Replaces the list for all processes. In a thread, because the call blocks until the list is copied.
#[post("/prices", thread)]
fn change_prices(list: Bytes) -> Result<String> {
    Ok(format!("version {}\n", share("prices", Share::bytes(list))?.version()))
}

#[get("/session", sync)]
fn session(session: Session) -> Result<String> {
    let visits = session.get::<u64>("visits")?.unwrap_or_default() + 1;
    session.set("visits", &visits)?;
    Ok(visits.to_string())
}

fn main() -> Result<()> {
    // In the store, so that the session needs no secret and every server of the store knows it.
    App::collect().sessions(Sessions::InStore).share("prices", Share::bytes("tea 2\nmilk 1\n")).run()
}
