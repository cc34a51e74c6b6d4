//! What is the same for every server: its address, its workers, its limits.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::Deserialize;

/// Worker processes of servers with processes, and runtime threads of the others.
pub const WORKERS: usize = 4;

/// Time limit of a handler, for servers that have one.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// Private memory that each process may use, in KiB, so that allocating without end has an end.
pub const MEMORY_KIB: u32 = 256 * 1024;

/// The query of a healthy request: its own id.
#[derive(Deserialize)]
pub struct Ask {
    /// The response contains this id.
    pub id: String,
}

/// Returns the loopback address with the port that `PORT` names.
pub fn address() -> io::Result<SocketAddr> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("read the port to serve: set PORT to a number"))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}
