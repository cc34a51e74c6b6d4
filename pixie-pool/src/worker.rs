//! A process that runs a pool's jobs: how it learns that it is one, connects, and serves until its end.
//!
//! Owns the handshake, the limits, the order of the steps into a sandbox, and the loop over jobs. Leaves jobs
//! to `job`, the socket to `socket`, and the lifeline to `share`. Invariants: the worker takes its first job
//! and starts its first thread after it has entered its sandbox. It ends with its parent while a handler is
//! busy: the main thread of an executed worker only watches the lifeline, and a forked worker, which has one
//! thread, is ended by the kernel.

mod queue;
pub(crate) mod socket;
mod wire;

use std::{
    any::Any,
    cell::{Cell, RefCell},
    convert::Infallible,
    io::{self, ErrorKind},
    mem,
    os::{fd::OwnedFd, unix::net::UnixStream},
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Once,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    config::{HANDLER_STACK_BYTES, JOB_END, STOP_GRACE},
    error::Failure,
    fork::serving,
    identity::{self, Identity, Invitation},
    job::{Handler, Job},
    platform,
    protocol::frame::{Hello, TOKEN_BYTES, VERSION, Welcome},
    sandbox::{Sandbox, SandboxLevel},
    share::lifeline,
    worker::socket::Socket,
};

#[doc(hidden)]
pub use self::queue::before_claim;

/// The name of the thread that runs a worker's jobs.
pub(crate) const HANDLER_THREAD: &str = "handler";

/// A process that a pool has started, before it calls [`Worker::serve`].
#[derive(Debug)]
pub struct Worker {
    identity: Identity,
    origin: Origin,
    is_in_a_test: bool,
}

/// How this process was started.
#[derive(Debug)]
enum Origin {
    /// As a worker.
    Executed { path: PathBuf, token: [u8; TOKEN_BYTES] },
    /// As the fork server of a pool, with its socket to the main process.
    ForkServer(UnixStream),
}

/// Returns the worker if a pool started this process. Call this function first in `main`: it closes every
/// inherited descriptor and takes stdin.
///
/// In a program with several pools, all workers call this, and choose the handler by the pool's name:
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
    platform::forget_variable(identity::VARIABLE);
    platform::give_way_when_memory_is_short();
    if std::env::var_os(identity::CORE_DUMPS).is_none_or(|value| value != "on") {
        platform::no_core_dumps();
    }
    let name = if invitation.is_to_fork() { "fork".to_owned() } else { invitation.number.to_string() };
    platform::set_process_name(&format!("{}-{name}", invitation.pool));
    match Worker::enter(invitation) {
        Ok(worker) => Some(worker),
        Err(error) => give_up(&format!("taking the token from stdin failed: {error}")),
    }
}

impl Worker {
    fn enter(invitation: Invitation) -> io::Result<Self> {
        let origin = if invitation.is_to_fork() {
            Origin::ForkServer(serving::enter(platform::take_stdin()?)?)
        } else {
            Origin::Executed { path: invitation.path, token: lifeline::take(platform::take_stdin()?)? }
        };
        Ok(Worker { identity: identity::identity(), origin, is_in_a_test: false })
    }

    /// Allows other threads, which stay outside the sandbox, for a test harness, whose main thread waits.
    #[doc(hidden)]
    pub fn in_a_test(mut self) -> Self {
        self.is_in_a_test = true;
        self
    }

    /// Returns which worker this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Runs jobs until the parent ends this process; `table_hash` must be that of the parent's configuration.
    ///
    /// In the fork server of a pool ([`StartMethod::Fork`](crate::StartMethod::Fork)), this forks the workers:
    /// the call continues in each of them, with a copy of all that the program has prepared.
    pub fn serve(self, table_hash: u64, handler: Handler) -> ! {
        self.serve_with(table_hash, || handler)
    }

    /// Runs jobs as [`serve`](Worker::serve) does, with a handler that each worker makes itself: also each
    /// forked one, so that it can open files and connections of its own.
    pub fn serve_with(self, table_hash: u64, make: impl FnOnce() -> Handler + Send) -> ! {
        remember_panics();
        let is_in_a_test = self.is_in_a_test;
        let enter = move |token, link| {
            let hello = Hello { version: VERSION, token, table_hash };
            Entered::new(link, &hello, make, is_in_a_test)
        };
        match self.origin {
            Origin::Executed { path, token } => enter(token, Link::Path(path)).work_beside(),
            Origin::ForkServer(control) => {
                let forkable = platform::check_forkable(0);
                fork(move || match serving::serve(control, forkable) {
                    // Its socket shows who it is.
                    Ok(socket) => enter([0; TOKEN_BYTES], Link::Socket(socket)).work(),
                    Err(error) => give_up(&format!("forking workers failed: {error}")),
                })
            }
        }
    }
}

/// Serves as a fork server on another thread, which in each copy is the only one and runs the jobs.
fn fork(serve: impl FnOnce() -> Infallible + Send) -> ! {
    let serve = || {
        // A panic was reported. This must not leave a process without the thread that does its work.
        mem::forget(catch_unwind(AssertUnwindSafe(serve)));
        std::process::exit(101)
    };
    match thread::scope(|scope| handler_thread().spawn_scoped(scope, serve).map(drop)) {
        Ok(()) => std::process::exit(101),
        Err(error) => give_up(&format!("starting a thread failed: {error}")),
    }
}

/// Returns the thread that runs a worker's jobs, which is to be started.
fn handler_thread() -> thread::Builder {
    thread::Builder::new().name(HANDLER_THREAD.to_owned()).stack_size(HANDLER_STACK_BYTES)
}

/// A worker that is connected and in its sandbox.
struct Entered {
    socket: Arc<Socket>,
    handler: Handler,
    level: SandboxLevel,
}

impl Entered {
    fn new(link: Link, hello: &Hello, make: impl FnOnce() -> Handler, is_in_a_test: bool) -> Self {
        let (socket, welcome) = match connect(link, hello) {
            Ok(connected) => connected,
            Err(error) => give_up(&format!("connecting to the pool failed: {error}")),
        };
        let handler = make();
        // On the only thread, because new threads inherit the sandbox.
        let level = match enter_sandbox(&welcome.sandbox, is_in_a_test) {
            Ok(level) => level,
            Err(error) => give_up(&format!("entering the sandbox failed: {error}")),
        };
        // At its end the worker drops the handler, and with it the values that the program made for its jobs. The
        // socket is closed by the exit of the process, which takes less time.
        mem::forget(Arc::clone(&socket));
        Entered { socket, handler, level }
    }

    /// Runs the jobs on this thread. The kernel ends the process with its parent.
    fn work(self) -> ! {
        let Entered { socket, handler, level } = self;
        let work = move || {
            match run(&socket, &handler, &level) {
                // The parent has closed the connection, as when the pool stops while this worker starts.
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
                Err(error) => eprintln!("worker: {error}"),
                Ok(()) => {}
            }
        };
        // A panic here must not leave a process without the thread that runs its jobs. The payload is not dropped,
        // because that could panic, too.
        mem::forget(catch_unwind(AssertUnwindSafe(work)));
        platform::exit_now()
    }

    /// Runs the jobs on another thread, and ends the process with its parent.
    fn work_beside(self) -> ! {
        if let Err(error) = handler_thread().spawn(|| self.work()) {
            give_up(&format!("starting the handler's thread failed: {error}"));
        }
        lifeline::wait(None);
        if IS_BUSY.load(Ordering::SeqCst) {
            // The job may have just sent its reply.
            thread::sleep(JOB_END);
        }
        if !IS_BUSY.load(Ordering::SeqCst) {
            // The handler's thread sees the end of the connection and ends the process sooner.
            thread::sleep(STOP_GRACE);
        }
        platform::exit_now()
    }
}

pub(crate) fn give_up(why: &str) -> ! {
    eprintln!("worker: {why}");
    std::process::exit(1)
}

/// The way to the pool.
enum Link {
    Path(PathBuf),
    Socket(OwnedFd),
}

fn connect(link: Link, hello: &Hello) -> io::Result<(Arc<Socket>, Welcome)> {
    let socket = match link {
        Link::Path(path) => Socket::connect(&path)?,
        Link::Socket(socket) => Socket::new(socket),
    };
    let welcome = socket.greet(hello)?;
    if welcome.memory > 0 {
        platform::limit_memory(welcome.memory, HANDLER_STACK_BYTES)?;
    }
    Ok((socket, welcome))
}

/// Runs the jobs of a pool of size 0 on this thread, until the pool closes the connection.
pub(crate) fn serve_here(path: &Path, hello: &Hello, handler: &Handler) -> io::Result<()> {
    remember_panics();
    let socket = Socket::connect(path)?;
    socket.greet(hello)?;
    run(&socket, handler, &SandboxLevel::default())
}

fn run(socket: &Arc<Socket>, handler: &Handler, level: &SandboxLevel) -> io::Result<()> {
    socket.ready(level)?;
    while let Some((stream, start)) = socket.next_job()? {
        let job = Job::new(Arc::clone(socket), stream, start);
        IS_BUSY.store(true, Ordering::SeqCst);
        // The handler owns the job: if the handler panics, dropping the job reports the panic.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler(job))) {
            discard(payload);
        }
        socket.wait_until_done(stream);
        IS_BUSY.store(false, Ordering::SeqCst);
        // A thread of the main process has nothing that a replacement would mend.
        if IS_SPOILED.get() && identity::is_worker() {
            return Err(io::Error::other("the value that a handler panicked with panicked when it was dropped"));
        }
    }
    Ok(())
}

/// Whether this process runs a job.
static IS_BUSY: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether a second panic has left values of this thread half dropped.
    static IS_SPOILED: Cell<bool> = const { Cell::new(false) };
}

/// Drops the payload of a caught panic. If that panics too, the worker process is replaced after its job.
#[doc(hidden)]
pub fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(second);
        IS_SPOILED.set(true);
    }
}

/// Applies the sandbox to this process and returns which parts of it are in force.
fn enter_sandbox(sandbox: &Sandbox, is_in_a_test: bool) -> io::Result<SandboxLevel> {
    let limits = limit(sandbox).map_err(|e| io::Error::other(format!("setting its limits failed: {e}")))?;
    if !sandbox.is_wanted() {
        return Ok(SandboxLevel { limits, ..SandboxLevel::default() });
    }
    let level = SandboxLevel { limits, ..platform::restrict(sandbox, is_in_a_test)? };
    match sandbox.missing(&level) {
        Some(missing) if sandbox.is_required => Err(io::Error::other(format!(
            "it is required, but this system lacks {missing}: use a newer kernel, or leave out Sandbox::required()"
        ))),
        _ => Ok(level),
    }
}

fn limit(sandbox: &Sandbox) -> io::Result<bool> {
    let (bytes, count) = (sandbox.file_bytes(), sandbox.open_files);
    if bytes > 0 {
        platform::limit_file_size(bytes)?;
    }
    if count > 0 {
        platform::limit_open_files(count)?;
    }
    Ok(bytes > 0 || count > 0)
}

thread_local! {
    static LAST_PANIC: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Records the last panic of each thread from now on. The panic hook that was installed before still runs.
fn remember_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let location = info.location().map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
            // Fails while a thread ends. A panic inside of the hook would end the process.
            let _ = LAST_PANIC.try_with(|last| last.replace(Some(panicked(info.payload_as_str(), location))));
            earlier(info);
        }));
    });
}

/// Removes and returns the last panic of this thread.
pub(crate) fn take_panic() -> Failure {
    LAST_PANIC.take().unwrap_or_else(|| panicked(None, None))
}

fn panicked(message: Option<&str>, location: Option<String>) -> Failure {
    let message = message.unwrap_or("a panic without a message").to_owned();
    Failure { is_panic: true, message, location }
}
