//! The socket that programs connect to: a program sends its build ID, then lines such as `READY=1`, and reads
//! events.
//!
//! When `pixie dev` ends, for any reason, the connection ends, and the program then ends too.

use std::{
    env,
    fs::Permissions,
    io::{self, BufRead, BufReader},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{dev::event::Event, error::Error};

/// Limits how long a write to a program may block. After that, the program gets no further events.
const PATIENCE: Duration = Duration::from_secs(1);

/// The socket, in a folder that only this user can enter.
pub(crate) struct Meeting {
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl Meeting {
    pub(crate) fn open(events: Sender<Event>) -> Result<Meeting, Error> {
        let refused = |error: io::Error| {
            let error = Error::io("open a socket", &env::temp_dir(), &error);
            error.help("set TMPDIR to a folder where you may write, with a path below 80 letters, such as /tmp")
        };
        // Not `pixie-`: that prefix belongs to pools, which remove folders that seem unused.
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("pixiedev-").permissions(private).tempdir().map_err(refused)?;
        let path = folder.path().join("app");
        let socket = UnixListener::bind(&path).map_err(refused)?;
        thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                let events = events.clone();
                thread::spawn(move || listen(stream, &events));
            }
        });
        Ok(Meeting { path, _folder: folder })
    }
}

fn listen(stream: UnixStream, events: &Sender<Event>) {
    let Ok(writer) = stream.try_clone() else { return };
    // It fails only for a timeout of zero.
    let _ = writer.set_write_timeout(Some(PATIENCE));
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(number) = lines.next().and_then(|line| line.strip_prefix("BUILD=")?.parse().ok()) else { return };
    let mut is_heard = events.send(Event::Joined(number, writer)).is_ok();
    while let Some(line) = lines.next().filter(|_| is_heard) {
        is_heard = events.send(Event::Said(number, line)).is_ok();
    }
}
