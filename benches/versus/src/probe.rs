//! Requests one page from a server, to check whether it runs and answers correctly.
//!
//! It needs only a small part of HTTP: one request on one connection, and a response with a length.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::Result;

/// Time limit for one step of a response.
const LIMIT: Duration = Duration::from_secs(5);

/// Limits the bytes that are read of a response. Correct ones are far shorter.
const BYTES_MAX: u64 = 64 * 1024;

/// What a response must have in addition to the status 200.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// How the content type starts.
    pub content_type: &'a str,
    /// The whole body.
    pub body: &'a str,
}

/// One HTTP/1.1 response, unparsed.
#[derive(Debug)]
pub struct Answer {
    text: String,
}

/// Requests `path` from `address` on a new connection.
pub fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(Answer { text })
}

impl Answer {
    /// Checks status, content type, length and body.
    pub fn check(&self, expected: Expected) -> Result<()> {
        let (head, body) = self.text.split_once("\r\n\r\n").ok_or("the answer has no end of head")?;
        let length = body.len().to_string();
        let is_right = head.starts_with("HTTP/1.1 200 ")
            && header(head, "content-type").is_some_and(|value| value.starts_with(expected.content_type))
            && header(head, "content-length") == Some(&length)
            && body == expected.body;
        if !is_right {
            return Err(format!("expected 200 with {expected:?}, got:\n{}", self.text).into());
        }
        Ok(())
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim()))
}

#[cfg(test)]
mod tests;
