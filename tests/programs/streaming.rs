//! Large request and response bodies on real programs with real workers: constant memory, back-pressure, and
//! clients that disconnect.
use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hasher},
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
};

use crate::support::{Answer, Program, peak_memory, read_head, states, until};

const MIB: usize = 1024 * 1024;
const GIB: usize = 1024 * MIB;
/// Limits how much a process may grow while it transfers a GiB. A few windows and buffers, so the body is not
/// collected.
const GROWTH_KIB_MAX: u64 = 32 * 1024;
/// Limits the bytes that are on their way to a client that does not read: mostly the buffers of two sockets.
const IN_FLIGHT_MAX: usize = 48 * MIB;

/// The peaks of a program and its workers before something happens.
struct Peaks(Vec<(u32, u64)>);

impl Peaks {
    fn of(program: &Program) -> Peaks {
        let pids = program.workers().into_iter().chain([program.pid()]);
        Peaks(pids.map(|pid| (pid, peak_memory(pid))).collect())
    }

    fn assert_small_growth(&self) {
        for (pid, before) in &self.0 {
            let growth = peak_memory(*pid) - before;
            assert!(growth < GROWTH_KIB_MAX, "process {pid} grew by {growth} KiB from {before} KiB");
        }
    }
}

/// A block whose length is a prime, so that a lost or doubled byte changes everything behind it.
fn block() -> Vec<u8> {
    (0..65_521_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Sends this many bytes of blocks, and returns the digest that the example must compute.
fn send_blocks(stream: &mut TcpStream, bytes: usize) -> String {
    let (block, mut hasher, mut left) = (block(), DefaultHasher::new(), bytes);
    while left > 0 {
        let piece = &block[..left.min(block.len())];
        stream.write_all(piece).expect("the body can be sent");
        hasher.write(piece);
        left -= piece.len();
    }
    format!("{bytes} {:016x}", hasher.finish())
}

/// Sends the head of a PUT with a length, but not its body.
fn begin_upload(program: &Program, target: &str, bytes: usize) -> TcpStream {
    let mut stream = program.connect();
    let head = "Host: localhost\r\nConnection: close\r\nContent-Length:";
    write!(stream, "PUT {target} HTTP/1.1\r\n{head} {bytes}\r\n\r\n").expect("the head can be sent");
    stream
}

/// Sends a GET, and reads only the head of the response.
fn begin_download(program: &Program, target: &str) -> (TcpStream, String) {
    let mut stream = program.connect();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it can be sent");
    let head = read_head(&mut stream);
    (stream, head)
}

/// Reads pieces of a MiB, each beginning with its number, to the end.
fn read_pieces(stream: &mut TcpStream, count: u64) {
    let (mut piece, zeros) = (vec![0; MIB], vec![0; MIB - 8]);
    for number in 0..count {
        stream.read_exact(&mut piece).expect("there are more pieces");
        assert!(piece[..8] == number.to_le_bytes() && piece[8..] == zeros, "piece {number} is another one");
    }
    assert_eq!(stream.read(&mut piece).expect("it ends well"), 0, "there is more than announced");
}

fn note(folder: &Path) -> PathBuf {
    folder.join("note")
}

fn noted(folder: &Path) -> String {
    fs::read_to_string(note(folder)).unwrap_or_default()
}

#[test]
fn a_gib_uploaded_through_a_pool_route_takes_no_memory() {
    let program = Program::start_with("streaming", &[("PIXIE_WORKERS", "1")]);
    let peaks = Peaks::of(&program);
    let mut stream = begin_upload(&program, "/digest", GIB);
    let digest = send_blocks(&mut stream, GIB);
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.body), (200, digest));
    peaks.assert_small_growth();
}

#[test]
fn a_gib_downloaded_from_a_pool_route_takes_no_memory_and_its_length_is_known() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = File::create(folder.path().join("large")).expect("a file can be made");
    file.set_len(GIB as u64).expect("it can be long, without taking space");
    for number in 0..1024_u64 {
        file.write_all_at(&number.to_le_bytes(), number * MIB as u64).expect("it can be written");
    }
    let files = folder.path().to_str().expect("a plain path");
    let program = Program::start_with("streaming", &[("PIXIE_WORKERS", "1"), ("PIXIE_FILES", files)]);
    let peaks = Peaks::of(&program);
    let (mut stream, head) = begin_download(&program, "/files/large");
    assert!(head.contains("content-length: 1073741824\r\n"), "{head}");
    read_pieces(&mut stream, 1024);
    peaks.assert_small_growth();
    let asked = program.ask("HEAD /files/large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(asked.head.contains("content-length: 1073741824\r\n"), "{}", asked.head);
}

#[test]
fn a_gib_downloaded_from_a_stream_route_takes_no_memory_and_its_length_is_known() {
    let program = Program::start_with("streaming", &[("PIXIE_WORKERS", "1")]);
    let peaks = Peaks::of(&program);
    let (mut stream, head) = begin_download(&program, "/pieces/1024");
    assert!(head.contains("content-length: 1073741824\r\n"), "{head}");
    read_pieces(&mut stream, 1024);
    peaks.assert_small_growth();
}

#[test]
fn a_handler_answers_while_it_reads() {
    const BYTES: usize = 64 * MIB;
    let program = Program::start_with("streaming", &[("PIXIE_WORKERS", "1")]);
    let peaks = Peaks::of(&program);
    let mut stream = program.connect();
    // An HTTP/1.0 client gets the body without chunks.
    write!(stream, "POST /upper HTTP/1.0\r\nContent-Length: {BYTES}\r\n\r\n").expect("the head can be sent");
    let mut sending = stream.try_clone().expect("a socket has two directions");
    let sender = thread::spawn(move || send_blocks(&mut sending, BYTES));
    assert!(read_head(&mut stream).starts_with("http/1.0 200"));
    let (expected, mut piece, mut read) = (block().to_ascii_uppercase(), vec![0; 65_521], 0);
    while read < BYTES {
        let count = piece.len().min(BYTES - read);
        stream.read_exact(&mut piece[..count]).expect("there is more");
        assert!(piece[..count] == expected[..count], "the block at {read} is another one");
        read += count;
    }
    assert_eq!(stream.read(&mut piece).expect("it ends well"), 0);
    sender.join().expect("all of it was sent");
    peaks.assert_small_growth();
}

#[test]
fn uploads_reach_blocking_threads_and_pools_without_processes_as_well() {
    for (target, workers) in [("/thread/digest", "1"), ("/digest", "0"), ("/thread/digest", "0")] {
        let program = Program::start_with("streaming", &[("PIXIE_WORKERS", workers)]);
        let peaks = Peaks::of(&program);
        let mut stream = begin_upload(&program, target, 48 * MIB);
        let digest = send_blocks(&mut stream, 48 * MIB);
        let answer = Answer::read(&mut stream);
        assert_eq!((answer.status, answer.body), (200, digest), "{target} with {workers} workers");
        peaks.assert_small_growth();
    }
}

#[test]
fn an_uploaded_file_comes_back() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let files = folder.path().join("files");
    let files = files.to_str().expect("a plain path");
    let program = Program::start_with("streaming", &[("PIXIE_WORKERS", "1"), ("PIXIE_FILES", files)]);
    let stored =
        program.ask("PUT /files/note HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((stored.status, &*stored.body), (200, "note has 5 bytes\n"));
    assert_eq!(program.get("/files/note").body, "hello");
    let refused = program.ask("PUT /files/.. HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(refused.status, 400);
    // An upload that breaks off leaves no file behind.
    let mut begun = begin_upload(&program, "/files/begun", 10 * MIB);
    send_blocks(&mut begun, MIB);
    drop(begun);
    let names = || fs::read_dir(files).expect("it can be listed").flatten().map(|entry| entry.file_name());
    until("only the complete file is there", || names().eq(["note"]).then_some(()));
}

#[test]
fn a_client_that_waits_for_leave_to_send_gets_it() {
    let program = Program::start_with("streaming", &[("PIXIE_WORKERS", "1")]);
    let mut stream = program.connect();
    let head = "Host: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length:";
    write!(stream, "PUT /digest HTTP/1.1\r\n{head} 300000\r\n\r\n").expect("the head can be sent");
    assert_eq!(read_head(&mut stream), "http/1.1 100 continue\r\n\r\n");
    let digest = send_blocks(&mut stream, 300_000);
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, answer.body), (200, digest));
    // A body that is too long is refused before it is sent.
    let mut stream = program.connect();
    write!(stream, "PUT /digest HTTP/1.1\r\n{head} 20000000000\r\n\r\n").expect("the head can be sent");
    assert_eq!(Answer::read(&mut stream).status, 413);
}

#[test]
fn an_upload_that_nobody_reads_is_answered_at_once() {
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let mut stream = begin_upload(&faults, "/upload/ignored", GIB / 2);
    send_blocks(&mut stream, 64 * 1024);
    let answer = Answer::read(&mut stream);
    assert_eq!((answer.status, &*answer.body), (200, "not read"));
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    // After a short body the connection stays open.
    let mut stream = faults.connect();
    for _ in 0..3 {
        write!(stream, "PUT /upload/ignored HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            .expect("it is open");
        assert!(read_head(&mut stream).starts_with("http/1.1 200"));
        let mut body = [0; 8];
        stream.read_exact(&mut body).expect("the body can be read");
        assert_eq!(&body, b"not read");
    }
}

#[test]
fn a_worker_that_crashes_or_is_too_slow_in_an_upload_fails_it_at_once_and_only_once() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let abort = format!("/upload/abort?note={}", note(folder.path()).display());
    for (target, status) in [(&*abort, 502), ("/upload/loop", 504)] {
        // The client has not sent most of the body when the response arrives.
        let mut stream = begin_upload(&faults, target, 8 * MIB);
        send_blocks(&mut stream, MIB + 64 * 1024);
        assert_eq!(Answer::read(&mut stream).status, status, "{target}");
        assert_eq!(faults.get("/ok?id=alive").body, "alive", "after {target}");
    }
    // PUT is idempotent, but the streamed part of the body is lost, so the job is not retried.
    assert_eq!(noted(folder.path()), "started\n");
}

#[test]
fn a_half_closed_client_gets_its_answer_from_every_kind_of_route() {
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let targets = [
        ("/sync?id=7", "7"),
        ("/async?id=7", "7"),
        ("/ok?id=7", "7"),
        ("/sleep/20", "slept 20 ms"),
        ("/drip", "\r\nlate\r\n0\r\n\r\n"),
        ("/lines/100?id=7", " 99\n\r\n0\r\n\r\n"),
    ];
    for (target, end) in targets.into_iter().cycle().take(60) {
        let mut stream = faults.connect();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it can be sent");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let answer = Answer::read(&mut stream);
        assert!(answer.status == 200 && answer.body.ends_with(end), "{target}: {}, {}", answer.head, answer.body);
    }
    assert!(faults.get("/counts").body.contains("killed 0"));
}

#[test]
fn a_client_that_leaves_before_the_answer_frees_the_worker() {
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let mut stream = faults.connect();
    write!(stream, "GET /sleep/60000 HTTP/1.1\r\nHost: x\r\n\r\n").expect("it can be sent");
    let status = |part| faults.get("/status").body.contains(part).then_some(());
    until("the job runs", || status("\"label\":\"slow\""));
    drop(stream);
    until("its worker was killed for this reason", || status("\"cancel\":1"));
}

#[test]
fn a_client_that_leaves_in_an_upload_frees_the_worker() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let target = format!("/upload/noted?note={}", note(folder.path()).display());
    let mut stream = begin_upload(&faults, &target, 8 * MIB);
    send_blocks(&mut stream, MIB);
    until("the handler reads", || (!noted(folder.path()).is_empty()).then_some(()));
    drop(stream);
    // The deadline of the only worker is ten minutes away.
    assert_eq!(faults.get("/ok?id=free").body, "free");
    assert_ne!(noted(folder.path()), "complete");
}

#[test]
fn a_handler_that_does_not_notice_that_its_client_left_is_killed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let target = format!("/upload/deaf?note={}", note(folder.path()).display());
    let mut stream = begin_upload(&faults, &target, 8 * MIB);
    send_blocks(&mut stream, MIB + 64 * 1024);
    let pid: u32 = until("the handler has stopped to read", || noted(folder.path()).parse().ok());
    drop(stream);
    assert_eq!(faults.get("/ok?id=free").body, "free");
    until("its process is gone", || states(&[pid]).is_empty().then_some(()));
}

#[test]
fn a_client_that_leaves_in_a_download_frees_the_worker() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let (mut stream, _) = begin_download(&faults, &format!("/flood?note={}", note(folder.path()).display()));
    stream.read_exact(&mut vec![0; MIB]).expect("it is endless");
    drop(stream);
    // Without cancellation that handler would run without end.
    assert_eq!(faults.get("/ok?id=free").body, "free");
}

#[test]
fn a_client_that_does_not_read_holds_back_the_handler_which_goes_on_when_it_does() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let peaks = Peaks::of(&faults);
    let (mut stream, _) = begin_download(&faults, &format!("/flood?note={}", note(folder.path()).display()));
    let written = || noted(folder.path()).parse::<usize>().ok();
    let (mut last, mut looks) = (None, 0);
    until("the handler is held back", || {
        let now = written();
        looks = if now.is_some() && now == last { looks + 1 } else { 0 };
        last = now;
        (looks == 100).then_some(())
    });
    let held = last.expect("it was noted");
    assert!(held < IN_FLIGHT_MAX, "{held} bytes were written to a client that reads none");
    peaks.assert_small_growth();
    stream.read_exact(&mut vec![0; 2 * IN_FLIGHT_MAX]).expect("the stream goes on");
    assert!(until("a note is whole", written) > held);
}

#[test]
fn a_head_request_to_a_stream_costs_no_worker() {
    let faults = Program::start_with("faults", &[("PIXIE_WORKERS", "1")]);
    let mut stream = faults.connect();
    for target in ["/drip", "/lines/1000000?id=1"] {
        write!(stream, "HEAD {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it can be sent");
        assert!(read_head(&mut stream).starts_with("http/1.1 200 "), "{target}");
        // The only worker is free again, because it answers this request.
        assert_eq!(faults.get("/ok?id=free").body, "free");
    }
    let counts = faults.get("/counts").body;
    assert!(counts.contains("\nkilled 0\n"), "{counts}");
}
