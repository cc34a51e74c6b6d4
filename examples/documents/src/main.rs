//! Renders the first page of PDFs, SVGs and pictures that strangers send, each in a process of its own: fresh,
//! sandboxed, and limited in memory and time.
//!
//! `cargo run --release -p documents`, then open <http://localhost:8000>. Send a document, or one of the hostile
//! samples, and look at the line of the server: it answers all the time.
mod render;

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use pixie_web::{
    App, Error, ErrorView, Json, Pool, Pools, Response, Result, Sandbox, State, Upload, abort, get, post, template,
};
use serde_json::{Value, json};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples");
const POOL: &str = "documents";

/// The documents that this process has seen. Always one in a process that renders.
static SEEN: AtomicU64 = AtomicU64::new(0);

#[template("index.html")]
struct Index {
    samples: [Sample; 8],
}

/// A document in the folder `samples`, and what it does. The page unpacks those that are packed.
struct Sample(&'static str, &'static str);

impl Sample {
    fn name(&self) -> &str {
        self.0.trim_end_matches(".gz")
    }
}

#[get("/", sync)]
fn index() -> Index {
    Index {
        samples: [
            Sample("good.pdf", "is a page with text"),
            Sample("page-tree-loop.pdf", "has pages that contain themselves"),
            Sample("huge-page.pdf", "claims a page of 700 meters"),
            Sample("deep-layers.svg.gz", "paints 300 layers, one on another"),
            Sample("deep-clips.svg.gz", "is 10,000 levels deep"),
            Sample("billion-draws.pdf.gz", "draws 10³⁰ times"),
            Sample("billion-uses.svg.gz", "copies itself 10¹⁹ times"),
            Sample("reads-a-file.svg", "asks for /etc/passwd"),
        ],
    }
}

/// Runs in a process that has seen no other document and exits after this one.
#[post("/render", pool = "documents", fresh, deadline = "5s", body_limit = "20MB")]
fn render(document: Upload) -> Result<Response> {
    let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
    let picture = render::first_page(document.bytes()?.to_vec()).map_err(|why| abort(422).with_detail(why))?;
    let picture = Response::new(picture).content_type("image/png").header("x-process", process::id());
    Ok(picture.header("x-documents-seen", seen))
}

/// Returns what the server says about itself and about the processes of documents.
#[get("/pulse", sync)]
fn pulse(started: State<Instant>, pools: State<Pools>) -> Json<Value> {
    let counts = pools.snapshots().into_iter().find(|pool| pool.name == POOL).map(|pool| pool.counts);
    let counts = counts.unwrap_or_default();
    let (killed, crashed) = (counts.kills.values().sum::<u64>(), counts.exits.values().sum::<u64>());
    Json(json!({
        "pid": process::id(),
        "uptime": started.elapsed().as_secs(),
        "documents": counts.jobs + killed + crashed,
        "killed": killed,
        "crashed": crashed,
    }))
}

/// Tells a visitor how the process of a document has ended. The log has more.
fn ended(error: &Error, view: &ErrorView<'_>) -> Response {
    let cause = error.chain().join(" ");
    let detail = match cause.as_str() {
        _ if error.status() == 504 => "this document takes too long: its process was killed after 5 seconds",
        cause if cause.contains("memory") => "this document needs too much memory: its process has ended",
        cause if cause.contains("stack overflow") => "this document is nested too deeply: its process has ended",
        cause if cause.contains("refused for a minute") => "this document has crashed processes: try it in a minute",
        _ => "this document crashed its process",
    };
    Error::new(error.status()).with_detail(detail).render(view)
}

fn main() -> Result<()> {
    let documents = Pool::named(POOL).size(2..=4).fresh().memory("256MB").sandbox(Sandbox::strict());
    App::collect()
        .folder("/samples", SAMPLES)
        .state(Instant::now())
        .error_page(502, ended)
        .error_page(504, ended)
        .pool(documents)
        .run()
}
