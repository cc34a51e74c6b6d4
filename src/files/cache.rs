//! `Cache`: keeps small files in memory and drops the least recently used ones first.
//!
//! Invariant: before the cache returns a file, it reads the file's metadata, which show any change. A file is
//! not kept if it changed so recently that another change might not show.
use std::{
    collections::HashMap,
    fs,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use pixie_core::Result;

use super::{
    open::OpenFile,
    representation::{Content, Representation},
    stamp::Stamp,
};
use crate::files::coding::{Coding, is_compressible};

/// Limits the length of a cached file, in bytes. Longer files are read while they are sent.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Limits the number of cached files, as in the Python framework that pixie is modeled on.
const ENTRIES_MAX: usize = 256;
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time after which a cached file is opened again, to find compressed files that were added or changed beside
/// it.
const RECHECK: Duration = Duration::from_secs(1);

/// The cache of this process.
pub(super) static CACHE: LazyLock<Cache> = LazyLock::new(|| Cache::new(ENTRIES_MAX, BYTES_MAX));

pub(super) struct Cache {
    entries_max: usize,
    bytes_max: usize,
    hasher: RandomState,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    /// The key is a hash of root and name, so that a look-up needs no allocation. The entry holds both for
    /// comparison.
    slots: HashMap<u64, Slot>,
    bytes: usize,
    uses: u64,
}

struct Slot {
    entry: Arc<Entry>,
    last_use: u64,
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
        for coding in Coding::ALL.into_iter().filter(|_| is_compressible(&media)) {
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
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Cache {
        Cache { entries_max, bytes_max, hasher: RandomState::new(), shelf: Mutex::default() }
    }

    /// Returns the entry if the file has not changed. Otherwise removes the entry.
    pub(super) fn get(&self, root: &Path, name: &str) -> Option<Arc<Entry>> {
        let key = self.key(root, name);
        let entry = self.shelf().take_note(key)?;
        if !entry.is_for(root, name) {
            return None;
        }
        // The lock is not held during the system call.
        if !entry.is_current() {
            self.shelf().remove(key);
            return None;
        }
        Some(entry)
    }

    /// Adds an entry, and removes older ones until the limits are met.
    pub(super) fn insert(&self, entry: Arc<Entry>) {
        let bytes = entry.bytes();
        if bytes > self.bytes_max {
            return;
        }
        let key = self.key(&entry.root, &entry.name);
        let mut shelf = self.shelf();
        shelf.remove(key);
        while shelf.slots.len() >= self.entries_max || shelf.bytes + bytes > self.bytes_max {
            shelf.remove_oldest();
        }
        shelf.uses += 1;
        shelf.bytes += bytes;
        let last_use = shelf.uses;
        shelf.slots.insert(key, Slot { entry, last_use });
    }

    fn key(&self, root: &Path, name: &str) -> u64 {
        self.hasher.hash_one((root.as_os_str(), name))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn take_note(&mut self, key: u64) -> Option<Arc<Entry>> {
        self.uses += 1;
        let slot = self.slots.get_mut(&key)?;
        slot.last_use = self.uses;
        Some(slot.entry.clone())
    }

    fn remove(&mut self, key: u64) {
        if let Some(slot) = self.slots.remove(&key) {
            self.bytes -= slot.entry.bytes();
        }
    }

    /// Looks at all slots. There are a few hundred, and this runs only after a file was read from disk.
    fn remove_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, slot)| slot.last_use).map(|(key, _)| *key);
        oldest.into_iter().for_each(|key| self.remove(key));
    }
}

#[cfg(test)]
mod tests;
