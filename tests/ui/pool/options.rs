#[pixie_pool::task(deadline = "2 sec")]
fn one() {}

#[pixie_pool::task(deadline = 2)]
fn two() {}

#[pixie_pool::task(idempotent, idempotent)]
fn three() {}

#[pixie_pool::task(retry)]
fn four() {}

fn main() {}
