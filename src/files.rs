//! Serving files and folders, as RFC 9110 specifies.
//!
//! [`static_file`] reads a file, [`cached_file`] keeps small files in memory, and
//! [`App::folder`](crate::App::folder) mounts a whole folder. All three send the same responses.
//!
//! ```
//! use pixie_web::{App, Folder, Request, Route, cached_file};
//! # let root = std::env::temp_dir().join(format!("pixie-doc-files-{}", std::process::id()));
//! # std::fs::create_dir_all(&root)?;
//! # std::fs::write(root.join("logo.svg"), "<svg/>")?;
//! # let images = root.clone();
//! let app = App::new()
//!     .folder("/static", Folder::new(root))
//!     .route(Route::get("/logo").sync(move |request: &mut Request| cached_file(request, &images, "logo.svg")));
//! let client = app.test()?;
//! client.get("/static/logo.svg").send().assert_header("content-type", "image/svg+xml").assert_text("<svg/>");
//! client.get("/logo").header("range", "bytes=0-3").send().assert_status(206).assert_text("<svg");
//! client.get("/static/../Cargo.toml").send().assert_status(404);
//! # Ok::<(), pixie_web::Error>(())
//! ```
//!
//! **Headers.** A response has `ETag`, `Last-Modified`, `Cache-Control: max-age=38400` and a `Content-Type`
//! for the file's extension. All `If-…` conditions are supported, and ranges with one part. If a request asks
//! for several ranges, the response has the whole file. If the file changed less than two seconds ago, the
//! tag is weak, because the file could change again without a change of its time.
//!
//! **Compressed files.** If `style.css.br`, `style.css.zst` or `style.css.gz` lies beside `style.css` and is
//! not older, clients that prefer that coding get the compressed file.
//!
//! **Folders.** `docs/` serves `docs/index.html`. `docs` redirects to `docs/`.
//!
//! **Refused names** get 404: names that begin with a dot, `..` in any form, backslashes, control characters,
//! and symbolic links that lead out of the folder.
//!
//! **Threads.** Handlers of every kind may call these functions. They open the file at once. They also read
//! it at once if it is at most 64 KiB long, or if the cache keeps it. A longer file is read in pieces while
//! it is sent, on a blocking thread, so that only a few pieces are in memory.

mod beneath;
mod body;
mod cache;
pub(crate) mod coding;
#[cfg(feature = "compression")]
pub(crate) mod compress;
mod folder;
mod name;
mod open;
mod representation;

pub use folder::{Folder, cached_file, static_file};
