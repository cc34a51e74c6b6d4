//! The queue that all workers of a pool read: memory with a slot for each job, which one of them claims.
//!
//! Owns the layout. A job is a message in the file of messages, which only the parent can write, and a word in
//! the file of words, which all can: 0 in a slot without a job; the place in the order and [`WAITING`] for a job
//! that waits; the place and the number of a worker for one that this worker has read. The change from the second
//! to the third, or by the parent back to the first, is one atomic step, so one process makes it.
//!
//! Invariants: a message is complete before its word says so, and does not change until the parent knows that
//! it was read. The parent believes no word that it did not write, but compares.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags},
    mm::{MapFlags, ProtFlags},
};

use crate::platform::linux::{claims::ClaimWriter, words::Words};

/// Words before the first slot. The first one says whether the parent has closed the queue.
const HEADER_WORDS: usize = 8;
/// In place of a worker's number.
const WAITING: u16 = u16::MAX;
/// Bytes of a message's length, before it.
const LENGTH_BYTES: usize = size_of::<u32>();

/// The parent's side.
#[derive(Debug)]
pub(crate) struct QueueMemory {
    words: Words,
    words_file: OwnedFd,
    messages: Messages,
    messages_file: OwnedFd,
    /// Whether the system has given memory to the messages of a slot.
    allocated: Vec<AtomicBool>,
}

/// A worker's side.
#[derive(Debug)]
pub(crate) struct QueueReader {
    words: Words,
    messages: Messages,
    number: u16,
}

/// What became of a job in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenBack {
    /// No worker has read it, and none will.
    Unread,
    /// The worker with this number has read it, unless memory was overwritten.
    ReadBy(u16),
}

fn word(order: u64, number: u16) -> u64 {
    order << 16 | u64::from(number)
}

impl QueueMemory {
    /// Makes a queue with this many slots, for messages of so many bytes at most.
    pub(crate) fn new(slots: usize, message_bytes_max: usize) -> io::Result<Arc<Self>> {
        let (words, words_file) = Words::create("queue", HEADER_WORDS + slots)?;
        let slot_bytes = (LENGTH_BYTES + message_bytes_max).next_multiple_of(rustix::param::page_size());
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let messages_file = rustix::fs::memfd_create("messages", flags)?;
        rustix::fs::ftruncate(&messages_file, (slots * slot_bytes) as u64)?;
        let messages = Messages::map(messages_file.as_fd(), slots, slot_bytes, ProtFlags::READ | ProtFlags::WRITE)?;
        // From here on, only this process can write.
        let seals = SealFlags::FUTURE_WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&messages_file, seals)?;
        let allocated = (0..slots).map(|_| AtomicBool::new(false)).collect();
        Ok(Arc::new(QueueMemory { words, words_file, messages, messages_file, allocated }))
    }

    /// Returns the files for a worker, in the order of [`QueueReader::open`].
    pub(crate) fn files(&self) -> [BorrowedFd<'_>; 2] {
        [self.words_file.as_fd(), self.messages_file.as_fd()]
    }

    /// Puts a job into a slot, of which the caller knows that no worker reads it; false if it is too large, or
    /// if the system has no memory for it. Jobs are read in their order.
    pub(crate) fn put(&self, slot: usize, order: u64, message: &[u8]) -> bool {
        if !self.allocate(slot) || !self.messages.write(slot, message) {
            return false;
        }
        self.words.all()[HEADER_WORDS + slot].store(word(order, WAITING), Ordering::SeqCst);
        true
    }

    /// A store to a page that cannot be allocated would kill this process.
    fn allocate(&self, slot: usize) -> bool {
        let (bytes, is_allocated) = (self.messages.slot_bytes as u64, &self.allocated[slot]);
        if !is_allocated.load(Ordering::Relaxed) {
            let flags = FallocateFlags::KEEP_SIZE;
            let given = rustix::io::retry_on_intr(|| {
                rustix::fs::fallocate(&self.messages_file, flags, slot as u64 * bytes, bytes)
            });
            is_allocated.store(given.is_ok(), Ordering::Relaxed);
        }
        is_allocated.load(Ordering::Relaxed)
    }

    /// Takes a job back, unless a worker has read it.
    pub(crate) fn take_back(&self, slot: usize, order: u64) -> TakenBack {
        let waiting = word(order, WAITING);
        match self.words.all()[HEADER_WORDS + slot].compare_exchange(waiting, 0, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => TakenBack::Unread,
            Err(other) => TakenBack::ReadBy(other as u16),
        }
    }

    /// Overwrites the message of a slot, of which the caller knows that no worker reads it: other workers can read
    /// what stays there.
    pub(crate) fn clear(&self, slot: usize) {
        self.messages.clear(slot);
    }

    /// Tells the workers that the last job is in the queue. Sleeping ones see it when they are woken.
    pub(crate) fn close(&self) {
        self.words.all()[0].store(1, Ordering::SeqCst);
    }
}

impl QueueReader {
    pub(crate) fn open(words: OwnedFd, messages: OwnedFd, claims: &ClaimWriter) -> io::Result<Self> {
        let words = Words::open(words)?;
        let slots = words.all().len().saturating_sub(HEADER_WORDS);
        let bytes = File::from(messages.try_clone()?).metadata()?.len() as usize;
        let messages = Messages::map(messages.as_fd(), slots, bytes / slots.max(1), ProtFlags::READ)?;
        Ok(QueueReader { words, messages, number: claims.reader() })
    }

    /// Returns whether the parent has closed the queue.
    pub(crate) fn has_ended(&self) -> bool {
        self.words.all()[0].load(Ordering::SeqCst) != 0
    }

    /// Sleeps until there may be a job, for this time at most.
    pub(crate) fn sleep(&self, claims: &ClaimWriter, time: Duration) {
        claims.sleep(time, || self.has_ended() || self.oldest().is_some());
    }

    /// Reads the job that waits longest, if there is one. It stays with this worker, which has to claim it now.
    pub(crate) fn read(&self, target: &mut Vec<u8>) -> bool {
        while let Some((slot, waiting)) = self.oldest() {
            let read = waiting & !u64::from(u16::MAX) | u64::from(self.number);
            let word = &self.words.all()[HEADER_WORDS + slot];
            if word.compare_exchange(waiting, read, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                self.messages.read(slot, target);
                return true;
            }
        }
        false
    }

    /// Returns the slot of the job that waits longest, and its word.
    fn oldest(&self) -> Option<(usize, u64)> {
        let words = self.words.all().iter().skip(HEADER_WORDS).map(|word| word.load(Ordering::SeqCst));
        words.enumerate().filter(|(_, word)| *word as u16 == WAITING).min_by_key(|(_, word)| *word)
    }
}

/// The mapped messages, each after its length.
#[derive(Debug)]
struct Messages {
    start: *mut u8,
    slots: usize,
    slot_bytes: usize,
}

// SAFETY: the mapping lives as long as the value. Who may use a slot is decided by atomic words.
unsafe impl Send for Messages {}
// SAFETY: as above.
unsafe impl Sync for Messages {}

impl Messages {
    fn map(file: BorrowedFd<'_>, slots: usize, slot_bytes: usize, access: ProtFlags) -> io::Result<Self> {
        // SAFETY: the kernel chooses an unused address; `drop` unmaps it.
        let start =
            unsafe { rustix::mm::mmap(ptr::null_mut(), slots * slot_bytes, access, MapFlags::SHARED, file, 0) }?;
        Ok(Messages { start: start.cast(), slots, slot_bytes })
    }

    /// Writes a message into a slot; false if it has no room for it.
    fn write(&self, slot: usize, message: &[u8]) -> bool {
        if slot >= self.slots || LENGTH_BYTES + message.len() > self.slot_bytes {
            return false;
        }
        let length = (message.len() as u32).to_ne_bytes();
        // SAFETY: both copies end within the slot, and the mapping is writable and has memory for it. No
        // process reads the slot now, except for one that has overwritten words, and only as bytes.
        unsafe {
            let start = self.start.add(slot * self.slot_bytes);
            ptr::copy_nonoverlapping(length.as_ptr(), start, LENGTH_BYTES);
            ptr::copy_nonoverlapping(message.as_ptr(), start.add(LENGTH_BYTES), message.len());
        }
        true
    }

    /// Appends the message of a slot.
    fn read(&self, slot: usize, target: &mut Vec<u8>) {
        let (start, length) = self.message(slot);
        // SAFETY: the message ends within the slot, and the parent does not write it now.
        target.extend_from_slice(unsafe { std::slice::from_raw_parts(start, length) });
    }

    /// Overwrites the message of a slot that was written before.
    fn clear(&self, slot: usize) {
        let (start, length) = self.message(slot);
        // SAFETY: the message ends within the slot, which has memory and which only this process writes.
        unsafe { ptr::write_bytes(start, 0, length) };
    }

    /// Returns where the message of a slot is, and its length.
    fn message(&self, slot: usize) -> (*mut u8, usize) {
        assert!(slot < self.slots, "the queue has this slot");
        let mut length = [0; LENGTH_BYTES];
        // SAFETY: the slot is one of the mapping.
        let start = unsafe { self.start.add(slot * self.slot_bytes) };
        // SAFETY: the length is at the start of the slot, and the message behind it.
        let start = unsafe {
            ptr::copy_nonoverlapping(start, length.as_mut_ptr(), LENGTH_BYTES);
            start.add(LENGTH_BYTES)
        };
        (start, (u32::from_ne_bytes(length) as usize).min(self.slot_bytes - LENGTH_BYTES))
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `map`, and no reference outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.cast(), self.slots * self.slot_bytes) };
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use std::{
        io::Write as _,
        sync::atomic::{AtomicU32, Ordering::SeqCst},
        thread,
        time::Instant,
    };

    use super::*;
    use crate::platform::Claims;

    fn queue() -> Arc<QueueMemory> {
        QueueMemory::new(4, 100).unwrap()
    }

    fn reader(queue: &QueueMemory, number: u16) -> (QueueReader, ClaimWriter, Arc<Claims>) {
        let claims = Claims::new(4, number).unwrap();
        let writer = ClaimWriter::of(claims.file().try_clone_to_owned().unwrap(), false).unwrap();
        let [words, messages] = queue.files().map(|file| file.try_clone_to_owned().unwrap());
        (QueueReader::open(words, messages, &writer).unwrap(), writer, claims)
    }

    fn read(reader: &QueueReader) -> Option<String> {
        let mut message = Vec::new();
        reader.read(&mut message).then(|| String::from_utf8(message).unwrap())
    }

    #[test]
    fn jobs_are_read_once_and_in_their_order() {
        let queue = queue();
        let ((one, ..), (other, ..)) = (reader(&queue, 1), reader(&queue, 2));
        for (slot, order, message) in [(2, 7, "first"), (3, 8, ""), (0, 9, "third")] {
            assert!(queue.put(slot, order, message.as_bytes()));
        }
        let all = [&one, &other, &one, &other].map(read);
        assert_eq!(all, [Some("first".into()), Some(String::new()), Some("third".into()), None]);
        let taken = [(2, 7), (3, 8), (0, 9)].map(|(slot, order)| queue.take_back(slot, order));
        assert_eq!(taken, [1, 2, 1].map(TakenBack::ReadBy));
        assert!(!queue.put(1, 10, &[0; 5000]), "it is larger than a slot");
        queue.clear(0);
        let mut left = Vec::new();
        one.messages.read(0, &mut left);
        assert_eq!(left, [0; 5], "no worker can read it any longer");
    }

    #[test]
    fn a_job_is_read_or_taken_back_and_never_both() {
        let queue = queue();
        let readers = [1, 2].map(|number| reader(&queue, number).0);
        let counts: Vec<AtomicU32> = (0..20_000).map(|_| AtomicU32::new(0)).collect();
        thread::scope(|scope| {
            for reader in &readers {
                scope.spawn(|| {
                    while !reader.has_ended() {
                        if let Some(at) = read(reader) {
                            counts[at.parse::<usize>().unwrap()].fetch_add(1, SeqCst);
                        }
                    }
                });
            }
            for (order, count) in counts.iter().enumerate() {
                assert!(queue.put(order % 4, order as u64, order.to_string().as_bytes()));
                if queue.take_back(order % 4, order as u64) == TakenBack::Unread {
                    count.fetch_add(1, SeqCst);
                }
                // Until then, the slot is in use.
                while count.load(SeqCst) == 0 {
                    thread::yield_now();
                }
            }
            queue.close();
        });
        assert!(counts.iter().all(|count| count.load(SeqCst) == 1));
    }

    #[test]
    fn a_worker_can_read_the_messages_and_cannot_change_them() {
        let queue = queue();
        let [_, messages] = queue.files();
        let file = File::from(messages.try_clone_to_owned().unwrap());
        assert!((&file).write(b"other").is_err());
        assert!(Messages::map(messages, 4, 4096, ProtFlags::READ | ProtFlags::WRITE).is_err());
        assert!(file.set_len(0).is_err());
    }

    #[test]
    fn a_sleeping_worker_is_woken_for_a_job() {
        let queue = queue();
        let (reader, writer, claims) = reader(&queue, 1);
        let begun = Instant::now();
        thread::scope(|scope| {
            let sleeping = scope.spawn(|| {
                reader.sleep(&writer, Duration::from_secs(60));
                read(&reader)
            });
            while !claims.take_sleeper() {
                thread::yield_now();
            }
            assert!(queue.put(1, 1, b"job"));
            // It may not have come to the system call yet.
            while !sleeping.is_finished() {
                claims.wake();
                thread::yield_now();
            }
            assert_eq!(sleeping.join().unwrap().as_deref(), Some("job"));
        });
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(!claims.take_sleeper());
        // With a job in the queue, it does not sleep.
        assert!(queue.put(2, 2, b"next"));
        reader.sleep(&writer, Duration::from_secs(60));
    }
}
