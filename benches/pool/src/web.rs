//! Deadlines and large bodies as an HTTP client sees them: an app in another process, on the loopback
//! interface.
//!
//! The process is this program with a role. Its workers are this program with the same role, so the app must
//! start before anything else.

use std::{
    env,
    hint::black_box,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    pin::Pin,
    process::{Command, Stdio},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use bench_kit::{
    Result,
    http::Client,
    process::{Killed, PAUSE},
};
use bytes::Bytes;
use http_body::Frame;
use pixie_web::{App, Body, BodyReader, FromRequest, Needs, Request, Response, Route};

use crate::{measure::DEADLINE, raw::ROLE};

const NAME: &str = "web";
/// Bytes of a body.
const BODY_BYTES: usize = 256 * 1024 * 1024;
/// Bytes that the client sends or reads at once, and that the app writes at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Time limit for the start of the app, until it answers.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Time limit for one response.
const PATIENCE: Duration = Duration::from_secs(5);

/// Returns whether this process is the app or one of its workers.
pub(crate) fn is_played() -> bool {
    env::args().skip(1).eq([ROLE, NAME])
}

/// Runs the app until the process is killed, or runs as one of its workers.
pub(crate) fn play() -> Result<()> {
    let app = App::new()
        .route(Route::get("/ok").pool(|_| "ok"))
        .route(Route::put("/thread").thread(count).needs(reads()).body_limit(BODY_BYTES as u64))
        .route(Route::put("/pool").pool(count).needs(reads()).body_limit(BODY_BYTES as u64))
        .route(Route::get("/async").asynchronous(async |_| Response::new(Body::new(Given(BODY_BYTES)))))
        .route(Route::get("/stream").stream(|_| (0..BODY_BYTES / PIECE_BYTES).map(|_| piece())))
        .route(Route::get("/loop").pool(|_| endless()).deadline(DEADLINE))
        .workers(1)
        .development(false)
        .banner(false);
    app.run().map_err(|error| format!("run an app: {error}").into())
}

fn reads() -> Needs {
    Needs::default().extractor::<BodyReader>()
}

fn count(request: &mut Request) -> pixie_web::Result<String> {
    Ok(io::copy(&mut BodyReader::from_request(request)?, &mut io::sink())?.to_string())
}

fn piece() -> Bytes {
    static PIECE: [u8; PIECE_BYTES] = [b'x'; PIECE_BYTES];
    Bytes::from_static(&PIECE)
}

/// A body of so many bytes.
struct Given(usize);

impl http_body::Body for Given {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let left = self.0.checked_sub(PIECE_BYTES);
        Poll::Ready(left.map(|left| {
            self.0 = left;
            Ok(Frame::data(piece()))
        }))
    }
}

fn endless() -> &'static str {
    loop {
        black_box(());
    }
}

/// The app, with a connection to it.
pub(crate) struct Web {
    client: Client,
    address: SocketAddr,
    _process: Killed,
}

impl Web {
    /// Starts the app and returns once it answers.
    pub(crate) fn start() -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(env::current_exe()?);
        command.args([ROLE, NAME]).env("PIXIE_HOST", "127.0.0.1").env("PIXIE_PORT", port.to_string());
        // The log of the app has a line for each killed worker.
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let client = Client::new(address, PATIENCE);
        let mut web = Web { client, address, _process: Killed(child) };
        let start = Instant::now();
        while web.ask("/ok", 200).is_err() {
            if start.elapsed() > START_LIMIT {
                return Err("start an app: it does not answer".into());
            }
            thread::sleep(PAUSE);
        }
        Ok(web)
    }

    /// Requests an endless route. Returns how long after its deadline the 504 came.
    pub(crate) fn miss_deadline(&mut self) -> Result<Duration> {
        self.ask("/ok", 200)?;
        let start = Instant::now();
        self.ask("/loop", 504)?;
        Ok(start.elapsed().saturating_sub(DEADLINE))
    }

    /// Sends a body and returns how long it took until the response.
    pub(crate) fn upload(&self, target: &str) -> Result<Duration> {
        let (mut stream, start) = (self.begin("PUT", target, BODY_BYTES)?, Instant::now());
        (0..BODY_BYTES / PIECE_BYTES).try_for_each(|_| stream.write_all(&piece()))?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        match response.ends_with(&BODY_BYTES.to_string()) {
            true => Ok(start.elapsed()),
            false => Err(format!("send a body to {target}: {response}").into()),
        }
    }

    /// Reads a body and returns how long it took.
    pub(crate) fn download(&self, target: &str) -> Result<Duration> {
        let (mut stream, start) = (self.begin("GET", target, 0)?, Instant::now());
        let (mut target_bytes, mut count) = (vec![0; PIECE_BYTES], 0);
        loop {
            match stream.read(&mut target_bytes)? {
                0 if count > BODY_BYTES => return Ok(start.elapsed()),
                0 => return Err(format!("read the body of {target}: {count} bytes came").into()),
                read => count += read,
            }
        }
    }

    fn begin(&self, method: &str, target: &str, bytes: usize) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address)?;
        let head = "Host: localhost\r\nConnection: close\r\nContent-Length:";
        write!(stream, "{method} {target} HTTP/1.1\r\n{head} {bytes}\r\n\r\n")?;
        Ok(stream)
    }

    fn ask(&mut self, target: &str, expected: u16) -> Result<()> {
        match self.client.get(target)?.status {
            status if status == expected => Ok(()),
            status => Err(format!("ask for {target}: the answer is {status}, not {expected}").into()),
        }
    }
}
