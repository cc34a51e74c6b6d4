use pixie_web::get;

pub struct Id;

#[get("/users/<id>", sync)]
fn show(id: Id) -> String {
    let Id = id;
    String::new()
}

#[get("/files/<name>", sync)]
fn file(name: &str) -> String {
    name.to_owned()
}

fn main() {}
