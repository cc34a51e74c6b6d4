//! Decodes and resizes uploaded pictures in a worker process, so that a broken picture does not affect the
//! server.
//!
//! `cargo run --release --features template --example thumbnails`, then open <http://localhost:8000>, and
//! send a picture. Look at the options of the route `thumbnail`.
use std::{
    io::{BufReader, Cursor},
    time::Duration,
};

use image::{ImageFormat, ImageReader, Limits};
use pixie_web::{App, Error, Form, Response, Result, StatusCode, Upload, get, post, template};
use serde::Deserialize;

/// Limits the sides of a picture. A larger one is refused before its pixels are decoded.
const SIDE_PIXELS_MAX: u32 = 12_000;
/// Limits the memory of the decoder, in bytes. The worker has its own, larger limit.
const DECODE_BYTES_MAX: u64 = 256 * 1024 * 1024;

#[derive(Deserialize)]
struct Wanted {
    width: u32,
}

#[template("index.html", config = "examples/thumbnails/askama.toml")]
struct Index;

#[get("/", sync)]
fn index() -> Index {
    Index
}

/// A large upload is passed to the worker as a file.
#[post("/thumbnail", pool = "images", deadline = "5s", body_limit = "20MB")]
fn thumbnail(wanted: Form<Wanted>, picture: Upload) -> Result<Response> {
    let width = wanted.width.clamp(16, 1024);
    let mut reader = ImageReader::new(BufReader::new(picture.reader()?)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_PIXELS_MAX);
    limits.max_image_height = Some(SIDE_PIXELS_MAX);
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    let small = reader.decode().map_err(unreadable)?.thumbnail(width, width);
    let mut png = Cursor::new(Vec::new());
    small.write_to(&mut png, ImageFormat::Png)?;
    Ok(Response::new(png.into_inner()).content_type("image/png"))
}

fn unreadable(error: image::ImageError) -> Error {
    Error::new(StatusCode::UNPROCESSABLE_ENTITY).with_detail(format!("cannot read this picture: {error}"))
}

fn main() -> Result<()> {
    App::collect().worker_memory(512 * 1024 * 1024).deadline(Duration::from_secs(10)).run()
}
