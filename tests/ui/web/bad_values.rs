use pixie_web::get;

#[get("/", deadline = "2 seconds")]
fn time() {}

#[get("/", deadline = 2)]
fn time_without_unit() {}

#[get("/", deadline = "0s")]
fn no_time() {}

#[get("/", body_limit = "ten")]
fn size() {}

#[get("/", body_limit = 10MB)]
fn size_without_quotes() {}

#[get("/", retry = "yes")]
fn retry() {}

#[get("/", pool = images)]
fn pool() {}

#[get("/", pool = "")]
fn pool_without_name() {}

#[get("/", cache_control = "no-store\r\nx: y")]
fn header_with_a_line_break() {}

#[get("/", fresh = true)]
fn fresh() {}

fn main() {}
