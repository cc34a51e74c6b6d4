//! A server on its own port, and a client made of a plain socket.
//!
//! Every read of the client has a timeout, so a test that waits for missing bytes fails instead of hanging.

use std::{
    error::Error,
    future::Future,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use pixie_server::{BodyError, Config, Connection, Counters, Listener, RequestBody, Server, Shutdown, Stopped};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};
use tower_service::Service;

const PATIENCE: Duration = Duration::from_secs(10);

type Body = BoxBody<Bytes, BodyError>;
type BoxError = Box<dyn Error + Send + Sync>;

/// Heads of HTTP/2 and HTTP/3 that make a request malformed (RFC 9113, section 8.1.1; RFC 9114, section
/// 4.1.2).
#[cfg(feature = "http2")]
pub(crate) fn malformed_heads() -> Vec<Vec<(&'static str, &'static str)>> {
    let whole = || vec![(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/x")];
    let mut heads: Vec<_> = (0..4).map(|number| [whole(), vec![whole()[number]]].concat()).collect();
    for field in [
        (":unknown", "x"),
        (":status", "200"),
        (":protocol", "websocket"),
        ("X-Upper", "x"),
        ("a b", "x"),
        ("x", "a\r\nb"),
        ("x", "a\0b"),
        ("connection", "close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
    ] {
        heads.push([whole(), vec![field]].concat());
    }
    heads.push([whole(), vec![("te", "trailers"), ("te", "gzip")]].concat());
    for number in [0, 1, 3] {
        let (mut without, mut late) = (whole(), whole());
        let field = without.remove(number);
        late.remove(number);
        heads.extend([without, [late, vec![("x", "y"), field]].concat()]);
    }
    heads.push([&whole()[..3], &[(":path", "")]].concat());
    heads.push([&[(":method", "CONNECT")], &whole()[1..]].concat());
    heads
}

/// The service under test, with the paths that the tests need.
#[derive(Clone)]
pub(crate) struct App {
    /// `/slow` waits for one permit of this.
    pub(crate) gate: Arc<Semaphore>,
    /// Gets a permit when a request to `/slow` has begun.
    pub(crate) begun: Arc<Semaphore>,
    /// Gets a permit when a request to `/slow` or a stream has been dropped.
    pub(crate) dropped: Arc<Semaphore>,
    /// The connection that the service belongs to.
    pub(crate) connection: Option<Connection>,
}

impl App {
    pub(crate) fn new() -> App {
        let closed = || Arc::new(Semaphore::new(0));
        App { gate: closed(), begun: closed(), dropped: closed(), connection: None }
    }

    /// Returns the service of one connection.
    pub(crate) fn of(&self, connection: &Connection) -> App {
        App { connection: Some(connection.clone()), ..self.clone() }
    }
}

impl Service<Request<RequestBody>> for App {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        Box::pin(answer(self.clone(), request))
    }
}

async fn answer(app: App, request: Request<RequestBody>) -> Result<Response<Body>, BoxError> {
    match request.uri().path() {
        "/body" => Ok(read_all(request.into_body()).await),
        "/ends" => Ok(text(format!("{}", request.body().is_end_stream()))),
        "/peer" => Ok(text(app.connection.expect("the server tells it").peer.to_string())),
        "/tls" => Ok(text(format!("{:?}", app.connection.expect("the server tells it").tls))),
        "/upgrade" => Ok(upgrade(request)),
        "/panic" => panic!("asked for"),
        "/error" => Err("asked for".into()),
        "/fails" => Ok(Response::new(BodyExt::boxed(Broken { pieces: 1, length: None, fails: true }))),
        "/short" => Ok(Response::new(BodyExt::boxed(Broken { pieces: 1, length: Some(100), fails: false }))),
        "/large" => Ok(text("x".repeat(1 << 20))),
        "/medium" => Ok(text("x".repeat(1 << 13))),
        "/of-http1" => {
            let response = Response::builder().header("upgrade", "websocket").header("keep-alive", "5");
            Ok(response.body(text("unbound".to_owned()).into_body())?)
        }
        "/none" => Ok(Response::builder().status(204).body(text("unseen".to_owned()).into_body())?),
        "/same" => Ok(Response::builder().status(304).body(text("unseen".to_owned()).into_body())?),
        "/cookies" => Ok(text(format!("{:?}", request.headers().get_all("cookie").iter().collect::<Vec<_>>()))),
        "/trailers" => {
            let trailers = request.into_body().collect().await?.trailers().cloned();
            let body = Full::from("text").map_err(|never| match never {}).with_trailers(async { trailers.map(Ok) });
            Ok(Response::new(BodyExt::boxed(body)))
        }
        "/endless" => Ok(Response::new(BodyExt::boxed(Endless))),
        "/later" => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(text("later".to_owned()))
        }
        "/pieces" => {
            app.begun.add_permits(1);
            let _dropped = Dropped(app.dropped.clone());
            Ok(Response::new(BodyExt::boxed(Pieces { left: 2, gate: app.gate.clone(), turn: None, _dropped })))
        }
        "/slow" => {
            let _dropped = Dropped(app.dropped.clone());
            app.begun.add_permits(1);
            app.gate.acquire().await?.forget();
            Ok(text("slow".to_owned()))
        }
        path => Ok(text(format!("you asked for {path}"))),
    }
}

async fn read_all(body: RequestBody) -> Response<Body> {
    // Finds the error by its type inside the box, as a framework does.
    let read = body.map_err(BoxError::from).collect().await;
    let (status, said) = match read.map_err(|error| error.downcast_ref::<BodyError>().copied()) {
        Ok(all) => (StatusCode::OK, format!("{} bytes", all.to_bytes().len())),
        Err(Some(BodyError::Timeout)) => (StatusCode::REQUEST_TIMEOUT, "too slow".to_owned()),
        Err(other) => (StatusCode::BAD_REQUEST, format!("{other:?}")),
    };
    let mut response = text(said);
    *response.status_mut() = status;
    response
}

/// Upgrades from HTTP and echoes the bytes.
fn upgrade(request: Request<RequestBody>) -> Response<Body> {
    let is_http2 = request.version() == http::Version::HTTP_2;
    tokio::spawn(async {
        let upgraded = hyper::upgrade::on(request).await.unwrap();
        let mut io = hyper_util::rt::TokioIo::new(upgraded);
        let mut piece = [0; 16];
        while let Ok(count @ 1..) = io.read(&mut piece).await {
            io.write_all(&piece[..count]).await.unwrap();
        }
    });
    let mut response = text(String::new());
    if is_http2 {
        return response;
    }
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("echo"));
    response
}

fn text(text: String) -> Response<Body> {
    Response::new(Full::from(text).map_err(|never| match never {}).boxed())
}

/// A response that never ends.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 65536])))))
    }
}

/// A body that ends with an error or before its announced length.
struct Broken {
    pieces: u8,
    length: Option<u64>,
    fails: bool,
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.pieces == 0 {
            return Poll::Ready(self.fails.then_some(Err(BodyError::Malformed)));
        }
        self.pieces -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.length.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

/// Two pieces, each for one permit of the gate.
struct Pieces {
    left: usize,
    gate: Arc<Semaphore>,
    turn: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    _dropped: Dropped,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let gate = self.gate.clone();
        let turn = self.turn.get_or_insert_with(|| Box::pin(async move { gate.acquire().await.unwrap().forget() }));
        ready!(turn.as_mut().poll(cx));
        (self.turn, self.left) = (None, self.left - 1);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
    }
}

/// Adds a permit when it is dropped.
struct Dropped(Arc<Semaphore>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

/// A server in its own thread.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) counters: Counters,
    pub(crate) app: App,
    thread: JoinHandle<Stopped>,
}

impl Running {
    pub(crate) fn start(config: Config) -> Running {
        Running::on(Listener::bind("127.0.0.1", 0).unwrap(), config)
    }

    pub(crate) fn on(listener: Listener, config: Config) -> Running {
        let unused = SocketAddr::from(([127, 0, 0, 1], 0));
        let (address, shutdown) = (listener.local_addrs().first().copied().unwrap_or(unused), Shutdown::new());
        let counters = Counters::default();
        let server = Server::new(config).until(&shutdown).counting(&counters);
        let app = App::new();
        let service = app.clone();
        let thread = thread::spawn(move || {
            runtime().block_on(server.serve(listener, move |connection| service.of(connection))).unwrap()
        });
        Running { address, shutdown, counters, app, thread }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits until `count` requests to `/slow` have begun.
    pub(crate) fn wait_for_slow(&self, count: u32) {
        runtime().block_on(self.app.begun.acquire_many(count)).unwrap().forget();
    }

    /// Waits until `count` requests to `/slow` or streams have been dropped.
    pub(crate) fn wait_for_dropped(&self, count: u32) {
        let dropped = self.app.dropped.clone();
        let wait =
            async move { tokio::time::timeout(PATIENCE, dropped.acquire_many(count)).await.unwrap().unwrap().forget() };
        runtime().block_on(wait);
    }

    pub(crate) fn stop(self) -> Stopped {
        self.shutdown.trigger();
        self.thread.join().unwrap()
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A client that writes bytes and reads responses.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { socket, read: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) -> &mut Client {
        self.send_bytes(text.as_bytes())
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> &mut Client {
        self.socket.write_all(bytes).unwrap();
        self
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).answer()
    }

    /// Reads one response with a length, or with only a head.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_with(|head| {
            let length = head.split("content-length: ").nth(1)?;
            length.split("\r\n").next()?.parse().ok()
        })
    }

    pub(crate) fn answer_to_head(&mut self) -> Answer {
        self.answer_with(|_| None)
    }

    fn answer_with(&mut self, length: impl Fn(&str) -> Option<usize>) -> Answer {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read_more() > 0, "closed before an answer: {:?}", self.read);
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let length = length(&head).unwrap_or(0);
        while self.read.len() < length {
            assert!(self.read_more() > 0, "closed within an answer");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Answer { head, body }
    }

    /// Reads to the end of the connection and returns the bytes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_more() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// Returns whether the server ends the connection without a byte, or resets it because it did not read
    /// all.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.socket.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// Asserts that the server closes the connection and sends no further bytes.
    pub(crate) fn closes(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.rest()), "");
    }

    fn read_more(&mut self) -> usize {
        let mut piece = [0; 65536];
        let count = self.socket.read(&mut piece).expect("the server answers or closes in time");
        self.read.extend_from_slice(&piece[..count]);
        count
    }
}

/// A response as text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn says_close(&self) -> bool {
        self.head.contains("connection: close\r\n")
    }
}
