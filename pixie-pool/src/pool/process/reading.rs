//! The reading end of a worker's connection: bytes become events, and events reach their jobs.
//!
//! Leaves the meaning of the bytes to `connection` and the next job to `queue`.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::{io::AsyncReadExt as _, net::unix::OwnedReadHalf};

use crate::{
    config::{Answer, READS_PER_TURN, WINDOW_BYTES},
    pool::{
        connection::{Closed, Connection, Delivery, Kill, READ_BYTES},
        queue::Queue,
    },
    protocol::{decode, parent::Event},
};

/// The reading end of a connection.
pub(crate) struct Reading {
    pub(crate) queue: Arc<Queue>,
    pub(crate) connection: Arc<Connection>,
    reader: OwnedReadHalf,
    input: BytesMut,
    /// Bytes of a new input buffer: more after a large read, so that a body needs few reads.
    room: usize,
    deliveries: Vec<Delivery>,
    /// The call of a job, by its stream, that has no answer yet.
    call: Option<(u32, Answer)>,
}

impl Reading {
    /// `input` has arrived with the handshake.
    pub(crate) fn new(queue: Arc<Queue>, connection: Arc<Connection>, reader: OwnedReadHalf, input: BytesMut) -> Self {
        Reading { queue, connection, reader, input, room: READ_BYTES, deliveries: Vec::new(), call: None }
    }

    /// Reads, writes and answers calls until the connection is closed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        let closed = self.poll_closed(cx);
        if closed.is_ready() {
            self.call = None;
        }
        closed
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        self.answer(cx);
        for _ in 0..READS_PER_TURN {
            let closed = self.connection.poll_write(cx);
            if let Some(killed @ Closed::Killed(_)) = closed {
                return Poll::Ready(killed);
            }
            decode::make_room(&mut self.input, READ_BYTES, self.room);
            let read = pin!(self.reader.read_buf(&mut self.input)).poll(cx);
            let count = match closed {
                Some(_) if read.is_pending() => return Poll::Ready(Closed::Exited),
                _ => ready!(read),
            };
            match count {
                Ok(READ_BYTES..) => self.room = WINDOW_BYTES + READ_BYTES,
                Ok(1..) => self.room = READ_BYTES,
                _ => return Poll::Ready(Closed::Exited),
            }
            if !self.receive() {
                return Poll::Ready(Closed::Killed(Kill::Protocol));
            }
            // Here and not in a task of its own: a wake-up would take as long as the way to the worker and back.
            self.answer(cx);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Returns the answer to the call that waits, if it is there.
    fn answer(&mut self, cx: &mut Context<'_>) {
        let Some((stream, call)) = &mut self.call else {
            return;
        };
        let (stream, Poll::Ready(answer)) = (*stream, call.poll(cx)) else {
            return;
        };
        self.call = None;
        if let Err(why) = &answer {
            let (pool, worker) = (&self.queue.observers.pool, self.connection.slot);
            tracing::error!(%pool, worker, "a call of a job has no answer: {why}");
        }
        self.connection.return_call(stream, answer.ok().as_deref());
    }

    /// Reads what an exited worker has sent, which are replies to earlier jobs than that which it ran.
    pub(crate) fn drain(&mut self) {
        while matches!(self.reader.try_read_buf(&mut self.input), Ok(1..)) && self.receive() {}
    }

    /// Delivers the decoded events; returns false if the worker broke the protocol.
    fn receive(&mut self) -> bool {
        let (queue, connection) = (&self.queue, &self.connection);
        let received = connection.receive(&mut self.input, queue.shared.as_ref(), &mut self.deliveries);
        let mut ended = 0;
        for (job, stream, event, started) in self.deliveries.drain(..) {
            if event.is_last() {
                ended += 1;
                queue.note_answer(&job);
                if self.call.take_if(|(calling, _)| *calling == stream).is_some() {
                    connection.return_call(stream, None);
                }
            }
            if let Event::Call(request) = event {
                self.call = queue.config.calls.as_ref().map(|calls| (stream, calls.answer(request)));
                continue;
            }
            job.deliver(event, connection.slot, connection.pid, started);
        }
        match received {
            Ok(streaming_since) => {
                if let Some(since) = streaming_since {
                    queue.timer.arm(since + queue.config.stream_idle_timeout);
                }
                if ended > 0 {
                    queue.ended(connection, ended);
                }
                true
            }
            Err(violation) => {
                // A leased worker's place is free when the worker is removed.
                queue.rules().withdrawn(ended);
                let (pool, worker, pid) = (&queue.observers.pool, connection.slot, connection.pid);
                tracing::warn!(%pool, worker, pid, %violation, "a worker broke the protocol");
                false
            }
        }
    }
}
