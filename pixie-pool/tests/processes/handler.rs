//! What the workers of these tests run: the job's head is a command.

use std::{
    cell::Cell,
    fs::File,
    hint::black_box,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pixie_pool::{Failure, Handler, Job};
use rustix::{
    net::{SendFlags, Shutdown, SocketType, send, shutdown, sockopt::socket_type},
    process::{
        PidfdFlags, PidfdGetfdFlags, Resource, Signal, getpid, getrlimit, kill_process, pidfd_getfd, pidfd_open,
    },
};

use crate::{calls, data, deeds, fresh};

/// The process that has prepared what the workers share: a fork server, or an executed worker itself.
static PREPARED_BY: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread has prepared something.
    static HAS_PREPARED: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn prepare() {
    HAS_PREPARED.set(true);
    PREPARED_BY.store(std::process::id() as usize, Ordering::Relaxed);
    data::prepare();
}

pub(crate) fn handler() -> Handler {
    let farewell = Farewell(std::env::var_os("FAREWELL"));
    Arc::new(move |job: Job| {
        let _owned = &farewell;
        let head = String::from_utf8_lossy(job.head()).into_owned();
        let (command, argument) = head.split_once(' ').unwrap_or((&head, ""));
        run(job, command, argument);
    })
}

/// Writes to a file when it is dropped, as a value of a program that has something to save.
struct Farewell(Option<std::ffi::OsString>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::write(path, "saved");
        }
    }
}

/// Panics when it is dropped, as the payload of a panic.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("it goes off");
    }
}

/// The jobs `turn` that this worker has run.
static TURNS: AtomicUsize = AtomicUsize::new(0);

fn run(mut job: Job, command: &str, argument: &str) {
    match command {
        "say" => answer(job, argument),
        "call" => calls::run(job, argument),
        "data" => {
            let found = data::look(argument);
            answer(job, &found);
        }
        "prepared" => answer(job, &PREPARED_BY.load(Ordering::Relaxed).to_string()),
        "thread" => answer(job, &format!("{:?} {}", std::thread::current().name(), HAS_PREPARED.get())),
        "parent" => answer(job, &std::os::unix::process::parent_id().to_string()),
        "leave" => {
            fresh::leave(argument);
            answer(job, "left");
        }
        "look" => {
            let found = fresh::look(argument);
            answer(job, &found);
        }
        "pid" => answer(job, &std::process::id().to_string()),
        "identity" => answer(job, &format!("{:?}", pixie_pool::identity())),
        "variable" => answer(job, &std::env::var(argument).unwrap_or("unset".to_owned())),
        "data-limit" => answer(job, &getrlimit(Resource::Data).maximum.unwrap_or(0).to_string()),
        "core-limit" => answer(job, &format!("{:?}", getrlimit(Resource::Core).maximum)),
        "remaining" => {
            let left = job.time_limit().remaining().map_or(0, |r| r.as_millis());
            answer(job, &left.to_string());
        }
        "extend" => extend(job, argument),
        "extend-and-spin" => {
            job.time_limit().extend(Duration::from_secs(60));
            crash("spin", "")
        }
        "spin-beside-program" => {
            let program = std::process::Command::new("/bin/sleep").arg("60").spawn().map(|process| process.id());
            std::fs::write(argument, program.expect("it can be started").to_string()).expect("it can be written");
            crash("spin", "")
        }
        "burn" => burn(job, argument.parse().unwrap_or(0)),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(argument.parse().unwrap_or(0)));
            answer(job, argument);
        }
        "hoard" => {
            hoard(argument.parse().unwrap_or(0));
            answer(job, &std::process::id().to_string());
        }
        "share" => share(job, argument.parse().unwrap_or(0)),
        "detach" => detach(job),
        "orphan" => orphan(job),
        "count" => {
            let count = std::io::copy(job.body(), &mut std::io::sink()).unwrap_or(0);
            answer(job, &count.to_string());
        }
        "read-some" => {
            let mut some = [0; 100];
            let read = job.body().read_exact(&mut some).is_ok();
            answer(job, &read.to_string());
        }
        "echo" => echo(job),
        "relay" => relay(job),
        "gather" => gather(job),
        "stream" => stream(job, argument.parse().unwrap_or(0)),
        "cut" => cut(job),
        "stand-still" => stand_still(job),
        "big" => {
            let body = vec![b'x'; argument.parse().unwrap_or(0)];
            let _ = job.reply(b"big", &body);
        }
        "elsewhere" => drop(std::thread::spawn(move || answer(job, "from another thread"))),
        "fail" => job.fail(Failure::error("it would not")),
        "drop" => drop(job),
        "panic" => panic!("this is {argument}"),
        "threads" => {
            let start = |_| std::thread::Builder::new().stack_size(64 * 1024).spawn(std::thread::park);
            let started = (0..argument.parse().unwrap_or(0)).filter_map(|n: u32| start(n).ok()).count();
            answer(job, &started.to_string());
        }
        "threads-and-spin" => {
            (0..argument.parse().unwrap_or(0)).for_each(|_: u32| drop(std::thread::spawn(std::thread::park)));
            crash("spin", "")
        }
        "bomb" => std::panic::panic_any(Bomb),
        "noise" => noise(job),
        "until-canceled" => until_canceled(job, argument),
        "slow" => {
            (0..5_000_000_u64).for_each(|i| {
                black_box(i);
            });
            answer(job, "slow");
        }
        "once" => once(job, argument),
        "once-later" => {
            std::thread::sleep(Duration::from_millis(600));
            once(job, argument);
        }
        "begin-and-abort" => {
            let mut writer = job.start(b"begun").expect("the head can be sent");
            writer.write_all(b"a piece").and_then(|()| writer.flush()).expect("a piece can be sent");
            std::process::abort()
        }
        "read-and-abort" => {
            let mut body = Vec::new();
            let _ = job.body().read_to_end(&mut body);
            if body.last() == argument.as_bytes().first() {
                std::process::abort()
            }
            answer(job, "another one");
        }
        "hang-up" => hang_up(),
        "answer-and-lie" => {
            answer(job, "answered");
            for socket in own_connections() {
                let _ = send(socket, &[0xff; 64], SendFlags::NOSIGNAL);
            }
        }
        "wait-and-abort" => {
            while !std::path::Path::new(argument).exists() {
                black_box(0);
            }
            std::process::abort()
        }
        "wait-and-crash-once" => {
            while !std::path::Path::new(argument).exists() {
                black_box(0);
            }
            once(job, &format!("{argument}.crashed"));
        }
        "turn" => answer(job, &TURNS.fetch_add(1, Ordering::Relaxed).to_string()),
        "note" => {
            note(argument);
            answer(job, argument);
        }
        "note-and-hold" => {
            note(argument);
            let gate = std::env::var("NOTES").unwrap_or_default() + ".open";
            while !std::path::Path::new(&gate).exists() {
                black_box(0);
            }
            answer(job, argument);
        }
        "note-and-abort" => {
            note(argument);
            std::process::abort()
        }
        "note-and-stop" => {
            note(argument);
            // Another thread may get the signal, and this one may run on for a moment.
            loop {
                let _ = kill_process(getpid(), Signal::STOP);
            }
        }
        _ => match deeds::attempt(command, argument) {
            Some(outcome) => answer(job, &outcome),
            None => crash(command, argument),
        },
    }
}

/// Writes to a file that this worker has started a job. Keeps the file open, so that this takes little time.
fn note(job: &str) {
    static NOTES: OnceLock<File> = OnceLock::new();
    let open = || {
        let path = std::env::var("NOTES").expect("the test says where the notes are");
        File::options().append(true).open(path).expect("the test has created the file")
    };
    let line = format!("{job} {}\n", std::process::id());
    NOTES.get_or_init(open).write_all(line.as_bytes()).expect("a note can be written");
}

/// Asks several times for so many milliseconds more, and waits longer than the first deadline.
fn extend(job: Job, argument: &str) {
    let time = job.time_limit();
    let before = time.remaining().unwrap_or_default();
    let granted: Vec<_> =
        argument.split(' ').map(|ms| time.extend(Duration::from_millis(ms.parse().unwrap_or(0))).as_millis()).collect();
    std::thread::sleep(before);
    answer(job, &format!("{granted:?}"));
}

/// Uses so much CPU time.
fn burn(job: Job, milliseconds: i64) {
    let used = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let begun = used();
    let passed_ms = || {
        let now = used();
        (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1_000_000
    };
    while passed_ms() < milliseconds {
        black_box(0);
    }
    answer(job, "burnt");
}

/// Allocates so much memory and keeps it.
fn hoard(bytes: usize) {
    std::mem::forget(black_box(vec![1_u8; bytes]));
}

/// Fills so many bytes of shared memory, which `RLIMIT_DATA` does not count.
fn share(job: Job, bytes: usize) {
    let file = rustix::fs::memfd_create("shared", rustix::fs::MemfdFlags::CLOEXEC).expect("Linux has files in memory");
    let mut file = File::from(file);
    let piece = vec![1_u8; 1024 * 1024];
    for _ in 0..bytes / piece.len() {
        file.write_all(&piece).expect("the file may grow");
    }
    answer(job, "held");
}

/// Starts a process outside of the worker's process group, which is killed with the worker.
fn detach(job: Job) {
    let mut command = std::process::Command::new("/bin/sleep");
    let detached = command.arg("60").process_group(0).spawn().map(|process| process.id());
    answer(job, &detached.expect("it can be started").to_string());
}

/// Leaves a process that has no parent and ends at once.
fn orphan(job: Job) {
    let left = std::process::Command::new("/bin/sh").args(["-c", "setsid sh -c : & echo $!"]).output();
    let pid = String::from_utf8(left.expect("it can be started").stdout).expect("a number");
    answer(job, pid.trim());
}

pub(crate) fn answer(job: Job, text: &str) {
    let _ = job.reply(b"ok", text.as_bytes());
}

/// Ends the process in the requested way, or never returns.
fn crash(command: &str, argument: &str) {
    match command {
        // std's handler for stack overflows gets the first signal, and then removes itself.
        "segv" => loop {
            let _ = kill_process(getpid(), Signal::SEGV);
        },
        "kill" => loop {
            let _ = kill_process(getpid(), Signal::KILL);
        },
        "abort" => std::process::abort(),
        "curse" => curse(),
        "exit" => {
            eprintln!("leaving with {argument}");
            std::process::exit(argument.parse().unwrap_or(0))
        }
        "overflow" => {
            black_box(descend(0));
        }
        "spin" => loop {
            black_box(0);
        },
        "oom" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1_u8; 1024 * 1024]));
            }
        }
        other => panic!("unknown command {other}"),
    }
}

/// Closes the connection to the pool, of which this process then hears nothing, and goes on.
fn hang_up() -> ! {
    for socket in own_connections() {
        let _ = shutdown(socket, Shutdown::Write);
    }
    loop {
        black_box(0);
    }
}

/// Returns the sockets of this process, except the one that workers share.
fn own_connections() -> Vec<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).expect("it can open itself");
    let open = std::fs::read_dir("/proc/self/fd").expect("Linux lists descriptors").flatten();
    open.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok())
        .filter(|file| socket_type(file) == Ok(SocketType::STREAM))
        .collect()
}

/// Exits after printing an attacker's text, as a worker that prints its request would.
pub(crate) fn curse() -> ! {
    eprintln!("{}\nERROR all is lost\r\n\x1b[2J", "x".repeat(5000));
    std::process::exit(1)
}

fn descend(depth: u64) -> u64 {
    let room = black_box([depth; 1024]);
    if black_box(depth) == u64::MAX { 0 } else { descend(depth + 1) + room[5] }
}

fn echo(mut job: Job) {
    let head = job.head().to_vec();
    let mut body = Vec::new();
    if job.body().read_to_end(&mut body).is_ok() {
        let _ = job.reply(&head, &body);
    }
}

/// Sends each piece of the body back as it arrives.
fn relay(job: Job) {
    let mut body = job.detached_body();
    let Ok(mut writer) = job.start(b"relaying") else {
        return;
    };
    loop {
        let sent = match body.next_piece() {
            Ok(Some(piece)) => writer.write_all(&piece),
            Ok(None) => break,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            return eprintln!("broken off: {:?}", error.kind());
        }
    }
    let _ = writer.finish();
}

/// Sends the head, reads the whole body, and then sends its length.
fn gather(job: Job) {
    let Ok(mut writer) = job.start(b"gathering") else {
        return;
    };
    if let Ok(count) = std::io::copy(writer.body(), &mut std::io::sink()) {
        let _ = writer.write_all(count.to_string().as_bytes());
        let _ = writer.finish();
    }
}

fn stream(job: Job, bytes: usize) {
    let Ok(mut writer) = job.start(b"streaming") else {
        return;
    };
    let piece = vec![b's'; 10_000];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(piece.len());
        if let Err(error) = writer.write_all(&piece[..count]) {
            return eprintln!("broken off: {:?}", error.kind());
        }
        left -= count;
    }
    let _ = writer.finish();
}

fn cut(job: Job) {
    let Ok(mut writer) = job.start(b"cut") else {
        return;
    };
    let _ = writer.write_all(b"the beginning");
    let _ = writer.flush();
}

fn stand_still(job: Job) {
    let Ok(mut writer) = job.start(b"still") else {
        return;
    };
    let _ = writer.write_all(b"one piece");
    let _ = writer.flush();
    crash("spin", "");
}

fn noise(job: Job) {
    let junk: Vec<u8> = (0..1024 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let _ = std::io::stdout().write_all(&junk);
    let _ = std::io::stderr().write_all(&junk);
    answer(job, "quiet again");
}

/// Writes to a file, runs until the job is canceled, then writes to the file again.
fn until_canceled(job: Job, mark: &str) {
    let _ = std::fs::write(mark, "started");
    let cancellation = job.cancellation();
    while !cancellation.is_canceled() {
        black_box(0);
    }
    let _ = std::fs::write(mark, "canceled");
    drop(job);
}

/// Crashes unless the file exists, and creates the file.
fn once(job: Job, mark: &str) {
    if std::path::Path::new(mark).exists() {
        return answer(job, "the second time");
    }
    let _ = std::fs::write(mark, "");
    std::process::abort()
}
