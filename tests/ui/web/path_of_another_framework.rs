use pixie_web::get;

#[get("/users/{id}")]
fn braces(id: u32) -> String {
    id.to_string()
}

#[get("/users/:id")]
fn colon(id: u32) -> String {
    id.to_string()
}

#[get("/users/<int:id>")]
fn filter_first(id: u32) -> String {
    id.to_string()
}

#[get("/files/*rest")]
fn star(rest: String) -> String {
    rest
}

fn main() {}
