//! The jobs in the socket that all workers of a pool read, until one of the workers has claimed them.
//!
//! Owns the socket and the jobs that are in it, by slot. Leaves how many there may be to `rules`, and a
//! claimed job to its `connection`.
//!
//! # Why no job is lost or run twice
//!
//! The system gives each message to one worker. The worker notes the job's number in its claims before the
//! handler runs, and says there when it is between reading and noting. So after the socket was emptied by
//! [`SharedQueue::take_back`], a job is in one of three places:
//!
//! - It was taken back. Then no worker has it.
//! - A worker has claimed it: the job belongs to that worker, whose reply or exit ends it.
//! - Neither. Then a worker has read it and not noted it. If some worker may be between the two, the answer
//!   is not known yet; if none is, the worker has exited there, and the job was not started. A worker whose
//!   thread sleeps is not between the two, but waits for a message.
//!
//! The claims of an exited worker are read before it is forgotten, and only after its process has exited.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::BytesMut;

use crate::{
    config::{Config, PREFETCH_MAX, QUEUE_WAIT},
    platform::{Claim, Claims, SharedSocket},
    pool::connection::{Connection, JobState},
    protocol::{
        decode,
        frame::{HEADER_BYTES, slot_of},
    },
};

#[derive(Debug)]
pub(crate) struct SharedQueue {
    pub(crate) cancel_grace: Duration,
    socket: Arc<SharedSocket>,
    jobs: Mutex<Jobs>,
}

#[derive(Debug)]
struct Jobs {
    slots: Vec<Option<Unclaimed>>,
    free: Vec<usize>,
    /// Distinguishes the jobs of one slot.
    generation: u32,
    /// Connections of all workers that may read the socket and whose claims may be needed.
    readers: Vec<Arc<Connection>>,
}

/// A job and how long it may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued<J> {
    pub(crate) job: J,
    pub(crate) since: Instant,
    pub(crate) until: Instant,
}

/// A job in the socket, or with a worker that has not said so.
#[derive(Debug)]
struct Unclaimed {
    queued: Queued<Arc<JobState>>,
    stream: u32,
    is_ticket: bool,
    /// Whether the message is in the socket, or was.
    is_sent: bool,
    is_canceled: bool,
}

/// A job that a worker has claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) job: Arc<JobState>,
    pub(crate) stream: u32,
    pub(crate) is_ticket: bool,
    pub(crate) claim: Claim,
}

/// What became of a job that was to be sent.
#[derive(Debug)]
pub(crate) enum SharedSend {
    /// Its times have to be checked at that time.
    Sent(Option<Instant>),
    /// The job has ended or was canceled.
    Over,
    /// The socket has no room.
    Full(Queued<Arc<JobState>>),
}

/// The result of emptying the socket.
#[derive(Debug, Default)]
pub(crate) struct TakenBack {
    /// Jobs that no worker has started, in their order.
    pub(crate) jobs: Vec<Queued<Arc<JobState>>>,
    /// How many of them a worker had read before it exited.
    pub(crate) lost: usize,
    /// Jobs whose submitter has left.
    pub(crate) canceled: usize,
    /// Whether to look again soon, because a worker may have read a job just now.
    pub(crate) is_unclear: bool,
}

thread_local! {
    static MESSAGE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

impl SharedQueue {
    /// Creates the socket, for a pool that starts this many workers at most.
    pub(crate) fn new(workers_max: usize, cancel_grace: Duration) -> io::Result<Self> {
        // Slot 0 is not used, so that no stream is 0.
        let slots = 1 + workers_max + PREFETCH_MAX;
        Ok(SharedQueue {
            cancel_grace,
            socket: SharedSocket::new(QUEUE_WAIT)?,
            jobs: Mutex::new(Jobs {
                slots: (0..slots).map(|_| None).collect(),
                free: (1..slots).rev().collect(),
                generation: 0,
                readers: Vec::new(),
            }),
        })
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the claims of a worker that is being started.
    pub(crate) fn new_claims(&self) -> io::Result<Arc<Claims>> {
        Claims::new(self.jobs().slots.len())
    }

    pub(crate) fn socket(&self) -> &SharedSocket {
        &self.socket
    }

    /// Sends a job to whichever worker reads next.
    pub(crate) fn send(&self, queued: Queued<Arc<JobState>>, now: Instant) -> SharedSend {
        MESSAGE.with_borrow_mut(|message| {
            message.clear();
            let mut jobs = self.jobs();
            let Some(slot) = jobs.free.pop() else {
                return SharedSend::Full(queued);
            };
            jobs.generation = jobs.generation.wrapping_add(1);
            let stream = (jobs.generation << 16) | slot as u32;
            let Some((is_ticket, left)) = queued.job.enqueue(now, stream, message) else {
                jobs.free.push(slot);
                return SharedSend::Over;
            };
            jobs.slots[slot] = Some(Unclaimed { queued, stream, is_ticket, is_sent: false, is_canceled: false });
            // Not sent under the lock, because a sent message wakes a worker.
            drop(jobs);
            let is_sent = self.socket.try_send(message);
            let mut jobs = self.jobs();
            if is_sent {
                // It may have ended already.
                jobs.get(stream).into_iter().for_each(|unclaimed| unclaimed.is_sent = true);
                return SharedSend::Sent(left.map(|left| now + left));
            }
            match jobs.remove(stream) {
                Some(unclaimed) if unclaimed.queued.job.leave_queue() => SharedSend::Full(unclaimed.queued),
                _ => SharedSend::Over,
            }
        })
    }

    /// Removes a job that this worker has claimed.
    pub(crate) fn claimed(&self, stream: u32, claims: &Claims) -> Option<Claimed> {
        self.jobs().claimed(stream, claims)
    }

    /// Removes the job that this worker runs, if it was not removed before.
    pub(crate) fn running(&self, claims: &Claims) -> Option<Claimed> {
        let slot = claims.running()?;
        let mut jobs = self.jobs();
        let stream = jobs.slots.get(slot)?.as_ref()?.stream;
        jobs.claimed(stream, claims)
    }

    /// Removes all jobs that this worker has claimed, in their order.
    pub(crate) fn all_claimed(&self, claims: &Claims) -> Vec<Claimed> {
        let mut jobs = self.jobs();
        let mut all: Vec<Claimed> =
            jobs.streams().into_iter().filter_map(|stream| jobs.claimed(stream, claims)).collect();
        all.sort_by_key(|claimed| claimed.claim.at);
        all
    }

    pub(crate) fn add_reader(&self, connection: &Arc<Connection>) {
        self.jobs().readers.push(Arc::clone(connection));
    }

    /// Forgets a worker after its exit.
    pub(crate) fn remove_reader(&self, connection: &Arc<Connection>) {
        self.jobs().readers.retain(|reader| reader != connection);
    }

    pub(crate) fn readers(&self) -> Vec<Arc<Connection>> {
        self.jobs().readers.clone()
    }

    /// Marks a job whose submitter has left; false if it is not here any longer.
    pub(crate) fn cancel(&self, stream: u32) -> bool {
        self.jobs().get(stream).map(|unclaimed| unclaimed.is_canceled = true).is_some()
    }

    /// Returns since when the oldest job here waits, when the first has waited too long, and whether one was
    /// canceled.
    pub(crate) fn waits(&self) -> Option<(Instant, Instant, bool)> {
        let jobs = self.jobs();
        let all = || jobs.slots.iter().flatten();
        let (since, until) = (all().map(|u| u.queued.since).min()?, all().map(|u| u.queued.until).min()?);
        Some((since, until, all().any(|unclaimed| unclaimed.is_canceled)))
    }

    /// Takes all jobs back that no worker has read, and finds those that were lost with their worker.
    pub(crate) fn take_back(&self) -> TakenBack {
        let mut jobs = self.jobs();
        // A job whose message is on the way belongs to its sender.
        let sent = jobs.slots.iter().flatten().filter(|unclaimed| unclaimed.is_sent);
        let sent: Vec<u32> = sent.map(|unclaimed| unclaimed.stream).collect();
        let mut taken = TakenBack::default();
        // The header says which job it is; the system drops the rest of the message.
        let mut header = [0; HEADER_BYTES];
        let mut unread = Vec::new();
        while self.socket.take_back(&mut header) == Some(HEADER_BYTES) {
            unread.extend(decode::stream(&header));
        }
        let mut lost = Vec::new();
        for stream in sent.into_iter().filter(|stream| !unread.contains(stream)) {
            let Some(unclaimed) = &jobs.slots[slot_of(stream)] else {
                continue;
            };
            let number = unclaimed.queued.job.name.number;
            let is_claimed = || jobs.readers.iter().any(|reader| reader.has_claimed(slot_of(stream), number));
            if is_claimed() {
                continue;
            }
            // Asked before the claims: a worker that is not between reading and claiming has claimed.
            let is_reading = jobs.readers.iter().any(|reader| reader.is_reading());
            if is_claimed() {
                continue;
            }
            if is_reading {
                taken.is_unclear = true;
            } else {
                lost.push(stream);
            }
        }
        taken.lost = lost.len();
        for stream in lost.into_iter().chain(unread) {
            // A message whose sender has not returned yet is in a slot as well.
            if let Some(unclaimed) = jobs.remove(stream) {
                if !unclaimed.is_canceled && unclaimed.queued.job.leave_queue() {
                    taken.jobs.push(unclaimed.queued);
                } else {
                    taken.canceled += 1;
                }
            }
        }
        taken
    }

    /// Removes all jobs and lets the workers see the end, for the end of the pool.
    pub(crate) fn clear(&self) -> Vec<Arc<JobState>> {
        self.socket.close();
        let mut jobs = self.jobs();
        jobs.streams().into_iter().filter_map(|stream| jobs.remove(stream)).map(|u| u.queued.job).collect()
    }
}

impl Jobs {
    fn streams(&self) -> Vec<u32> {
        self.slots.iter().flatten().map(|unclaimed| unclaimed.stream).collect()
    }

    fn get(&mut self, stream: u32) -> Option<&mut Unclaimed> {
        self.slots.get_mut(slot_of(stream))?.as_mut().filter(|unclaimed| unclaimed.stream == stream)
    }

    fn remove(&mut self, stream: u32) -> Option<Unclaimed> {
        let slot = slot_of(stream);
        let unclaimed = self.slots.get_mut(slot)?.take_if(|unclaimed| unclaimed.stream == stream)?;
        self.free.push(slot);
        Some(unclaimed)
    }

    fn claimed(&mut self, stream: u32, claims: &Claims) -> Option<Claimed> {
        let claim = claims.get(slot_of(stream), self.get(stream)?.queued.job.name.number)?;
        let Unclaimed { queued, is_ticket, .. } = self.remove(stream)?;
        Some(Claimed { job: queued.job, stream, is_ticket, claim })
    }
}

/// Returns whether a pool's workers take their jobs from a shared socket: not in a sandbox, where a worker
/// must not read the jobs of others.
pub(crate) fn takes_from_socket(config: &Config) -> bool {
    crate::platform::has_queue() && !config.is_threaded() && !config.sandbox.is_wanted() && !config.fresh
}
