//! In place of `process_stats` on systems without `/proc`: all values are unknown.

use std::{io, time::Duration};

/// What one thread does: unknown here.
#[derive(Debug, Default)]
pub(crate) struct ThreadState {
    pub(crate) state: Option<char>,
    pub(crate) waits_in: Option<String>,
    pub(crate) cpu: Option<Duration>,
}

pub(crate) fn resident_bytes(_: u32) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not report it"))
}

pub(crate) fn peak_bytes(_: u32) -> Option<u64> {
    None
}

pub(crate) fn thread_state(_: u32, _: &str, _: usize) -> ThreadState {
    ThreadState::default()
}
