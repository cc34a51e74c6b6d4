//! Shared data in one process: copies, names, errors, and what cannot be changed.

use std::os::fd::AsRawFd as _;

use super::{lifeline::Lifeline, *};

fn refusal(name: &str, what: Share) -> (ErrorKind, String) {
    let error = share(name, what).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn a_replacement_is_the_next_version_and_leaves_the_old_one_as_it_is() {
    let first = share("replaced", Share::bytes("one")).unwrap();
    let second = share("replaced", Share::bytes(vec![7; 100_000])).unwrap();
    let now = shared("replaced").unwrap();
    assert_eq!((&*first, first.version()), (&b"one"[..], 1));
    assert_eq!((now.version(), second.version(), now.len()), (2, 2, 100_000));
    assert!(now.iter().all(|byte| *byte == 7));
    assert_eq!(format!("{now:?}"), "Shared { version: 2, bytes: 100000 }");
    assert_eq!(&*share("replaced", Share::bytes("")).unwrap(), b"");
    assert_eq!(shared("replaced").unwrap().version(), 3);
}

#[test]
fn a_file_is_copied_as_it_was_and_may_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    fs::write(&path, &content).unwrap();
    let copied = share("file", Share::file(&path)).unwrap();
    fs::write(&path, "other").unwrap();
    fs::remove_file(&path).unwrap();
    assert!(*copied == content);
}

#[test]
fn what_cannot_be_shared_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let huge = folder.path().join("huge");
    // A file of holes, which takes no disk.
    File::create(&huge).unwrap().set_len(1 << 43).unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    for (name, path, kind, why) in [
        ("missing", folder.path().join("none"), ErrorKind::NotFound, "sharing `missing` failed: copying "),
        ("folder", folder.path().to_owned(), ErrorKind::InvalidInput, "not a regular file"),
        ("pipe", pipe, ErrorKind::InvalidInput, "not a regular file"),
        ("huge", huge, ErrorKind::OutOfMemory, "8796093022208 bytes are needed, and "),
        ("two words", folder.path().to_owned(), ErrorKind::InvalidInput, "its name must be 1 to 64 letters"),
    ] {
        let (found, message) = refusal(name, Share::file(path));
        assert!(found == kind && message.contains(why), "{found:?} {message}");
        assert!(shared(name).is_err());
    }
}

#[test]
fn an_unknown_name_is_told_with_the_known_ones() {
    share("known", Share::bytes("x")).unwrap();
    let error = shared("knwon").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let message = error.to_string();
    assert!(message.contains("no shared data `knwon`, only ") && message.contains("`known`"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn shared_data_cannot_be_changed_or_shortened() {
    use rustix::io::Errno;
    let shared = share("sealed", Share::bytes("constant")).unwrap();
    let file = shared.memory.file().unwrap();
    assert_eq!(rustix::io::write(file, b"x"), Err(Errno::BADF));
    assert!(rustix::fs::ftruncate(file, 0).is_err());
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    if let Ok(writable) = File::options().write(true).open(path) {
        assert_eq!(rustix::io::write(&writable, b"x"), Err(Errno::PERM));
        for length in [0, 100] {
            assert_eq!(rustix::fs::ftruncate(&writable, length), Err(Errno::PERM));
        }
        let unsealing = rustix::fs::fcntl_add_seals(&writable, rustix::fs::SealFlags::empty());
        assert_eq!(unsealing, Err(Errno::PERM));
    }
    assert_eq!(&*shared, b"constant");
}

/// Reads a message as a worker does, and returns its lines.
#[cfg(target_os = "linux")]
fn read(lifeline: &Lifeline) -> Option<String> {
    let (mut message, mut descriptors) = ([0; crate::config::LIFELINE_BYTES_MAX], Vec::new());
    let end = lifeline.workers_end();
    let count = platform::receive_message(end, &mut message, &mut descriptors, false).unwrap()?;
    assert_eq!(message[..32], [3; 32]);
    let lines = String::from_utf8_lossy(&message[32..count]).into_owned();
    assert_eq!(lines.lines().count(), descriptors.len());
    Some(lines)
}

#[cfg(target_os = "linux")]
#[test]
fn a_lifeline_has_one_message_at_most_with_all_that_was_not_read() {
    let lifeline = Lifeline::new().unwrap();
    share("one", Share::bytes("1")).unwrap();
    lifeline.begin(&[3; 32]).unwrap();
    share("two", Share::bytes("2")).unwrap();
    let read = || read(&lifeline);
    // Other tests share data at the same time.
    let all = read().unwrap();
    assert!(all.contains("one 1\n") && all.contains("two 1\n"), "{all}");
    share("two", Share::bytes("22")).unwrap();
    share("two", Share::bytes("222")).unwrap();
    let (mut new, mut messages) = (String::new(), 0);
    while let Some(lines) = read() {
        new += &lines;
        messages += 1;
    }
    assert!(new.contains("two 3\n") && !new.contains("two 2\n") && !new.contains("one "), "{messages}: {new}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_finds_each_version_whose_replacement_has_returned() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static RETURNED: AtomicU64 = AtomicU64::new(0);
    const LAST: u64 = 3000;
    let lifeline = Lifeline::new().unwrap();
    lifeline.begin(&[3; 32]).unwrap();
    let sharing = std::thread::spawn(|| {
        for _ in 0..LAST {
            let version = share("raced", Share::bytes("")).unwrap().version();
            RETURNED.store(version, Ordering::SeqCst);
        }
    });
    let mut found = 0;
    while found < LAST {
        let returned = RETURNED.load(Ordering::SeqCst);
        while let Some(lines) = read(&lifeline) {
            let version = lines.lines().find_map(|line| line.strip_prefix("raced ")?.parse().ok());
            found = version.unwrap_or(found);
        }
        assert!(found >= returned, "{found} after {returned}");
    }
    sharing.join().unwrap();
}
