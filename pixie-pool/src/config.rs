//! Every limit of a pool, with the reason for its value.
//!
//! Owns the fixed limits, below, and the settings of a pool, in `settings`.
//! Invariant: each queue, buffer, wait and retry of this crate has a limit that is named here.

mod environment;
mod settings;
mod size;

use std::time::Duration;

pub(crate) use self::environment::Claim;
pub use self::{
    settings::{Config, Settings},
    size::Size,
};
pub use pixie_grammar::ByteSize;

/// Limits the body in one frame, in bytes. Large enough that the header and the wake-up cost little, small
/// enough that CREDIT and CANCEL do not wait long behind it.
pub(crate) const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Limits the unread bytes of one direction of one job: both sides stay busy, and slow readers cost little.
pub(crate) const WINDOW_BYTES: usize = 256 * 1024;
/// Size in bytes below which a piece of a reply is merged with the queued pieces before it: for smaller
/// pieces, the cost per piece exceeds the cost of the copy.
pub(crate) const SMALL_PIECE_BYTES: usize = 4 * 1024;
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
/// Time that the pipes of an exited worker may stay open before its exit report is sent without the rest of
/// the output. A process that the worker started may hold the pipes for longer.
pub(crate) const OUTPUT_DRAIN: Duration = Duration::from_millis(200);
/// Grace period for a worker whose start failed, so that it can exit and report the reason before it is
/// killed. Long enough for a backtrace.
pub(crate) const START_FAILURE_GRACE: Duration = Duration::from_secs(1);
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
/// Failed starts in a row after which a pool without a running worker refuses jobs at once.
pub(crate) const BREAKER_START_FAILURES: u32 = 5;
/// First restart back-off after a worker that exited before its first job; doubled after each further one.
pub(crate) const RESTART_PAUSE_FIRST: Duration = Duration::from_millis(100);
/// Limits the restart back-off. After a repair, the pool recovers within this time.
pub(crate) const RESTART_PAUSE_LAST: Duration = Duration::from_secs(30);
/// Limits the restart back-off after crashes of jobs in a row. A start takes some milliseconds of one core,
/// so repeated crashes cost less than a tenth of a core, and others hardly wait.
pub(crate) const RESTART_PAUSE_CRASHES: Duration = Duration::from_millis(100);
/// Limits the jobs of one worker at a time, including pipelined ones. Enough to need few system calls each.
pub(crate) const PIPELINED_JOBS_MAX: usize = 32;
/// Limits the smoothed running time of jobs behind which others are pipelined. Longer jobs gain little.
pub(crate) const PIPELINED_TIME_MAX: Duration = Duration::from_micros(100);
/// Limits the unread bytes that a worker may have when it gets a job. A body that the last handler did not
/// read leaves one window, which takes nine times as many bytes in frames of one byte; pipelined jobs leave
/// one more window. A worker with more unread bytes replies to jobs that it has not read.
pub(crate) const UNREAD_BYTES_MAX: usize = 16 * WINDOW_BYTES;
/// Limits the time that all jobs of one worker take together, and that a running job delays those behind it.
pub(crate) const PIPELINED_TOTAL_MAX: Duration = Duration::from_millis(1);
/// Limits the head of a pipelined job, in bytes, so that several of them fit into a socket's buffer.
pub(crate) const PIPELINED_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Time in which a worker must answer which jobs it has not started. Answering needs one runnable thread, so
/// a worker that takes longer is stuck.
pub(crate) const WITHDRAW_ANSWER_MAX: Duration = Duration::from_secs(1);
/// Limits how often a job moves to another worker. After that the job is not pipelined again, and does not
/// move again, so that a worker that always claims not to have started it cannot delay it without end.
pub(crate) const MOVES_MAX: u32 = 8;
/// Limits the time that a worker with more jobs holds finished replies back, to send several in one write.
pub(crate) const REPLY_HOLD: Duration = Duration::from_micros(100);
/// Limits the finished replies that a worker holds back, in bytes.
pub(crate) const REPLY_HOLD_BYTES: usize = 32 * 1024;
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
/// Stack of the threads that run handlers, in bytes: like a main thread's.
pub(crate) const HANDLER_STACK_BYTES: usize = 8 * 1024 * 1024;
/// Time that idle workers get to exit by themselves when their pool stops.
pub(crate) const STOP_GRACE: Duration = Duration::from_millis(100);
/// Limits the reads of one worker's socket in a row before other tasks of the runtime run.
pub(crate) const READS_PER_TURN: usize = 16;
/// Limits the nesting of a task's arguments and output, as serde_json does: decoding each level takes stack.
#[cfg(feature = "tasks")]
pub(crate) const NESTING_MAX: usize = 128;
/// Limits the output of a task, in bytes. Larger output belongs in a file.
#[cfg(feature = "tasks")]
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 * 1024 * 1024;
