//! The state of one worker's connection, as it stands behind the lock of its `link`.
//!
//! Owns the protocol, the jobs on the way and the bytes that the socket did not take yet. Leaves writing and reading to `link`,
//! and how many jobs a worker may have to `pace`. Rule: the flights here and those of the protocol are the same, in one order.

use std::{
    collections::VecDeque,
    task::Waker,
    time::{Duration, Instant},
};

use bytes::BytesMut;

use crate::{
    platform::Leash,
    pool::{
        connection::cpu_meter::Meter,
        connection::kill::Closed,
        connection::pace::Pace,
        connection::recycling::Wear,
        connection::sent_job::{Clock, Flight, Running},
        connection::socket::Expired,
    },
    protocol::parent::Parent,
};

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) protocol: Parent,
    /// What is being encoded, and after a full socket what has not been written yet.
    pub(crate) output: BytesMut,
    pub(crate) flights: VecDeque<Flight>,
    /// The task that reads, to be woken when there is something to write or to end.
    pub(crate) task: Option<Waker>,
    pub(crate) closed: Option<Closed>,
    /// When it was closed, and what ran then.
    pub(crate) ended: Option<(Instant, Option<Running>)>,
    pub(crate) pace: Pace,
    /// What makes a worker look at its socket while its handler runs; a thread has none, and nothing is sent ahead to it.
    pub(crate) leash: Option<Leash>,
    pub(crate) wear: Wear,
    pub(crate) meter: Meter,
    /// It has to be pulled, because something for which the handler must not be waited for is on its way.
    must_pull: bool,
}

/// The worker did not say in time what it has not started.
#[derive(Debug)]
pub(crate) struct Stuck;

impl Line {
    pub(crate) fn new(protocol: Parent, leash: Option<Leash>, wear: Wear, meter: Meter) -> Self {
        Line {
            protocol,
            output: BytesMut::new(),
            flights: VecDeque::new(),
            task: None,
            closed: None,
            ended: None,
            pace: Pace::new(Instant::now()),
            leash,
            wear,
            meter,
            must_pull: false,
        }
    }

    pub(crate) fn close(&mut self, closed: Closed) {
        if self.closed.is_none() {
            self.closed = Some(closed);
            self.ended = Some((Instant::now(), self.running()));
        }
        self.wake();
    }

    /// Returns what runs here.
    pub(crate) fn running(&self) -> Option<Running> {
        let since = self.pace.since();
        self.flights.front().map(|flight| Running { name: flight.exchange.name.clone(), since })
    }

    /// Finds out whether the first job is slow, or when it will be.
    pub(crate) fn look_for_slow(&mut self, now: Instant, slow_after: Option<Duration>, found: &mut Expired) {
        let since = self.pace.since();
        let Some(due) = self.flights.front().and_then(|flight| flight.slow_due(since, slow_after)) else {
            return;
        };
        if due > now {
            found.due = earlier(found.due, Some(due));
        } else if let Some(flight) = self.flights.front_mut() {
            flight.is_reported = true;
            found.slow = self.running();
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    /// Makes the worker look once everything is written; also before, because it may be its looking that makes room.
    pub(crate) fn pull(&mut self) {
        if !self.must_pull {
            return;
        }
        if let Some(leash) = &self.leash {
            leash.pull();
        }
        self.must_pull = !self.output.is_empty();
    }

    /// How many jobs may be sent now: more than one only where jobs are known to be short.
    pub(crate) fn room(&self, now: Instant) -> usize {
        let may_share = self.leash.is_some() && !self.meter.is_on() && !self.protocol.is_recalled();
        let limit = if may_share { self.pace.jobs_max() } else { 1 };
        let Some(first) = self.flights.front() else {
            return limit;
        };
        let is_patient = now < self.pace.patience_end() && matches!(first.clock, Clock::Head(_));
        // Half of them have to be answered before more are sent, or there would soon be one write for each again.
        if is_patient && first.exchange.may_share() && self.flights.len() <= limit / 2 {
            limit - self.flights.len()
        } else {
            0
        }
    }

    /// Calls back what was sent ahead if that is due.
    pub(crate) fn recall(&mut self, now: Instant) -> Result<(), Stuck> {
        if self.recall_due().is_none_or(|due| due > now) {
            return Ok(());
        }
        if self.protocol.is_recalled() {
            return Err(Stuck);
        }
        self.protocol.recall(&mut self.output);
        self.pace.recall(now);
        self.must_pull = true;
        Ok(())
    }

    /// Returns when the first job has kept those behind it waiting for too long, or, after that, the worker its answer.
    pub(crate) fn recall_due(&self) -> Option<Instant> {
        let is_recalled = self.protocol.is_recalled();
        let at = if is_recalled { self.pace.recall_end() } else { self.pace.patience_end() };
        (self.flights.len() > 1).then_some(at)
    }

    /// The jobs that were sent ahead and have to be answered at a certain time.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = (u32, Instant)> {
        self.flights.iter().skip(1).filter_map(|f| f.due_ahead().map(|at| (f.stream, at)))
    }

    /// Tells the worker that nobody waits for a job; false if it is over or was cancelled before.
    pub(crate) fn cancel(&mut self, stream: u32, now: Instant, grace: Duration) -> bool {
        let Some(flight) = self.flights.iter_mut().find(|f| f.stream == stream) else {
            return false;
        };
        let is_told = self.protocol.cancel(stream, &mut self.output);
        if is_told {
            flight.clock = Clock::Cancelled(now, grace);
        }
        is_told
    }
}

pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
