//! Replays the inputs that the fuzzer has stored.
use replay::{replay_corpus, replay_regressions};

use super::{conversation, decode_frame, parent_receive, worker_receive};

#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_each_decoder_replays() {
    replay_corpus("conversation", conversation);
    replay_corpus("decode_frame", decode_frame);
    replay_corpus("parent_receive", parent_receive);
    replay_corpus("worker_receive", worker_receive);
}

#[test]
fn what_the_fuzzer_has_found_stays_repaired() {
    replay_regressions("conversation", conversation);
    replay_regressions("decode_frame", decode_frame);
    replay_regressions("worker_receive", worker_receive);
}
