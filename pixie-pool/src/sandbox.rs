//! What a worker may do besides computing: what a program asks for, and how much of it is in force.
//!
//! Owns the profiles, the limits and the words about what is missing. Leaves the system calls to `platform` and the order of
//! a worker's steps to `worker`. Rule: what is asked for and not given is refused or said, never dropped.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{
    config::{
        ByteSize, PATH_BYTES_MAX, SANDBOX_FILE_BYTES, SANDBOX_OPEN_FILES, SANDBOX_OPEN_FILES_MIN, SANDBOX_PATHS_MAX,
    },
    platform,
};

/// What a worker process may do besides computing.
///
/// A worker applies it to itself after it has connected to its pool and before it takes the first job, so no job ever runs
/// without it. What was opened before stays open: load models, open files and connect to databases before
/// [`Worker::serve`](crate::Worker::serve) (with pixie-web: in the worker's state), but start no threads there, because a
/// sandbox covers only the thread that enters it and those which that one starts. A worker with more than one thread at that
/// time gives up with an error that says so; the usual reason is `#[tokio::main]`.
///
/// | a job may | `none` | `no_network` | `strict` |
/// |---|---|---|---|
/// | compute, use memory, start threads, read the clock, draw random numbers, print | yes | yes | yes |
/// | use what was opened before the sandbox | yes | yes | yes |
/// | open files and list directories | yes | yes | what [`read`](Sandbox::read) and [`write`](Sandbox::write) allow |
/// | create, change and delete files | yes | yes | what `write` allows |
/// | write below `/proc` and `/sys`, but for `/proc/self` | yes | no | what `write` allows |
/// | change modes, owners, times and extended attributes of files | yes | yes | no |
/// | see that a path exists, its size and its times | yes | yes | yes |
/// | make sockets, connect, listen, accept | yes | no | no |
/// | run programs, fork | yes | no | no |
/// | signal, trace, slow down or read the memory of other processes | yes | no | no |
/// | mount, load modules, set the clock, io_uring, bpf, namespaces, keys, other users | yes | no | no |
/// | SysV shared memory, files in memory (`memfd_create`), message queues, inotify | yes | yes | no |
/// | bytes in one file ([`file_size`](Sandbox::file_size)) | any | 1 GiB | 1 GiB |
/// | open descriptors ([`open_files`](Sandbox::open_files)) | as inherited | 1024 | 1024 |
///
/// What is refused fails with `PermissionDenied`, a file that grows too large with `FileTooLarge`; neither ends the worker.
/// A limit on memory is a number of the pool: [`Config::memory`](crate::Config::memory). There is none on processes, because
/// Linux counts them per user; a sandboxed worker cannot start any.
///
/// Linux only, by [Landlock](https://landlock.io), seccomp and resource limits, on x86-64 and AArch64. Elsewhere, and where a
/// kernel or a container lacks something, a [`best_effort`](Sandbox::best_effort) sandbox does what it can and the pool
/// logs a warning that names what is missing; a [`required`](Sandbox::required) one does not start. Whichever it is,
/// [`WorkerSnapshot::sandbox`](crate::WorkerSnapshot::sandbox) says what is in force.
///
/// ```
/// use pixie_pool::{Pool, Sandbox};
///
/// let sandbox = Sandbox::strict().read("/usr/share/fonts").write("/var/cache/thumbnails").file_size("64MB").required();
/// let images = Pool::named("images").size(2..=8).memory("256MB").sandbox(sandbox);
/// # let _ = images;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    pub(crate) profile: Profile,
    pub(crate) is_required: bool,
    /// Bytes of one file; 0 stands for no limit of ours.
    pub(crate) file_size: ByteSize,
    /// Open descriptors; 0 stands for no limit of ours.
    pub(crate) open_files: u64,
    pub(crate) read: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
}

/// What is forbidden at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    None,
    NoNetwork,
    Strict,
}

impl Default for Sandbox {
    /// The same as [`Sandbox::none`].
    fn default() -> Self {
        Sandbox::none()
    }
}

impl Sandbox {
    /// Forbids nothing: a worker may do whatever the user of this process may. Limits that are set count nevertheless.
    pub fn none() -> Self {
        Sandbox::new(Profile::None, 0, 0)
    }

    /// Forbids sockets, programs, new processes and everything that reaches other processes or the system, such as writing below
    /// `/proc` and `/sys`; other files stay as they are.
    ///
    /// So a worker of root may still write every file and disk of the system, and through them become whatever it likes: as
    /// root only [`strict`](Sandbox::strict) is a border. An entry of `/` itself that is new since the worker started
    /// cannot be written.
    pub fn no_network() -> Self {
        Sandbox::new(Profile::NoNetwork, SANDBOX_FILE_BYTES, SANDBOX_OPEN_FILES)
    }

    /// Forbids that, and every file but those that [`read`](Sandbox::read) and [`write`](Sandbox::write) allow.
    ///
    /// Always readable are the program's own file (for backtraces), the time zones (`/usr/share/zoneinfo`, `/etc/localtime`),
    /// `/dev/random`, `/dev/urandom` and `/dev/zero`; `/dev/null` can be written, too. Because Landlock does not govern them,
    /// changes of modes, owners and times are forbidden everywhere: `std::fs::copy`, which copies modes, fails where
    /// `std::io::copy` between two open files does not.
    pub fn strict() -> Self {
        Sandbox::new(Profile::Strict, SANDBOX_FILE_BYTES, SANDBOX_OPEN_FILES)
    }

    fn new(profile: Profile, file_size: u64, open_files: u64) -> Self {
        Sandbox {
            profile,
            is_required: false,
            file_size: file_size.into(),
            open_files,
            read: Vec::new(),
            write: Vec::new(),
        }
    }

    /// Refuses to start workers that cannot have all of it.
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Starts workers with as much of it as the kernel has, and logs what is missing. The default.
    pub fn best_effort(mut self) -> Self {
        self.is_required = false;
        self
    }

    /// Allows a strict sandbox to read a file, or everything below a directory; it has to exist when the pool starts, which is
    /// also when links in the path are followed.
    ///
    /// For a worker that starts later and does not find it, or finds a link in its place, nothing is allowed there. At most 64
    /// paths in all. The other profiles leave files alone, so it changes nothing there.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Allows a strict sandbox to read and write a file, or to read, write, create, rename and delete below a directory; it has
    /// to exist when the pool starts, which is also when links in the path are followed.
    ///
    /// For a worker that starts later and does not find it, or finds a link in its place, nothing is allowed there. At most 64
    /// paths in all. The other profiles leave files alone, so it changes nothing there.
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Limits the bytes of any one file that a worker writes: a number, or a text such as `"64MB"`; 0 is no limit.
    ///
    /// A write beyond fails with `FileTooLarge`. It bounds a mistake, not a disk: files may be many.
    pub fn file_size(mut self, bytes: impl Into<ByteSize>) -> Self {
        self.file_size = bytes.into();
        self
    }

    /// Limits the descriptors that a worker has open; opening more fails. At least 16; 0 is no limit.
    pub fn open_files(mut self, count: u64) -> Self {
        self.open_files = count;
        self
    }

    /// Tells whether files are forbidden unless they are allowed.
    pub fn is_strict(&self) -> bool {
        self.profile == Profile::Strict
    }

    /// Tells whether anything at all is forbidden.
    pub(crate) fn is_wanted(&self) -> bool {
        self.profile != Profile::None
    }

    /// The bytes of one file; 0 stands for no limit of ours.
    pub(crate) fn file_bytes(&self) -> u64 {
        // A text that is none was refused when the pool was started.
        self.file_size.bytes().unwrap_or(0)
    }

    /// The paths with whether they can be written.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&Path, bool)> {
        let read = self.read.iter().map(|path| (path.as_path(), false));
        read.chain(self.write.iter().map(|path| (path.as_path(), true)))
    }

    /// Finds what cannot be asked for, before any worker is started.
    pub(crate) fn check(&self, is_threaded: bool) -> Result<(), String> {
        if self.is_wanted() && !platform::HAS_SANDBOX_FEATURE {
            return Err("a sandbox needs the feature `sandbox` of pixie-pool, which is off".to_owned());
        }
        if self.is_wanted() && self.is_required && is_threaded {
            return Err(
                "a sandbox is required but the pool runs on threads of this process: give it at least one worker"
                    .to_owned(),
            );
        }
        self.file_size.bytes().map_err(|why| format!("the file size of the sandbox: {why}"))?;
        if (1..SANDBOX_OPEN_FILES_MIN).contains(&self.open_files) {
            let count = self.open_files;
            return Err(format!(
                "the sandbox leaves {count} open files, a worker needs at least {SANDBOX_OPEN_FILES_MIN}"
            ));
        }
        if self.paths().count() > SANDBOX_PATHS_MAX {
            return Err(format!(
                "the sandbox names more than {SANDBOX_PATHS_MAX} paths: allow a directory above them instead"
            ));
        }
        if self.paths().any(|(path, _)| path.as_os_str().len() > PATH_BYTES_MAX) {
            return Err(format!("a path of the sandbox is longer than {PATH_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    /// Replaces the paths by where they lead now: a job that puts a link in the place of one must not decide what the next
    /// worker may do.
    pub(crate) fn resolve(&mut self) -> Result<(), String> {
        let own = format!("/proc/{}", std::process::id());
        for path in self.read.iter_mut().chain(&mut self.write) {
            let found = path.canonicalize().map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => format!("the sandbox allows {}, which is not there", path.display()),
                _ => format!("the sandbox allows {}, which cannot be reached: {error}", path.display()),
            })?;
            // A worker's own, not this process's.
            *path = match found.strip_prefix(&own) {
                Ok(rest) => Path::new("/proc/self").join(rest),
                Err(_) => found,
            };
        }
        Ok(())
    }

    /// Names what was asked for and is not in force; `None` if that is nothing.
    pub(crate) fn missing(&self, level: &SandboxLevel) -> Option<String> {
        let mut missing = Vec::new();
        if self.is_wanted() && !level.seccomp {
            missing.push("the filter of system calls (this system has no seccomp, or a container forbids to use it)");
        }
        match (self.profile, level.landlock) {
            (Profile::None, _) | (Profile::NoNetwork, 1..) | (Profile::Strict, 3..) => {}
            (Profile::NoNetwork, 0) => missing.push("the lock on other processes' memory (Landlock, Linux 5.13)"),
            (Profile::Strict, 0) => {
                missing.push("the lock on files and on other processes' memory (Landlock, complete since Linux 6.2)");
            }
            (Profile::Strict, 1 | 2) => missing.push("the lock on cutting files short (Landlock, Linux 6.2)"),
        }
        if (self.file_bytes() > 0 || self.open_files > 0) && !level.limits {
            missing.push("the limits on file size and open files");
        }
        (!missing.is_empty()).then(|| missing.join(", "))
    }

    /// Says in the log what holds the workers of a pool, once for all of them: they run under the same kernel.
    /// Without a level they are threads.
    pub(crate) fn report(&self, pool: &str, level: Option<&SandboxLevel>) {
        let profile = self.profile;
        let Some(level) = level else {
            if *self != Sandbox::none() {
                tracing::warn!(pool, %profile, "threads have no sandbox: give the pool at least one worker");
            }
            return;
        };
        match self.missing(level) {
            Some(missing) => {
                tracing::warn!(pool, %profile, in_force = %level, "the sandbox is weaker than asked for, it lacks {missing}");
            }
            None if self.is_wanted() => tracing::info!(pool, %profile, in_force = %level, "workers are sandboxed"),
            None => {}
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::None => "none",
            Profile::NoNetwork => "no_network",
            Profile::Strict => "strict",
        })
    }
}

/// What of a [`Sandbox`] is in force in a worker, as it said when it was ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SandboxLevel {
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// The version of Landlock's interface that locks files and other processes; 0 if nothing does.
    pub landlock: u8,
    /// Whether resource limits were set.
    pub limits: bool,
}

impl fmt::Display for SandboxLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let landlock = (self.landlock > 0).then(|| format!("Landlock {}", self.landlock));
        let seccomp = self.seccomp.then(|| "seccomp".to_owned());
        let limits = self.limits.then(|| "limits".to_owned());
        let parts: Vec<String> = [landlock, seccomp, limits].into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    const FULL: SandboxLevel = SandboxLevel { seccomp: true, landlock: 3, limits: true };

    #[test]
    fn what_an_old_kernel_lacks_is_named() {
        let cases = [
            (Sandbox::strict(), FULL, ""),
            (Sandbox::no_network(), SandboxLevel { landlock: 1, ..FULL }, ""),
            (Sandbox::none(), SandboxLevel::default(), ""),
            (Sandbox::strict(), SandboxLevel { landlock: 2, ..FULL }, "cutting files short"),
            (Sandbox::strict(), SandboxLevel { landlock: 0, ..FULL }, "the lock on files"),
            (Sandbox::no_network(), SandboxLevel { landlock: 0, ..FULL }, "other processes' memory"),
            (Sandbox::no_network(), SandboxLevel { seccomp: false, ..FULL }, "seccomp"),
            (Sandbox::none().open_files(20), SandboxLevel::default(), "open files"),
        ];
        for (sandbox, level, expected) in cases {
            let missing = sandbox.missing(&level);
            assert_eq!(missing.is_none(), expected.is_empty(), "{sandbox:?} {level}: {missing:?}");
            assert!(missing.unwrap_or_default().contains(expected), "{sandbox:?} {level}");
        }
    }

    #[test]
    fn a_level_reads_as_a_list() {
        assert_eq!(FULL.to_string(), "Landlock 3, seccomp, limits");
        assert_eq!(SandboxLevel::default().to_string(), "nothing");
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_with_the_remedy() {
        let many = (0..65).fold(Sandbox::strict(), |sandbox, n| sandbox.read(format!("/{n}")));
        let cases = [
            (Sandbox::strict(), true, ""),
            (Sandbox::strict().required(), true, "at least one worker"),
            (Sandbox::none().open_files(15), false, "at least 16"),
            (Sandbox::none().file_size("much"), false, "invalid size `much`"),
            (many, false, "a directory above them"),
            (Sandbox::strict().write("/".repeat(4097)), false, "longer than 4096 bytes"),
        ];
        for (sandbox, is_threaded, expected) in cases {
            let checked = sandbox.check(is_threaded);
            assert_eq!(checked.is_ok(), expected.is_empty(), "{checked:?}");
            assert!(checked.err().unwrap_or_default().contains(expected));
        }
    }

    #[test]
    fn paths_are_followed_before_any_worker_is_started() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().canonicalize().unwrap().join("real"), directory.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut sandbox = Sandbox::strict().read(&link).write(link.join("../real"));
        sandbox.resolve().unwrap();
        assert_eq!((sandbox.read, sandbox.write), (vec![real.clone()], vec![real]));
        let refused = Sandbox::strict().read("/").write("/no/such/cache").resolve();
        assert_eq!(refused.unwrap_err(), "the sandbox allows /no/such/cache, which is not there");
    }
}
