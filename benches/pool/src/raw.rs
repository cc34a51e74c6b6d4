//! The primitives: another process on a local socket with blocking reads and writes, and a process that only
//! exits.
//!
//! Both sides are this program. A peer exits when its socket closes.

use std::{
    env,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bench_kit::{Result, process::Killed};

use crate::BODY_BYTES;

/// The first argument of a process with a role: one of those below, or the app.
pub(crate) const ROLE: &str = "--role";
/// Bytes in one read or write of a body, as in one frame of a pool.
const CHUNK_BYTES: usize = 64 * 1024;

/// Runs the role that the arguments name. Returns whether they name one.
pub(crate) fn play_role() -> Result<bool> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [flag, role, rest @ ..] = arguments.as_slice() else {
        return Ok(false);
    };
    if flag != ROLE {
        return Ok(false);
    }
    let connect = || UnixStream::connect(rest.first().map_or("", String::as_str));
    let played = match role.as_str() {
        "echo" => echo(connect()?),
        "sink" => take_bodies(connect()?),
        "source" => give_bodies(connect()?),
        "fork" => fork_for_each(connect()?),
        _ => Ok(()),
    };
    match played {
        // The other side has closed the socket.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        other => Ok(other.map(|()| true)?),
    }
}

/// Another process at the other end of a local socket.
pub(crate) struct Peer {
    stream: UnixStream,
    process: Killed,
}

impl Peer {
    /// Starts this program in a role, with a socket in `folder`.
    pub(crate) fn start(role: &str, folder: &Path) -> Result<Self> {
        let path = folder.join(role);
        let listener = UnixListener::bind(&path)?;
        let child = Command::new(env::current_exe()?).args([ROLE, role]).arg(&path).stdin(Stdio::null()).spawn()?;
        let process = Killed(child);
        let (stream, _) = listener.accept()?;
        std::fs::remove_file(&path)?;
        Ok(Peer { stream, process })
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Sends a message to an echo and reads it back.
    pub(crate) fn round_trip(&mut self, message: &[u8], back: &mut [u8]) -> io::Result<Duration> {
        let start = Instant::now();
        self.stream.write_all(message)?;
        self.stream.read_exact(back)?;
        Ok(start.elapsed())
    }

    /// Sends a body to a sink and waits until it has it.
    pub(crate) fn send_body(&mut self) -> io::Result<Duration> {
        let start = Instant::now();
        write_body(&mut self.stream)?;
        self.stream.read_exact(&mut [0])?;
        Ok(start.elapsed())
    }

    /// Requests a body from a source and reads it.
    pub(crate) fn fetch_body(&mut self) -> io::Result<Duration> {
        let start = Instant::now();
        self.stream.write_all(&[0])?;
        read_body(&mut self.stream)?;
        Ok(start.elapsed())
    }
}

/// Starts this program, which exits at once, and waits for it.
pub(crate) fn start_and_wait() -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new(env::current_exe()?).args([ROLE, "exit"]).stdin(Stdio::null()).status()?;
    match status.success() {
        true => Ok(start.elapsed()),
        false => Err(format!("start this program: {status}").into()),
    }
}

fn echo(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = [0; CHUNK_BYTES];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

/// Answers each message by a fork of this process, which exits after it.
fn fork_for_each(mut stream: UnixStream) -> io::Result<()> {
    let mut buffer = [0; CHUNK_BYTES];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        match fork::fork()? {
            fork::Fork::Child => {
                let _ = stream.write_all(&buffer[..count]);
                std::process::exit(0);
            }
            fork::Fork::Parent(pid) => {
                fork::waitpid(pid)?;
            }
        }
    }
}

fn take_bodies(mut stream: UnixStream) -> io::Result<()> {
    loop {
        read_body(&mut stream)?;
        stream.write_all(&[0])?;
    }
}

fn give_bodies(mut stream: UnixStream) -> io::Result<()> {
    loop {
        stream.read_exact(&mut [0])?;
        write_body(&mut stream)?;
    }
}

fn write_body(stream: &mut UnixStream) -> io::Result<()> {
    let chunk = [b'x'; CHUNK_BYTES];
    (0..BODY_BYTES / CHUNK_BYTES).try_for_each(|_| stream.write_all(&chunk))
}

fn read_body(stream: &mut UnixStream) -> io::Result<()> {
    let (mut buffer, mut left) = ([0; CHUNK_BYTES], BODY_BYTES);
    while left > 0 {
        let most = left.min(CHUNK_BYTES);
        match stream.read(&mut buffer[..most])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => left -= count,
        }
    }
    Ok(())
}
