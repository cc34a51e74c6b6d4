//! One pool route for each fault, beside routes that must continue to work.
//!
//! `cargo run --release --example faults`, then
//! `curl -i localhost:8000/segv localhost:8000/loop localhost:8000/oom localhost:8000/ok?id=7`: the last one
//! still returns 7. Look at the log, and at `/status`.
#![expect(unconditional_recursion, reason = "one of the routes overflows the stack")]
use std::{
    env,
    fmt::Display,
    fs::{self, File},
    hint::black_box,
    io::{self, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    pin::Pin,
    process::{self, Command},
    task::{Context, Poll},
    thread::sleep,
    time::Duration,
};

use futures_core::Stream;
use pixie_web::{
    App, BodyReader, Pool, Pools, ProcessType, Query, Result, Sandbox, State, Streamed, Writer, get, post, proc_env,
    put,
};
use rustix::{
    net::SendFlags,
    process::{PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd, pidfd_open},
};
use serde::Deserialize;

const MIB: usize = 1024 * 1024;

#[derive(Deserialize)]
struct Ask {
    id: String,
}

/// Returns the request's ID, so that a test finds a response that belongs to another request.
#[get("/ok")]
fn ok(ask: Query<Ask>) -> String {
    ask.id.clone()
}

#[get("/sync", sync)]
fn inline(ask: Query<Ask>) -> String {
    ask.id.clone()
}

#[get("/async")]
async fn on_runtime(ask: Query<Ask>) -> String {
    ask.id.clone()
}

/// 504: the worker is killed at the deadline.
#[get("/loop", deadline = "1s")]
fn endless() -> String {
    endless_loop()
}

fn endless_loop() -> ! {
    loop {
        black_box(0);
    }
}

/// 502: the worker crashes with a segmentation fault.
#[get("/segv")]
fn segv() -> String {
    // The first signal only removes the handler with which Rust's runtime reports stack overflows.
    loop {
        let _ = kill_process(getpid(), Signal::SEGV);
    }
}

/// 502: the worker aborts.
#[get("/abort")]
fn abort() -> String {
    process::abort()
}

/// 502: the system kills a program whose stack overflows.
#[get("/overflow")]
fn overflow() -> String {
    fn deeper(depth: u64) -> u64 {
        let ballast = black_box([depth; 64]);
        deeper(depth + 1) + ballast[0]
    }
    deeper(0).to_string()
}

/// 502: an allocation fails at the worker's memory limit, and the worker aborts.
#[get("/oom")]
fn out_of_memory() -> String {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box(vec![1u8; 1024 * 1024]));
    }
}

/// 502: the worker exits without a reply.
#[get("/exit")]
fn exit() -> String {
    process::exit(0)
}

/// 500: the worker catches the panic and continues.
#[get("/panic")]
fn panics() -> String {
    panic!("a handler panicked")
}

/// 502: writes random bytes into the connection to the main process, which rejects them.
#[get("/lies")]
fn lies() -> Result<String> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    // Writes to all sockets, because the number of that connection is not known.
    let open: Vec<_> = fs::read_dir("/proc/self/fd")?.flatten().map(|entry| entry.file_name()).collect();
    let numbers = open.iter().filter_map(|name| name.to_str()?.parse().ok()).filter(|number| *number > 2);
    for socket in numbers.filter_map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok()) {
        let _ = rustix::net::send(&socket, &[0xff; 64], SendFlags::NOSIGNAL);
    }
    Ok(endless())
}

/// 504 long before the deadline: uses more CPU time than a job may.
#[get("/burn", pool = "burners", deadline = "60s")]
fn burn() -> String {
    endless()
}

/// A stream that ends too early because the handler fails.
#[get("/cut/error", stream)]
fn cut_by_error(out: &mut Writer) -> Result<()> {
    out.write_all(b"the beginning")?;
    out.flush()?;
    Err(pixie_web::abort(500))
}

/// The same with a panic.
#[get("/cut/panic", stream)]
fn cut_by_panic(out: &mut Writer) -> Result<()> {
    out.send("the beginning")?;
    panic!("a stream panicked")
}

/// The same with a stream of the main process.
#[get("/cut/async")]
async fn cut_by_item() -> Streamed<Cut> {
    Streamed(Cut(Some("the beginning")))
}

/// The same with a stream that the worker reads to its end.
#[get("/cut/read", pool)]
fn cut_while_read() -> Streamed<Cut> {
    Streamed(Cut(Some("the beginning")))
}

/// Yields one piece and then an error.
struct Cut(Option<&'static str>);

impl Stream for Cut {
    type Item = io::Result<&'static str>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(self.0.take().ok_or_else(|| io::Error::other("an item was an error"))))
    }
}

/// 200: log events of a worker reach the log of the main process.
#[get("/event")]
fn event(ask: Query<Ask>) {
    tracing::warn!(id = ask.id, "a handler has something to tell");
}

/// A stream that sends nothing until its idle timeout.
#[get("/cut/stall", stream, pool = "impatient")]
fn cut_by_stall(out: &mut Writer) -> Result<()> {
    out.write_all(b"the beginning")?;
    out.flush()?;
    sleep(Duration::from_secs(60));
    Ok(())
}

/// Creates a file and crashes; if the file exists already, succeeds. So only a job that is retried succeeds.
fn once(ask: &Ask) -> String {
    if std::fs::File::create_new(&ask.id).is_ok() {
        process::abort()
    }
    "the second time".into()
}

/// 200: a GET is retried.
#[get("/once")]
fn get_once(ask: Query<Ask>) -> String {
    once(&ask)
}

/// 502: a POST is not retried.
#[post("/once", csrf = false)]
fn post_once(ask: Query<Ask>) -> String {
    once(&ask)
}

/// 200: this POST is retried, because of its option.
#[post("/once/idempotent", csrf = false, retry = true)]
fn post_idempotent(ask: Query<Ask>) -> String {
    once(&ask)
}

/// 502: this GET is not retried, because of its option.
#[get("/once/never", retry = false)]
fn get_never(ask: Query<Ask>) -> String {
    once(&ask)
}

/// Reports that it has begun and keeps the worker busy. The pool has one worker and a queue of one job.
#[get("/narrow/hold", pool = "narrow")]
fn narrow_hold(note: Query<Note>) -> Result<String> {
    note.write("started")?;
    Ok(slow(2000))
}

#[get("/narrow/ok", pool = "narrow")]
fn narrow_ok(ask: Query<Ask>) -> String {
    ask.id.clone()
}

/// Returns the kind of the error that the sandbox caused. The handler continues after the error, so the
/// status is 200.
fn said(deed: io::Result<()>) -> String {
    deed.map_or_else(|error| format!("{:?}", error.kind()), |()| "done".into())
}

/// PermissionDenied: the pool does not allow files.
#[get("/sandboxed/open-file", pool = "sandboxed")]
fn open_file() -> String {
    said(fs::read("/etc/passwd").map(drop))
}

/// PermissionDenied: the pool does not allow sockets.
#[get("/sandboxed/connect", pool = "sandboxed")]
fn connect() -> String {
    said(TcpStream::connect("127.0.0.1:9").map(drop))
}

/// PermissionDenied: the pool does not allow programs.
#[get("/sandboxed/exec", pool = "sandboxed")]
fn exec() -> String {
    said(Command::new("/bin/true").status().map(drop))
}

/// PermissionDenied: the pool does not allow processes. Limited, in case the sandbox is missing.
#[get("/sandboxed/fork-bomb", pool = "sandboxed")]
fn fork_bomb() -> String {
    said((0..100).try_for_each(|_| Command::new("/bin/sleep").arg("60").spawn().map(drop)))
}

/// FileTooLarge: in the only writable folder, a file may have 1 MB.
#[get("/sandboxed/huge-file", pool = "sandboxed")]
fn huge_file() -> String {
    let path = env::temp_dir().join(format!("pixie-faults-{}", process::id()));
    let written = File::create(&path).and_then(|mut file| (0..100).try_for_each(|_| file.write_all(&[0; MIB])));
    let _ = fs::remove_file(path);
    said(written)
}

/// 502: the memory limit also applies in the sandbox.
#[get("/sandboxed/oom", pool = "sandboxed")]
fn sandboxed_oom() -> String {
    out_of_memory()
}

#[get("/sandboxed/ok", pool = "sandboxed")]
fn sandboxed_ok(ask: Query<Ask>) -> String {
    ask.id.clone()
}

/// 200: output of a handler goes to the log, even if it is binary.
#[get("/garbage")]
fn garbage() -> Result<String> {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::io::stdout().write_all(&bytes)?;
    std::io::stderr().write_all(&bytes)?;
    Ok("survived its own garbage".into())
}

#[get("/sleep/<ms:int>")]
fn slow(ms: u64) -> String {
    sleep(Duration::from_millis(ms));
    format!("slept {ms} ms")
}

/// A file in which a handler records its progress for the test.
#[derive(Deserialize)]
struct Note {
    note: PathBuf,
}

impl Note {
    fn write(&self, text: impl Display) -> Result<()> {
        Ok(fs::write(&self.note, text.to_string())?)
    }
}

/// 502: aborts in the middle of an upload. Each run adds a line to the file.
#[put("/upload/abort", body_limit = "1GB")]
fn upload_abort(note: Query<Note>, mut body: BodyReader) -> Result<()> {
    writeln!(File::options().create(true).append(true).open(&note.note)?, "started")?;
    body.read_exact(&mut vec![0; MIB])?;
    process::abort()
}

/// 504: stops reading in the middle of an upload.
#[put("/upload/loop", body_limit = "1GB", deadline = "1s")]
fn upload_loop(mut body: BodyReader) -> Result<String> {
    body.read_exact(&mut vec![0; MIB])?;
    endless_loop()
}

/// 200: reads the whole upload. 408 if the client stops to send.
#[put("/upload/short", body_limit = "1GB", deadline = "1s")]
fn upload_short(mut body: BodyReader) -> Result<String> {
    Ok(io::copy(&mut body, &mut io::sink())?.to_string())
}

/// Stops reading and never ends by itself; the deadline is far off.
#[put("/upload/deaf", body_limit = "1GB", deadline = "10m")]
fn upload_deaf(note: Query<Note>, mut body: BodyReader) -> Result<String> {
    body.read_exact(&mut vec![0; MIB])?;
    note.write(process::id())?;
    endless_loop()
}

/// 200 without reading the upload.
#[put("/upload/ignored", body_limit = "1GB")]
fn upload_ignored(_body: BodyReader) -> &'static str {
    "not read"
}

/// Reads the whole upload and records how it ended.
#[put("/upload/noted", body_limit = "1GB", deadline = "10m")]
fn upload_noted(note: Query<Note>, mut body: BodyReader) -> Result<String> {
    note.write("started")?;
    let copied = io::copy(&mut body, &mut io::sink());
    note.write(if copied.is_ok() { "complete" } else { "broken off" })?;
    Ok(copied?.to_string())
}

/// 200: writes until the client disconnects, and records how many bytes were written.
#[get("/flood", stream)]
fn flood(note: Query<Note>, out: &mut Writer) -> Result<()> {
    let piece = vec![b'~'; 64 * 1024];
    for pieces in 0.. {
        note.write(pieces * piece.len())?;
        if let Err(error) = out.send(&piece) {
            note.write("disconnected")?;
            return Err(error.into());
        }
    }
    Ok(())
}

/// 200: a stream whose first piece is sent half a second after its head.
#[get("/drip", stream)]
fn drip(out: &mut Writer) -> Result<()> {
    out.start()?;
    sleep(Duration::from_millis(500));
    Ok(out.send("late")?)
}

/// 200, and then the stream ends too early, because its worker aborts.
#[get("/broken", stream)]
fn broken(out: &mut Writer) -> Result<()> {
    out.send("a beginning without an end")?;
    process::abort()
}

/// 200: `count` lines of 16 KiB, each with the request's ID.
#[get("/lines/<count:int>", stream)]
fn lines(count: u64, ask: Query<Ask>) -> impl Iterator<Item = String> {
    let id = ask.id.clone();
    (0..count).map(move |number| format!("{id} {number:>16000}\n"))
}

/// 200: a body of so many MiB at once. It begins with its number of MiB.
#[get("/big/<mib:int>")]
fn big(mib: usize) -> Vec<u8> {
    let mut body = vec![b'.'; mib * MIB];
    body[..8].copy_from_slice(&mib.to_be_bytes());
    body
}

/// Returns the counters of all pools, with a name and a number in each line.
/// Answers with the process id of the server and the variable of its release.
#[get("/release", sync)]
fn release() -> String {
    format!("{} {}", process::id(), env::var("RELEASE").unwrap_or_default())
}

#[get("/counts", sync)]
fn counts(pools: State<Pools>) -> String {
    let pools = pools.snapshots();
    let sum = |count: fn(&pixie_web::pool::Counts) -> u64| pools.iter().map(|pool| count(&pool.counts)).sum::<u64>();
    let killed = |c: &pixie_web::pool::Counts| c.kills.values().sum();
    let lines = [
        ("jobs", sum(|c| c.jobs)),
        ("exited", sum(|c| c.exits.values().sum())),
        ("killed", sum(killed)),
        ("restarts", sum(|c| c.restarts)),
        ("start_failures", sum(|c| c.start_failures)),
        ("retries", sum(|c| c.retries)),
        ("moves", sum(|c| c.moves)),
        ("refused", sum(|c| c.refused.values().sum())),
    ];
    lines.iter().map(|(name, number)| format!("{name} {number}\n")).collect()
}

fn main() -> Result<()> {
    // Lets a test break the start of workers while the server runs.
    if proc_env().process_type == ProcessType::Pool
        && env::var_os("PIXIE_FAULTS_FLAG").is_some_and(|flag| Path::new(&flag).exists())
    {
        process::exit(1);
    }
    let sandbox = Sandbox::strict().write(env::temp_dir()).file_size("1MiB");
    App::collect()
        .worker_memory(256 * 1024 * 1024)
        .pool(Pool::named("burners").size(0..=1).cpu_time(Duration::from_millis(500)))
        .pool(Pool::named("impatient").size(0..=1).stream_idle_timeout(Duration::from_millis(300)))
        .pool(Pool::named("sandboxed").size(0..=1).spares(0).memory("256MB").sandbox(sandbox))
        .pool(Pool::named("narrow").size(1).spares(0).queue(1).queue_timeout(Duration::from_millis(300)))
        .restart_timeout(Duration::from_secs(if env::var_os("PIXIE_FAULTS_HASTE").is_some() { 1 } else { 60 }))
        .response_backlog("16MiB", "1GiB")
        .status("/status")
        .run()
}
