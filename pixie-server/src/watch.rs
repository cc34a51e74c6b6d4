//! What one connection tells the sweeper about itself, and what the sweeper tells it.
//!
//! A connection never reads a clock: it only says what it is doing, with relaxed stores to its own cache line, and counts
//! the changes. The sweeper (`registry.rs`) sees for how long nothing has changed. Three parties write here: the
//! connection's task (`phase`), whoever reads the request body (`body`), and the sweeper (`verdict`, `stage`).

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
};

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between requests, or before the first.
    Idle,
    /// The first byte of a head has come, the last has not.
    Head,
    /// The service works or its response is being written.
    Handling,
    /// HTTP is over: the socket belongs to an upgrade, or is being closed.
    Over,
    /// The socket is closed.
    Gone,
}

/// What the request body is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// There is none, or all of it was read.
    Ended,
    /// There is more to come, but nobody waits for it.
    Open,
    /// The handler waits for more.
    Awaited,
    /// The handler waited for too long.
    TimedOut,
    /// The handler let go of it before its end.
    Abandoned,
}

/// How far a shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Requests are kept alive.
    Serving,
    /// Requests are answered with `Connection: close`.
    Closing,
    /// Idle connections close, running requests finish.
    Draining,
    /// Everything ends now.
    Cut,
}

/// What has taken too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Head,
    Idle,
    Write,
    Body,
}

const PHASES: [Phase; 5] = [Phase::Idle, Phase::Head, Phase::Handling, Phase::Over, Phase::Gone];
const BODIES: [Body; 5] = [Body::Ended, Body::Open, Body::Awaited, Body::TimedOut, Body::Abandoned];
const STAGES: [Stage; 4] = [Stage::Serving, Stage::Closing, Stage::Draining, Stage::Cut];

/// The low bits of the word hold the phase, the others count changes.
const PHASE_BITS: u32 = 3;
const CHANGE: u32 = 1 << PHASE_BITS;

/// Everything that the sweeper compares to see whether anything has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    word: u32,
    pub(crate) body: Body,
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
    /// A verdict in the low byte (0: none) and the word that it was passed on.
    verdict: AtomicU64,
    task: OnceLock<Waker>,
    body_task: Mutex<Option<Waker>>,
}

impl Watch {
    pub(crate) fn new(stage: Stage) -> Watch {
        Watch {
            word: AtomicU32::new(Phase::Idle as u32),
            body: AtomicU8::new(Body::Ended as u8),
            write_blocked: AtomicBool::new(false),
            stage: AtomicU8::new(stage as u8),
            verdict: AtomicU64::new(0),
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

    pub(crate) fn body(&self) -> Body {
        BODIES[self.body.load(Relaxed) as usize]
    }

    pub(crate) fn stage(&self) -> Stage {
        STAGES[self.stage.load(Relaxed) as usize]
    }

    /// Says what the connection does now. Only its own task calls this, so a load and a store are enough.
    pub(crate) fn enter(&self, phase: Phase) {
        let changes = self.word.load(Relaxed) & !(CHANGE - 1);
        self.word.store(changes.wrapping_add(CHANGE) | phase as u32, Relaxed);
    }

    /// Bytes have come; between requests they are the beginning of a head.
    pub(crate) fn bytes_came(&self) {
        if self.phase() == Phase::Idle && matches!(self.body(), Body::Ended | Body::Abandoned) {
            self.enter(Phase::Head);
        }
    }

    /// The client takes (`false`) or does not take (`true`) the response's bytes.
    pub(crate) fn write_blocks(&self, blocked: bool) {
        self.write_blocked.store(blocked, Relaxed);
        self.enter(self.phase());
    }

    /// Says what the body does now. Its reader may be on another thread than the connection, hence the addition.
    pub(crate) fn body_becomes(&self, body: Body) {
        self.body.store(body as u8, Relaxed);
        self.word.fetch_add(CHANGE, Relaxed);
    }

    /// The handler waits for the body; the clock runs until it stops waiting.
    pub(crate) fn body_awaited(&self, cx: &Context<'_>) {
        let mut task = self.body_task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
        drop(task);
        if self.body() != Body::Awaited {
            self.body_becomes(Body::Awaited);
        }
    }

    /// Remembers the connection's task; tokio never moves a spawned future to another waker.
    pub(crate) fn driven_by(&self, cx: &Context<'_>) {
        self.task.get_or_init(|| cx.waker().clone());
    }

    pub(crate) fn order(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.wake();
    }

    /// Passes a verdict on what was seen; it is void if anything has changed since.
    pub(crate) fn judge(&self, verdict: Verdict, seen: Snapshot) {
        if verdict == Verdict::Body {
            return self.time_body_out();
        }
        self.verdict.store(u64::from(seen.word) << 8 | (verdict as u64 + 1), Relaxed);
        self.wake();
    }

    /// Returns the verdict that still holds.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let verdict = self.verdict.load(Relaxed);
        if verdict == 0 || verdict >> 8 != u64::from(self.word.load(Relaxed)) {
            return None;
        }
        match (verdict & 0xff) - 1 {
            0 => Some(Verdict::Head),
            1 => Some(Verdict::Idle),
            _ => Some(Verdict::Write),
        }
    }

    fn time_body_out(&self) {
        let (from, to) = (Body::Awaited as u8, Body::TimedOut as u8);
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
