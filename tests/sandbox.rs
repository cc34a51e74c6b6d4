//! Sandboxed pools of an app: what their routes may do, and how forms with large files reach them.
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use pixie_web::{App, Pool, PoolConfig, Query, Result, Sandbox, Upload, get, post};
use serde::Deserialize;

/// Larger than what stays in memory, so that the upload is written to a file.
const LARGE: usize = 300 * 1024;

/// The only directory in which the strict pool may write.
fn allowed() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox");
    fs::create_dir_all(&path).expect("a directory of the tests can be made");
    path
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Returns the outcome of an action as text. A sandbox refuses an action with an error, and the worker
/// continues.
fn told<T>(outcome: std::io::Result<T>) -> String {
    outcome.map_or_else(|error| format!("{:?}", error.kind()), |_| "done".to_owned())
}

#[get("/strict/open", pool = "strict")]
fn open_file(target: Query<Target>) -> String {
    told(fs::read(&target.name))
}

#[get("/strict/write", pool = "strict")]
fn write_file(target: Query<Target>) -> String {
    told(fs::write(&target.name, "written"))
}

#[get("/strict/connect", pool = "strict")]
fn connect(target: Query<Target>) -> String {
    told(TcpStream::connect(&target.name))
}

#[get("/strict/execute", pool = "strict")]
fn execute(target: Query<Target>) -> String {
    told(Command::new(&target.name).status())
}

#[derive(Deserialize)]
struct Kept {
    r#as: String,
}

#[post("/strict/upload", pool = "strict")]
fn upload(kept: Query<Kept>, photo: Upload) -> Result<String> {
    let bytes = photo.bytes()?.len();
    photo.persist(allowed().join(&kept.r#as))?;
    Ok(bytes.to_string())
}

/// Looks for the uploads of others, beside its own.
#[post("/strict/look", pool = "strict")]
fn look_around(photo: Upload) -> String {
    let own = photo.path().expect("it is on disk");
    let folder = own.parent().expect("it is in a folder");
    let tries =
        [told(fs::read(own)), told(fs::read_dir(folder)), told(fs::write(own, "other")), told(fs::File::open(folder))];
    tries.join(" ")
}

#[get("/strict/abort", pool = "strict")]
fn abort() -> String {
    std::process::abort()
}

#[get("/free/execute", pool = "free")]
fn execute_freely(target: Query<Target>) -> String {
    told(Command::new(&target.name).status())
}

fn strict() -> PoolConfig {
    Pool::named("strict").sandbox(Sandbox::strict().write(allowed()).required())
}

fn app() -> App {
    App::collect().pool(strict())
}

pixie_web::test_worker!(app);

#[test]
fn a_route_in_a_strict_pool_is_held_and_one_in_another_is_not() {
    let client = app().test_with_workers(1).expect("the app fits together");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a bound socket has an address");
    let inside = allowed().join("inside").display().to_string();
    let outside = concat!(env!("CARGO_TARGET_TMPDIR"), "/outside");
    fs::write(outside, "somebody's").expect("a file of the tests can be written");
    let deeds = [
        ("/strict/open?name=/etc/passwd".to_owned(), "PermissionDenied"),
        (format!("/strict/open?name={outside}"), "PermissionDenied"),
        (format!("/strict/write?name={outside}"), "PermissionDenied"),
        (format!("/strict/write?name={inside}"), "done"),
        (format!("/strict/open?name={inside}"), "done"),
        (format!("/strict/connect?name={address}"), "PermissionDenied"),
        ("/strict/execute?name=/bin/true".to_owned(), "PermissionDenied"),
        ("/free/execute?name=/bin/true".to_owned(), "done"),
    ];
    for (path, expected) in deeds {
        assert_eq!(client.get(&path).send().assert_status(200).text(), expected, "{path}");
    }
    assert_eq!(fs::read_to_string(outside).expect("it is still there"), "somebody's");
}

#[test]
fn a_large_file_of_a_form_reaches_a_strict_pool_and_can_be_kept_where_it_may_write() {
    let kept = allowed().join("photo");
    let _ = fs::remove_file(&kept);
    let client = app().test_with_workers(1).expect("the app fits together");
    let content = vec![7; LARGE];
    let form = client.post("/strict/upload?as=photo").file("photo", "photo.jpg", &content);
    assert_eq!(form.send().assert_status(200).text(), LARGE.to_string());
    assert!(fs::read(&kept).expect("it was kept") == content);
}

#[test]
fn a_strict_worker_reads_the_uploads_of_its_own_request_and_cannot_list_others() {
    let client = app().test_with_workers(1).expect("the app fits together");
    let form = client.post("/strict/look").file("photo", "photo.jpg", [7; LARGE]);
    form.send().assert_text("done PermissionDenied PermissionDenied PermissionDenied");
}

#[test]
fn after_the_folder_of_uploads_was_removed_a_strict_pool_takes_them_again_from_its_next_worker_on() {
    let uploads = tempfile::tempdir().expect("a folder can be made");
    // A spare worker could start after the folder was made again, and get the next request.
    let app = App::collect().pool(strict().spares(0));
    let client = app.upload_dir(uploads.path()).test_with_workers(1).expect("the app fits together");
    let ask = |status| {
        let _ = fs::remove_file(allowed().join("again"));
        let form = client.post("/strict/upload?as=again").file("photo", "photo.jpg", [7; LARGE]);
        form.send().assert_status(status);
    };
    ask(200);
    let folder = fs::read_dir(uploads.path()).expect("it can be listed").flatten().next().expect("it was made");
    fs::remove_dir_all(folder.path()).expect("it can be removed");
    // The running worker has a right to the removed folder only, not to the new one of the same name.
    ask(500);
    client.get("/strict/abort").send().assert_status(502);
    ask(200);
}

#[test]
fn on_threads_a_test_runs_without_the_sandbox() {
    let client = App::collect().pool(strict()).test().expect("the app fits together");
    let answer = client.get("/strict/execute?name=/bin/true").send();
    assert_eq!(answer.assert_status(200).text(), "done");
}
