use pixie_web::get;

#[get("/<rest:path>/edit")]
fn handler(rest: String) -> String {
    rest
}

fn main() {}
