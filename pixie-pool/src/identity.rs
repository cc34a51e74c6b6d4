//! Which process this is: the main one or a worker.
//!
//! Owns the environment variable by which a pool tells a process that it is a worker.
//! Invariant: the variable holds the pool's name, the worker's number and the socket's path, and no secret.

use std::{
    path::PathBuf,
    process,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The variable that makes a process a worker: `number|pool|path`, or a fork server: `0|pool|`.
pub(crate) const VARIABLE: &str = "PIXIE_INVITATION";
/// The variable that is `on` in a worker that may write a core file. A variable, because a worker limits
/// itself before it connects.
pub(crate) const CORE_DUMPS: &str = "PIXIE_CORE_DUMPS";

static INVITATION: OnceLock<Option<Invitation>> = OnceLock::new();
/// The number of a worker that was forked, in place of that of its fork server; 0 in other processes.
static FORKED: AtomicUsize = AtomicUsize::new(0);

/// Which process this is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The worker's pool; `None` in the main process.
    pub pool: Option<String>,
    /// The worker's number in its pool, from 1; 0 in the main process and in a pool's fork server.
    pub number: usize,
    /// The process id.
    pub pid: u32,
}

/// Where a worker connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    pub(crate) number: usize,
    pub(crate) pool: String,
    pub(crate) path: PathBuf,
}

/// Returns which process this is. The threads of a pool of size 0 belong to the main process.
pub fn identity() -> Identity {
    let pid = process::id();
    match invitation() {
        Some(i) => Identity { pool: Some(i.pool.clone()), number: i.number.max(FORKED.load(Ordering::Relaxed)), pid },
        None => Identity { pool: None, number: 0, pid },
    }
}

/// Returns whether a pool started this process.
pub fn is_worker() -> bool {
    invitation().is_some()
}

/// Returns the invitation of this process, or of its fork server. It is read once, because the variable is
/// removed later.
pub(crate) fn invitation() -> Option<&'static Invitation> {
    INVITATION.get_or_init(|| Invitation::parse(&std::env::var(VARIABLE).ok()?)).as_ref()
}

/// Returns whether this is a forked worker, in which no thread watches the lifeline.
pub(crate) fn is_forked() -> bool {
    FORKED.load(Ordering::Relaxed) > 0
}

/// Makes this copy of a fork server the worker with this number.
pub(crate) fn become_forked(number: usize) {
    FORKED.store(number, Ordering::Relaxed);
}

impl Invitation {
    /// Returns the invitation to be the fork server of a pool.
    pub(crate) fn to_fork(pool: &str) -> Self {
        Invitation { number: 0, pool: pool.to_owned(), path: PathBuf::new() }
    }

    pub(crate) fn is_to_fork(&self) -> bool {
        self.number == 0
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '|');
        let number = parts.next()?.parse().ok()?;
        let pool = parts.next()?.to_owned();
        let path = PathBuf::from(parts.next()?);
        Some(Invitation { number, pool, path })
    }

    pub(crate) fn encode(&self) -> String {
        format!("{}|{}|{}", self.number, self.pool, self.path.display())
    }
}
