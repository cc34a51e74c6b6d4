//! Responses that fail after their head, over HTTP/2: the stream is reset, whatever its body is.
use std::{
    fs::File,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use http_body::Frame;
use pixie_server::{Config, Listener, Server};
use pixie_web::{App, Body, Bytes, Response, Route};

use crate::h2_client;

/// A body of one part that then fails.
struct Failing(Option<Bytes>);

impl http_body::Body for Failing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let part = self.0.take().map(Frame::data).ok_or_else(|| io::Error::other("asked for"));
        Poll::Ready(Some(part))
    }
}

fn serve(app: App) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1", 0).expect("a port is free");
    let address = listener.local_addrs()[0];
    let service = app.into_service().expect("the app fits together");
    thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("the system has threads");
        runtime.block_on(Server::new(Config::new()).serve(listener, move |_| service.clone()))
    });
    address
}

fn failing() -> Response {
    Response::new(Body::new(Failing(Some("text ".repeat(1000).into())))).content_type("text/plain")
}

#[test]
fn a_stream_that_fails_after_its_head_is_reset_also_if_it_is_compressed() {
    let app = App::new().route(Route::get("/").sync(|_| failing()));
    #[cfg(feature = "compression")]
    let app = app.compress(true);
    let port = serve(app).port();
    for codings in [&[][..], &[("accept-encoding", "gzip")], &[("accept-encoding", "br")]] {
        let error = h2_client::get(port, "/", codings, || ()).expect_err("it does not end cleanly");
        assert!(error.is_reset(), "{codings:?}: {error}");
    }
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_sent_resets_its_stream() {
    let folder = tempfile::tempdir().expect("the system has a folder");
    let path = folder.path().join("large.bin");
    let file = File::create(&path).expect("it can be made");
    file.set_len(64 << 20).expect("it can be long");
    let port = serve(App::new().folder("/files", folder.path())).port();
    // The client's window holds far less than the file.
    let error = h2_client::get(port, "/files/large.bin", &[], || file.set_len(0).expect("it can be short"))
        .expect_err("it does not end cleanly");
    assert!(error.is_reset(), "{error}");
}
