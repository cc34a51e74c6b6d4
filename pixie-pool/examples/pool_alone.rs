//! A pool without a web server: one job replies, one kills its process, and the program continues.
//!
//! `cargo run --release -p pixie-pool --example pool_alone`. Look at the output: the second job is an error, and the third one
//! replies.

use std::{error::Error, sync::Arc, time::Duration};

use pixie_pool::{Handler, Job, Pool, Submission};
use rustix::process::{Signal, getpid, kill_process};

fn work(job: Job) {
    let name = String::from_utf8_lossy(job.head()).into_owned();
    if name == "trouble" {
        // As a bad pointer in a C library would end it; the first signal only meets the check for overflown
        // stacks.
        loop {
            let _ = kill_process(getpid(), Signal::SEGV);
        }
    }
    let greeting = format!("hello {name}, from process {}", std::process::id());
    let _ = job.reply(b"", greeting.as_bytes());
}

async fn program(handler: Handler) -> Result<(), Box<dyn Error>> {
    let pool = Pool::named("greetings").size(2).start(handler).await?;
    for name in ["world", "trouble", "world"] {
        match pool.submit(Submission::new(name)).await {
            Ok(reply) => println!("{}", String::from_utf8_lossy(&reply.body.collect().await?)),
            Err(error) => println!("{name}: {error}"),
        }
    }
    println!("this is still process {}", std::process::id());
    pool.stop(Duration::from_secs(1)).await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let handler: Handler = Arc::new(work);
    if let Some(worker) = pixie_pool::worker() {
        worker.serve(0, handler);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(program(handler))
}
