use pixie_web::get;

#[get("/type", sync)]
fn type_parameter<T: pixie_web::FromRequest>(_value: T) {}

#[get("/lifetime", sync)]
fn lifetime<'r>(_request: &'r pixie_web::Request) {}

#[get("/impl", sync)]
fn impl_trait(_value: impl pixie_web::FromRequest) {}

fn main() {}
