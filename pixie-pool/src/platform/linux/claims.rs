//! Which jobs a worker has claimed: a memory file that the worker writes and its parent reads.
//!
//! Owns the layout. The file is sealed, so that a worker cannot shrink it: reading a mapping without its file
//! would kill the parent. Invariant: a claim is complete before its number is visible.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    fs::{MemfdFlags, SealFlags},
    mm::{MapFlags, ProtFlags},
    time::ClockId,
};

use crate::platform::{Claim, linux::process_stats::is_sleeping};

/// Words before the first claim, of which three are used: whether the worker reads the queue, the slot of the
/// job that it runs, plus 1, and the thread that reads.
const HEADER_WORDS: usize = 8;
const READING: usize = 0;
const RUNNING: usize = 1;
const THREAD: usize = 2;
/// Words of a claim: the job's number, the time and the CPU time.
const CLAIM_WORDS: usize = 4;

/// The parent's side of the claims of one worker.
#[derive(Debug)]
pub(crate) struct Claims {
    file: OwnedFd,
    words: Words,
}

/// The worker's side of its claims.
#[derive(Debug)]
pub(crate) struct ClaimWriter {
    words: Words,
    is_metered: bool,
}

#[derive(Debug)]
struct Words {
    start: *mut AtomicU64,
    count: usize,
}

// SAFETY: the words are atomic and live as long as the value.
unsafe impl Send for Words {}
// SAFETY: the words are atomic, so threads may share them.
unsafe impl Sync for Words {}

impl Words {
    fn map(file: impl AsFd, count: usize) -> io::Result<Self> {
        let (access, sharing) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses an unused address; `drop` unmaps it.
        let start = unsafe { rustix::mm::mmap(std::ptr::null_mut(), count * 8, access, sharing, file, 0) }?;
        Ok(Words { start: start.cast(), count })
    }

    fn all(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is aligned, has this length, lives as long as `self`, and its file cannot
        // shrink.
        unsafe { std::slice::from_raw_parts(self.start, self.count) }
    }

    fn claim(&self, slot: usize) -> Option<&[AtomicU64]> {
        self.all().get(HEADER_WORDS + slot * CLAIM_WORDS..)?.get(..CLAIM_WORDS)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `map`, and no reference outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), self.count * 8) };
    }
}

impl Claims {
    /// Makes the claims of a worker that has not started, for this many slots.
    pub(crate) fn new(slots: usize) -> io::Result<Arc<Self>> {
        let count = HEADER_WORDS + slots * CLAIM_WORDS;
        let file = rustix::fs::memfd_create("claims", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&file, count as u64 * 8)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // Allocated now: a store to a page that cannot be allocated would kill the worker.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, count as u64 * 8)?;
        let words = Words::map(&file, count)?;
        Ok(Arc::new(Claims { file, words }))
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Returns whether the worker may have read a job that it has not claimed yet. A worker whose thread
    /// sleeps waits for a job.
    pub(crate) fn is_reading(&self, pid: u32) -> bool {
        let words = self.words.all();
        let is_reading = words[READING].load(Ordering::SeqCst) != 0;
        is_reading && !is_sleeping(pid, words[THREAD].load(Ordering::SeqCst))
    }

    /// Returns the slot of the job that the worker runs.
    pub(crate) fn running(&self) -> Option<usize> {
        usize::try_from(self.words.all()[RUNNING].load(Ordering::SeqCst)).ok()?.checked_sub(1)
    }

    /// Returns the worker's last claim in a slot, if it is that of the job with this number.
    pub(crate) fn get(&self, slot: usize, number: u64) -> Option<Claim> {
        let [claimed, time, cpu, _] = self.words.claim(slot)? else {
            return None;
        };
        let is_claimed = claimed.load(Ordering::SeqCst) == number;
        is_claimed.then(|| Claim::new(time.load(Ordering::SeqCst), cpu.load(Ordering::SeqCst)))
    }
}

impl ClaimWriter {
    pub(crate) fn open(file: OwnedFd, is_metered: bool) -> io::Result<Self> {
        let bytes = File::from(file.try_clone()?).metadata()?.len();
        Ok(ClaimWriter { words: Words::map(&file, bytes as usize / 8)?, is_metered })
    }

    /// Says which thread reads the queue: this one.
    pub(crate) fn introduce(&self) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.words.all()[THREAD].store(thread as u64, Ordering::SeqCst);
    }

    /// Says that the worker reads the queue from now on.
    pub(crate) fn begin(&self) {
        self.words.all()[READING].store(1, Ordering::SeqCst);
    }

    /// Says that the worker has claimed all that it has read.
    pub(crate) fn end(&self) {
        self.words.all()[READING].store(0, Ordering::SeqCst);
    }

    /// Claims the job with this number, which is about to start.
    pub(crate) fn claim(&self, slot: usize, number: u64) {
        let Some([claimed, time, cpu, _]) = self.words.claim(slot) else {
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
