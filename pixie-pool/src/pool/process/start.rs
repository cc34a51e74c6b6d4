//! The start of a worker: its process or thread, its pipes, its handshake.
//!
//! Owns everything until the worker is ready. Leaves how a process is made to `execution` and `fork_server`.

use std::{sync::Arc, time::Instant};

use bytes::BytesMut;
use tokio::{net::unix::OwnedReadHalf, sync::oneshot, time::timeout};

use crate::{
    config::{Config, HANDLER_STACK_BYTES, START_FAILURE_GRACE},
    identity::Invitation,
    job::Handler,
    platform::{self, ForkedProcess, WorkerCgroup},
    pool::{
        connection::{Closed, Connection, ConnectionState, CpuMeter, Process, Recycling},
        process::{
            Workers,
            child::{Child, ChildProcess, ProcessHandle},
            execution::{StartFailure, command, spawn},
            fork_server::ForkedPipes,
            handshake::{Greeting, Handshake, Link, WorkerSocket, greet},
            memory,
            output::{Output, WorkerLabel},
            threads,
        },
    },
    protocol::frame::{Hello, TOKEN_BYTES, VERSION},
    share::lifeline::Lifeline,
    worker,
};

pub(crate) struct StartedWorker {
    pub(crate) child: Child,
    pub(crate) connection: Arc<Connection>,
    pub(crate) reader: OwnedReadHalf,
    pub(crate) input: BytesMut,
}

/// The process or thread of a worker that is not connected yet.
struct Launched {
    child: Child,
    pid: u32,
    lifeline: Option<Arc<Lifeline>>,
    link: Link,
}

/// Starts a worker and waits until it is ready.
pub(crate) async fn start(workers: &Workers, slot: usize) -> Result<StartedWorker, StartFailure> {
    let (config, started) = (&workers.queue.config, Instant::now());
    let token = || platform::random().map_err(|e| format!("creating a token failed: {e}"));
    let shared = workers.queue.shared.as_ref();
    let claims = shared.map(|shared| shared.new_claims()).transpose();
    let claims = claims.map_err(|e| format!("creating its claims failed: {e}"))?;
    let queue = shared.zip(claims.as_deref()).map(|(shared, claims)| (shared.memory(), claims));
    let greeting = |token| Greeting::new(config, token, queue);
    // A forked worker needs no token, because its fork server gives it its socket.
    let forked = fork_process(workers, slot, greeting([0; TOKEN_BYTES])).await?;
    let (launched, greeting) = match forked {
        Some(forked) => forked,
        None => {
            let token = token()?;
            let launched = match config.is_threaded() {
                true => start_thread(workers, slot, token)?,
                false => execute_process(workers, slot, &token).await?,
            };
            (launched, greeting(token))
        }
    };
    let Launched { child, pid, lifeline, link } = launched;
    let mut ending = workers.queue.ending.subscribe();
    let greeting = async { check_limits(workers, pid, greet(config, slot, pid, link, greeting).await?) };
    let starting = async {
        let greeted = tokio::select! {
            biased;
            greeted = timeout(config.start_timeout, greeting) => greeted,
            () = child.exited() => Ok(Err("it ended before it was ready".to_owned())),
        };
        if matches!(greeted, Ok(Err(_))) && !config.is_threaded() {
            // The process may be about to exit by itself and to write the reason.
            let _ = timeout(START_FAILURE_GRACE, child.exited()).await;
        }
        greeted.unwrap_or_else(|_| Err(format!("it was not ready within {:?}", config.start_timeout)))
    };
    let greeted = tokio::select! {
        greeted = starting => greeted,
        _ = ending.wait_for(|ending| *ending) => Err("the pool is shutting down".to_owned()),
    };
    let Handshake { protocol, reader, writer, input } = match greeted {
        Ok(handshake) => handshake,
        Err(why) => return Err(failed(config, child, why).await),
    };
    workers.queue.observers.metrics.started(started.elapsed());
    let recycling = Recycling::new(config, pid, Instant::now());
    // A thread has no CPU clock of its own.
    let cpu_time = config.cpu_time.filter(|_| !config.is_threaded());
    let state = ConnectionState::new(protocol, lifeline, recycling, CpuMeter::new(cpu_time));
    let memory_limit = workers.memory.kind(child.has_cgroup());
    let process = Process { watch: child.process_watch(), claims };
    let metrics = Arc::clone(&workers.queue.observers.metrics);
    let connection = Connection::new(slot, pid, writer, state, memory_limit, metrics, process);
    Ok(StartedWorker { child, connection, reader, input })
}

/// Returns an error if a required sandbox, or a memory limit beside it, is not in effect.
fn check_limits(workers: &Workers, pid: u32, handshake: Handshake) -> Result<Handshake, String> {
    let sandbox = &workers.queue.config.sandbox;
    if sandbox.is_required {
        if let Some(missing) = sandbox.missing(&handshake.protocol.sandbox) {
            return Err(format!("a sandbox is required, and the worker runs without {missing}"));
        }
        workers.memory.check_readable(pid)?;
        if threads::are_watched(&workers.queue.config) {
            let counted = platform::thread_ids(pid, 1);
            counted.map_err(|e| format!("a sandbox is required, and the worker's threads cannot be counted: {e}"))?;
        }
    }
    Ok(handshake)
}

/// Ends a worker that is not ready; returns the reason with what is known about its exit.
async fn failed(config: &Config, mut child: Child, why: String) -> StartFailure {
    let ending = child.end(Closed::Exited, config.stop_grace()).await;
    let exit = child.into_exit().await;
    memory::remove(ending.cgroup).await;
    let Some(exit) = exit else {
        return why.into();
    };
    let cause = if ending.exceeded_memory { ", it used more memory than the pool's `memory`" } else { "" };
    let why = format!("{why} ({exit}{cause}){}", likely_cause(config, &exit.stderr));
    StartFailure { why, stderr: exit.stderr }
}

/// Returns what to check, if the reason is not in what the worker wrote.
fn likely_cause(config: &Config, stderr: &str) -> &'static str {
    match (stderr.trim().is_empty(), config.sandbox.is_wanted()) {
        (true, _) => "; does its main call pixie_pool::worker() first?",
        (false, true) => "; a sandboxed worker has only some variables of the environment, `pass_env` adds others",
        (false, false) => "",
    }
}

fn start_thread(workers: &Workers, slot: usize, token: [u8; TOKEN_BYTES]) -> Result<Launched, String> {
    let socket = WorkerSocket::listen(workers.socket(slot)?)?;
    let (path, handler) = (socket.path().to_owned(), Handler::clone(&workers.handler));
    let hello = Hello { version: VERSION, token, table_hash: workers.queue.config.table_hash };
    let (ended, has_ended) = oneshot::channel();
    let run = move || {
        if let Err(error) = worker::serve_here(&path, &hello, &handler) {
            tracing::debug!("a handler's thread ended: {error}");
        }
        let _ = ended.send(());
    };
    let builder = std::thread::Builder::new().name(format!("{}-handler", workers.queue.config.name));
    builder.stack_size(HANDLER_STACK_BYTES).spawn(run).map_err(|e| format!("starting a thread failed: {e}"))?;
    let link = Link::Listening(socket);
    Ok(Launched { child: Child::Thread(has_ended), pid: std::process::id(), lifeline: None, link })
}

/// Has a worker forked; `None` if the pool executes its workers.
async fn fork_process<'q>(
    workers: &Workers,
    slot: usize,
    mut greeting: Greeting<'q>,
) -> Result<Option<(Launched, Greeting<'q>)>, StartFailure> {
    let Some(server) = &workers.fork_server else { return Ok(None) };
    let pipes = ForkedPipes::new().map_err(|e| format!("making its pipes failed: {e}"))?;
    pipes.lifeline.go_on();
    // It finds this in its socket, so that it does not wait for this process once more. With a cgroup, it waits
    // until it is in it.
    let has_cgroups = workers.memory.has_cgroups();
    if !has_cgroups {
        greeting.send(pipes.own_socket())?;
    }
    let Some(pid) = server.fork(slot, pipes.of_worker()).await? else { return Ok(None) };
    let (end, own) = pipes.into_own();
    // From here on, dropping the handle kills the worker.
    let handle = ProcessHandle::Forked(ForkedProcess::new(pid, end));
    let (lifeline, stdout, stderr, stream) = own.map_err(|e| format!("using its pipes failed: {e}"))?;
    let mut cgroup = None;
    if has_cgroups {
        cgroup = tokio::task::spawn_blocking(admitting(workers, slot, pid)).await.ok().flatten();
        greeting.send(&stream)?;
    }
    let label = WorkerLabel { pool: Arc::clone(&workers.queue.observers.pool), worker: slot, pid };
    let process = ChildProcess::new(handle, pid, Output::read(label, Some(stdout), Some(stderr)), cgroup);
    let (child, lifeline) = (Child::Process(Box::new(process)), Some(lifeline));
    Ok(Some((Launched { child, pid, lifeline, link: Link::Connected(stream) }, greeting)))
}

fn admitting(
    workers: &Workers,
    slot: usize,
    pid: u32,
) -> impl FnOnce() -> Option<WorkerCgroup> + Send + 'static + use<> {
    let admit = workers.memory.admission(slot);
    move || admit(pid)
}

async fn execute_process(workers: &Workers, slot: usize, token: &[u8; TOKEN_BYTES]) -> Result<Launched, String> {
    let socket = WorkerSocket::listen(workers.socket(slot)?)?;
    let (pool, path) = (workers.queue.config.name.clone(), socket.path().to_owned());
    let lifeline = Lifeline::new().map_err(|e| format!("making its lifeline failed: {e}"))?;
    let command = command(&workers.queue.config, &Invitation { number: slot, pool, path }, lifeline.workers_end());
    let (mut child, cgroup) = spawn(command, workers.memory.admission(slot))
        .await
        .map_err(|e| format!("running this program again failed: {e}"))?;
    let pid = child.id().unwrap_or(0);
    let label = WorkerLabel { pool: Arc::clone(&workers.queue.observers.pool), worker: slot, pid };
    let output = Output::read(label, child.stdout.take(), child.stderr.take());
    lifeline.begin(token).map_err(|e| format!("writing its token failed: {e}"))?;
    let process = ChildProcess::new(ProcessHandle::Executed(child), pid, output, cgroup);
    let (child, lifeline) = (Child::Process(Box::new(process)), Some(lifeline));
    Ok(Launched { child, pid, lifeline, link: Link::Listening(socket) })
}
