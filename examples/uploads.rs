//! A form with a picture: the fields and the file are arguments of a handler in a worker process.
//!
//! `cargo run --release --example uploads`, then
//! `curl -F caption=me -F tags=a -F picture=@photo.png localhost:8000/pictures`, or open
//! <http://localhost:8000>. Look at the arguments of `keep`.
use std::io::Read;

use pixie_web::{App, Form, Html, Result, Upload, get, post};
use serde::Deserialize;

#[derive(Deserialize)]
struct Caption {
    caption: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html(
        "<form method=post action=/pictures enctype=multipart/form-data><input name=caption><input name=tags>\
         <input name=tags><input type=file name=picture><button>Send</button></form>",
    )
}

/// Runs in a worker process. A large upload is a temporary file, which is removed when the handler has ended.
#[post("/pictures", body_limit = "20MB", deadline = "5s")]
fn keep(form: Form<Caption>, picture: Upload) -> Result<String> {
    let mut start = [0; 8];
    let is_png = picture.reader()?.read_exact(&mut start).is_ok() && start == *b"\x89PNG\r\n\x1a\n";
    let Caption { caption, tags } = form.0;
    let kind = if is_png { "a PNG" } else { "not a PNG" };
    Ok(format!("{caption} {tags:?}: {} of {} bytes is {kind}", picture.file_name(), picture.len()))
}

fn main() -> Result<()> {
    App::collect().run()
}
