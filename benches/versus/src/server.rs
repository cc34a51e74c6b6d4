//! One server under test: starts it, waits until it answers, checks its responses, stops it.
//!
//! A server is killed when its `Server` value is dropped. It also exits if the driver is killed first.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bench_kit::system;

use crate::{
    Result,
    case::{Case, Peer, Protocol},
    peer::{self, EXTRA_ROUTES, HELLO},
    probe::{self, Answer, Expected},
    process::{Killed, PAUSE},
};

/// Time limit for the start of a server. A pool starts its workers first.
const START_LIMIT: Duration = Duration::from_secs(15);

/// The threads of each server's runtime, for servers that do not set it themselves.
const RUNTIME_THREADS: &str = "2";

/// Limit of a server's connections, above the number of idle ones that are opened.
const CONNECTIONS_MAX: &str = "11000";

/// A running server.
pub struct Server {
    /// The server's entry in the table.
    pub peer: &'static Peer,
    /// What it speaks.
    pub protocol: Protocol,
    /// The address that it serves.
    pub address: SocketAddr,
    child: Killed,
}

impl Server {
    /// Starts the program of `peer` that lies in `programs` and returns once it answers. `files` are those of
    /// the certificate and of its key.
    pub fn start(peer: &'static Peer, protocol: Protocol, programs: &Path, files: &[PathBuf; 2]) -> Result<Self> {
        let address = free_address()?;
        let port = address.port().to_string();
        let child = Command::new(programs.join(peer.program))
            // Variables of the caller's shell must not change what is measured. For example, no workers means
            // threads.
            .env_remove("PIXIE_WORKERS")
            .env_remove("PIXIE_DEV")
            .env_remove("HEADER_TIMER")
            .env("PORT", &port)
            .env(peer::PROTOCOL, protocol.name())
            .env(peer::CERTIFICATE, &files[0])
            .env(peer::KEY, &files[1])
            // For the idle connections, which all have the same address.
            .env("PIXIE_SERVER_CONNECTIONS_MAX", CONNECTIONS_MAX)
            .env("PIXIE_SERVER_CONNECTIONS_PER_CLIENT_MAX", CONNECTIONS_MAX)
            .env("PIXIE_PORT", &port)
            .env("PIXIE_HOST", address.ip().to_string())
            .env("TOKIO_WORKER_THREADS", RUNTIME_THREADS)
            .env(peer::DRIVER, process::id().to_string())
            .envs(peer.environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("start {}: {error}", peer.name))?;
        let mut server = Self { peer, protocol, address, child: Killed(child) };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Returns the URL of `path` on this server.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.protocol == Protocol::Tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// Returns the memory of its processes, in bytes. What processes share counts for each of them.
    pub fn memory(&self) -> u64 {
        let pid = self.child.0.id();
        system::process(pid).into_iter().chain(system::descendants(pid)).map(|process| process.resident).sum()
    }

    /// Checks that the response to `case` is correct, so that equal work is compared.
    pub fn check(&self, case: &Case) -> Result<()> {
        self.check_path(case.path, Expected { content_type: case.content_type, body: (case.body)() })
    }

    /// Checks that the routes that only fill the router exist.
    pub fn check_extra_routes(&self) -> Result<()> {
        let expected = Expected { content_type: "text/plain", body: HELLO };
        (0..EXTRA_ROUTES).try_for_each(|number| self.check_path(&peer::extra_path(number), expected))
    }

    fn check_path(&self, path: &str, expected: Expected) -> Result<()> {
        let answer = self.get(path).and_then(|answer| answer.check(expected));
        answer.map_err(|error| format!("check {path} of {}: {error}", self.peer.name).into())
    }

    fn get(&self, path: &str) -> Result<Answer> {
        match self.protocol {
            Protocol::Http1 => probe::get(self.address, path),
            Protocol::Http2 => probe::curl(&["--http2-prior-knowledge", &self.url(path)]),
            Protocol::Tls => probe::curl(&["--insecure", "--http1.1", &self.url(path)]),
        }
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let Err(error) = self.get("/") else {
                return Ok(());
            };
            if let Some(status) = self.child.0.try_wait()? {
                return Err(format!("start {}: it ended with {status}", self.peer.name).into());
            }
            if Instant::now() > deadline {
                return Err(format!("wait for {} to answer: {error}", self.peer.name).into());
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Returns an address that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
