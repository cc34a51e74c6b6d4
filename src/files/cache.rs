//! `Cache`: keeps small files in memory and drops the least recently used ones first.
//!
//! Invariant: before the cache returns a file, it reads the file's metadata, which show any change. A file is
//! not kept if it changed so recently that another change might not show.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use pixie_core::Result;

use super::{
    open::{OpenFile, Stamp},
    representation::{Content, Representation},
};
use crate::files::coding::Coding;

/// Limits the length of a cached file, in bytes. Longer files are read while they are sent.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Limits the number of cached files, as in the Python framework that pixie is modeled on.
const ENTRIES_MAX: usize = 256;
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time after which a cached file is opened again, to find compressed files that were added or changed beside
/// it.
const RECHECK: Duration = Duration::from_secs(1);

/// The cache of this process.
pub(super) static CACHE: Cache = Cache::new(ENTRIES_MAX, BYTES_MAX);

pub(super) struct Cache {
    entries_max: usize,
    bytes_max: usize,
    /// The least recently used entry is the first. Searching them all takes less time than the system call
    /// that checks the entry found.
    entries: Mutex<Vec<Arc<Entry>>>,
}

/// A file in memory, with its compressed forms.
pub(super) struct Entry {
    root: PathBuf,
    name: String,
    /// Path of the file itself.
    place: PathBuf,
    stamp: Stamp,
    read_at: Instant,
    /// The file itself is always the first.
    forms: Vec<(Representation, Bytes)>,
}

impl Entry {
    /// Reads a file, and the compressed files beside it.
    pub(super) fn read(root: &Path, name: &str, path: &str, file: OpenFile, media: HeaderValue) -> Result<Entry> {
        let stamp = file.stamp.clone();
        let mut open = Vec::new();
        for coding in Coding::ALL.into_iter().filter(|_| file.has_forms(&media)) {
            open.extend(file.in_coding(root, path, coding)?);
        }
        let mut forms = Vec::new();
        for file in [file].into_iter().chain(open) {
            // Only a compressed file can be longer than the limit. It is left out then.
            if let (form, Content::Memory(bytes)) = Representation::read(file, media.clone(), FILE_BYTES_MAX)? {
                forms.push((form, bytes));
            }
        }
        let (place, root, name) = (root.join(path), root.to_owned(), name.to_owned());
        Ok(Entry { root, name, place, stamp, read_at: Instant::now(), forms })
    }

    /// Returns the form that the client prefers.
    pub(super) fn preferred(&self, request: &HeaderMap) -> &(Representation, Bytes) {
        let codings = self.forms.iter().filter_map(|(form, _)| form.coding);
        let coding = if self.forms.len() > 1 { Coding::preferred(request, codings) } else { None };
        self.forms.iter().find(|(form, _)| form.coding == coding).unwrap_or(&self.forms[0])
    }

    fn is_for(&self, root: &Path, name: &str) -> bool {
        self.name == name && self.root == root
    }

    /// Compares the file on disk with the entry. Symbolic links need no check here: a different file has a
    /// different stamp.
    fn is_current(&self) -> bool {
        let is_same = |metadata| Stamp::of(&metadata) == self.stamp;
        self.read_at.elapsed() < RECHECK && fs::metadata(&self.place).is_ok_and(is_same)
    }

    fn bytes(&self) -> usize {
        self.forms.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

impl Cache {
    pub(super) const fn new(entries_max: usize, bytes_max: usize) -> Cache {
        Cache { entries_max, bytes_max, entries: Mutex::new(Vec::new()) }
    }

    /// Returns the entry if the file has not changed. Otherwise removes the entry.
    pub(super) fn get(&self, root: &Path, name: &str) -> Option<Arc<Entry>> {
        let entry = self.touch(root, name)?;
        // The lock is not held during the system call.
        if !entry.is_current() {
            self.entries().retain(|other| !other.is_for(root, name));
            return None;
        }
        Some(entry)
    }

    /// Adds an entry, and removes older ones until the limits are met.
    pub(super) fn insert(&self, entry: Arc<Entry>) {
        if entry.bytes() > self.bytes_max {
            return;
        }
        let mut entries = self.entries();
        entries.retain(|other| !other.is_for(&entry.root, &entry.name));
        entries.push(entry);
        let mut bytes: usize = entries.iter().map(|entry| entry.bytes()).sum();
        while entries.len() > self.entries_max || bytes > self.bytes_max {
            bytes -= entries.remove(0).bytes();
        }
    }

    /// Returns the entry of a name, which becomes the most recently used one.
    fn touch(&self, root: &Path, name: &str) -> Option<Arc<Entry>> {
        let mut entries = self.entries();
        let at = entries.iter().rposition(|entry| entry.is_for(root, name))?;
        entries[at..].rotate_left(1);
        entries.last().cloned()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
