//! Memory that is written once and then only read, by this process and by those that get its descriptor.
//!
//! Owns the sealed file and its mapping. A copy in memory and not a mapping of the user's file, because every
//! process that reads a mapped file is killed if somebody truncates the file. Invariant: after `write`, no
//! process can change the bytes or the length.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    ops::Deref,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
    slice,
};

use rustix::{
    fs::{MemfdFlags, SealFlags},
    mm::{MapFlags, ProtFlags},
};

/// Bytes that cannot change.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    /// For the workers; `None` in a worker.
    file: Option<OwnedFd>,
    start: NonNull<u8>,
    count: usize,
}

// SAFETY: the bytes do not change and live as long as the value.
unsafe impl Send for SharedMemory {}
// SAFETY: the bytes do not change, so threads may read them at the same time.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Copies everything from the reader, in pieces. Lists of mappings show the name.
    pub(crate) fn write(name: &str, from: &mut impl Read) -> io::Result<Self> {
        let (name, flags) = (format!("shared-{name}"), MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let mut file = File::from(rustix::fs::memfd_create(name, flags)?);
        io::copy(from, &mut file)?;
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        // Before Linux 6.7, only a descriptor for reading can be mapped with others after the seal.
        let readable = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let mut memory = SharedMemory::open(readable.as_fd())?;
        memory.file = Some(readable.into());
        Ok(memory)
    }

    /// Maps what another process has written.
    pub(crate) fn open(file: BorrowedFd<'_>) -> io::Result<Self> {
        let bytes = rustix::fs::fstat(file)?.st_size;
        let count = usize::try_from(bytes).map_err(|_| ErrorKind::OutOfMemory)?;
        let mut start = NonNull::dangling();
        if count > 0 {
            // SAFETY: the kernel chooses an unused address; `drop` unmaps it.
            let mapped =
                unsafe { rustix::mm::mmap(ptr::null_mut(), count, ProtFlags::READ, MapFlags::SHARED, file, 0) }?;
            start = NonNull::new(mapped.cast()).ok_or(ErrorKind::OutOfMemory)?;
        }
        Ok(SharedMemory { file: None, start, count })
    }

    /// Returns the descriptor for other processes; `None` in a worker.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(OwnedFd::as_fd)
    }
}

impl Deref for SharedMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping has this length and lives as long as `self`, and its file is sealed.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        if self.count > 0 {
            // SAFETY: the mapping was made in `open`, and no reference outlives `self`.
            let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.count) };
        }
    }
}
