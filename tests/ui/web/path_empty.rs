use pixie_web::get;

#[get("")]
fn handler() {}

fn main() {}
