//! The connection to a `pixie reload` that has sent the signal and waits for the outcome.
//!
//! `pixie reload` listens on an abstract socket (Linux) with the server's process id in its name. No file is
//! left, and other folders for temporary files do not matter. Only the same user and root are told.
use std::{process, time::Duration};

use tokio::{io::AsyncWriteExt, net::UnixStream, time::timeout};

/// Limits how long a line may wait for `pixie reload`.
const PATIENCE: Duration = Duration::from_secs(1);

/// The waiting `pixie reload`, if there is one.
pub(super) struct Asker(Option<UnixStream>);

impl Asker {
    pub(super) async fn find() -> Asker {
        let name = format!("\0pixie-reload-{}", process::id());
        let found = UnixStream::connect(name).await.ok().filter(may_know);
        Asker(found)
    }

    /// Sends one line: `starting`, `ready PID` or `failed REASON`.
    pub(super) async fn tell(&mut self, line: &str) {
        if let Some(stream) = &mut self.0 {
            let line = line.replace('\n', " ") + "\n";
            // An error means that `pixie reload` was ended.
            let _ = timeout(PATIENCE, stream.write_all(line.as_bytes())).await;
        }
    }
}

fn may_know(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| [own, 0].contains(&peer.uid()))
}
