//! In place of `vitals` where there is no `/proc`: nothing is known.

use std::time::Duration;

/// What the thread that runs jobs is doing: unknown here.
#[derive(Debug, Default)]
pub(crate) struct Posture {
    pub(crate) state: Option<char>,
    pub(crate) waits_in: Option<String>,
    pub(crate) cpu: Option<Duration>,
}

pub(crate) fn resident_bytes(_: u32) -> Option<u64> {
    None
}

pub(crate) fn peak_bytes(_: u32) -> Option<u64> {
    None
}

pub(crate) fn posture(_: u32, _: &str, _: usize) -> Posture {
    Posture::default()
}
