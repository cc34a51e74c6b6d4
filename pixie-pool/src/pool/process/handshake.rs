//! How a worker connects to its parent: the private directory with the sockets, and the first frames.
//!
//! Owns one directory per pool, its lock, and the removal of directories that parents left behind when they
//! exited. Invariant: a directory is removed only if it has such a name, belongs to this user and is not
//! locked, and only with the files that a pool puts there.

use std::{
    env,
    ffi::OsStr,
    fs::{self, DirBuilder},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt as _, FileTypeExt as _},
    },
    path::{Path, PathBuf},
    process,
};

use bytes::{Buf as _, BytesMut};
use interprocess::local_socket::{
    self as ls, GenericFilePath, ListenerOptions, ToFsName as _, traits::StreamCommon as _,
    traits::tokio::Listener as _,
};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{
    config::{Config, DIRECTORY_TRIES_MAX, SOCKET_PATH_BYTES_MAX, UPLOAD_WINDOW_BYTES},
    platform::{self, Claims, DirectoryLock, QueueMemory},
    pool::connection::jobs_max,
    protocol::{
        frame::{TOKEN_BYTES, Violation, Welcome},
        parent::{Event, Parent},
    },
};

const PREFIX: &str = "pixie-";
/// Bytes that follow the base directory: `/pixie-`, a pid, a random part, `/`, a number.
const OWN_BYTES: usize = 7 + 10 + 1 + 16 + 1 + 10;

/// A directory that is removed with this value.
#[derive(Debug)]
pub(crate) struct SocketDirectory {
    path: PathBuf,
    lock: DirectoryLock,
}

impl SocketDirectory {
    /// Removes directories that parents left behind and creates a new one.
    pub(crate) fn open(wanted: Option<&Path>) -> Result<Self, String> {
        let base = base(wanted)?;
        remove_stale(&base);
        for _ in 0..DIRECTORY_TRIES_MAX {
            let random = platform::random().map_err(|e| format!("creating its random name failed: {e}"))?;
            let path = base.join(format!("{PREFIX}{}-{:016x}", process::id(), u64::from_ne_bytes(random)));
            DirBuilder::new().mode(0o700).create(&path).map_err(|e| format!("creating {}: {e}", path.display()))?;
            match DirectoryLock::try_lock(&path) {
                Ok(Some(lock)) => return Ok(SocketDirectory { path, lock }),
                // Another pool that starts may have locked the new directory to remove it.
                Ok(None) => {}
                Err(error) => {
                    remove(&path);
                    return Err(format!("locking {}: {error}", path.display()));
                }
            }
        }
        Err(format!("other pools have removed {DIRECTORY_TRIES_MAX} new directories in {}", base.display()))
    }

    /// Returns the path of a worker's socket. Creates another directory if this one was removed: systemd does
    /// so at the end of a user's last session, and so do programs that clean up temporary files.
    pub(crate) fn socket(&mut self, wanted: Option<&Path>, slot: usize) -> Result<PathBuf, String> {
        if !self.lock.is_at(&self.path) {
            let other = SocketDirectory::open(wanted).or_else(|_| SocketDirectory::open(None))?;
            tracing::warn!(
                removed = %self.path.display(), new = %other.path.display(),
                "another program removed the directory for the workers' sockets: set `runtime_dir` to a directory of \
                 this program"
            );
            *self = other;
        }
        Ok(self.path.join(slot.to_string()))
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// How a worker's connection comes about.
pub(crate) enum Link {
    /// It connects to this socket.
    Listening(WorkerSocket),
    /// Its fork server gives it the other end, in which it finds the WELCOME.
    Connected(UnixStream),
}

/// A socket for one worker. Its file is removed with this value, and a thread that still connects gets an
/// error.
pub(crate) struct WorkerSocket {
    path: PathBuf,
    listener: ls::tokio::Listener,
}

impl WorkerSocket {
    /// Listens for one worker.
    pub(crate) fn listen(path: PathBuf) -> Result<Self, String> {
        // An earlier start of this worker may have left the file.
        let _ = fs::remove_file(&path);
        let name = path.as_path().to_fs_name::<GenericFilePath>();
        let listener = name.and_then(|name| platform::private_socket(ListenerOptions::new().name(name)).create_tokio());
        let listener = listener.map_err(|e| format!("listening at {} failed: {e}", path.display()))?;
        Ok(WorkerSocket { path, listener })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Accepts the connection of the process that was started.
    async fn accept(&self, config: &Config, slot: usize, pid: u32) -> Result<UnixStream, String> {
        loop {
            let stream = self.listener.accept().await.map_err(|e| format!("accepting its connection failed: {e}"))?;
            let peer = stream.peer_creds().ok().and_then(|peer| peer.pid());
            if peer.is_none_or(|p| p as u32 == pid) {
                // Of tokio, because a stream of interprocess cannot be told that everything was read, which saves one
                // system call per frame.
                let ls::tokio::Stream::UdSocket(stream) = stream;
                return Ok(UnixStream::from(stream));
            }
            let pool = &config.name;
            tracing::warn!(pool, worker = slot, ?peer, "rejected a connection to a worker's socket: another process");
        }
    }
}

impl Drop for WorkerSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Returns the configured directory, or else the first usable one of the usual directories.
fn base(wanted: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = wanted {
        return check(path).map(|()| path.to_owned()).map_err(|why| format!("{} {why}", path.display()));
    }
    let runtime = env::var_os("RUNTIME_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    let session = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let candidates = [runtime, session, Some(env::temp_dir())];
    let found = candidates.into_iter().flatten().find(|path| check(path).is_ok());
    Ok(found.unwrap_or_else(|| PathBuf::from("/tmp")))
}

/// Checks whether sockets can be created in a directory.
fn check(path: &Path) -> Result<(), String> {
    let bytes_max = SOCKET_PATH_BYTES_MAX - OWN_BYTES;
    match path.to_str() {
        None => Err("is not UTF-8".to_owned()),
        Some(_) if !path.is_absolute() => Err("is relative, but must be absolute".to_owned()),
        Some(text) if text.len() > bytes_max => {
            Err(format!("has {} bytes, at most {bytes_max} are allowed", text.len()))
        }
        Some(_) if !path.is_dir() => Err("is not a directory".to_owned()),
        Some(_) => Ok(()),
    }
}

fn remove_stale(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        // A locked directory is in use.
        if is_directory_name(&entry.file_name())
            && let Ok(Some(_lock)) = DirectoryLock::try_lock(&entry.path())
        {
            remove(&entry.path());
        }
    }
}

/// Returns whether this is a pool's directory. Other programs also use names that start with `pixie-`.
fn is_directory_name(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split_once('-'));
    let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    parts.is_some_and(|(pid, random)| is_number(pid) && random.len() == 16 && random.bytes().all(is_hex))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

/// Removes the sockets, and then the directory if it is empty.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let (name, kind) = (entry.file_name(), entry.file_type());
        let name = name.to_str().unwrap_or_default();
        if is_number(name) && kind.is_ok_and(|kind| kind.is_socket()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
}

pub(crate) struct Handshake {
    pub(crate) protocol: Parent,
    pub(crate) reader: OwnedReadHalf,
    pub(crate) writer: OwnedWriteHalf,
    pub(crate) input: BytesMut,
}

/// What a worker is told first, and the conversation that begins with it.
pub(crate) struct Greeting<'q> {
    protocol: Parent,
    welcome: Welcome,
    /// The queue that all workers read.
    queue: Option<(&'q QueueMemory, &'q Claims)>,
    /// What the socket has not accepted yet.
    output: BytesMut,
}

impl<'q> Greeting<'q> {
    pub(crate) fn new(config: &Config, token: [u8; TOKEN_BYTES], queue: Option<(&'q QueueMemory, &'q Claims)>) -> Self {
        let welcome = Welcome {
            memory: config.memory_bytes().unwrap_or(0),
            jobs_max: jobs_max(config),
            reads_queue: queue.is_some(),
            is_metered: config.cpu_time.is_some(),
            answers_calls: config.calls.is_some(),
            sandbox: config.sandbox.clone(),
        };
        Greeting { protocol: Parent::new(token, config.table_hash), welcome, queue, output: BytesMut::new() }
    }

    /// Sends the WELCOME, as far as the socket has room for it.
    pub(crate) fn send(&mut self, socket: impl AsFd) -> Result<(), String> {
        // A window of a body that fits into the buffer is not copied in this process. A smaller buffer works
        // as well.
        let _ = set_socket_send_buffer_size(&socket, UPLOAD_WINDOW_BYTES);
        self.protocol.welcome(&self.welcome, &mut self.output);
        let descriptors = self.queue.map(|(memory, claims)| {
            let [words, messages] = memory.files();
            [words, messages, claims.file()]
        });
        let descriptors = descriptors.as_ref().map_or(&[][..], |all| all);
        let sent = platform::send_with_descriptors(socket, &self.output, descriptors);
        self.output.advance(sent.map_err(|e| format!("sending it the WELCOME frame failed: {e}"))?);
        Ok(())
    }
}

/// Connects the process that was started, if it sends the token.
pub(crate) async fn greet(
    config: &Config,
    slot: usize,
    pid: u32,
    link: Link,
    mut greeting: Greeting<'_>,
) -> Result<Handshake, String> {
    let stream = match link {
        Link::Listening(socket) => socket.accept(config, slot, pid).await?,
        Link::Connected(stream) => stream,
    };
    let (mut reader, mut writer) = stream.into_split();
    // HELLO and READY together, which a forked worker sends at once.
    let mut input = BytesMut::with_capacity(256);
    expect(&mut greeting.protocol, Event::Greeted, &mut reader, &mut input).await?;
    if !greeting.protocol.is_welcomed {
        greeting.send(writer.as_ref())?;
    }
    let Greeting { mut protocol, output, .. } = greeting;
    writer.write_all(&output).await.map_err(|e| format!("sending it the WELCOME frame failed: {e}"))?;
    expect(&mut protocol, Event::Ready, &mut reader, &mut input).await?;
    Ok(Handshake { protocol, reader, writer, input })
}

async fn expect(
    protocol: &mut Parent,
    event: Event,
    reader: &mut OwnedReadHalf,
    input: &mut BytesMut,
) -> Result<(), String> {
    loop {
        match protocol.receive(input) {
            Ok(Some((_, received))) if received == event => return Ok(()),
            Ok(Some(_)) => return Err("it sent an unexpected frame".to_owned()),
            Ok(None) => {}
            Err(Violation(why)) => return Err(why),
        }
        match reader.read_buf(input).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => {
                return Err("it hung up before it was ready".to_owned());
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use std::os::unix::{ffi::OsStrExt as _, net::UnixListener};

    use super::*;

    #[test]
    fn a_directory_that_cannot_hold_sockets_is_refused_with_the_reason() {
        let long = format!("/{}", "x".repeat(SOCKET_PATH_BYTES_MAX));
        for (path, why) in [
            ("/no/such/dir".into(), "/no/such/dir is not a directory"),
            ("src".into(), "src is relative"),
            (PathBuf::from(&long), "has 101 bytes, at most 55 "),
            (OsStr::from_bytes(b"/\xff").into(), "is not UTF-8"),
        ] {
            let message = SocketDirectory::open(Some(&path)).unwrap_err();
            assert!(message.contains(why), "{message}");
        }
        // `/proc`, because the superuser may write to all other directories.
        assert!(SocketDirectory::open(Some(Path::new("/proc"))).unwrap_err().contains("creating /proc/pixie-"));
    }

    #[test]
    fn a_directory_left_by_a_parent_is_removed_and_files_of_others_stay() {
        let base = tempfile::tempdir().unwrap();
        let (ours, beside) = ("pixie-4194303-0123456789abcdef", "pixie-7-00000000000000ff");
        let others = ["pixie-myapp", "pixie-uploads-7-0123456789abcdef", "pixie-x-0123456789abcdef", "pixie-7-0123"];
        let at = |directory: &str, file: &str| base.path().join(directory).join(file);
        for directory in others.into_iter().chain([ours, beside]) {
            fs::create_dir(base.path().join(directory)).unwrap();
            drop(UnixListener::bind(at(directory, "1")).unwrap());
        }
        drop(UnixListener::bind(at(beside, "app.sock")).unwrap());
        drop(SocketDirectory::open(Some(base.path())).unwrap());
        assert!(!at(ours, "").exists());
        assert!(others.iter().all(|other| at(other, "1").exists()));
        // Files of another program in a directory with a name like ours.
        assert!(at(beside, "app.sock").exists());
    }
}
