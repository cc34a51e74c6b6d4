//! What a worker lives in: a process of its own, or a thread of this one.
//!
//! Owns starting it, the handshake, and its end. Leaves jobs to `link` and `slot`.
//! Rule: the command stays on the posix_spawn path (no closure before exec, no other user), because a fork of a large server takes milliseconds.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, io,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Instant,
};

use bytes::BytesMut;
use interprocess::local_socket::{self as ls, traits::StreamCommon as _, traits::tokio::Listener as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    sync::oneshot,
    time::timeout,
};

use crate::{
    config::{Config, LAST_WORDS, STOP_GRACE},
    error::Exit,
    identity::{Invitation, VARIABLE},
    job::Handler,
    platform::{self, Leash, MarkReader, MemoryToll, ProcessWatch, ReadHalf, WorkerCgroup, WriteHalf},
    pool::{
        connection::cpu_meter::Meter,
        connection::kill::Closed,
        connection::recycling::Wear,
        connection::socket::Link,
        connection::state::Line,
        process::handshake,
        process::memory,
        process::output::{Output, Source, printable},
        shared::Shared,
    },
    protocol::{
        frame::{Hello, TOKEN_BYTES, VERSION, Violation, Welcome},
        parent::{Event, Parent},
    },
    worker,
};

/// Always passed on, so that a worker finds its files, speaks its language and logs as it was told.
const PASSED: [&str; 8] = ["PATH", "HOME", "LANG", "LC_*", "TZ", "RUST_BACKTRACE", "RUST_LOG", "PIXIE_*"];

/// A worker that is ready.
pub(crate) struct Booted {
    pub(crate) host: Host,
    pub(crate) link: Arc<Link>,
    pub(crate) reader: ReadHalf,
    pub(crate) input: BytesMut,
}

pub(crate) enum Host {
    Process(Box<Process>),
    /// Cannot be ended: what it runs, it finishes.
    Thread(oneshot::Receiver<()>),
}

pub(crate) struct Process {
    child: Child,
    watch: Arc<ProcessWatch>,
    output: Output,
    /// Says which job it has started last.
    mark: MarkReader,
    /// The most memory that this process had held when it started that one.
    own_peak: u64,
    peak: Option<Peak>,
    cgroup: Option<WorkerCgroup>,
    /// Whether the kernel has ended it because it wanted more memory than it may have.
    is_over_memory: bool,
}

/// The most memory that a worker has held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peak {
    pub(crate) bytes: u64,
    /// If not, it was no more than that.
    pub(crate) is_exact: bool,
}

/// Why a worker did not come to be; shown with what it wrote, line for line.
pub(crate) struct NotBooted {
    pub(crate) why: String,
    pub(crate) stderr: String,
}

impl From<String> for NotBooted {
    fn from(why: String) -> Self {
        NotBooted { why, stderr: String::new() }
    }
}

impl fmt::Display for NotBooted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        let mut start = "; it wrote:\n";
        for line in self.stderr.trim().lines() {
            write!(f, "{start}{}", printable(line.as_bytes()))?;
            start = "\n";
        }
        Ok(())
    }
}

/// Starts a worker and waits until it takes jobs.
pub(crate) async fn boot(shared: &Shared, number: usize) -> Result<Booted, NotBooted> {
    let (path, started) = (shared.socket(number), Instant::now());
    let listener = handshake::listen(&path).map_err(|e| format!("listening at {} failed: {e}", path.display()))?;
    let mut token = [0; TOKEN_BYTES];
    platform::random(&mut token).map_err(|e| format!("drawing a token failed: {e}"))?;
    let (host, pid, leash) = match shared.is_threaded() {
        true => (start_thread(shared, &path, token)?, std::process::id(), None),
        false => start_process(shared, number, &path, &token).await?,
    };
    let greeting = greet(shared, number, pid, &listener, token);
    let mut ending = shared.ending.subscribe();
    let booting = async {
        let booted = timeout(shared.config.start_timeout, host.or_exit(greeting)).await;
        if matches!(booted, Ok(Err(_))) && !shared.is_threaded() {
            // It may be about to end by itself, and then it says why.
            let _ = timeout(LAST_WORDS, host.exited()).await;
        }
        booted.unwrap_or_else(|_| Err(format!("it was not ready within {:?}", shared.config.start_timeout)))
    };
    let booted = tokio::select! {
        booted = booting => booted,
        _ = ending.wait_for(|e| *e) => Err("the pool is shutting down".to_owned()),
    };
    // A thread that still waits to be let in must see that nobody will.
    drop(listener);
    handshake::remove_mark(&path);
    match booted {
        Ok(Greeted { protocol, reader, writer, input }) => {
            shared.metrics.booted(started.elapsed());
            let wear = Wear::new(&shared.config, pid, Instant::now());
            // A thread of this process shares its clock with everything else here.
            let cpu_time = shared.config.cpu_time.filter(|_| !shared.is_threaded());
            let line = Line::new(protocol, leash, wear, Meter::new(cpu_time));
            let memory_limit = shared.memory_limit(host.cgroup());
            let link = Link::new(number, pid, writer, line, memory_limit, Arc::clone(&shared.metrics));
            Ok(Booted { host, link, reader, input })
        }
        Err(why) => Err(host.buried(why).await),
    }
}

fn start_thread(shared: &Shared, path: &Path, token: [u8; TOKEN_BYTES]) -> Result<Host, String> {
    let (path, handler) = (path.to_owned(), Handler::clone(&shared.handler));
    let hello = Hello { version: VERSION, token, table_hash: shared.config.table_hash };
    let (ended, has_ended) = oneshot::channel();
    let run = move || {
        if let Err(error) = worker::serve_here(&path, &hello, &handler) {
            tracing::debug!("a handler's thread ended: {error}");
        }
        let _ = ended.send(());
    };
    let builder = std::thread::Builder::new().name(format!("{}-handler", shared.config.name));
    builder.stack_size(shared.config.stack).spawn(run).map_err(|e| format!("starting a thread failed: {e}"))?;
    Ok(Host::Thread(has_ended))
}

async fn start_process(
    shared: &Shared,
    number: usize,
    path: &Path,
    token: &[u8],
) -> Result<(Host, u32, Option<Leash>), String> {
    let mark = MarkReader::create(&handshake::mark(path)).map_err(|e| format!("creating its mark failed: {e}"))?;
    let invitation = Invitation { number, pool: shared.config.name.clone(), path: path.to_owned() };
    let command = command(&shared.config, &invitation);
    let (mut child, cgroup) = spawn(command, shared.admission(number))
        .await
        .map_err(|e| format!("running this program again failed: {e}"))?;
    let pid = child.id().unwrap_or(0);
    let source = Source { pool: Arc::clone(&shared.name), worker: number, pid };
    let output = Output::read(source, child.stdout.take(), child.stderr.take());
    let mut lifeline = child.stdin.take();
    if let Some(pipe) = &mut lifeline {
        // A worker that died already is reported with its exit status.
        let _ = pipe.write_all(token).await;
    }
    let watch = Arc::new(ProcessWatch::new(pid));
    let leash = lifeline.map(Leash::new).transpose().map_err(|e| format!("keeping its lifeline failed: {e}"))?;
    let own_peak = platform::peak_bytes(std::process::id()).unwrap_or(0);
    let process = Process { child, watch, output, mark, own_peak, peak: None, cgroup, is_over_memory: false };
    Ok((Host::Process(Box::new(process)), pid, leash))
}

/// Starts a program on a thread of its own: until it runs, `posix_spawn` holds its caller, on a busy machine for many milliseconds,
/// and a thread of the runtime would hold the connections of a server as long.
///
/// There, too, it gets its cgroup: all that it does until then is to wait for its token.
async fn spawn(
    command: io::Result<Command>,
    admit: impl FnOnce(u32) -> Option<WorkerCgroup> + Send + 'static,
) -> io::Result<(Child, Option<WorkerCgroup>)> {
    let mut command = command?;
    let runtime = tokio::runtime::Handle::current();
    let (started, has_started) = oneshot::channel();
    std::thread::Builder::new().name("pool-spawn".to_owned()).spawn(move || {
        let _entered = runtime.enter();
        let spawned = command.spawn().map(|child| {
            let cgroup = child.id().and_then(admit);
            (child, cgroup)
        });
        // If nobody waits any more, the program ends with its value.
        let _ = started.send(spawned);
    })?;
    has_started.await.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it has ended")))
}

fn command(config: &Config, invitation: &Invitation) -> io::Result<Command> {
    let mut command = Command::new(platform::own_executable()?);
    let mut own = env::args_os();
    let name = own.next().unwrap_or_else(|| OsString::from(&config.name));
    platform::name_command(&mut command, &name);
    match &config.args {
        Some(args) => command.args(args),
        None => command.args(own),
    };
    command.env_clear().envs(env::vars_os().filter(|(name, _)| is_passed(config, name)));
    command.envs(config.env.iter().map(|(name, value)| (name, value))).env(VARIABLE, invitation.encode());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    platform::own_group(&mut command);
    Ok(command)
}

fn is_passed(config: &Config, name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    PASSED.iter().copied().chain(config.pass_env.iter().map(String::as_str)).any(matches)
}

/// The connection of a worker that takes jobs.
struct Greeted {
    protocol: Parent,
    reader: ReadHalf,
    writer: WriteHalf,
    input: BytesMut,
}

/// Lets in the one that knows the token, and only from the process that was started.
async fn greet(
    shared: &Shared,
    number: usize,
    pid: u32,
    listener: &ls::tokio::Listener,
    token: [u8; TOKEN_BYTES],
) -> Result<Greeted, String> {
    let stream = loop {
        let stream = listener.accept().await.map_err(|e| format!("accepting its connection failed: {e}"))?;
        let peer = stream.peer_creds().ok().and_then(|c| c.pid());
        if peer.is_none_or(|p| p as u32 == pid) {
            break stream;
        }
        tracing::warn!(pool = %shared.name, worker = number, ?peer, "a stranger at a worker's socket was turned away");
    };
    let (mut reader, writer) = platform::split(stream);
    let mut protocol = Parent::new(token, shared.config.table_hash);
    let mut input = BytesMut::new();
    expect(&mut protocol, Event::Greeted, &mut reader, &mut input).await?;
    let (memory, stack) = (shared.memory().unwrap_or(0), shared.config.stack as u64);
    let welcome = Welcome { memory, stack, sandbox: shared.config.sandbox.clone() };
    let mut output = BytesMut::new();
    protocol.welcome(&welcome, &mut output);
    platform::write_all(&writer, &output).await.map_err(|e| format!("welcoming it failed: {e}"))?;
    expect(&mut protocol, Event::Ready, &mut reader, &mut input).await?;
    match shared.config.sandbox.missing(&protocol.sandbox()) {
        Some(missing) if shared.config.sandbox.is_required => {
            return Err(format!("a sandbox is required and it has come without {missing}"));
        }
        // Whoever wants no worker without its sandbox wants none without its other limits.
        None if shared.config.sandbox.is_required => shared.check_weighing(pid)?,
        _ => {}
    }
    Ok(Greeted { protocol, reader, writer, input })
}

async fn expect(
    protocol: &mut Parent,
    event: Event,
    reader: &mut ReadHalf,
    input: &mut BytesMut,
) -> Result<(), String> {
    loop {
        match protocol.receive(input) {
            Ok(Some((_, said))) if said == event => return Ok(()),
            Ok(Some(_)) => return Err("it answered out of turn".to_owned()),
            Ok(None) => {}
            Err(Violation(why)) => return Err(why),
        }
        match reader.read_buf(input).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => {
                return Err("it hung up before it was ready; does its main call pixie_pool::worker() first?".to_owned());
            }
        }
    }
}

impl Host {
    /// Runs `work` unless the process ends first.
    async fn or_exit<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.exited() => Err("it ended before it was ready; does its main call pixie_pool::worker() first?".to_owned()),
        }
    }

    /// Waits for the end of the process; a thread's is not seen.
    async fn exited(&self) {
        match self {
            Host::Thread(_) => std::future::pending().await,
            Host::Process(process) => process.watch.exited().await,
        }
    }

    /// Has the connection closed when the process ends, also if something that it started holds the socket open.
    pub(crate) fn watch(&self, link: &Arc<Link>) -> Option<tokio::task::JoinHandle<()>> {
        let Host::Process(process) = self else {
            return None;
        };
        let (watch, link) = (Arc::clone(&process.watch), Arc::clone(link));
        Some(tokio::spawn(async move {
            watch.exited().await;
            link.close(Closed::Exited);
        }))
    }

    /// Ends the process, if it is one, without waiting.
    pub(crate) fn kill(&mut self) {
        if let Host::Process(process) = self {
            // What ends by itself is gone by now, and what is told of it later is less exact.
            let bytes = process.child.id().and_then(platform::peak_bytes);
            process.peak = bytes.map(|bytes| Peak { bytes, is_exact: true });
            process.watch.kill();
        }
    }

    /// Ends the process and waits for that; returns the job that it has started last.
    ///
    /// A thread cannot be ended, so there is nothing to wait for.
    pub(crate) async fn end(&mut self, closed: Closed) -> Option<u32> {
        let Host::Process(process) = self else {
            return None;
        };
        if closed.is_polite() {
            // Its lifeline is cut: whoever does not leave then is made to.
            let _ = timeout(STOP_GRACE, process.watch.exited()).await;
        }
        process.watch.kill();
        if process.peak.is_none() {
            let own = process.own_peak;
            process.peak = process.watch.peak_bytes().await.map(|bytes| Peak { bytes, is_exact: bytes > own });
        }
        let _ = process.child.wait().await;
        if let Some(cgroup) = &process.cgroup {
            let MemoryToll { peak, is_over } = cgroup.toll();
            process.is_over_memory = is_over;
            process.peak = peak.map(|bytes| Peak { bytes, is_exact: true }).or(process.peak);
        }
        process.mark.read()
    }

    /// Tells whether the kernel has ended a process because it wanted more memory than its cgroup may hold.
    pub(crate) fn is_over_memory(&self) -> bool {
        matches!(self, Host::Process(process) if process.is_over_memory)
    }

    fn cgroup(&self) -> Option<&WorkerCgroup> {
        match self {
            Host::Process(process) => process.cgroup.as_ref(),
            Host::Thread(_) => None,
        }
    }

    /// Takes the cgroup of an ended process, which is left to be removed.
    pub(crate) fn take_cgroup(&mut self) -> Option<WorkerCgroup> {
        match self {
            Host::Process(process) => process.cgroup.take(),
            Host::Thread(_) => None,
        }
    }

    /// Returns the most memory that an ended process has held, as far as that is known.
    pub(crate) fn peak(&self) -> Option<Peak> {
        match self {
            Host::Process(process) => process.peak,
            Host::Thread(_) => None,
        }
    }

    /// Takes the report of an end that was waited for; a thread says nothing about how it ended.
    pub(crate) async fn bury(self) -> Option<Exit> {
        match self {
            Host::Thread(has_ended) => {
                let _ = has_ended.await;
                None
            }
            Host::Process(process) => {
                let Process { mut child, output, .. } = *process;
                let status = child.wait().await;
                let (code, signal) = status.map_or((None, None), platform::exit_of);
                Some(Exit { code, signal, stderr: output.finish().await })
            }
        }
    }

    /// Ends a worker that never was one; returns the reason with what is known of its end.
    async fn buried(mut self, why: String) -> NotBooted {
        self.end(Closed::Exited).await;
        let (is_over_memory, cgroup) = (self.is_over_memory(), self.take_cgroup());
        let exit = self.bury().await;
        memory::remove(cgroup).await;
        let Some(exit) = exit else {
            return why.into();
        };
        let cause = if is_over_memory { ", it wanted more than the pool's `memory`" } else { "" };
        NotBooted { why: format!("{why} ({exit}{cause})"), stderr: exit.stderr }
    }
}
