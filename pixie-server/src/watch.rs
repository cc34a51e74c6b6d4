//! The state that one connection shares with the sweeper.
//!
//! A connection never reads a clock. It stores its phase in its own cache line, with relaxed stores, and
//! counts the changes. The sweeper (`registry.rs`) measures how long the count has not changed. There are
//! three writers: the task of the connection (`phase`), the reader of the request body (`body`), and the
//! sweeper (`timeout`, `stage`). Each stream of an HTTP/2 connection has a `Watch` of its own.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
};

use hyper::body::Incoming;

use crate::{clients::Client, refusal::Refusal};

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accepted. No byte has arrived yet.
    New,
    /// Between requests.
    Idle,
    /// The head of a request has arrived in part.
    Head,
    /// The service makes a response. Its bytes are not written yet.
    Handling,
    /// A response with a known length is being written.
    Responding,
    /// A response is being written in chunks (RFC 9112, section 7.1).
    Chunking,
    /// HTTP has ended: the socket belongs to an upgrade or is being closed.
    Ended,
    /// The socket is closed, or the stream of an HTTP/2 connection has ended.
    Closed,
    /// HTTP/2: the streams have watches of their own.
    Multiplexed,
    /// HTTP/2: the client was told not to open further streams.
    Leaving,
}

/// The state of the request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyPhase {
    /// The request has an empty body, or all of it was read.
    Ended,
    /// There are more bytes, but the handler does not wait for them now.
    Open,
    /// The handler waits for more bytes.
    Awaited,
    /// The handler waited for too long.
    TimedOut,
    /// The handler dropped the body before its end.
    Abandoned,
}

/// The stage of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Stage {
    /// Requests are kept alive.
    Serving,
    /// Requests are answered with `Connection: close`.
    Closing,
    /// Idle connections are closed, running requests may finish.
    Draining,
    /// All connections are closed now.
    Cut,
}

/// The limit that a connection has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    Head,
    Idle,
    Write,
    Body,
}

const PHASES: [Phase; 10] = [
    Phase::New,
    Phase::Idle,
    Phase::Head,
    Phase::Handling,
    Phase::Responding,
    Phase::Chunking,
    Phase::Ended,
    Phase::Closed,
    Phase::Multiplexed,
    Phase::Leaving,
];
const BODIES: [BodyPhase; 5] =
    [BodyPhase::Ended, BodyPhase::Open, BodyPhase::Awaited, BodyPhase::TimedOut, BodyPhase::Abandoned];
const STAGES: [Stage; 4] = [Stage::Serving, Stage::Closing, Stage::Draining, Stage::Cut];

/// The low bits of the word contain the phase; the other bits count changes.
const PHASE_BITS: u32 = 4;
const CHANGE: u32 = 1 << PHASE_BITS;

/// The values that the sweeper compares to find out whether the connection has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    word: u32,
    pub(crate) body: BodyPhase,
    pub(crate) write_blocked: bool,
    /// The open streams of an HTTP/2 connection.
    pub(crate) streams: u32,
}

impl Snapshot {
    pub(crate) fn phase(self) -> Phase {
        PHASES[(self.word & (CHANGE - 1)) as usize]
    }

    /// Returns whether the first byte of the connection is the only change since the other snapshot.
    pub(crate) fn is_first_byte_after(self, before: Snapshot) -> bool {
        before.phase() == Phase::New
            && self.phase() == Phase::Head
            && self.word & !(CHANGE - 1) == (before.word & !(CHANGE - 1)).wrapping_add(CHANGE)
    }

    /// Returns whether both are of an HTTP/2 connection without a stream. The frames of such a connection,
    /// such as pings, do not keep it open.
    pub(crate) fn is_without_streams_as(self, before: Snapshot) -> bool {
        self.phase() == before.phase() && self.phase().is_multiplexed() && self.streams + before.streams == 0
    }

    /// Returns whether the server may close the connection without losing a request that a handler has.
    pub(crate) fn is_idle(self) -> bool {
        let is_between = match self.phase() {
            Phase::New | Phase::Idle | Phase::Head => true,
            phase => phase.is_multiplexed() && self.streams == 0,
        };
        is_between && matches!(self.body, BodyPhase::Ended | BodyPhase::Abandoned) && !self.write_blocked
    }
}

impl Phase {
    /// Returns whether the service or the client works on a request.
    pub(crate) fn is_in_exchange(self) -> bool {
        matches!(self, Phase::Handling | Phase::Responding | Phase::Chunking)
    }

    /// Returns whether this is an HTTP/2 connection with its streams.
    pub(crate) fn is_multiplexed(self) -> bool {
        matches!(self, Phase::Multiplexed | Phase::Leaving)
    }
}

#[derive(Debug)]
pub(crate) struct Watch {
    word: AtomicU32,
    body: AtomicU8,
    write_blocked: AtomicBool,
    /// Whether hyper may hold bytes of a service's response.
    is_answering: AtomicBool,
    refusal: OnceLock<Refusal>,
    stage: AtomicU8,
    /// Who is counted for the connection. Known later if a proxy names its client.
    client: OnceLock<Client>,
    /// Whether the client has ended its sending side while a request was handled.
    half_closed: AtomicBool,
    /// The bytes that have arrived, and those that the system has taken for the client.
    received: AtomicU64,
    sent: AtomicU64,
    /// The requests that have begun.
    requests: AtomicU32,
    /// The number of the request that has taken too long in all, or 0.
    late: AtomicU32,
    /// Whether this is a stream of an HTTP/2 connection.
    is_stream: bool,
    streams: Streams,
    /// The timeout in the low byte (0: no timeout), and above it the word for which the timeout was found.
    timeout: AtomicU64,
    task: OnceLock<Waker>,
    body_task: Mutex<Option<Waker>>,
    /// The rest of a stream's request body that the service does not read.
    left_body: Mutex<Option<Box<Incoming>>>,
}

/// The streams of an HTTP/2 connection.
#[derive(Debug, Default)]
struct Streams {
    /// Those that have begun since the last sweep, and some that have ended.
    begun: Mutex<Vec<Arc<Watch>>>,
    open: AtomicU32,
    /// Requests that the client has canceled in the present window.
    canceled: AtomicU32,
}

impl Watch {
    pub(crate) fn new(stage: Stage) -> Watch {
        Watch {
            word: AtomicU32::new(Phase::New as u32),
            body: AtomicU8::new(BodyPhase::Ended as u8),
            write_blocked: AtomicBool::new(false),
            is_answering: AtomicBool::new(false),
            refusal: OnceLock::new(),
            stage: AtomicU8::new(stage as u8),
            client: OnceLock::new(),
            half_closed: AtomicBool::new(false),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            late: AtomicU32::new(0),
            is_stream: false,
            streams: Streams::default(),
            timeout: AtomicU64::new(0),
            task: OnceLock::new(),
            body_task: Mutex::new(None),
            left_body: Mutex::new(None),
        }
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.client.get().copied()
    }

    pub(crate) fn set_client(&self, client: Client) {
        self.client.get_or_init(|| client);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            word: self.word.load(Relaxed),
            body: self.body(),
            write_blocked: self.write_blocked.load(Relaxed),
            streams: self.streams.open.load(Relaxed),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        PHASES[(self.word.load(Relaxed) & (CHANGE - 1)) as usize]
    }

    pub(crate) fn body(&self) -> BodyPhase {
        BODIES[self.body.load(Relaxed) as usize]
    }

    pub(crate) fn stage(&self) -> Stage {
        STAGES[self.stage.load(Relaxed) as usize]
    }

    /// Sets the phase. Only the connection's own task calls this, so a load and a store are enough.
    pub(crate) fn enter(&self, phase: Phase) {
        let changes = self.word.load(Relaxed) & !(CHANGE - 1);
        self.word.store(changes.wrapping_add(CHANGE) | phase as u32, Relaxed);
    }

    /// Records that a request was given to the service.
    pub(crate) fn begin(&self) {
        self.enter(Phase::Handling);
        self.is_answering.store(true, Relaxed);
        self.requests.store(self.requests().wrapping_add(1), Relaxed);
    }

    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// Ends the running request, because it has taken too long in all.
    pub(crate) fn set_late(&self) {
        self.late.store(self.requests(), Relaxed);
        self.wake();
    }

    /// Returns whether the running request has taken too long in all.
    pub(crate) fn is_late(&self) -> bool {
        let late = self.late.load(Relaxed);
        late != 0 && late == self.requests()
    }

    /// Records that hyper has written all its bytes.
    pub(crate) fn flushed(&self) {
        if self.is_between_requests() {
            self.is_answering.store(false, Relaxed);
        }
    }

    /// Returns whether bytes that hyper writes now are its own: the refusal of a request that it cannot
    /// parse.
    pub(crate) fn is_refusing(&self) -> bool {
        self.is_between_requests() && !self.is_answering.load(Relaxed)
    }

    fn is_between_requests(&self) -> bool {
        matches!(self.phase(), Phase::Idle | Phase::Head)
    }

    /// Stores why the last request was refused, for the log and for the body of the response.
    pub(crate) fn set_refusal(&self, refusal: Refusal) {
        self.refusal.get_or_init(|| refusal);
        self.is_answering.store(false, Relaxed);
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.get().copied()
    }

    /// Records that bytes have arrived; between requests they are the beginning of a head.
    pub(crate) fn bytes_received(&self, count: usize) {
        add(&self.received, count);
        if matches!(self.phase(), Phase::New | Phase::Idle)
            && matches!(self.body(), BodyPhase::Ended | BodyPhase::Abandoned)
        {
            self.enter(Phase::Head);
        }
    }

    /// Records that the system has taken bytes for the client.
    pub(crate) fn bytes_sent(&self, count: usize) {
        add(&self.sent, count);
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// Records that the client has ended its sending side while a request was handled. The sweeper then wakes
    /// the connection's task regularly, because tokio does not report the reset that may follow.
    pub(crate) fn set_half_closed(&self) {
        self.half_closed.store(true, Relaxed);
    }

    pub(crate) fn is_half_closed(&self) -> bool {
        self.half_closed.load(Relaxed)
    }

    /// Sets whether the client does not take the bytes of the response.
    pub(crate) fn set_write_blocked(&self, blocked: bool) {
        self.write_blocked.store(blocked, Relaxed);
        self.change();
    }

    /// Counts a change without another phase. Uses an atomic addition, because several tasks may do it.
    pub(crate) fn change(&self) {
        self.word.fetch_add(CHANGE, Relaxed);
    }

    /// Sets the phase of the body. Uses an atomic addition, because its reader may run on another thread.
    pub(crate) fn set_body(&self, body: BodyPhase) {
        self.body.store(body as u8, Relaxed);
        self.change();
    }

    /// Records that bytes of a request body have arrived. The socket does not know the body of a stream.
    pub(crate) fn body_received(&self, count: usize) {
        if self.is_stream {
            add(&self.received, count);
        }
    }

    /// Returns whether this is a stream of an HTTP/2 or HTTP/3 connection.
    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Keeps the rest of a request body until the response is written. If h2 lost it before, it would reset
    /// the stream at once, and then some clients report an error in place of the response (curl 7).
    pub(crate) fn leave_body(&self, rest: Incoming) {
        if self.phase() != Phase::Closed {
            *self.left_body.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(rest));
        }
    }

    /// Takes the streams that have begun since the last call.
    pub(crate) fn take_streams(&self) -> Vec<Arc<Watch>> {
        std::mem::take(&mut self.streams.begun.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn forgive_canceled(&self) {
        self.streams.canceled.store(0, Relaxed);
    }

    /// Records that the handler waits for the body, and which task to wake at a timeout.
    pub(crate) fn body_awaited(&self, cx: &Context<'_>) {
        let mut task = self.body_task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        drop(task);
        if self.body() != BodyPhase::Awaited {
            self.set_body(BodyPhase::Awaited);
        }
    }

    /// Stores the connection's task. tokio never changes the waker of a spawned future, so once is enough.
    pub(crate) fn set_task(&self, cx: &Context<'_>) {
        self.task.get_or_init(|| cx.waker().clone());
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.wake();
    }

    /// Reports a timeout. It is ignored if the connection has changed since `seen`.
    pub(crate) fn time_out(&self, timeout: Timeout, seen: Snapshot) {
        if timeout == Timeout::Body {
            return self.time_out_body();
        }
        self.timeout.store(u64::from(seen.word) << 8 | (timeout as u64 + 1), Relaxed);
        self.wake();
    }

    /// Returns the reported timeout, unless the connection has changed since.
    pub(crate) fn timeout(&self) -> Option<Timeout> {
        let reported = self.timeout.load(Relaxed);
        if reported == 0 {
            return None;
        }
        let timeout = match (reported & 0xff) - 1 {
            0 => Timeout::Head,
            1 => Timeout::Idle,
            _ => Timeout::Write,
        };
        let seen = (reported >> 8) as u32;
        let is_current = match self.phase() {
            // Pings change an idle connection, but do not keep it.
            phase @ (Phase::Multiplexed | Phase::Leaving) => {
                seen & (CHANGE - 1) == phase as u32
                    && (timeout != Timeout::Idle || self.streams.open.load(Relaxed) == 0)
            }
            _ => seen == self.word.load(Relaxed),
        };
        is_current.then_some(timeout)
    }

    fn time_out_body(&self) {
        let (from, to) = (BodyPhase::Awaited as u8, BodyPhase::TimedOut as u8);
        if self.body.compare_exchange(from, to, Relaxed, Relaxed).is_ok() {
            let task = self.body_task.lock().unwrap_or_else(PoisonError::into_inner).take();
            task.into_iter().for_each(Waker::wake);
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

#[cfg(feature = "http2")]
impl Watch {
    /// Begins a stream of this HTTP/2 connection and returns its watch. Called by the connection's own task.
    pub(crate) fn begin_stream(&self) -> Arc<Watch> {
        let stream = Arc::new(Watch { is_stream: true, ..Watch::new(Stage::Serving) });
        let mut begun = self.streams.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.len() == begun.capacity() {
            // Before the list grows, so that it has at most twice as many places as there are open streams.
            begun.retain(|stream| stream.phase() != Phase::Closed);
        }
        begun.push(stream.clone());
        drop(begun);
        self.streams.open.fetch_add(1, Relaxed);
        self.requests.store(self.requests().saturating_add(1), Relaxed);
        self.enter(if self.phase() == Phase::Leaving { Phase::Leaving } else { Phase::Multiplexed });
        stream
    }

    pub(crate) fn end_stream(&self, is_canceled: bool) {
        self.streams.canceled.fetch_add(u32::from(is_canceled), Relaxed);
        self.streams.open.fetch_sub(1, Relaxed);
        self.change();
        if self.phase() == Phase::Leaving {
            // HTTP/3: the task ends the connection after its last stream.
            self.wake();
        }
    }

    /// Returns whether the service has left a part of the request body.
    pub(crate) fn has_left_body(&self) -> bool {
        self.left_body.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes what the service has left of the request body.
    pub(crate) fn take_left_body(&self) -> Option<Box<Incoming>> {
        self.left_body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns how many requests the client has canceled in the present window.
    pub(crate) fn canceled(&self) -> u32 {
        self.streams.canceled.load(Relaxed)
    }
}

/// Adds to a counter that only one task writes, without the cost of an atomic addition.
fn add(counter: &AtomicU64, count: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(count as u64), Relaxed);
}
