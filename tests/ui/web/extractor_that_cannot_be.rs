//! An extractor is a plain function of other extractors that returns a value.
use pixie_web::{Bytes, Request, Result, extractor};

struct Waits;
#[extractor]
async fn waits() -> Waits {
    Waits
}

struct Lent;
#[extractor]
fn lent(_: &Request) -> Result<Lent> {
    Ok(Lent)
}

#[extractor]
fn nothing(_: Bytes) {}

struct Options;
#[extractor(sync)]
fn options() -> Options {
    Options
}

fn main() {}
