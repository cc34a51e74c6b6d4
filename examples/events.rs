//! Server-sent events from worker processes, where the code may block.
//!
//! `cargo run --release --example events`, then `curl -N localhost:8000/ticks`, or open
//! <http://localhost:8000>. Look at `ticks`: the write fails when the client leaves. Each subscriber occupies
//! a process of the pool `streams`; for many of them, return `Sse` from an async route.
use std::{thread::sleep, time::Duration};

use pixie_web::{Event, Html, LastEventId, Pieces, Result, Writer, get, run};

/// A page that shows both streams.
#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Events</title><ul></ul><script>
        for (const path of ['/count', '/ticks']) {
            new EventSource(path).onmessage = event => {
                document.querySelector('ul').append(path + ': ' + event.data, document.createElement('br'));
            };
        }
        </script>",
    )
}

/// Three events from an iterator, starting after the last one that the client received.
#[get("/count", stream)]
fn count(last: Option<LastEventId>) -> Pieces {
    let first = last.and_then(|LastEventId(id)| id.parse().ok()).map_or(0, |id: u32| id.saturating_add(1));
    Pieces::events(
        (first..first.saturating_add(3)).map(|number| Event::data(number.to_string()).id(number.to_string())),
    )
}

/// Sends events until the client disconnects. Then `send_event` fails, and the worker is free again. A slow
/// client does not hold it back: the server stores the events.
#[get("/ticks", stream)]
fn ticks(writer: &mut Writer) -> Result<()> {
    loop {
        writer.send_event(Event::data("tick"))?;
        sleep(Duration::from_millis(20));
    }
}

fn main() -> Result<()> {
    run()
}
