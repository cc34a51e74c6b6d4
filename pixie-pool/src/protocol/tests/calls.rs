//! Calls of a job and their answers, between honest sides and from faulty workers.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{Pair, TOKEN, answer, start, welcome};
use crate::{
    config::{CALL_BYTES_MAX, UPLOAD_WINDOW_BYTES},
    error::Failure,
    protocol::{
        decode, encode,
        frame::{Frame, Hello, Kind, VERSION, Welcome},
        parent::Event,
        worker::Returned,
    },
    sandbox::{Sandbox, SandboxLevel},
};

impl Pair {
    /// Sends a call; false if the job cannot call.
    fn call(&mut self, stream: u32, request: &[u8]) -> bool {
        let is_sent = self.worker.call_header(stream, request, &mut self.to_parent);
        self.to_parent.extend_from_slice(if is_sent { request } else { b"" });
        is_sent
    }

    fn give_back(&mut self, stream: u32, answer: Option<&[u8]>) {
        self.parent.return_header(stream, answer, &mut self.to_worker);
        self.to_worker.extend_from_slice(answer.unwrap_or_default());
    }

    fn returned(&mut self, stream: u32) -> Returned {
        self.worker.receive(&mut self.to_worker).unwrap();
        self.worker.take_return(stream)
    }
}

fn put_call(out: &mut BytesMut, stream: u32, request: &[u8]) {
    encode::put_call_header(out, stream, request);
    out.extend_from_slice(request);
}

#[test]
fn a_small_call_is_one_frame_each_way_as_often_as_the_job_calls() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    for request in ["one", "", "three"] {
        assert!(pair.call(stream, request.as_bytes()));
        assert_eq!(pair.to_parent.len(), 8 + request.len());
        assert_eq!(pair.hear(), [Event::Call(request.into())]);
        assert_eq!(pair.returned(stream), Returned::Pending);
        pair.give_back(stream, Some(request.as_bytes()));
        assert_eq!(pair.to_worker.len(), 8 + 1 + request.len());
        assert_eq!(pair.returned(stream), Returned::Answer(request.into()));
        assert_eq!(pair.returned(stream), Returned::Pending);
    }
    assert!(pair.call(stream, b"fails"));
    assert_eq!(pair.hear(), [Event::Call("fails".into())]);
    pair.give_back(stream, None);
    assert_eq!(pair.returned(stream), Returned::Nothing);
}

#[test]
fn the_largest_call_and_answer_arrive_in_any_pieces() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    let large = vec![7; CALL_BYTES_MAX];
    assert!(pair.call(stream, &large));
    let rest = pair.to_parent.split_off(CALL_BYTES_MAX / 2);
    assert_eq!(pair.hear(), []);
    pair.to_parent.unsplit(rest);
    assert_eq!(pair.hear(), [Event::Call(large.clone().into())]);
    pair.give_back(stream, Some(&large));
    let rest = pair.to_worker.split_off(8);
    assert_eq!(pair.returned(stream), Returned::Pending);
    pair.to_worker = BytesMut::from([&pair.to_worker[..], &rest].concat().as_slice());
    assert_eq!(pair.returned(stream), Returned::Answer(large.into()));
}

#[test]
fn a_job_calls_between_the_pieces_of_its_body_and_of_its_reply() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", false));
    assert!(pair.call(stream, b"reading"));
    assert_eq!(pair.hear(), [Event::Call("reading".into())]);
    pair.parent.data(stream, b"body", &mut pair.to_worker);
    pair.give_back(stream, Some(b"read on"));
    pair.parent.end(stream, &mut pair.to_worker);
    assert_eq!(pair.returned(stream), Returned::Answer("read on".into()));
    assert_eq!(pair.read(stream, 9), b"body");
    pair.worker.reply(stream, b"ok", b"", false, &mut pair.to_parent);
    pair.worker.data(stream, b"one", &mut pair.to_parent);
    assert!(pair.call(stream, b"replying"));
    pair.worker.data(stream, b"two", &mut pair.to_parent);
    let [one, two] = ["one", "two"].map(|piece| Event::Data(piece.into()));
    assert_eq!(pair.hear(), [answer("ok", "", false), one, Event::Call("replying".into()), two]);
}

#[test]
fn a_job_that_waits_for_an_answer_does_not_wait_for_its_body() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", false));
    assert!(pair.parent.awaits_body(stream));
    pair.call(stream, b"");
    pair.hear();
    assert_eq!(pair.parent.send_room(stream), Some(UPLOAD_WINDOW_BYTES / 4));
    assert!(!pair.parent.awaits_body(stream));
    pair.give_back(stream, None);
    assert!(pair.parent.awaits_body(stream));
}

#[test]
fn a_job_that_has_read_all_of_its_body_so_far_waits_for_more_only_if_its_worker_says_so() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", false));
    let piece = [b'x'; UPLOAD_WINDOW_BYTES / 4];
    for _ in 0..4 {
        pair.parent.data(stream, &piece, &mut pair.to_worker);
        pair.worker.receive(&mut pair.to_worker).unwrap();
        assert_eq!(pair.read(stream, piece.len()).len(), piece.len());
    }
    pair.hear();
    assert!(!pair.parent.awaits_body(stream));
    pair.worker.grant_all(stream, &mut pair.to_parent);
    pair.hear();
    assert!(pair.parent.awaits_body(stream));
}

#[test]
fn a_canceled_job_gets_no_answer_and_does_not_call() {
    let mut pair = Pair::serving();
    let stream = pair.begin(&start(b"", true));
    assert!(pair.call(stream, b"on the way"));
    assert!(pair.parent.cancel(stream, &mut pair.to_worker));
    assert_eq!(pair.hear(), [Event::Late]);
    assert_eq!(pair.returned(stream), Returned::Canceled);
    assert!(!pair.call(stream, b"later"));
    pair.worker.fail(stream, &Failure::error("left"), &mut pair.to_parent);
    assert_eq!(pair.hear(), [Event::Gone]);
    assert!(!pair.call(stream, b"later"));
}

#[test]
fn the_answer_to_a_job_that_has_ended_does_not_reach_the_next_one() {
    let mut pair = Pair::serving();
    let first = pair.begin(&start(b"", true));
    assert!(pair.call(first, b"of a thread"));
    pair.worker.reply(first, b"ok", b"", true, &mut pair.to_parent);
    assert_eq!(pair.hear(), [Event::Call("of a thread".into()), answer("ok", "", true)]);
    let second = pair.begin(&start(b"", true));
    assert!(pair.call(second, b"second"));
    assert_eq!(pair.hear(), [Event::Call("second".into())]);
    pair.give_back(first, Some(b"late"));
    assert_eq!(pair.returned(second), Returned::Pending);
    assert_eq!(pair.returned(first), Returned::Canceled);
    pair.give_back(second, Some(b"its own"));
    assert_eq!(pair.returned(second), Returned::Answer("its own".into()));
}

#[test]
fn a_call_out_of_turn_is_a_violation() {
    type Say = fn(&mut BytesMut, u32);
    let lies: [(&str, Say); 7] = [
        ("a second call before the answer", |out, s| (0..2).for_each(|_| put_call(out, s, b"x"))),
        ("a call of another job", |out, s| put_call(out, s + 1, b"x")),
        ("a call of no job", |out, _| put_call(out, 0, b"x")),
        ("a call after the reply", |out, s| {
            encode::put_reply(out, s, b"", b"", true);
            put_call(out, s, b"x");
        }),
        ("a call after a failure", |out, s| {
            encode::put_fail(out, s, &Failure::error("no"));
            put_call(out, s, b"x");
        }),
        ("one byte too many", |out, s| {
            out.put_uint_le(CALL_BYTES_MAX as u64 + 1, 3);
            out.put_u8(Kind::Call as u8);
            out.put_u32_le(s);
        }),
        ("an answer", |out, s| encode::put_return_header(out, s, None)),
    ];
    for (name, say) in lies {
        let mut pair = Pair::serving();
        let stream = pair.begin(&start(b"", true));
        say(&mut pair.to_parent, stream);
        assert!(pair.try_hear().is_err(), "{name}");
    }
}

#[test]
fn a_ticket_is_fetched_before_its_job_calls() {
    let mut pair = Pair::serving();
    pair.parent.adopt(1 << 16 | 1, 0, true, false);
    put_call(&mut pair.to_parent, 1 << 16 | 1, b"x");
    assert!(pair.try_hear().unwrap_err().0.contains("ticket"));
}

#[test]
fn a_pool_without_calls_says_so_and_accepts_none() {
    let mut pair = Pair::new();
    encode::put_hello(&mut pair.to_parent, &Hello { version: VERSION, token: TOKEN, table_hash: 1 });
    assert_eq!(pair.hear(), [Event::Greeted]);
    let welcome = Welcome { answers_calls: false, ..welcome(Sandbox::none()) };
    pair.parent.welcome(&welcome, &mut pair.to_worker);
    pair.worker.receive(&mut pair.to_worker).unwrap();
    pair.worker.take_welcome().unwrap();
    assert!(!pair.worker.answers_calls());
    encode::put_ready(&mut pair.to_parent, &SandboxLevel::default());
    assert_eq!(pair.hear(), [Event::Ready]);
    let stream = pair.begin(&start(b"", true));
    put_call(&mut pair.to_parent, stream, b"x");
    assert_eq!(pair.try_hear().unwrap_err().0, "unexpected Call frame on stream 1");
}

#[test]
fn an_answer_has_one_encoding() {
    let decoded = |payload: &[u8]| {
        let mut input = BytesMut::from(&[payload.len() as u8, 0, 0, Kind::Return as u8, 1, 0, 0, 0][..]);
        input.extend_from_slice(payload);
        decode::take(&mut input).map(|frame| frame.map(|(_, frame)| frame))
    };
    assert_eq!(decoded(b"\x00"), Ok(Some(Frame::Return(None))));
    assert_eq!(decoded(b"\x01"), Ok(Some(Frame::Return(Some(Bytes::new())))));
    assert_eq!(decoded(b"\x01a"), Ok(Some(Frame::Return(Some("a".into())))));
    for wrong in [&b""[..], b"\x00a", b"\x02", b"\xff\x01"] {
        assert!(decoded(wrong).is_err(), "{wrong:?}");
    }
}
