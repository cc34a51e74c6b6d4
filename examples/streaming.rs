//! Stores files of any size: a worker reads an upload while it arrives, so only a small part is in memory.
//!
//! `cargo run --release --example streaming`, then `curl -T movie.mkv localhost:8000/files/movie.mkv`, and
//! `curl -O localhost:8000/files/movie.mkv`. Look at the memory of the processes meanwhile.
use std::{
    env, fs,
    hash::{DefaultHasher, Hasher},
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
};

use pixie_web::{
    App, BodyReader, Html, OrAbort, Request, Response, Result, Writer, abort, get, post, put, static_file,
};

#[get("/", sync)]
fn index() -> Html<&'static str> {
    Html("<h1>Files</h1><pre>curl -T movie.mkv http://localhost:8000/files/movie.mkv</pre>")
}

/// Writes the body to a file while it arrives. The deadline limits the time of the whole upload.
#[put("/files/<name>", body_limit = "16GiB", deadline = "1h")]
fn store(name: String, mut body: BodyReader) -> Result<String> {
    let place = place(&name)?;
    // An incomplete upload must not look like a complete file.
    let mut unfinished = tempfile::NamedTempFile::new_in(folder())?;
    let bytes = io::copy(&mut body, &mut unfinished)?;
    unfinished.persist(place)?;
    Ok(format!("{name} has {bytes} bytes\n"))
}

/// Sends a file in pieces, as fast as the client reads them.
#[get("/files/<name>")]
fn fetch(request: &Request, name: String) -> Result<Response> {
    static_file(request, folder(), &name)
}

/// Reads the body without storing it.
#[put("/digest", body_limit = "16GiB", deadline = "1h")]
fn digest(body: BodyReader) -> Result<String> {
    digest_of(body)
}

/// The same on a blocking thread of the main process.
#[put("/thread/digest", thread, body_limit = "16GiB")]
fn digest_on_thread(body: BodyReader) -> Result<String> {
    digest_of(body)
}

fn digest_of(mut body: BodyReader) -> Result<String> {
    let (mut hasher, mut bytes) = (DefaultHasher::new(), 0);
    loop {
        let piece = body.fill_buf()?;
        let count = piece.len();
        if count == 0 {
            return Ok(format!("{bytes} {:016x}", hasher.finish()));
        }
        hasher.write(piece);
        bytes += count;
        body.consume(count);
    }
}

/// Responds while it reads: returns each piece in capitals.
#[post("/upper", stream, body_limit = "16GiB", deadline = "1h")]
fn upper(mut body: BodyReader, out: &mut Writer) -> Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = body.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        piece[..count].make_ascii_uppercase();
        out.write_all(&piece[..count])?;
    }
}

/// Sends `count` pieces of 1 MiB that begin with their numbers. The length is known, so it is in the head.
#[get("/pieces/<count:int>", stream)]
fn pieces(count: u64, out: &mut Writer) -> Result<()> {
    let mut piece = vec![0; 1024 * 1024];
    let length = count * piece.len() as u64;
    out.set_head(Response::new("").content_type("application/octet-stream").header("content-length", length))?;
    for number in 0..count {
        piece[..8].copy_from_slice(&number.to_le_bytes());
        out.send(&piece)?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    env::var_os("PIXIE_FILES").map_or_else(|| env::temp_dir().join("pixie-files"), PathBuf::from)
}

/// Returns the path of a file; refuses names with a slash and hidden files.
fn place(name: &str) -> Result<PathBuf> {
    let is_plain = Path::new(name).file_name().is_some_and(|plain| plain == name);
    if !is_plain || name.starts_with('.') {
        return Err(abort(400).with_detail("the file name must not contain a slash or begin with a dot"));
    }
    fs::create_dir_all(folder()).or_abort(500)?;
    Ok(folder().join(name))
}

fn main() -> Result<()> {
    App::collect().run()
}
