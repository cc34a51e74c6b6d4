//! Replaces `metrics` without the feature `metrics`: all methods are empty.

use std::time::{Duration, Instant};

use crate::{protocol::parent::Event, snapshot::Snapshot};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Canceled,
    Lost(#[expect(dead_code, reason = "not recorded")] &'static str),
    Ended,
}

impl Outcome {
    pub(crate) fn of(_: &Event) -> Self {
        Outcome::Ended
    }
}

/// How long a job waits in the queue.
#[derive(Debug)]
pub(crate) struct QueueWait;

impl QueueWait {
    pub(crate) fn begin() -> Self {
        QueueWait
    }
}

#[derive(Debug)]
pub(crate) struct Metrics;

impl Metrics {
    pub(crate) fn new(_: &str) -> Self {
        Metrics
    }

    pub(crate) fn sent(&self, _: &QueueWait, _: Instant) {}

    pub(crate) fn ended(&self, _: Outcome, _: Duration) {}

    pub(crate) fn count(&self, _: Outcome) {}

    pub(crate) fn started(&self, _: Duration) {}

    pub(crate) fn start_failed(&self) {}

    pub(crate) fn exited(&self, _: &str) {}

    pub(crate) fn killed(&self, _: &'static str) {}

    pub(crate) fn refused(&self, _: &'static str, _: usize) {}

    pub(crate) fn sent_again(&self, _: u64, _: u64) {}

    pub(crate) fn slow(&self) {}

    pub(crate) fn show(&self, _: &Snapshot) {}
}
