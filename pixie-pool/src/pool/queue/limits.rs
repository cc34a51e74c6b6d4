//! The limits of workers that are checked from time to time: memory and age.
//!
//! Owns when they are checked. Leaves the comparison to `connection` and the replacement to `rules`.

use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use crate::{
    config::{ByteSize, MEMORY_CHECK_INTERVAL},
    error::Error,
    pool::{
        connection::{Connection, MemoryCheck, kill::Kill},
        queue::Queue,
    },
};

impl Queue {
    /// Returns whether the memory of workers has to be checked.
    pub(crate) fn is_memory_limited(&self) -> bool {
        !self.config.is_threaded() && (self.config.memory.is_some() || self.config.recycle_memory.is_some())
    }

    /// Checks the memory of all workers at intervals, the last time after the last job; returns when to check again.
    pub(super) fn check_memory(&self, connections: &[Arc<Connection>], now: Instant) -> Option<Instant> {
        if !self.is_memory_limited() {
            return None;
        }
        let mut checked = self.memory_checked.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *checked + MEMORY_CHECK_INTERVAL {
            return Some(*checked + MEMORY_CHECK_INTERVAL);
        }
        *checked = now;
        let bytes = |limit: &Option<ByteSize>| limit.as_ref().and_then(|limit| limit.bytes().ok());
        let (memory, recycle_memory) = (bytes(&self.config.memory), bytes(&self.config.recycle_memory));
        for connection in connections {
            match connection.check_memory(memory, recycle_memory) {
                MemoryCheck::Fine | MemoryCheck::Exceeded(None) => {}
                MemoryCheck::Large => self.replace(connection),
                MemoryCheck::Exceeded(Some(job)) => {
                    job.fail(Error::Memory);
                    self.observers.metrics.count(Kill::Memory.outcome());
                }
            }
        }
        connections.iter().any(|connection| connection.is_busy()).then_some(now + MEMORY_CHECK_INTERVAL)
    }

    /// Has the workers replaced that have reached their age limit; returns when the next one does.
    pub(super) fn check_ages(&self, connections: &[Arc<Connection>], now: Instant) -> Option<Instant> {
        self.config.recycle_age.filter(|_| !self.config.is_threaded())?;
        let mut next = None;
        for connection in connections {
            match connection.recycle_due() {
                Some(due) if due <= now => self.replace(connection),
                due => next = crate::pool::connection::state::earlier(next, due),
            }
        }
        next
    }
}
