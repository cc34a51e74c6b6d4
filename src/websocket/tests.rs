//! The link with simulated time, against peers that are bytes.
use std::{future::pending, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::*;

/// The bytes that are on their way in one direction.
const PIPE_BYTES: usize = 1024;
const PING: [u8; 2] = [0x89, 0];

/// A WebSocket whose client is `client`, and what its handler returns.
struct Opened<T> {
    client: DuplexStream,
    server: JoinHandle<()>,
    seen: oneshot::Receiver<T>,
    since: Instant,
}

fn open<T, F>(handler: impl FnOnce(Socket) -> F) -> Opened<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let (client, theirs) = duplex(PIPE_BYTES);
    let (link, socket) = Link::new(End::Server, Box::new(theirs), Bounds::default(), Box::pin(pending()), None);
    let (sender, seen) = oneshot::channel();
    let handler = handler(socket);
    let handler = async move {
        let _ = sender.send(handler.await);
        Ok(())
    };
    let asked = Asked { uri: Uri::from_static("/"), id: None, shutdown: Arc::default() };
    let server = tokio::spawn(async move { serve(link, handler, &asked).await });
    Opened { client, server, seen, since: Instant::now() }
}

/// Counts the messages until the end. Returns the count and the code.
async fn listen(mut socket: Socket) -> (usize, u16) {
    let mut count = 0;
    while socket.next().await.is_some() {
        count += 1;
    }
    (count, socket.closed().expect("it has ended").code)
}

/// A frame of a client with the mask 0, which changes nothing.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Sends a frame until the server does not take it for a second. Returns how many it took.
async fn flood(client: &mut DuplexStream, frame: &[u8]) -> usize {
    let mut taken = 0;
    while timeout(Duration::from_secs(1), client.write_all(frame)).await.is_ok_and(|sent| sent.is_ok()) {
        taken += 1;
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_asked_and_one_that_does_not_answer_is_left() {
    let Opened { mut client, server, seen, since } = open(listen);
    let mut ping = [0; 2];
    for _ in 0..3 {
        client.read_exact(&mut ping).await.expect("a ping comes");
        assert_eq!(ping, PING);
        client.write_all(&frame(0xa, b"")).await.expect("it reads the pong");
    }
    assert_eq!(since.elapsed().as_secs(), 90);
    client.read_exact(&mut ping).await.expect("a ping comes");
    assert_eq!(client.read(&mut ping).await.expect("it ends"), 0);
    assert_eq!(seen.await, Ok((0, 1006)));
    server.await.expect("it ends");
    assert_eq!(since.elapsed().as_secs(), 150);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_makes_send_wait_and_is_left() {
    let Opened { client, server, seen, since } = open(async |socket| {
        let (mut sent, piece) = (0, vec![0; PIPE_BYTES / 2]);
        while socket.send(piece.clone()).await.is_ok() {
            sent += 1;
        }
        (sent, socket.closed().expect("it has ended").code)
    });
    let (sent, code) = seen.await.expect("the handler ends");
    // Two in the pipe, one in the link, one in the queue.
    assert!((2..=5).contains(&sent) && code == 1006, "{sent} messages were taken, {code}");
    server.await.expect("it ends");
    assert_eq!(since.elapsed().as_secs(), 30);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_pings_and_does_not_read_is_not_read_either() {
    let Opened { mut client, server, seen, since } = open(listen);
    let taken = flood(&mut client, &frame(9, &[0; 125])).await;
    assert!(taken < 100, "{taken} pings were taken");
    assert_eq!(seen.await, Ok((0, 1006)));
    server.await.expect("it ends");
    assert_eq!(since.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_read_makes_its_client_wait_without_an_end() {
    let Opened { mut client, server, seen, .. } = open(async |socket| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        listen(socket).await
    });
    let taken = flood(&mut client, &frame(1, b"hello")).await;
    // It is still open, though more than the idle timeout has passed.
    let mut first = [0; 2];
    assert!(timeout(Duration::from_secs(300), client.read_exact(&mut first)).await.is_err(), "{first:?}");
    drop(client);
    // The last frame was sent in part.
    assert_eq!(seen.await, Ok((taken, 1006)));
    server.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_ignores_the_end_is_dropped() {
    let Opened { client, server, since, .. } = open(async |_socket| pending::<()>().await);
    drop(client);
    server.await.expect("it ends");
    assert_eq!(since.elapsed(), LEAVE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_a_close_is_left() {
    let Opened { mut client, server, since, .. } = open(async |_socket| ());
    let mut close = [0; 4];
    client.read_exact(&mut close).await.expect("a close frame comes");
    assert_eq!(close, [0x88, 2, 0x03, 0xe8]);
    server.await.expect("it ends");
    assert_eq!(since.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_has_sent_arrives_before_its_end_but_not_what_others_send_then() {
    let Opened { mut client, server, seen, .. } = open(async |socket| {
        let (sender, _receiver) = socket.split();
        let other = sender.clone();
        let endless = tokio::spawn(async move { while other.send("x").await.is_ok() {} });
        sender.send("y").await.expect("it is open");
        Some(endless)
    });
    let mut frames = Vec::new();
    // The close frame is answered, so the server ends.
    let mut bytes = [0; 64];
    while !frames.ends_with(&[0x88, 2, 0x03, 0xe8]) {
        let count = client.read(&mut bytes).await.expect("it goes on");
        assert!(count > 0, "{frames:?}");
        frames.extend_from_slice(&bytes[..count]);
    }
    client.write_all(&frame(8, &[0x03, 0xe8])).await.expect("it reads the answer");
    assert!(frames.windows(3).any(|window| window == [0x81, 1, b'y']), "{frames:?}");
    server.await.expect("it ends");
    let endless = seen.await.expect("the handler has ended").expect("it was started");
    endless.await.expect("the other task has ended");
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_answered_with_the_code_of_the_rfc() {
    for (bytes, code) in [
        (vec![0x81, 1, b'x'], 1002_u16),
        (frame(3, b""), 1002),
        (frame(1, &[0xff]), 1007),
        (vec![0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], 1009),
        // In two frames, each within the limit.
        ([vec![0x02, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0], vec![0; 1 << 20], frame(0, b"x")].concat(), 1009),
    ] {
        let Opened { client, server, seen, since } = open(listen);
        let (mut reading, mut writing) = tokio::io::split(client);
        let start = bytes[..bytes.len().min(20)].to_vec();
        let writer = tokio::spawn(async move {
            writing.write_all(&bytes).await.expect("it is read");
            writing
        });
        let mut close = [0; 4];
        reading.read_exact(&mut close).await.expect("a close frame comes");
        assert_eq!((close[0], &close[2..]), (0x88, &code.to_be_bytes()[..]), "{start:?}");
        assert_eq!(seen.await, Ok((0, code)), "{start:?}");
        let writing = writer.await.expect("it was sent");
        server.await.expect("it ends");
        assert!(since.elapsed() <= Duration::from_secs(6), "{start:?} {:?}", since.elapsed());
        drop(writing);
    }
}
