use pixie_web::{BodyReader, post};

#[post("/sync", sync)]
fn inline(body: BodyReader) -> String {
    format!("{body:?}")
}

#[post("/async")]
async fn on_the_runtime(body: Option<BodyReader>) -> String {
    format!("{body:?}")
}

#[post("/two")]
fn two(head: BodyReader, rest: BodyReader) -> String {
    format!("{head:?} {rest:?}")
}

fn main() {}
