//! `Cache`: small files kept in memory, the one whose last use is longest ago going first.
//!
//! Must stay true: an answer from memory costs one look at the disk, which finds any change of the file; and a file that
//! changed so recently that another change might not show is not kept at all.
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

/// Longer files are read while they are sent.
pub(super) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// As many as the original.
const ENTRIES_MAX: usize = 256;
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// After this time a file is opened again, to see compressed files that have come or changed beside it.
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
    /// By the hash of root and name, so that a look-up needs no owned key. The entry has both, to be compared.
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
    /// Where the file itself lies.
    place: PathBuf,
    stamp: Stamp,
    read_at: Instant,
    /// The file itself first; it is always there.
    forms: Vec<(Representation, Bytes)>,
}

impl Entry {
    /// Reads the file that a name in a folder leads to, with the compressed forms beside it.
    pub(super) fn read(root: &Path, name: &str, path: &str, file: OpenFile, media: HeaderValue) -> Result<Entry> {
        let stamp = file.stamp.clone();
        let mut open = Vec::new();
        for coding in Coding::ALL.into_iter().filter(|_| is_compressible(&media)) {
            open.extend(file.in_coding(root, path, coding)?);
        }
        let mut forms = Vec::new();
        for file in [file].into_iter().chain(open) {
            // Only a compressed form can be longer than what may be kept, and it is then left out.
            if let (form, Content::Memory(bytes)) = Representation::read(file, media.clone(), FILE_BYTES_MAX)? {
                forms.push((form, bytes));
            }
        }
        let (place, root, name) = (root.join(path), root.to_owned(), name.to_owned());
        Ok(Entry { root, name, place, stamp, read_at: Instant::now(), forms })
    }

    /// Returns the form that the client likes best.
    pub(super) fn preferred(&self, request: &HeaderMap) -> &(Representation, Bytes) {
        let codings = self.forms.iter().filter_map(|(form, _)| form.coding);
        let coding = if self.forms.len() > 1 { Coding::preferred(request, codings) } else { None };
        self.forms.iter().find(|(form, _)| form.coding == coding).unwrap_or(&self.forms[0])
    }

    fn is_for(&self, root: &Path, name: &str) -> bool {
        self.name == name && self.root == root
    }

    /// Looks at the disk. Links are not judged here: another file than the one that was read has another stamp.
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

    /// Returns the entry if the file is still what it was; otherwise the entry is dropped.
    pub(super) fn get(&self, root: &Path, name: &str) -> Option<Arc<Entry>> {
        let key = self.key(root, name);
        let entry = self.shelf().take_note(key)?;
        if !entry.is_for(root, name) {
            return None;
        }
        // The lock is not held while the disk is asked.
        if !entry.is_current() {
            self.shelf().remove(key);
            return None;
        }
        Some(entry)
    }

    /// Keeps an entry, and drops others until all limits are kept.
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

    /// A walk over all slots: a few hundred, and only when a file has just been read from disk.
    fn remove_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, slot)| slot.last_use).map(|(key, _)| *key);
        oldest.into_iter().for_each(|key| self.remove(key));
    }
}

#[cfg(test)]
mod tests;
