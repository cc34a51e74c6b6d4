//! One program for a whole cluster: it serves pages on some hosts and makes thumbnails on others.
//!
//! `cargo run --release --features store-redis --example cluster` runs all roles in one process, at
//! <http://localhost:8000>. `examples/cluster/up` starts it four times behind HAProxy, on one machine. Look
//! at the README beside it, which explains the rest.
use std::{
    env, fs,
    io::{BufReader, Cursor},
    path::PathBuf,
    sync::LazyLock,
    thread::sleep,
    time::Duration,
};

use image::{ImageFormat, ImageReader, Limits};
use pixie_web::{App, Error, Html, Json, Pool, Response, Result, StatusCode, Store, Upload, abort, get, post};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::Serialize;

/// The processes that `./up` starts.
const NAMES: [&str; 4] = ["web1", "web2", "images1", "images2"];
/// Limits the sides of a picture. A larger one is refused before its pixels are decoded.
const SIDE_PIXELS_MAX: u32 = 12_000;
/// The largest side of a thumbnail.
const THUMBNAIL_PIXELS: u32 = 160;
/// How long the store keeps the count of an upload.
const KEPT: Duration = Duration::from_secs(3600);

/// The name of this process. `./up` sets it.
static NAME: LazyLock<String> = LazyLock::new(|| env::var("CLUSTER_NAME").unwrap_or_else(|_| "alone".into()));

/// Who answered.
#[derive(Serialize)]
struct Answer {
    name: &'static str,
    pid: u32,
    /// All answers of all processes, counted in the store.
    answers: i64,
}

#[derive(Serialize)]
struct Process {
    name: &'static str,
    pid: i32,
    runs: bool,
}

#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

/// Runs where the role `web` runs.
#[get("/page")]
async fn page(store: Store) -> Result<Json<Answer>> {
    let answers = store.add("answers", 1).await?;
    Ok(Json(Answer { name: NAME.as_str(), pid: std::process::id(), answers }))
}

/// Runs in a worker, where the role `images` runs. The worker asks its main process for the store.
#[get("/work", pool = "images", deadline = "5s")]
fn work(store: Store) -> Result<Json<Answer>> {
    // Stands for the work of a real handler.
    sleep(Duration::from_millis(50));
    let answers = store.add("answers", 1).wait()?;
    Ok(Json(Answer { name: NAME.as_str(), pid: std::process::id(), answers }))
}

/// Makes a thumbnail. The page chooses the id, and the answer says how often this upload ran: always once,
/// also if hosts fail.
#[post("/thumbnail/<id>", pool = "images", deadline = "5s", body_limit = "20MB")]
fn thumbnail(id: String, picture: Upload, store: Store) -> Result<Response> {
    if id.len() > 64 {
        return Err(abort(400).with_detail("the id has at most 64 bytes"));
    }
    let runs = store.add(&format!("runs/{id}"), 1).expires_in(KEPT).wait()?;
    let mut reader = ImageReader::new(BufReader::new(picture.reader()?)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_PIXELS_MAX);
    limits.max_image_height = Some(SIDE_PIXELS_MAX);
    reader.limits(limits);
    let small = reader.decode().map_err(unreadable)?.thumbnail(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS);
    let mut png = Cursor::new(Vec::new());
    small.write_to(&mut png, ImageFormat::Png)?;
    let made_by = format!("{} (pid {}), run {runs}", *NAME, std::process::id());
    Ok(Response::new(png.into_inner()).content_type("image/png").header("x-made-by", &made_by))
}

fn unreadable(error: image::ImageError) -> Error {
    Error::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(format!("cannot read this picture: {error}"))
}

/// Which processes of the cluster run. Only on one machine, where `./up` writes their ids into files.
#[get("/processes", thread)]
fn processes() -> Json<Vec<Process>> {
    let process = |name| {
        let pid = pid(name)?;
        Some(Process { name, pid: pid.as_raw_nonzero().get(), runs: test_kill_process(pid).is_ok() })
    };
    Json(NAMES.into_iter().filter_map(process).collect())
}

/// Ends a process at once, as a crash of its host does. `./up` starts it again after some seconds.
#[post("/kill/<name>", thread)]
fn kill(name: String) -> Result<&'static str> {
    let pid = NAMES.into_iter().find(|known| *known == name).and_then(pid);
    let pid = pid.ok_or_else(|| abort(404).with_detail("no such process"))?;
    kill_process(pid, Signal::KILL)?;
    Ok("killed")
}

fn pid(name: &str) -> Option<Pid> {
    let folder = PathBuf::from(env::var_os("CLUSTER_RUN")?);
    Pid::from_raw(fs::read_to_string(folder.join(format!("{name}.pid"))).ok()?.trim().parse().ok()?)
}

fn main() -> Result<()> {
    App::collect()
        .pool(Pool::named("images").size(2).memory("512MB"))
        .behind_proxy(["127.0.0.0/8"])
        .health("/healthz")
        .ready("/readyz")
        .run()
}
