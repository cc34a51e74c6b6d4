//! In place of `metrics` without the feature `metrics`: nothing is recorded, and nothing is paid for that.

use std::time::{Duration, Instant};

use crate::{protocol::parent::Event, snapshot::Snapshot};

/// How a job that a worker had started has ended: nobody asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Cancelled,
    Lost(#[expect(dead_code, reason = "nobody records it")] &'static str),
    Ended,
}

impl Outcome {
    pub(crate) fn of(_: &Event) -> Self {
        Outcome::Ended
    }
}

/// How long a job has waited.
#[derive(Debug)]
pub(crate) struct Wait;

impl Wait {
    pub(crate) fn begin() -> Self {
        Wait
    }
}

/// The metrics of one pool: none.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Metrics {
    pub(crate) fn new(_: &str) -> Self {
        Metrics
    }

    pub(crate) fn sent(&self, _: &Wait, _: Instant) {}

    pub(crate) fn ended(&self, _: Outcome, _: Duration) {}

    pub(crate) fn count(&self, _: Outcome) {}

    pub(crate) fn booted(&self, _: Duration) {}

    pub(crate) fn boot_failed(&self) {}

    pub(crate) fn died(&self, _: &str) {}

    pub(crate) fn killed(&self, _: &'static str) {}

    pub(crate) fn refused(&self, _: &'static str, _: usize) {}

    pub(crate) fn sent_again(&self, _: u64, _: u64) {}

    pub(crate) fn slow(&self) {}

    pub(crate) fn show(&self, _: &Snapshot) {}
}
