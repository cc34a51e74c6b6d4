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
    protocol::{
        decode, encode,
        frame::{Start, Violation},
        parent::Event,
        worker::{Arrived, Unread, Worker},
    },
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
        1 => (bytes(), any::<bool>()).prop_map(|(body, complete)| Step::Begin { body, complete }),
        6 => (bytes(), any::<bool>()).prop_map(|(body, complete)| Step::Enqueue { body, complete }),
        2 => job().prop_map(|job| Step::Finish { job }),
        2 => job().prop_map(|job| Step::Cancel { job }),
        1 => Just(Step::TakeBack),
        3 => Just(Step::Adopt),
        8 => transport(),
        4 => Just(Step::Claim),
        4 => Just(Step::Start),
        6 => moving(bytes),
        4 => (bytes(), any::<bool>()).prop_map(|(body, complete)| Step::Reply { body, complete }),
        4 => prop_oneof![bytes().prop_map(Step::Call), Just(Step::Return), Just(Step::TakeReturn)],
        2 => Just(Step::End),
        2 => Just(Step::Fail),
    ]
}

/// Any steps, and the usual ways to the next job, which need several steps in a row.
fn schedule() -> impl Strategy<Value = Vec<Step>> {
    let claiming = [Step::Claim, Step::Start];
    let fetching = [Step::ToParent(usize::MAX), Step::ToWorker(usize::MAX), Step::Start];
    let ending = [Step::Reply { body: 5, complete: true }, Step::End];
    let steps = prop_oneof![
        12 => any_step().prop_map(|step| vec![step]),
        2 => Just([&claiming[..], &fetching].concat()),
        1 => Just([&claiming[..], &ending, &claiming, &[Step::Adopt]].concat()),
    ];
    proptest::collection::vec(steps, 0..100).prop_map(|steps| steps.concat())
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
        steps in proptest::collection::vec(prop_oneof![2 => moving(many), 1 => transport()], 0..150),
        is_fetched in any::<bool>()
    ) {
        let (body, complete) = (100, false);
        let fetching =
            [Step::Enqueue { body, complete }, Step::Claim, Step::Start, Step::ToParent(usize::MAX)];
        let sending = [Step::Begin { body, complete }];
        let opening = if is_fetched { &fetching[..] } else { &sending };
        let started = [Step::ToWorker(usize::MAX), Step::Start, Step::Reply { body, complete }];
        run(&[opening, &started, &steps].concat());
    }

    #[test]
    fn a_job_that_is_canceled_at_any_moment_ends_once(mut steps in schedule(), at in any::<Index>(), job in job()) {
        steps.insert(at.index(steps.len() + 1), Step::Cancel { job });
        run(&steps);
    }

    #[test]
    fn a_worker_heard_in_any_pieces_says_the_same(cuts in proptest::collection::vec(1..30_usize, 1..100)) {
        let (mut whole, mut books, said) = three_answers();
        whole.to_parent.extend_from_slice(&said);
        let expected = heard(&mut whole, &mut books).unwrap();
        let (mut cut, mut books, _) = three_answers();
        let (mut rest, mut events, mut cuts) = (said, Vec::new(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let piece = rest.split_to(cuts.next().unwrap().min(rest.len()));
            cut.to_parent.extend_from_slice(&piece);
            events.extend(heard(&mut cut, &mut books).unwrap());
        }
        assert_eq!(events, expected);
        assert_eq!(events.iter().filter(|(_, event)| event.is_last()).count(), 3);
    }

    #[test]
    fn frames_of_a_worker_in_any_order_never_answer_another_job(
        order in proptest::collection::vec(0..20_usize, 0..40)
    ) {
        let (mut pair, mut books, said) = three_answers();
        let frames = split(said);
        for at in order {
            pair.to_parent.extend_from_slice(&frames[at % frames.len()]);
            match heard(&mut pair, &mut books) {
                Ok(events) => events.iter().for_each(|(stream, event)| assert_is_of(*stream, event)),
                Err(_) => break,
            }
        }
    }

    #[test]
    fn frames_of_the_pool_in_any_order_never_reach_another_job(
        order in proptest::collection::vec((0..20_usize, any::<bool>()), 0..60)
    ) {
        let frames = split(three_jobs());
        let (mut worker, mut out, mut running) = (Worker::default(), BytesMut::new(), None);
        for (at, is_turn) in order {
            worker.receive(&mut BytesMut::from(&frames[at % frames.len()][..])).unwrap();
            if is_turn && running.is_none() {
                running = worker.next_job(&mut out).filter(|(stream, arrived)| match arrived {
                    Arrived::Job(start) => start.number == u64::from(*stream) || panic!("{start:?} as {stream}"),
                    Arrived::Ticket(number) => {
                        assert_eq!(*number, u64::from(*stream));
                        worker.fetch(*stream, &mut out);
                        false
                    }
                });
            }
            if let Some((stream, _)) = &running {
                let mut target = [0; 9];
                let count = worker.read(*stream, &mut target, &mut out);
                assert!(target[..count].iter().all(|byte| u32::from(*byte) == *stream));
                if worker.unread(*stream) == Unread::End {
                    worker.reply(*stream, b"", b"", true, &mut out);
                    running = None;
                }
            }
        }
    }
}

/// Without this, the properties could hold because the schedules do not do anything.
#[test]
fn the_schedules_reach_every_end_of_a_job_and_two_jobs_on_a_connection() {
    let mut runner = TestRunner::deterministic();
    let runs: Vec<_> = (0..80).map(|_| run(&schedule().new_tree(&mut runner).unwrap().current())).collect();
    let fates: Vec<_> = runs.iter().flat_map(Conversation::fates).collect();
    let overlaps: usize = runs.iter().map(|run| run.overlaps).sum();
    assert!(overlaps > 20, "{overlaps}");
    for fate in [Fate::Answered, Fate::Failed, Fate::Gone, Fate::Returned] {
        let count = fates.iter().filter(|other| **other == fate).count();
        assert!(count > 20, "{fate:?}: {count} of {}", fates.len());
    }
}

fn heard(pair: &mut Pair, books: &mut Books) -> Result<Vec<(u32, Event)>, Violation> {
    let Pair { parent, to_parent, to_worker, .. } = pair;
    std::iter::from_fn(|| books.receive(parent, to_parent, to_worker).transpose()).collect()
}

/// Returns a pair whose worker has three jobs, and the replies of an honest worker; each byte is the number
/// of its stream. The first job was sent, and the last one was claimed by its ticket.
fn three_answers() -> (Pair, Books, BytesMut) {
    let (mut pair, mut books, mut said) = (Pair::serving(), Books::default(), BytesMut::new());
    assert_eq!(pair.send(&start(b"", false)), 1);
    // Enough for several grants of credit.
    pair.parent.data(1, &[1; 100], &mut pair.to_worker);
    books.begun(1, false);
    books.claim(2, false);
    books.claim(3, true);
    encode::put_credit(&mut said, 1, 1);
    encode::put_reply(&mut said, 1, &[1; 5], &[1; 5], true);
    encode::put_reply(&mut said, 2, &[2; 5], &[2; 5], false);
    encode::put_data(&mut said, 2, &[2; 5]);
    encode::put_data(&mut said, 2, &[2; 5000]);
    encode::put_end(&mut said, 2);
    encode::put_fetch(&mut said, 3);
    // The job's first frame has taken this much of the window.
    encode::put_credit(&mut said, 3, 1);
    encode::put_reply(&mut said, 3, &[3; 5], b"", false);
    encode::put_fail(&mut said, 3, &Failure::error("3"));
    (pair, books, said)
}

/// Returns the frames of a pool for three jobs, of which one has a ticket and one is canceled; each byte of a
/// body is the number of its stream.
fn three_jobs() -> BytesMut {
    let (mut pair, mut said) = (Pair::serving(), BytesMut::new());
    for stream in 1..=3_u32 {
        let body = Bytes::from(vec![stream as u8; 5]);
        let start = Start { number: u64::from(stream), body: body.clone(), ..start(b"", false) };
        if stream == 3 {
            encode::put_ticket(&mut said, stream, start.number);
        }
        pair.parent.begin(stream, &start, &mut said);
        pair.parent.data(stream, &body, &mut said);
        pair.parent.end(stream, &mut said);
    }
    pair.parent.cancel(2, &mut said);
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
        Event::End | Event::Room | Event::Fetch => true,
        other => panic!("{other:?}"),
    });
}
