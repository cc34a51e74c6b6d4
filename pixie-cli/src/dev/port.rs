//! The address of the app, and its listening sockets: opened once, before the first build, and passed to
//! every program.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::Path,
};

use pixie_server::Listener;
use toml_edit::DocumentMut;

use crate::{env_files::EnvFiles, error::Error, new::may_ask};

const HOST: &str = "localhost";
const PORT: u16 = 8000;

/// Returns host and port: from the arguments, else from the project's files of variables, else from
/// `pixie.toml`, else the defaults.
pub(crate) fn address(host: Option<&str>, port: Option<u16>, root: &Path) -> Result<(String, u16), Error> {
    // Mistakes in the files are reported when the program is started.
    let files = EnvFiles::read(root).unwrap_or_default();
    let toml = fs::read_to_string(root.join("pixie.toml")).ok().and_then(|text| text.parse::<DocumentMut>().ok());
    let app = toml.as_ref().and_then(|toml| toml.get("app"));
    let (toml_host, toml_port) =
        (app.and_then(|app| app.get("host")?.as_str()), app.and_then(|app| app.get("port")?.as_integer()));
    let host = host.or(files.get("PIXIE_HOST").map(|(host, _)| host)).or(toml_host).unwrap_or(HOST);
    let port = match (port, files.get("PIXIE_PORT")) {
        (Some(port), _) => port,
        (None, Some((text, file))) => text.parse().map_err(|_| {
            let error = Error::new(format_args!("invalid PIXIE_PORT `{text}`: use a port from 0 to 65535"));
            error.at(file.display())
        })?,
        (None, None) => toml_port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT),
    };
    Ok((host.to_owned(), port))
}

/// Opens the sockets. If the port is used, names its owner, and offers a free port if a person can answer.
pub(crate) fn bind(host: &str, port: u16, is_strict: bool) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), Error> {
    let listener = match Listener::bind(host, port) {
        Err(pixie_server::Error::PortTaken { address, owner, free }) => {
            let who = owner.map_or("another process".into(), |owner| format!("`{}` (pid {})", owner.name, owner.pid));
            let taken = Error::new(format_args!("port {} is used by {who}", address.port()));
            let Some(free) = free else { return Err(taken.help("choose another with --port")) };
            if is_strict || !offered(&taken, free)? {
                return Err(taken.help(format_args!("stop it, or use the free one: --port {free}")));
            }
            Listener::bind(host, free)
        }
        Err(error @ pixie_server::Error::PortForbidden { .. }) => {
            return Err(Error::new(error).help("choose another with --port"));
        }
        other => other,
    };
    let listener = listener.map_err(Error::new)?;
    let addresses = listener.local_addrs();
    Ok((listener.into_sockets(), addresses))
}

/// Asks whether to use the free port; returns false without a terminal.
fn offered(taken: &Error, free: u16) -> Result<bool, Error> {
    if !may_ask() {
        return Ok(false);
    }
    let question = dialoguer::Confirm::new().with_prompt(format!("{}. Use {free}?", taken.message)).default(true);
    match question.interact() {
        Err(dialoguer::Error::IO(error)) if error.kind() == ErrorKind::Interrupted => Err(Error::interrupted()),
        // A terminal that fails counts as "no".
        answer => Ok(answer.unwrap_or(false)),
    }
}
