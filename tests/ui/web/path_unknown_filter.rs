use pixie_web::get;

#[get("/<id:num>")]
fn handler(id: u32) -> String {
    id.to_string()
}

fn main() {}
