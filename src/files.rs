//! Files: answers made of what is on disk, to the letter of RFC 9110.
//!
//! Three ways lead to the same answer: [`static_file`] reads the file, [`cached_file`] keeps small files in memory, and
//! [`App::folder`](crate::App::folder) mounts a whole folder.
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
//! **What an answer has.** `ETag`, `Last-Modified`, `Cache-Control: max-age=38400` and a type by the file's extension. All
//! `If-…` conditions and single ranges are followed; a request for several ranges gets the whole file. A file that was changed
//! less than two seconds ago has a weak tag: it could change once more and keep its time.
//!
//! **Compressed files.** Where `style.css.br`, `style.css.zst` or `style.css.gz` lies beside `style.css` and is not older, it
//! is sent to clients that prefer that coding.
//!
//! **Folders.** `docs/` answers with `docs/index.html`, `docs` leads there.
//!
//! **What is refused**, with 404: names that begin with a dot, `..` in any form, backslashes, control characters, on Windows
//! also its drives, devices and streams, and symbolic links that lead out of the folder.
//!
//! **Where it runs.** All three may be called from handlers of any kind. The file is opened at once, and a short one is read
//! at once: up to 64 KiB, or what the cache keeps. A longer one is read piece by piece while it is sent, never on a thread of
//! the runtime, so only as much of it is in memory as is on its way.

mod beneath;
mod body;
mod cache;
mod folder;
mod name;
mod open;
mod representation;
mod stamp;

pub use folder::{Folder, cached_file, static_file};
