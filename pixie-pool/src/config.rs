//! Every limit of a pool, with the reason for its value.
//!
//! Owns the fixed limits, below, and the settings of a pool, in `settings`.
//! Invariant: each queue, buffer, wait and retry of this crate has a limit that is named here.

mod calls;
mod environment;
mod settings;
mod size;
mod start_method;
#[cfg(feature = "store")]
mod store;

use std::time::Duration;

pub(crate) use self::{calls::Answer, environment::Claim};
pub use self::{
    calls::Calls,
    settings::{Config, Settings},
    size::Size,
    start_method::{Preload, StartMethod},
};
pub use pixie_grammar::ByteSize;

/// Limits the body in one frame, in bytes. Large enough that the header and the wake-up cost little, small
/// enough that CREDIT and CANCEL do not wait long behind it.
pub(crate) const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Limits the unread bytes of a job's reply: both sides stay busy, and slow readers cost little.
pub(crate) const WINDOW_BYTES: usize = 256 * 1024;
/// Bytes of a body that a handler has read before the pool gets credit for them: half a window, so that the
/// pool need not wait, and a credit for each piece is not needed.
pub(crate) const CREDIT_BYTES: usize = UPLOAD_WINDOW_BYTES / 2;
/// Time that a handler waits for more of its body before the pool gets credit for all that was read. From
/// then on the pool knows that the handler waits for the client. Short beside every deadline.
pub(crate) const CREDIT_DELAY: Duration = Duration::from_millis(20);
/// Time that a worker must wait for the reader of its reply before a snapshot says so. A reader that keeps up
/// is behind for shorter times.
pub(crate) const HELD_AFTER: Duration = Duration::from_millis(100);
/// Limits a piece of a job's body in one frame, in bytes. A server reads up to 400 KiB of a fast upload at
/// once; in frames of 64 KiB, such a piece costs both sides four times as many system calls.
pub(crate) const UPLOAD_CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Limits the unread bytes of a job's body. The server can read the next piece of that size while the worker
/// has the last one; each worker has only one body.
pub(crate) const UPLOAD_WINDOW_BYTES: usize = 1024 * 1024;
/// Size in bytes below which a piece of a reply is merged with the queued pieces before it, and any piece with
/// its header: for smaller pieces, the cost per piece exceeds the cost of the copy.
pub(crate) const SMALL_PIECE_BYTES: usize = 4 * 1024;
/// Limits a call of a job and its answer, in bytes. More than the values that processes share have; both sides
/// keep them in memory as a whole.
pub(crate) const CALL_BYTES_MAX: usize = 1024 * 1024;
/// Limits the head of a job or of a reply, in bytes. More than every HTTP head that servers accept.
pub(crate) const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Limits the message of a failure on the wire, in bytes. Enough for an error with its causes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// Limits the location of a failure on the wire, in bytes. Enough for a path, a line and a column.
pub(crate) const LOCATION_BYTES_MAX: usize = 512;
/// Limits the stderr that is kept for an exit report, in bytes. Enough for a panic message with a backtrace.
pub(crate) const STDERR_TAIL_BYTES: usize = 8 * 1024;
/// Limits the lines of stderr in the log event about an exit. Enough for a panic and a message before it.
pub(crate) const STDERR_LINES_LOGGED: usize = 10;
/// Limits those lines together, in bytes, so that the event stays readable.
pub(crate) const STDERR_LINES_LOGGED_BYTES: usize = 1024;
/// Limits one logged line of a worker's output, in bytes, so that it stays readable; the rest is cut.
pub(crate) const LINE_BYTES_MAX: usize = 4 * 1024;
/// Limits a worker's output that reaches the log, in bytes per second, so that one worker cannot fill the
/// disk. The pool reads, counts and drops the rest.
pub(crate) const LOG_BYTES_PER_SECOND: usize = 64 * 1024;
/// Bytes that each line counts for in addition to its length. Allows 512 empty lines per second.
pub(crate) const LOG_LINE_BYTES: usize = 128;
/// Reads of output that is dropped, after which reading it pauses: 64 KiB, as much as a pipe holds.
pub(crate) const DROPPED_READS: usize = 8;
/// The pause. A worker can print 6 MB per second, and reading them takes some thousandths of a core.
pub(crate) const DROPPED_READS_PAUSE: Duration = Duration::from_millis(10);
/// Time that the pipes of an exited worker may stay open before its exit report is sent without the rest of
/// the output. A process that the worker started may hold the pipes for longer.
pub(crate) const OUTPUT_DRAIN: Duration = Duration::from_millis(200);
/// Grace period for a worker whose start failed, so that it can exit and report the reason before it is
/// killed. Long enough for a backtrace.
pub(crate) const START_FAILURE_GRACE: Duration = Duration::from_secs(1);
/// Crashes of forked workers after which their fork server is replaced. Its workers share a stack canary, and
/// finding it byte by byte takes several hundred crashes; a start takes some milliseconds.
pub(crate) const FORK_SERVER_CRASHES_MAX: u32 = 64;
/// Limits the requests of a pool that its fork server has not answered. Enough that it always finds the next
/// one, and few beside what its socket has room for.
pub(crate) const FORK_REQUESTS_MAX: usize = 32;
/// Forks between checks of a fork server's memory. A check takes about 20 µs.
pub(crate) const FORK_SERVER_CHECK: u32 = 256;
/// Limits how far a fork server may grow after it was ready, in bytes. It only forks, so it does not grow.
pub(crate) const FORK_SERVER_GROWTH_MAX: u64 = 64 * 1024 * 1024;
/// Limits the fork servers that one start of a worker tries. The second replaces one that has just exited.
pub(crate) const FORK_SERVER_TRIES: usize = 2;
/// Interval between checks for exited processes that nothing waits for, if this is the first process of a
/// container. Much longer than a program takes to wait for its own children.
pub(crate) const ORPHAN_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Interval between checks whether a worker has exited, where pidfds are missing. A check takes about 1 µs.
pub(crate) const PROCESS_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Time that a stop waits for the threads of a pool of size 0. A busy thread cannot be ended.
pub(crate) const THREADS_END: Duration = Duration::from_millis(200);
/// Limits every time that a pool measures; stands for "never". A larger value overflows `Instant`.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Limits the workers and spare workers of a pool, each of which costs a task; more are a mistake.
pub(crate) const WORKERS_MAX: usize = 4096;
/// Limits a pool's name, in bytes, because it stands in an environment variable and in every log line.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// Limits the names of shared data. A message may have 253 descriptors, one for each name that has changed.
pub(crate) const SHARED_MAX: usize = 64;
/// Limits a message to a worker on its lifeline, in bytes: the token, and a line for each shared name.
pub(crate) const LIFELINE_BYTES_MAX: usize = 32 + SHARED_MAX * (NAME_BYTES_MAX + 22);
/// Limits a socket's path, in bytes. The smallest limit of the supported systems is 104 with the final 0.
pub(crate) const SOCKET_PATH_BYTES_MAX: usize = 100;
/// Limits how many directories a starting pool creates to lock one of them. Another pool that starts may
/// delete an unlocked one as stale, but hardly twice.
pub(crate) const DIRECTORY_TRIES_MAX: usize = 16;
/// Limits the paths of a sandbox, which travel in one frame. Each takes a starting worker two system calls.
pub(crate) const SANDBOX_PATHS_MAX: usize = 64;
/// Limits one path of a sandbox, in bytes, as Linux does.
pub(crate) const PATH_BYTES_MAX: usize = 4096;
/// Default limit of a sandboxed worker's file, in bytes. More than jobs produce, less than fills a disk.
pub(crate) const SANDBOX_FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// Default limit of the open descriptors of a sandboxed worker: the usual limit of shells. Service managers
/// set 500,000, with which a leak continues until the whole system has used up its descriptors.
pub(crate) const SANDBOX_OPEN_FILES: u64 = 1024;
/// Smallest limit of descriptors that a sandbox may set. A starting worker has about eight.
pub(crate) const SANDBOX_OPEN_FILES_MIN: u64 = 16;
/// Default limit of the threads of a sandboxed worker on a machine with few cores. Far below what service
/// managers and containers allow, and more than jobs use.
pub(crate) const SANDBOX_THREADS: usize = 64;
/// Smallest limit of threads. A worker has two, and a job may start some.
pub(crate) const SANDBOX_THREADS_MIN: usize = 4;
/// Interval between checks of a worker's threads. Listing them takes about 20 µs.
pub(crate) const THREAD_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Failed starts in a row after which a pool without a running worker refuses jobs at once.
pub(crate) const BREAKER_START_FAILURES: u32 = 5;
/// First restart back-off after a worker that exited before its first job; doubled after each further one.
pub(crate) const RESTART_PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Limits the restart back-off. After a repair, the pool recovers within this time.
pub(crate) const RESTART_PAUSE_LAST: Duration = Duration::from_secs(30);
/// Limits the restart back-off after crashes of jobs in a row. A start takes some milliseconds of one core,
/// so repeated crashes cost less than a tenth of a core, and others hardly wait.
pub(crate) const RESTART_PAUSE_CRASHES: Duration = Duration::from_millis(100);
/// Limits the unread bytes that a worker may have when it gets a job. A body that the last handler did not
/// read leaves one window, which takes nine times as many bytes in frames of one byte. A worker with more
/// unread bytes replies to jobs that it has not read, or calls without reading the answers.
pub(crate) const UNREAD_BYTES_MAX: usize = 10 * UPLOAD_WINDOW_BYTES;
/// Limits a job in the queue that all workers read, in bytes; a larger one is announced there by a ticket. Up
/// to this size a copy costs less than the ticket's way, and the socket has room for several jobs.
pub(crate) const QUEUED_JOB_BYTES_MAX: usize = 32 * 1024;
/// Limits the jobs in that queue beyond one per worker. Enough that workers find the next job there.
pub(crate) const PREFETCH_MAX: usize = 64;
/// Jobs that wait for a worker before new ones are sent together with those of other tasks. Fewer workers are
/// woken then, at the cost of a turn of the runtime, which a job that is next would notice.
pub(crate) const SENT_AT_ONCE: usize = 4;
/// Time after which a worker that waits for a job looks at its connection, where it is told to exit.
pub(crate) const QUEUE_WAIT: Duration = Duration::from_millis(100);
/// How often a worker looks for the next job before it sleeps; in between, other threads have their turn. Only if
/// that has found jobs before: to fall asleep and to be woken costs more than this.
pub(crate) const QUEUE_LOOKS: usize = 30;
/// A sleep shorter than this would have been better spent looking.
pub(crate) const SHORT_SLEEP: Duration = Duration::from_micros(40);
/// Interval between checks while the pool waits for a worker's next step, which takes microseconds.
pub(crate) const STEP_INTERVAL: Duration = Duration::from_millis(1);
/// Time in which a worker must finish such a step. It needs one runnable thread, so a worker that takes
/// longer is stuck.
pub(crate) const STEP_MAX: Duration = Duration::from_secs(1);
/// Limits how often a job goes back into the queue because its worker exited while the job was sent to it.
pub(crate) const MOVES_MAX: u32 = 8;
/// Time that a job waits before the pool starts another worker. Shorter waits are normal between short jobs.
pub(crate) const GROW_AFTER: Duration = Duration::from_millis(5);
/// Interval between checks of the workers' memory while jobs run, and the time after the start of a job until
/// the last check. Between two checks, `RLIMIT_DATA` stops a fast allocator.
pub(crate) const MEMORY_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// Time that killed processes get to leave the cgroup of an exited worker. A running process needs
/// microseconds; a process that waits for a device could delay the pool without end.
pub(crate) const CGROUP_END_MAX: Duration = Duration::from_millis(500);
/// Interval between checks whether they have left it.
pub(crate) const CGROUP_CHECK_INTERVAL: Duration = Duration::from_millis(1);
/// Limits the rounds in which all processes of a cgroup are moved. The second round usually finds the
/// processes that were started during the first.
pub(crate) const CGROUP_MOVES_MAX: usize = 100;
/// Interval between looks whether a worker that is to leave a pool with a shared queue has ended its job.
pub(crate) const SURPLUS_CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Shortest interval between reads of a worker's CPU time. The system does not count in smaller steps.
pub(crate) const CPU_CHECK_INTERVAL_MIN: Duration = Duration::from_millis(1);
/// Limits the threads of a worker that are searched for the handler's thread when a job is slow. More than
/// most programs start, and few enough to read quickly.
pub(crate) const SLOW_THREADS_MAX: usize = 256;
/// Crashes of the same job after which it is refused, both retries and repeated submissions counted.
pub(crate) const REPEAT_CRASHES_MAX: u32 = 2;
/// Time for which such a job is refused, and for which a first crash is remembered. A client that repeats the
/// job costs two workers a minute at most.
pub(crate) const REPEAT_CRASH_MEMORY: Duration = Duration::from_secs(60);
/// Limits the remembered fingerprints of crashed jobs; the oldest is dropped first. They take 16 KiB.
pub(crate) const REPEAT_CRASH_ENTRIES_MAX: usize = 1024;
/// Limits the bytes of a body that a fingerprint covers; of a larger body, its length, the first half of them
/// and the last. Hashing them takes about a millisecond, only while crashes are remembered.
pub(crate) const FINGERPRINT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Time that a worker whose socket is closed gets to be gone before it is killed, so that its own exit is
/// told from a kill. The system needs microseconds between the two.
pub(crate) const EXIT_GRACE: Duration = Duration::from_millis(100);
/// Stack of the threads that run handlers, in bytes: like a main thread's.
pub(crate) const HANDLER_STACK_BYTES: usize = 8 * 1024 * 1024;
/// Stack of the thread that checks a pool's times, in bytes. Enough for a subscriber of the log.
pub(crate) const TIMER_STACK_BYTES: usize = 512 * 1024;
/// Time that idle workers get to exit by themselves when they are replaced or their pool stops. Enough to
/// drop the values that a program made for its jobs, which may flush files or close connections.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(1);
/// Time from the reply of a job until its worker counts as idle when the pool ends the worker at that moment.
/// The worker needs microseconds, on a busy machine some milliseconds.
pub(crate) const JOB_END: Duration = Duration::from_millis(10);
/// Smallest number of the descriptors of a worker's connection. New files get the lowest free number.
pub(crate) const OWN_DESCRIPTORS_MIN: i32 = 200;
/// How much sooner than its parent a worker is killed if the machine runs out of memory, in thousandths of
/// the machine's memory (`oom_score_adj`). More than most servers use for themselves.
pub(crate) const OOM_SCORE_RAISE: i32 = 300;
/// Limits the reads of one worker's socket in a row before other tasks of the runtime run.
pub(crate) const READS_PER_TURN: usize = 16;
/// Limits the nesting of a task's arguments and output, as serde_json does: decoding each level takes stack.
#[cfg(feature = "tasks")]
pub(crate) const NESTING_MAX: usize = 128;
/// Limits the output of a task, in bytes. Larger output belongs in a file.
#[cfg(feature = "tasks")]
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Returns what a name must be, if this one is not.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_right = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_plain);
    let why = || format!("must be 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` or `.`");
    is_right.then_some(()).ok_or_else(why)
}
