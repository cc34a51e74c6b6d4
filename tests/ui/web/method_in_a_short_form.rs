use pixie_web::get;

#[get("/", POST)]
fn handler() {}

fn main() {}
