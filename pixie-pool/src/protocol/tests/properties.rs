//! Properties that hold for every order of steps and wherever bytes are cut. A failure is reduced to its
//! shortest schedule.

use bytes::{Bytes, BytesMut};
use proptest::{
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest},
    sample::{Index, select},
    strategy::ValueTree,
    test_runner::TestRunner,
};

use super::{Pair, start};
use crate::{
    error::Failure,
    fuzzing::{Books, Conversation, Fate, Step},
    protocol::{decode, encode, frame::Start, parent::Event, worker::Unread, worker::Worker},
};

/// Does not store failures beside the sources: each one becomes a test or an input in the corpus. Runs a
/// quarter of `PROPTEST_CASES` (256 by default), because each case is a whole conversation.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(4), failure_persistence: None, ..usual }
}

/// Sizes of bodies and pieces: those at which the behavior changes, and random ones.
fn bytes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..100_usize, 2 => select(vec![4095, 4096, 32_768, 65_536]), 1 => 0..=65_536_usize]
}

/// Sizes that soon fill a window.
fn many() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 30_000..=65_536_usize, 1 => bytes()]
}

fn job() -> impl Strategy<Value = usize> {
    0..8_usize
}

/// How many bytes arrive: all of them, or fewer.
fn arriving() -> impl Strategy<Value = usize> {
    prop_oneof![Just(usize::MAX), 0..40_usize, 0..100_000_usize]
}

fn transport() -> impl Strategy<Value = Step> {
    prop_oneof![arriving().prop_map(Step::ToWorker), arriving().prop_map(Step::ToParent)]
}

/// Steps that move the bodies of a started job, in pieces of such sizes.
fn moving<S: Strategy<Value = usize>>(bytes: impl Fn() -> S) -> impl Strategy<Value = Step> {
    prop_oneof![
        (job(), bytes()).prop_map(|(job, bytes)| Step::Send { job, bytes }),
        bytes().prop_map(Step::Read),
        bytes().prop_map(Step::Data),
        (0..300_000_usize).prop_map(|bytes| Step::Take { bytes }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (bytes(), any::<bool>()).prop_map(|(body, complete)| Step::Begin { body, complete }),
        1 => job().prop_map(|job| Step::Finish { job }),
        1 => job().prop_map(|job| Step::Cancel { job }),
        1 => Just(Step::Withdraw),
        6 => transport(),
        3 => Just(Step::Start),
        4 => moving(bytes),
        2 => (bytes(), any::<bool>()).prop_map(|(body, complete)| Step::Reply { body, complete }),
        1 => Just(Step::End),
        1 => Just(Step::Fail),
    ]
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any_step(), 0..100)
}

fn run(steps: &[Step]) -> Conversation {
    let mut conversation = Conversation::new();
    steps.iter().for_each(|step| conversation.step(*step));
    conversation.settle();
    conversation
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_job_is_lost_or_doubled_or_answered_with_anothers_answer_in_any_order(steps in schedule()) {
        run(&steps);
    }

    #[test]
    fn no_more_than_a_window_is_unread_whoever_reads_and_writes_when(
        steps in proptest::collection::vec(prop_oneof![2 => moving(many), 1 => transport()], 0..150)
    ) {
        let opening = [
            Step::Begin { body: 100, complete: false },
            Step::ToWorker(usize::MAX),
            Step::Start,
            Step::Reply { body: 100, complete: false },
        ];
        run(&[&opening[..], &steps].concat());
    }

    #[test]
    fn a_job_that_is_canceled_at_any_moment_ends_once(mut steps in schedule(), at in any::<Index>(), job in job()) {
        steps.insert(at.index(steps.len() + 1), Step::Cancel { job });
        run(&steps);
    }

    #[test]
    fn a_worker_heard_in_any_pieces_says_the_same(cuts in proptest::collection::vec(1..30_usize, 1..100)) {
        let (mut whole, said) = three_answers();
        whole.to_parent.extend_from_slice(&said);
        let expected = heard(&mut whole);
        let (mut cut, _) = three_answers();
        let (mut rest, mut events, mut cuts) = (said, Vec::new(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let piece = rest.split_to(cuts.next().unwrap().min(rest.len()));
            cut.to_parent.extend_from_slice(&piece);
            events.extend(heard(&mut cut));
        }
        assert_eq!(events, expected);
    }

    #[test]
    fn frames_of_a_worker_in_any_order_never_answer_another_job(
        order in proptest::collection::vec(0..20_usize, 0..40)
    ) {
        let (mut pair, said) = three_answers();
        let frames = split(said);
        for at in order {
            pair.to_parent.extend_from_slice(&frames[at % frames.len()]);
        }
        let mut books = Books::default();
        (1..=3).for_each(|stream| books.begun(stream, false));
        while let Ok(Some((stream, event))) = pair.parent.receive(&mut pair.to_parent) {
            assert_is_of(stream, &event);
            books.hear(stream, &event);
        }
    }

    #[test]
    fn frames_of_the_pool_in_any_order_never_reach_another_job(
        order in proptest::collection::vec((0..20_usize, any::<bool>()), 0..60)
    ) {
        let frames = split(three_jobs());
        let (mut worker, mut out, mut running) = (Worker::default(), BytesMut::new(), None);
        for (at, is_turn) in order {
            worker.receive(&mut BytesMut::from(&frames[at % frames.len()][..]), &mut out).unwrap();
            if is_turn && running.is_none() {
                running = worker.next_job(&mut out).inspect(|(stream, start)| assert_eq!(start.number, u64::from(*stream)));
            }
            if let Some((stream, _)) = &running {
                let mut target = [0; 9];
                let count = worker.read(*stream, &mut target, &mut out);
                assert!(target[..count].iter().all(|byte| u32::from(*byte) == *stream));
                if worker.unread(*stream) == Unread::End {
                    worker.reply(*stream, b"", b"", Some(3), &mut out);
                    running = None;
                }
            }
        }
    }
}

/// Without this, the properties could hold because the schedules do not do anything.
#[test]
fn the_schedules_reach_every_end_of_a_job() {
    let mut runner = TestRunner::deterministic();
    let fates: Vec<_> = (0..80)
        .flat_map(|_| run(&schedule().new_tree(&mut runner).unwrap().current()).fates().collect::<Vec<_>>())
        .collect();
    for fate in [Fate::Answered, Fate::Failed, Fate::Gone, Fate::Returned] {
        let count = fates.iter().filter(|other| **other == fate).count();
        assert!(count > 20, "{fate:?}: {count} of {}", fates.len());
    }
}

fn heard(pair: &mut Pair) -> Vec<(u32, Event)> {
    std::iter::from_fn(|| pair.parent.receive(&mut pair.to_parent).unwrap()).collect()
}

/// Returns a pair with three sent jobs, and the replies of an honest worker; each byte is the number of its
/// stream.
fn three_answers() -> (Pair, BytesMut) {
    let (mut pair, mut said) = (Pair::serving(), BytesMut::new());
    for _ in 0..3 {
        let stream = pair.parent.begin(&start(b"", false), &mut pair.to_worker);
        let body = [stream as u8; 5];
        // Enough for several grants of credit.
        pair.parent.data(stream, &[stream as u8; 100], &mut pair.to_worker);
        encode::put_credit(&mut said, stream, 1);
        match stream {
            1 => encode::put_reply(&mut said, stream, &body, &body, Some(stream)),
            2 => {
                encode::put_reply(&mut said, stream, &body, &body, None);
                encode::put_data(&mut said, stream, &body);
                encode::put_data(&mut said, stream, &[stream as u8; 5000]);
                encode::put_end(&mut said, stream);
            }
            _ => {
                encode::put_reply(&mut said, stream, &body, b"", None);
                encode::put_fail(&mut said, stream, &Failure::error(stream.to_string()));
            }
        }
    }
    (pair, said)
}

/// Returns the frames of a pool for three jobs, of which it cancels one; each byte of a body is the number of
/// its stream.
fn three_jobs() -> BytesMut {
    let (mut pair, mut said) = (Pair::serving(), BytesMut::new());
    for stream in 1..=3_u32 {
        let body = Bytes::from(vec![stream as u8; 5]);
        let start = Start { number: u64::from(stream), body: body.clone(), ..start(b"", false) };
        assert_eq!(pair.parent.begin(&start, &mut said), stream);
        pair.parent.data(stream, &body, &mut said);
        pair.parent.end(stream, &mut said);
    }
    pair.parent.cancel(2, &mut said);
    pair.parent.withdraw(&mut said);
    said
}

fn split(mut said: BytesMut) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while !said.is_empty() {
        let before = said.clone().freeze();
        decode::take(&mut said).unwrap().unwrap();
        frames.push(before.slice(..before.len() - said.len()));
    }
    frames
}

fn assert_is_of(stream: u32, event: &Event) {
    let is_own = |bytes: &Bytes| bytes.iter().all(|byte| u32::from(*byte) == stream);
    assert!(match event {
        Event::Reply(answer) => is_own(&answer.head) && is_own(&answer.body),
        Event::Data(chunk) => is_own(chunk),
        Event::Failed(failure) => failure.message == stream.to_string(),
        Event::End | Event::Room => true,
        other => panic!("{other:?}"),
    });
}
