use pixie_web::get;

#[get("/", sync)]
unsafe fn handler() {}

fn main() {}
