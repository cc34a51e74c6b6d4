use pixie_web::get;

#[get("/")]
struct Site;

fn main() {}
