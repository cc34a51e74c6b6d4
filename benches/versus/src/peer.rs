//! What all servers under test have in common: address, responses, number of routes, and how they exit.
//!
//! A server that the driver started must exit when the driver exits, even after a crash.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::parent_id,
    process, thread,
};

use serde::Serialize;

/// The text of the text routes.
pub const HELLO: &str = "Hello, World!";

/// The number of routes that only fill the router.
pub const EXTRA_ROUTES: usize = 20;

/// Names the environment variable that holds the driver's process id.
pub const DRIVER: &str = "VERSUS_DRIVER";

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
