//! Takes a reply over from its worker if the client reads slowly, so that the worker is free.
//!
//! A client that keeps up gets each piece as it arrives. For another one a task reads the rest: into memory,
//! then into a [`Backlog`]. If there is no room for more, the worker waits for the client, and counts as
//! held. Invariant: when the client disconnects, the task is dropped, which cancels the job.
use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use pixie_core::{BoxError, Parts};
use pixie_pool::ReplyBody;
use tokio::{sync::Notify, time::sleep};

use crate::table::{
    backlog::Backlog,
    pools::{HeldWorker, PoolSlot},
};

/// Time in which a client must read [`PACE_BYTES`]. Until then it holds its worker, so the time is short.
const PACE_TIME: Duration = Duration::from_millis(10);
/// 64 MB per second: faster than almost every network, and slower than this machine itself. For a client that
/// keeps up, storing the response would only cost time.
const PACE_BYTES: u64 = 640 * 1000;
/// Bytes that are ready for the client before more are read from the disk.
const READY_BYTES: usize = 32 * 1024;
/// Bytes in memory that are then written to the disk. Switching to a blocking thread costs as much as copying
/// some 100 KiB.
const MEMORY_BYTES: usize = 128 * 1024;
/// Interval at which a held worker is looked at, and writing is tried again.
const HELD_CHECK: Duration = Duration::from_millis(250);

type Piece = Option<Result<Bytes, BoxError>>;

/// A reply that a worker is still sending.
pub(crate) struct Reply {
    pub(crate) body: ReplyBody,
    /// Kept because the worker may still read the files of a form.
    pub(crate) _parts: Option<Box<Parts>>,
}

impl Reply {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        self.body.poll_next(cx).map(|next| next.map(|piece| piece.map_err(BoxError::from)))
    }
}

/// A reply between its worker and its client.
pub(crate) struct Handover {
    exchange: Mutex<Exchange>,
    /// Notified when the client has read.
    has_read: Notify,
}

struct Exchange {
    /// `None` after the task has taken it over.
    reply: Option<Reply>,
    ready: VecDeque<Bytes>,
    ready_bytes: usize,
    end: Option<Result<(), BoxError>>,
    client: Option<Waker>,
    /// Whether the client waits for the worker.
    is_waiting: bool,
    /// Bytes that the client has read.
    taken: u64,
}

impl Handover {
    pub(crate) fn new(reply: Reply) -> Arc<Handover> {
        let exchange = Exchange {
            reply: Some(reply),
            ready: VecDeque::new(),
            ready_bytes: 0,
            end: None,
            client: None,
            is_waiting: true,
            taken: 0,
        };
        Arc::new(Handover { exchange: Mutex::new(exchange), has_read: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next piece for the client.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Piece> {
        let exchange = &mut *self.lock();
        let next = exchange.poll_next(cx);
        let has_waited = std::mem::replace(&mut exchange.is_waiting, next.is_pending());
        if let Poll::Ready(Some(Ok(piece))) = &next {
            exchange.taken += piece.len() as u64;
            if has_waited || exchange.has_room() {
                self.has_read.notify_one();
            }
        }
        next
    }

    /// Drops the reply if the client still has it, which cancels its job.
    pub(crate) fn cancel(&self) {
        let reply = self.lock().reply.take();
        drop(reply);
    }

    /// Waits until the client does not keep up, and takes the reply.
    async fn slow_client(&self) -> Option<Reply> {
        loop {
            self.has_read.notified().await;
            loop {
                let before = self.lock().taken;
                sleep(PACE_TIME).await;
                let mut exchange = self.lock();
                if exchange.is_waiting {
                    break;
                }
                if exchange.taken - before < PACE_BYTES {
                    return exchange.reply.take();
                }
            }
        }
    }

    fn give(&self, piece: Bytes) {
        let mut exchange = self.lock();
        exchange.ready_bytes += piece.len();
        exchange.ready.push_back(piece);
        exchange.wake();
    }

    fn end(&self, end: Result<(), BoxError>) {
        let mut exchange = self.lock();
        exchange.end = Some(end);
        exchange.wake();
    }
}

impl Exchange {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if let Some(reply) = &mut self.reply {
            return reply.poll_next(cx);
        }
        if let Some(piece) = self.ready.pop_front() {
            self.ready_bytes -= piece.len();
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(end) = &mut self.end {
            // Asked again, the end is the end.
            return Poll::Ready(std::mem::replace(end, Ok(())).err().map(Err));
        }
        self.client = Some(cx.waker().clone());
        Poll::Pending
    }

    fn has_room(&self) -> bool {
        self.reply.is_none() && self.ready_bytes < READY_BYTES
    }

    fn wake(&mut self) {
        self.client.take().into_iter().for_each(Waker::wake);
    }
}

/// Takes the reply over as soon as its client does not keep up, and passes it on.
pub(crate) async fn run(handover: Arc<Handover>, backlog: Backlog, slot: Arc<PoolSlot>) {
    let Some(reply) = handover.slow_client().await else { return };
    let taken = Taken { handover, reply: Some(reply), memory: Vec::new(), memory_bytes: 0, backlog, held: None };
    taken.run(&slot).await;
}

/// A reply that was taken over.
struct Taken {
    handover: Arc<Handover>,
    /// `None` after its end.
    reply: Option<Reply>,
    /// What has arrived after the bytes in `backlog`.
    memory: Vec<Bytes>,
    memory_bytes: usize,
    backlog: Backlog,
    held: Option<HeldWorker>,
}

impl Taken {
    async fn run(mut self, slot: &Arc<PoolSlot>) {
        let mut end = Ok(());
        loop {
            if let Err(error) = self.give().await {
                return self.handover.end(Err(error.into()));
            }
            if self.reply.is_none() && self.memory.is_empty() && self.backlog.is_empty() {
                return self.handover.end(end);
            }
            self.store(slot).await;
            if self.held.as_ref().is_some_and(HeldWorker::must_end) {
                // The client may never read on, so the worker is freed before the error reaches the client.
                self.reply = None;
                return self.handover.end(Err("a slow client held a worker that others waited for".into()));
            }
            if let Some(ended) = self.wait().await {
                (self.reply, end) = (None, ended);
            }
        }
    }

    /// Gives the client what it has room for.
    async fn give(&mut self) -> std::io::Result<()> {
        while self.handover.lock().has_room() {
            if !self.backlog.is_empty() {
                let piece = self.backlog.read().await?;
                self.handover.give(piece);
            } else if !self.memory.is_empty() {
                self.memory.drain(..).for_each(|piece| self.handover.give(piece));
                self.memory_bytes = 0;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Writes to the disk what is too much for the memory. If that fails, the worker is held.
    async fn store(&mut self, slot: &Arc<PoolSlot>) {
        if self.is_full() && self.backlog.write(self.memory.clone()).await {
            self.memory.clear();
            self.memory_bytes = 0;
        }
        match self.is_full() && self.reply.is_some() {
            true => drop(self.held.get_or_insert_with(|| slot.hold())),
            false => self.held = None,
        }
    }

    fn is_full(&self) -> bool {
        self.memory_bytes >= MEMORY_BYTES
    }

    /// Waits for the worker, or for the client. Returns how the reply has ended.
    async fn wait(&mut self) -> Option<Result<(), BoxError>> {
        let handover = self.handover.clone();
        let mut has_read = pin!(handover.has_read.notified());
        let mut check = pin!(sleep(HELD_CHECK));
        let is_full = self.is_full();
        poll_fn(|cx| {
            if has_read.as_mut().poll(cx).is_ready() || (is_full && check.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(None);
            }
            let Some(reply) = self.reply.as_mut().filter(|_| !is_full) else { return Poll::Pending };
            match std::task::ready!(reply.poll_next(cx)) {
                None => return Poll::Ready(Some(Ok(()))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(piece)) => {
                    self.memory_bytes += piece.len();
                    self.memory.push(piece);
                }
            }
            Poll::Ready(None)
        })
        .await
    }
}
