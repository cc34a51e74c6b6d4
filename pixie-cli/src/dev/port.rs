//! The listening sockets: bound once, before anything is built, and handed to every program.

use std::{
    io::{ErrorKind, IsTerminal, stderr, stdin},
    net::{SocketAddr, TcpListener},
};

use pixie_server::Listener;

use crate::error::Error;

/// Binds the port; one that is taken is named with its owner, and the next is offered on a terminal.
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
        other => other,
    };
    let listener = listener.map_err(Error::new)?;
    let addresses = listener.local_addrs();
    Ok((listener.into_sockets(), addresses))
}

fn offered(taken: &Error, free: u16) -> Result<bool, Error> {
    if !stdin().is_terminal() || !stderr().is_terminal() || std::env::var_os("CI").is_some() {
        return Ok(false);
    }
    let question = dialoguer::Confirm::new().with_prompt(format!("{}. Use {free}?", taken.message())).default(true);
    match question.interact() {
        Err(dialoguer::Error::IO(error)) if error.kind() == ErrorKind::Interrupted => Err(Error::interrupted()),
        // A terminal that cannot be asked has not said yes.
        answer => Ok(answer.unwrap_or(false)),
    }
}
