//! Runs the targets with the inputs that the fuzzer has found.
use replay::{replay_corpus, replay_regressions};

use super::{proxy_headers, wire_parts, wire_request, wire_response};

#[path = "../../tests/fuzz/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_each_decoder_replays() {
    replay_corpus("proxy_headers", proxy_headers);
    replay_corpus("wire_parts", wire_parts);
    replay_corpus("wire_request", wire_request);
    replay_corpus("wire_response", wire_response);
}

#[test]
fn what_the_fuzzer_has_found_stays_repaired() {
    replay_regressions("wire_request", wire_request);
}
