//! The other processes: a server of Redis, and an echo on a local socket.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bench_kit::{Result, process::Killed};

/// Starts a server of Redis that writes nothing to the disk, and returns its address.
pub(crate) fn redis(folder: &Path) -> Result<(Killed, String)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string(), "--dir"]);
    let child = command.arg(folder).stdout(Stdio::null()).spawn();
    let server = Killed(child.map_err(|error| format!("start redis-server: {error}"))?);
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if start.elapsed() > Duration::from_secs(10) {
            return Err("redis-server does not accept connections".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok((server, format!("redis://127.0.0.1:{port}")))
}

pub(crate) mod echo {
    //! A process that returns what it reads.

    use std::{
        env, io,
        io::{Read, Write},
        os::unix::net::{UnixListener, UnixStream},
        path::Path,
        process::{Command, Stdio},
    };

    use bench_kit::{Result, process::Killed};

    /// The first argument of the process; the second is the path of its socket.
    pub(crate) const ROLE: &str = "--echo";

    /// Runs in the other process until the socket closes.
    pub(crate) fn play(path: &str) -> Result<()> {
        let mut stream = UnixStream::connect(path)?;
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                count => stream.write_all(&buffer[..count])?,
            }
        }
    }

    pub(crate) struct Echo {
        stream: UnixStream,
        _process: Killed,
    }

    impl Echo {
        pub(crate) fn start(folder: &Path) -> Result<Echo> {
            let path = folder.join("echo");
            let listener = UnixListener::bind(&path)?;
            let child = Command::new(env::current_exe()?).arg(ROLE).arg(&path).stdin(Stdio::null()).spawn()?;
            let process = Killed(child);
            Ok(Echo { stream: listener.accept()?.0, _process: process })
        }

        pub(crate) fn round_trip(&mut self, bytes: &mut [u8]) -> io::Result<()> {
            self.stream.write_all(bytes)?;
            self.stream.read_exact(bytes)
        }
    }
}
