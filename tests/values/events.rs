//! Streams, server-sent events and flash messages: from async routes, from stream routes, and after the
//! client has left.
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use http_body_util::BodyExt;
use pixie_web::{
    App, Body, Event, Flash, IntoResponse, LastEventId, Pieces, Redirect, Response, Result, Route, Sse, Streamed,
    Writer, get, post,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What a channel receives, as a stream.
struct Received<T>(Receiver<T>);

impl<T> Stream for Received<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_recv(cx)
    }
}

fn open<T>() -> (Sender<T>, Received<T>) {
    let (sender, receiver) = channel(8);
    (sender, Received(receiver))
}

fn from<T>(items: impl IntoIterator<Item = T>) -> Received<T> {
    let (sender, received) = open();
    items.into_iter().for_each(|item| assert!(sender.try_send(item).is_ok(), "the channel is large enough"));
    received
}

fn numbered(number: u32) -> Event {
    Event::data(format!("number {number}")).id(number.to_string())
}

fn after(last: Option<LastEventId>) -> u32 {
    last.and_then(|LastEventId(id)| id.parse().ok()).map_or(0, |id: u32| id + 1)
}

#[get("/sse/async")]
async fn events_async(last: Option<LastEventId>) -> Sse {
    let first = after(last);
    Sse::new(from((first..3).map(numbered)))
}

#[get("/sse/stream", stream)]
fn events_stream(last: Option<LastEventId>) -> Pieces {
    Pieces::events((after(last)..3).map(numbered))
}

#[get("/sse/written", stream)]
fn events_written(last: Option<LastEventId>, writer: &mut Writer) -> Result<()> {
    for number in after(last)..3 {
        writer.send_event(numbered(number))?;
    }
    Ok(())
}

#[get("/sse/pool")]
fn events_pool(last: Option<LastEventId>) -> Sse {
    Sse::new(from((after(last)..3).map(numbered)))
}

#[test]
fn every_way_of_sending_events_sends_the_same() {
    let client = crate::collected().test().expect("the app fits together");
    for way in ["async", "stream", "written", "pool"] {
        let whole = client.get(&format!("/sse/{way}")).send().assert_status(200);
        let whole = whole.assert_header("content-type", "text/event-stream").assert_header("cache-control", "no-store");
        whole
            .assert_header("x-accel-buffering", "no")
            .assert_text("data: number 0\nid: 0\n\ndata: number 1\nid: 1\n\ndata: number 2\nid: 2\n\n");
        let rest = client.get(&format!("/sse/{way}")).header("last-event-id", "1").send();
        rest.assert_text("data: number 2\nid: 2\n\n");
    }
}

async fn next(body: &mut Body) -> Option<String> {
    let data = body.frame().await?.expect("the body goes on").into_data().expect("a frame has data");
    Some(String::from_utf8(data.to_vec()).expect("text"))
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_comments_and_events_start_it_anew() {
    let (sender, events) = open();
    let mut body = Sse::new(events).keep_alive(Duration::from_secs(10)).into_response().take_body();
    let start = tokio::time::Instant::now();
    for _ in 0..2 {
        assert_eq!(next(&mut body).await.as_deref(), Some(": \n\n"));
    }
    assert_eq!(start.elapsed().as_secs(), 20);
    tokio::time::advance(Duration::from_secs(9)).await;
    sender.send(Event::data("at last")).await.expect("the stream is open");
    assert_eq!(next(&mut body).await.as_deref(), Some("data: at last\n\n"));
    assert_eq!(next(&mut body).await.as_deref(), Some(": \n\n"));
    assert_eq!(start.elapsed().as_secs(), 39);
    drop(sender);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_silence_longer_than_any_clock_is_filled_with_nothing() {
    let (sender, events) = open();
    let mut body = Sse::new(events).keep_alive(Duration::MAX).into_response().take_body();
    for text in ["one", "two"] {
        sender.send(Event::data(text)).await.expect("the stream is open");
        assert_eq!(next(&mut body).await, Some(format!("data: {text}\n\n")));
    }
    drop(sender);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn a_client_that_leaves_drops_the_stream() {
    let (sender, events) = open::<Event>();
    drop(Sse::new(events).into_response());
    sender.closed().await;
    let (sender, pieces) = open::<Result<String, std::io::Error>>();
    drop(Streamed(pieces).into_response());
    sender.closed().await;
}

#[test]
fn a_stream_is_a_body_and_its_error_cuts_it() {
    let pieces = |ends_well: bool| {
        let last = if ends_well { Ok("two") } else { Err(std::io::Error::other("the disk is gone")) };
        from([Ok("one "), last])
    };
    let app = App::new()
        .route(Route::get("/whole").asynchronous(move |_| async move { Streamed(pieces(true)) }))
        .route(Route::get("/cut").asynchronous(move |_| async move {
            Response::new(Body::from_stream(pieces(false))).content_type("text/csv")
        }));
    let client = app.test().expect("the app fits together");
    let whole = client.get("/whole").send().assert_status(200).assert_text("one two");
    whole.assert_header("content-type", "application/octet-stream");
    let cut = client.get("/cut").send().assert_text("one ").assert_header("content-type", "text/csv");
    assert!(cut.is_cut());
}

#[post("/save", sync)]
fn save() -> Response {
    Flash::new("success", "Saved: \"<b>\" & more; it's gr\u{fc}n").with(Redirect::to("/flash/sync"))
}

#[get("/flash/sync", sync)]
fn flash_sync(flash: Option<Flash>) -> String {
    flash.map_or_else(|| "none".into(), |Flash { kind, message, .. }| format!("{kind} | {message}"))
}

#[get("/flash/pool")]
fn flash_pool(flash: Option<Flash>) -> String {
    flash_sync(flash)
}

#[get("/flash/again")]
async fn flash_again(_flash: Option<Flash>) -> Response {
    Flash::new("info", "again").with("kept")
}

#[test]
fn a_flash_message_is_read_once_whatever_the_kind_of_the_route() {
    let client = crate::collected().test().expect("the app fits together");
    for path in ["/flash/sync", "/flash/pool"] {
        assert_eq!(client.get(path).send().header("set-cookie"), None, "nothing was there to clear");
        let saved = client.post("/save").send().assert_status(303);
        let cookie = saved.header("set-cookie").expect("a message is a cookie");
        assert!(cookie.contains("HttpOnly; SameSite=Lax; Path=/; Max-Age=60"), "{cookie}");
        client.get("/sse/async").send();
        client.get(path).send().assert_text("success | Saved: \"<b>\" & more; it's gr\u{fc}n");
        client.get(path).send().assert_text("none");
    }
    client.post("/save").send();
    client.get("/flash/again").send();
    client.get("/flash/pool").send().assert_text("info | again");
}

#[test]
fn a_long_flash_message_is_cut_at_a_character_and_fits_a_cookie() {
    let response = Flash::new("a:kind".repeat(100), "\u{20ac}".repeat(4000)).with(());
    assert!(response.headers()["set-cookie"].len() < 4096);
    let client = crate::collected().test().expect("the app fits together");
    let forged = client.get("/flash/sync").header("cookie", &format!("flash=x:{}", "y".repeat(5000))).send();
    forged.assert_text("none");
}
