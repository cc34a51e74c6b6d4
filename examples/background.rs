//! What an app does besides answering requests: values that are made at the start, periodic work, work after
//! responses, and a last step at the stop.
//!
//! `cargo run --release --example background`, then `curl -X POST localhost:8000/mails`, and stop it with
//! Ctrl-C. Look at the order of the lines on standard output.
use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use pixie_web::{AfterResponse, App, AppHandle, Result, State, get, post};

/// Stands for a pool of connections to a database.
struct Mails {
    waiting: AtomicU32,
}

impl Mails {
    async fn connect() -> Result<Mails> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        println!("connected");
        Ok(Mails { waiting: AtomicU32::new(0) })
    }
}

/// The client gets the response before the mail is sent.
#[post("/mails", sync)]
fn mail(after: AfterResponse, mails: State<Mails>) -> Result<&'static str> {
    mails.waiting.fetch_add(1, Ordering::Relaxed);
    after.run(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        mails.waiting.fetch_sub(1, Ordering::Relaxed);
        println!("sent");
        Ok(())
    })?;
    Ok("accepted\n")
}

#[get("/", pool)]
fn index() -> &'static str {
    "Send a POST to /mails.\n"
}

async fn report(app: AppHandle) -> Result<()> {
    println!("waiting: {}", app.state::<Mails>()?.waiting.load(Ordering::Relaxed));
    Ok(())
}

fn main() -> Result<()> {
    // A mistake, which the log names in development: each worker does it, too.
    if env::var_os("EARLY_THREAD").is_some() {
        thread::spawn(thread::park);
    }
    App::collect()
        .state_with(Mails::connect)
        .on_start(async |_| {
            println!("started");
            Ok(())
        })
        .every("100ms", report)
        .on_stop(async |app| {
            println!("stopped with {} waiting", app.state::<Mails>()?.waiting.load(Ordering::Relaxed));
            Ok(())
        })
        .run()
}
