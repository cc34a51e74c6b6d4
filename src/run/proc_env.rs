//! `proc_env()`: tells a handler in which process it runs.
use std::fmt;

/// The two kinds of process of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessType {
    /// The server: it accepts connections and runs sync, thread and async routes.
    Main,
    /// A worker: it runs pool and stream routes.
    Pool,
}

impl fmt::Display for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ProcessType::Main => "main",
            ProcessType::Pool => "pool",
        })
    }
}

/// Describes a process of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcEnv {
    /// Whether this is the server or a worker.
    pub process_type: ProcessType,
    /// The name of the worker's pool.
    pub pool: Option<String>,
    /// The worker's number in its pool, from 1; 0 in the server.
    pub worker: usize,
    /// The process id.
    pub pid: u32,
}

/// Returns a description of this process.
pub fn proc_env() -> ProcEnv {
    let identity = pixie_pool::identity();
    let process_type = if identity.pool.is_some() { ProcessType::Pool } else { ProcessType::Main };
    ProcEnv {
        process_type,
        pool: identity.pool.map(|name| name.to_string()),
        worker: identity.number,
        pid: identity.pid,
    }
}
