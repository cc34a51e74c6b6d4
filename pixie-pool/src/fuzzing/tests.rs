//! The inputs that the fuzzer has kept, replayed.

use super::{conversation, decode_frame, parent_receive, worker_receive};

#[test]
fn the_corpus_of_each_decoder_replays() {
    let targets: [(&str, fn(&[u8])); 4] = [
        ("conversation", conversation),
        ("decode_frame", decode_frame),
        ("parent_receive", parent_receive),
        ("worker_receive", worker_receive),
    ];
    for (name, target) in targets {
        let folder = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/{}"), name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let mut replayed = 0;
        for file in files {
            let path = file.expect("a folder can be read").path();
            // Says which input it was if the target panics.
            println!("{}", path.display());
            target(&std::fs::read(&path).expect("an input can be read"));
            replayed += 1;
        }
        assert!(replayed > 10, "{folder} has {replayed} inputs");
    }
}
