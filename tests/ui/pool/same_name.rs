#[pixie_pool::task]
fn thumbnail(width: u32) -> u32 {
    width
}

async fn call(pool: pixie_pool::Pool) {
    let thumbnail = pool.call(thumbnail, &1).await;
    drop(thumbnail);
}

fn main() {}
