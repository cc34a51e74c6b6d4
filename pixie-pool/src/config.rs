//! Every number a pool depends on, with the reason for its default.
//!
//! Owns the settings a program may change and the fixed sizes of the protocol.
//! Rule: no queue, buffer, wait or retry in this crate has a limit that is not named here.

mod builder;
pub(crate) mod claim;
mod overrides;
mod size;

use std::{ffi::OsString, path::PathBuf, thread::available_parallelism, time::Duration};

pub use size::{ByteSize, Size};

use crate::sandbox::Sandbox;

/// Bytes of body in one frame: large enough that the header and the wake-up vanish, small enough that CREDIT and CANCEL pass quickly.
pub(crate) const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one direction of one job that may be on the way unread: four frames keep both sides busy, and bound what a slow reader costs.
pub(crate) const WINDOW_BYTES: usize = 256 * 1024;
/// Bytes of a piece of an answer below which it is joined to those that wait before it: beside fewer, what the piece costs by itself counts.
pub(crate) const SMALL_PIECE_BYTES: usize = 4 * 1024;
/// Bytes of a job's or a reply's head: above every HTTP head that servers accept.
pub(crate) const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a failure's message on the wire: enough for an error chain.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a failure's place on the wire: a path, a line and a column.
pub(crate) const LOCATION_BYTES_MAX: usize = 512;
/// Bytes of stderr kept for the report of a death: a panic message with a short backtrace.
pub(crate) const STDERR_TAIL_BYTES: usize = 8 * 1024;
/// Lines of that which stand in the event of a death: a panic's message and what a library said before it.
pub(crate) const STDERR_LINES_LOGGED: usize = 10;
/// Bytes of those lines: an event is not a dump.
pub(crate) const STDERR_LINES_LOGGED_BYTES: usize = 1024;
/// Bytes of one line of output before it is cut: a log line is not a dump.
pub(crate) const LINE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of output per second and worker that reach the log; the rest is read, counted and dropped.
pub(crate) const LOG_BYTES_PER_SECOND: usize = 64 * 1024;
/// Bytes that each line counts for besides its own: what an event costs that says whose line it is. So 512 lines a second at most.
pub(crate) const LOG_LINE_BYTES: usize = 128;
/// How long a dead worker's pipes may stay open (a process that it left behind may hold them) before its report goes out without the rest.
pub(crate) const OUTPUT_DRAIN: Duration = Duration::from_millis(200);
/// How long a worker whose start has failed gets to end by itself and say why, before it is killed: whoever ends needs moments.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);
/// Time between two looks whether a worker has ended, where the system has no pidfds that tell: a call of a microsecond.
pub(crate) const PROCESS_LOOK: Duration = Duration::from_millis(20);
/// How long a stop waits for the threads of a pool of size 0: an idle one ends at once, and one that spins cannot be ended.
pub(crate) const THREADS_END: Duration = Duration::from_millis(200);
/// Longest time that anything is measured by: a hundred years are never, and more would not fit into the system's clock.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Workers and spares that a pool may have: each has a place, which costs a task, and beyond that a machine has other worries.
pub(crate) const WORKERS_MAX: usize = 4096;
/// Bytes of a pool's name: it travels in an environment variable and stands in every log line.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// Bytes of a socket's path: the shortest limit of the systems we know is 104 with the closing zero.
pub(crate) const SOCKET_PATH_BYTES_MAX: usize = 100;
/// New directories that a pool tries to lock: another pool that starts may take one for a stale one, but hardly twice.
pub(crate) const DIRECTORY_TRIES_MAX: usize = 16;
/// Paths that a sandbox may name: they travel in one frame, and each costs a worker a system call or two at its start.
pub(crate) const SANDBOX_PATHS_MAX: usize = 64;
/// Bytes of one such path, as Linux limits them.
pub(crate) const PATH_BYTES_MAX: usize = 4096;
/// Bytes of a file that a sandboxed worker may write unless told otherwise: above what a job produces, below what fills a disk.
pub(crate) const SANDBOX_FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// Descriptors that a sandboxed worker may have open unless told otherwise: what shells grant, while a service manager's
/// half a million would let a leak go on until the whole system has none left.
pub(crate) const SANDBOX_OPEN_FILES: u64 = 1024;
/// Fewest descriptors that a sandbox may leave: a worker holds about eight when it starts.
pub(crate) const SANDBOX_OPEN_FILES_MIN: u64 = 16;
/// Deaths before READY in a row after which a pool without any worker refuses at once instead of queueing.
pub(crate) const BREAKER_DEATHS: u32 = 5;
/// First pause between two starts after a worker that never served anything, doubled each time.
pub(crate) const RESTART_PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Longest pause between two starts: a repaired deployment is noticed within this time.
pub(crate) const RESTART_PAUSE_LAST: Duration = Duration::from_secs(30);
/// Longest pause after crashes of jobs in a row: a start takes some milliseconds of a core, so this keeps a storm of crashes below a tenth
/// of it, and a healthy job that comes into it does not wait for longer than a visitor notices.
pub(crate) const RESTART_PAUSE_CRASHES: Duration = Duration::from_millis(100);
/// Jobs that one worker may have at a time, those sent ahead included: enough that system calls and wake-ups vanish beside them.
pub(crate) const AHEAD_JOBS_MAX: usize = 32;
/// Longest smoothed time of a job up to which others are sent ahead behind it: above, a wake-up costs little beside the job itself.
pub(crate) const AHEAD_SERVICE_MAX: Duration = Duration::from_micros(100);
/// Bytes that may wait for a worker to read them when it is given a job: a body that its last handler did not read has a window of them,
/// with the headers of frames of one byte nine, and what was sent ahead one; a worker with more answers what it has not read.
pub(crate) const UNREAD_BYTES_MAX: usize = 16 * WINDOW_BYTES;
/// Time that everything sent to one worker may take together, and for which an unfinished job may keep those behind it waiting.
pub(crate) const AHEAD_PATIENCE: Duration = Duration::from_millis(1);
/// Bytes of a head that may be sent ahead: a batch of them has to fit into a socket.
pub(crate) const AHEAD_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Time that a worker gets to say what it has not started: all it takes is one thread that may run, so whoever needs longer stands still.
pub(crate) const RECALL_ANSWER_MAX: Duration = Duration::from_secs(1);
/// Moves of one job after which it is never sent ahead again, and after which it moves no more: workers that say they did not start it
/// are not believed for ever, and a job for which no worker listens has to be answered.
pub(crate) const MOVES_MAX: u32 = 8;
/// Time that a worker keeps ready answers for one write while it has more to do.
pub(crate) const ANSWER_HOLD: Duration = Duration::from_micros(100);
/// Bytes of ready answers that a worker keeps for one write.
pub(crate) const ANSWER_HOLD_BYTES: usize = 32 * 1024;
/// Time that a job waits before a pool that may grow does: less is the ordinary jitter of short jobs.
pub(crate) const GROW_AFTER: Duration = Duration::from_millis(5);
/// Time between two looks at the memory of workers while jobs run, and from a job's begin to the last one: a handler that allocates as fast as it can fills some hundred
/// megabytes between two of them, which is what `RLIMIT_DATA` is there to stop.
pub(crate) const MEMORY_LOOK: Duration = Duration::from_millis(250);
/// Time that processes left in the cgroup of an ended worker get to leave it once they were killed: one that runs needs microseconds,
/// and one that waits for a device would hold up whoever waits for it.
pub(crate) const CGROUP_END_MAX: Duration = Duration::from_millis(500);
/// Time between two looks whether they have.
pub(crate) const CGROUP_LOOK: Duration = Duration::from_millis(1);
/// Rounds in which all processes of a cgroup are moved: a second one finds those that were started meanwhile.
pub(crate) const CGROUP_MOVES_MAX: usize = 100;
/// Shortest time between two looks at a worker's clock of CPU time: what the system counts in is no finer.
pub(crate) const CPU_LOOK_MIN: Duration = Duration::from_millis(1);
/// Threads of a worker among which the handler's is looked for when a job is slow: more than a program starts before it serves, and
/// few enough that a job that starts thousands does not hold up the clocks of others.
pub(crate) const SLOW_THREADS_MAX: usize = 256;
/// Crashes of one job, repeated by its sender or by us, after which it is refused.
pub(crate) const POISON_DEATHS: u32 = 2;
/// Time for which such a job is refused, and for which a first crash is remembered: short enough that a repaired
/// program or file is noticed, long enough that whoever repeats it costs a worker twice a minute at most.
pub(crate) const POISON_MEMORY: Duration = Duration::from_secs(60);
/// Fingerprints that are remembered; beyond it the oldest goes. Sixteen kilobytes.
pub(crate) const POISON_ENTRIES_MAX: usize = 1024;
/// Time that idle workers get to leave by themselves when their pool stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_millis(100);
/// Reads of one worker's socket in a row before other tasks get their turn.
pub(crate) const READS_PER_TURN: usize = 16;
/// Levels of lists and structs in each other that a task's arguments and output may have, as in serde_json: each takes stack to decode.
#[cfg(feature = "tasks")]
pub(crate) const NESTING_MAX: usize = 128;
/// Bytes of a task's output that a worker sends: what is larger belongs into a file.
#[cfg(feature = "tasks")]
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How a pool is sized, timed and started.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name in logs, snapshots and the worker's identity: 1 to 64 letters, digits, `-`, `_` or `.`.
    pub name: String,
    /// Worker processes that run jobs at the same time; 0 runs the handler on threads of this process.
    /// Default: one per core, because a job that waits for nothing fills a core. Between two numbers the pool grows when jobs wait.
    pub size: Size,
    /// Threads used when `size` is 0. Default: one per core.
    pub threads: usize,
    /// Time from dispatch to the head of the answer, after which the worker is killed; `None` never kills.
    /// Default 15 s: half of what the usual proxies wait. A job that was sent ahead to a busy worker and moved on before
    /// it was started begins anew.
    pub deadline: Option<Duration>,
    /// Time that a job may get on top of its deadline if it asks for it. Default: none, so that a deadline is one.
    pub extension: Duration,
    /// CPU time that a job may use, on all its threads together, before its worker is killed as at a deadline. Default: no limit.
    /// Jobs of such a pool are never sent ahead, so that each has a clock of its own. Without effect at size 0.
    pub cpu_time: Option<Duration>,
    /// Jobs that may wait. Default 1024: waiting is bounded by `queue_timeout`, this bounds the memory of a burst.
    /// At least 1 in a pool that grows, which it does because jobs wait.
    pub queue: usize,
    /// Time that a job may wait for a worker. Default 5 s: whoever waited longer has usually left.
    pub queue_timeout: Duration,
    /// Time from spawn to READY. Default 10 s: a worker that loads a model needs seconds, a stuck one has to be noticed.
    pub boot_timeout: Duration,
    /// Time without work after which a worker beyond the smallest size is ended. Default 30 s: starting one again takes milliseconds.
    pub idle_timeout: Duration,
    /// Time without an answer after which a job is reported once, with what its worker is doing; `None` never reports.
    /// Default 5 s: a third of the default deadline, so that whoever is about to be killed is seen while it still runs, and
    /// long enough that an app whose jobs are heavy by design does not fill its log.
    pub slow_after: Option<Duration>,
    /// Time that a cancelled job gets to end by itself before its worker is killed. Default 100 ms.
    pub cancel_grace: Duration,
    /// Time without a byte from a worker that is streaming to a reader who waits. Default 30 s: streams of events send a comment more often.
    pub stream_idle_timeout: Duration,
    /// Workers that are ready but not counted in `size`: they take the place of a killed one at once. Default 1. A pool on demand
    /// has them only while it has workers.
    pub spares: usize,
    /// Names of environment variables that workers get besides `PATH HOME LANG LC_* TZ RUST_BACKTRACE RUST_LOG PIXIE_*`; a closing `*` stands for any ending.
    pub pass_env: Vec<String>,
    /// Environment variables set for the workers only.
    pub env: Vec<(OsString, OsString)>,
    /// Arguments of the worker's command line; `None` repeats those of this process.
    pub args: Option<Vec<OsString>>,
    /// Fingerprint of what the handler knows; a worker that answers with another one is another program and is refused. Give each
    /// pool of a program one of its own: the workers of all come to the same [`worker()`](crate::worker()), and with equal ones
    /// a worker that serves the wrong pool's handler is not noticed.
    pub table_hash: u64,
    /// Bytes of memory that a worker may have. Default: no limit.
    ///
    /// Private memory beyond that fails to be allocated (`RLIMIT_DATA`), and the worker aborts unless its handler copes. Beside it
    /// stands one of two limits of all memory, and [`WorkerSnapshot::memory_limit`](crate::WorkerSnapshot::memory_limit) says which:
    /// - where this process may make cgroups (version 2, *delegated*: systemd's `Delegate=yes`, a container with a cgroupfs that it can
    ///   write to), one for each worker, which also counts shared and kernel memory and the programs that a job starts; the kernel kills
    ///   them all before they have more. For that this process moves into a cgroup below its own until its last such pool has stopped.
    /// - elsewhere resident memory, beyond which the worker is killed within 250 ms; it does not count what is not mapped: pipes and
    ///   pairs of sockets, which [`Sandbox::open_files`] bounds, and files in memory, which [`Sandbox::strict`] forbids.
    pub memory: Option<ByteSize>,
    /// Bytes of one answer that this process reads into memory, for a call of a task or [`ReplyBody::collect`](crate::ReplyBody::collect),
    /// before it gives up with [`Error::TooLarge`](crate::Error::TooLarge). Default 256 MiB: bounds what a worker gone mad can make it
    /// keep. An answer of at most 64 KiB comes in one piece and is not refused; a body that is read in pieces has no limit.
    pub collect_limit: ByteSize,
    /// What a worker may do besides computing. Default: whatever the user of this process may.
    pub sandbox: Sandbox,
    /// Jobs after which a worker is replaced, 10 % more or less so that not all go at once. Default: never.
    /// The replacement is ready before the worker is ended, here and for the two limits below.
    pub recycle_after: Option<u64>,
    /// Age at which a worker is replaced, 10 % more or less. Default: never.
    pub recycle_age: Option<Duration>,
    /// Bytes of resident memory from which on a worker is replaced, after its job if it runs one. It is looked at within 250 ms of each
    /// job's begin. Default: never.
    pub recycle_memory: Option<ByteSize>,
    /// Whether jobs are refused while no worker can be started: five failed starts in a row and none running. Default: yes; otherwise
    /// they wait for their `queue_timeout`. A pool on demand starts a worker again for the first job that comes after the pause.
    pub breaker: bool,
    /// Whether a job that has crashed two workers within a minute is refused for another, with [`Error::RepeatCrash`](crate::Error::Poison).
    /// It is known by label, head and the first 64 KiB of its body; streamed bodies are not looked into. Default: yes.
    pub poison_refusal: bool,
    /// Bytes of the stack that handlers run on. Default 8 MiB, as a main thread has; pages are taken only when touched.
    pub stack: usize,
    /// Directory for the sockets: absolute, of at most 55 bytes. `None` takes the first of `$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR`
    /// and the directory for temporary files that will do.
    pub runtime_dir: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, |n| n.get());
        Config {
            name: "pool".to_owned(),
            size: cores.into(),
            threads: cores,
            deadline: Some(Duration::from_secs(15)),
            extension: Duration::ZERO,
            cpu_time: None,
            queue: 1024,
            queue_timeout: Duration::from_secs(5),
            boot_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            slow_after: Some(Duration::from_secs(5)),
            cancel_grace: Duration::from_millis(100),
            stream_idle_timeout: Duration::from_secs(30),
            spares: 1,
            pass_env: Vec::new(),
            env: Vec::new(),
            args: None,
            table_hash: 0,
            memory: None,
            collect_limit: (256 << 20).into(),
            sandbox: Sandbox::none(),
            recycle_after: None,
            recycle_age: None,
            recycle_memory: None,
            breaker: true,
            poison_refusal: true,
            stack: 8 * 1024 * 1024,
            runtime_dir: None,
        }
    }
}

impl Config {
    /// Tells whether jobs run on threads of this process.
    pub(crate) fn is_threaded(&self) -> bool {
        self.size.max == 0
    }

    /// Returns how many jobs may run at the same time, at least and at most.
    pub(crate) fn jobs_at_once(&self) -> Size {
        if self.is_threaded() { self.threads.max(1).into() } else { self.size }
    }

    /// Shortens times that reach beyond every clock, such as [`Duration::MAX`] for "never".
    pub(crate) fn bound_times(&mut self) {
        let limits = [&mut self.deadline, &mut self.cpu_time, &mut self.slow_after, &mut self.recycle_age];
        let times = [
            &mut self.extension,
            &mut self.queue_timeout,
            &mut self.boot_timeout,
            &mut self.idle_timeout,
            &mut self.cancel_grace,
            &mut self.stream_idle_timeout,
        ];
        limits.into_iter().flatten().chain(times).for_each(|time| *time = TIME_MAX.min(*time));
    }
}
