//! The inputs that the fuzzer has kept, replayed.
use replay::{replay_corpus, replay_regressions};

use super::{multipart, request_fields, route_path};

#[path = "../../../tests/fuzz/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_each_decoder_replays() {
    replay_corpus("multipart", multipart);
    replay_corpus("request_fields", request_fields);
    replay_corpus("route_path", route_path);
}

#[test]
fn what_the_fuzzer_has_found_stays_repaired() {
    replay_regressions("multipart", multipart);
}
