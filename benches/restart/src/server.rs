//! The server under test and its restarts.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use bench_kit::{
    Result,
    http::Client,
    process::{Killed, PAUSE, run},
    system,
};

/// Limits the time of a start or a restart, with the end of the old process. The grace period is 10 s.
const LIMIT: Duration = Duration::from_secs(30);

/// A running server. Dropping it stops the process that serves.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The address for HTTPS.
    pub(crate) secure: SocketAddr,
    /// The process that serves now.
    pid: u32,
    first: Killed,
}

impl Server {
    pub(crate) fn start([certificate, key]: [PathBuf; 2]) -> Result<Server> {
        // Free until the server takes them, because nothing else asks for a port meanwhile.
        let [address, secure] = {
            let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            let (plain, secure) = (bind()?, bind()?);
            [plain.local_addr()?, secure.local_addr()?]
        };
        let mut command = Command::new(env::current_exe()?.with_file_name("restart-app"));
        command.env("PORT", address.port().to_string()).env("TLS_PORT", secure.port().to_string());
        command.env("CERTIFICATE", certificate).env("KEY", key);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(log()?)?);
        let first = Killed(command.spawn().map_err(|error| format!("start restart-app: {error}"))?);
        let mut server = Server { address, secure, pid: first.0.id(), first };
        let started = Instant::now();
        while server.serving().is_none() {
            server.check(started, "the start")?;
        }
        Ok(server)
    }

    /// Starts the program anew, and returns the time until the old process has ended.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        let (old, started) = (self.pid, Instant::now());
        signal(old, "HUP")?;
        while system::process(old).is_some_and(|process| process.state != 'Z') {
            self.check(started, "a restart")?;
        }
        self.pid = loop {
            match self.serving() {
                Some(pid) if pid != old => break pid,
                _ => self.check(started, "a restart")?,
            }
        };
        Ok(started.elapsed())
    }

    /// Returns the process that answers.
    fn serving(&self) -> Option<u32> {
        let answer = Client::new(self.address, LIMIT).get("/pid").ok()?;
        String::from_utf8(answer.body).ok()?.parse().ok()
    }

    fn check(&mut self, since: Instant, what: &str) -> Result<()> {
        if since.elapsed() > LIMIT {
            return Err(format!("wait for {what}: it took longer than {LIMIT:?}; see {}", log()?.display()).into());
        }
        // Collects the first process, which is the only child of this one.
        let _ = self.first.0.try_wait()?;
        sleep(PAUSE);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = signal(self.pid, "TERM");
    }
}

fn signal(pid: u32, name: &str) -> Result<()> {
    run(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]), LIMIT).map(drop)
}

/// Returns the file that contains what the server has written to standard error.
fn log() -> Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name("restart-app.log"))
}
