//! An app over HTTPS as curl sees it, without a port: TLS works over Unix sockets too.
use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use pixie_web::{App, Cookie, IntoResponse, Listen, Request, Response, Route, Tls, TlsSession};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Writes an authority, and a certificate of it with its key.
fn make_certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("it has no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("it signs itself");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["shop.example".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("it is signed");
    for (name, text) in [("ca.pem", issuer.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())] {
        fs::write(folder.join(name), text).expect("the folder can be written to");
    }
}

fn index(request: &mut Request) -> Response {
    let session: &Arc<TlsSession> = request.extensions().get().expect("the connection is secured");
    let text = format!("{} {}", request.scheme(), !session.client_certificates.is_empty());
    text.into_response().cookie(Cookie::new("a", "b"))
}

/// Returns the whole response to `GET /`.
fn curl(folder: &Path, socket: &str, arguments: &[&str], url: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", "--max-time", "10", "--cacert", "ca.pem", "--unix-socket", socket]).current_dir(folder);
    let output = curl.args(arguments).arg(url).output().expect("curl is installed");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it is text").to_ascii_lowercase()
}

#[test]
fn an_app_over_https_is_secure_and_sees_the_certificates_of_its_clients() {
    let folder = tempfile::tempdir().expect("a folder");
    make_certificates(folder.path());
    let path = |name: &str| folder.path().join(name);
    let tls = Tls::files(path("cert.pem"), path("key.pem")).optional_client_certificates(path("ca.pem"));
    let app = App::new()
        .route(Route::get("/").sync(index))
        .listen(Listen::unix(path("https.sock")).mode(0o600).tls(tls))
        .listen(Listen::unix(path("http.sock")).redirect_to_https(443))
        .development(false)
        .banner(false);
    let shutdown = app.shutdown();
    let running = thread::spawn(|| app.run().map_err(|error| error.to_string()));
    let late = Instant::now() + Duration::from_secs(30);
    while !path("http.sock").exists() && !running.is_finished() && Instant::now() < late {
        thread::sleep(Duration::from_millis(5));
    }

    let answer = curl(folder.path(), "https.sock", &[], "https://shop.example/");
    assert!(answer.ends_with("\r\n\r\nhttps false"), "{answer}");
    assert!(answer.contains("\r\nstrict-transport-security: max-age=31536000\r\n"), "{answer}");
    assert!(answer.contains("\r\nset-cookie: a=b; ") && answer.contains("; secure\r\n"), "{answer}");
    let identified = ["--cert", "cert.pem", "--key", "key.pem", "--http1.1"];
    let answer = curl(folder.path(), "https.sock", &identified, "https://shop.example/");
    assert!(answer.ends_with("\r\n\r\nhttps true"), "{answer}");
    let answer = curl(folder.path(), "http.sock", &[], "http://shop.example/a?b");
    assert!(
        answer.starts_with("http/1.1 308 ") && answer.contains("location: https://shop.example/a?b\r\n"),
        "{answer}"
    );

    shutdown.trigger();
    running.join().expect("it does not panic").expect("it ends well");
    assert!(!path("https.sock").exists() && !path("http.sock").exists());
}

#[test]
fn the_header_for_https_is_for_https_in_production() {
    let sent = |https: bool, development: bool, hsts: Option<u64>| {
        let app = App::new().route(Route::get("/").sync(|_| "x")).https(https).development(development);
        let app = match hsts {
            Some(seconds) => app.hsts(Duration::from_secs(seconds)),
            None => app,
        };
        let client = app.test().expect("it fits together");
        let response = client.get("/").send();
        response.headers().get("strict-transport-security").map(|value| value.to_str().expect("text").to_owned())
    };
    assert_eq!(sent(true, false, None).as_deref(), Some("max-age=31536000"));
    assert_eq!(sent(true, false, Some(0)).as_deref(), Some("max-age=0"));
    assert_eq!((sent(false, false, None), sent(true, true, None)), (None, None));
}
