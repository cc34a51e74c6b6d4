use pixie_web::get;

#[get("/users/<id>", sync)]
fn sync_handler(id: u32, flag: bool) -> String {
    format!("{id} {flag}")
}

#[get("/users/<id>")]
async fn async_handler(id: u32, flag: Option<bool>) -> String {
    format!("{id} {flag:?}")
}

#[get("/stream", stream)]
fn stream_handler(name: &str) -> std::vec::IntoIter<String> {
    vec![name.to_owned()].into_iter()
}

fn main() {}
