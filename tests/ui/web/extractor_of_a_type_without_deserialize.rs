use pixie_web::{Json, post};

pub struct Login;

#[post("/login", sync)]
fn login(Json(login): Json<Login>) -> String {
    let Login = login;
    String::new()
}

fn main() {}
