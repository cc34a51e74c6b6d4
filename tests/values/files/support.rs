//! A folder of files with a fixed time, and an app that serves it in every way.
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use pixie_web::{App, Folder, Request, Route, TestClient, cached_file, static_file};

/// Sun, 06 Nov 1994 08:49:37 GMT, the RFC's own example.
pub(crate) const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
pub(crate) const CHANGED_SECONDS: u64 = 784_111_777;
/// The prefixes under which the app serves its folder: each a way to serve, or a kind of route.
pub(crate) const WAYS: [&str; 6] = ["/static/", "/cached/", "/thread/", "/async/", "/pool/", "/folder/"];

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A folder that is removed with the value.
pub(crate) struct Files {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
}

impl Files {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Files {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("root");
        fs::create_dir(&root).expect("a folder");
        let made = Files { folder, root };
        files.iter().for_each(|(name, bytes)| made.write(name, bytes, CHANGED_SECONDS));
        made
    }

    /// Writes a file, changed at this time.
    pub(crate) fn write(&self, name: &str, bytes: &[u8], seconds: u64) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        set_time(&path, at(seconds));
    }

    pub(crate) fn client(&self) -> TestClient {
        let (pool, on_static, on_cached) = (self.root.clone(), self.root.clone(), self.root.clone());
        let (on_thread, on_async) = (self.root.clone(), self.root.clone());
        let name = |request: &Request| request.param_text("name").expect("a wildcard").into_owned();
        let app = App::new()
            .route(Route::get("/static/<name:path>").sync(move |r: &mut Request| static_file(r, &on_static, &name(r))))
            .route(Route::get("/cached/<name:path>").sync(move |r: &mut Request| cached_file(r, &on_cached, &name(r))))
            .route(
                Route::get("/thread/<name:path>").thread(move |r: &mut Request| static_file(r, &on_thread, &name(r))),
            )
            .route(Route::get("/async/<name:path>").asynchronous(move |r: Request| {
                let root = on_async.clone();
                async move { static_file(&r, &root, &name(&r)) }
            }))
            .route(Route::get("/pool/<name:path>").pool(move |r: &mut Request| static_file(r, &pool, &name(r))))
            .folder("/folder", Folder::new(&self.root).cached());
        app.test().expect("the app fits together")
    }
}

pub(crate) fn set_time(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).expect("the file").set_modified(time).expect("a time can be set");
}
