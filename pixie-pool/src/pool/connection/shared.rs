//! The jobs in the queue that all workers of a pool read, until one of the workers has claimed them.
//!
//! Owns the queue's memory and the jobs that are in it, by slot. Leaves how many there may be to `rules`, and a
//! claimed job to its `connection`.
//!
//! # Why no job is lost or run twice
//!
//! A job is read by one worker, or taken back, in one atomic step: see `platform::linux::queue`. The worker
//! then notes the job's number in its claims, before the handler runs. So after [`SharedQueue::take_back`], a
//! job is in one of three places:
//!
//! - It was taken back. Then no worker has it.
//! - A worker has claimed it: the job belongs to that worker, whose reply or exit ends it.
//! - Neither. Then the queue says which worker has read it and not noted it. As long as that worker lives, the
//!   answer is not known yet; if it has exited, the job was not started.
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
    config::{Config, PREFETCH_MAX, QUEUED_JOB_BYTES_MAX},
    platform::{Claim, Claims, QueueMemory, TakenBack as Left},
    pool::connection::{Connection, JobState},
    protocol::frame::{HEADER_BYTES, slot_of},
};

#[derive(Debug)]
pub(crate) struct SharedQueue {
    pub(crate) cancel_grace: Duration,
    memory: Arc<QueueMemory>,
    jobs: Mutex<Jobs>,
}

#[derive(Debug)]
struct Jobs {
    slots: Vec<Option<Unclaimed>>,
    free: Vec<usize>,
    /// Distinguishes the jobs of one slot.
    generation: u32,
    /// The place of the last job in the order in which jobs are read.
    order: u64,
    /// Connections of all workers that may read the queue and whose claims may be needed.
    readers: Vec<Arc<Connection>>,
    /// The number of the worker that was started last.
    reader: u16,
}

/// A job and how long it may wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued<J> {
    pub(crate) job: J,
    pub(crate) since: Instant,
    pub(crate) until: Instant,
}

/// A job in the queue, or with a worker that has not said so.
#[derive(Debug)]
struct Unclaimed {
    queued: Queued<Arc<JobState>>,
    stream: u32,
    is_ticket: bool,
    order: u64,
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
    /// The queue has no room.
    Full(Queued<Arc<JobState>>),
}

/// The result of emptying the queue.
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

/// Bytes of the largest message: a job with the header of its frame.
const MESSAGE_BYTES_MAX: usize = HEADER_BYTES + QUEUED_JOB_BYTES_MAX;

thread_local! {
    static MESSAGE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

impl SharedQueue {
    /// Creates the queue, for a pool that starts this many workers at most.
    pub(crate) fn new(workers_max: usize, cancel_grace: Duration) -> io::Result<Self> {
        // Slot 0 is not used, so that no stream is 0.
        let slots = 1 + workers_max + PREFETCH_MAX;
        Ok(SharedQueue {
            cancel_grace,
            memory: QueueMemory::new(slots, MESSAGE_BYTES_MAX)?,
            jobs: Mutex::new(Jobs {
                slots: (0..slots).map(|_| None).collect(),
                free: (1..slots).rev().collect(),
                generation: 0,
                order: 0,
                readers: Vec::new(),
                reader: 0,
            }),
        })
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the claims of a worker that is being started.
    pub(crate) fn new_claims(&self) -> io::Result<Arc<Claims>> {
        let mut jobs = self.jobs();
        let in_use = |jobs: &Jobs| jobs.readers.iter().any(|reader| reader.is_reader(jobs.reader));
        loop {
            // Not the number that means that a job waits.
            jobs.reader = (jobs.reader + 1) % u16::MAX;
            if !in_use(&jobs) {
                return Claims::new(jobs.slots.len(), jobs.reader);
            }
        }
    }

    pub(crate) fn memory(&self) -> &QueueMemory {
        &self.memory
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
            jobs.order += 1;
            let order = jobs.order;
            if !self.memory.put(slot, order, message) {
                jobs.free.push(slot);
                return if queued.job.leave_queue() { SharedSend::Full(queued) } else { SharedSend::Over };
            }
            jobs.slots[slot] = Some(Unclaimed { queued, stream, order, is_ticket, is_canceled: false });
            let sleeper = jobs.readers.iter().find(|reader| reader.take_sleeper()).cloned();
            // Not under the lock, because a worker that is woken may run at once.
            drop(jobs);
            sleeper.iter().for_each(|sleeper| sleeper.wake());
            SharedSend::Sent(left.map(|left| now + left))
        })
    }

    /// Removes a job that this worker has claimed.
    pub(crate) fn claimed(&self, stream: u32, claims: &Claims) -> Option<Claimed> {
        self.jobs().claimed(stream, claims, &self.memory)
    }

    /// Removes the job that this worker runs, if it was not removed before.
    pub(crate) fn running(&self, claims: &Claims) -> Option<Claimed> {
        let slot = claims.running()?;
        let mut jobs = self.jobs();
        let stream = jobs.slots.get(slot)?.as_ref()?.stream;
        jobs.claimed(stream, claims, &self.memory)
    }

    /// Removes all jobs that this worker has claimed, in their order.
    pub(crate) fn all_claimed(&self, claims: &Claims) -> Vec<Claimed> {
        let mut jobs = self.jobs();
        let mut all: Vec<Claimed> =
            jobs.streams().into_iter().filter_map(|stream| jobs.claimed(stream, claims, &self.memory)).collect();
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
        let mut taken = TakenBack::default();
        let (mut unread, mut lost) = (Vec::new(), Vec::new());
        for unclaimed in jobs.slots.iter().flatten() {
            let (slot, number) = (slot_of(unclaimed.stream), unclaimed.queued.job.name.number);
            match self.memory.take_back(slot, unclaimed.order) {
                Left::Unread => unread.push((unclaimed.order, unclaimed.stream)),
                Left::ReadBy(_) if jobs.readers.iter().any(|reader| reader.has_claimed(slot, number)) => {}
                Left::ReadBy(worker) if jobs.readers.iter().any(|reader| reader.is_reader(worker)) => {
                    taken.is_unclear = true;
                }
                Left::ReadBy(_) => lost.push((unclaimed.order, unclaimed.stream)),
            }
        }
        taken.lost = lost.len();
        let mut left = [lost, unread].concat();
        left.sort_unstable();
        for (_, stream) in left {
            if let Some(unclaimed) = jobs.remove(stream) {
                self.memory.clear(slot_of(stream));
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
        self.memory.close();
        let mut jobs = self.jobs();
        jobs.readers.iter().filter(|reader| reader.take_sleeper()).for_each(|reader| reader.wake());
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

    fn claimed(&mut self, stream: u32, claims: &Claims, memory: &QueueMemory) -> Option<Claimed> {
        let claim = claims.get(slot_of(stream), self.get(stream)?.queued.job.name.number)?;
        let Unclaimed { queued, is_ticket, .. } = self.remove(stream)?;
        memory.clear(slot_of(stream));
        Some(Claimed { job: queued.job, stream, is_ticket, claim })
    }
}

/// Returns whether a pool's workers take their jobs from a shared queue: not in a sandbox, where a worker
/// must not read the jobs of others.
pub(crate) fn takes_from_queue(config: &Config) -> bool {
    crate::platform::has_queue() && !config.is_threaded() && !config.sandbox.is_wanted() && !config.fresh
}
