use pixie_web::get;

#[get("/<id>/<id>")]
fn handler(id: u32) -> String {
    id.to_string()
}

fn main() {}
