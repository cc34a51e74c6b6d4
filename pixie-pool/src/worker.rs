//! A process that runs a pool's jobs: how it learns that it is one, connects, and serves until its parent
//! ends it.
//!
//! Owns the lifeline, the handshake, the limits and the loop over jobs. Leaves jobs to `job` and the socket
//! to `socket`. Invariant: the main thread only watches the lifeline, so that the process answers its parent,
//! and ends with it, while a handler is busy.

pub(crate) mod panics;
mod sandbox;
pub(crate) mod socket;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread,
};

use crate::{
    identity::{self, Identity, Invitation},
    job::{Handler, Job},
    platform::{self, Mark},
    protocol::frame::{Hello, TOKEN_BYTES, VERSION, Welcome},
    sandbox::SandboxLevel,
    worker::{sandbox::Restrict, socket::Socket},
};

/// The name of the thread that runs a worker's jobs.
pub(crate) const HANDLER_THREAD: &str = "handler";

/// A process that a pool has started, before it calls [`Worker::serve`].
#[derive(Debug)]
pub struct Worker {
    identity: Identity,
    invitation: Invitation,
    token: [u8; TOKEN_BYTES],
    lifeline: platform::Lifeline,
    restrict: Restrict,
}

/// Returns the worker if a pool started this process. Call this function first in `main`: it closes every
/// inherited descriptor and takes stdin.
///
/// In a program with several pools, the workers of all pools call this function, and choose the handler by
/// the pool's name:
///
/// ```no_run
/// # fn choose(resize: pixie_pool::Handler, search: pixie_pool::Handler) {
/// if let Some(worker) = pixie_pool::worker() {
///     match worker.identity().pool.as_deref() {
///         // Start each pool with the same number as `Config::table_hash`, so that a mix-up is refused.
///         Some("resize") => worker.serve(1, resize),
///         _ => worker.serve(2, search),
///     }
/// }
/// # }
/// ```
pub fn worker() -> Option<Worker> {
    let invitation = identity::invitation()?.clone();
    platform::close_inherited();
    platform::calm_signals();
    platform::isolate(identity::VARIABLE);
    if std::env::var_os(identity::CORE_DUMPS).is_none_or(|value| value != "on") {
        platform::no_core_dumps();
    }
    platform::set_process_name(&format!("{}-{}", invitation.pool, invitation.number));
    match Worker::enter(invitation) {
        Ok(worker) => Some(worker),
        Err(error) => give_up(&format!("taking the token from stdin failed: {error}")),
    }
}

impl Worker {
    fn enter(invitation: Invitation) -> io::Result<Self> {
        let mut lifeline = platform::take_lifeline()?;
        let mut token = [0; TOKEN_BYTES];
        lifeline.read_token(&mut token)?;
        Ok(Worker { identity: identity::identity(), invitation, token, lifeline, restrict: platform::restrict })
    }

    /// Allows other threads, which stay outside the sandbox. For a test harness, whose main thread only
    /// waits.
    #[doc(hidden)]
    pub fn in_a_test(mut self) -> Self {
        self.restrict = platform::restrict_thread;
        self
    }

    /// Returns which worker this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Runs jobs until the parent ends this process. `table_hash` must be the number in the parent's
    /// configuration.
    pub fn serve(self, table_hash: u64, handler: Handler) -> ! {
        panics::remember();
        let hello = Hello { version: VERSION, token: self.token, table_hash };
        let (socket, welcome) = match connect(&self.invitation.path, &hello) {
            Ok(connected) => connected,
            Err(error) => give_up(&format!("connecting to the pool failed: {error}")),
        };
        let stack = welcome.stack as usize;
        // On the main thread, before another one exists: a new thread inherits the sandbox of the thread that
        // starts it.
        let level = match sandbox::enter(&welcome.sandbox, self.restrict) {
            Ok(level) => level,
            Err(error) => give_up(&format!("entering the sandbox failed: {error}")),
        };
        let attending = Arc::clone(&socket);
        let started = thread::Builder::new().name(HANDLER_THREAD.to_owned()).stack_size(stack).spawn(move || {
            if let Err(error) = run(&socket, &handler, &level) {
                eprintln!("worker: {error}");
            }
            platform::exit_now()
        });
        if let Err(error) = started {
            give_up(&format!("starting the handler's thread failed: {error}"));
        }
        self.lifeline.wait(|| attending.attend());
        platform::exit_now()
    }
}

pub(crate) fn give_up(why: &str) -> ! {
    eprintln!("worker: {why}");
    std::process::exit(1)
}

fn connect(path: &Path, hello: &Hello) -> io::Result<(Arc<Socket>, Welcome)> {
    let socket = Socket::connect(path, Some(Mark::open(&identity::mark_path(path))?))?;
    let welcome = socket.greet(hello)?;
    if welcome.memory > 0 {
        platform::limit_memory(welcome.memory)?;
    }
    Ok((socket, welcome))
}

/// Runs the jobs of a pool of size 0 on this thread, until the pool closes the connection.
pub(crate) fn serve_here(path: &Path, hello: &Hello, handler: &Handler) -> io::Result<()> {
    panics::remember();
    let socket = Socket::connect(path, None)?;
    socket.greet(hello)?;
    run(&socket, handler, &SandboxLevel::default())
}

fn run(socket: &Arc<Socket>, handler: &Handler, level: &SandboxLevel) -> io::Result<()> {
    socket.ready(level)?;
    while let Some((stream, start)) = socket.next_job()? {
        let job = Job::new(Arc::clone(socket), stream, start);
        // The handler owns the job: if the handler panics, dropping the job reports the panic.
        let _ = catch_unwind(AssertUnwindSafe(|| handler(job)));
        socket.wait_until_done(stream);
    }
    Ok(())
}
