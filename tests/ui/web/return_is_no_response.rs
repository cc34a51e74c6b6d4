use pixie_web::get;

#[get("/number", sync)]
fn number() -> u32 {
    7
}

#[get("/async")]
async fn on_the_runtime() -> pixie_web::Result<Vec<String>> {
    Ok(Vec::new())
}

#[get("/impl", pool)]
fn nameless() -> impl std::fmt::Display {
    7
}

fn main() {}
