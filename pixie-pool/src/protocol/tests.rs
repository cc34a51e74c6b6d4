//! Both sides of the protocol, with each other and with faulty peers: bytes in, events out.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod calls;
mod properties;
mod queue;
mod sandbox;

use bytes::{Bytes, BytesMut};

use crate::{
    config::{UPLOAD_CHUNK_BYTES_MAX, UPLOAD_WINDOW_BYTES},
    error::Failure,
    protocol::{
        decode, encode,
        frame::{Hello, ReplyFrame, Start, VERSION, Violation, Welcome},
        parent::{Event, Parent},
        worker::{Arrived, Unread, Worker},
    },
    sandbox::{Sandbox, SandboxLevel},
};

const TOKEN: [u8; 32] = [7; 32];

/// Both ends and the bytes between them.
struct Pair {
    parent: Parent,
    worker: Worker,
    to_parent: BytesMut,
    to_worker: BytesMut,
}

impl Pair {
    fn new() -> Self {
        let (parent, worker) = (Parent::new(TOKEN, 1), Worker::default());
        Pair { parent, worker, to_parent: BytesMut::new(), to_worker: BytesMut::new() }
    }

    /// Returns a pair after the handshake.
    fn serving() -> Self {
        let mut pair = Pair::new();
        encode::put_hello(&mut pair.to_parent, &Hello { version: VERSION, token: TOKEN, table_hash: 1 });
        assert_eq!(pair.hear(), [Event::Greeted]);
        let welcome = welcome(Sandbox::none());
        pair.parent.welcome(&welcome, &mut pair.to_worker);
        pair.worker.receive(&mut pair.to_worker).unwrap();
        assert_eq!(pair.worker.take_welcome(), Some(welcome));
        encode::put_ready(&mut pair.to_parent, &SandboxLevel::default());
        assert_eq!(pair.hear(), [Event::Ready]);
        pair
    }

    fn try_hear(&mut self) -> Result<Vec<Event>, Violation> {
        let mut events = Vec::new();
        while let Some((_, event)) = self.parent.receive(&mut self.to_parent)? {
            events.push(event);
        }
        Ok(events)
    }

    fn hear(&mut self) -> Vec<Event> {
        self.try_hear().unwrap()
    }

    /// Sends a job and lets the worker start it.
    fn begin(&mut self, start: &Start) -> u32 {
        let stream = self.send(start);
        assert_eq!(self.starts(), Some((stream, Arrived::Job(Start { body: Bytes::new(), ..start.clone() }))));
        stream
    }

    /// Sends a job.
    fn send(&mut self, start: &Start) -> u32 {
        let stream = self.parent.next_stream();
        self.parent.begin(stream, start, &mut self.to_worker);
        stream
    }

    /// Lets the worker receive what was sent and start a job.
    fn starts(&mut self) -> Option<(u32, Arrived)> {
        self.worker.receive(&mut self.to_worker).unwrap();
        self.worker.next_job(&mut self.to_parent)
    }

    fn read(&mut self, stream: u32, bytes: usize) -> Vec<u8> {
        let mut target = vec![0; bytes];
        let count = self.worker.read(stream, &mut target, &mut self.to_parent);
        target.truncate(count);
        target
    }
}

fn start(body: &'static [u8], complete: bool) -> Start {
    Start { number: 5, deadline_ms: 9, extension_ms: 100, head: "head".into(), body: body.into(), complete }
}

fn answer(head: &'static str, body: &'static str, complete: bool) -> Event {
    Event::Reply(ReplyFrame { head: head.into(), body: body.into(), complete })
}

fn welcome(sandbox: Sandbox) -> Welcome {
    Welcome { memory: 3, jobs_max: 4, reads_queue: true, is_metered: false, answers_calls: true, sandbox }
}

#[test]
fn a_small_job_is_one_frame_each_way() {
    let mut pair = Pair::serving();
    let stream = pair.send(&start(b"body", true));
    assert_eq!(pair.to_worker.len(), 8 + 21 + 8);
    assert_eq!(pair.starts(), Some((stream, Arrived::Job(start(b"", true)))));
    assert_eq!(pair.read(stream, 10), b"body");
    assert_eq!(pair.worker.unread(stream), Unread::End);
    pair.worker.reply(stream, b"ok", b"done", true, &mut pair.to_parent);
    assert_eq!(pair.hear(), [answer("ok", "done", true)]);
    assert!(!pair.worker.is_running(stream));
}

#[test]
fn frames_cut_anywhere_say_the_same() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    pair.worker.reply(stream, b"ok", b"one", false, &mut pair.to_parent);
    pair.worker.data(stream, b"two", &mut pair.to_parent);
    pair.worker.end(stream, &mut pair.to_parent);
    let bytes = std::mem::take(&mut pair.to_parent).freeze();
    for cut in 0..=bytes.len() {
        let mut pair = Pair::serving();
        pair.begin(&start(b"", true));
        pair.to_parent.extend_from_slice(&bytes[..cut]);
        let mut events = pair.hear();
        pair.to_parent.extend_from_slice(&bytes[cut..]);
        events.extend(pair.hear());
        assert_eq!(events, [answer("ok", "one", false), Event::Data("two".into()), Event::End], "cut at {cut}");
    }
}

#[test]
fn a_body_is_sent_as_far_as_the_worker_reads() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", false));
    let chunk = [3; UPLOAD_CHUNK_BYTES_MAX];
    for _ in 0..UPLOAD_WINDOW_BYTES / chunk.len() {
        assert_eq!(pair.parent.send_room(stream), Some(chunk.len()));
        pair.parent.data(stream, &chunk, &mut pair.to_worker);
    }
    assert_eq!(pair.parent.send_room(stream), Some(0));
    pair.worker.receive(&mut pair.to_worker).unwrap();
    assert_eq!(pair.read(stream, 1_000_000).len(), chunk.len());
    assert!(pair.hear().is_empty());
    assert_eq!(pair.read(stream, 1_000_000).len(), chunk.len());
    assert_eq!(pair.hear(), [Event::Room]);
    assert_eq!(pair.parent.send_room(stream), Some(chunk.len()));
    pair.parent.end(stream, &mut pair.to_worker);
    assert_eq!(pair.parent.send_room(stream), None);
}

#[test]
fn the_buffer_of_a_piece_that_is_no_longer_used_is_used_again() {
    let mut input = BytesMut::new();
    decode::make_room(&mut input, 1, 10_000);
    let at = input.as_ptr();
    for _ in 0..100 {
        // A frame, and the header of the next one.
        encode::put_data(&mut input, 1, &[3; 6000]);
        encode::put_data_header(&mut input, 1, &[3; 6000]);
        assert!(decode::take(&mut input).unwrap().is_some());
        assert_eq!(decode::take(&mut input).unwrap(), None);
        decode::make_room(&mut input, 1, 10_000);
        assert_eq!((input.as_ptr(), input.len()), (at, 8));
        assert!(input.capacity() >= 6008);
        input.clear();
    }
}

#[test]
fn body_pieces_that_arrive_before_their_job_is_started_are_kept() {
    let mut pair = Pair::serving();
    let stream = pair.send(&start(b"a", false));
    pair.parent.data(stream, b"b", &mut pair.to_worker);
    pair.parent.end(stream, &mut pair.to_worker);
    pair.starts().unwrap();
    assert_eq!([pair.read(stream, 9), pair.read(stream, 9)], [b"a", b"b"]);
    assert_eq!(pair.worker.unread(stream), Unread::End);
}

#[test]
fn a_canceled_job_ends_without_a_word_of_its_answer() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    assert!(pair.parent.cancel(stream, &mut pair.to_worker));
    assert!(!pair.parent.cancel(stream, &mut pair.to_worker));
    // The worker had already sent the reply.
    pair.worker.reply(stream, b"ok", b"late", false, &mut pair.to_parent);
    assert_eq!(pair.hear(), [Event::Late]);
    pair.worker.receive(&mut pair.to_worker).unwrap();
    assert!(pair.worker.is_canceled(stream));
    assert_eq!(pair.worker.send_room(stream), None);
    pair.worker.fail(stream, &Failure::error("left"), &mut pair.to_parent);
    assert_eq!(pair.hear(), [Event::Gone]);
}

#[test]
fn a_job_that_was_canceled_before_its_turn_is_not_started() {
    let mut pair = Pair::serving();
    let stream = pair.send(&start(b"", true));
    assert!(pair.parent.cancel(stream, &mut pair.to_worker));
    assert_eq!(pair.starts(), None);
    assert_eq!(pair.hear(), [Event::Gone]);
}

#[test]
fn a_job_gets_more_time_until_its_head_and_no_longer() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    assert!(pair.worker.extend(stream, 60, &mut pair.to_parent));
    assert!(pair.worker.extend(stream, 40, &mut pair.to_parent));
    assert_eq!(pair.hear(), [Event::Extended(60), Event::Extended(40)]);
    pair.worker.reply(stream, b"ok", b"", false, &mut pair.to_parent);
    assert!(!pair.worker.extend(stream, 1, &mut pair.to_parent));
    assert!(!pair.worker.extend(stream + 1, 1, &mut pair.to_parent));
    assert_eq!(pair.hear().len(), 1);
}

#[test]
fn frames_for_a_job_that_is_over_are_dropped_by_the_worker() {
    let mut pair = Pair::serving();
    let old = pair.begin(&start(b"", false));
    pair.worker.reply(old, b"ok", b"", true, &mut pair.to_parent);
    pair.parent.data(old, b"too late", &mut pair.to_worker);
    pair.parent.cancel(old, &mut pair.to_worker);
    assert_eq!(pair.hear().len(), 1);
    let new = pair.begin(&start(b"new", true));
    assert_eq!(pair.read(new, 9), b"new");
    assert!(!pair.worker.is_canceled(new));
}

#[test]
fn a_failure_arrives_with_its_place_and_is_cut_to_size() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    let failure = Failure { is_panic: true, message: "é".repeat(5000), location: Some("a.rs:1:2".to_owned()) };
    pair.worker.fail(stream, &failure, &mut pair.to_parent);
    let expected = Failure { message: "é".repeat(2048), ..failure };
    assert_eq!(pair.hear(), [Event::Failed(expected)]);
}

#[test]
fn a_stranger_is_not_let_in() {
    let right = Hello { version: VERSION, token: TOKEN, table_hash: 1 };
    for (hello, why) in [
        (Hello { version: 9, ..right.clone() }, "version 9"),
        (Hello { token: [8; 32], ..right.clone() }, "token"),
        (Hello { table_hash: 2, ..right }, "table"),
    ] {
        let mut pair = Pair::new();
        encode::put_hello(&mut pair.to_parent, &hello);
        let violation = pair.try_hear().unwrap_err();
        assert!(violation.0.contains(why), "{violation}");
    }
}

#[test]
fn whatever_is_out_of_turn_is_a_violation() {
    type Say = fn(&mut BytesMut, u32);
    let lies: [(&str, Say); 20] = [
        ("data before a head", |out, s| encode::put_data(out, s, b"x")),
        ("an end before a head", |out, s| encode::put_end(out, s)),
        ("an answer to another job", |out, s| encode::put_reply(out, s + 1, b"", b"", true)),
        ("an answer to no job", |out, _| encode::put_reply(out, 0, b"", b"", true)),
        ("two heads", |out, s| (0..2).for_each(|_| encode::put_reply(out, s, b"", b"", false))),
        ("an answer after the end", |out, s| (0..2).for_each(|_| encode::put_reply(out, s, b"", b"", true))),
        ("a fetch of a job that it has", |out, s| encode::put_fetch(out, s)),
        ("a ticket", |out, s| encode::put_ticket(out, s, 5)),
        ("another hello", |out, _| encode::put_hello(out, &Hello { version: 1, token: TOKEN, table_hash: 1 })),
        ("a parent's frame", |out, s| encode::put_cancel(out, s)),
        ("too much credit", |out, s| encode::put_credit(out, s, u32::MAX)),
        ("more time than it may have", |out, s| encode::put_extend(out, s, 101)),
        ("more time bit by bit", |out, s| (0..3).for_each(|_| encode::put_extend(out, s, 50))),
        ("more time after the head", |out, s| {
            encode::put_reply(out, s, b"", b"", false);
            encode::put_extend(out, s, 1);
        }),
        ("more than its credit", |out, s| {
            encode::put_reply(out, s, b"", b"", false);
            (0..5).for_each(|_| encode::put_data(out, s, &[0; 64 * 1024]));
        }),
        ("data of nothing", |out, s| {
            encode::put_reply(out, s, b"", b"", false);
            encode::put_data(out, s, b"");
        }),
        ("credit for nothing", |out, s| encode::put_credit(out, s, 0)),
        ("no more time", |out, s| encode::put_extend(out, s, 0)),
        ("an unknown type", |out, _| out.extend_from_slice(&[0, 0, 0, 99, 0, 0, 0, 0])),
        ("a length beyond the limit", |out, _| out.extend_from_slice(&[255, 255, 255, 18, 0, 0, 0, 0])),
    ];
    for (name, say) in lies {
        let mut pair = Pair::serving();
        let stream = pair.begin(&start(b"", true));
        say(&mut pair.to_parent, stream);
        assert!(pair.try_hear().is_err(), "{name}");
    }
}

#[test]
fn a_violation_says_nothing_of_what_a_frame_held() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    encode::put_data(&mut pair.to_parent, stream, b"a visitor's");
    assert_eq!(pair.try_hear().unwrap_err().0, "unexpected Data frame on stream 1");
    encode::put_fail(&mut pair.to_worker, stream, &Failure::error("a visitor's"));
    let violation = pair.worker.receive(&mut pair.to_worker).unwrap_err();
    assert_eq!(violation.0, "unexpected Fail frame from the parent");
}

#[test]
fn a_head_longer_than_its_frame_is_a_violation() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    encode::put_reply(&mut pair.to_parent, stream, b"head", b"", true);
    pair.to_parent[9] = 5;
    assert!(pair.try_hear().is_err());
}

/// A small generator of random numbers, so that a failure can be repeated.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn no_bytes_make_either_side_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut pair = Pair::serving();
        let stream = pair.begin(&start(b"some", false));
        pair.worker.reply(stream, b"head", b"body", false, &mut pair.to_parent);
        pair.worker.data(stream, b"more", &mut pair.to_parent);
        encode::put_credit(&mut pair.to_parent, stream, 1);
        pair.worker.fail(stream, &Failure::error("no"), &mut pair.to_parent);
        for _ in 0..1 + random(&mut state) % 4 {
            let at = random(&mut state) as usize % pair.to_parent.len();
            pair.to_parent[at] = random(&mut state) as u8;
        }
        let noise = Bytes::copy_from_slice(&pair.to_parent);
        refused += usize::from(pair.try_hear().is_err());
        let _ = Worker::default().receive(&mut BytesMut::from(&noise[..]));
    }
    assert!(refused > 1000, "{refused}");
}
