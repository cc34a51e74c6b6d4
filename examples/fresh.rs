//! A process for each request, and workers that are forked or executed.
//!
//! `cargo run --release --example fresh`, then request `/fresh`, `/forked` and `/executed`: `served` counts the
//! requests of the process. `/leave` leaves a thread, an open file, a value and a variable of the environment
//! behind; `/look` reports what the process of the next request has of them.
use std::{
    env,
    fs::{self, File},
    io, mem, process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use pixie_web::{App, Json, Pool, Result, StartMethod, get};
use serde::Serialize;

/// The requests that this process has served.
static SERVED: AtomicU64 = AtomicU64::new(0);
/// What requests have left in this process.
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());
const VARIABLE: &str = "LEFT_BY_A_REQUEST";
const FILE: &str = "/proc/self/status";

#[derive(Serialize)]
struct Served {
    pid: u32,
    served: u64,
}

fn served() -> Json<Served> {
    Json(Served { pid: process::id(), served: SERVED.fetch_add(1, Ordering::Relaxed) + 1 })
}

/// Runs in a process that has served no other request, and that exits after this one.
#[get("/fresh", fresh)]
fn fresh() -> Json<Served> {
    served()
}

/// Runs in a worker that its fork server has forked, and that serves many requests.
#[get("/forked", pool = "forked")]
fn forked() -> Json<Served> {
    served()
}

/// Runs in a worker that was executed, as in every pool by default.
#[get("/executed", pool = "executed")]
fn executed() -> Json<Served> {
    served()
}

/// Leaves all that a careless handler can leave behind.
#[get("/leave", fresh)]
fn leave() -> Result<Json<Served>> {
    thread::Builder::new().name("left".to_owned()).spawn(|| {
        loop {
            thread::park();
        }
    })?;
    mem::forget(File::open(FILE)?);
    LEFT.lock().unwrap_or_else(PoisonError::into_inner).push("a secret of this client".to_owned());
    dotenvy::from_read(format!("{VARIABLE}=yes").as_bytes()).map_err(io::Error::other)?;
    Ok(served())
}

#[derive(Serialize)]
struct Found {
    pid: u32,
    served: u64,
    left_threads: usize,
    open_files: usize,
    values: usize,
    variable: Option<String>,
}

/// Reports what requests before this one have left in its process.
#[get("/look", fresh)]
fn look() -> Result<Json<Found>> {
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
    let threads = fs::read_dir("/proc/self/task")?.flatten().map(name);
    let files = fs::read_dir("/proc/self/fd")?.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    Ok(Json(Found {
        pid: process::id(),
        served: SERVED.fetch_add(1, Ordering::Relaxed) + 1,
        left_threads: threads.filter(|name| name.trim() == "left").count(),
        open_files: files.filter(|path| path.ends_with("status")).count(),
        values: LEFT.lock().unwrap_or_else(PoisonError::into_inner).len(),
        variable: env::var(VARIABLE).ok(),
    }))
}

fn main() -> Result<()> {
    App::collect().pool(Pool::named("forked").start_method(StartMethod::Fork)).pool(Pool::named("executed")).run()
}
