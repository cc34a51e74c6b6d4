use pixie_web::route;

#[route("/", snyc)]
fn near() {}

#[route("/", process)]
fn far() {}

#[route("/", get)]
fn lower_case() {}

fn main() {}
