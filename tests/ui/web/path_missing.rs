use pixie_web::{get, route};

#[get]
fn without_parentheses() {}

#[route()]
fn without_arguments() {}

#[route(GET, "/")]
fn not_first() {}

fn main() {}
