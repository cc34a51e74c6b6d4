//! The state that one connection shares with the sweeper.
//!
//! A connection never reads a clock. It stores its phase in its own cache line, with relaxed stores, and
//! counts the changes. The sweeper (`registry.rs`) measures how long the count has not changed. There are
//! three writers: the task of the connection (`phase`), the reader of the request body (`body`), and the
//! sweeper (`timeout`, `stage`).

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
};

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between requests, or before the first.
    Idle,
    /// The head of a request has arrived in part.
    Head,
    /// The service runs, or its response is being written.
    Handling,
    /// HTTP has ended: the socket belongs to an upgrade or is being closed.
    Ended,
    /// The socket is closed.
    Closed,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

const PHASES: [Phase; 5] = [Phase::Idle, Phase::Head, Phase::Handling, Phase::Ended, Phase::Closed];
const BODIES: [BodyPhase; 5] =
    [BodyPhase::Ended, BodyPhase::Open, BodyPhase::Awaited, BodyPhase::TimedOut, BodyPhase::Abandoned];
const STAGES: [Stage; 4] = [Stage::Serving, Stage::Closing, Stage::Draining, Stage::Cut];

/// The low bits of the word contain the phase; the other bits count changes.
const PHASE_BITS: u32 = 3;
const CHANGE: u32 = 1 << PHASE_BITS;

/// The values that the sweeper compares to find out whether the connection has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    word: u32,
    pub(crate) body: BodyPhase,
    pub(crate) write_blocked: bool,
}

impl Snapshot {
    pub(crate) fn phase(self) -> Phase {
        PHASES[(self.word & (CHANGE - 1)) as usize]
    }
}

#[derive(Debug)]
pub(crate) struct Watch {
    word: AtomicU32,
    body: AtomicU8,
    write_blocked: AtomicBool,
    stage: AtomicU8,
    /// The timeout in the low byte (0: no timeout), and above it the word for which the timeout was found.
    timeout: AtomicU64,
    task: OnceLock<Waker>,
    body_task: Mutex<Option<Waker>>,
}

impl Watch {
    pub(crate) fn new(stage: Stage) -> Watch {
        Watch {
            word: AtomicU32::new(Phase::Idle as u32),
            body: AtomicU8::new(BodyPhase::Ended as u8),
            write_blocked: AtomicBool::new(false),
            stage: AtomicU8::new(stage as u8),
            timeout: AtomicU64::new(0),
            task: OnceLock::new(),
            body_task: Mutex::new(None),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { word: self.word.load(Relaxed), body: self.body(), write_blocked: self.write_blocked.load(Relaxed) }
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

    /// Records that bytes have arrived; between requests they are the beginning of a head.
    pub(crate) fn bytes_received(&self) {
        if self.phase() == Phase::Idle && matches!(self.body(), BodyPhase::Ended | BodyPhase::Abandoned) {
            self.enter(Phase::Head);
        }
    }

    /// Sets whether the client does not take the bytes of the response.
    pub(crate) fn set_write_blocked(&self, blocked: bool) {
        self.write_blocked.store(blocked, Relaxed);
        self.enter(self.phase());
    }

    /// Sets the phase of the body. Uses an atomic addition, because its reader may run on another thread.
    pub(crate) fn set_body(&self, body: BodyPhase) {
        self.body.store(body as u8, Relaxed);
        self.word.fetch_add(CHANGE, Relaxed);
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
        let timeout = self.timeout.load(Relaxed);
        if timeout == 0 || timeout >> 8 != u64::from(self.word.load(Relaxed)) {
            return None;
        }
        match (timeout & 0xff) - 1 {
            0 => Some(Timeout::Head),
            1 => Some(Timeout::Idle),
            _ => Some(Timeout::Write),
        }
    }

    fn time_out_body(&self) {
        let (from, to) = (BodyPhase::Awaited as u8, BodyPhase::TimedOut as u8);
        if self.body.compare_exchange(from, to, Relaxed, Relaxed).is_ok() {
            let task = self.body_task.lock().unwrap_or_else(PoisonError::into_inner).take();
            task.into_iter().for_each(Waker::wake);
        }
    }

    fn wake(&self) {
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}
