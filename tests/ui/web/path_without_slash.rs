use pixie_web::get;

#[get("users/<id>")]
fn handler(id: u32) -> String {
    id.to_string()
}

fn main() {}
