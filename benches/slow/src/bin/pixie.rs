//! The routes on pixie: `/work` and `/stream` run in worker processes.
use std::{thread::sleep, time::Duration};

use pixie_web::{Bytes, Result, get, post, run};

static BIG: [u8; 8 << 20] = [b'x'; 8 << 20];

#[get("/", sync)]
fn index() -> &'static str {
    "Hello, World!"
}

#[get("/work")]
fn work() -> &'static str {
    sleep(Duration::from_millis(50));
    "done"
}

#[get("/stream", stream)]
fn stream() -> impl Iterator<Item = &'static [u8]> {
    BIG.chunks(64 << 10)
}

#[post("/body", csrf = false)]
fn body(body: Bytes) -> String {
    body.len().to_string()
}

fn main() -> Result<()> {
    run()
}
