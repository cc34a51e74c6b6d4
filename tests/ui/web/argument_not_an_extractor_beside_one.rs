use std::collections::HashMap;

use pixie_web::{Form, post};

#[post("/users", sync)]
fn handler(form: Form<HashMap<String, String>>, flag: bool) -> String {
    format!("{} {flag}", form.len())
}

fn main() {}
