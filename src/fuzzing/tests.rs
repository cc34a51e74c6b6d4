//! The inputs that the fuzzer has kept, replayed.

use std::{fs, path::Path};

use super::{wire_parts, wire_request, wire_response};

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz");

type Target = fn(&[u8]);

#[test]
fn the_corpus_of_each_decoder_replays() {
    let targets: [(&str, Target); 3] =
        [("wire_parts", wire_parts), ("wire_request", wire_request), ("wire_response", wire_response)];
    for (name, target) in targets {
        let kept = replay(&Path::new(FUZZ).join("corpus").join(name), target);
        assert!(kept > 10, "the corpus of {name} has {kept} inputs");
    }
}

#[test]
fn what_the_fuzzer_has_found_stays_repaired() {
    assert!(replay(&Path::new(FUZZ).join("regressions/wire_request"), wire_request) > 0);
}

fn replay(folder: &Path, target: Target) -> usize {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files
        .map(|file| {
            let path = file.expect("a folder can be read").path();
            // Says which input it was if the target panics.
            println!("{}", path.display());
            target(&fs::read(&path).expect("an input can be read"));
        })
        .count()
}
