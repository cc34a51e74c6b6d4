//! pixie with its defaults: a plain `fn` runs in a worker process.
#![forbid(unsafe_code)]

use faults_bench::{
    fault,
    peer::{Ask, DEADLINE, WORKERS},
};
use pixie_web::{App, Query, get};

fn main() -> pixie_web::Result<()> {
    App::collect().workers(WORKERS).deadline(DEADLINE).run()
}

#[get("/ok")]
fn ok(ask: Query<Ask>) -> String {
    ask.id.clone()
}

#[get("/fault/<name>")]
fn commit(name: String) -> &'static str {
    fault::commit(&name)
}
