//! TLS, seen by a client of rustls and by curl. The certificates are made for each test.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use pixie_server::{Config, Listen, Listener, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;

use crate::harness::{Client, Running};

const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at the files, in tests of new certificates.
const CHECK: Duration = Duration::from_millis(20);

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// A certificate authority with a folder for what it issues.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Certificates with the name of their authority would count as self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { folder, issuer }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a certificate for a name, and its key, as PEM.
    pub(crate) fn make(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a certificate for a name, and its key, and returns their paths.
    pub(crate) fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.make(name);
        let paths = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        fs::write(&paths.0, certificate).unwrap();
        fs::write(&paths.1, key).unwrap();
        paths
    }

    pub(crate) fn tls(&self, name: &str) -> Tls {
        let (certificate, key) = self.issue(name);
        Tls::files(certificate, key)
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    fn client(&self) -> ClientConfig {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        config.with_root_certificates(self.roots()).with_no_client_auth()
    }

    fn client_with(&self, (certificate, key): (String, String)) -> ClientConfig {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(self.roots());
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
    }
}

fn server(tls: Tls, config: Config) -> Running {
    Running::on(Listener::open([Listen::tcp("127.0.0.1", 0).tls(tls)]).unwrap(), config)
}

fn connect(address: SocketAddr, name: &str, config: ClientConfig) -> Secured {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = name.to_owned().try_into().unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

/// Sends a request and returns the body of its response, which has a length.
fn get(client: &mut Secured, target: &str) -> std::io::Result<String> {
    write!(client, "GET {target} HTTP/1.1\r\nhost: x\r\n\r\n")?;
    let mut answer = String::new();
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
            if body.len() >= length.parse().unwrap() {
                return Ok(body.to_owned());
            }
        }
        let mut piece = [0; 4096];
        match client.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => answer += std::str::from_utf8(&piece[..count]).unwrap(),
        }
    }
}

/// Returns the certificate that a client has got.
fn got(client: &Secured) -> Vec<u8> {
    client.conn.peer_certificates().unwrap()[0].to_vec()
}

fn der(path: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(path).unwrap().to_vec()
}

/// Waits until the condition holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let late = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < late, "{what}");
        sleep(CHECK);
    }
}

#[test]
fn requests_and_half_closed_clients_are_served_over_both_versions() {
    let authority = Authority::new();
    let server = server(authority.tls("a.example"), Config::new());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(authority.roots()).with_no_client_auth();
        let mut client = connect(server.address, "a.example", config);
        assert_eq!(get(&mut client, "/a").unwrap(), "you asked for /a");
        assert!(get(&mut client, "/tls").unwrap().contains("server_name: Some(\"a.example\")"));
        assert_eq!(client.conn.protocol_version(), Some(version.version));
        // It ends its sending side, in TLS and then in TCP, and still gets the response.
        for ends_tls in [true, false] {
            let mut client = connect(server.address, "a.example", client_of(&authority, version));
            client.write_all(b"GET /later HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            if ends_tls {
                client.conn.send_close_notify();
                client.flush().unwrap();
            }
            client.sock.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            // Fails without the message with which TLS ends.
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nlater"), "{answer}");
        }
    }
    assert_eq!(rustls::version::TLS13.version, ProtocolVersion::TLSv1_3);
}

fn client_of(authority: &Authority, version: &'static rustls::SupportedProtocolVersion) -> ClientConfig {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_protocol_versions(&[version]).unwrap();
    config.with_root_certificates(authority.roots()).with_no_client_auth()
}

#[test]
fn a_client_that_leaves_ends_its_request() {
    let authority = Authority::new();
    let server = server(authority.tls("a.example"), Config::new());
    for is_polite in [true, false] {
        let mut client = connect(server.address, "a.example", authority.client());
        client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        server.wait_for_slow(1);
        if is_polite {
            client.conn.send_close_notify();
            client.flush().unwrap();
        }
        drop(client);
        server.wait_for_dropped(1);
    }
}

#[test]
fn curl_trusts_the_certificate_and_gets_a_large_response() {
    let authority = Authority::new();
    let server = server(authority.tls("a.example"), Config::new());
    let run = |version: &str, url: &str| {
        let to = format!("a.example:{}:127.0.0.1", server.address.port());
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "10", version, "--resolve", &to, "--cacert"]).arg(authority.path("ca.pem"));
        let output = curl.arg(format!("https://a.example:{}{url}", server.address.port())).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run("--http1.1", "/x"), "you asked for /x");
    assert!(run("--http1.1", "/tls").contains("is_http2: false"));
    assert!(run("--http2", "/tls").contains("is_http2: true"), "chosen by ALPN");
    let mut client = connect(server.address, "a.example", authority.client());
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut bytes = vec![0; 4 * 1024 * 1024];
    client.read_exact(&mut bytes).unwrap();
}

#[test]
fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let authority = Authority::new();
    let (a, b, wild) = (authority.issue("a.example"), authority.issue("b.example"), authority.issue("*.c.example"));
    let tls = Tls::files(&a.0, &a.1).and_files(&b.0, &b.1).and_files(&wild.0, &wild.1);
    let server = server(tls, Config::new());
    for (name, expected) in [("a.example", &a), ("b.example", &b), ("x.c.example", &wild)] {
        let mut client = connect(server.address, name, authority.client());
        assert!(get(&mut client, "/").is_ok());
        assert_eq!(got(&client), der(&expected.0), "{name}");
    }
    let mut other = connect(server.address, "other.example", authority.client());
    let error = get(&mut other, "/").unwrap_err().to_string();
    assert!(error.contains("certificate not valid for name \"other.example\""), "{error}");
}

#[test]
fn a_client_certificate_is_demanded_and_visible() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ca = authority.path("ca.pem");
    let own = authority.make("client.example");
    let expected = CertificateDer::from_pem_slice(own.0.as_bytes()).unwrap().to_vec();
    let visible = format!("client_certificates: [{expected:?}]");
    let forged = || authority.client_with(stranger.make("client.example"));
    let get = |server: &Running, config| get(&mut connect(server.address, "a.example", config), "/tls");

    let strict = server(authority.tls("a.example").client_certificates(&ca), Config::new());
    assert!(get(&strict, authority.client_with(own.clone())).unwrap().contains(&visible));
    assert!(get(&strict, authority.client()).is_err());
    assert!(get(&strict, forged()).is_err());

    let lenient = server(authority.tls("a.example").optional_client_certificates(&ca), Config::new());
    assert!(get(&lenient, authority.client_with(own)).unwrap().contains(&visible));
    assert!(get(&lenient, authority.client()).unwrap().contains("client_certificates: []"));
    assert!(get(&lenient, forged()).is_err());
}

#[test]
fn a_changed_certificate_is_for_new_connections_and_half_written_files_change_nothing() {
    let authority = Authority::new();
    let paths = authority.issue("a.example");
    let server = server(Tls::files(&paths.0, &paths.1).check_every(CHECK), Config::new());
    let first = der(&paths.0);
    let connect = || {
        let mut client = connect(server.address, "a.example", authority.client());
        assert_eq!(get(&mut client, "/").unwrap(), "you asked for /");
        client
    };
    let mut old = connect();

    let (certificate, key) = authority.make("a.example");
    // Half of the certificate, then all of it with the old key, then no file.
    for broken in [Some(&certificate[..certificate.len() / 2]), Some(&certificate), None] {
        match broken {
            Some(text) => fs::write(&paths.0, text).unwrap(),
            None => fs::remove_file(&paths.0).unwrap(),
        }
        let looked = Instant::now() + CHECK * 5;
        while Instant::now() < looked {
            assert_eq!(got(&connect()), first);
        }
    }
    fs::write(&paths.0, &certificate).unwrap();
    fs::write(&paths.1, &key).unwrap();
    let second = der(&paths.0);
    until("the new certificate is used", || got(&connect()) == second);
    assert_eq!(get(&mut old, "/still").unwrap(), "you asked for /still");
    assert_eq!(got(&old), first);
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_fix() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("a.example");
    let (_, other) = authority.issue("b.example");
    let (empty, missing) = (authority.path("empty"), authority.path("missing"));
    fs::write(&empty, "").unwrap();
    let encrypted = authority.path("encrypted");
    fs::write(&encrypted, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        .unwrap();
    let half = authority.path("half");
    fs::write(&half, &fs::read(&certificate).unwrap()[..200]).unwrap();
    let open = |tls: Tls| Listener::open([Listen::tcp("127.0.0.1", 0).tls(tls)]).unwrap_err().to_string();
    for (tls, said) in [
        (Tls::files(&missing, &key), "; check the path, and that this user may read the file"),
        (
            Tls::files(&empty, &key),
            "empty has no certificate; it needs a part that starts with -----BEGIN CERTIFICATE-----",
        ),
        (Tls::files(&half, &key), "half: the file ends within a certificate; write the file anew"),
        (Tls::files("/dev/zero", &key), "cannot read /dev/zero: it has more than 4 MiB"),
        (Tls::files(&certificate, &empty), "it needs a part that starts with -----BEGIN PRIVATE KEY-----"),
        (Tls::files(&certificate, &encrypted), "is encrypted; write it without a password: openssl pkey -in "),
        (Tls::files(&certificate, &other), "use the two files that were made together"),
        (Tls::files(&certificate, &key).client_certificates(&missing), "cannot read "),
        (Tls::files(&certificate, &key).client_certificates(&empty), "empty has no certificate"),
    ] {
        let error = open(tls);
        assert!(error.contains(said) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_handshake_that_takes_too_long_is_closed() {
    let authority = Authority::new();
    let server = server(authority.tls("a.example"), Config::new().handshake_timeout(Duration::from_millis(200)));
    for start in [&b""[..], b"\x16\x03\x01"] {
        let mut client = server.client();
        client.send_bytes(start);
        assert!(client.is_closed());
    }
    // A client sees the end before the server counts it.
    until("both are counted", || (server.counters.handshakes(), server.counters.handshakes_failed()) == (0, 2));
}

#[test]
fn silent_clients_make_room_for_a_further_handshake() {
    let authority = Authority::new();
    let server = server(authority.tls("a.example"), Config::new().handshakes_max(2));
    let mut silent: Vec<Client> = (0..2).map(|_| server.client()).collect();
    // The third handshake is one above the limit.
    let mut client = connect(server.address, "a.example", authority.client());
    assert_eq!(get(&mut client, "/").unwrap(), "you asked for /");
    silent[0].closes();
    silent[1].socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(silent[1].socket.read(&mut [0]).is_err(), "at the limit no connection is closed");
}

#[test]
fn plain_http_on_a_port_for_https_is_a_clear_400() {
    let authority = Authority::new();
    let server = server(authority.tls("a.example"), Config::new());
    let answer = server.client().get("/");
    assert_eq!(answer.status(), "400");
    assert!(answer.body.contains("use an address that starts with https://"), "{answer:?}");
}

#[test]
fn a_stop_waits_for_running_requests_and_closes_handshakes() {
    let authority = Authority::new();
    let server = server(authority.tls("a.example"), Config::new());
    let mut idle = server.client();
    let mut client = connect(server.address, "a.example", authority.client());
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    server.wait_for_slow(1);
    server.shutdown.trigger();
    assert!(idle.is_closed());
    server.app.gate.add_permits(1);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("\r\n\r\nslow"), "{answer}");
    assert_eq!(server.stop().cut, 0);
}

#[test]
fn a_proxy_names_the_client_before_the_handshake() {
    let authority = Authority::new();
    let listen = Listen::tcp("127.0.0.1", 0).tls(authority.tls("a.example")).proxy_protocol(["127.0.0.1"]);
    let server = Running::on(Listener::open([listen]).unwrap(), Config::new());
    let mut client = connect(server.address, "a.example", authority.client());
    client.sock.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 443\r\n").unwrap();
    assert_eq!(get(&mut client, "/peer").unwrap(), "192.0.2.7:12345");
}

#[test]
fn a_plain_listener_redirects_to_https_and_keeps_path_and_query() {
    for (port, https) in [(443, ""), (8443, ":8443")] {
        let listener = Listener::open([Listen::tcp("127.0.0.1", 0).redirect_to_https(port)]).unwrap();
        let server = Running::on(listener, Config::new());
        let mut client = server.client();
        for (request, target) in [
            ("GET /a/b?c=d&e HTTP/1.1\r\nhost: shop.example:80\r\n\r\n", "shop.example{}/a/b?c=d&e"),
            ("POST / HTTP/1.1\r\nhost: [::1]\r\ncontent-length: 2\r\n\r\nhi", "[::1]{}/"),
            ("GET http://b.example/x HTTP/1.1\r\nhost: a.example\r\n\r\n", "b.example{}/x"),
            ("OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n", "a.example{}/"),
        ] {
            let answer = client.send(request).answer();
            let location = format!("location: https://{}\r\n", target.replace("{}", https));
            assert!(answer.status() == "308" && answer.head.contains(&location), "{answer:?}");
            client = server.client();
        }
        assert_eq!(client.send("GET / HTTP/1.0\r\n\r\n").answer().status(), "400");
    }
}
