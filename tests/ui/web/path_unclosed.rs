use pixie_web::get;

#[get("/a/<id/b")]
fn handler(id: u32) -> String {
    id.to_string()
}

fn main() {}
