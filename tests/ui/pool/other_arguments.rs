#[pixie_pool::task]
fn add(one: u32, other: u32) -> u32 {
    one + other
}

async fn call(pool: pixie_pool::Pool) {
    let _ = pool.call(add, &1).await;
}

fn main() {}
