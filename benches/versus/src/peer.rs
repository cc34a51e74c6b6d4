//! What every server under test has in common: its address, its answers, its number of routes, and when it ends.
//!
//! A server started by the driver must not outlive it, however the driver ends.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::parent_id,
    process, thread,
};

use serde::Serialize;

/// The text that the text routes answer.
pub const HELLO: &str = "Hello, World!";

/// The number of routes that are there only so that the router has something to look through.
pub const EXTRA_ROUTES: usize = 20;

/// Names the environment variable that holds the driver's process id.
pub const DRIVER: &str = "VERSUS_DRIVER";

/// The value that the JSON route answers.
#[derive(Serialize)]
pub struct Message {
    /// What it says.
    pub message: &'static str,
}

/// Returns the loopback address with the port that `PORT` names.
pub fn address() -> io::Result<SocketAddr> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("read the port to serve: set PORT to a number"))?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

/// Returns the path of the extra route `number`.
pub fn extra_path(number: usize) -> String {
    format!("/extra/{number}")
}

/// Ends this process when the driver that started it has gone; does nothing in a process started by anyone else.
pub fn leave_with_driver() {
    // The driver holds the other end of standard input, and the system closes that end whichever way the driver dies.
    // A worker process of a server has other uses for its standard input: hence the look at the parent.
    let driver = env::var(DRIVER).ok().and_then(|id| id.parse().ok());
    if driver == Some(parent_id()) {
        thread::spawn(|| {
            let end = io::copy(&mut io::stdin(), &mut io::sink());
            process::exit(i32::from(end.is_err()));
        });
    }
}
