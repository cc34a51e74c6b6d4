//! The lifeline of a worker: it brings the token and the shared data, and its end tells the worker to exit.
//!
//! Owns both sides. Each message has the token and the names that have changed since the last message that
//! the worker has read, with a descriptor for each. When the main process has sent the next one, it takes an
//! unread message back, so that a worker that does not read holds no old versions and no room in its socket.
//! Invariant: a worker is sent each version before `share` returns, and takes what has arrived before
//! `shared` returns.

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, ErrorKind},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{Names, Shared, names, names_to_change};
use crate::{
    config::LIFELINE_BYTES_MAX,
    platform::{self, LifelineEnds, SharedMemory},
    protocol::frame::TOKEN_BYTES,
};

/// The lifelines of all workers of this process. Locked while a version is put in place, so that each worker
/// gets it, also one that is just starting.
static ALL: Mutex<Vec<Weak<Lifeline>>> = Mutex::new(Vec::new());

/// The worker's end, in a worker.
static OWN: Mutex<Option<Arc<OwnedFd>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The main process's side of a lifeline. The worker exits when this is dropped.
pub(crate) struct Lifeline {
    ends: LifelineEnds,
    sent: Mutex<Sent>,
}

/// The last message.
#[derive(Default)]
struct Sent {
    token: [u8; TOKEN_BYTES],
    names: BTreeSet<String>,
}

impl fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lifeline")
    }
}

impl Lifeline {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Lifeline { ends: LifelineEnds::new()?, sent: Mutex::default() }))
    }

    pub(crate) fn workers_end(&self) -> BorrowedFd<'_> {
        self.ends.workers_end()
    }

    /// Sends the token with all shared data. From now on the worker gets each new version.
    pub(crate) fn begin(self: &Arc<Self>, token: &[u8; TOKEN_BYTES]) -> io::Result<()> {
        let (mut all, mut sent, names) = (lock(&ALL), lock(&self.sent), names());
        *sent = Sent { token: *token, names: names.keys().cloned().collect() };
        let (message, descriptors) = sent.message(&names);
        self.ends.send(&message, &descriptors)?;
        add(&mut all, self);
        Ok(())
    }

    /// Sends each new version from now on. The worker has the present ones from its fork server, which is asked
    /// for it later.
    pub(crate) fn go_on(self: &Arc<Self>) {
        add(&mut lock(&ALL), self);
    }

    /// Sends the new version of a name.
    fn update(&self, name: &str, names: &Names) {
        let mut sent = lock(&self.sent);
        let has_unread = platform::has_arrived(self.ends.workers_end());
        if !has_unread {
            sent.names.clear();
        }
        sent.names.insert(name.to_owned());
        let (message, descriptors) = sent.message(names);
        if let Err(error) = self.replace(has_unread, &message, &descriptors) {
            // The worker would go on with the old version.
            tracing::error!(name, "a worker is ended, because sending it shared data failed: {error}");
            self.ends.close();
        }
    }

    /// Sends a message, and then takes the one before it back, so that the worker always finds one of them.
    fn replace(&self, has_unread: bool, message: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.ends.send(message, descriptors)?;
        let mut taken = [0; LIFELINE_BYTES_MAX];
        let count = if has_unread { self.ends.take_back(&mut taken) } else { 0 };
        match count > 0 && taken[..count] == *message {
            // The worker has read the one before it meanwhile.
            true => self.ends.send(message, descriptors),
            false => Ok(()),
        }
    }
}

fn add(all: &mut Vec<Weak<Lifeline>>, lifeline: &Arc<Lifeline>) {
    all.retain(|lifeline| lifeline.strong_count() > 0);
    all.push(Arc::downgrade(lifeline));
}

impl Sent {
    /// Returns the message with these names, and its descriptors.
    fn message<'n>(&self, all: &'n Names) -> (Vec<u8>, Vec<BorrowedFd<'n>>) {
        let (mut message, mut descriptors) = (self.token.to_vec(), Vec::new());
        for name in &self.names {
            if let Some(Ok(Shared { memory, version })) = all.get(name)
                && let Some(file) = memory.file()
            {
                message.extend(format!("{name} {version}\n").into_bytes());
                descriptors.push(file);
            }
        }
        (message, descriptors)
    }
}

/// Puts the next version of a name in place, in this process and in its workers.
pub(super) fn publish(name: &str, memory: SharedMemory) -> io::Result<Shared> {
    let all = lock(&ALL);
    // Locked until all workers have it, so that no worker is behind what this process has seen.
    let mut names = names_to_change();
    let version = names.get(name).and_then(|entry| entry.as_ref().ok()).map_or(1, |old| old.version + 1);
    let shared = Shared { memory: Arc::new(memory), version };
    let old = names.insert(name.to_owned(), Ok(shared.clone()));
    if platform::SHARES_WITH_WORKERS {
        all.iter().filter_map(Weak::upgrade).for_each(|lifeline| lifeline.update(name, &names));
    }
    drop((all, names));
    // Without the locks, because unmapping a large version takes milliseconds.
    drop(old);
    Ok(shared)
}

/// Makes this socket the lifeline of this process, waits for its first message and returns the token.
pub(crate) fn take(socket: OwnedFd) -> io::Result<[u8; TOKEN_BYTES]> {
    let mut own = lock(&OWN);
    let token = receive(&socket, true)?.ok_or(ErrorKind::UnexpectedEof)?;
    *own = Some(Arc::new(socket));
    Ok(token)
}

/// Makes this socket the lifeline of this process, which has all that was sent before.
pub(crate) fn adopt(socket: OwnedFd) {
    *lock(&OWN) = Some(Arc::new(socket));
}

/// Waits until a socket has input. Takes what arrives meanwhile if this process has shared data, so that it
/// does not hold old versions.
pub(crate) fn wait_beside(other: impl AsFd) {
    if !names().is_empty() {
        wait(Some(other.as_fd()));
    }
}

/// Waits until the parent has exited or has closed the lifeline, or until the other socket has input. Takes
/// what arrives meanwhile, so that an idle worker does not hold old versions.
pub(crate) fn wait(other: Option<BorrowedFd<'_>>) {
    loop {
        let Some(socket) = lock(&OWN).clone() else { return };
        let Ok((has_own, has_other)) = platform::wait_for_input(&*socket, other) else { return };
        // Also after another error than the end: a handler may have closed the descriptor, and then nothing
        // else tells this process that its parent has exited.
        if has_own && receive_all().is_err() || has_other {
            return;
        }
    }
}

/// Takes the versions that have arrived.
pub(crate) fn receive_arrived() {
    let own = lock(&OWN);
    // Checked first, because there is seldom a message, and a check is cheaper. At the end of the lifeline,
    // the main thread ends this process.
    while let Some(socket) = own.as_deref()
        && platform::has_arrived(socket)
        && receive(socket, false).is_ok()
    {}
}

fn receive_all() -> io::Result<()> {
    let own = lock(&OWN);
    while let Some(socket) = own.as_deref()
        && receive(socket, false)?.is_some()
    {}
    Ok(())
}

/// Receives a message and returns its token; `None` if there is none.
fn receive(socket: &OwnedFd, waits: bool) -> io::Result<Option<[u8; TOKEN_BYTES]>> {
    let (mut message, mut descriptors) = ([0; LIFELINE_BYTES_MAX], Vec::new());
    let count = match platform::receive_message(socket, &mut message, &mut descriptors, waits)? {
        None => return Ok(None),
        Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Some(count) => count,
    };
    let (token, lines) = message[..count].split_first_chunk().ok_or(ErrorKind::InvalidData)?;
    let mut descriptors = descriptors.into_iter();
    for line in String::from_utf8_lossy(lines).lines() {
        let (name, version) = line.split_once(' ').ok_or(ErrorKind::InvalidData)?;
        let version = version.parse().map_err(|_| ErrorKind::InvalidData)?;
        map(name, version, descriptors.next());
    }
    Ok(Some(*token))
}

/// Puts a version in place that has arrived. A forked worker may have it from its fork server.
fn map(name: &str, version: u64, file: Option<OwnedFd>) {
    if names().get(name).is_some_and(|entry| entry.as_ref().is_ok_and(|old| old.version == version)) {
        return;
    }
    let memory = match file {
        Some(file) => SharedMemory::open(file.as_fd()).map_err(|error| format!("mapping them failed: {error}")),
        None => Err("their descriptor did not arrive, because too many files are open".to_owned()),
    };
    let entry = memory.map(|memory| Shared { memory: Arc::new(memory), version });
    let old = names_to_change().insert(name.to_owned(), entry);
    drop(old);
}
