//! `Folder`: a folder of files and how it is served; `static_file`, `cached_file` and `App::folder` are made of it.
use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use pixie_core::{Error, IntoResponse, Needs, Redirect, Request, Response, Result, Route, abort};

use super::{
    cache::{CACHE, Entry, FILE_BYTES_MAX},
    name::{Name, System},
    open::{Found, OpenFile, find},
    representation::{Content, Representation, media_type},
};
use crate::App;

/// As the original: a little more than ten hours.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("max-age=38400");
const INDEX: &str = "index.html";
/// The wildcard of a mounted folder.
const WILDCARD: &str = "file";
/// A file up to this length is read where it is opened: a hop to another thread takes longer.
const AT_ONCE_BYTES_MAX: u64 = 64 * 1024;

/// Answers with a file of a folder: with its type, validators, conditions and ranges (see [`files`](crate::files)).
///
/// The name may come from the client. A name that leads nowhere, or out of the folder, is a 404.
pub fn static_file(request: &Request, root: impl AsRef<Path>, name: &str) -> Result<Response> {
    Rules::default().serve(request, root.as_ref(), name)
}

/// Does the same as [`static_file`], and keeps files of up to 4 MiB in memory, 256 of them and 64 MiB in each process.
///
/// A file that has changed is noticed at once, one that was compressed beside it within a second.
pub fn cached_file(request: &Request, root: impl AsRef<Path>, name: &str) -> Result<Response> {
    Rules { is_cached: true, ..Rules::default() }.serve(request, root.as_ref(), name)
}

/// A folder of files, to be mounted with [`App::folder`](crate::App::folder) or asked by a handler.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
    rules: Rules,
}

/// How files are served.
#[derive(Clone, Debug)]
struct Rules {
    cache_control: HeaderValue,
    index: Option<Cow<'static, str>>,
    is_cached: bool,
}

impl Folder {
    /// Serves this folder; a relative path starts where the program was started.
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        Folder { root: root.into(), rules: Rules::default() }
    }

    /// Sets how long clients may use a file without asking again. Default: 38400 s.
    pub fn max_age(mut self, age: Duration) -> Folder {
        let value = HeaderValue::try_from(format!("max-age={}", age.as_secs()));
        self.rules.cache_control = value.expect("digits may stand in a header");
        self
    }

    /// Sets the file that answers for a folder. Default: `index.html`.
    pub fn index(mut self, name: impl Into<String>) -> Folder {
        self.rules.index = Some(Cow::Owned(name.into()));
        self
    }

    /// Lets no file answer for a folder.
    pub fn without_index(mut self) -> Folder {
        self.rules.index = None;
        self
    }

    /// Keeps small files in memory, as [`cached_file`] does.
    pub fn cached(mut self) -> Folder {
        self.rules.is_cached = true;
        self
    }

    /// Answers with a file of this folder; a name that leads nowhere is a 404.
    pub fn serve(&self, request: &Request, name: &str) -> Result<Response> {
        self.rules.serve(request, &self.root, name)
    }

    /// Answers with the file that the wildcard names, and leads from a folder without a slash to one with it.
    fn serve_mounted(&self, request: &Request) -> Result<Response> {
        let name = request.param_text(WILDCARD).unwrap_or_default();
        if name.is_empty() && !request.path().ends_with('/') {
            return Ok(with_slash(request));
        }
        let answer = self.rules.answer(request, &self.root, &name)?;
        Ok(answer.unwrap_or_else(|| with_slash(request)))
    }
}

impl App {
    /// Mounts a folder: `GET /static/a/b.css` answers with the file `a/b.css`, see [`files`](crate::files).
    ///
    /// Its routes run on blocking threads. With an index it also takes the path itself, `/static` and `/static/`, so to
    /// have a handler of your own at `/` beside a folder mounted there, use [`Folder::without_index`].
    #[track_caller]
    pub fn folder(mut self, path: &str, folder: impl Into<Folder>) -> App {
        let folder = Arc::new(folder.into());
        let prefix = path.strip_suffix('/').unwrap_or(path);
        let mut paths = vec![format!("{prefix}/<{WILDCARD}:path>")];
        if folder.rules.index.is_some() {
            paths.push(format!("{prefix}/"));
            paths.extend((!prefix.is_empty()).then(|| prefix.to_owned()));
        }
        let mut needs = Needs::default();
        needs.everything();
        for path in paths {
            let folder = folder.clone();
            // A route lives as long as the program, and so does its path.
            let route = Route::get(path.leak()).thread(move |request: &mut Request| folder.serve_mounted(request));
            self = self.route(route.needs(needs.clone()));
        }
        self
    }
}

impl Rules {
    fn serve(&self, request: &Request, root: &Path, name: &str) -> Result<Response> {
        self.answer(request, root, name)?.ok_or_else(absent)
    }

    /// Answers with a file, or with nothing where the name leads to a folder and has no slash at its end.
    fn answer(&self, request: &Request, root: &Path, text: &str) -> Result<Option<Response>> {
        let key = self.key(text).filter(|_| self.is_cached);
        if let Some(entry) = key.as_deref().and_then(|key| CACHE.get(root, key)) {
            return self.answer_from(&entry, request).map(Some);
        }
        let name = Name::parse(text, System::HERE).ok_or_else(absent)?;
        let Some((path, opened)) = self.find(root, name)? else { return Ok(None) };
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

    /// The name in the cache, which serves folders of any rules: what answers for a folder depends on them, so it is named.
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

    /// Opens what a name leads to and returns it with its path; a folder without a slash is nothing.
    fn find<'n>(&self, root: &Path, name: Name<'n>) -> Result<Option<(Cow<'n, str>, OpenFile)>> {
        match find(root, name.path)?.ok_or_else(absent)? {
            Found::File(file) if !name.is_folder => Ok(Some((Cow::Borrowed(name.path), file))),
            Found::File(_) => Err(absent()),
            Found::Folder if !name.is_folder => Ok(None),
            Found::Folder => {
                let index = self.index.as_deref().ok_or_else(absent)?;
                let path = if name.path.is_empty() { index.to_owned() } else { format!("{}/{index}", name.path) };
                match find(root, &path)? {
                    Some(Found::File(file)) => Ok(Some((Cow::Owned(path), file))),
                    _ => Err(absent()),
                }
            }
        }
    }
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { cache_control: CACHE_CONTROL, index: Some(Cow::Borrowed(INDEX)), is_cached: false }
    }
}

fn absent() -> Error {
    abort(404).with_place(None)
}

/// Leads to the same address with a slash at its end, so that relative links within the folder work.
///
/// The address is a relative one: an absolute one could be read as another host where the path begins with two slashes.
fn with_slash(request: &Request) -> Response {
    let last = request.path().rsplit('/').next().unwrap_or_default();
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::permanent(format!("./{last}/{query}")).into_response()
}

impl From<&str> for Folder {
    fn from(root: &str) -> Folder {
        Folder::new(root)
    }
}

impl From<&Path> for Folder {
    fn from(root: &Path) -> Folder {
        Folder::new(root)
    }
}

impl From<PathBuf> for Folder {
    fn from(root: PathBuf) -> Folder {
        Folder::new(root)
    }
}
