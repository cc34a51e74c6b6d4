use pixie_web::get;

#[get("/sync", sync)]
async fn on_the_spot() {}

#[get("/thread", thread)]
async fn on_a_thread() {}

#[get("/pool", pool)]
async fn in_a_pool() {}

#[get("/stream", stream)]
async fn as_a_stream() {}

#[get("/images", pool = "images")]
async fn in_a_named_pool() {}

fn main() {}
