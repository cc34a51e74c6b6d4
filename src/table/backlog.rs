//! `Backlog`: the part of a response on disk that its client has not read, in a file without a name.
//!
//! Invariant: the files of all responses together have at most the bytes that the app allows, they leave open
//! files to connections, and threads of the runtime do not create, write or read them.
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use pixie_server::Throttle;
use rustix::process::{Resource, getrlimit};
use tokio::task::spawn_blocking;

/// Bytes that are read at once: as many as a worker sends in one piece.
const READ_BYTES: u64 = 64 * 1024;
/// The part of the open files of this process that backlogs may have. Connections may have three quarters,
/// and an HTTP/2 connection has a hundred responses, so without a limit a few clients that do not read take
/// all files.
const FILES_SHARE: u64 = 8;

/// What the backlogs of an app have in common.
pub(crate) struct Backlogs {
    folder: PathBuf,
    each_max: u64,
    total_max: u64,
    total: AtomicU64,
    /// One more reference for each file.
    files: Arc<()>,
    files_share: u64,
    failures: Throttle,
}

impl Backlogs {
    pub(crate) fn new(folder: Option<PathBuf>, each_max: u64, total_max: u64) -> Arc<Backlogs> {
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        let (total, files, failures) = (AtomicU64::new(0), Arc::new(()), Throttle::of_warnings());
        Arc::new(Backlogs { folder, each_max, total_max, total, files, files_share: FILES_SHARE, failures })
    }

    /// Returns the backlog of one response. Its file is made by the first write.
    pub(crate) fn begin(self: &Arc<Backlogs>) -> Backlog {
        Backlog { all: self.clone(), file: None, written: 0, read: 0 }
    }

    fn reserve(&self, bytes: u64) -> bool {
        let added = |total: u64| total.checked_add(bytes).filter(|total| *total <= self.total_max);
        self.total.fetch_update(Relaxed, Relaxed, added).is_ok()
    }

    /// Returns whether another file leaves enough open files to others.
    fn has_room_for_file(&self) -> bool {
        let files = Arc::strong_count(&self.files) as u64;
        getrlimit(Resource::Nofile).current.is_none_or(|limit| files <= limit / self.files_share)
    }

    fn release(&self, bytes: u64) {
        self.total.fetch_sub(bytes, Relaxed);
    }
}

pub(crate) struct Backlog {
    all: Arc<Backlogs>,
    file: Option<Arc<Stored>>,
    /// Bytes in the file.
    written: u64,
    /// Those of them that were read.
    read: u64,
}

/// A file, counted until it is closed.
struct Stored {
    file: File,
    _counted: Arc<()>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.read == self.written
    }

    /// Appends these pieces; false if there is no room for them, or the disk is full.
    pub(crate) async fn write(&mut self, pieces: Vec<Bytes>) -> bool {
        if self.file.is_none() && !self.all.has_room_for_file() {
            if self.all.failures.is_due() {
                tracing::warn!(
                    "too many clients read slowly to store their responses, so they hold workers: raise the limit of \
                     open files (`ulimit -n`, `LimitNOFILE=`)"
                );
            }
            return false;
        }
        let (at, bytes) = (self.written, pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        if at + bytes > self.all.each_max || !self.all.reserve(bytes) {
            return false;
        }
        let (stored, folder, counted) = (self.file.clone(), self.all.folder.clone(), self.all.files.clone());
        let written = blocking(move || {
            let create = || Ok(Arc::new(Stored { file: tempfile::tempfile_in(folder)?, _counted: counted }));
            let stored = stored.map_or_else(create, io::Result::Ok)?;
            let mut at = at;
            for piece in &pieces {
                stored.file.write_all_at(piece, at)?;
                at += piece.len() as u64;
            }
            Ok(stored)
        });
        match written.await {
            Ok(file) => {
                (self.file, self.written) = (Some(file), at + bytes);
                true
            }
            Err(error) => {
                self.all.release(bytes);
                if self.all.failures.is_due() {
                    let (folder, fix) = (self.all.folder.display(), "set another folder with `App::upload_dir`");
                    tracing::warn!(%folder, %error, "cannot store a response for a slow client, which holds a worker: {fix}");
                }
                false
            }
        }
    }

    /// Takes the next bytes. The file is empty again after the last ones.
    pub(crate) async fn read(&mut self) -> io::Result<Bytes> {
        let Some(stored) = self.file.clone() else { return Ok(Bytes::new()) };
        let (at, count) = (self.read, READ_BYTES.min(self.written - self.read));
        let is_last = at + count == self.written;
        let piece = blocking(move || {
            let mut piece = vec![0; count as usize];
            stored.file.read_exact_at(&mut piece, at)?;
            if is_last {
                stored.file.set_len(0)?;
            }
            Ok(Bytes::from(piece))
        });
        let piece = piece.await?;
        self.read += count;
        if is_last {
            self.all.release(self.written);
            (self.written, self.read) = (0, 0);
        }
        Ok(piece)
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.all.release(self.written);
        // Freeing the blocks of a large file takes time. Outside of a runtime, no other task waits.
        if let (Some(file), Ok(runtime)) = (self.file.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(run).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_refused_and_what_was_read_makes_room() {
        let all = Backlogs::new(None, 100, 150);
        let (mut one, mut other) = (all.begin(), all.begin());
        let piece = |bytes| vec![Bytes::from(vec![b'x'; bytes])];
        assert!(one.write(piece(60)).await && one.write(piece(40)).await);
        assert!(!one.write(piece(1)).await, "the file of one response is full");
        assert!(!other.write(piece(51)).await && other.write(piece(50)).await, "all of them together have 150");
        assert_eq!(one.read().await.ok().map(|read| read.len()), Some(100));
        assert!(one.is_empty() && other.write(piece(50)).await && one.write(piece(50)).await);
        drop((one, other));
        assert_eq!(all.total.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn a_folder_that_takes_no_files_is_no_room() {
        let all = Backlogs::new(Some("/proc/none".into()), 100, 100);
        let mut one = all.begin();
        assert!(!one.write(vec![Bytes::from("x")]).await);
        assert_eq!((one.is_empty(), all.total.load(Relaxed)), (true, 0));
    }

    #[tokio::test]
    async fn backlogs_do_not_take_the_open_files_of_connections() {
        let all = Backlogs::new(None, 100, 100);
        let mut one = all.begin();
        assert!(one.write(vec![Bytes::from("x")]).await && Arc::strong_count(&all.files) == 2);
        let limit = getrlimit(Resource::Nofile).current.expect("this system has a limit");
        let all = Backlogs { files_share: limit, ..Arc::into_inner(Backlogs::new(None, 100, 100)).expect("it is new") };
        let (all, x) = (Arc::new(all), || vec![Bytes::from("x")]);
        let (mut one, mut other) = (all.begin(), all.begin());
        assert!(one.write(x()).await && !other.write(x()).await && one.write(x()).await);
        drop(one);
        let has_room = async || {
            while !all.has_room_for_file() {
                tokio::task::yield_now().await
            }
        };
        tokio::time::timeout(Duration::from_secs(10), has_room()).await.expect("the file is closed");
        assert!(other.write(x()).await);
    }
}
