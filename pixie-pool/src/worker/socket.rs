//! The worker's end of the connection, for all threads of a handler.
//!
//! Owns waiting: for jobs, bodies, credit and answers. Leaves bytes and buffers to `wire`, and the pool's queue
//! to `queue`. Invariants: one thread at a time reads. A thread that waits for bytes or for a
//! job does not hold the lock, so that other threads go on. Writing may block under the lock, so a call that
//! must not block only tries to take it.

use std::{
    fmt, io,
    os::fd::OwnedFd,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use interprocess::local_socket::{self as ls, GenericFilePath, ToFsName as _, traits::Stream as _};

use crate::{
    config::{CALL_BYTES_MAX, CHUNK_BYTES_MAX, CREDIT_BYTES, CREDIT_DELAY, HEAD_BYTES_MAX},
    error::Failure,
    identity, platform,
    protocol::{
        encode,
        frame::{Hello, Start, Welcome},
        worker::{Arrived, Returned, Unread},
    },
    sandbox::SandboxLevel,
    share::lifeline,
    worker::{
        queue::Queue,
        wire::{Wire, broken, read},
    },
};

/// The socket to the parent.
pub(crate) struct Socket {
    wire: Mutex<Wire>,
    /// Notified when a job that runs on another thread has ended.
    done: Condvar,
    /// Notified when the thread that reads has read.
    arrived: Condvar,
    /// Held during a call: the protocol allows one at a time.
    calling: Mutex<()>,
}

type Guard<'s> = MutexGuard<'s, Wire>;

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl Socket {
    pub(crate) fn connect(path: &Path) -> io::Result<Arc<Self>> {
        let ls::Stream::UdSocket(stream) = ls::Stream::connect(path.to_fs_name::<GenericFilePath>()?)?;
        Ok(Socket::new(platform::out_of_the_way(OwnedFd::from(stream))?))
    }

    pub(crate) fn new(stream: OwnedFd) -> Arc<Self> {
        Arc::new(Socket {
            wire: Mutex::new(Wire::new(stream.into())),
            done: Condvar::new(),
            arrived: Condvar::new(),
            calling: Mutex::new(()),
        })
    }

    fn wire(&self) -> Guard<'_> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the token and waits for the parent's welcome. If that is here, the token goes out with the next
    /// frame.
    pub(crate) fn greet(&self, hello: &Hello) -> io::Result<Welcome> {
        let wire = &mut *self.wire();
        encode::put_hello(&mut wire.output, hello);
        if !platform::has_arrived(&*wire.stream) {
            wire.send()?;
        }
        let (mut part, mut descriptors) = ([0; 512], Vec::new());
        let welcome = loop {
            if let Some(welcome) = wire.protocol.take_welcome() {
                break welcome;
            }
            let count = platform::receive_with_descriptors(&wire.stream, &mut part, &mut descriptors)?;
            wire.input.extend_from_slice(&part[..count]);
            if !wire.received(count)? {
                return Err(io::Error::new(
                    io::ErrorKind::ConnectionRefused,
                    "the pool closed the connection, its log says why",
                ));
            }
        };
        match welcome.reads_queue {
            true => wire.queue = Some(Queue::open(descriptors, &welcome)?),
            false => wire.jobs_left = welcome.jobs_max,
        }
        Ok(welcome)
    }

    pub(crate) fn ready(&self, level: &SandboxLevel) -> io::Result<()> {
        let wire = &mut *self.wire();
        encode::put_ready(&mut wire.output, level);
        wire.send()
    }

    /// Waits for the next job; `None` once the parent has closed the connection, and after the last job.
    pub(crate) fn next_job(&self) -> io::Result<Option<(u32, Start)>> {
        let mut guard = self.wire();
        loop {
            let wire = &mut *guard;
            guard = match wire.protocol.next_job(&mut wire.output) {
                Some((stream, Arrived::Job(start))) => {
                    wire.jobs_left = wire.jobs_left.saturating_sub(1);
                    return Ok(Some((stream, start)));
                }
                Some((stream, Arrived::Ticket(_))) => self.fetch(guard, stream)?,
                None => {
                    wire.send()?;
                    match wire.is_closed || wire.jobs_left == 0 {
                        true => return Ok(None),
                        false => self.next_message(guard)?,
                    }
                }
            }
        }
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
        if !wire.protocol.is_canceled(stream) && wire.is_due() && wire.look().is_err() {
            wire.is_closed = true;
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
        if target.is_empty() {
            return Ok(0);
        }
        let Some(mut guard) = self.wait_for_body(stream)? else {
            return Ok(0);
        };
        let wire = &mut *guard;
        let count = wire.protocol.read(stream, target, &mut wire.output);
        wire.send()?;
        Ok(count)
    }

    /// Returns the next piece of the job's body, and waits for it if necessary.
    pub(crate) fn piece(&self, stream: u32) -> io::Result<Option<Bytes>> {
        let Some(mut guard) = self.wait_for_body(stream)? else {
            return Ok(None);
        };
        let wire = &mut *guard;
        let piece = wire.protocol.piece(stream, &mut wire.output);
        wire.send()?;
        Ok(piece)
    }

    /// Calls the parent and waits for its answer.
    pub(crate) fn call(&self, stream: u32, request: &[u8]) -> io::Result<Bytes> {
        if request.len() > CALL_BYTES_MAX {
            let message = format!("a call has {} bytes, at most {CALL_BYTES_MAX} are allowed", request.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let _calling = self.calling.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = self.wire();
        let wire = &mut *guard;
        if !wire.protocol.answers_calls() {
            let message = "this pool answers no calls: set `Config::calls` before it starts";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        if !wire.protocol.call_header(stream, request, &mut wire.output) {
            return Err(gone());
        }
        wire.send_with(request)?;
        loop {
            match guard.protocol.take_return(stream) {
                Returned::Answer(answer) => return Ok(answer),
                Returned::Nothing => {
                    return Err(io::Error::other("the pool has no answer to this call, its log says why"));
                }
                Returned::Canceled => return Err(gone()),
                Returned::Pending => guard = self.receive_more(guard)?,
            }
        }
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
        wire.protocol.reply(stream, head, body, complete, &mut wire.output);
        if complete {
            self.notify_done(wire);
        }
        wire.send()
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
        let mut guard = self.wire();
        while !bytes.is_empty() {
            guard.look()?;
            let wire = &mut *guard;
            match wire.protocol.send_room(stream) {
                None => return Err(gone()),
                Some(0) => guard = self.receive_more(guard)?,
                Some(room) => {
                    let (chunk, rest) = bytes.split_at(room.min(bytes.len()));
                    wire.protocol.data_header(stream, chunk, &mut wire.output);
                    wire.send_with(chunk)?;
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

/// # Waiting
impl Socket {
    /// Waits for a message on the connection or in the queue. Then the connection is closed if the worker is
    /// to exit.
    fn next_message<'s>(&'s self, mut guard: Guard<'s>) -> io::Result<Guard<'s>> {
        let wire = &mut *guard;
        if wire.protocol.is_retired {
            wire.is_closed = true;
            return Ok(guard);
        }
        if !wire.protocol.is_open || !wire.queue.as_ref().is_some_and(Queue::has_jobs_left) {
            return Ok(self.receive_within(guard, None)?.0);
        }
        // A worker that always finds a job also looks at its connection, now and then.
        match wire.is_due() && wire.look()? || wire.is_closed {
            true => Ok(guard),
            false => self.claim(guard),
        }
    }

    /// Waits a moment for a job in the queue, and takes it.
    fn claim<'s>(&'s self, mut guard: Guard<'s>) -> io::Result<Guard<'s>> {
        let Some(mut queue) = guard.queue.take() else {
            return Ok(guard);
        };
        drop(guard);
        let is_over = queue.claim();
        let mut guard = self.wire();
        let wire = &mut *guard;
        let received = wire.protocol.receive(&mut queue.message).map_err(broken);
        wire.queue = Some(queue);
        wire.is_closed |= is_over?;
        received.map(|()| guard)
    }

    /// Gets the job of a ticket on the connection, and waits for it; the job may be canceled instead.
    fn fetch<'s>(&'s self, mut guard: Guard<'s>, stream: u32) -> io::Result<Guard<'s>> {
        let wire = &mut *guard;
        wire.protocol.fetch(stream, &mut wire.output);
        wire.send()?;
        while guard.protocol.waiting().is_none() {
            if guard.protocol.is_canceled(stream) {
                let (failure, wire) = (Failure::error("the job was canceled before it was started"), &mut *guard);
                wire.protocol.fail(stream, &failure, &mut wire.output);
                wire.send()?;
                break;
            }
            guard = self.receive_more(guard)?;
        }
        Ok(guard)
    }

    /// Waits until a part of the body has arrived; `None` at the end of the body.
    fn wait_for_body(&self, stream: u32) -> io::Result<Option<Guard<'_>>> {
        let mut guard = self.wire();
        loop {
            match guard.protocol.unread(stream) {
                Unread::Some => return Ok(Some(guard)),
                Unread::End => return Ok(None),
                Unread::Canceled => {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the job was canceled"));
                }
                Unread::Pending => guard = self.wait_for_more(guard, stream)?,
            }
        }
    }

    /// Waits for more of the body. If none comes soon, the parent gets credit for all that was read. At once only
    /// for half a window: for a body that arrives fast, that is cheaper.
    fn wait_for_more<'s>(&'s self, guard: Guard<'s>, stream: u32) -> io::Result<Guard<'s>> {
        let (mut guard, is_late) = match guard.protocol.owed_credit(stream) {
            0 => self.receive_within(open(guard)?, None)?,
            CREDIT_BYTES.. => (open(guard)?, true),
            _ => self.receive_within(open(guard)?, Some(CREDIT_DELAY))?,
        };
        if is_late {
            let wire = &mut *guard;
            wire.protocol.grant_all(stream, &mut wire.output);
            wire.send()?;
        }
        open(guard)
    }

    /// Waits until bytes have arrived or another thread has read; fails at the end of the connection.
    fn receive_more<'s>(&'s self, guard: Guard<'s>) -> io::Result<Guard<'s>> {
        open(self.receive_within(open(guard)?, None)?.0)
    }

    /// Waits until bytes have arrived, the connection is closed, another thread has read, or the time has
    /// passed, and returns whether that is so.
    fn receive_within<'s>(&'s self, mut guard: Guard<'s>, time: Option<Duration>) -> io::Result<(Guard<'s>, bool)> {
        if guard.is_reading {
            guard.has_waiting = true;
            let waited = self.arrived.wait_timeout(guard, time.unwrap_or(Duration::MAX));
            let (guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
            return Ok((guard, result.timed_out()));
        }
        guard.is_reading = true;
        let (stream, mut input) = (Arc::clone(&guard.stream), std::mem::take(&mut guard.input));
        drop(guard);
        let has_input = match time {
            Some(time) => platform::has_input(&*stream, time),
            None => {
                if identity::is_forked() {
                    lifeline::wait_beside(&*stream);
                }
                Ok(true)
            }
        };
        let count = has_input.and_then(|has_input| has_input.then(|| read(&stream, &mut input)).transpose());
        let mut guard = self.wire();
        (guard.is_reading, guard.input) = (false, input);
        // A thread that waits reads next, unless it has what it waits for.
        if std::mem::take(&mut guard.has_waiting) {
            self.arrived.notify_all();
        }
        let received = count.and_then(|count| count.map(|count| guard.received(count)).transpose());
        let is_late = received.inspect_err(|_| guard.is_closed = true)?.is_none();
        Ok((guard, is_late))
    }
}

/// Returns an error if the connection is closed.
fn open(guard: Guard<'_>) -> io::Result<Guard<'_>> {
    match guard.is_closed {
        true => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the parent has exited")),
        false => Ok(guard),
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the job was canceled or has ended")
}
