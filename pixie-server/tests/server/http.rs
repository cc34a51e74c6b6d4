//! HTTP/1 over a real socket.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::mpsc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use http::{Request, Response, StatusCode};
use pixie_server::{Config, Connection, Listener, RequestBody, Server, Shutdown};
use tower_service::Service;

use crate::harness::{Client, Running, runtime};

fn running() -> Running {
    Running::start(Config::new())
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let server = running();
    let mut client = server.client();
    for path in ["/one", "/two", "/three"] {
        let answer = client.get(path);
        assert_eq!((answer.status(), &*answer.body), ("200", &*format!("you asked for {path}")));
    }
}

#[test]
fn an_http_1_0_client_gets_its_answer_and_the_end_of_the_connection() {
    let server = running();
    let mut client = server.client();
    let answer = client.send("GET / HTTP/1.0\r\n\r\n").answer();
    assert!(answer.head.starts_with("HTTP/1.0 200"), "{answer:?}");
    client.closes();
}

#[test]
fn a_request_without_exactly_one_host_gets_a_400_and_the_end() {
    let server = running();
    for hosts in ["", "host: x\r\nhost: x\r\n", "host: x, y\r\n", "host: a b\r\n", "host: x/y\r\n", "host: u@x\r\n"] {
        let mut client = server.client();
        let body = "content-length: 4\r\n\r\nbody";
        let answer = client.send(&format!("POST / HTTP/1.1\r\n{hosts}{body}")).answer();
        assert!(answer.status() == "400" && answer.says_close(), "{hosts}: {answer:?}");
        assert!(answer.body.contains("\"status\":400") && answer.body.contains("Host"), "{answer:?}");
        client.closes();
    }
    for host in ["", "localhost:8000", "[::1]:80", "xn--bcher-kva.example", "a_b.example", "%C3%BC"] {
        let answer = server.client().send(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).answer();
        assert_eq!(answer.status(), "200", "{host}");
    }
}

#[test]
fn a_head_request_gets_the_length_and_no_body() {
    let server = running();
    let mut client = server.client();
    let answer = client.send("HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").answer_to_head();
    assert!(answer.head.contains("content-length: 15\r\n"), "{answer:?}");
    assert_eq!(client.get("/next").body, "you asked for /next");
}

#[test]
fn a_body_is_asked_for_with_100_continue() {
    let server = running();
    let mut client = server.client();
    client.send("POST /body HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(client.answer_to_head().status(), "100");
    assert_eq!(client.send("four").answer().body, "4 bytes");
}

#[test]
fn a_handler_knows_that_there_is_no_body() {
    let server = running();
    let mut client = server.client();
    assert_eq!(client.get("/ends").body, "true");
    let empty = "POST /ends HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(client.send(empty).answer().body, "true");
    let some = "POST /ends HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx";
    assert_eq!(client.send(some).answer().body, "false");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = running();
    let mut client = server.client();
    let requests: Vec<String> = (0..330).map(|n| format!("GET /{n:04} HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
    let all = requests.concat();
    assert!(all.len() >= 10_000, "{}", all.len());
    client.send(&all);
    for n in 0..330 {
        assert_eq!(client.answer().body, format!("you asked for /{n:04}"));
    }
}

#[test]
fn a_bad_request_line_gets_a_400_and_the_end() {
    let server = running();
    for line in ["\u{1}ET / HTTP/1.1", "GET / HTTP/9.9", "GET /\u{7f}\u{0} HTTP/1.1", "GET"] {
        let mut client = server.client();
        let answer = client.send(&format!("{line}\r\nhost: x\r\n\r\n")).answer();
        assert_eq!(answer.status(), "400", "{line:?}");
        assert!(answer.says_close() && answer.body.contains("\"detail\""), "{answer:?}");
        client.closes();
    }
}

#[test]
fn a_refusal_behind_answers_on_one_connection_does_not_change_them() {
    let server = running();
    let mut client = server.client();
    client.send("GET /one HTTP/1.1\r\nhost: x\r\n\r\nGET /two HTTP/1.1\r\nhost: x\r\n\r\nBAD");
    assert_eq!(
        (client.answer().body, client.answer().body),
        ("you asked for /one".into(), "you asked for /two".into())
    );
    let answer = client.send("\r\n\r\n").answer();
    assert!(answer.status() == "400" && answer.body.contains("malformed"), "{answer:?}");
    client.closes();
    let head = client_head(&server, "HEAD / HTTP/1.1\r\nhost: a b\r\n\r\n");
    assert!(head.contains(" 400 ") && head.ends_with("\r\n\r\n"), "a response to HEAD has no body: {head}");
}

fn client_head(server: &Running, request: &str) -> String {
    String::from_utf8(server.client().send(request).rest()).unwrap()
}

#[test]
fn a_head_above_the_limit_gets_a_431() {
    let server = Running::start(Config::new().head_bytes_max("1kB"));
    let head = |padding: usize| format!("GET / HTTP/1.1\r\nhost: x\r\npad: {}", "p".repeat(padding));
    let fits = head(1000 - head(0).len() - 4) + "\r\n\r\n";
    assert_eq!(server.client().send(&fits).answer().status(), "200");
    let too_long = head(1001 - head(0).len() - 4) + "\r\n\r\n";
    assert_eq!(server.client().send(&too_long).answer().status(), "431");
    let never_ends = head(100_000);
    assert_eq!(server.client().send(&never_ends).answer().status(), "431");
}

#[test]
fn more_than_a_hundred_headers_get_a_431() {
    let server = running();
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert_eq!(server.client().send(&many).answer().status(), "431");
}

#[test]
fn a_chunked_body_comes_whole_and_a_broken_one_as_a_typed_error() {
    let server = running();
    let head = "POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut client = server.client();
    let whole = client.send(&format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).answer();
    assert_eq!(whole.body, "5 bytes");
    let broken = client.send(&format!("{head}zz\r\nabc\r\n")).answer();
    assert_eq!((broken.status(), &*broken.body), ("400", "Some(Malformed)"));
}

#[test]
fn a_small_unread_body_does_not_cost_the_connection() {
    let server = running();
    let mut client = server.client();
    let answer = client.send("POST /no HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").answer();
    assert!(!answer.says_close(), "{answer:?}");
    assert_eq!(client.get("/next").body, "you asked for /next");
}

#[test]
fn a_client_that_sends_too_much_still_reads_the_answer() {
    let server = running();
    let mut client = server.client();
    client.send("POST /no HTTP/1.1\r\nhost: x\r\ncontent-length: 600000\r\n\r\n");
    client.send(&"x".repeat(300_000));
    let answer = client.answer();
    assert_eq!(answer.body, "you asked for /no");
    assert!(answer.says_close(), "{answer:?}");
    client.send(&"x".repeat(300_000)).closes();
}

#[test]
fn a_panic_or_an_error_ends_its_own_connection_only() {
    let server = running();
    let mut bystander = server.client();
    assert_eq!(bystander.get("/before").status(), "200");
    for path in ["/panic", "/error"] {
        let mut client = server.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).closes();
        assert_eq!(bystander.get("/after").status(), "200");
    }
    assert_eq!(server.client().get("/new").status(), "200");
}

#[test]
fn a_service_is_made_with_the_address_of_its_client() {
    let server = running();
    let mut client = server.client();
    let address = client.socket.local_addr().unwrap();
    assert_eq!(client.get("/peer").body, address.to_string());
}

#[test]
fn a_service_that_is_not_ready_is_waited_for() {
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    let (address, shutdown) = (listener.local_addrs()[0], Shutdown::new());
    let server = Server::new(Config::new()).until(&shutdown);
    let make = |_: &Connection| Shy { asked: false };
    let thread = thread::spawn(move || runtime().block_on(server.serve(listener, make)));
    let mut client = Client::connect(address);
    assert_eq!((client.get("/").status(), client.get("/").status()), ("204", "204"));
    shutdown.trigger();
    assert_eq!(thread.join().unwrap().unwrap().cut, 0);
}

/// A service that is ready only at the second poll before each request.
struct Shy {
    asked: bool,
}

impl Service<Request<RequestBody>> for Shy {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if std::mem::replace(&mut self.asked, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        assert!(std::mem::take(&mut self.asked), "called before it was ready");
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        ready(Ok(response))
    }
}

#[test]
fn an_upgraded_connection_belongs_to_the_service() {
    let short = Duration::from_millis(20);
    let server = Running::start(Config::new().idle_timeout(short).header_timeout(short));
    let mut client = server.client();
    client.send("GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.answer_to_head().status(), "101");
    client.send("hel");
    // Meanwhile another connection reaches the idle timeout; this one must not.
    server.client().closes();
    server.client().closes();
    client.send("lo").socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"hello");
}

#[test]
fn a_server_can_be_spawned() {
    fn is_send(_: impl Send) {}
    let listener = Listener::bind("127.0.0.1", 0).unwrap();
    is_send(Server::new(Config::new()).serve(listener, |_| Shy { asked: false }));
}

#[test]
fn many_clients_at_once_are_all_answered() {
    let server = running();
    let (done, results) = mpsc::channel();
    for _ in 0..20 {
        let (mut client, done) = (server.client(), done.clone());
        thread::spawn(move || {
            let all = (0..50).all(|_| client.get("/").status() == "200");
            done.send(all).unwrap();
        });
    }
    drop(done);
    assert_eq!(results.iter().collect::<Vec<_>>(), [true; 20]);
}
