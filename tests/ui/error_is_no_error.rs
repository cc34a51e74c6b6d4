use pixie_web::get;

#[get("/", sync)]
fn handler() -> Result<String, String> {
    Ok(String::new())
}

fn main() {}
