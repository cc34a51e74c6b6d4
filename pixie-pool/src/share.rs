//! Data that a program and all its workers read at no copy, each under a name and with a version.
//!
//! Owns what there is in this process, the main one or a worker. Leaves the way to workers to `lifeline`, and
//! the memory to `platform`. Invariants: the bytes of a version never change. A reader gets the whole old or
//! the whole new version.

pub(crate) mod lifeline;

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, ErrorKind, Read as _},
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;

use crate::{
    config::{SHARED_MAX, check_name},
    identity,
    platform::{self, SharedMemory},
};

/// What this process has under each name, or why it has it not.
type Names = BTreeMap<String, Result<Shared, String>>;

static NAMES: RwLock<Names> = RwLock::new(BTreeMap::new());

fn names() -> RwLockReadGuard<'static, Names> {
    NAMES.read().unwrap_or_else(PoisonError::into_inner)
}

fn names_to_change() -> RwLockWriteGuard<'static, Names> {
    NAMES.write().unwrap_or_else(PoisonError::into_inner)
}

/// Shares data under a name with all workers of this program, or replaces what has this name. Call this in
/// the main process: before the pools start, or at any time later.
///
/// The data are copied once, into memory that cannot be changed afterwards, and [`shared`] maps this memory
/// in every process. The old and the new version need memory at the same time. The call blocks until the copy
/// is complete; in async code, use `spawn_blocking`.
///
/// When this has returned, every call of [`shared`] returns the new version: in this process and in all of
/// its workers, in jobs that start from then on and in those that run already. Before that, some workers have
/// the new version earlier than others, and this process has it last.
///
/// ```no_run
/// use pixie_pool::{Pool, Share, share, shared, task};
///
/// #[task]
/// fn score(word: String) -> Result<usize, std::io::Error> {
///     let model = shared("model")?; // no copy, also in a sandbox
///     Ok(model.iter().filter(|byte| word.as_bytes().contains(byte)).count())
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     pixie_pool::init();
///     share("model", Share::file("model.bin"))?;
///     run()
/// }
///
/// #[tokio::main]
/// async fn run() -> Result<(), Box<dyn std::error::Error>> {
///     let pool = Pool::named("scores").start_tasks().await?;
///     println!("{}", pool.call(score, &"hello".to_owned()).await?);
///     tokio::task::spawn_blocking(|| share("model", Share::file("model-2.bin"))).await??;
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// Fails if the file cannot be read or changes meanwhile, with `OutOfMemory` if the data need more memory
/// than is available, with `InvalidInput` for a name that is not 1 to 64 letters, digits, `-`, `_` or `.`,
/// and for the 65th name, and with `Unsupported` in a worker.
pub fn share(name: &str, share: Share) -> io::Result<Shared> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("sharing `{name}` failed: {error}"));
    check(name).and_then(|()| lifeline::publish(name, share.copy(name)?)).map_err(failed)
}

/// Returns the present version of what is shared under this name, in a worker or in the main process.
///
/// The call takes about a microsecond in a worker. Keep the value during a job, so that the whole job has the
/// same version. The value stays valid after a replacement; its memory is free when all processes have
/// dropped it. On systems other than Linux, worker processes have no shared data.
///
/// # Errors
///
/// Fails with `NotFound` if no data have this name; the message tells which names there are.
pub fn shared(name: &str) -> io::Result<Shared> {
    if identity::is_worker() {
        lifeline::receive_arrived();
    }
    let names = names();
    match names.get(name) {
        Some(Ok(shared)) => Ok(shared.clone()),
        Some(Err(why)) => Err(io::Error::other(format!("the shared data `{name}` are not in this process: {why}"))),
        None => Err(io::Error::new(ErrorKind::NotFound, unknown(name, &names))),
    }
}

fn unknown(name: &str, names: &Names) -> String {
    if identity::is_worker() && !platform::SHARES_WITH_WORKERS {
        return format!("no worker process has the shared data `{name}` on this system: use a pool of size 0");
    }
    let known: Vec<_> = names.keys().map(|name| format!("`{name}`")).collect();
    let known = if known.is_empty() { "nothing is shared".to_owned() } else { format!("only {}", known.join(", ")) };
    format!("there are no shared data `{name}`, {known}: share them in the main process")
}

/// What to share: the content of a file, or bytes.
#[derive(Debug)]
pub struct Share(Source);

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Bytes(Bytes),
}

impl Share {
    /// Shares the content that the file has when it is copied. Later changes of the file have no effect.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Share(Source::File(path.into()))
    }

    /// Shares these bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Share(Source::Bytes(bytes.into()))
    }

    fn copy(self, name: &str) -> io::Result<SharedMemory> {
        match self.0 {
            Source::File(path) => copy_file(name, &path)
                .map_err(|error| io::Error::new(error.kind(), format!("copying {}: {error}", path.display()))),
            Source::Bytes(bytes) => {
                check_room(bytes.len() as u64)?;
                SharedMemory::write(name, &mut &*bytes)
            }
        }
    }
}

fn copy_file(name: &str, path: &Path) -> io::Result<SharedMemory> {
    // Before it is opened, because opening a pipe waits for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = File::open(path)?;
    let before = file.metadata()?;
    check_room(before.len())?;
    let memory = SharedMemory::write(name, &mut (&file).take(before.len()))?;
    let after = file.metadata()?;
    let state = |file: &fs::Metadata| (file.len(), file.modified().ok());
    if state(&before) != state(&after) || memory.len() as u64 != before.len() {
        return Err(io::Error::other("it changed while it was copied: replace it by renaming another file"));
    }
    Ok(memory)
}

/// Refuses data for which the machine has no memory: writing them would get this process killed.
fn check_room(bytes: u64) -> io::Result<()> {
    match platform::available_bytes() {
        Some(available) if bytes > available => {
            let why = format!("{bytes} bytes are needed, and {available} bytes of memory are available");
            Err(io::Error::new(ErrorKind::OutOfMemory, why))
        }
        _ => Ok(()),
    }
}

fn check(name: &str) -> io::Result<()> {
    if identity::is_worker() {
        let remedy = "only the main process shares data: do so after pixie_pool::init() or pixie_pool::worker()";
        return Err(io::Error::new(ErrorKind::Unsupported, remedy));
    }
    let invalid = |why| io::Error::new(ErrorKind::InvalidInput, why);
    check_name(name).map_err(|why| invalid(format!("its name {why}")))?;
    let names = names();
    match names.contains_key(name) || names.len() < SHARED_MAX {
        true => Ok(()),
        false => Err(invalid(format!("at most {SHARED_MAX} names are allowed"))),
    }
}

/// One version of shared data: bytes that all processes of the program read. Clones are the same bytes.
#[derive(Clone)]
pub struct Shared {
    memory: Arc<SharedMemory>,
    version: u64,
}

impl Shared {
    /// Returns the number of this version: 1 for the first data of a name, and 1 more with each replacement.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("version", &self.version).field("bytes", &self.len()).finish()
    }
}

/// Returns the resident memory of a worker without the shared data, in bytes. Twice their size is not
/// counted, because a job may hold an old version while another one gets the new one.
pub(crate) fn own_resident_bytes(pid: u32) -> io::Result<u64> {
    let all = platform::resident_bytes(pid)?;
    let shared: u64 = names().values().flatten().map(|shared| shared.len() as u64).sum();
    if shared == 0 {
        return Ok(all);
    }
    let counted = platform::shared_resident_bytes(pid)?.min(shared.saturating_mul(2));
    Ok(all.saturating_sub(counted))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests;
