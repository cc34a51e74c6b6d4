//! `Folder`: a folder of files and how it is served, with `static_file`, `cached_file` and `App::folder`.
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode};
use pixie_core::{Error, IntoResponse, Needs, Redirect, Request, Response, Result, Route};

use super::{
    cache::{CACHE, Entry, FILE_BYTES_MAX},
    name::Name,
    open::{Found, OpenFile, find},
    representation::{Content, Representation, media_type},
};
use crate::table::refusal::refuse;

/// A little more than ten hours, as in the Python framework that pixie is modeled on.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("max-age=38400");
const INDEX: &str = "index.html";
/// Name of the wildcard in the path of a mounted folder.
const WILDCARD: &str = "file";
/// Limits the length of a file that is read where it is opened, in bytes. For such a file, switching threads
/// would take longer than reading.
const AT_ONCE_BYTES_MAX: u64 = 64 * 1024;

/// Serves a file of a folder, with its type, validators, conditions and ranges (see [`files`](crate::files)).
///
/// The name may come from the client. A name that does not exist or leads out of the folder gets 404.
pub fn static_file(request: &Request, root: impl AsRef<Path>, name: &str) -> Result<Response> {
    Folder::new(root.as_ref()).serve(request, name)
}

/// Like [`static_file`], but keeps files of up to 4 MiB in memory: at most 256 files and 64 MiB per process.
///
/// A changed file is detected at once. A compressed file that changed beside it is detected within a second.
pub fn cached_file(request: &Request, root: impl AsRef<Path>, name: &str) -> Result<Response> {
    Folder::new(root.as_ref()).cached().serve(request, name)
}

/// A folder of files. Mount it with [`App::folder`](crate::App::folder), or call [`Folder::serve`] in a
/// handler.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    cache_control: HeaderValue,
    index: Option<Cow<'static, str>>,
    is_cached: bool,
}

impl Folder {
    /// Returns a folder with default settings. A relative path starts in the working directory of the
    /// program.
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        let index = Some(Cow::Borrowed(INDEX));
        Folder { root: root.into(), cache_control: CACHE_CONTROL, index, is_cached: false }
    }

    /// Sets how long clients may use a file before they ask again. Default: 38400 s.
    pub fn max_age(mut self, age: Duration) -> Folder {
        let value = HeaderValue::try_from(format!("max-age={}", age.as_secs()));
        self.cache_control = value.expect("digits are valid in a header");
        self
    }

    /// Sets the file that is served for a folder. Default: `index.html`.
    pub fn index(mut self, name: impl Into<String>) -> Folder {
        self.index = Some(Cow::Owned(name.into()));
        self
    }

    /// Serves no index file for folders.
    pub fn without_index(mut self) -> Folder {
        self.index = None;
        self
    }

    /// Keeps small files in memory, as [`cached_file`] does.
    pub fn cached(mut self) -> Folder {
        self.is_cached = true;
        self
    }

    /// Serves a file of this folder. A name that does not exist gets 404.
    pub fn serve(&self, request: &Request, name: &str) -> Result<Response> {
        self.answer(request, name)?.ok_or_else(absent)
    }

    /// Returns the routes of this folder, mounted at a path.
    #[track_caller]
    pub(crate) fn routes(self, path: &str) -> Vec<Route> {
        let prefix = path.strip_suffix('/').unwrap_or(path);
        let mut paths = vec![format!("{prefix}/<{WILDCARD}:path>")];
        if self.index.is_some() {
            paths.push(format!("{prefix}/"));
            paths.extend((!prefix.is_empty()).then(|| prefix.to_owned()));
        }
        let mut needs = Needs::default();
        needs.everything();
        let folder = Arc::new(self);
        let mut routes = Vec::new();
        for path in paths {
            let folder = folder.clone();
            // A route exists as long as the program, so its path may be leaked.
            let route = Route::get(path.leak()).thread(move |request: &mut Request| folder.serve_mounted(request));
            routes.push(route.needs(needs.clone()).openapi(false));
        }
        routes
    }

    /// Serves the file that the wildcard names. Redirects a folder without a final slash to the path with the
    /// slash.
    fn serve_mounted(&self, request: &Request) -> Result<Response> {
        let name = request.param_text(WILDCARD).unwrap_or_default();
        if name.is_empty() && !request.path().ends_with('/') {
            return Ok(with_slash(request));
        }
        let answer = self.answer(request, &name)?;
        Ok(answer.unwrap_or_else(|| with_slash(request)))
    }

    /// Returns the response, or `None` if the name is a folder without a final slash.
    fn answer(&self, request: &Request, text: &str) -> Result<Option<Response>> {
        let root = &self.root;
        let key = self.key(text).filter(|_| self.is_cached);
        if let Some(entry) = key.as_deref().and_then(|key| CACHE.get(root, key)) {
            return self.answer_from(&entry, request).map(Some);
        }
        let name = Name::parse(text).ok_or_else(absent)?;
        let Some((path, opened)) = self.find(name)? else { return Ok(None) };
        let media = media_type(&path);
        if let Some(key) = key
            && opened.stamp.length <= FILE_BYTES_MAX
            && opened.stamp.is_settled(SystemTime::now())
        {
            let entry = Arc::new(Entry::read(root, &key, &path, opened, media)?);
            CACHE.insert(entry.clone());
            return self.answer_from(&entry, request).map(Some);
        }
        let opened = opened.in_preferred_coding(root, &path, &media, request.headers())?;
        let (form, content) = Representation::read(opened, media, AT_ONCE_BYTES_MAX)?;
        form.answer(request, content, self.cache_control.clone()).map(Some)
    }

    /// Returns the name of the entry in the cache. Folders with different index files share the cache, so the
    /// name includes the index file.
    fn key<'n>(&self, name: &'n str) -> Option<Cow<'n, str>> {
        match name.is_empty() || name.ends_with('/') {
            true => self.index.as_deref().map(|index| Cow::Owned(format!("{name}{index}"))),
            false => Some(Cow::Borrowed(name)),
        }
    }

    fn answer_from(&self, entry: &Entry, request: &Request) -> Result<Response> {
        let (form, bytes) = entry.preferred(request.headers());
        form.answer(request, Content::Memory(bytes.clone()), self.cache_control.clone())
    }

    /// Opens the file that a name leads to. Returns it with its path, or `None` for a folder without a final
    /// slash.
    fn find<'n>(&self, name: Name<'n>) -> Result<Option<(Cow<'n, str>, OpenFile)>> {
        match find(&self.root, name.path)?.ok_or_else(absent)? {
            Found::File(file) if !name.is_folder => Ok(Some((Cow::Borrowed(name.path), file))),
            Found::File(_) => Err(absent()),
            Found::Folder if !name.is_folder => Ok(None),
            Found::Folder => {
                let index = self.index.as_deref().ok_or_else(absent)?;
                let path = if name.path.is_empty() { index.to_owned() } else { format!("{}/{index}", name.path) };
                match find(&self.root, &path)? {
                    Some(Found::File(file)) => Ok(Some((Cow::Owned(path), file))),
                    _ => Err(absent()),
                }
            }
        }
    }
}

fn absent() -> Error {
    refuse(StatusCode::NOT_FOUND)
}

/// Redirects to the same path with a final slash, so that relative links within the folder work.
///
/// The target is relative. An absolute path that begins with two slashes would be read as another host.
fn with_slash(request: &Request) -> Response {
    let last = request.path().rsplit('/').next().unwrap_or_default();
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::permanent(format!("./{last}/{query}")).into_response()
}

impl<P: Into<PathBuf>> From<P> for Folder {
    fn from(root: P) -> Folder {
        Folder::new(root)
    }
}
