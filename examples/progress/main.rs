//! The progress of a job in a worker process, shown in the browser while it runs.
//!
//! `cargo run --release --example progress`, then open <http://localhost:8000> in two windows. Look at
//! `Pool::store`: the worker publishes numbers from 0 to 100 to a topic, and keeps the last one in the store
//! for a page that comes later. With the feature `store-redis` and `PIXIE_STORE=redis://HOST:PORT`, the page
//! may be served by another machine than the one that does the work.
use std::{io::Read, time::Duration};

use pixie_web::{
    App, BodyReader, Event, Html, Pool, Result, Sse, Store, abort, get, post,
    store::{self, Access},
};

/// How long the last number is kept, for a page that is opened after the end.
const KEPT: Duration = Duration::from_secs(600);

#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

/// Looks at each byte of the upload, slowly, in a worker that can use only these keys of the store.
#[post("/work/<id>", pool = "jobs", body_limit = "100MB", deadline = "5m")]
fn work(id: String, mut file: BodyReader, store: Store) -> Result<String> {
    let key = key(&id)?;
    let progress = store.topic::<u8>(&key);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut lines = 0;
    for percent in 1..=100 {
        let part = bytes.len() * (percent - 1) / 100..bytes.len() * percent / 100;
        lines += bytes[part].iter().filter(|byte| **byte == b'\n').count();
        // Stands for the work of a real job.
        std::thread::sleep(Duration::from_millis(20));
        store.put(&key, &percent).expires_in(KEPT).wait()?;
        progress.publish(&(percent as u8)).wait()?;
    }
    Ok(format!("{lines} lines"))
}

/// The numbers as server-sent events: the last one first, then each as it is published.
#[get("/progress/<id>")]
async fn progress(id: String, store: Store) -> Result<Sse> {
    let key = key(&id)?;
    // Subscribed before the store is asked, so that no number is missed in between.
    let published = store.topic::<u8>(&key).subscribe().await?;
    let last = store.get::<u8>(&key).await?.unwrap_or(0);
    let state = (Some(last), published, store, key);
    Ok(Sse::unfold(state, |(first, mut published, store, key)| async move {
        let percent = match first {
            Some(percent) => percent,
            None => match published.next().await {
                Ok(percent) => percent,
                // Messages were lost: the store has the newest number.
                Err(store::Error::Lagged { .. }) => store.get::<u8>(&key).await.ok()?.unwrap_or(0),
                Err(_) => return None,
            },
        };
        Some((Event::data(percent.to_string()), (None, published, store, key)))
    }))
}

/// The key of a job in the store. The id comes from the client.
fn key(id: &str) -> Result<String> {
    match id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        true => Ok(format!("progress/{id}")),
        false => Err(abort(400).with_detail("the id of a job is a UUID")),
    }
}

fn main() -> Result<()> {
    App::collect().pool(Pool::named("jobs").store("progress/*", Access::ReadWrite)).run()
}
