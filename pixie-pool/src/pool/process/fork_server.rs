//! The main process's side of a fork server: started, asked, watched and replaced.
//!
//! Owns the process of the fork server, and the pipes of the workers that it forks. Leaves what happens in that
//! process to `fork`. Invariants: the answers belong to the requests in their order; a fork server that does
//! not answer in time is ended. The workers do not notice when their fork server exits.

use std::{
    collections::VecDeque,
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix,
    },
    sync::{
        self, Arc, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, ChildStderr, ChildStdout},
    sync::{Mutex, Semaphore, oneshot},
    time::{sleep, timeout},
};

use crate::{
    config::{
        Config, FORK_REQUESTS_MAX, FORK_SERVER_CHECK, FORK_SERVER_CRASHES_MAX, FORK_SERVER_GROWTH_MAX,
        FORK_SERVER_TRIES, START_FAILURE_GRACE, StartMethod,
    },
    error::Exit,
    fork::{ANSWER_BYTES_MAX, Answer, REQUEST_BYTES},
    identity::Invitation,
    platform::{self, ProcessWatch},
    pool::{
        process::{
            execution::{self, StartFailure},
            output::{Output, WorkerLabel},
        },
        queue::Queue,
    },
    protocol::frame::TOKEN_BYTES,
    share::lifeline::Lifeline,
};

/// The fork server of a pool.
pub(crate) struct ForkServer {
    config: Arc<Config>,
    pool: Arc<str>,
    /// Empty before the first start and after an exit.
    running: Mutex<Option<Running>>,
    /// A permit for each request that may be under way.
    requests: Semaphore,
    /// Whether this program or system cannot fork, so that workers are executed.
    is_refused: AtomicBool,
    /// Crashes of workers since the present process was started.
    crashes: AtomicU32,
    is_replacing: AtomicBool,
}

/// The process of a fork server that is ready.
struct Running {
    process: ServerProcess,
    control: OwnedWriteHalf,
    /// Where the answers are awaited, in the order of the requests; `None` after its exit.
    waiting: Waiting,
    /// Brings it the shared data.
    _lifeline: Arc<Lifeline>,
    forks: u32,
    /// Its resident memory when it was ready, in bytes.
    bytes: u64,
}

type Waiting = Arc<sync::Mutex<Option<VecDeque<oneshot::Sender<Answer>>>>>;

struct ServerProcess {
    child: Child,
    pid: u32,
    watch: Arc<ProcessWatch>,
    output: Output,
}

impl ForkServer {
    /// Returns the fork server of a pool whose workers are forked. Its process is started by the first worker.
    pub(super) fn wanted(queue: &Queue) -> Option<Arc<Self>> {
        let config = Arc::clone(&queue.config);
        let is_wanted = config.start_method == StartMethod::Fork && !config.is_threaded();
        is_wanted.then(|| {
            Arc::new(ForkServer {
                config,
                pool: Arc::clone(&queue.observers.pool),
                running: Mutex::new(None),
                requests: Semaphore::new(FORK_REQUESTS_MAX),
                is_refused: AtomicBool::new(false),
                crashes: AtomicU32::new(0),
                is_replacing: AtomicBool::new(false),
            })
        })
    }

    /// Forks a worker with these descriptors; `None` if workers have to be executed.
    pub(super) async fn fork(
        self: &Arc<Self>,
        slot: usize,
        descriptors: [BorrowedFd<'_>; 5],
    ) -> Result<Option<u32>, StartFailure> {
        // Fails only if the semaphore is closed, which it never is.
        let _permit = self.requests.acquire().await;
        let mut last = String::new();
        for _ in 0..FORK_SERVER_TRIES {
            let Some((pid, answer)) = self.ask(slot, &descriptors).await? else { return Ok(None) };
            match timeout(self.config.start_timeout, answer).await {
                Ok(Ok(Answer::Forked(pid))) => return Ok(Some(pid)),
                Ok(Ok(Answer::Refused(why))) => self.refuse(&why),
                Ok(Ok(Answer::Failed(why))) => return Err(why.into()),
                Ok(Ok(Answer::Ready)) => last = "it sent an unexpected answer".to_owned(),
                Ok(Err(_)) => last = "it has exited".to_owned(),
                Err(_) => last = format!("it did not answer within {:?}", self.config.start_timeout),
            }
            let failed = self.running.lock().await.take_if(|running| running.process.pid == pid);
            if let Some(failed) = failed {
                failed.process.end().await;
            }
        }
        Err(format!("its fork server has failed: {last}").into())
    }

    /// Sends a request to the process, which is started if there is none. Returns its pid and where its
    /// answer arrives; `None` if workers have to be executed.
    async fn ask(
        self: &Arc<Self>,
        slot: usize,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Option<(u32, oneshot::Receiver<Answer>)>, StartFailure> {
        let mut place = self.running.lock().await;
        for _ in 0..=FORK_SERVER_TRIES {
            if self.is_refused.load(Ordering::SeqCst) {
                return Ok(None);
            }
            if let Some(running) = &mut *place {
                if let Ok(answer) = running.ask(slot, descriptors) {
                    self.check(running);
                    return Ok(Some((running.process.pid, answer)));
                }
                if let Some(exited) = place.take() {
                    exited.process.end().await;
                }
            }
            match self.launch().await? {
                Some(launched) => *place = Some(self.watched(launched)),
                None => return Ok(None),
            }
        }
        Err("its fork server takes no requests".to_owned().into())
    }

    /// Notes that workers are executed from now on.
    fn refuse(&self, why: &str) {
        if !self.is_refused.swap(true, Ordering::SeqCst) {
            tracing::warn!(pool = %self.pool, cause = why, "workers are executed, because they cannot be forked");
        }
    }

    /// Starts the process and waits until it is ready; `None` if it cannot fork.
    async fn launch(&self) -> Result<Option<(Running, OwnedReadHalf)>, StartFailure> {
        let (control, its_end) = unix::net::UnixStream::pair().map_err(|e| format!("making a socket failed: {e}"))?;
        let command = execution::command(&self.config, &Invitation::to_fork(&self.config.name), its_end.as_fd());
        drop(its_end);
        let spawned = execution::spawn(command, |_| None).await;
        let (mut child, _) = spawned.map_err(|e| format!("running this program again failed: {e}"))?;
        let pid = child.id().unwrap_or(0);
        let label = WorkerLabel { pool: Arc::clone(&self.pool), worker: 0, pid };
        let output = Output::read(label, child.stdout.take(), child.stderr.take());
        let process = ServerProcess { child, pid, watch: Arc::new(ProcessWatch::new(pid)), output };
        let control = control.set_nonblocking(true).and_then(|()| UnixStream::from_std(control));
        let mut control = control.map_err(|e| format!("using a socket failed: {e}"))?;
        let lifeline = begin(&control).map_err(|e| format!("giving it shared data failed: {e}"))?;
        let answer = timeout(self.config.start_timeout, read_answer(&mut control, &mut BytesMut::new())).await;
        let why = match answer {
            Ok(Ok(Answer::Ready)) => {
                self.crashes.store(0, Ordering::SeqCst);
                let bytes = platform::resident_bytes(pid).unwrap_or(u64::MAX);
                let (answers, control) = control.into_split();
                let waiting = Waiting::new(sync::Mutex::new(Some(VecDeque::new())));
                let running = Running { process, control, waiting, _lifeline: lifeline, forks: 0, bytes };
                return Ok(Some((running, answers)));
            }
            Ok(Ok(Answer::Refused(why))) => {
                self.refuse(&why);
                process.end().await;
                return Ok(None);
            }
            Ok(Ok(answer)) => format!("its fork server sent an unexpected answer: {answer:?}"),
            Ok(Err(_)) => "its fork server ended before it was ready".to_owned(),
            Err(_) => format!("its fork server was not ready within {:?}", self.config.start_timeout),
        };
        // The process may be about to exit by itself and to write the reason.
        let _ = timeout(START_FAILURE_GRACE, process.watch.exited()).await;
        let exit = process.end().await;
        Err(StartFailure { why: format!("{why} ({exit})"), stderr: exit.stderr })
    }

    /// Watches a process that is ready, until it exits.
    fn watched(self: &Arc<Self>, (running, answers): (Running, OwnedReadHalf)) -> Running {
        tokio::spawn(watch(Arc::downgrade(self), running.process.pid, Arc::clone(&running.waiting), answers));
        running
    }

    pub(super) fn note_crash(&self) {
        self.crashes.fetch_add(1, Ordering::SeqCst);
    }

    /// Has the process replaced after many crashes of its workers, which share its address-space layout, or if
    /// it has grown.
    fn check(self: &Arc<Self>, running: &Running) {
        let has_many_crashes = self.crashes.load(Ordering::SeqCst) >= FORK_SERVER_CRASHES_MAX;
        let is_due = running.forks.is_multiple_of(FORK_SERVER_CHECK);
        let bytes = if is_due { platform::resident_bytes(running.process.pid).unwrap_or(0) } else { 0 };
        let has_grown = bytes > running.bytes.saturating_add(FORK_SERVER_GROWTH_MAX);
        if (has_many_crashes || has_grown) && !self.is_replacing.swap(true, Ordering::SeqCst) {
            tokio::spawn(replace(Arc::downgrade(self), has_many_crashes));
        }
    }

    /// Ends the process.
    pub(super) async fn stop(&self) {
        self.is_refused.store(true, Ordering::SeqCst);
        if let Some(running) = self.running.lock().await.take() {
            running.process.end().await;
        }
    }
}

/// Starts the next process, and lets it take the place of the present one when it is ready.
async fn replace(server: Weak<ForkServer>, has_many_crashes: bool) {
    let Some(server) = server.upgrade() else { return };
    let launched = server.launch().await;
    let mut place = server.running.lock().await;
    let earlier = match launched {
        Ok(Some(next)) if !server.is_refused.load(Ordering::SeqCst) => place.replace(server.watched(next)),
        // The present one stays, and the next worker asks again.
        _ => None,
    };
    drop(place);
    server.is_replacing.store(false, Ordering::SeqCst);
    if let Some(Running { process, control, .. }) = earlier {
        let cause = if has_many_crashes { "crashes of its workers" } else { "its memory" };
        tracing::debug!(pool = %server.pool, pid = process.pid, cause, "a fork server was replaced");
        drop((server, control));
        process.watch.exited().await;
        // Its last worker may not have left its process group yet.
        sleep(START_FAILURE_GRACE).await;
        process.end().await;
    }
}

/// Reads the answers of a process that is ready, until it exits. Starts another one if that was unexpected,
/// so that the next worker does not wait for it.
async fn watch(server: Weak<ForkServer>, pid: u32, waiting: Waiting, mut answers: OwnedReadHalf) {
    let waiting = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let mut lines = BytesMut::new();
    while let Ok(answer) = read_answer(&mut answers, &mut lines).await
        && let Some(request) = waiting().as_mut().and_then(VecDeque::pop_front)
    {
        // An error means that the start was given up.
        let _ = request.send(answer);
    }
    // The requests that have no answer fail now.
    waiting().take();
    let Some(server) = server.upgrade() else { return };
    let mut place = server.running.lock().await;
    let Some(exited) = place.take_if(|running| running.process.pid == pid) else { return };
    let has_forked = exited.forks > 0;
    let exit = exited.process.end().await;
    tracing::warn!(pool = %server.pool, pid, %exit, "a fork server exited; its workers continue");
    // Otherwise, the next worker is the reason to try again.
    if has_forked && let Ok(Some(next)) = server.launch().await {
        *place = Some(server.watched(next));
    }
}

impl Running {
    /// Sends a request; returns where the answer arrives.
    fn ask(&mut self, slot: usize, descriptors: &[BorrowedFd<'_>]) -> io::Result<oneshot::Receiver<Answer>> {
        let number = u32::try_from(slot).map_err(io::Error::other)?.to_le_bytes();
        // Locked until the request is sent, because the answer may come at once.
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = waiting.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        // The socket has room for as many requests as may be under way.
        let sent = platform::send_with_descriptors(self.control.as_ref(), &number, descriptors)?;
        if sent != number.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.forks = self.forks.wrapping_add(1);
        let (request, answer) = oneshot::channel();
        waiting.push_back(request);
        Ok(answer)
    }
}

/// Gives a fork server its lifeline.
fn begin(control: &UnixStream) -> io::Result<Arc<Lifeline>> {
    let lifeline = Lifeline::new()?;
    if platform::SHARES_WITH_WORKERS {
        let sent = platform::send_with_descriptors(control, &[0; REQUEST_BYTES], &[lifeline.workers_end()]);
        // A process that has exited already is reported with what it wrote.
        if let Err(error) = sent
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(error);
        }
        // It identifies itself to nobody, and gets the token of each worker with its lifeline.
        lifeline.begin(&[0; TOKEN_BYTES])?;
    }
    Ok(lifeline)
}

/// Reads the next answer; `lines` keeps what has arrived behind it.
async fn read_answer(control: &mut (impl AsyncRead + Unpin), lines: &mut BytesMut) -> io::Result<Answer> {
    loop {
        let end = lines.iter().position(|byte| *byte == b'\n');
        if let Some(end) = end {
            return Answer::decode(&lines.split_to(end + 1)).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        if lines.len() >= ANSWER_BYTES_MAX || control.read_buf(lines).await? == 0 {
            return Err(io::Error::other("it has exited"));
        }
    }
}

impl ServerProcess {
    /// Kills the process and waits; returns how it exited.
    async fn end(mut self) -> Exit {
        self.watch.kill();
        let status = self.child.wait().await;
        let (code, signal) =
            status.map_or((None, None), |status| (status.code(), unix::process::ExitStatusExt::signal(&status)));
        Exit { code, signal, stderr: self.output.finish().await }
    }
}

/// The pipes and the socket of a worker that is to be forked, with the ends of both processes.
pub(super) struct ForkedPipes {
    pub(super) lifeline: Arc<Lifeline>,
    /// This one stays empty: the kernel ends the worker when it is closed.
    end: (OwnedFd, OwnedFd),
    stdout: (OwnedFd, OwnedFd),
    stderr: (OwnedFd, OwnedFd),
    socket: (unix::net::UnixStream, OwnedFd),
}

impl ForkedPipes {
    pub(super) fn new() -> io::Result<Self> {
        let pipe = || io::pipe().map(|(read, write)| (OwnedFd::from(read), OwnedFd::from(write)));
        let (own, its) = unix::net::UnixStream::pair()?;
        own.set_nonblocking(true)?;
        Ok(ForkedPipes {
            lifeline: Lifeline::new()?,
            end: pipe()?,
            stdout: pipe()?,
            stderr: pipe()?,
            socket: (own, its.into()),
        })
    }

    /// Returns what the worker gets.
    pub(super) fn of_worker(&self) -> [BorrowedFd<'_>; 5] {
        let [end, stdout, stderr] = [&self.end.0, &self.stdout.1, &self.stderr.1].map(|end| end.as_fd());
        [end, self.lifeline.workers_end(), stdout, stderr, self.socket.1.as_fd()]
    }

    /// Returns this process's end of the socket.
    pub(super) fn own_socket(&self) -> BorrowedFd<'_> {
        self.socket.0.as_fd()
    }

    /// Closes the ends of the worker and returns the others: first the pipe whose end ends it.
    #[expect(clippy::type_complexity, reason = "the ends of one worker, for one caller")]
    pub(super) fn into_own(self) -> (OwnedFd, io::Result<(Arc<Lifeline>, ChildStdout, ChildStderr, UnixStream)>) {
        let ForkedPipes { lifeline, end, stdout, stderr, socket } = self;
        let registered = || {
            let (stdout, stderr) = (ChildStdout::from_std(stdout.0.into())?, ChildStderr::from_std(stderr.0.into())?);
            Ok((lifeline, stdout, stderr, UnixStream::from_std(socket.0)?))
        };
        (end.1, registered())
    }
}
