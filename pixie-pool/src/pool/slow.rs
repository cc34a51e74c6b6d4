//! The slow log: one event for each job that runs for longer than it should, while it still runs.
//!
//! Owns what that event says. Leaves when it is due to `flight` and the pool's clock. Rule: it costs nothing before it is due.

use std::{sync::Arc, time::Instant};

use tracing::field;

use crate::{
    config::SLOW_THREADS_MAX,
    platform,
    pool::{connection::sent_job::Running, connection::socket::Link, process::exit_report::Seconds, shared::Shared},
    worker::HANDLER_THREAD,
};

impl Shared {
    /// Writes down what a job that is slow is, and what its worker is doing.
    pub(crate) fn report_slow(self: &Arc<Self>, link: &Link, slow: &Running, now: Instant) {
        self.count(|c| c.slow += 1);
        self.metrics.slow();
        let Running { name, since } = slow;
        // A thread of this process cannot be told from the others.
        let pid = Some(link.pid).filter(|_| !self.is_threaded());
        let posture = pid.map(|pid| platform::posture(pid, HANDLER_THREAD, SLOW_THREADS_MAX)).unwrap_or_default();
        tracing::warn!(
            pool = %self.name,
            worker = link.number,
            pid = link.pid,
            route = Some(&*name.label).filter(|route| !route.is_empty()),
            job = name.number,
            request = name.request_id.as_deref(),
            ran = %Seconds(now.saturating_duration_since(*since)),
            state = posture.state.map(field::display),
            waits_in = posture.waits_in.as_deref(),
            cpu = posture.cpu.map(|cpu| field::display(Seconds(cpu))),
            memory = pid.and_then(|pid| platform::resident_bytes(pid).ok()),
            "a job is slow"
        );
    }
}
