//! One pool route for each way to die, beside routes that must not notice.
//!
//! `cargo run --release --example faults`, then ask for `/segv`, `/loop` or `/oom` while `/ok?id=7` keeps answering 7, and for
//! `/status` to see what they did.
#![expect(unconditional_recursion, reason = "overflowing the stack is what one of the routes is for")]
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

/// Answers the request's own id, so that a mixed-up answer shows.
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

/// 504: the deadline kills it.
#[get("/loop", deadline = "1s")]
fn endless() -> String {
    endless_loop()
}

fn endless_loop() -> ! {
    loop {
        black_box(0);
    }
}

/// 502: dies of a segmentation fault.
#[get("/segv")]
fn segv() -> String {
    // The first one only removes the handler by which Rust's runtime reports stack overflows.
    loop {
        let _ = kill_process(getpid(), Signal::SEGV);
    }
}

/// 502.
#[get("/abort")]
fn abort() -> String {
    process::abort()
}

/// 502: the system ends a program whose stack overflows.
#[get("/overflow")]
fn overflow() -> String {
    fn deeper(depth: u64) -> u64 {
        let ballast = black_box([depth; 64]);
        deeper(depth + 1) + ballast[0]
    }
    deeper(0).to_string()
}

/// 502: the worker's memory limit fails an allocation, which aborts it.
#[get("/oom")]
fn out_of_memory() -> String {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1u8; 1024 * 1024]));
    }
}

/// 502: leaves without a word.
#[get("/exit")]
fn exit() -> String {
    process::exit(0)
}

/// 500: the worker catches it and lives.
#[get("/panic")]
fn panics() -> String {
    panic!("a handler panicked")
}

/// 502: writes rubbish into the connection to its server, which believes none of it.
#[get("/lies")]
fn lies() -> Result<String> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    // Whichever descriptor is that connection: all that are sockets get it.
    let sockets = (3..64).filter_map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok());
    for socket in sockets {
        let _ = rustix::net::send(&socket, &[0xff; 64], SendFlags::NOSIGNAL);
    }
    Ok(endless())
}

/// 504, also where the deadline is far off: it uses more CPU time than a job may.
#[get("/burn", pool = "burners", deadline = "60s")]
fn burn() -> String {
    endless()
}

/// A stream that is cut in the middle, by its handler.
#[get("/cut/error", stream)]
fn cut_by_error(out: &mut Writer) -> Result<()> {
    out.write_all(b"the beginning")?;
    out.flush()?;
    Err(pixie_web::abort(500))
}

/// The same by a panic.
#[get("/cut/panic", stream)]
fn cut_by_panic(out: &mut Writer) -> Result<()> {
    out.send("the beginning")?;
    panic!("a stream panicked")
}

/// The same by a stream of the main process.
#[get("/cut/async")]
async fn cut_by_item() -> Streamed<Cut> {
    Streamed(Cut(Some("the beginning")))
}

/// The same by a stream that a worker reads to its end.
#[get("/cut/read", pool)]
fn cut_while_read() -> Streamed<Cut> {
    Streamed(Cut(Some("the beginning")))
}

/// One piece, and then an error.
struct Cut(Option<&'static str>);

impl Stream for Cut {
    type Item = io::Result<&'static str>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(self.0.take().ok_or_else(|| io::Error::other("an item was an error"))))
    }
}

/// 200: events of a worker go to the log, too.
#[get("/event")]
fn event(ask: Query<Ask>) {
    tracing::warn!(id = ask.id, "a handler has something to tell");
}

/// A stream that stands still until its idle clock ends it.
#[get("/cut/stall", stream, pool = "impatient")]
fn cut_by_stall(out: &mut Writer) -> Result<()> {
    out.write_all(b"the beginning")?;
    out.flush()?;
    sleep(Duration::from_secs(60));
    Ok(())
}

/// Crashes unless the file is there that it leaves: whoever is given a second worker gets an answer.
fn once(ask: &Ask) -> String {
    if std::fs::File::create_new(&ask.id).is_ok() {
        process::abort()
    }
    "the second time".into()
}

/// 200: a GET may run again.
#[get("/once")]
fn get_once(ask: Query<Ask>) -> String {
    once(&ask)
}

/// 502: a POST may not.
#[post("/once", csrf = false)]
fn post_once(ask: Query<Ask>) -> String {
    once(&ask)
}

/// 200: this one may, as its author says.
#[post("/once/idempotent", csrf = false, retry = true)]
fn post_idempotent(ask: Query<Ask>) -> String {
    once(&ask)
}

/// 502: and this one may not.
#[get("/once/never", retry = false)]
fn get_never(ask: Query<Ask>) -> String {
    once(&ask)
}

/// One worker and one place in the queue: notes that it has begun, and holds the worker.
#[get("/narrow/hold", pool = "narrow")]
fn narrow_hold(note: Query<Note>) -> Result<String> {
    note.write("started")?;
    Ok(slow(2000))
}

#[get("/narrow/ok", pool = "narrow")]
fn narrow_ok(ask: Query<Ask>) -> String {
    ask.id.clone()
}

/// What the sandbox says of a deed: 200 and the kind of the error, with which the handler went on.
fn said(deed: io::Result<()>) -> String {
    deed.map_or_else(|error| format!("{:?}", error.kind()), |()| "done".into())
}

/// PermissionDenied: no file was allowed.
#[get("/sandboxed/open-file", pool = "sandboxed")]
fn open_file() -> String {
    said(fs::read("/etc/passwd").map(drop))
}

/// PermissionDenied: no socket is made.
#[get("/sandboxed/connect", pool = "sandboxed")]
fn connect() -> String {
    said(TcpStream::connect("127.0.0.1:9").map(drop))
}

/// PermissionDenied: no program is run.
#[get("/sandboxed/exec", pool = "sandboxed")]
fn exec() -> String {
    said(Command::new("/bin/true").status().map(drop))
}

/// PermissionDenied: no process is started. Bounded, should there be no sandbox.
#[get("/sandboxed/fork-bomb", pool = "sandboxed")]
fn fork_bomb() -> String {
    said((0..100).try_for_each(|_| Command::new("/bin/sleep").arg("60").spawn().map(drop)))
}

/// FileTooLarge: in the one folder where it may write, a file may have a MiB.
#[get("/sandboxed/huge-file", pool = "sandboxed")]
fn huge_file() -> String {
    let path = env::temp_dir().join(format!("pixie-faults-{}", process::id()));
    let written = File::create(&path).and_then(|mut file| (0..100).try_for_each(|_| file.write_all(&[0; MIB])));
    let _ = fs::remove_file(path);
    said(written)
}

/// 502: the memory limit holds here as anywhere.
#[get("/sandboxed/oom", pool = "sandboxed")]
fn sandboxed_oom() -> String {
    out_of_memory()
}

#[get("/sandboxed/ok", pool = "sandboxed")]
fn sandboxed_ok(ask: Query<Ask>) -> String {
    ask.id.clone()
}

/// 200: what a handler prints goes to the log, whatever it is.
#[get("/garbage")]
fn garbage() -> Result<String> {
    let rubbish: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::io::stdout().write_all(&rubbish)?;
    std::io::stderr().write_all(&rubbish)?;
    Ok("survived its own garbage".into())
}

#[get("/sleep/<ms:int>")]
fn slow(ms: u64) -> String {
    sleep(Duration::from_millis(ms));
    format!("slept {ms} ms")
}

/// Where a handler notes how far it has come.
#[derive(Deserialize)]
struct Note {
    note: PathBuf,
}

impl Note {
    fn write(&self, text: impl Display) -> Result<()> {
        Ok(fs::write(&self.note, text.to_string())?)
    }
}

/// 502: dies in the middle of an upload, once for each line of its note.
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

/// Stops reading, and only its end as a process will end it: its deadline is far off.
#[put("/upload/deaf", body_limit = "1GB", deadline = "10m")]
fn upload_deaf(note: Query<Note>, mut body: BodyReader) -> Result<String> {
    body.read_exact(&mut vec![0; MIB])?;
    note.write(process::id())?;
    endless_loop()
}

/// 200 without having read a byte of the upload.
#[put("/upload/ignored", body_limit = "1GB")]
fn upload_ignored(_body: BodyReader) -> &'static str {
    "not looked at"
}

/// Reads all of an upload, and notes how it ended.
#[put("/upload/noted", body_limit = "1GB", deadline = "10m")]
fn upload_noted(note: Query<Note>, mut body: BodyReader) -> Result<String> {
    note.write("started")?;
    let copied = io::copy(&mut body, &mut io::sink());
    note.write(if copied.is_ok() { "complete" } else { "broken off" })?;
    Ok(copied?.to_string())
}

/// 200 without an end: writes for as long as somebody reads, and notes how much that was.
#[get("/flood", stream)]
fn flood(note: Query<Note>, out: &mut Writer) -> Result<()> {
    let piece = vec![b'~'; 64 * 1024];
    for pieces in 0.. {
        note.write(pieces * piece.len())?;
        if let Err(error) = out.send(&piece) {
            note.write("nobody reads")?;
            return Err(error.into());
        }
    }
    Ok(())
}

/// 200: a stream whose first piece comes half a second after its head.
#[get("/drip", stream)]
fn drip(out: &mut Writer) -> Result<()> {
    out.start()?;
    sleep(Duration::from_millis(500));
    Ok(out.send("late")?)
}

/// 200, and then the stream is cut: its worker dies in the middle of it.
#[get("/broken", stream)]
fn broken(out: &mut Writer) -> Result<()> {
    out.send("a beginning without an end")?;
    process::abort()
}

/// 200: lines of 16 KiB, as many as were asked for, each with the request's own id.
#[get("/lines/<count:int>", stream)]
fn lines(count: u64, ask: Query<Ask>) -> impl Iterator<Item = String> {
    let id = ask.id.clone();
    (0..count).map(move |number| format!("{id} {number:>16000}\n"))
}

/// What has become of the workers so far, a name and a number in each line.
#[get("/counts", sync)]
fn counts(pools: State<Pools>) -> String {
    let pools = pools.snapshots();
    let sum = |count: fn(&pixie_web::pool::Counts) -> u64| pools.iter().map(|pool| count(&pool.counts)).sum::<u64>();
    let killed = |c: &pixie_web::pool::Counts| {
        let clocks = c.kills_deadline + c.kills_cpu_time + c.kills_cancel + c.kills_idle + c.kills_stuck;
        clocks + c.kills_memory + c.kills_protocol
    };
    let lines = [
        ("jobs", sum(|c| c.jobs)),
        ("died", sum(|c| c.deaths.values().sum())),
        ("killed", sum(killed)),
        ("restarts", sum(|c| c.restarts)),
        ("start_failures", sum(|c| c.start_failures)),
        ("retries", sum(|c| c.retries)),
        ("moves", sum(|c| c.moves)),
        ("refused", sum(|c| c.refused_full + c.refused_late + c.refused_broken)),
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
        .status("/status")
        .run()
}
