//! The tasks of these tests.

use std::{collections::BTreeMap, fmt, hint::black_box, time::Duration};

use bytes::Bytes;
use pixie_pool::task;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) size: Dimensions,
    pub(crate) filter: Filter,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
    pub(crate) pixels: Vec<u8>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Dimensions {
    pub(crate) width: u32,
    pub(crate) height: Option<u32>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Filter {
    Named(String),
    Weights { weights: BTreeMap<i8, f64> },
}

#[derive(Debug)]
pub(crate) struct TooWide(u32);

impl fmt::Display for TooWide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pixels are too wide", self.0)
    }
}

/// A module with the name of its task, which can be imported next to it.
pub(crate) mod doubling {
    #[pixie_pool::task(idempotent)]
    pub(crate) fn doubling(number: u64) -> u64 {
        number * 2
    }
}

#[task]
pub(crate) fn echo(order: Order) -> Order {
    order
}

#[task]
pub(crate) fn checked_width(order: Order) -> Result<u32, TooWide> {
    match order.size.width {
        width @ 0..=100 => Ok(width),
        width => Err(TooWide(width)),
    }
}

#[task]
pub(crate) fn join(mut parts: Vec<String>, between: char, (before, after): (String, String)) -> String {
    parts.insert(0, before);
    parts.push(after);
    parts.join(&between.to_string())
}

#[task]
pub(crate) fn worker_pid() -> u32 {
    std::process::id()
}

#[task]
pub(crate) fn reversed(bytes: Bytes) -> Bytes {
    bytes.iter().rev().copied().collect()
}

#[task]
pub(crate) fn nothing() {}

/// Calls itself: the plain function, not the task.
#[task]
pub(crate) fn factorial(number: u64) -> u64 {
    if number < 2 { 1 } else { number * factorial(number - 1) }
}

#[task]
pub(crate) fn panic_with(words: String) -> u8 {
    panic!("{words}")
}

/// Ends its process like a bad pointer in a C library.
#[task]
pub(crate) fn segfault() -> u8 {
    // std's handler for stack overflows gets the first signal, and then removes itself.
    loop {
        let _ = kill_process(getpid(), Signal::SEGV);
    }
}

#[task(deadline = "50ms")]
pub(crate) fn spin() -> u8 {
    loop {
        black_box(0);
    }
}

#[task(deadline = "1h")]
pub(crate) fn time_left() -> Option<Duration> {
    pixie_pool::remaining()
}

/// Returns how much more time was granted, and how much is left then.
#[task(deadline = "1h")]
pub(crate) fn more_time(wanted: Duration) -> (Duration, Option<Duration>) {
    (pixie_pool::extend(wanted), pixie_pool::remaining())
}

/// Writes to a file, runs until it is canceled, then writes to the file again.
#[task]
pub(crate) fn wait_for_cancellation(mark: std::path::PathBuf) {
    let _ = std::fs::write(&mark, "started");
    while !pixie_pool::is_canceled() {
        black_box(0);
    }
    let _ = std::fs::write(&mark, "canceled");
}

/// Crashes the first time, when the file does not exist.
#[task(idempotent)]
pub(crate) fn crash_once(mark: std::path::PathBuf) -> String {
    if mark.exists() {
        return "the second time".to_owned();
    }
    let _ = std::fs::write(&mark, "");
    std::process::abort()
}

/// Serializes as one type and deserializes as another.
#[derive(Debug)]
pub(crate) struct OneWay;

impl Serialize for OneWay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("one way")
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(|_| OneWay)
    }
}

#[task]
pub(crate) fn takes_one_way(_: OneWay) {}

#[task]
pub(crate) fn gives_one_way() -> OneWay {
    OneWay
}
