use std::collections::HashMap;

use pixie_web::{Bytes, Form, Json, post};

#[post("/users")]
fn create(form: Form<HashMap<String, String>>, body: Bytes) -> String {
    format!("{} {}", form.len(), body.len())
}

#[post("/async")]
async fn patterns(Form(form): Form<HashMap<String, String>>, _: pixie_web::Headers, Json(text): Json<String>) -> String {
    format!("{} {}", form.len(), text)
}

fn main() {}
