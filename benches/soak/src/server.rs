//! The server under load: `examples/faults.rs`, built for release, and what it uses.
//!
//! It is killed when its `Server` value is dropped. Its sockets are in their own folder, so that remaining
//! files can be counted.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bench_kit::{
    Result,
    http::Client,
    process::{Killed, PAUSE, cargo, run},
    system,
};

use crate::load::PATIENCE;

/// Time limit for building. Long enough for a slow machine with empty caches.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Time limit until the server is idle after the load.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
/// The server counts as idle if nothing changes for this time, which is longer than idle workers live.
const REST: Duration = Duration::from_secs(2);

/// A running server.
pub(crate) struct Server {
    /// The address that it serves.
    pub(crate) address: SocketAddr,
    /// Its folder for sockets.
    pub(crate) folder: PathBuf,
    process: Killed,
}

/// What a server and its workers use at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Open file descriptors of the server.
    pub(crate) descriptors: usize,
    /// Running child processes: the workers.
    pub(crate) workers: usize,
    /// Exited child processes that it has not waited for.
    pub(crate) zombies: usize,
    /// Files in its folder for sockets.
    pub(crate) files: usize,
    /// The server's memory, in bytes.
    pub(crate) server_bytes: u64,
    /// All workers' memory, in bytes.
    pub(crate) worker_bytes: u64,
}

/// What happened to the workers since the start, as counted by the pool.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Workers that exited by themselves.
    pub(crate) exited: u64,
    /// Workers that the pool killed.
    pub(crate) killed: u64,
    /// Workers that were started to replace others.
    pub(crate) restarts: u64,
    /// Starts that failed.
    pub(crate) start_failures: u64,
    /// Jobs that were retried after a crash.
    pub(crate) retries: u64,
}

/// The environment variables of the pools, with what is set before the values of the environment. The load and
/// most faults share the first pool; stream routes have the second. The same faults repeat here, and each one
/// must cost a worker. The idle workers of the second pool end before the server's rest is measured.
const POOLS: [(&str, &str); 2] = [
    ("PIXIE_POOL_DEFAULT", "repeat_crash_refusal=off breaker=off"),
    ("PIXIE_POOL_STREAMS", "repeat_crash_refusal=off breaker=off idle_timeout=1s"),
];

impl Server {
    /// Builds and starts the server. Returns when it listens.
    pub(crate) fn start(start_method: &str) -> Result<Self> {
        let program = build()?;
        let folder = env::temp_dir().join(format!("pixie-soak-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let mut child = Command::new(&program)
            .env("PIXIE_HOST", "127.0.0.1")
            .env("PIXIE_PORT", "0")
            .env("RUNTIME_DIRECTORY", &folder)
            // A panic in a new process would read the debug information of the program, for 50 ms.
            .env("RUST_BACKTRACE", "0")
            .envs(POOLS.map(|(pool, unprotected)| {
                let own = env::var(pool).unwrap_or_default();
                (pool, format!("{unprotected} start_method={start_method} {own}"))
            }))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // The log would have thousands of crashes per minute.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("start {}: {error}", program.display()))?;
        let output = child.stdout.take().ok_or("read the server's output: it is not a pipe")?;
        let process = Killed(child);
        let mut lines = BufReader::new(output).lines().map_while(std::io::Result::ok);
        let line = lines.find(|line| line.contains("listening on http://"));
        let port = line.as_deref().and_then(|line| line.rsplit(':').next()?.trim().parse::<u16>().ok());
        let port = port.ok_or("start the server: it does not say where it listens")?;
        // Reads the rest of the output, so that the server does not block on a full pipe.
        thread::spawn(move || lines.for_each(drop));
        Ok(Server { address: (Ipv4Addr::LOCALHOST, port).into(), process, folder })
    }

    /// Returns what it uses now.
    pub(crate) fn sample(&self) -> Sample {
        let pid = self.process.0.id();
        let (zombies, running): (Vec<_>, Vec<_>) =
            system::children(pid).into_iter().partition(|child| child.state == 'Z');
        Sample {
            descriptors: system::descriptors(pid),
            workers: running.len(),
            zombies: zombies.len(),
            files: system::files_below(&self.folder),
            server_bytes: system::process(pid).map_or(0, |process| process.resident),
            worker_bytes: running.iter().map(|worker| worker.resident).sum(),
        }
    }

    /// Waits until nothing changes, or until the limit, and returns what the server uses then.
    pub(crate) fn settle(&self) -> Sample {
        let counted = |sample: Sample| Sample { server_bytes: 0, worker_bytes: 0, ..sample };
        let start = Instant::now();
        let (mut last, mut since) = (self.sample(), Instant::now());
        while start.elapsed() < SETTLE_LIMIT && (since.elapsed() < REST || last.zombies > 0) {
            thread::sleep(PAUSE);
            let now = self.sample();
            if counted(now) != counted(last) {
                since = Instant::now();
            }
            last = now;
        }
        last
    }

    /// Requests the counts of its workers.
    pub(crate) fn counts(&self) -> Result<Counts> {
        let answer = Client::new(self.address, PATIENCE).get("/counts")?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            found.ok_or_else(|| format!("read the server's counts: {name} is missing in {text:?}"))
        };
        Ok(Counts {
            exited: value("exited ")?,
            killed: value("killed ")?,
            restarts: value("restarts ")?,
            start_failures: value("start_failures ")?,
            retries: value("retries ")?,
        })
    }

    /// Returns an error if the server has exited.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.process.0.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("the server itself has ended: {status}").into()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.0.kill();
        let _ = self.process.0.wait();
        // Its workers may still be exiting, but their open files do not prevent removing the folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Builds the example next to this program, and returns its path.
fn build() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).ok_or("find the target folder: there is none")?;
    let mut command = cargo();
    command.args(["build", "--release", "--example", "faults", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
    run(command.arg("--target-dir").arg(target), BUILD_LIMIT)?;
    Ok(target.join("release/examples/faults"))
}
