//! One attempt to start the program anew: starts a process and waits until it is ready.
use std::{env, io, path::PathBuf, process::ExitStatus, time::Duration};

use pixie_server::{Listener, Shutdown};
use tempfile::TempDir;
use tokio::{
    net::UnixDatagram,
    process::{Child, Command},
    select,
    time::{sleep, timeout},
};

use super::origin::Origin;
use crate::run::notify::{FAILED, PREDECESSOR, READY};

/// Limits the reason that a new process may send, in bytes. Longer than any message of ours.
const REASON_BYTES_MAX: usize = 4096;
/// Limits the temporary folder's path, in bytes, so that a socket in it has a path that systems allow (104).
const FOLDER_BYTES_MAX: usize = 64;
/// Time that a process which has reported a failure gets to exit by itself and to write its log.
const EXIT_PATIENCE: Duration = Duration::from_secs(1);

/// A new process that is ready. Dropping the value leaves it running.
pub(super) struct Successor {
    child: Child,
    pid: u32,
}

impl Successor {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) async fn kill(mut self) {
        // An error means that it has exited.
        let _ = self.child.kill().await;
    }
}

/// Returns the new process, or why it did not start.
pub(super) async fn attempt(
    origin: &Origin,
    listener: &Listener,
    shutdown: &Shutdown,
    limit: Duration,
) -> Result<Successor, String> {
    let socket = Socket::open().map_err(|error| {
        format!(
            "opening a socket in the folder for temporary files failed: {error}; set TMPDIR to a folder of this user"
        )
    })?;
    let (mut command, program) = origin.command()?;
    let program = program.display();
    let passed = listener.try_clone().map_err(|error| error.to_string())?;
    let sockets = passed.into_fds();
    command.env("LISTEN_FDS", sockets.len().to_string());
    for name in ["LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_FDS_FIRST_FD"] {
        command.env_remove(name);
    }
    command.env(PREDECESSOR, format!("{}:{}", std::process::id(), socket.path.display()));
    let started = pixie_pool::__restart::pass_descriptors(&mut command, &sockets);
    let started = started.and_then(|()| Command::from(command).spawn());
    let mut child = started.map_err(|error| format!("cannot run {program}: {error}"))?;
    let pid = child.id().unwrap_or_default();
    let why = select! {
        biased;
        () = shutdown.wait() => "this process is stopping".to_owned(),
        heard = socket.hear() => match heard {
            None => return Ok(Successor { child, pid }),
            Some(reason) => {
                // The exit status does not add to this.
                let _ = timeout(EXIT_PATIENCE, child.wait()).await;
                format!("{program} (process {pid}) failed: {reason}")
            }
        },
        ended = child.wait() => format!("{program} (process {pid}) ended before it was ready ({}): see its log", how(ended)),
        () = sleep(limit) => format!("{program} (process {pid}) was not ready within {limit:?}, and was killed"),
    };
    // An error means that it has exited.
    let _ = child.kill().await;
    Err(why)
}

fn how(ended: io::Result<ExitStatus>) -> String {
    ended.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// The socket that a new process reports to, in a folder that only this user can enter.
struct Socket {
    path: PathBuf,
    receiver: UnixDatagram,
    _folder: TempDir,
}

impl Socket {
    fn open() -> io::Result<Socket> {
        let usual = env::temp_dir();
        let parent = if usual.as_os_str().len() > FOLDER_BYTES_MAX { PathBuf::from("/tmp") } else { usual };
        // Not `pixie-`: folders of that name are removed by pools.
        let folder = tempfile::Builder::new().prefix("pixierestart-").tempdir_in(parent)?;
        let path = folder.path().join("ready");
        Ok(Socket { receiver: UnixDatagram::bind(&path)?, path, _folder: folder })
    }

    /// Waits until the new process has reported. Returns `None` if it is ready, otherwise the reason.
    async fn hear(&self) -> Option<String> {
        let mut buffer = [0; REASON_BYTES_MAX];
        loop {
            let Ok(count) = self.receiver.recv(&mut buffer).await else { std::future::pending().await };
            let text = String::from_utf8_lossy(&buffer[..count]);
            match text.strip_prefix(FAILED) {
                Some(reason) => return Some(reason.to_owned()),
                None if text == READY => return None,
                None => {}
            }
        }
    }
}
