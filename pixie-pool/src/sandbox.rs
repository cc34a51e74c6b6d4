//! What a worker may do: what a program asks for, and which parts of it are in force.
//!
//! Owns the profiles, the limits and the messages about missing parts. Leaves the system calls to `platform`
//! and the order of a worker's steps to `worker`. Invariant: a part that is not in force is refused or
//! logged, never ignored.

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

/// What a worker process may do in addition to computing.
///
/// A worker applies the sandbox to itself after it has connected to its pool and before it takes the first
/// job, so every job runs in the sandbox. Open files and connections stay open: load models, open files and
/// connect to databases before [`Worker::serve`](crate::Worker::serve) (with pixie-web: in the worker's
/// state). Do not start threads there, because a sandbox covers only the thread that enters it and the
/// threads that this thread starts. A worker with more than one thread exits with an error that says so; the
/// usual cause is `#[tokio::main]`.
///
/// | a job may | `none` | `no_network` | `strict` |
/// |---|---|---|---|
/// | compute, use memory, read the clock, draw random numbers, print | yes | yes | yes |
/// | threads ([`thread_limit`](crate::Config::thread_limit), [`keep_threads`](crate::Config::keep_threads)) | any | 64, or two per core; the worker is replaced if they outlive their job | the same |
/// | use files and connections that were opened before the sandbox | yes | yes | yes |
/// | open files and list directories | yes | yes | where [`read`](Sandbox::read) or `write` allows it |
/// | create, change and delete files | yes | yes | where [`write`](Sandbox::write) allows it |
/// | write below `/proc` and `/sys`, except `/proc/self` | yes | no | where `write` allows it |
/// | change modes, owners, times, flags and extended attributes of files | yes | yes | no |
/// | lock files that it may open (`flock`, `fcntl`) | yes | yes | yes |
/// | take leases on files, watch directories (dnotify), enlarge pipes | yes | no | no |
/// | see that a path exists, its size and its times | yes | yes | yes |
/// | make sockets, connect, listen, accept | yes | no | no |
/// | run programs, fork | yes | no | no |
/// | signal, trace, slow down or read the memory of other processes | yes | no | no |
/// | mount, load modules, set the clock, io_uring, bpf, namespaces, keys, other users | yes | no | no |
/// | SysV shared memory, files in memory (`memfd_create`), message queues, inotify, kernel AIO | yes | yes | no |
/// | bytes in one file ([`file_size`](Sandbox::file_size)) | any | 1 GiB | 1 GiB |
/// | open descriptors ([`open_files`](Sandbox::open_files)) | as inherited | 1024 | 1024 |
///
/// A forbidden call fails with `PermissionDenied`, and a write to a file that is too large with
/// `FileTooLarge`; the worker continues. The limit on memory is a setting of the pool:
/// [`Config::memory`](crate::Config::memory). A sandboxed worker cannot start processes.
///
/// Sandboxes need Linux on x86-64 or AArch64; they use [Landlock](https://landlock.io), seccomp and resource
/// limits. On other systems, and where a kernel or a container lacks a part, a sandbox does what it can, and
/// the pool logs a warning that names the missing parts; a worker with a [`required`](Sandbox::required)
/// sandbox does not start. [`WorkerSnapshot::sandbox`](crate::WorkerSnapshot::sandbox) shows what is in
/// force.
///
/// ```
/// use pixie_pool::{Pool, Sandbox};
///
/// let sandbox = Sandbox::strict().read("/usr/share/fonts").write("/var/cache/thumbnails").file_size("64MB");
/// let sandbox = sandbox.required();
/// let images = Pool::named("images").size(2..=8).memory("256MB").sandbox(sandbox);
/// # let _ = images;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    pub(crate) profile: Profile,
    pub(crate) is_required: bool,
    /// Largest file, in bytes; 0 stands for no limit.
    pub(crate) file_size: ByteSize,
    /// Open descriptors; 0 stands for no limit.
    pub(crate) open_files: u64,
    pub(crate) read: Vec<PathBuf>,
    pub(crate) read_unlisted: Vec<PathBuf>,
    pub(crate) write: Vec<PathBuf>,
}

/// What a strict sandbox allows on a file, or on everything below a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Reading files whose names are known.
    ReadUnlisted,
    Write,
}

/// What is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    None,
    NoNetwork,
    Strict,
}

impl Sandbox {
    /// Allows a worker all that the user of this process may do. Limits that are set still apply.
    pub fn none() -> Self {
        Sandbox::new(Profile::None, 0, 0)
    }

    /// Forbids sockets, programs, new processes, and all access to other processes or to the system's
    /// settings, such as writing below `/proc` and `/sys`. Access to other files does not change.
    ///
    /// A worker can still write what its user may write. A worker of root, or of a user who may write the
    /// program's own file, so gains more rights: there only [`strict`](Sandbox::strict) protects the system.
    /// An entry of `/` that was created after the worker started cannot be written.
    pub fn no_network() -> Self {
        Sandbox::new(Profile::NoNetwork, SANDBOX_FILE_BYTES, SANDBOX_OPEN_FILES)
    }

    /// Forbids the same as [`no_network`](Sandbox::no_network), and every file except those that
    /// [`read`](Sandbox::read) and [`write`](Sandbox::write) allow.
    ///
    /// A worker can always read the program's own file (for backtraces), the time zones
    /// (`/usr/share/zoneinfo`, `/etc/localtime`), `/dev/random`, `/dev/urandom` and `/dev/zero`, and read and
    /// write `/dev/null`. Changes of modes, owners and times are forbidden everywhere, because Landlock does
    /// not restrict them. So `std::fs::copy` fails, because it copies the mode; use `std::io::copy` between
    /// two open files.
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
            read_unlisted: Vec::new(),
            write: Vec::new(),
        }
    }

    /// Refuses to start a worker if a part of the sandbox is missing on this system.
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Allows workers in a strict sandbox to read a file, or everything below a directory. The path must
    /// exist when the pool starts; links in it are followed at that time.
    ///
    /// If a worker starts later and the path is missing or has become a link, the worker starts without this
    /// permission. At most 64 paths in total. Without effect in other sandboxes, which do not restrict files.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.read.push(path.into());
        self
    }

    /// Allows workers in a strict sandbox to read the files below a directory, but not to list it: a job can
    /// read the files whose names it was given. This protects files with names that nobody can guess, such as
    /// those of other jobs. The rest is as for [`read`](Sandbox::read).
    pub fn read_unlisted(mut self, directory: impl Into<PathBuf>) -> Self {
        self.read_unlisted.push(directory.into());
        self
    }

    /// Allows workers in a strict sandbox to read and write a file, or to read, write, create, rename and
    /// delete below a directory. The rest is as for [`read`](Sandbox::read).
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.write.push(path.into());
        self
    }

    /// Limits the size of each file that a worker writes, such as `"64MB"`; 0 stands for no limit.
    ///
    /// A write beyond the limit fails with `FileTooLarge`. A worker can still fill a disk with many files.
    pub fn file_size(mut self, bytes: impl Into<ByteSize>) -> Self {
        self.file_size = bytes.into();
        self
    }

    /// Limits the open descriptors of a worker; opening more fails. At least 16; 0 stands for no limit.
    pub fn open_files(mut self, count: u64) -> Self {
        self.open_files = count;
        self
    }

    /// Returns whether only files that were allowed can be opened.
    pub fn is_strict(&self) -> bool {
        self.profile == Profile::Strict
    }

    /// Returns whether the profile forbids something.
    pub(crate) fn is_wanted(&self) -> bool {
        self.profile != Profile::None
    }

    /// Returns the largest file, in bytes; 0 stands for no limit.
    pub(crate) fn file_bytes(&self) -> u64 {
        // The start of the pool has refused malformed texts.
        self.file_size.bytes().unwrap_or(0)
    }

    /// Returns the paths, each with what is allowed there.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&Path, Access)> {
        let lists =
            [(&self.read, Access::Read), (&self.read_unlisted, Access::ReadUnlisted), (&self.write, Access::Write)];
        lists.into_iter().flat_map(|(paths, access)| paths.iter().map(move |path| (path.as_path(), access)))
    }

    /// Returns an error if the sandbox cannot work, before a worker is started.
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
                "the sandbox allows {count} open files, a worker needs at least {SANDBOX_OPEN_FILES_MIN}"
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

    /// Follows the links in the paths once, because a job could replace a path with a link.
    pub(crate) fn resolve(&mut self) -> Result<(), String> {
        let own = format!("/proc/{}", std::process::id());
        for path in [&mut self.read, &mut self.read_unlisted, &mut self.write].into_iter().flatten() {
            let found = path.canonicalize().map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => format!("the sandbox allows {}, which does not exist", path.display()),
                _ => format!("the sandbox allows {}, which cannot be reached: {error}", path.display()),
            })?;
            // The path is about each worker, not about this process.
            *path = match found.strip_prefix(&own) {
                Ok(rest) => Path::new("/proc/self").join(rest),
                Err(_) => found,
            };
        }
        Ok(())
    }

    /// Returns the names of the parts that are not in force; `None` if all are.
    pub(crate) fn missing(&self, level: &SandboxLevel) -> Option<String> {
        let mut missing = Vec::new();
        if self.is_wanted() && !level.seccomp {
            missing.push("the system call filter (seccomp, which a container may forbid)");
        }
        match (self.profile, level.landlock) {
            (Profile::None, _) | (Profile::NoNetwork, 1..) | (Profile::Strict, 3..) => {}
            (Profile::NoNetwork, 0) => missing.push("protection of other processes' memory (Landlock, Linux 5.13)"),
            (Profile::Strict, 0) => {
                missing.push("protection of files and of other processes' memory (Landlock, complete since Linux 6.2)");
            }
            (Profile::Strict, 1 | 2) => missing.push("protection against truncating files (Landlock, Linux 6.2)"),
        }
        if (self.file_bytes() > 0 || self.open_files > 0) && !level.limits {
            missing.push("the limits on file size and open files");
        }
        (!missing.is_empty()).then(|| missing.join(", "))
    }

    /// Logs which parts are in force, once for all workers of a pool, because they run under the same kernel.
    /// `level` is `None` if the workers are threads.
    pub(crate) fn report(&self, pool: &str, level: Option<&SandboxLevel>) {
        let profile = self.profile;
        let Some(level) = level else {
            if *self != Sandbox::none() {
                tracing::warn!(pool, %profile, "threads run without a sandbox: give the pool at least one worker process");
            }
            return;
        };
        match self.missing(level) {
            Some(missing) => {
                tracing::warn!(pool, %profile, in_force = %level, "the sandbox is incomplete on this system: missing {missing}");
            }
            None if self.is_wanted() => tracing::info!(pool, %profile, in_force = %level, "the workers are sandboxed"),
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

/// Which parts of a [`Sandbox`] are in force in a worker, as the worker reported when it was ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SandboxLevel {
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// The version of Landlock's interface that protects files and other processes; 0 without Landlock.
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
    fn the_parts_that_an_old_kernel_lacks_are_named() {
        let cases = [
            (Sandbox::strict(), FULL, ""),
            (Sandbox::no_network(), SandboxLevel { landlock: 1, ..FULL }, ""),
            (Sandbox::none(), SandboxLevel::default(), ""),
            (Sandbox::strict(), SandboxLevel { landlock: 2, ..FULL }, "truncating files"),
            (Sandbox::strict(), SandboxLevel { landlock: 0, ..FULL }, "protection of files"),
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
    fn a_sandbox_that_cannot_work_is_refused_with_the_remedy() {
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
        assert_eq!(refused.unwrap_err(), "the sandbox allows /no/such/cache, which does not exist");
    }
}
