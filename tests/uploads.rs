//! Forms and uploads in all five kinds of route, in-process and with real workers, and whether their files
//! are removed.
#[path = "programs/support.rs"]
mod support;

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pixie_web::{
    App, Body, Bytes, Error, Form, FormLimits, FromRequest, IntoResponse, Json, ProcessType, Request, Response, Result,
    Route, StatusCode, TestClient, TestRequest, Upload, Uploads, Writer, get, post, proc_env,
};
use serde::{Deserialize, Serialize};

const KINDS: [&str; 5] = ["sync", "thread", "async", "pool", "stream"];
/// Larger than what stays in memory, so that the upload is written to a file.
const LARGE: usize = 300 * 1024;

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Fields {
    title: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// What a handler saw of a form.
#[derive(Debug, Deserialize, Serialize)]
struct Seen {
    title: String,
    tags: Vec<String>,
    file_name: String,
    bytes: u64,
    sum: u64,
    path: Option<PathBuf>,
    process: String,
}

fn look(form: Fields, photo: &Upload) -> Result<Seen> {
    let mut content = Vec::new();
    photo.reader()?.read_to_end(&mut content)?;
    assert_eq!(content, photo.bytes()?);
    Ok(Seen {
        title: form.title,
        tags: form.tags,
        file_name: photo.file_name().to_owned(),
        bytes: photo.len(),
        sum: content.iter().map(|byte| u64::from(*byte)).sum(),
        path: photo.path().map(Path::to_owned),
        process: proc_env().process_type.to_string(),
    })
}

#[post("/sync", sync)]
fn in_sync(form: Form<Fields>, photo: Upload) -> Result<Json<Seen>> {
    look(form.0, &photo).map(Json)
}

#[post("/thread", thread)]
fn in_thread(form: Form<Fields>, photo: Upload) -> Result<Json<Seen>> {
    look(form.0, &photo).map(Json)
}

#[post("/async")]
async fn in_async(form: Form<Fields>, photo: Upload) -> Result<Json<Seen>> {
    look(form.0, &photo).map(Json)
}

#[post("/pool")]
fn in_pool(form: Form<Fields>, photo: Upload) -> Result<Json<Seen>> {
    look(form.0, &photo).map(Json)
}

#[post("/stream", stream)]
fn in_stream(form: Form<Fields>, photo: Upload, out: &mut Writer) -> Result<()> {
    // The head goes out first: the file must still be there when the answer has begun.
    out.start()?;
    let seen = look(form.0, &photo)?;
    Ok(out.send(serde_json::to_vec(&seen)?)?)
}

#[post("/fail/<how>")]
fn in_pool_fail(how: String, photo: Upload) -> Result<String> {
    assert!(photo.path().is_some_and(Path::exists), "the file is there while it is handled");
    match how.as_str() {
        "panic" => panic!("a handler panicked"),
        "abort" => std::process::abort(),
        "hang" => loop {
            std::hint::black_box(0);
        },
        _ => Err(pixie_web::abort(409)),
    }
}

#[post("/fail/sync/<how>", sync)]
fn in_sync_fail(how: String, photo: Upload) -> Result<String> {
    assert!(photo.path().is_some_and(Path::exists), "the file is there while it is handled");
    match how.as_str() {
        "panic" => panic!("a handler panicked"),
        _ => Err(pixie_web::abort(409)),
    }
}

#[post("/keep")]
fn keep(to: Form<Keep>, photo: Upload) -> Result<String> {
    photo.persist(Path::new(&to.folder).join("kept"))?;
    Ok("kept".to_owned())
}

#[derive(Deserialize)]
struct Keep {
    folder: String,
}

#[post("/all", sync)]
fn all(files: Uploads, photo: Option<Upload>, docs: Vec<Upload>) -> String {
    format!("{} {} {}", files.len(), photo.is_some(), docs.len())
}

#[get("/ok")]
fn ok() -> &'static str {
    "ok"
}

fn app() -> App {
    App::collect().deadline(Duration::from_secs(20)).body_limit(4 * 1024 * 1024).route(by_hand())
}

/// A route written by hand that does not name a form extractor: it gets the whole body, and can still read
/// the parts.
fn by_hand() -> Route {
    Route::post("/by-hand").pool(|request: &mut Request| -> Result<Response> {
        let parts = request.parts()?;
        let files: Vec<_> = parts.files.iter().map(|file| file.file_name().to_owned()).collect();
        Ok(format!("{} {files:?}", parts.fields.get("title").unwrap_or_default()).into_response())
    })
}

pixie_web::test_worker!(app);

/// A client and the folder in which its app keeps uploads.
struct Site {
    client: TestClient,
    folder: tempfile::TempDir,
}

impl Site {
    fn new(start: impl FnOnce(App) -> Result<TestClient>) -> Site {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let client = start(app().upload_dir(folder.path())).expect("the app fits together");
        Site { client, folder }
    }

    /// Sends the fields and a photo of this length.
    fn post(&self, path: &str, bytes: usize) -> TestRequest<'_> {
        let photo = content(bytes);
        let request = self.client.post(path).field("title", "a title").field("tags", "one");
        request.file("photo", r"C:\pictures\me.jpg", photo).field("tags", "two")
    }

    /// Returns the temporary files in the folder, without its lock file.
    fn files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.folder.path()).expect("it can be listed").flatten();
        let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
        files.map(|file| file.path()).filter(|path| path.file_name().is_some_and(|name| name != "lock")).collect()
    }

    #[track_caller]
    fn assert_no_file_left(&self, after: &str) {
        let start = Instant::now();
        while !self.files().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(20), "after {after}: {:?}", self.files());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index % 251) as u8).collect()
}

fn check_all_kinds(site: &Site, process: ProcessType) {
    for (kind, bytes) in KINDS.into_iter().flat_map(|kind| [(kind, 10), (kind, LARGE)]) {
        let seen: Seen = site.post(&format!("/{kind}"), bytes).send().assert_status(200).json();
        let expected = content(bytes);
        assert_eq!((seen.title.as_str(), seen.tags), ("a title", vec!["one".to_owned(), "two".to_owned()]), "{kind}");
        assert_eq!((seen.file_name.as_str(), seen.bytes), ("me.jpg", bytes as u64), "{kind}");
        assert_eq!(seen.sum, expected.iter().map(|byte| u64::from(*byte)).sum::<u64>(), "{kind}");
        assert_eq!(seen.path.is_some(), bytes == LARGE, "{kind}: only a large file is on disk");
        let is_pooled = matches!(kind, "pool" | "stream");
        assert_eq!(seen.process, if is_pooled { process } else { ProcessType::Main }.to_string(), "{kind}");
        site.assert_no_file_left(kind);
    }
}

#[test]
fn every_kind_of_route_gets_fields_and_files() {
    check_all_kinds(&Site::new(App::test), ProcessType::Main);
}

#[test]
fn a_worker_gets_a_large_file_as_a_file_and_it_is_gone_however_the_job_ends() {
    let site = Site::new(|app| app.deadline(Duration::from_secs(2)).test_with_workers(1));
    check_all_kinds(&site, ProcessType::Pool);
    for (how, status) in [("error", 409), ("panic", 500), ("abort", 502), ("hang", 504)] {
        site.post(&format!("/fail/{how}"), LARGE).send().assert_status(status);
        site.assert_no_file_left(how);
        site.client.get("/ok").send().assert_status(200);
    }
}

#[test]
fn an_error_or_a_panic_in_the_main_process_leaves_no_file() {
    let site = Site::new(App::test);
    for (how, status) in [("error", 409), ("panic", 500)] {
        site.post(&format!("/fail/sync/{how}"), LARGE).send().assert_status(status);
        site.assert_no_file_left(how);
    }
    site.post("/fail/sync/error", 10).send().assert_status(500);
}

#[test]
fn a_file_can_be_kept_from_a_worker_and_has_the_mode_of_other_files() {
    let site = Site::new(|app| app.test_with_workers(1));
    let mode = |path: &Path| fs::metadata(path).map(|metadata| metadata.permissions().mode());
    for bytes in [10, LARGE] {
        let to = tempfile::tempdir().expect("a folder can be made");
        let folder = to.path().to_str().expect("the path is text");
        site.post("/keep", bytes).field("folder", folder).send().assert_status(200).assert_text("kept");
        assert_eq!(fs::read(to.path().join("kept")).expect("it was kept"), content(bytes));
        fs::write(to.path().join("other"), "").expect("a file can be made");
        assert_eq!(mode(&to.path().join("kept")).ok(), mode(&to.path().join("other")).ok());
        site.assert_no_file_left("keeping it");
        site.post("/keep", bytes).field("folder", folder).send().assert_status(500);
    }
}

#[test]
fn only_this_user_can_reach_what_is_uploaded_and_cannot_guess_its_name() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let look = |request: &mut Request| -> Result<String> {
        let file = request.parts()?.files[0].path().expect("it is on disk").to_owned();
        let folder = file.parent().expect("it is in a folder");
        let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
        Ok(format!("{mode:o} {}", file.file_name().expect("it has a name").len()))
    };
    let needs = pixie_web::Needs::default().extractor::<Uploads>();
    let app = App::new().route(Route::post("/").sync(look).needs(needs)).upload_dir(folder.path());
    let client = app.test().expect("the app fits together");
    client.post("/").file("photo", "f", content(LARGE)).send().assert_text("700 32");
    drop(client);
    assert_eq!(fs::read_dir(folder.path()).expect("it can be listed").count(), 0, "the folder goes with the app");
}

#[test]
fn what_a_killed_process_left_is_swept_by_the_next_one() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let stale = folder.path().join("pixie-uploads-stale");
    let held = folder.path().join("pixie-uploads-held");
    for left in [&stale, &held] {
        fs::create_dir(left).expect("a folder can be made");
        fs::write(left.join("lock"), "").expect("a file can be made");
        fs::write(left.join("upload"), "content").expect("a file can be made");
    }
    let lock = fs::File::open(held.join("lock")).expect("it can be opened");
    lock.lock().expect("it can be locked");
    let client = app().upload_dir(folder.path()).test().expect("the app fits together");
    support::until("what was left is swept", || (!stale.exists()).then_some(()));
    client.post("/sync").field("title", "t").file("photo", "f", content(LARGE)).send().assert_status(200);
    assert!(held.join("upload").exists());
}

#[test]
fn the_folder_is_locked_against_those_who_tidy_up_and_comes_back_under_its_name() {
    let site = Site::new(App::test);
    let look = || {
        site.post("/sync", LARGE).send().assert_status(200);
        let mut folders = fs::read_dir(site.folder.path()).expect("it can be listed").flatten();
        let folder = folders.next().expect("an upload has made it").path();
        let lock = fs::File::open(&folder).expect("it can be opened").try_lock();
        assert!(matches!(lock, Err(fs::TryLockError::WouldBlock)), "{lock:?}");
        folder
    };
    let folder = look();
    site.assert_no_file_left("an upload");
    fs::remove_dir_all(&folder).expect("it can be removed nevertheless");
    assert_eq!(look(), folder);
}

#[test]
fn files_of_a_form_are_found_by_their_field() {
    let site = Site::new(App::test);
    let request = || site.client.post("/all").file("docs", "a", "1").file("docs", "b", "2");
    request().send().assert_status(200).assert_text("2 false 2");
    request().file("photo", "p", "3").send().assert_status(200).assert_text("3 true 2");
    // A browser sends this for an input that was left empty.
    request().file("photo", "", "").send().assert_status(200).assert_text("2 false 2");
    site.client.post("/by-hand").field("title", "t").file("f", "../x", "1").send().assert_text("t [\"x\"]");
}

#[test]
fn refusals_name_the_field_in_every_kind() {
    let site = Site::new(|app| app.form_limits(FormLimits::default().field(20).file(1000).parts(6)).test());
    for kind in KINDS {
        let post = || site.client.post(&format!("/{kind}"));
        let cases = [
            (post().field("title", "t"), 400, "photo"),
            (post().file("photo", "f", "1"), 422, "title"),
            (post().field("title", "twenty-one characters"), 413, "title"),
            (post().field("title", "t").file("photo", "f", content(1001)), 413, "photo"),
            ((0..7).fold(post(), |post, _| post.field("a", "b")), 413, "fields"),
            (post().form(&[("title", "twenty-one characters")]), 413, "title"),
            (post().form(&[("title", "t")]), 400, "photo"),
            (post().json(&["t"]), 415, "multipart/form-data"),
            (post().header("content-type", "multipart/form-data").body("x"), 400, "boundary"),
            (post().header("content-type", "multipart/form-data; boundary=x").body("--x\r\n"), 400, "ends"),
        ];
        for (request, status, named) in cases {
            let text = request.send().assert_status(status).text();
            assert!(text.contains(named), "{kind}: {text} should name {named}");
        }
        site.assert_no_file_left(kind);
    }
}

#[test]
fn a_handler_that_reads_a_form_by_hand_has_the_limits_of_the_app() {
    fn count(request: &mut Request) -> Result<String, Error> {
        let fields = request.form().iter().count();
        assert_eq!(fields, request.parts().map_or(0, |parts| parts.fields.iter().count()));
        let form = Form::<Vec<(String, String)>>::from_request(request);
        request.parts()?;
        form.map(|form| format!("{fields} {}", form.len()))
    }
    let limits = |parts_max| FormLimits::default().parts(parts_max);
    let client = |limits: FormLimits| {
        let app = App::new()
            .route(Route::post("/sync").sync(count))
            .route(Route::post("/thread").thread(count))
            .route(Route::post("/async").asynchronous(|mut request| async move { count(&mut request) }))
            .route(Route::post("/pool").pool(count))
            .route(Route::post("/stream").stream_to(|request, out| Ok(out.send(count(request)?)?)));
        app.form_limits(limits).test().expect("the app fits together")
    };
    for (client, most) in [(client(limits(2)), 2), (client(FormLimits::default()), 1000), (client(limits(3000)), 3000)]
    {
        for kind in KINDS {
            let post = || client.post(&format!("/{kind}"));
            let forms = |count| {
                let fields = vec![("a", "b"); count];
                [post().form(&fields), fields.iter().fold(post(), |post, (name, value)| post.field(name, value))]
            };
            for form in forms(most) {
                form.send().assert_status(200).assert_text(&format!("{most} {most}"));
            }
            for form in forms(most + 1) {
                form.send().assert_status(413);
            }
        }
    }
}

#[test]
fn a_form_longer_than_the_routes_limit_is_refused_and_leaves_no_file() {
    let site = Site::new(|app| app.body_limit(2 * LARGE as u64).test());
    site.post("/sync", LARGE).send().assert_status(200);
    site.post("/sync", 3 * LARGE).send().assert_status(413);
    // A body with a length is refused before it is read, one without when it exceeds the limit.
    site.post("/sync", LARGE).header("content-length", "99999999").send().assert_status(413);
    site.assert_no_file_left("a form that was too long");
}

/// A body that breaks off, as if the client had disconnected.
struct Broken(Option<Bytes>);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let next = self.0.take().map(http_body::Frame::data);
        std::task::Poll::Ready(Some(next.ok_or_else(|| std::io::ErrorKind::ConnectionReset.into())))
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_no_file() {
    let site = Site::new(App::test);
    let begun =
        [b"--x\r\nContent-Disposition: form-data; name=photo; filename=f\r\n\r\n", content(3 * LARGE).as_slice()]
            .concat();
    let request = site.client.post("/sync").header("content-type", "multipart/form-data; boundary=x");
    let answer = request.body(Body::new(Broken(Some(begun.into())))).send();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    site.assert_no_file_left("a client that left");
}
