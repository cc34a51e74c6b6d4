//! The news as a page gets them.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

/// An open stream of events.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    pub(crate) fn open(mut stream: TcpStream, token: &str) -> Events {
        write!(stream, "GET /__pixie/events?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is sent");
        Events(BufReader::new(stream))
    }

    /// Waits for the next event of this name and returns its data.
    pub(crate) fn next(&mut self, name: &str) -> String {
        self.any(|found| found == name).1
    }

    /// Waits for the next event that fits and returns its name and data.
    pub(crate) fn any(&mut self, fits: impl Fn(&str) -> bool) -> (String, String) {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("the stream can be read");
            assert!(read > 0, "the stream ended before the event came");
            if let Some(found) = line.strip_prefix("event: ") {
                name = found.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ").filter(|_| fits(&name)) {
                return (name, data.trim().to_owned());
            }
        }
    }
}
