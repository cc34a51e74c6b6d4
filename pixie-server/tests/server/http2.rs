//! HTTP/2 over real sockets, with the client of the crate h2, and with raw frames where a client must
//! misbehave.

use std::{
    future::{Future, poll_fn},
    io::{Read, Write},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::SendRequest};
use http::{HeaderMap, Method, Request, Response};
use pixie_server::Config;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

use crate::harness::{Client, Running, malformed_heads, runtime};

const SHORT: Duration = Duration::from_millis(80);
const PATIENCE: Duration = Duration::from_secs(10);
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// An HTTP/2 client.
struct Mux {
    requests: SendRequest<Bytes>,
    ended: JoinHandle<Result<(), h2::Error>>,
}

impl Mux {
    async fn connect(server: &Running) -> Mux {
        Mux::connect_with(server, &h2::client::Builder::new()).await
    }

    async fn connect_with(server: &Running, builder: &h2::client::Builder) -> Mux {
        let socket = TcpStream::connect(server.address).await.unwrap();
        let (requests, connection) = builder.handshake(socket).await.unwrap();
        Mux { requests, ended: tokio::spawn(connection) }
    }

    async fn send(&mut self, request: Request<()>, ends: bool) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        poll_fn(|cx| self.requests.poll_ready(cx)).await.unwrap();
        self.requests.send_request(request, ends).unwrap()
    }

    async fn get(&mut self, path: &str) -> Result<Answer, h2::Error> {
        let (response, _) = self.send(get(path), true).await;
        read(response.await?).await
    }

    /// Waits until the server has ended the connection.
    async fn end(self) {
        let _ = self.ended.await.unwrap();
    }
}

fn get(path: &str) -> Request<()> {
    with_method(Method::GET, path)
}

fn with_method(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://x{path}")).body(()).unwrap()
}

#[derive(Debug)]
struct Answer {
    head: http::response::Parts,
    body: String,
    trailers: Option<HeaderMap>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head.status.as_u16()
    }
}

async fn read(response: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?;
    Ok(Answer { head, body: String::from_utf8(body).unwrap(), trailers })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    runtime().block_on(async { timeout(PATIENCE, test).await.expect("it ends in time") })
}

/// A client that writes frames itself, after the preface and its settings.
fn raw(server: &Running) -> Client {
    let mut client = server.client();
    client.send(PREFACE).socket.write_all(&SETTINGS).unwrap();
    client
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A head of `GET path`, as literals without an index (RFC 7541, section 6.2.2).
fn get_frame(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x01, 1, b'x', 0x04, u8::try_from(path.len()).unwrap()];
    block.extend_from_slice(path.as_bytes());
    frame(1, 5, stream, &block)
}

/// Reads frames until the server closes the connection, and returns their kinds.
fn kinds(client: &mut Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = client.socket.read_to_end(&mut bytes);
    let (mut kinds, mut rest) = (Vec::new(), &bytes[..]);
    while let [a, b, c, kind, _, _, _, _, _, tail @ ..] = rest {
        kinds.push(*kind);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        rest = tail.get(length..).unwrap_or_default();
    }
    kinds
}

/// Reads one frame, and returns its kind, flags and payload.
fn next_frame(client: &mut Client) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    client.socket.read_exact(&mut head).expect("the server has not cut off its response");
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    client.socket.read_exact(&mut payload).expect("the server has not cut off its response");
    (head[3], head[4], payload)
}

/// Reads frames up to the wanted one, and returns their kinds.
fn kinds_until(client: &mut Client, mut is_wanted: impl FnMut(u8, u8) -> bool) -> Vec<u8> {
    let mut kinds = Vec::new();
    loop {
        let (kind, flags, _) = next_frame(client);
        kinds.push(kind);
        if is_wanted(kind, flags) {
            return kinds;
        }
    }
}

fn is_end(kind: u8, flags: u8) -> bool {
    kind == DATA && flags & 1 == 1
}

fn is_pong(kind: u8, flags: u8) -> bool {
    kind == PING && flags & 1 == 1
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

#[test]
fn requests_of_one_connection_run_at_the_same_time() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        let (slow, _) = client.send(get("/slow"), true).await;
        let fast = client.get("/fast").await.unwrap();
        assert_eq!((fast.status(), &*fast.body), (200, "you asked for /fast"));
        assert!(fast.head.headers.contains_key("date"), "{fast:?}");
        server.app.gate.add_permits(1);
        assert_eq!(read(slow.await.unwrap()).await.unwrap().body, "slow");
        let large = client.get("/large").await.unwrap();
        assert_eq!((large.body.len(), &large.head.headers["content-length"]), (1 << 20, &"1048576".parse().unwrap()));
    });
}

#[test]
fn a_preface_may_come_in_pieces_and_a_method_may_look_like_one() {
    let server = Running::start(Config::new().header_timeout(SHORT));
    for method in ["P", "PR", "PUT", "PRI-X"] {
        let mut client = server.client();
        client.socket.set_nodelay(true).unwrap();
        for byte in method.chars() {
            client.send(&byte.to_string());
        }
        // `PRI` as HTTP/1.1 is a method, so it is answered.
        let answer = client.send(" / HTTP/1.1\r\nhost: x\r\n\r\n").answer();
        assert_eq!(answer.status(), "200", "{method}");
    }
    let mut slow = server.client();
    assert_eq!(slow.send("PR").answer().status(), "408");
    slow.closes();
    let mut client = server.client();
    client.socket.set_nodelay(true).unwrap();
    for byte in PREFACE.chars() {
        client.send(&byte.to_string());
    }
    // Without a request it is closed after the time for the first head.
    assert_eq!(kinds(&mut client)[..1], [4]);
}

#[test]
fn a_response_that_fails_after_its_head_is_reset() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        for path in ["/fails", "/short"] {
            let error = client.get(path).await.expect_err("it does not end cleanly");
            assert_eq!((error.is_reset(), error.reason()), (true, Some(Reason::INTERNAL_ERROR)), "{path}");
        }
        assert!(client.get("/error").await.expect_err("the service failed").is_reset());
        assert_eq!(client.get("/next").await.unwrap().status(), 200);
    });
}

#[test]
fn responses_without_a_body_end_with_their_head() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        let (head, _) = client.send(with_method(Method::HEAD, "/medium"), true).await;
        let head = read(head.await.unwrap()).await.unwrap();
        assert_eq!((&*head.body, &head.head.headers["content-length"]), ("", &"8192".parse().unwrap()));
        for (path, status) in [("/none", 204), ("/same", 304)] {
            let answer = client.get(path).await.unwrap();
            assert_eq!((answer.status(), &*answer.body), (status, ""), "{path}");
            assert!(!answer.head.headers.contains_key("content-length"));
        }
    });
}

#[test]
fn trailers_pass_in_both_directions() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        let (response, mut body) = client.send(with_method(Method::POST, "/trailers"), false).await;
        body.send_data(Bytes::from_static(b"data"), false).unwrap();
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())]);
        body.send_trailers(trailers.clone()).unwrap();
        let answer = read(response.await.unwrap()).await.unwrap();
        assert_eq!((&*answer.body, answer.trailers), ("text", Some(trailers)));
    });
}

/// A head of `POST /x`, after which a body is to come.
fn post_frame(stream: u32) -> Vec<u8> {
    frame(1, 4, stream, &[0x83, 0x86, 0x01, 1, b'x', 0x04, 2, b'/', b'x'])
}

#[test]
fn a_refusal_before_the_end_of_the_body_is_followed_by_a_reset_only_if_the_client_does_not_end() {
    let server = Running::start(Config::new().uri_bytes_max(1_u64));
    let mut client = raw(&server);
    client.send_bytes(&post_frame(1));
    let mut kinds = kinds_until(&mut client, is_end);
    // Some clients take a reset at this point for a failure, and lose the response.
    for ends in [0, 1] {
        client.send_bytes(&frame(DATA, ends, 1, &[b'x'; 16 * 1024]));
    }
    client.send_bytes(&frame(PING, 0, 0, b"12345678"));
    kinds.extend(kinds_until(&mut client, is_pong));
    assert!(!kinds.contains(&RST_STREAM), "{kinds:?}");
    client.send_bytes(&post_frame(3));
    let kinds = kinds_until(&mut client, |kind, _| kind == RST_STREAM);
    assert!(kinds.contains(&DATA), "{kinds:?}");
}

#[test]
fn a_success_ends_after_the_body_that_the_service_does_not_read() {
    let server = Running::start(Config::new());
    let mut client = raw(&server);
    client.send_bytes(&post_frame(1));
    kinds_until(&mut client, |kind, _| kind == HEADERS);
    client.send_bytes(&frame(PING, 0, 0, b"12345678"));
    let mut has_ended = false;
    kinds_until(&mut client, |kind, flags| {
        has_ended |= is_end(kind, flags);
        is_pong(kind, flags)
    });
    assert!(!has_ended);
    client.send_bytes(&frame(DATA, 1, 1, b"the end"));
    client.send_bytes(&frame(PING, 0, 0, b"12345678"));
    let kinds = [kinds_until(&mut client, is_end), kinds_until(&mut client, is_pong)].concat();
    assert!(!kinds.contains(&RST_STREAM), "{kinds:?}");
}

#[test]
fn refused_heads_get_problem_documents_and_the_connection_continues() {
    let server = Running::start(Config::new().uri_bytes_max(100_u64).headers_max(4).head_bytes_max("1KiB"));
    let with = |name: &'static str, value: &str, count: usize| {
        let mut request = get("/");
        for _ in 0..count {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    };
    run(async {
        let mut client = Mux::connect(&server).await;
        let cases = [
            (get(&format!("/{}", "x".repeat(99))), 200),
            (get(&format!("/{}", "x".repeat(100))), 414),
            (with("a", "b", 4), 200),
            (with("a", "b", 5), 431),
            (with("a", &"b".repeat(950), 1), 200),
            (with("a", &"b".repeat(1000), 1), 431),
            (with("host", "x", 1), 200),
            (with("host", "y", 1), 400),
            (with_method(Method::GET, ""), 200),
        ];
        for (request, status) in cases {
            let said = format!("{request:?}");
            let (response, _) = client.send(request, true).await;
            let answer = read(response.await.unwrap()).await.unwrap();
            assert_eq!(answer.status(), status, "{said}");
            if status != 200 {
                assert_eq!(answer.head.headers["content-type"], "application/problem+json");
                assert!(answer.body.contains(&format!("\"status\":{status}")), "{answer:?}");
            }
        }
        // Far above the limit, h2 refuses without a body.
        let (response, _) = client.send(with("a", &"b".repeat(5000), 1), true).await;
        assert_eq!(response.await.unwrap().status(), 431);
    });
}

#[test]
fn a_malformed_head_resets_its_stream_or_ends_the_connection() {
    let server = Running::start(Config::new());
    let literal = |(name, value): &(&str, &str)| {
        [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
    };
    for head in malformed_heads() {
        let mut client = raw(&server);
        let block: Vec<u8> = head.iter().flat_map(literal).collect();
        client.socket.write_all(&frame(HEADERS, 5, 1, &block)).unwrap();
        let (kind, payload) = loop {
            let (kind, _, payload) = next_frame(&mut client);
            if [HEADERS, RST_STREAM, GOAWAY].contains(&kind) {
                break (kind, payload);
            }
        };
        // PROTOCOL_ERROR. h2 ends the connection if a name is invalid.
        assert!(kind != HEADERS && payload.ends_with(&[0, 0, 0, 1]), "{head:?}: {kind} {payload:?}");
    }
    server.stop();
}

#[test]
fn several_cookie_headers_are_one() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        let mut request = get("/cookies");
        for cookie in ["a=1", "b=2", "c=3"] {
            request.headers_mut().append("cookie", cookie.parse().unwrap());
        }
        let (response, _) = client.send(request, true).await;
        assert_eq!(read(response.await.unwrap()).await.unwrap().body, "[\"a=1; b=2; c=3\"]");
    });
}

#[test]
fn a_body_that_stands_still_ends_its_stream_alone() {
    let server = Running::start(Config::new().body_timeout(SHORT));
    run(async {
        let mut client = Mux::connect(&server).await;
        let (stalled, mut body) = client.send(with_method(Method::POST, "/body"), false).await;
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        let (slow, _) = client.send(get("/slow"), true).await;
        let answer = read(stalled.await.unwrap()).await.unwrap();
        assert_eq!((answer.status(), &*answer.body), (408, "too slow"));
        assert!(!answer.head.headers.contains_key("connection"), "{answer:?}");
        server.app.gate.add_permits(1);
        assert_eq!(read(slow.await.unwrap()).await.unwrap().body, "slow");
    });
}

#[test]
fn a_body_below_the_minimum_rate_is_a_408() {
    let server = Running::start(Config::new().body_timeout(SHORT).body_rate_min(100_000));
    run(async {
        let mut client = Mux::connect(&server).await;
        let (mut response, mut body) = client.send(with_method(Method::POST, "/body"), false).await;
        let answer = loop {
            tokio::select! {
                answer = &mut response => break answer.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(5)) => body.send_data(Bytes::from_static(b"x"), false).unwrap(),
            }
        };
        assert_eq!(answer.status(), 408);
    });
}

#[test]
fn a_client_that_opens_no_window_loses_the_stream() {
    let server = Running::start(Config::new().write_timeout(SHORT).write_rate_min(0));
    run(async {
        let mut builder = h2::client::Builder::new();
        // The large body fits into no window; of the endless one, h2 gets the first part.
        for window in [0, 1000] {
            builder.initial_window_size(window);
            let mut client = Mux::connect_with(&server, &builder).await;
            for path in ["/large", "/endless"] {
                let (response, _) = client.send(get(path), true).await;
                let mut stream = response.await.unwrap().into_body();
                let error = loop {
                    match stream.data().await.expect("it does not end cleanly") {
                        Ok(data) => assert!(data.len() <= 1000),
                        Err(error) => break error,
                    }
                };
                assert_eq!((error.is_reset(), error.reason()), (true, Some(Reason::CANCEL)), "{path} {window}");
            }
            let (response, _) = client.send(with_method(Method::HEAD, "/"), true).await;
            assert_eq!(response.await.unwrap().status(), 200);
        }
    });
}

#[test]
fn a_client_that_leaves_the_end_of_a_response_loses_the_connection() {
    let server = Running::start(Config::new().write_timeout(SHORT));
    run(async {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1000);
        let mut client = Mux::connect_with(&server, &builder).await;
        let (response, _) = client.send(get("/medium"), true).await;
        let _unread = response.await.unwrap();
        client.end().await;
    });
}

#[test]
fn a_client_that_reads_below_the_minimum_rate_loses_the_stream() {
    let server = Running::start(Config::new().write_timeout(SHORT).write_rate_min(u64::MAX));
    run(async {
        let mut client = Mux::connect(&server).await;
        let (response, _) = client.send(get("/endless"), true).await;
        let mut stream = response.await.unwrap().into_body();
        loop {
            match stream.data().await.expect("it does not end cleanly") {
                // Every read is progress, so the time without progress alone would not end this.
                Ok(data) => stream.flow_control().release_capacity(data.len()).unwrap(),
                Err(error) => break assert!(error.is_reset() || error.is_io(), "{error}"),
            }
        }
    });
}

#[test]
fn an_idle_connection_gets_goaway_and_pings_do_not_keep_it() {
    let server = Running::start(Config::new().idle_timeout(SHORT));
    let mut client = raw(&server);
    client.socket.write_all(&get_frame(1, "/")).unwrap();
    let mut pings = client.socket.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        while pings.write_all(&frame(6, 0, 0, &[0; 8])).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    // It does not answer the ping of GOAWAY either.
    assert!(kinds(&mut client).contains(&GOAWAY));
    sender.join().unwrap();
    run(async {
        let mut client = Mux::connect(&server).await;
        assert_eq!(client.get("/").await.unwrap().status(), 200);
        client.end().await;
    });
}

#[test]
fn a_client_that_answers_no_ping_is_closed() {
    let server = Running::start(Config::new().http2_ping_interval(SHORT).http2_ping_timeout(SHORT));
    let mut client = raw(&server);
    client.socket.write_all(&get_frame(1, "/slow")).unwrap();
    assert!(kinds(&mut client).contains(&6));
    server.wait_for_dropped(1);
}

#[test]
fn a_stop_lets_streams_finish() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        let (slow, _) = client.send(get("/slow"), true).await;
        server.app.begun.acquire().await.unwrap().forget();
        server.shutdown.trigger();
        // After GOAWAY the client refuses further requests itself.
        while client.requests.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
        server.app.gate.add_permits(1);
        assert_eq!(read(slow.await.unwrap()).await.unwrap().body, "slow");
        client.end().await;
    });
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn frames_that_arrive_after_the_end_do_not_destroy_the_last_response() {
    let server = Running::start(Config::new());
    let mut client = raw(&server);
    // The last bytes wait in the server's system, and a reset would drop them.
    socket2::SockRef::from(&client.socket).set_recv_buffer_size(64 * 1024).unwrap();
    // The initial window of streams, and that of the connection: 2 MiB.
    client.send_bytes(&frame(4, 0, 0, &[0, 4, 0, 0x20, 0, 0])).send_bytes(&frame(8, 0, 0, &[0, 0x20, 0, 0]));
    client.send_bytes(&get_frame(1, "/large"));
    let (mut body, mut has_left) = (0, false);
    loop {
        let (kind, flags, payload) = next_frame(&mut client);
        match (kind, flags & 1) {
            (DATA, ends) => {
                body += payload.len();
                server.shutdown.trigger();
                if ends == 1 {
                    break;
                }
            }
            (PING, 0) => drop(client.send_bytes(&frame(PING, 1, 0, &payload))),
            (GOAWAY, _) => has_left = true,
            _ => {}
        }
        // It fails after a reset, which the next read reports.
        let _ = client.socket.write_all(&frame(8, 0, 0, &[0, 0, 0, 1]));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((body, has_left), (1 << 20, true));
    // The client closes, so the stop does not wait for it.
    drop(client);
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn after_the_grace_period_streams_are_cut() {
    let server = Running::start(Config::new().shutdown_grace(SHORT));
    run(async {
        let mut client = Mux::connect(&server).await;
        let (slow, _) = client.send(get("/slow"), true).await;
        server.app.begun.acquire().await.unwrap().forget();
        server.shutdown.trigger();
        slow.await.expect_err("the connection is closed");
        client.end().await;
        server.app.dropped.acquire().await.unwrap().forget();
    });
    assert_eq!(server.stop().cut, 1);
}

#[test]
fn the_last_request_of_a_connection_is_followed_by_goaway() {
    let server = Running::start(Config::new().requests_per_connection_max(2));
    run(async {
        let mut client = Mux::connect(&server).await;
        assert_eq!(client.get("/").await.unwrap().status(), 200);
        assert!(!client.ended.is_finished());
        assert_eq!(client.get("/").await.unwrap().status(), 200);
        client.end().await;
    });
}

#[test]
fn a_response_that_takes_too_long_in_all_is_a_504() {
    let server = Running::start(Config::new().request_timeout(SHORT));
    run(async {
        let mut client = Mux::connect(&server).await;
        let answer = client.get("/slow").await.unwrap();
        assert_eq!(answer.status(), 504);
        assert!(answer.body.contains("took too long"), "{answer:?}");
        assert_eq!(client.get("/").await.unwrap().status(), 200);
    });
    server.wait_for_dropped(1);
}

#[test]
fn a_client_that_cancels_too_many_requests_loses_the_connection() {
    let server = Running::start(Config::new().http2_cancels_max(10));
    run(async {
        let mut client = Mux::connect(&server).await;
        for count in 0..=10 {
            assert!(!client.ended.is_finished(), "after {count}");
            let (_, mut stream) = client.send(get("/slow"), true).await;
            server.app.begun.acquire().await.unwrap().forget();
            stream.send_reset(Reason::CANCEL);
            server.app.dropped.acquire().await.unwrap().forget();
        }
        let (next, _) = client.send(get("/slow"), true).await;
        next.await.expect_err("the connection is closed");
        client.end().await;
        assert_eq!(server.app.begun.available_permits(), 0);
    });
}

#[test]
fn streams_above_the_limit_wait_in_the_client() {
    let server = Running::start(Config::new().http2_streams_max(3));
    run(async {
        let mut client = Mux::connect(&server).await;
        assert_eq!(client.get("/").await.unwrap().status(), 200);
        assert_eq!(client.requests.current_max_send_streams(), 3);
    });
    // A client that does not wait gets REFUSED_STREAM.
    let server = Running::start(Config::new().http2_streams_max(3).idle_timeout(SHORT));
    let mut client = raw(&server);
    (0..4).for_each(|number| client.socket.write_all(&get_frame(number * 2 + 1, "/slow")).unwrap());
    server.wait_for_slow(3);
    server.app.gate.add_permits(3);
    assert!(kinds(&mut client).contains(&3));
    assert_eq!(server.app.begun.available_permits(), 0);
}

#[test]
fn a_service_that_panics_ends_only_its_connection() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        client.get("/panic").await.expect_err("it has no response");
        assert_eq!(Mux::connect(&server).await.get("/").await.unwrap().status(), 200);
    });
}

#[test]
fn a_stream_of_another_protocol_belongs_to_the_service_and_is_not_idle() {
    let server = Running::start(Config::new().idle_timeout(SHORT).write_timeout(SHORT).request_timeout(SHORT));
    run(async {
        let mut client = Mux::connect(&server).await;
        let mut request = with_method(Method::CONNECT, "/upgrade");
        request.extensions_mut().insert(h2::ext::Protocol::from_static("echo"));
        assert_eq!(client.get("/").await.unwrap().status(), 200);
        let (response, mut sender) = client.send(request, false).await;
        let mut echo = response.await.unwrap().into_body();
        // Another connection reaches the timeout twice meanwhile.
        for _ in 0..2 {
            let mut idle = Mux::connect(&server).await;
            assert_eq!(idle.get("/").await.unwrap().status(), 200);
            idle.end().await;
        }
        sender.send_data(Bytes::from_static(b"echo"), true).unwrap();
        assert_eq!(echo.data().await.unwrap().unwrap(), "echo");
        drop((sender, echo));
        client.end().await;
    });
}

#[test]
fn a_websocket_that_the_service_answers_with_a_page_is_400() {
    let server = Running::start(Config::new());
    run(async {
        let mut client = Mux::connect(&server).await;
        assert_eq!(client.get("/").await.unwrap().status(), 200);
        assert!(client.requests.is_extended_connect_protocol_enabled());
        let mut request = with_method(Method::CONNECT, "/chat");
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (response, _) = client.send(request, false).await;
        // A success would open the stream for the other protocol.
        let answer = read(response.await.unwrap()).await.unwrap();
        assert_eq!(answer.status(), 400);
        assert!(answer.body.contains("does not speak WebSocket") && !answer.body.contains("you asked"), "{answer:?}");
        assert_eq!(client.get("/").await.unwrap().status(), 200);
    });
}
