//! The table of a pool's settings: name, type, default, builder method and example, each in one place.
//!
//! Owns [`Settings`], the plain values, and [`Config`], which sets them. Both follow from the table, and so
//! do the names that the environment may use. Invariant: a setting that is not in the table does not exist.

use std::{
    collections::BTreeSet, ffi::OsString, ops::Deref, path::PathBuf, sync::LazyLock, thread::available_parallelism,
    time::Duration,
};

use pixie_grammar::{Setting, TextValue, read_within};

use crate::{
    config::{ByteSize, Calls, EXIT_GRACE, Preload, SANDBOX_THREADS, STOP_GRACE, Size, StartMethod, TIME_MAX},
    identity::CORE_DUMPS,
    sandbox::Sandbox,
};

/// Makes fields, defaults, builder methods and the table for files and the environment of rows such as
/// `deadline = value(time: impl Into<Option<Duration>>) -> Option<Duration>: Some(Duration::from_secs(15)),
/// env "2s";`.
///
/// `value` sets the setting to its argument, `some` to `Some` of it, `flag` to true, and `list` adds the argument.
/// `env` has an example of a text that sets it, `range` limits such texts, and `default` has the default in
/// words if it depends on the machine.
macro_rules! settings {
    ($($(#[doc = $doc:literal])* $name:ident = $how:ident($($argument:ident: $from:ty),*) -> $type:ty: $value:expr
        $(, env $example:literal $(, range $range:literal)? $(, default $default:literal)?)?;)+) => {
        /// What a pool was told: the values of a [`Config`].
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct Settings {
            /// Name in logs, snapshots and the worker's identity: 1 to 64 letters, digits, `-`, `_` or `.`.
            pub name: String,
            $($(#[doc = $doc])*
            $(#[doc = concat!("\n\nIn the environment: `", stringify!($name), "=", $example, "`.")])?
            pub $name: $type,)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings { name: "pool".to_owned(), $($name: $value,)+ }
            }
        }

        /// # Settings
        impl Config {
            $($(#[doc = $doc])*
            $(#[doc = concat!("\n\nIn the environment: `", stringify!($name), "=", $example, "`.")])?
            pub fn $name(mut self, $($argument: $from),*) -> Self {
                settings!(@$how self.settings.$name $(, $argument.into())*);
                self.set.insert(stringify!($name));
                self
            })+

            /// Takes from another configuration each setting that was set there and not here.
            pub fn inherit(&mut self, from: &Config) {
                #[cfg(feature = "store")]
                self.inherit_grants(from);
                $(if from.set.contains(stringify!($name)) && self.set.insert(stringify!($name)) {
                    self.settings.$name.clone_from(&from.settings.$name);
                })+
            }
        }

        static FROM_TEXT: LazyLock<Vec<Setting<Config>>> = LazyLock::new(|| {
            let rows = [$(settings!(@row $name, $type, concat!($($doc, "\n"),*)
                $(, $example, concat!($($range)?), settings!(@default $($default)?))?)),+];
            rows.into_iter().flatten().collect()
        });
        /// The names of all settings.
        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),+];
        #[cfg(test)]
        const EXAMPLES: &[(&str, &str)] = &[$($((stringify!($name), $example),)?)+];
    };
    (@value $field:expr, $value:expr) => { $field = $value };
    (@flag $field:expr) => { $field = true };
    (@some $field:expr, $value:expr) => { $field = Some($value) };
    (@row $name:ident, $type:ty, $doc:expr) => { None };
    (@row $name:ident, $type:ty, $doc:expr, $example:literal, $range:expr, $default:expr) => {
        Some(Setting::<Config> {
            name: stringify!($name),
            doc: $doc,
            takes: <$type as TextValue>::TAKES,
            range: $range,
            default: $default,
            read: |config| config.settings.$name.to_text(),
            write: |config, text| {
                config.settings.$name = read_within::<$type>(text, $range)?;
                config.set.insert(stringify!($name));
                Ok(())
            },
        })
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    (@list $field:expr, $($value:expr),+) => { $field.push(($($value),+)) };
}

settings! {
    /// Worker processes that run jobs at the same time: `4`, `2..=8`, or `0..=8` for workers on demand. `0`
    /// runs the handler on threads of this process. Default: one per core, because a job that does not wait
    /// keeps a core busy. Between two numbers, the pool grows when jobs wait.
    size = value(size: impl Into<Size>) -> Size: cores().into(), env "2..8", default "one per core";
    /// Threads that run jobs when [`size`](Settings::size) is 0. Default: one per core.
    threads = value(threads: usize) -> usize: cores();
    /// Workers that are ready in addition to [`size`](Settings::size): one of them replaces a killed worker
    /// at once. Default: 1, in a [`fresh`](Settings::fresh) pool two per core. A pool on demand has spare
    /// workers only while it has workers.
    spares = value(workers: usize) -> usize: 1, env "1", default "1, in a `fresh` pool two per core";
    /// How worker processes are started: by executing this program again, or by a fork server.
    /// Default: [`Exec`](StartMethod::Exec), in a [`fresh`](Settings::fresh) pool
    /// [`Fork`](StartMethod::Fork).
    start_method = value(method: StartMethod) -> StartMethod: StartMethod::Exec, env "fork", default "exec, in a `fresh` pool fork";
    /// Runs each job in a process that has run no other job and exits after it, so that nothing that a job
    /// leaves can reach another one. [`spares`](Settings::spares) are started ahead of demand. Default: no.
    /// Needs worker processes, so [`size`](Settings::size) must not be 0.
    fresh = flag() -> bool: false, env "on";
    /// What each process runs that the pool executes, before its first job: a worker, or a fork server before
    /// it forks. Forked workers share what this leaves in memory. It must not leave threads, and no open
    /// files or connections that workers must not share. Run by apps of pixie-web; another program does this
    /// between [`worker()`](crate::worker()) and [`Worker::serve`](crate::Worker::serve), or in
    /// [`init_with`](crate::init_with), and a pool that it starts with this setting is refused.
    preload = some(function: impl Into<Preload>) -> Option<Preload>: None;
    /// Time from the start of a job to the head of the reply, after which the worker is killed; `None` for no
    /// deadline. A worker that waits for the rest of the job's body then is not killed, and the job fails
    /// with [`Error::Body`](crate::Error::Body). Default: 15 s, half of what common proxies wait.
    deadline = value(time: impl Into<Option<Duration>>) -> Option<Duration>: Some(Duration::from_secs(15)), env "2s";
    /// Time that a job may add to its deadline on request, in total. Default: 0.
    extension = value(time: Duration) -> Duration: Duration::ZERO, env "10s";
    /// CPU time that a job may use on all its threads together, before its worker is killed; `None` (the
    /// default) for no limit. Without effect when `size` is 0.
    cpu_time = value(time: impl Into<Option<Duration>>) -> Option<Duration>: None, env "1s";
    /// Jobs that may wait. Default: 1024. [`queue_timeout`](Settings::queue_timeout) limits how long they
    /// wait; this limits the memory that a burst of jobs takes. At least 1 in a pool that grows. Clients take
    /// turns; a full queue refuses the last job of the [client](crate::Submission::client) with the most
    /// jobs.
    queue = value(jobs: usize) -> usize: 1024, env "100";
    /// Time that a job may wait for a worker. Default: 5 s; most clients have left after that.
    queue_timeout = value(time: Duration) -> Duration: Duration::from_secs(5), env "5s";
    /// Time from the start of a worker's process until the worker is ready. Default: 10 s: enough to load a
    /// model, and a worker that hangs is still found.
    start_timeout = value(time: Duration) -> Duration: Duration::from_secs(10), env "10s";
    /// Time without jobs after which a worker beyond the smallest size exits. Default: 30 s.
    idle_timeout = value(time: Duration) -> Duration: Duration::from_secs(30), env "30s";
    /// Time without a reply after which the log reports a job once, with what its worker is doing; `None` for
    /// no reports. Default: 5 s, a third of the default deadline.
    slow_after = value(time: impl Into<Option<Duration>>) -> Option<Duration>: Some(Duration::from_secs(5)), env "5s";
    /// Time that a canceled job gets to end by itself before its worker is killed. Default: 100 ms.
    cancel_grace = value(time: Duration) -> Duration: Duration::from_millis(100), env "100ms";
    /// Time that a worker may send no part of a streamed reply while the reader waits, before the worker is
    /// killed. Default: 30 s; streams of events send a comment more often.
    stream_idle_timeout = value(time: Duration) -> Duration: Duration::from_secs(30), env "30s";
    /// Memory that a worker may use, as a number of bytes or a text such as `"256MB"`. Default: no limit.
    ///
    /// A private allocation beyond the limit fails (`RLIMIT_DATA`), and the worker aborts unless its handler
    /// copes. A second limit covers all memory;
    /// [`WorkerSnapshot::memory_limit`](crate::WorkerSnapshot::memory_limit) tells which of the two it is:
    /// - A cgroup per worker, where this process may create cgroups (version 2, *delegated*: systemd's
    ///   `Delegate=yes`, or a container with a writable cgroupfs). It also counts shared memory, kernel
    ///   memory and the programs that a job starts. The kernel kills all of them before they use more. This
    ///   process moves into a cgroup below its own until its last such pool has stopped.
    /// - Elsewhere the resident memory: a worker that uses more is killed within 250 ms. Pipes, socket pairs
    ///   and files in memory are not counted; [`Sandbox::open_files`] limits the first two, and
    ///   [`Sandbox::strict`] forbids the third.
    memory = some(bytes: impl Into<ByteSize>) -> Option<ByteSize>: None, env "256MB", range "1B..";
    /// Largest reply that this process reads into memory, for a call of a task or for
    /// [`ReplyBody::collect`](crate::ReplyBody::collect), before it fails with
    /// [`Error::TooLarge`](crate::Error::TooLarge). Default: 256 MiB, which limits what a faulty worker can
    /// make this process store. A reply of at most 64 KiB arrives in one piece and is never refused. A body
    /// that is read in pieces has no limit.
    collect_limit = value(bytes: impl Into<ByteSize>) -> ByteSize: (256 << 20).into(), env "16MB", range "1B..";
    /// What a worker may do in addition to computing. Default: what the user of this process may.
    sandbox = value(sandbox: Sandbox) -> Sandbox: Sandbox::none();
    /// Jobs that a worker runs at most; 1 in a [`fresh`](Settings::fresh) pool, `None` (the default) for no limit. Its replacement is started up to
    /// 20 % earlier. Here and for the next two settings, the replacement is ready before the worker exits,
    /// unless it takes longer to start than the worker to run its last jobs.
    recycle_after = value(jobs: impl Into<Option<usize>>) -> Option<usize>: None, env "10000";
    /// Age at which a worker is replaced, 10 % more or less; `None` for never. Default: never.
    recycle_age = value(age: impl Into<Option<Duration>>) -> Option<Duration>: None, env "1h";
    /// Resident memory at which a worker is replaced, after the job that it runs. Measured within 250 ms of
    /// the start of each job. Default: never.
    recycle_memory = some(bytes: impl Into<ByteSize>) -> Option<ByteSize>: None, env "200MB", range "1B..";
    /// Whether jobs are refused while workers do not start: after five failed starts in a row and without a
    /// running worker. Default: yes; otherwise jobs wait for their `queue_timeout`. A pool on demand tries to
    /// start a worker for the first job after the restart back-off.
    breaker = value(on: bool) -> bool: true, env "on";
    /// Whether a job that has crashed two workers within a minute is refused for another minute, with
    /// [`Error::RepeatCrash`](crate::Error::RepeatCrash). Jobs are compared by label, head and body, of which
    /// more than 2 MiB count as length, first MiB and last MiB; jobs with a streamed body are not
    /// compared. An answer to the same job clears its crashes. A worker that SIGKILL, SIGTERM, SIGINT,
    /// SIGHUP or SIGQUIT has ended did not crash, unless the pool sent the signal or its cgroup was out of
    /// memory. Default: yes.
    repeat_crash_refusal = value(on: bool) -> bool: true, env "on";
    /// Threads that a sandboxed worker may have; `None` for no limit. A worker with a cgroup (see
    /// [`memory`](Settings::memory)) cannot start more (`pids.max`). Elsewhere threads are counted four times
    /// per second, and a worker that has more is killed. Default: 64, or twice the number of cores if that
    /// is more: each worker uses up a part of the threads that the service manager or container allows to
    /// this process and its workers together.
    thread_limit = value(threads: impl Into<Option<usize>>) -> Option<usize>: Some(thread_limit()), env "100", default "64, or twice the number of cores if that is more";
    /// Whether the threads that a job starts may outlive its reply, such as those of a thread pool that the
    /// first job creates. Default: no: the worker is replaced soon after the reply, because such threads
    /// would use CPU time that is counted for later jobs, and could read their data. Threads that the worker
    /// had when it was ready do not count. Without effect in a pool without a sandbox and without `cpu_time`.
    keep_threads = value(on: bool) -> bool: false, env "on";
    /// Whether a worker that crashes may write a core file, where the system's settings say. Default: no,
    /// because core files fill the disk. A sandboxed worker never writes one.
    core_dumps = value(on: bool) -> bool: false, env "off";
    /// What this process answers when a job [calls](crate::Caller::call): an asynchronous function from bytes
    /// to bytes, at most 1 MiB each. Default: `None`; then a call fails. The function and its future run on the
    /// task that reads from the worker, so they must not block. A future that waits is dropped when the job ends.
    /// A worker may be hostile, so the function has to check the bytes.
    ///
    /// ```
    /// # use pixie_pool::Pool;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use bytes::Bytes;
    ///
    /// static COUNT: AtomicU64 = AtomicU64::new(0);
    /// let config = Pool::named("counters").calls(|_: Bytes| async {
    ///     Bytes::from(COUNT.fetch_add(1, Ordering::Relaxed).to_string())
    /// });
    /// ```
    calls = some(function: impl Into<Calls>) -> Option<Calls>: None;
    /// Names of environment variables that sandboxed workers get in addition to `PATH HOME TMPDIR LANG
    /// LC_* TZ RUST_BACKTRACE RUST_LOG`; a final `*` matches any ending. Each call adds one name. Workers
    /// without a sandbox get all variables of this process, which they could read anyway.
    pass_env = list(name: impl Into<String>) -> Vec<String>: Vec::new();
    /// Environment variables that only the workers get. Each call adds one.
    env = list(name: impl Into<OsString>, value: impl Into<OsString>) -> Vec<(OsString, OsString)>: Vec::new();
    /// Arguments of the worker's command line; `None` for those of this process. Default: `None`.
    args = value(arguments: impl Into<Option<Vec<OsString>>>) -> Option<Vec<OsString>>: None;
    /// A number that stands for what the handler can do; a worker with another number is refused, because it
    /// runs another program. Default: 0. Give each pool of a program its own number: the workers of all pools
    /// call the same [`worker()`](crate::worker()), and with equal numbers a worker that serves the handler
    /// of another pool is not detected.
    table_hash = value(hash: u64) -> u64: 0;
    /// Directory for the sockets: an absolute path of at most 55 bytes. Default: the first usable one of
    /// `$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR` and the directory for temporary files.
    runtime_dir = value(path: impl Into<Option<PathBuf>>) -> Option<PathBuf>: None;
}

/// How a pool is sized, timed and started. Made by [`Pool::named`](crate::Pool::named).
///
/// Each method sets one of the [`Settings`], which can be read as fields:
///
/// ```
/// use std::time::Duration;
/// use pixie_pool::Pool;
///
/// let config = Pool::named("images").size(2..=8).deadline(Duration::from_secs(2)).memory("256MB");
/// assert_eq!(config.deadline, Some(Duration::from_secs(2)));
/// assert_eq!(config.queue, 1024);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    settings: Settings,
    /// The names of the settings that were set, so that [`Config::inherit`] leaves them alone.
    set: BTreeSet<&'static str>,
    /// Whether the variable of the environment was applied, so that later settings replace it.
    pub(super) has_environment: bool,
    #[cfg(feature = "store")]
    pub(super) grants: Option<Vec<(String, pixie_store::Access)>>,
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// # Starting
impl Config {
    /// Sets the name, for a configuration that is a copy of another pool's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self.has_environment = false;
        self
    }

    /// Removes and returns what each executed process runs first, for a program that runs it there.
    #[doc(hidden)]
    pub fn take_preload(&mut self) -> Option<Preload> {
        self.settings.preload.take()
    }

    /// Returns the settings that a file or a variable of the environment can set.
    pub fn settings() -> &'static [Setting<Config>] {
        &FROM_TEXT
    }

    /// Returns whether a setting was set, by this configuration or by one that it inherits from.
    pub fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// Sets one setting to the value that a text stands for.
    ///
    /// # Errors
    ///
    /// Returns what the text must be.
    pub fn set_text(&mut self, name: &str, text: &str) -> Result<(), String> {
        let Some(setting) = Config::settings().iter().find(|setting| setting.name == name) else {
            let names: Vec<_> = Config::settings().iter().map(|setting| setting.name).collect();
            return Err(format!("there is no `{name}`, only {}", names.join(", ")));
        };
        (setting.write)(self, text)
    }

    /// Makes the settings ready for a start: tells workers whether core files are allowed, follows links in
    /// the sandbox's paths, shortens times that the system cannot measure, such as [`Duration::MAX`], and
    /// gives a fresh pool its defaults.
    pub(crate) fn prepare(&mut self) -> Result<(), String> {
        let (has_spares, has_method) = (self.is_set("spares"), self.is_set("start_method"));
        let all = &mut self.settings;
        if all.fresh {
            all.recycle_after = Some(1);
            if !has_spares {
                all.spares = 2 * cores();
            }
            if !has_method {
                all.start_method = StartMethod::Fork;
            }
        }
        let limits = [&mut all.deadline, &mut all.cpu_time, &mut all.slow_after, &mut all.recycle_age];
        let times = [
            &mut all.extension,
            &mut all.queue_timeout,
            &mut all.start_timeout,
            &mut all.idle_timeout,
            &mut all.cancel_grace,
            &mut all.stream_idle_timeout,
        ];
        limits.into_iter().flatten().chain(times).for_each(|time| *time = TIME_MAX.min(*time));
        if all.core_dumps {
            all.env.push((CORE_DUMPS.into(), "on".into()));
        }
        all.sandbox.resolve()
    }
}

impl Settings {
    /// Returns whether jobs run on threads of this process.
    pub(crate) fn is_threaded(&self) -> bool {
        self.size.max == 0
    }

    /// Returns how long a worker that runs no job may take to exit when it is told to. A worker that has run
    /// its only job leaves no work to save, and many such workers exit at the same time.
    pub(crate) fn stop_grace(&self) -> Duration {
        if self.fresh { EXIT_GRACE } else { STOP_GRACE }
    }

    /// Returns the bytes of memory that a worker may use.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        self.memory.as_ref().and_then(|memory| memory.bytes().ok())
    }

    /// Returns whether the memory of workers has to be checked while they run jobs.
    pub(crate) fn checks_memory(&self) -> bool {
        !self.is_threaded() && (self.memory.is_some() || self.recycle_memory.is_some())
    }

    /// Returns how many jobs may run at the same time, at least and at most.
    pub fn jobs_at_once(&self) -> Size {
        if self.is_threaded() { self.threads.max(1).into() } else { self.size }
    }
}

fn thread_limit() -> usize {
    SANDBOX_THREADS.max(2 * cores())
}

fn cores() -> usize {
    available_parallelism().map_or(1, |n| n.get())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_inherits_only_what_was_set_there_and_not_here() {
        let mut pool = Config::default().name("images").size(2).deadline(Duration::from_secs(15));
        let mut app = Config::default().name("app").size(3).deadline(Duration::from_secs(1)).memory("64MB");
        app.override_by("slow_after=none queue=7").unwrap();
        pool.inherit(&app);
        assert_eq!((pool.name.as_str(), pool.size, pool.deadline), ("images", 2.into(), Some(Duration::from_secs(15))));
        assert_eq!((&pool.memory, pool.slow_after, pool.queue), (&Some("64MB".into()), None, 7));
        assert_eq!(pool.queue_timeout, Settings::default().queue_timeout);
        pool.inherit(&Config::default().name("other").memory("1GB").spares(4));
        assert_eq!((&pool.memory, pool.spares), (&Some("64MB".into()), 4));
    }

    #[test]
    fn the_example_of_each_setting_can_be_read() {
        for (name, example) in EXAMPLES {
            assert_eq!(Config::default().set_text(name, example), Ok(()), "{name}");
        }
        assert_eq!(EXAMPLES.len(), Config::settings().len());
    }

    #[test]
    fn the_readme_lists_each_setting() {
        let readme = include_str!("../../README.md");
        let missing: Vec<_> = NAMES.iter().filter(|name| !readme.contains(&format!("`{name}"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
