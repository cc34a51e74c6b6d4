//! The descriptors that a worker shares with its parent.

use std::{sync::mpsc, time::Duration};

use super::*;

/// Limits the wait for a call that returns at once, or never if it is faulty.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn pulling_a_worker_that_does_not_read_returns() {
    let (lifeline, pipe) = io::pipe().unwrap();
    let pipe = std::process::ChildStdin::from(OwnedFd::from(pipe));
    let holder = LifelineHolder::new(tokio::process::ChildStdin::from_std(pipe).unwrap()).unwrap();
    let (pulled, are_pulled) = mpsc::channel();
    std::thread::spawn(move || {
        // More than a pipe holds: at most 64 KiB on Linux, and less on other systems.
        (0..100_000).for_each(|_| holder.pull());
        pulled.send(()).unwrap();
    });
    are_pulled.recv_timeout(SOON).unwrap();
    drop(lifeline);
}

#[test]
fn a_mark_has_its_room_on_the_disk_before_a_worker_stores_into_it() {
    let directory = tempfile::tempdir().unwrap();
    let reader = MarkReader::create(&directory.path().join("mark")).unwrap();
    assert_eq!(reader.read(), Some(0));
    // In a file without blocks, this finds no data.
    assert_eq!(rustix::fs::seek(&reader.0, rustix::fs::SeekFrom::Data(0)), Ok(0));
}
