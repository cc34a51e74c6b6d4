//! The cases of HTTP/2: frames that a client sends, and what RFC 9113 demands of the server.
//!
//! Each case is one connection. After the frames of the case, the client sends a PING, whose answer shows
//! that the connection goes on. The runner looks only at frames and at statuses that are in the static table.
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Limits each wait for the server.
const PATIENCE: Duration = Duration::from_secs(10);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
/// Both flags of a request without a body.
const WHOLE: u8 = END_STREAM | END_HEADERS;

// Error codes (RFC 9113, section 7).
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What the server does first: about the connection, about a stream, or as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It ends the connection with this code.
    Goaway(u32),
    /// It ends the connection without a code.
    Closed,
    /// It ends the stream with this code.
    Reset(u32),
    Status(u16),
    /// It answers the PING.
    Alive,
}

impl Seen {
    /// Returns whether an answer is as good as this one. A server may treat an error of a stream as one of
    /// the connection (section 5.4.2), and many report PROTOCOL_ERROR in place of a more specific code.
    fn includes(self, seen: Seen) -> bool {
        match (self, seen) {
            (Seen::Reset(code) | Seen::Goaway(code), Seen::Goaway(seen)) => seen == code || seen == PROTOCOL_ERROR,
            _ => self == seen,
        }
    }
}

/// One case.
pub(crate) struct Case {
    /// The section of RFC 9113 and what is wrong.
    name: &'static str,
    send: fn() -> Vec<u8>,
    seen: Seen,
}

impl Case {
    /// Sends the case to a server.
    ///
    /// # Errors
    ///
    /// Returns what was expected and what came.
    pub(crate) fn check(&self, address: SocketAddr) -> Result<(), String> {
        let seen = self.ask(address);
        let is_right = seen.as_ref().is_ok_and(|seen| self.seen.includes(*seen));
        is_right.then_some(()).ok_or_else(|| format!("RFC 9113, {}: expected {:?}, got {seen:?}", self.name, self.seen))
    }

    fn ask(&self, address: SocketAddr) -> io::Result<Seen> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // The server may close the connection before it has read everything.
        let _ = stream.write_all(&[(self.send)(), frame(PING, 0, 0, b"the case")].concat());
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).is_err() {
                return Ok(Seen::Closed);
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            stream.read_exact(&mut payload)?;
            let code = |at: usize| {
                payload.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
            };
            match (head[3], head[4]) {
                (GOAWAY, _) => return Ok(Seen::Goaway(code(4))),
                (RST_STREAM, _) => return Ok(Seen::Reset(code(0))),
                (HEADERS, _) => return Ok(Seen::Status(status(payload[0]))),
                (PING, ACK) if self.seen == Alive => return Ok(Seen::Alive),
                _ => {}
            }
        }
    }
}

/// Returns the status that an index of the static table stands for (RFC 7541, appendix A), or 0.
fn status(index: u8) -> u16 {
    match index {
        0x88 => 200,
        0x8c => 400,
        0x8d => 404,
        _ => 0,
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns the preface, empty settings and these frames.
fn begin(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frames.concat()].concat()
}

/// Returns a block of headers that are literals without an index.
fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/c/"), (":authority", "x")];
const POST: [(&str, &str); 4] = [(":method", "POST"), (":scheme", "http"), (":path", "/c/bytes"), (":authority", "x")];

/// Returns a whole request with further headers.
fn get(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &block(&[&GET, more].concat()))
}

/// Returns the head of a request with a body.
fn post(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(&[&POST, more].concat()))
}

/// Returns the head of a request with these headers alone.
fn with(headers: &[(&str, &str)]) -> Vec<u8> {
    begin(&[frame(HEADERS, WHOLE, 1, &block(headers))])
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn window(stream: u32, size: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &size.to_be_bytes())
}

const fn case(name: &'static str, send: fn() -> Vec<u8>, seen: Seen) -> Case {
    Case { name, send, seen }
}

use Seen::{Alive, Closed, Goaway, Reset, Status};

/// All cases, by section.
pub(crate) const CASES: &[Case] = &[
    case("3.4, a wrong preface", || b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(), Closed),
    case("4.1, an unknown frame", || begin(&[frame(0x16, 0, 0, &[0; 8])]), Alive),
    case("4.1, undefined flags", || begin(&[frame(PING, 0x16, 0, b"the case")]), Alive),
    case(
        "4.2, DATA above the size",
        || begin(&[post(1, &[]), frame(DATA, 1, 1, &[0; 16_385])]),
        Goaway(FRAME_SIZE_ERROR),
    ),
    case("4.2, HEADERS above the size", || begin(&[frame(HEADERS, WHOLE, 1, &[0; 16_385])]), Goaway(FRAME_SIZE_ERROR)),
    case("4.3, a block that ends too early", || begin(&[frame(HEADERS, WHOLE, 1, &[0x40])]), Goaway(COMPRESSION_ERROR)),
    case("4.3, an index of no table", || begin(&[frame(HEADERS, WHOLE, 1, &[0xff, 0x7f])]), Goaway(COMPRESSION_ERROR)),
    case(
        "4.3, PRIORITY within a block",
        || begin(&[frame(HEADERS, END_STREAM, 1, &block(&GET)), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])]),
        Goaway(PROTOCOL_ERROR),
    ),
    case(
        "4.3, a head of another stream within a block",
        || begin(&[frame(HEADERS, END_STREAM, 1, &block(&GET)), get(3, &[])]),
        Goaway(PROTOCOL_ERROR),
    ),
    case("5.1, DATA on an idle stream", || begin(&[frame(DATA, 1, 1, b"x")]), Goaway(PROTOCOL_ERROR)),
    case(
        "5.1, RST_STREAM on an idle stream",
        || begin(&[frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])]),
        Goaway(PROTOCOL_ERROR),
    ),
    case("5.1, WINDOW_UPDATE on an idle stream", || begin(&[window(1, 9)]), Goaway(PROTOCOL_ERROR)),
    case("5.1, CONTINUATION on an idle stream", || begin(&[frame(CONTINUATION, 4, 1, &[])]), Goaway(PROTOCOL_ERROR)),
    case(
        "5.1, DATA after the end",
        || begin(&[frame(HEADERS, WHOLE, 1, &block(&POST)), frame(DATA, 1, 1, b"x")]),
        Goaway(STREAM_CLOSED),
    ),
    case("5.1, a second head after the end", || begin(&[get(1, &[]), get(1, &[])]), Goaway(STREAM_CLOSED)),
    case(
        "5.1, DATA after RST_STREAM",
        || begin(&[post(1, &[]), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), frame(DATA, 1, 1, b"x")]),
        Reset(STREAM_CLOSED),
    ),
    case("5.1.1, an even number", || begin(&[get(2, &[])]), Goaway(PROTOCOL_ERROR)),
    case("5.1.1, a smaller number", || begin(&[post(5, &[]), post(3, &[])]), Goaway(PROTOCOL_ERROR)),
    case("6.1, DATA of the connection", || begin(&[frame(DATA, 1, 0, b"x")]), Goaway(PROTOCOL_ERROR)),
    case(
        "6.1, more padding than payload",
        || begin(&[post(1, &[]), frame(DATA, END_STREAM | PADDED, 1, b"\x06abcde")]),
        Goaway(PROTOCOL_ERROR),
    ),
    case("6.2, HEADERS of the connection", || begin(&[get(0, &[])]), Goaway(PROTOCOL_ERROR)),
    case(
        "6.2, more padding than payload",
        || begin(&[frame(HEADERS, WHOLE | PADDED, 1, &[&[200], &*block(&GET)].concat())]),
        Goaway(PROTOCOL_ERROR),
    ),
    case("6.3, PRIORITY of the connection", || begin(&[frame(PRIORITY, 0, 0, &[0; 5])]), Goaway(PROTOCOL_ERROR)),
    case("6.4, RST_STREAM of the connection", || begin(&[frame(RST_STREAM, 0, 0, &[0; 4])]), Goaway(PROTOCOL_ERROR)),
    case(
        "6.4, RST_STREAM of a wrong length",
        || begin(&[post(1, &[]), frame(RST_STREAM, 0, 1, &[0; 3])]),
        Goaway(FRAME_SIZE_ERROR),
    ),
    case("6.5, SETTINGS of a stream", || begin(&[frame(SETTINGS, 0, 1, &[])]), Goaway(PROTOCOL_ERROR)),
    case(
        "6.5, an acknowledgment with a payload",
        || begin(&[frame(SETTINGS, ACK, 0, &[0; 6])]),
        Goaway(FRAME_SIZE_ERROR),
    ),
    case("6.5, SETTINGS of a wrong length", || begin(&[frame(SETTINGS, 0, 0, &[0; 3])]), Goaway(FRAME_SIZE_ERROR)),
    case("6.5.2, ENABLE_PUSH is a boolean", || begin(&[setting(2, 2)]), Goaway(PROTOCOL_ERROR)),
    case("6.5.2, a window above 2^31-1", || begin(&[setting(4, 1 << 31)]), Goaway(FLOW_CONTROL_ERROR)),
    case("6.5.2, a frame size below 2^14", || begin(&[setting(5, (1 << 14) - 1)]), Goaway(PROTOCOL_ERROR)),
    case("6.5.2, a frame size above 2^24-1", || begin(&[setting(5, 1 << 24)]), Goaway(PROTOCOL_ERROR)),
    case("6.5.2, an unknown setting", || begin(&[setting(0xff, 1)]), Alive),
    case("6.6, a client pushes", || begin(&[frame(PUSH_PROMISE, 4, 1, &[0, 0, 0, 2])]), Goaway(PROTOCOL_ERROR)),
    case("6.7, PING of a stream", || begin(&[frame(PING, 0, 1, &[0; 8])]), Goaway(PROTOCOL_ERROR)),
    case("6.7, PING of a wrong length", || begin(&[frame(PING, 0, 0, &[0; 6])]), Goaway(FRAME_SIZE_ERROR)),
    case("6.8, GOAWAY of a stream", || begin(&[frame(GOAWAY, 0, 1, &[0; 8])]), Goaway(PROTOCOL_ERROR)),
    case("6.9, WINDOW_UPDATE by 0", || begin(&[window(0, 0)]), Goaway(PROTOCOL_ERROR)),
    case("6.9, WINDOW_UPDATE by 0 on a stream", || begin(&[post(1, &[]), window(1, 0)]), Reset(PROTOCOL_ERROR)),
    case(
        "6.9, WINDOW_UPDATE of a wrong length",
        || begin(&[frame(WINDOW_UPDATE, 0, 0, &[0; 3])]),
        Goaway(FRAME_SIZE_ERROR),
    ),
    case("6.9.1, a window above 2^31-1", || begin(&[window(0, (1 << 31) - 1)]), Goaway(FLOW_CONTROL_ERROR)),
    case(
        "6.9.1, a window of a stream above 2^31-1",
        || begin(&[post(1, &[]), window(1, (1 << 31) - 1)]),
        Reset(FLOW_CONTROL_ERROR),
    ),
    case(
        "6.10, CONTINUATION after the end of the block",
        || begin(&[post(1, &[]), frame(CONTINUATION, 4, 1, &[])]),
        Goaway(PROTOCOL_ERROR),
    ),
    case(
        "6.10, CONTINUATION without an end",
        || {
            let flood = vec![frame(CONTINUATION, 0, 1, &[]); 20_000];
            begin(&[frame(HEADERS, END_STREAM, 1, &block(&GET)), flood.concat()])
        },
        Goaway(ENHANCE_YOUR_CALM),
    ),
    case(
        "8.1, DATA frames without data",
        || begin(&[post(1, &[]), vec![frame(DATA, 0, 1, &[]); 100_000].concat()]),
        Goaway(ENHANCE_YOUR_CALM),
    ),
    case(
        "8.1.1, a body shorter than its length",
        || begin(&[post(1, &[("content-length", "2")]), frame(DATA, 1, 1, b"x")]),
        Reset(PROTOCOL_ERROR),
    ),
    case(
        "8.1.1, a body longer than its length",
        || begin(&[post(1, &[("content-length", "1")]), frame(DATA, 1, 1, b"xy")]),
        Reset(PROTOCOL_ERROR),
    ),
    case("8.1, a valid request", || begin(&[get(1, &[])]), Status(200)),
    case("8.2.1, an upper case name", || begin(&[get(1, &[("X-A", "b")])]), Reset(PROTOCOL_ERROR)),
    case("8.2.1, a line break in a value", || begin(&[get(1, &[("x-a", "b\r\nc: d")])]), Reset(PROTOCOL_ERROR)),
    case("8.2.2, Connection", || begin(&[get(1, &[("connection", "close")])]), Reset(PROTOCOL_ERROR)),
    case("8.2.2, Transfer-Encoding", || begin(&[get(1, &[("transfer-encoding", "chunked")])]), Reset(PROTOCOL_ERROR)),
    case("8.2.2, TE other than trailers", || begin(&[get(1, &[("te", "gzip")])]), Reset(PROTOCOL_ERROR)),
    case("8.2.2, TE: trailers", || begin(&[get(1, &[("te", "trailers")])]), Status(200)),
    case("8.3, an unknown pseudo-header", || begin(&[get(1, &[(":test", "ok")])]), Reset(PROTOCOL_ERROR)),
    case("8.3, a pseudo-header of responses", || begin(&[get(1, &[(":status", "200")])]), Reset(PROTOCOL_ERROR)),
    case("8.3, a pseudo-header after a header", || with(&[&[("x-a", "b")], &GET[..]].concat()), Reset(PROTOCOL_ERROR)),
    case("8.3, a pseudo-header twice", || begin(&[get(1, &[(":path", "/c/")])]), Reset(PROTOCOL_ERROR)),
    case("8.3.1, no method", || with(&GET[1..]), Reset(PROTOCOL_ERROR)),
    case("8.3.1, no scheme", || with(&[GET[0], GET[2], GET[3]]), Reset(PROTOCOL_ERROR)),
    case("8.3.1, no path", || with(&[GET[0], GET[1], GET[3]]), Reset(PROTOCOL_ERROR)),
    case("8.3.1, an empty path", || with(&[GET[0], GET[1], (":path", ""), GET[3]]), Reset(PROTOCOL_ERROR)),
    case("8.3.1, no host", || with(&GET[..3]), Status(400)),
    case("8.3.1, Host in place of :authority", || with(&[&GET[..3], &[("host", "x")]].concat()), Status(200)),
    case("8.3.1, two hosts that differ", || begin(&[get(1, &[("host", "y")])]), Status(400)),
    case("8.5, CONNECT with a path", || with(&[(":method", "CONNECT"), GET[1], GET[2], GET[3]]), Reset(PROTOCOL_ERROR)),
];
