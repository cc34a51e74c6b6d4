//! One counter that routes of every kind share, and a session that counts visits.
//!
//! `cargo run --release --features sessions --example state`, then
//! `curl localhost:8000/add/sync localhost:8000/add/pool`. Look at the numbers: both processes count with the
//! same store. `PIXIE_STORE` chooses where the store is: `memory`, `redb:PATH` or `redis://HOST:PORT`, the
//! latter two with the features `store-file` and `store-redis`.
use pixie_web::{App, Result, Session, Sessions, Store, get};

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

#[get("/session", sync)]
fn session(session: Session) -> Result<String> {
    let visits = session.get::<u64>("visits")?.unwrap_or_default() + 1;
    session.set("visits", &visits)?;
    Ok(visits.to_string())
}

fn main() -> Result<()> {
    // In the store, so that the session needs no secret and every server of the store knows it.
    App::collect().sessions(Sessions::InStore).run()
}
