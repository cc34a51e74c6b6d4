//! A memory file of numbers, which several processes read and write at the same time.
//!
//! Invariant: the file is sealed, so that no process can shrink it: reading a mapping without its file would
//! kill the reader.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags},
    mm::{MapFlags, ProtFlags},
    thread::futex,
    time::Timespec,
};

#[derive(Debug)]
pub(super) struct Words {
    start: *mut AtomicU64,
    count: usize,
}

// SAFETY: the words are atomic and live as long as the value.
unsafe impl Send for Words {}
// SAFETY: the words are atomic, so threads may share them.
unsafe impl Sync for Words {}

impl Words {
    /// Makes a file of this many words, which are 0.
    pub(super) fn create(name: &str, count: usize) -> io::Result<(Words, OwnedFd)> {
        let file = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&file, count as u64 * 8)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        // Allocated now: a store to a page that cannot be allocated would kill the process.
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, count as u64 * 8)?;
        Ok((Words::map(&file, count)?, file))
    }

    /// Maps the words that another process has made.
    pub(super) fn open(file: OwnedFd) -> io::Result<Words> {
        let file = File::from(file);
        Words::map(&file, file.metadata()?.len() as usize / 8)
    }

    fn map(file: impl AsFd, count: usize) -> io::Result<Self> {
        let (access, sharing) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses an unused address; `drop` unmaps it.
        let start = unsafe { rustix::mm::mmap(ptr::null_mut(), count * 8, access, sharing, file, 0) }?;
        Ok(Words { start: start.cast(), count })
    }

    pub(super) fn all(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is aligned, has this length, lives as long as `self`, and its file cannot
        // shrink.
        unsafe { std::slice::from_raw_parts(self.start, self.count) }
    }

    /// Returns a word in which a thread sleeps.
    fn sleeping(&self, at: usize) -> &AtomicU32 {
        let word: &AtomicU64 = &self.all()[at];
        // SAFETY: all processes use only the first half of this word.
        unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
    }

    /// Sleeps in this word until another process wakes this thread, or for this time at most; not at all if
    /// there is a reason to be awake.
    pub(super) fn sleep(&self, at: usize, time: Duration, mut has_reason: impl FnMut() -> bool) {
        let word = self.sleeping(at);
        word.store(1, Ordering::SeqCst);
        if !has_reason() {
            let time = Timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos().into() };
            // An error means that it was woken, or that the time is over.
            let _ = futex::wait(word, futex::Flags::empty(), 1, Some(&time));
        }
        word.store(0, Ordering::SeqCst);
    }

    /// Returns whether a thread sleeps in this word, which is to be woken now.
    pub(super) fn take_sleeper(&self, at: usize) -> bool {
        self.sleeping(at).swap(0, Ordering::SeqCst) == 1
    }

    /// Wakes the thread that slept in this word.
    pub(super) fn wake(&self, at: usize) {
        let _ = futex::wake(self.sleeping(at), futex::Flags::empty(), 1);
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `map`, and no reference outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), self.count * 8) };
    }
}
