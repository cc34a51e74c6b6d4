//! Only one argument of an extractor may read the body.
use pixie_web::{Bytes, extractor, post};

struct Twice;
#[extractor]
fn twice(_: Bytes, _: Bytes) -> Twice {
    Twice
}

#[post("/", sync)]
fn index(_: Twice) {}

fn main() {}
