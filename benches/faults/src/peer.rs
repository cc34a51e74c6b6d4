//! What is the same for every server: its address, its workers, its limits.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::Deserialize;

/// Worker processes of each server that has them, and threads of the runtime of each that has not.
pub const WORKERS: usize = 4;

/// How long a handler may take, where the server has a limit for that.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// Private memory that each process may have, in KiB: what allocates without end has to come to one.
pub const MEMORY_KIB: u32 = 256 * 1024;

/// What a healthy request asks for: its own id.
#[derive(Deserialize)]
pub struct Ask {
    /// It comes back as the answer.
    pub id: String,
}

/// Returns the loopback address with the port that `PORT` names.
pub fn address() -> io::Result<SocketAddr> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("read the port to serve: set PORT to a number"))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}
