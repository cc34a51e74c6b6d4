//! WebSockets and event streams of running servers: over sockets, with signals, and during a stop.
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_core::Stream;
use pixie_web::{App, Event, FromRequest, Needs, Request, Response, Route, ServerConfig, Sse, WebSocket, Writer};

use crate::{
    run::start,
    support::{Program, connect, read_head, until},
};

/// A stop must be faster than this. The grace period is 10 s.
const STOP_MAX: Duration = Duration::from_secs(4);

/// A client that speaks just enough of the protocol.
struct Peer(TcpStream);

impl Peer {
    fn open(port: u16, target: &str) -> Peer {
        let mut stream = connect(port);
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .expect("the handshake can be sent");
        let head = read_head(&mut stream);
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
        Peer(stream)
    }

    /// Sends a frame, masked with 0.
    fn send(&mut self, opcode: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).expect("a short payload");
        let frame = [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat();
        self.0.write_all(&frame).expect("the frame can be sent");
    }

    /// Reads a short frame: its opcode and its payload.
    fn read(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a frame comes");
        let mut payload = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut payload).expect("its payload comes");
        (head[0] & 0xf, payload)
    }

    /// Reads frames until the close frame, and returns its code.
    fn closed(&mut self) -> u16 {
        loop {
            if let (8, payload) = self.read() {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

fn socket_route<F>(run: impl Fn(WebSocket) -> F + Send + Sync + Clone + 'static) -> Route
where
    F: Future<Output = Response> + Send + 'static,
{
    let handler = move |mut request: Request| {
        let run = run.clone();
        async move {
            match WebSocket::from_request(&mut request) {
                Ok(ws) => run(ws).await,
                Err(rejection) => rejection.into(),
            }
        }
    };
    Route::get("/ws").asynchronous(handler).needs(Needs::default().extractor::<WebSocket>())
}

fn echo() -> Route {
    socket_route(async |ws| {
        ws.run(async |mut socket| {
            while let Some(message) = socket.next().await {
                socket.send(message).await?;
            }
            Ok(())
        })
    })
}

#[test]
fn an_upgrade_of_http_10_is_ignored_and_frames_may_follow_a_handshake_at_once() {
    let running = start(App::new().route(echo()));
    let handshake = |version| {
        let mut stream = connect(running.port);
        let head = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        write!(stream, "GET /ws HTTP/{version}\r\n{head}\r\n\r\n\u{1}").expect("the handshake can be sent");
        stream
    };
    assert!(read_head(&mut handshake("1.0")).contains(" 426 "));
    // The byte behind the head is the first of a frame.
    let mut peer = Peer(handshake("1.1"));
    assert!(read_head(&mut peer.0).contains(" 101 "));
    peer.0.write_all(&[0x82, 0, 0, 0, 0, b'h', b'i']).expect("the frame can be sent");
    peer.send(0, b"!");
    assert_eq!(peer.read(), (1, b"hi!".to_vec()));
    running.shutdown.trigger();
    running.ended.join().expect("it does not panic").expect("it ends well");
}

#[test]
fn a_stop_tells_every_websocket_1012_and_does_not_wait_for_the_grace() {
    let mut chat = Program::start("chat");
    let mut peers: Vec<_> = (0..3).map(|number| Peer::open(chat.port, &format!("/chat?name=peer{number}"))).collect();
    // Each member hears itself join, and is a member from then on.
    for (number, peer) in peers.iter_mut().enumerate() {
        while !String::from_utf8_lossy(&peer.read().1).contains(&format!("peer{number}")) {}
    }
    peers[0].send(1, b"hello");
    while !peers[2].read().1.ends_with(br#"text":"hello"}"#) {}
    let begun = Instant::now();
    chat.signal("TERM");
    for peer in &mut peers {
        assert_eq!(peer.closed(), 1012);
        peer.send(8, &1012_u16.to_be_bytes());
        assert_eq!(peer.0.read(&mut [0]).expect("it ends in order"), 0);
    }
    assert_eq!(chat.wait(), Some(0));
    assert!(begun.elapsed() < STOP_MAX, "the stop took {:?}", begun.elapsed());
}

#[test]
fn a_stop_waits_for_a_handler_until_the_grace_ends() {
    let route = socket_route(async |ws| {
        ws.run(async |mut socket| {
            while socket.next().await.is_some() {}
            std::future::pending().await
        })
    });
    let grace = Duration::from_millis(600);
    let running = start(App::new().route(route).server(ServerConfig::new().shutdown_grace(grace)));
    let mut peer = Peer::open(running.port, "/ws");
    let begun = Instant::now();
    running.shutdown.trigger();
    assert_eq!(peer.closed(), 1012);
    peer.send(8, &1012_u16.to_be_bytes());
    running.ended.join().expect("it does not panic").expect("it ends well");
    let took = begun.elapsed();
    assert!(took >= grace && took < STOP_MAX, "the stop took {took:?}");
}

#[test]
fn a_websocket_keeps_its_connections_place() {
    let running = start(App::new().route(echo()).server(ServerConfig::new().connections_max(1)));
    // The connection of `start` may still hold the place for a moment.
    let mut peer = Peer::open(running.port, "/ws");
    let mut refused = connect(running.port);
    refused.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request can be sent");
    let mut answer = String::new();
    match refused.read_to_string(&mut answer) {
        Ok(_) => assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    peer.send(1, b"still here");
    assert_eq!(peer.read(), (1, b"still here".to_vec()));
    peer.0.shutdown(Shutdown::Both).expect("it is open");
    // The place is free again.
    until("another client gets the place", || {
        let mut stream = connect(running.port);
        stream.write_all(b"GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 404 ").then_some(())
    });
    running.shutdown.trigger();
    running.ended.join().expect("it does not panic").expect("it ends well");
}

#[test]
fn a_client_that_still_sends_a_wrong_message_gets_the_code() {
    let running = start(App::new().route(echo()));
    let mut peer = Peer::open(running.port, "/ws");
    // A message of 16 MiB, announced in its first bytes.
    let length = 16 * 1024 * 1024_u64;
    peer.0.write_all(&[&[0x82, 0xff], &length.to_be_bytes()[..], &[0; 4]].concat()).expect("the head can be sent");
    let mut sending = peer.0.try_clone().expect("a socket has two directions");
    let sender = std::thread::spawn(move || {
        let piece = vec![0; 64 * 1024];
        (0..16).try_for_each(|_| sending.write_all(&piece))
    });
    assert_eq!(peer.closed(), 1009);
    // Whether the rest can be sent depends on the time.
    let _ = sender.join().expect("it does not panic");
    running.shutdown.trigger();
    running.ended.join().expect("it does not panic").expect("it ends well");
}

/// A stream without an end.
struct Silence(bool);

impl Stream for Silence {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Event>> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Pending,
            false => Poll::Ready(Some(Event::data("one"))),
        }
    }
}

/// Opens an event stream, and reads its first event.
fn subscribe(port: u16, target: &str) -> TcpStream {
    let mut stream = connect(port);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request can be sent");
    assert!(read_head(&mut stream).contains("text/event-stream"), "{target}");
    let mut text = String::new();
    while !text.contains("\n\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an event comes");
        text.push(char::from(byte[0]));
    }
    stream
}

/// Reads an event stream to its end, which must be the last chunk of the response.
fn read_to_last_chunk(mut stream: TcpStream, target: &str) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("it ends in order");
    assert!(rest.ends_with(b"0\r\n\r\n"), "{target}: {}", String::from_utf8_lossy(&rest));
}

#[test]
fn a_stop_ends_event_streams_of_the_main_process_at_once() {
    let app = App::new()
        .route(Route::get("/async").asynchronous(async |_| Sse::new(Silence(false))))
        .route(Route::get("/thread").thread(|_| Sse::new(Silence(false))))
        .route(Route::get("/sync").sync(|_| Sse::new(Silence(false))))
        .route(Route::get("/stream").stream_to(|_, writer: &mut Writer<'_>| {
            loop {
                writer.send_event(Event::data("tick"))?;
                std::thread::sleep(Duration::from_millis(10));
            }
        }));
    let running = start(app);
    let targets = ["/async", "/thread", "/sync", "/stream"];
    let streams = targets.map(|target| (subscribe(running.port, target), target));
    let begun = Instant::now();
    running.shutdown.trigger();
    for (stream, target) in streams {
        read_to_last_chunk(stream, target);
    }
    running.ended.join().expect("it does not panic").expect("it ends well");
    assert!(begun.elapsed() < STOP_MAX, "the stop took {:?}", begun.elapsed());
}

#[test]
fn a_stop_ends_event_streams_of_workers_at_once() {
    let mut events = Program::start_with("events", &[("PIXIE_WORKERS", "1")]);
    let stream = subscribe(events.port, "/ticks");
    let begun = Instant::now();
    events.signal("TERM");
    read_to_last_chunk(stream, "/ticks");
    assert_eq!(events.wait(), Some(0));
    assert!(begun.elapsed() < STOP_MAX, "the stop took {:?}", begun.elapsed());
}

/// Asks for a WebSocket over HTTP/2, by an extended CONNECT.
async fn connect_http2(
    requests: &mut h2::client::SendRequest<Bytes>,
    target: &str,
    origin: &str,
) -> (u16, h2::RecvStream, h2::SendStream<Bytes>) {
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let request = http::Request::connect(format!("http://localhost{target}"));
    let request = request.header("sec-websocket-version", "13").header("origin", origin);
    let mut request = request.body(()).expect("a request");
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (response, stream) = requests.send_request(request, false).expect("it can be sent");
    let response = response.await.expect("it is answered");
    (response.status().as_u16(), response.into_body(), stream)
}

/// Reads at least this number of bytes.
async fn read_http2(body: &mut h2::RecvStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let data = body.data().await.expect("the stream goes on").expect("it is not reset");
        body.flow_control().release_capacity(data.len()).expect("it was received");
        bytes.extend_from_slice(&data);
    }
    bytes
}

#[tokio::test]
async fn http2_opens_websockets_beside_other_requests_and_a_stop_tells_them() {
    let app = App::new().route(echo()).route(Route::get("/page").sync(|_| "a page"));
    let running = start(app);
    let socket = tokio::net::TcpStream::connect(("127.0.0.1", running.port)).await.expect("it accepts");
    let (mut requests, connection) = h2::client::handshake(socket).await.expect("it speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let (status, mut body, mut stream) = connect_http2(&mut requests, "/ws", "http://localhost").await;
    assert_eq!(status, 200);
    for text in [&b"hello"[..], b"again"] {
        let frame = [&[0x81, 0x85, 0, 0, 0, 0], text].concat();
        stream.send_data(frame.into(), false).expect("the stream is open");
        assert_eq!(read_http2(&mut body, 7).await, [&[0x81, 5], text].concat());
    }
    for (target, origin, wanted) in
        [("/ws", "https://evil.example", 403), ("/page", "http://localhost", 400), ("/none", "http://localhost", 404)]
    {
        let (status, ..) = connect_http2(&mut requests, target, origin).await;
        assert_eq!(status, wanted, "{target} {origin}");
    }
    let page = http::Request::get("http://localhost/page").body(()).expect("a request");
    let (page, _) = requests.send_request(page, true).expect("it can be sent");
    assert_eq!(page.await.expect("it is answered").status().as_u16(), 200);
    let begun = Instant::now();
    running.shutdown.trigger();
    let close = read_http2(&mut body, 4).await;
    assert_eq!((close[0], &close[2..4]), (0x88, &1012_u16.to_be_bytes()[..]));
    stream.send_data([&[0x88, 0x82, 0, 0, 0, 0], &close[2..4]].concat().into(), true).expect("it is open");
    drop(requests);
    connection.await.expect("it does not panic").expect("it ends with GOAWAY");
    let ended = tokio::task::spawn_blocking(|| running.ended.join());
    ended.await.expect("it can be waited for").expect("it does not panic").expect("it ends well");
    assert!(begun.elapsed() < STOP_MAX, "the stop took {:?}", begun.elapsed());
}
