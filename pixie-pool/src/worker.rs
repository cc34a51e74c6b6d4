//! A process that runs a pool's jobs: how it finds out, connects, and serves until its parent ends it.
//!
//! Owns the worker's life: lifeline, handshake, limits, the loop over jobs. Leaves jobs to `job` and the socket to `line`.
//! Rule: the main thread only watches the lifeline, so that the process ends with its parent, and answers it, while a handler spins.

pub(crate) mod line;
pub(crate) mod panics;
mod sandbox;

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
    pool::process::handshake,
    protocol::frame::{Hello, TOKEN_BYTES, VERSION, Welcome},
    sandbox::SandboxLevel,
    worker::{line::Line, sandbox::Restrict},
};

/// The name of the thread that runs a worker's jobs.
pub(crate) const HANDLER_THREAD: &str = "handler";
/// The variable that is `on` in a worker that may write a core file. A variable, because a worker limits itself before it connects.
pub(crate) const CORE_DUMPS: &str = "PIXIE_CORE_DUMPS";

/// A process that a pool has started and that waits for [`Worker::serve`].
#[derive(Debug)]
pub struct Worker {
    identity: Identity,
    invitation: Invitation,
    token: [u8; TOKEN_BYTES],
    lifeline: platform::Lifeline,
    restrict: Restrict,
}

/// Returns the worker if a pool started this process. Call it first in `main`: it closes every inherited descriptor
/// and takes stdin.
///
/// In a program with several pools the workers of each come here, and choose by the pool's name what they serve:
///
/// ```no_run
/// # fn choose(resize: pixie_pool::Handler, search: pixie_pool::Handler) {
/// if let Some(worker) = pixie_pool::worker() {
///     match worker.identity().pool.as_deref() {
///         // Each pool is started with the same number as its `Config::table_hash`, so that a mix-up is refused.
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
    if std::env::var_os(CORE_DUMPS).is_none_or(|value| value != "on") {
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

    /// Accepts that other threads run, which stay outside its sandbox: for a test harness, whose main thread only waits.
    #[doc(hidden)]
    pub fn in_a_test(mut self) -> Self {
        self.restrict = platform::restrict_thread;
        self
    }

    /// Returns which worker this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Runs jobs until the parent ends this process. `table_hash` has to be the one in the parent's configuration.
    pub fn serve(self, table_hash: u64, handler: Handler) -> ! {
        panics::remember();
        let hello = Hello { version: VERSION, token: self.token, table_hash };
        let (line, welcome) = match connect(&self.invitation.path, &hello) {
            Ok(connected) => connected,
            Err(error) => give_up(&format!("reporting to the pool failed: {error}")),
        };
        let stack = welcome.stack as usize;
        // Here, on the main thread and before any other exists, because a thread started later is in the sandbox of the one that starts it.
        let level = match sandbox::enter(&welcome.sandbox, self.restrict) {
            Ok(level) => level,
            Err(error) => give_up(&format!("entering the sandbox failed: {error}")),
        };
        let pulled = Arc::clone(&line);
        let started = thread::Builder::new().name(HANDLER_THREAD.to_owned()).stack_size(stack).spawn(move || {
            if let Err(error) = run(&line, &handler, &level) {
                eprintln!("worker: {error}");
            }
            platform::exit_now()
        });
        if let Err(error) = started {
            give_up(&format!("starting the handler's thread failed: {error}"));
        }
        self.lifeline.wait(|| pulled.attend());
        platform::exit_now()
    }
}

pub(crate) fn give_up(why: &str) -> ! {
    eprintln!("worker: {why}");
    std::process::exit(1)
}

fn connect(path: &Path, hello: &Hello) -> io::Result<(Arc<Line>, Welcome)> {
    let line = Line::connect(path, Some(Mark::open(&handshake::mark(path))?))?;
    let welcome = line.greet(hello)?;
    if welcome.memory > 0 {
        platform::limit_memory(welcome.memory)?;
    }
    Ok((line, welcome))
}

/// Runs the jobs of a pool of size 0 on the calling thread, until the pool hangs up.
pub(crate) fn serve_here(path: &Path, hello: &Hello, handler: &Handler) -> io::Result<()> {
    panics::remember();
    let line = Line::connect(path, None)?;
    line.greet(hello)?;
    run(&line, handler, &SandboxLevel::default())
}

fn run(line: &Arc<Line>, handler: &Handler, level: &SandboxLevel) -> io::Result<()> {
    line.ready(level)?;
    while let Some((stream, start)) = line.next_job()? {
        let job = Job::new(Arc::clone(line), stream, start);
        // The job was moved into the handler: when that unwinds, its drop reports the panic.
        let _ = catch_unwind(AssertUnwindSafe(|| handler(job)));
        line.wait_until_done(stream);
    }
    Ok(())
}
