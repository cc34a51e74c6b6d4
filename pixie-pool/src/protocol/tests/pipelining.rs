//! Pipelined jobs: withdrawn, returned and canceled, in any order.

use bytes::BytesMut;

use super::{Pair, answer, random, start};
use crate::protocol::{encode, frame::HEADER_BYTES, parent::Event};

/// Lets the worker receive what was sent and start a job.
fn starts(pair: &mut Pair) -> Option<u32> {
    pair.worker.receive(&mut pair.to_worker, &mut pair.to_parent).unwrap();
    pair.worker.next_job(&mut pair.to_parent).map(|(stream, _)| stream)
}

fn send_three(pair: &mut Pair) -> [u32; 3] {
    [(); 3].map(|()| pair.parent.begin(&start(b"", true), &mut pair.to_worker))
}

#[test]
fn a_withdrawal_returns_the_jobs_that_are_not_started_and_no_others() {
    let mut pair = Pair::serving();
    let [first, ..] = send_three(&mut pair);
    assert_eq!(starts(&mut pair), Some(first));
    assert!(pair.parent.withdraw(&mut pair.to_worker));
    assert!(!pair.parent.withdraw(&mut pair.to_worker), "one is on its way");
    // A job that is sent later is not returned.
    let late = pair.parent.begin(&start(b"", true), &mut pair.to_worker);
    pair.worker.receive(&mut pair.to_worker, &mut pair.to_parent).unwrap();
    assert_eq!(pair.hear(), [Event::Returned { at: 1, count: 2 }]);
    pair.worker.reply(first, b"", b"", Some(3), &mut pair.to_parent);
    assert_eq!(starts(&mut pair), Some(late));
    pair.worker.reply(late, b"", b"", Some(3), &mut pair.to_parent);
    assert_eq!(pair.hear(), [answer("", "", true), answer("", "", true)]);
}

#[test]
fn a_withdrawal_that_comes_too_late_returns_no_job() {
    let mut pair = Pair::serving();
    let streams = send_three(&mut pair);
    assert!(pair.parent.withdraw(&mut pair.to_worker));
    let withdrawal = pair.to_worker.split_off(pair.to_worker.len() - HEADER_BYTES);
    for stream in streams {
        assert_eq!(starts(&mut pair), Some(stream));
        pair.worker.reply(stream, b"", b"", Some(3), &mut pair.to_parent);
    }
    pair.to_worker = withdrawal;
    assert_eq!(starts(&mut pair), None);
    assert_eq!(pair.hear().len(), 3);
    assert!(!pair.parent.is_withdrawing);
}

#[test]
fn a_job_that_was_canceled_before_its_turn_is_not_started() {
    let mut pair = Pair::serving();
    let [first, second, third] = send_three(&mut pair);
    assert!(pair.parent.cancel(second, &mut pair.to_worker));
    assert_eq!(starts(&mut pair), Some(first));
    pair.worker.reply(first, b"", b"", Some(3), &mut pair.to_parent);
    assert_eq!(starts(&mut pair), Some(third));
    assert_eq!(pair.hear(), [answer("", "", true), Event::Gone]);
}

#[test]
fn returned_jobs_that_were_not_pipelined_or_not_withdrawn_are_violations() {
    type Lie = fn(u32) -> (u32, u32);
    let lies: [(&str, bool, Lie); 5] = [
        ("not withdrawn", false, |first| (first + 1, 2)),
        ("the first, which was not pipelined", true, |first| (first, 3)),
        ("more than there are", true, |first| (first + 1, 3)),
        ("so many that their number overflows", true, |first| (first + 1, u32::MAX)),
        ("one that is not there", true, |first| (first + 7, 1)),
    ];
    for (name, is_withdrawing, lie) in lies {
        let mut pair = Pair::serving();
        let [first, ..] = send_three(&mut pair);
        assert!(!is_withdrawing || pair.parent.withdraw(&mut pair.to_worker));
        let (stream, count) = lie(first);
        encode::put_return(&mut pair.to_parent, stream, count);
        assert!(pair.try_hear().is_err(), "{name}");
    }
}

/// The test's record of the jobs of one connection.
#[derive(Default)]
struct Books {
    /// The sent jobs, as the parent sees them.
    sent: Vec<u32>,
    started: Vec<u32>,
    answered: Vec<u32>,
    returned: Vec<u32>,
}

impl Books {
    fn hear(&mut self, pair: &mut Pair) {
        for event in pair.hear() {
            match event {
                Event::Returned { at, count } => self.returned.extend(self.sent.drain(at..at + count)),
                event if event.is_last() => self.answered.push(self.sent.remove(0)),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Moves some of the bytes, so that frames are cut at any place.
fn deliver(from: &mut BytesMut, to: &mut BytesMut, random: u64) {
    let count = random as usize % (from.len() + 1);
    to.extend_from_slice(&from.split_to(count));
}

#[test]
fn every_job_is_answered_or_returned_once_whatever_the_order() {
    let mut state = 0x2545_f491_4f6c_dd1d;
    let mut returned = 0;
    for _ in 0..300 {
        let (mut pair, mut books) = (Pair::serving(), Books::default());
        let (mut to_worker, mut running, mut begun) = (BytesMut::new(), None, 0);
        while begun < 40 || !books.sent.is_empty() {
            match random(&mut state) % 6 {
                0 | 1 if begun < 40 => {
                    begun += 1;
                    books.sent.push(pair.parent.begin(&start(b"", true), &mut pair.to_worker));
                }
                2 => drop(pair.parent.withdraw(&mut pair.to_worker)),
                3 => deliver(&mut pair.to_worker, &mut to_worker, random(&mut state)),
                4 => {
                    pair.worker.receive(&mut to_worker, &mut pair.to_parent).unwrap();
                    running = running.or_else(|| pair.worker.next_job(&mut pair.to_parent).map(|(stream, _)| stream));
                    books.started.extend(running.filter(|stream| !books.started.contains(stream)));
                }
                _ => {
                    if let Some(stream) = running.take() {
                        pair.worker.reply(stream, b"", b"", Some(3), &mut pair.to_parent);
                    }
                    books.hear(&mut pair);
                }
            }
        }
        assert_eq!(books.answered, books.started);
        assert!(books.returned.iter().all(|stream| !books.started.contains(stream)));
        assert_eq!(books.answered.len() + books.returned.len(), 40);
        returned += books.returned.len();
    }
    assert!(returned > 300, "{returned}");
}
