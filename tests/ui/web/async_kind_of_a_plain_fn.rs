use pixie_web::get;

#[get("/", async)]
fn handler() {}

fn main() {}
