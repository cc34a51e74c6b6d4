use pixie_web::route;

#[route("/", dead_line = "2s")]
fn near() {}

#[route("/", timeout = "2s")]
fn far() {}

#[route("/", deadline)]
fn without_value() {}

fn main() {}
