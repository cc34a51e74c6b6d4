//! What a worker can do to the descriptors that it shares with its parent.

use std::{sync::mpsc, time::Duration};

use super::*;

/// Bounds the wait for something that takes no time, unless it never returns.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn pulling_a_worker_that_does_not_read_returns() {
    let (lifeline, pipe) = io::pipe().unwrap();
    let pipe = std::process::ChildStdin::from(OwnedFd::from(pipe));
    let leash = Leash::new(tokio::process::ChildStdin::from_std(pipe).unwrap()).unwrap();
    let (pulled, are_pulled) = mpsc::channel();
    std::thread::spawn(move || {
        // More than any pipe holds: Linux's has 64 KiB, and other systems' have less.
        (0..100_000).for_each(|_| leash.pull());
        pulled.send(()).unwrap();
    });
    are_pulled.recv_timeout(SOON).unwrap();
    drop(lifeline);
}
