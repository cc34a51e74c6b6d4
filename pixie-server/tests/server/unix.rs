//! Unix sockets: their files, and clients that have no address.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use pixie_server::{Address, Config, Listen, Listener};

use crate::harness::Running;

/// Sends a request and ends the sending side; returns the whole response.
fn ask(path: &Path, target: &str) -> String {
    let mut client = UnixStream::connect(path).unwrap();
    client.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    write!(client, "GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_unix_socket_serves_clients_and_its_file_is_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = Listener::open([Listen::unix(&path).mode(0o620), Listen::tcp("127.0.0.1", 0)]).unwrap();
    assert_eq!(listener.urls()[0].0, Address::Unix(path.clone()));
    let server = Running::on(listener, Config::new());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
    assert!(ask(&path, "/a").ends_with("\r\n\r\nyou asked for /a"));
    assert!(ask(&path, "/later").ends_with("\r\n\r\nlater"), "a half-closed client gets its answer");
    assert!(ask(&path, "/peer").ends_with("\r\n\r\nunix:"));
    assert_eq!(server.client().get("/").status(), "200", "the port beside it");
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_client_of_a_unix_socket_that_leaves_ends_its_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let server = Running::on(Listener::open([Listen::unix(&path)]).unwrap(), Config::new());
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    server.wait_for_slow(1);
    drop(client);
    server.wait_for_dropped(1);
}

#[test]
fn a_file_that_an_ended_process_has_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let server = Running::on(Listener::open([Listen::unix(&path)]).unwrap(), Config::new());
    assert!(ask(&path, "/").contains("200 OK"));
    server.stop();
}

#[test]
fn a_socket_of_another_process_and_other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("app.sock"), folder.path().join("file"));
    let other = UnixListener::bind(&path).unwrap();
    fs::write(&file, "text").unwrap();
    let open = |path: &Path| Listener::open([Listen::unix(path)]).unwrap_err().to_string();
    assert!(open(&path).ends_with("another process listens there; stop it or choose another path"));
    assert!(open(&file).ends_with("not a socket; remove it or choose another path"));
    assert!(open(&folder.path().join("no/app.sock")).ends_with("; create the folder first"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    drop(other);
}

#[test]
fn a_socket_that_another_process_goes_on_using_keeps_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = Listener::open([Listen::unix(&path)]).unwrap();
    // What a process that takes over holds.
    let passed = listener.try_clone().unwrap().into_fds();
    let server = Running::on(listener, Config::new());
    server.stop();
    assert!(path.exists());
    drop(passed);
}

#[test]
fn the_owner_is_a_name_or_a_number_and_an_unknown_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let own = fs::metadata(folder.path()).unwrap();
    for owner in [format!("{}:{}", own.uid(), own.gid()), format!(":{}", own.gid()), own.uid().to_string()] {
        let listener = Listener::open([Listen::unix(&path).owner(owner)]).unwrap();
        let file = fs::metadata(&path).unwrap();
        assert_eq!((file.uid(), file.gid()), (own.uid(), own.gid()));
        drop(listener);
    }
    let error = Listener::open([Listen::unix(&path).owner("nobody-has-this-name")]).unwrap_err().to_string();
    let expected = "/etc/passwd has no user `nobody-has-this-name`; use a name from there, or a number";
    assert!(error.ends_with(expected), "{error}");
    assert!(!path.exists());
    let error = Listener::open([Listen::tcp("127.0.0.1", 0).mode(0o600)]).unwrap_err().to_string();
    assert_eq!(error, "cannot listen on 127.0.0.1:0: `mode` is for Unix sockets: remove it");
}
