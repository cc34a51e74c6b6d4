use pixie_web::get;

#[get("/text", stream)]
fn text() -> String {
    String::new()
}

#[get("/numbers", stream)]
fn numbers() -> pixie_web::Result<std::ops::Range<u8>> {
    Ok(0..3)
}

fn main() {}
