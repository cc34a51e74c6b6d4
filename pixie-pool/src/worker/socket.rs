//! The worker's end of the socket: blocking, behind one lock.
//!
//! Owns reading, writing and waiting for credit. Leaves the meaning of the bytes to `protocol::worker`.
//! Invariant: the holder of the lock may block on the socket, so a call that must not block only tries to
//! take the lock.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use interprocess::local_socket::{self as ls, GenericFilePath, ToFsName as _, traits::Stream as _};

use crate::{
    config::{CHUNK_BYTES_MAX, HEAD_BYTES_MAX, REPLY_HOLD, REPLY_HOLD_BYTES},
    error::Failure,
    platform::{self, Mark},
    protocol::{
        encode,
        frame::{Hello, Start, Welcome},
        worker::{Unread, Worker},
    },
    sandbox::SandboxLevel,
};

/// Size of one read in bytes: a whole chunk with its header, so that a large body needs one read per frame.
const READ_BYTES: usize = CHUNK_BYTES_MAX + 1024;
/// Shortest interval between system calls for a handler that asks whether its job was canceled.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The socket to the parent.
pub(crate) struct Socket {
    wire: Mutex<Wire>,
    /// Notified when a job that runs on another thread has ended.
    done: Condvar,
}

struct Wire {
    stream: UnixStream,
    protocol: Worker,
    /// Target of reads. Only arrived bytes are copied to `input`, so no read has to clear a large buffer.
    scratch: Box<[u8]>,
    input: BytesMut,
    output: BytesMut,
    looked: Option<Instant>,
    is_closed: bool,
    /// Tells the parent which job was started last, also after this process has exited.
    mark: Option<Mark>,
    /// When the running job was started.
    started: Instant,
    /// Since when a finished reply waits to be written.
    held_since: Option<Instant>,
    /// Whether a thread waits for a job to end.
    is_awaited: bool,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl Socket {
    pub(crate) fn connect(path: &Path, mark: Option<Mark>) -> io::Result<Arc<Self>> {
        let ls::Stream::UdSocket(stream) = ls::Stream::connect(path.to_fs_name::<GenericFilePath>()?)?;
        let wire = Wire {
            stream: OwnedFd::from(stream).into(),
            protocol: Worker::default(),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            input: BytesMut::with_capacity(1024),
            output: BytesMut::with_capacity(1024),
            looked: None,
            is_closed: false,
            mark,
            started: Instant::now(),
            held_since: None,
            is_awaited: false,
        };
        Ok(Arc::new(Socket { wire: Mutex::new(wire), done: Condvar::new() }))
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the token and waits for the parent's welcome.
    pub(crate) fn greet(&self, hello: &Hello) -> io::Result<Welcome> {
        let wire = &mut *self.wire();
        encode::put_hello(&mut wire.output, hello);
        wire.send()?;
        loop {
            if let Some(welcome) = wire.protocol.take_welcome() {
                return Ok(welcome);
            }
            if !wire.receive()? {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionRefused,
                    "the pool closed the connection, its log says why",
                ));
            }
        }
    }

    pub(crate) fn ready(&self, level: &SandboxLevel) -> io::Result<()> {
        let wire = &mut *self.wire();
        encode::put_ready(&mut wire.output, level);
        wire.send()
    }

    /// Waits for the next job; `None` once the parent has closed the connection.
    pub(crate) fn next_job(&self) -> io::Result<Option<(u32, Start)>> {
        let wire = &mut *self.wire();
        loop {
            if let Some((stream, start)) = wire.protocol.next_job(&mut wire.output) {
                if let Some(mark) = &wire.mark {
                    mark.set(stream);
                }
                wire.started = Instant::now();
                return Ok(Some((stream, start)));
            }
            wire.send()?;
            if wire.is_closed || !wire.receive()? {
                return Ok(None);
            }
        }
    }

    /// Answers the parent while a handler runs: returns unstarted jobs and sends finished replies.
    pub(crate) fn attend(&self) {
        let wire = &mut *self.wire();
        // An error here also occurs on the handler's thread, which then ends the process.
        while !wire.is_closed && matches!(wire.look(), Ok(true)) {}
        let _ = wire.send();
    }

    /// Waits for the end of a job that its handler has moved to another thread.
    pub(crate) fn wait_until_done(&self, stream: u32) {
        let mut wire = self.wire();
        while wire.protocol.is_running(stream) {
            wire.is_awaited = true;
            wire = self.done.wait(wire).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns whether this job was canceled or has ended; reads the socket unless another thread does.
    pub(crate) fn is_canceled(&self, stream: u32) -> bool {
        let Ok(mut wire) = self.wire.try_lock() else {
            return false;
        };
        let is_due = wire.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if is_due && !wire.protocol.is_canceled(stream) {
            wire.looked = Some(Instant::now());
            if wire.look().is_err() {
                wire.is_closed = true;
            }
        }
        wire.is_closed || wire.protocol.is_canceled(stream)
    }

    /// Asks for more time for a job; false after its deadline has stopped to count.
    pub(crate) fn extend(&self, stream: u32, milliseconds: u32) -> bool {
        let wire = &mut *self.wire();
        wire.protocol.extend(stream, milliseconds, &mut wire.output) && wire.send().is_ok()
    }

    /// Reads the job's body, and waits for it if necessary.
    pub(crate) fn read(&self, stream: u32, target: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.wire();
        if target.is_empty() || !wire.wait_for_body(stream)? {
            return Ok(0);
        }
        let count = wire.protocol.read(stream, target, &mut wire.output);
        wire.send()?;
        Ok(count)
    }

    /// Returns the next piece of the job's body, and waits for it if necessary.
    pub(crate) fn piece(&self, stream: u32) -> io::Result<Option<Bytes>> {
        let wire = &mut *self.wire();
        if !wire.wait_for_body(stream)? {
            return Ok(None);
        }
        let piece = wire.protocol.piece(stream, &mut wire.output);
        wire.send()?;
        Ok(piece)
    }

    /// Sends a whole reply.
    pub(crate) fn reply(&self, stream: u32, head: &[u8], body: &[u8]) -> io::Result<()> {
        let fits = body.len() <= CHUNK_BYTES_MAX;
        self.head(stream, head, if fits { body } else { &[] }, fits)?;
        if fits {
            return Ok(());
        }
        self.data(stream, body)?;
        self.end(stream)
    }

    /// Sends the head of a reply whose body follows.
    pub(crate) fn start(&self, stream: u32, head: &[u8]) -> io::Result<()> {
        self.head(stream, head, &[], false)
    }

    fn head(&self, stream: u32, head: &[u8], body: &[u8], complete: bool) -> io::Result<()> {
        if head.len() > HEAD_BYTES_MAX {
            let message = format!("the reply's head has {} bytes, at most {HEAD_BYTES_MAX} are allowed", head.len());
            let _ = self.fail(stream, &Failure::error(message.clone()));
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let wire = &mut *self.wire();
        if !wire.protocol.is_running(stream) {
            return Err(gone());
        }
        let now = Instant::now();
        let took = now.saturating_duration_since(wire.started);
        let took_us = complete.then(|| u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        wire.protocol.reply(stream, head, body, took_us, &mut wire.output);
        if complete {
            self.notify_done(wire);
        }
        if complete && wire.may_hold(now) { Ok(()) } else { wire.send() }
    }

    /// Wakes the thread that waits for the end of the job.
    fn notify_done(&self, wire: &mut Wire) {
        // Waking is a system call also if no thread waits.
        if std::mem::take(&mut wire.is_awaited) {
            self.done.notify_all();
        }
    }

    /// Sends pieces of a reply as credit allows, and waits for credit if necessary.
    pub(crate) fn data(&self, stream: u32, mut bytes: &[u8]) -> io::Result<()> {
        let wire = &mut *self.wire();
        while !bytes.is_empty() {
            wire.look()?;
            match wire.protocol.send_room(stream) {
                None => return Err(gone()),
                Some(0) => wire.receive_more()?,
                Some(room) => {
                    let (chunk, rest) = bytes.split_at(room.min(bytes.len()));
                    wire.protocol.data(stream, chunk, &mut wire.output);
                    wire.send()?;
                    bytes = rest;
                }
            }
        }
        Ok(())
    }

    /// Ends a reply.
    pub(crate) fn end(&self, stream: u32) -> io::Result<()> {
        self.finish(stream, |wire| wire.protocol.end(stream, &mut wire.output))
    }

    /// Ends a job without a reply, or in the middle of it.
    pub(crate) fn fail(&self, stream: u32, failure: &Failure) -> io::Result<()> {
        self.finish(stream, |wire| wire.protocol.fail(stream, failure, &mut wire.output))
    }

    fn finish(&self, stream: u32, encode: impl FnOnce(&mut Wire)) -> io::Result<()> {
        let wire = &mut *self.wire();
        if !wire.protocol.is_running(stream) {
            return Err(gone());
        }
        encode(wire);
        self.notify_done(wire);
        wire.send()
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the job was canceled or has ended")
}

impl Wire {
    /// Returns whether a finished reply may wait for the reply of the next job, which is about to start.
    ///
    /// If that job is slow, the parent withdraws those behind it, and `attend` sends the replies as well.
    fn may_hold(&mut self, now: Instant) -> bool {
        let since = *self.held_since.get_or_insert(now);
        self.protocol.has_waiting()
            && self.output.len() < REPLY_HOLD_BYTES
            && now.saturating_duration_since(since) < REPLY_HOLD
    }

    fn send(&mut self) -> io::Result<()> {
        self.held_since = None;
        if self.output.is_empty() {
            return Ok(());
        }
        let sent = (&self.stream).write_all(&self.output);
        self.output.clear();
        sent.inspect_err(|_| self.is_closed = true)
    }

    /// Waits for bytes; false if the connection was closed.
    fn receive(&mut self) -> io::Result<bool> {
        loop {
            match (&self.stream).read(&mut self.scratch) {
                Ok(count) => return self.arrived(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The kernel resets the connection of a parent that was killed before it read all bytes.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return self.arrived(0);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until a part of the body has arrived; false at the end of the body.
    fn wait_for_body(&mut self, stream: u32) -> io::Result<bool> {
        loop {
            match self.protocol.unread(stream) {
                Unread::Some => return Ok(true),
                Unread::End => return Ok(false),
                Unread::Canceled => {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the job was canceled"));
                }
                Unread::Pending => self.receive_more()?,
            }
        }
    }

    fn receive_more(&mut self) -> io::Result<()> {
        match self.receive()? {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the parent has exited")),
        }
    }

    /// Reads what has arrived, without waiting; true if bytes have arrived.
    fn look(&mut self) -> io::Result<bool> {
        match platform::read_arrived(&self.stream, &mut self.scratch)? {
            Some(count) => self.arrived(count),
            None => Ok(false),
        }
    }

    fn arrived(&mut self, count: usize) -> io::Result<bool> {
        if count == 0 {
            self.is_closed = true;
            return Ok(false);
        }
        self.input.extend_from_slice(&self.scratch[..count]);
        let violation = |v| io::Error::new(io::ErrorKind::InvalidData, format!("the parent broke the protocol: {v}"));
        let held = self.output.len();
        self.protocol.receive(&mut self.input, &mut self.output).map_err(violation)?;
        if self.output.len() > held {
            self.send()?;
        }
        Ok(true)
    }
}
