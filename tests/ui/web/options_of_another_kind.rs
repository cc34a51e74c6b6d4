use pixie_web::get;

#[get("/deadline", sync, deadline = "2s")]
fn deadline() {}

#[get("/pool", sync, pool = "images")]
fn pool_of_sync() {}

#[get("/pool", thread, pool = "images")]
fn pool_of_thread() {}

#[get("/pool", async, pool = "images")]
async fn pool_of_async() {}

#[get("/retry", thread, retry = true)]
fn retry() {}

#[get("/fresh", sync, fresh)]
fn fresh() {}

fn main() {}
