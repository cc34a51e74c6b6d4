use pixie_web::get;

#[get("/", sync)]
fn handler(_request: &mut pixie_web::Request) {}

fn main() {}
