//! WebSockets, asked by the test client: messages, ends, refusals, and what routes of every kind have.
use pixie_web::{
    App, Cookies, Error, Group, IntoResponse, Response, Result, Route, State, TestClient, TestResponse, WebSocket, get,
    websocket::{Closed, Message},
};
use serde::{Deserialize, Serialize};

#[get("/ws/echo")]
async fn echo(ws: WebSocket) -> Response {
    ws.message_limit("1KB").protocols(["v2", "v1"]).run(async |mut socket| {
        while let Some(message) = socket.next().await {
            socket.send(message).await?;
        }
        Ok(())
    })
}

#[get("/ws/fails/<how>")]
async fn fails(how: String, ws: WebSocket) -> Response {
    ws.run(async move |socket| {
        socket.send("one moment").await?;
        match how.as_str() {
            "error" => Err(Error::internal("the password of the database is 1234")),
            "panic" => panic!("the password of the database is 1234"),
            "code" => socket.close(1005, "").await,
            _ => socket.close(4001, &"ü".repeat(100)).await,
        }
    })
}

#[get("/ws/split")]
async fn split(ws: WebSocket) -> Response {
    ws.run(async |socket| {
        let (sender, mut receiver) = socket.split();
        let other = sender.clone();
        tokio::spawn(async move { other.send("from another task").await }).await??;
        let next = receiver.next().await;
        sender.send(Message::json(&next.map(|message| message.as_bytes().len()))?).await?;
        Ok(())
    })
}

#[get("/ws/visitor")]
async fn visitor(cookies: Cookies, number: State<u32>, ws: WebSocket) -> Response {
    let name = cookies.get("name").unwrap_or("nobody").to_owned();
    ws.run(async move |socket| Ok(socket.send(format!("{name} {}", *number)).await?)).header("x-own", "1")
}

#[get("/ws/optional")]
async fn optional(ws: Option<WebSocket>) -> Response {
    match ws {
        Some(ws) => ws.run(async |socket| Ok(socket.send("a socket").await?)),
        None => "a page".into_response(),
    }
}

#[get("/ws/open-to-all", csrf = false)]
async fn open_to_all(ws: WebSocket) -> Response {
    ws.run(async |_| Ok(()))
}

fn client() -> TestClient {
    crate::collected().trust_origin("https://friend.example").test().expect("the app fits together")
}

/// Sends a handshake with these headers in place of the usual ones. An empty value removes a header.
fn shake(client: &TestClient, path: &str, changes: &[(&str, &str)]) -> TestResponse {
    let usual = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("host", "app.example"),
    ];
    let kept = usual.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let headers = kept.chain(changes.iter().filter(|(_, value)| !value.is_empty()));
    headers.fold(client.get(path), |request, (name, value)| request.header(name, value)).send()
}

#[test]
fn messages_come_back_as_they_were_sent() {
    let client = client();
    let mut socket = client.websocket("/ws/echo");
    for message in [Message::from("grüezi"), Message::from(""), Message::from(vec![0, 255, 1])] {
        socket.send(message.clone());
        assert_eq!(socket.receive(), Some(message));
    }
    socket.close(1000, "bye");
}

#[test]
fn json_comes_and_goes() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Move {
        from: String,
        to: String,
    }
    let knight = Move { from: "g1".into(), to: "f3".into() };
    let client = client();
    let mut socket = client.websocket("/ws/echo");
    socket.send(Message::json(&knight).expect("it can be written"));
    let message = socket.receive().expect("it comes back");
    assert_eq!(message.to_json::<Move>().expect("it can be read"), knight);
    assert!(message.to_json::<u32>().is_err());
}

#[test]
fn a_message_at_the_limit_passes_and_a_longer_one_closes() {
    let client = client();
    let mut socket = client.websocket("/ws/echo");
    socket.send("x".repeat(1000));
    assert_eq!(socket.receive_text().len(), 1000);
    socket.send("x".repeat(1001));
    let Closed { code, reason, .. } = socket.closed();
    assert_eq!((code, reason.contains("1000")), (1009, true), "{reason}");
}

#[test]
fn a_handler_that_fails_closes_with_1011_and_tells_the_client_nothing() {
    let client = client();
    for how in ["error", "panic", "code"] {
        let mut socket = client.websocket(&format!("/ws/fails/{how}"));
        assert_eq!(socket.receive_text(), "one moment");
        let Closed { code, reason, .. } = socket.closed();
        assert_eq!((code, reason.as_str()), (1011, "the server failed"), "{how}");
    }
}

#[test]
fn a_handler_closes_with_its_own_code_and_a_reason_that_fits() {
    let client = client();
    let Closed { code, reason, .. } = client.websocket("/ws/fails/not").closed();
    assert_eq!((code, reason), (4001, "ü".repeat(61)));
}

#[test]
fn a_handler_that_returns_closes_with_1000_after_its_messages() {
    let client = client();
    let mut socket = client.websocket("/ws/optional");
    assert_eq!(socket.receive_text(), "a socket");
    assert_eq!(socket.closed().code, 1000);
}

#[test]
fn a_socket_can_be_split_between_tasks() {
    let client = client();
    let mut socket = client.websocket("/ws/split");
    assert_eq!(socket.receive_text(), "from another task");
    socket.send("12345");
    assert_eq!(socket.receive_text(), "5");
}

#[test]
fn the_first_protocol_of_the_server_that_the_client_offers_is_chosen() {
    let client = client();
    for (offered, chosen) in [("v1", Some("v1")), ("v0, v1,v2", Some("v2")), ("V1", None), ("", None)] {
        let request = client.get("/ws/echo").header("sec-websocket-protocol", offered);
        assert_eq!(request.websocket().protocol(), chosen, "{offered}");
    }
}

#[test]
fn a_wrong_handshake_is_refused_and_names_what_is_wrong() {
    let client = client();
    for (changes, status, text) in [
        (&[("upgrade", "")][..], 426, "speaks WebSocket"),
        (&[("upgrade", "h2c")], 426, "speaks WebSocket"),
        (&[("connection", "keep-alive")], 426, "speaks WebSocket"),
        (&[("sec-websocket-version", "")], 400, "`sec-websocket-version` is missing"),
        (&[("sec-websocket-version", "8")], 426, "version"),
        (&[("sec-websocket-key", "")], 400, "`sec-websocket-key` is missing"),
        (&[("sec-websocket-key", "AAAA")], 400, "`Sec-WebSocket-Key` must have 16 bytes"),
        (&[("content-length", "2")], 400, "has no body"),
        (&[("transfer-encoding", "chunked")], 400, "has no body"),
        (&[("origin", "https://evil.example")], 403, "another site"),
        (&[("sec-fetch-site", "same-site")], 403, "another site"),
    ] {
        let response = shake(&client, "/ws/echo", changes);
        let body = response.text();
        assert!(response.status().as_u16() == status && body.contains(text), "{changes:?}: {body}");
        if status == 426 {
            assert_eq!(response.header("upgrade"), Some("websocket"), "{changes:?}");
        }
    }
    let old = shake(&client, "/ws/echo", &[("sec-websocket-version", "8")]);
    assert_eq!(old.header("sec-websocket-version"), Some("13"));
    client.post("/ws/echo").send().assert_status(405);
}

#[test]
fn a_correct_handshake_that_no_server_can_switch_is_501() {
    let client = client();
    // The test client offers a connection only in `websocket`.
    shake(&client, "/ws/echo", &[("origin", "http://app.example")]).assert_status(501);
}

#[test]
fn pages_of_the_app_and_of_trusted_origins_may_connect() {
    let client = client();
    for origin in ["http://localhost", "https://friend.example"] {
        let mut socket = client.get("/ws/echo").header("host", "localhost").header("origin", origin).websocket();
        socket.send("hello");
        assert_eq!(socket.receive_text(), "hello", "{origin}");
    }
    client.get("/ws/open-to-all").header("origin", "https://evil.example").websocket().closed();
}

#[test]
fn state_cookies_and_headers_work_as_in_every_route() {
    let client = client();
    let mut socket = client.get("/ws/visitor").header("cookie", "name=Ada").websocket();
    assert_eq!(socket.receive_text(), "Ada 7");
}

#[test]
fn a_hook_can_refuse_a_handshake() {
    fn guard(request: &mut pixie_web::Request) -> Result<()> {
        request.cookies().get("name").map(drop).ok_or_else(|| pixie_web::abort(401))
    }
    let group = Group::new("/ws/visitor").before(guard);
    let client = crate::collected().group(group).test().expect("the app fits together");
    shake(&client, "/ws/visitor", &[]).assert_status(401);
    let mut socket = client.get("/ws/visitor").header("cookie", "name=Bo").websocket();
    assert_eq!(socket.receive_text(), "Bo 7");
}

#[test]
fn a_route_can_answer_both_browsers_and_sockets() {
    client().get("/ws/optional").send().assert_status(200).assert_text("a page");
}

#[test]
fn the_status_101_is_still_refused_in_other_responses() {
    let app = App::new().route(Route::get("/").sync(|_| Response::new("").code(101)));
    app.test().expect("the app fits together").get("/").send().assert_status(500);
}

#[test]
fn a_stop_closes_with_1012_at_once() {
    let app = crate::collected();
    let shutdown = app.shutdown();
    let client = app.test().expect("the app fits together");
    let mut socket = client.websocket("/ws/echo");
    socket.send("hello");
    assert_eq!(socket.receive_text(), "hello");
    shutdown.trigger();
    assert_eq!(socket.closed().code, 1012);
}

#[test]
fn an_opened_websocket_is_counted() {
    let app = crate::collected().status("/status").operators(|_| true);
    let client = app.test().expect("the app fits together");
    let _socket = client.websocket("/ws/echo");
    let status: serde_json::Value = client.get("/status").send().json();
    assert_eq!(status["connections"]["protocols"]["websocket"], 1, "{status}");
}
