//! What all servers under test have in common: address, responses, number of routes, and how they exit.
//!
//! A server that the driver started must exit when the driver exits, even after a crash.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::parent_id,
    path::PathBuf,
    process,
    sync::{Arc, LazyLock},
    thread,
};

use rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Serialize;

use crate::case::Protocol;

/// The text of the text routes.
pub const HELLO: &str = "Hello, World!";

/// The number of routes that only fill the router.
pub const EXTRA_ROUTES: usize = 20;

/// Names the environment variable that holds the driver's process id.
pub const DRIVER: &str = "VERSUS_DRIVER";

/// Names the environment variable that says what a server has to speak.
pub const PROTOCOL: &str = "PROTOCOL";

/// Name the environment variables with the files of the certificate and of its key.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// See [`CERTIFICATE`].
pub const KEY: &str = "KEY";

/// The value of the JSON route.
#[derive(Serialize)]
pub struct Message {
    /// Its text.
    pub message: &'static str,
}

/// Returns the loopback address with the port that `PORT` names.
pub fn address() -> io::Result<SocketAddr> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("read the port to serve: set PORT to a number"))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

/// Returns the text of the large route: 1 MiB.
pub fn large() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| "x".repeat(1 << 20));
    &TEXT
}

/// Returns what the server has to speak.
pub fn protocol() -> Protocol {
    let name = env::var(PROTOCOL).unwrap_or_default();
    let all = [Protocol::Http2, Protocol::Tls];
    all.into_iter().find(|protocol| protocol.name() == name).unwrap_or(Protocol::Http1)
}

/// Returns the files of the certificate and of its key.
pub fn certificate() -> io::Result<[PathBuf; 2]> {
    let path = |name| env::var_os(name).map(PathBuf::from);
    match (path(CERTIFICATE), path(KEY)) {
        (Some(certificate), Some(key)) => Ok([certificate, key]),
        _ => Err(io::Error::other("read the certificate: set CERTIFICATE and KEY to its files")),
    }
}

/// Returns the settings of TLS, the same for every server that uses rustls.
pub fn tls() -> io::Result<rustls::ServerConfig> {
    let [certificate, key] = certificate()?;
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    config.with_no_client_auth().with_single_cert(chain, key).map_err(io::Error::other)
}

/// Returns the path of the extra route `number`.
pub fn extra_path(number: usize) -> String {
    format!("/extra/{number}")
}

/// Exits this process when the driver that started it has exited. Does nothing without a driver.
pub fn leave_with_driver() {
    // The driver has the other end of standard input, and the system closes that end when the driver exits. A
    // worker process uses its standard input for another purpose, so this checks the parent.
    let driver = env::var(DRIVER).ok().and_then(|id| id.parse().ok());
    if driver == Some(parent_id()) {
        thread::spawn(|| {
            let end = io::copy(&mut io::stdin(), &mut io::sink());
            process::exit(i32::from(end.is_err()));
        });
    }
}
