use pixie_web::get;

#[get("/thumb/<width:int>/<name>")]
fn thumb(width: u32, nmae: pixie_web::Headers) -> String {
    format!("{width} {}", nmae.len())
}

fn main() {}
