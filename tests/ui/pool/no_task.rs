fn plain(number: u32) -> u32 {
    number
}

async fn call(pool: pixie_pool::Pool) {
    let _ = pool.call(plain, &1).await;
}

fn main() {}
