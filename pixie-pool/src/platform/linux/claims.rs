//! Which jobs a worker has claimed: a memory file that the worker writes and its parent reads.
//!
//! Owns the layout. The file is sealed, so that a worker cannot shrink it: reading a mapping without its file
//! would kill the parent. Invariant: a claim is complete before its number is visible.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::time::ClockId;

use crate::platform::{Claim, linux::words::Words};

/// Words before the first claim, of which three are used: the number of the worker in the queue, the word in
/// which it sleeps, and the slot of the job that it runs, plus 1.
const HEADER_WORDS: usize = 8;
const READER: usize = 0;
const SLEEPING: usize = 1;
const RUNNING: usize = 2;
/// Words of a claim: the job's number, the time and the CPU time.
const CLAIM_WORDS: usize = 4;

/// The parent's side of the claims of one worker.
#[derive(Debug)]
pub(crate) struct Claims {
    file: OwnedFd,
    words: Words,
    reader: u16,
}

/// The worker's side of its claims.
#[derive(Debug)]
pub(crate) struct ClaimWriter {
    words: Words,
    is_metered: bool,
}

fn claim(words: &Words, slot: usize) -> Option<&[AtomicU64]> {
    words.all().get(HEADER_WORDS + slot * CLAIM_WORDS..)?.get(..CLAIM_WORDS)
}

impl Claims {
    /// Makes the claims of the worker with this number in the queue, which has not started, for this many
    /// slots.
    pub(crate) fn new(slots: usize, reader: u16) -> io::Result<Arc<Self>> {
        let (words, file) = Words::create("claims", HEADER_WORDS + slots * CLAIM_WORDS)?;
        words.all()[READER].store(reader.into(), Ordering::SeqCst);
        Ok(Arc::new(Claims { file, words, reader }))
    }

    /// Returns the number of the worker in the queue.
    pub(crate) fn reader(&self) -> u16 {
        self.reader
    }

    /// Returns whether the worker sleeps until there is a job, and is to be woken now.
    pub(crate) fn take_sleeper(&self) -> bool {
        self.words.take_sleeper(SLEEPING)
    }

    /// Wakes the worker, which slept.
    pub(crate) fn wake(&self) {
        self.words.wake(SLEEPING);
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Returns the slot of the job that the worker runs.
    pub(crate) fn running(&self) -> Option<usize> {
        usize::try_from(self.words.all()[RUNNING].load(Ordering::SeqCst)).ok()?.checked_sub(1)
    }

    /// Returns the worker's last claim in a slot, if it is that of the job with this number.
    pub(crate) fn get(&self, slot: usize, number: u64) -> Option<Claim> {
        let [claimed, time, cpu, _] = claim(&self.words, slot)? else {
            return None;
        };
        let is_claimed = claimed.load(Ordering::SeqCst) == number;
        is_claimed.then(|| Claim::new(time.load(Ordering::SeqCst), cpu.load(Ordering::SeqCst)))
    }
}

impl ClaimWriter {
    pub(crate) fn of(file: OwnedFd, is_metered: bool) -> io::Result<Self> {
        Ok(ClaimWriter { words: Words::open(file)?, is_metered })
    }

    /// Returns the number of this worker in the queue.
    pub(super) fn reader(&self) -> u16 {
        self.words.all()[READER].load(Ordering::SeqCst) as u16
    }

    /// Sleeps until the parent wakes this worker, or for this time at most, if there is no job.
    pub(super) fn sleep(&self, time: Duration, has_job: impl FnMut() -> bool) {
        self.words.sleep(SLEEPING, time, has_job);
    }

    /// Claims the job with this number, which is about to start.
    pub(crate) fn claim(&self, slot: usize, number: u64) {
        let Some([claimed, time, cpu, _]) = claim(&self.words, slot) else {
            return;
        };
        time.store(now(ClockId::Monotonic), Ordering::SeqCst);
        if self.is_metered {
            cpu.store(now(ClockId::ProcessCPUTime), Ordering::SeqCst);
        }
        claimed.store(number, Ordering::SeqCst);
        self.words.all()[RUNNING].store(slot as u64 + 1, Ordering::SeqCst);
    }

    /// Says that the job has ended.
    pub(crate) fn finish(&self) {
        self.words.all()[RUNNING].store(0, Ordering::SeqCst);
    }
}

impl Claim {
    /// Reads the times that a worker has written. A time in the future counts as now.
    fn new(time: u64, cpu: u64) -> Self {
        let age = Duration::from_nanos(now(ClockId::Monotonic).saturating_sub(time));
        let at = Instant::now();
        Claim { at: at.checked_sub(age).unwrap_or(at), cpu: Duration::from_nanos(cpu) }
    }
}

/// Returns the time of a clock in nanoseconds.
fn now(clock: ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}
