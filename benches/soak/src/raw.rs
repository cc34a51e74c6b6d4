//! What the machine can do: processes that fork for each connection. The copy sends a message back and exits.
//!
//! They take the place of the faults in some phases, so that the report shows how far forks and exits alone
//! slow down the healthy requests.

use std::{
    env,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio, exit},
    thread::sleep,
    time::{Duration, Instant},
};

use bench_kit::{
    Result,
    process::{Killed, PAUSE},
};

/// The first argument of such a process. The second is the path of its socket.
pub(crate) const ROLE: &str = "--fork-loop";
/// Bytes of a message.
const MESSAGE: [u8; 64] = [b'x'; 64];
/// Time limit until such a process listens.
const START_LIMIT: Duration = Duration::from_secs(10);

/// One such process.
#[derive(Debug)]
pub(crate) struct ForkLoop {
    path: PathBuf,
    _process: Killed,
}

impl ForkLoop {
    /// Starts one, with its socket in this folder.
    pub(crate) fn start(folder: &Path, number: u32) -> Result<Self> {
        let path = folder.join(format!("raw-{number}"));
        let child = Command::new(env::current_exe()?).arg(ROLE).arg(&path).stdin(Stdio::null()).spawn()?;
        let (fork_loop, start) = (ForkLoop { path, _process: Killed(child) }, Instant::now());
        while let Err(error) = fork_loop.round_trip() {
            if start.elapsed() > START_LIMIT {
                return Err(format!("start a fork loop: {error}").into());
            }
            sleep(PAUSE);
        }
        Ok(fork_loop)
    }

    /// Connects, and has a copy answer.
    pub(crate) fn round_trip(&self) -> io::Result<()> {
        let (mut stream, mut back) = (UnixStream::connect(&self.path)?, [0; MESSAGE.len()]);
        stream.write_all(&MESSAGE)?;
        stream.read_exact(&mut back)
    }
}

/// Forks for each connection, until this process is killed.
pub(crate) fn play(path: &str) -> Result<()> {
    let listener = UnixListener::bind(path)?;
    loop {
        let (mut stream, _) = listener.accept()?;
        match fork::fork()? {
            fork::Fork::Child => {
                let mut message = [0; MESSAGE.len()];
                // An error means that the client has left.
                let _ = stream.read_exact(&mut message).and_then(|()| stream.write_all(&message));
                exit(0);
            }
            fork::Fork::Parent(pid) => {
                drop(stream);
                fork::waitpid(pid)?;
            }
        }
    }
}
