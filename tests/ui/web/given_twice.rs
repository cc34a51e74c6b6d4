use pixie_web::route;

#[route("/", GET, POST, GET)]
fn method() {}

#[route("/", sync, thread)]
fn kind() {}

#[route("/", deadline = "1s", deadline = "2s")]
fn option() {}

fn main() {}
