//! Replays the inputs that the fuzzer has stored.

#[path = "../../../../tests/fuzz/replay.rs"]
#[expect(dead_code, reason = "the fuzzer has found nothing yet")]
mod replay;

#[test]
fn the_corpus_of_each_decoder_replays() {
    replay::replay_corpus("store_gate", super::gate);
}
