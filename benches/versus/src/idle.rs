//! Measures the memory of idle connections: each has got one response and stays open.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use crate::{Result, peer::HELLO, server::Server};

/// The number of connections.
pub const CONNECTIONS: u64 = 10_000;

/// Returns the bytes that the server needs for one connection. Those of the system are not counted.
pub fn measure(server: &Server) -> Result<f64> {
    // Memory that every server needs once.
    drop(open(server)?);
    let before = server.memory();
    let mut connections = Vec::new();
    for count in 0..CONNECTIONS {
        let connection = open(server).map_err(|error| {
            let name = server.peer.name;
            format!("open connection {count} of {CONNECTIONS} to {name}: {error}; try `ulimit -n 20000`")
        })?;
        connections.push(connection);
    }
    // A server that has closed some to make room would seem to need less.
    let closed = connections.iter().filter(|connection| !is_open(connection)).count();
    if closed > 0 {
        return Err(format!("{} has closed {closed} of {CONNECTIONS} idle connections", server.peer.name).into());
    }
    let used = server.memory().saturating_sub(before);
    Ok(used as f64 / CONNECTIONS as f64)
}

fn open(server: &Server) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let (mut text, mut piece) = (Vec::new(), [0; 1024]);
    while !text.ends_with(HELLO.as_bytes()) {
        match stream.read(&mut piece)? {
            0 => return Err("the server has closed it".into()),
            count => text.extend_from_slice(&piece[..count]),
        }
    }
    Ok(stream)
}

fn is_open(stream: &TcpStream) -> bool {
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}
