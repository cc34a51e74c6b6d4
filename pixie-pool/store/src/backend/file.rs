//! `File`: the store in a file of redb.
//!
//! Reads run on the caller's thread. Writes go to one thread, which commits all that are waiting in one transaction
//! and acknowledges them when the disk has them. Invariant: what was acknowledged is in the file, also after the
//! process was killed. Other processes may open the same file.

mod tables;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redb::{ConcurrencyMode, Database, ReadableDatabase, TransactionError, WriteTransaction};
use tokio::sync::oneshot;

use self::tables::{Stored, stored, tables_of, unavailable};
use super::{Started, now_us};
use crate::{
    ChangeKind, Error,
    feed::Hub,
    limits::Limits,
    op::{Answer, Op},
    room::Room,
    rules::{apply, read},
};

/// Most writes that wait for the disk. More would wait longer than the timeout of a call.
const WRITES_MAX: usize = 4096;

/// Most writes in one transaction. Enough to hide the time of a commit, and few enough to keep it short.
const BATCH_MAX: usize = 512;

/// Most memory for pages of the file. The default limit of the store fits.
const CACHE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Pause before another look at a file that another process is writing to. Its commit takes milliseconds.
const LOCK_PAUSE: Duration = Duration::from_millis(1);

pub(crate) struct File {
    shared: Arc<Shared>,
    writes: Option<SyncSender<Write>>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    path: PathBuf,
    limits: Limits,
    /// Nothing after an error of the disk, until the file could be opened again.
    database: RwLock<Option<Arc<Database>>>,
}

struct Write {
    op: Op,
    answer: oneshot::Sender<Result<Answer, Error>>,
}

impl File {
    pub(crate) fn open(path: &str, limits: &Limits, hub: &Arc<Hub>) -> Result<File, Error> {
        if path.is_empty() {
            return Err(Error::open("a store in a file needs its path, such as \"redb:shop.redb\""));
        }
        let failed = |error: &dyn fmt::Display| Error::open(format!("cannot open the store {path:?}: {error}"));
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        let database = open(Path::new(path), limits).map_err(|error| failed(&error))?;
        let database = RwLock::new(Some(Arc::new(database)));
        let shared = Arc::new(Shared { path: path.into(), limits: limits.clone(), database });
        let (writes, queue) = sync_channel(WRITES_MAX);
        let (hub, writer) = (hub.clone(), shared.clone());
        let writer = thread::Builder::new().name("pixie-store".into()).spawn(move || write_all(&writer, &queue, &hub));
        let writer = writer.map_err(|error| Error::open(format!("cannot start a thread for the store: {error}")))?;
        Ok(File { shared, writes: Some(writes), writer: Some(writer) })
    }

    pub(crate) fn start(&self, op: &Op) -> Started {
        if op.is_read() {
            return Started::Now(self.shared.read(op));
        }
        let (answer, later) = oneshot::channel();
        let write = Write { op: op.clone(), answer };
        match self.writes.as_ref().map(|writes| writes.try_send(write)) {
            Some(Ok(())) => Started::Later(Box::pin(async {
                later.await.unwrap_or_else(|_| Err(Error::unavailable("the thread that writes has ended")))
            })),
            _ => Started::Now(Err(Error::unavailable("too many writes wait for the disk"))),
        }
    }
}

impl Drop for File {
    /// Waits for the last commit, so that the file can be opened again.
    fn drop(&mut self) {
        self.writes.take();
        if let Some(writer) = self.writer.take() {
            // A panic was reported by its thread.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn database(&self) -> Result<Arc<Database>, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner).clone();
        database.ok_or_else(|| Error::unavailable("the disk reported an error, and the file is being opened again"))
    }

    fn read(&self, op: &Op) -> Result<Answer, Error> {
        let reading = self.database()?.begin_read().map_err(unavailable)?;
        read(op, &stored(&reading)?, now_us())
    }

    /// Opens the file again if an error has closed it.
    fn reopened(&self) -> Result<Arc<Database>, Error> {
        self.database().or_else(|_| {
            let database = Arc::new(open(&self.path, &self.limits)?);
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(database.clone());
            Ok(database)
        })
    }

    fn close(&self) {
        self.database.write().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn open(path: &Path, limits: &Limits) -> Result<Database, Error> {
    let cache = usize::try_from(limits.bytes_max.min(CACHE_BYTES_MAX)).unwrap_or(usize::MAX);
    let mut builder = Database::builder();
    builder.set_cache_size(cache);
    // A restarted program opens the file while its predecessor still answers requests.
    if cfg!(any(target_os = "linux", target_vendor = "apple", windows)) {
        builder.set_concurrency_mode(ConcurrencyMode::MultiWriter);
    }
    let database = builder.create(path).map_err(unavailable)?;
    let writing = begin(&database, limits)?.map_err(unavailable)?;
    tables_of(&writing).map_err(unavailable)?;
    writing.commit().map_err(unavailable)?;
    Ok(database)
}

/// Begins a transaction, and waits for other processes at most as long as a call may take.
fn begin(database: &Database, limits: &Limits) -> Result<Result<WriteTransaction, TransactionError>, Error> {
    let start = Instant::now();
    loop {
        match database.try_begin_write() {
            Err(TransactionError::WouldBlock) if start.elapsed() < limits.timeout => thread::sleep(LOCK_PAUSE),
            Err(TransactionError::WouldBlock) => {
                return Err(Error::unavailable("another process writes to the file of the store and does not end"));
            }
            begun => return Ok(begun),
        }
    }
}

/// Commits what waits in the queue, until all senders are gone.
fn write_all(shared: &Shared, queue: &Receiver<Write>, hub: &Hub) {
    while let Ok(first) = queue.recv() {
        let batch: Vec<Write> = [first].into_iter().chain(queue.try_iter()).take(BATCH_MAX).collect();
        let (mut answers, mut told) = (Vec::new(), Vec::new());
        match commit(shared, &batch, &mut answers, &mut told) {
            Ok(()) => {
                told.iter().for_each(|(key, kind)| hub.changed(key, *kind));
                for (write, answer) in batch.into_iter().zip(answers) {
                    // Fails if the caller has left.
                    let _ = write.answer.send(answer);
                }
            }
            Err(error) => {
                for write in batch {
                    let _ = write.answer.send(Err(error.clone()));
                }
            }
        }
    }
}

fn commit(
    shared: &Shared,
    batch: &[Write],
    answers: &mut Vec<Result<Answer, Error>>,
    told: &mut Vec<(String, ChangeKind)>,
) -> Result<(), Error> {
    let database = shared.reopened()?;
    let begun = begin(&database, &shared.limits)?;
    let committed = begun.map_err(unavailable).and_then(|writing| {
        apply_all(&writing, shared.limits.bytes_max, batch, answers, told)?;
        writing.commit().map_err(unavailable)
    });
    // After an error of the disk, redb refuses everything until the file is opened again.
    committed.inspect_err(|error| {
        tracing::warn!(%error, "the store could not write, and opens its file again");
        shared.close();
    })
}

/// Applies all operations. An error of one operation is its answer; an error of the disk ends the transaction.
fn apply_all(
    writing: &WriteTransaction,
    bytes_max: u64,
    batch: &[Write],
    answers: &mut Vec<Result<Answer, Error>>,
    told: &mut Vec<(String, ChangeKind)>,
) -> Result<(), Error> {
    let mut room: Room<Stored<'_>> = tables_of(writing).map_err(unavailable)?.room(bytes_max)?;
    for write in batch {
        match apply(&write.op, &mut room, now_us(), &mut |key, kind| told.push((key.to_owned(), kind))) {
            Err(error @ Error::Unavailable { .. }) => return Err(error),
            answer => answers.push(answer),
        }
    }
    Stored::save(room)
}
