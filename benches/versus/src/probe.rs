//! Requests one page from a server, to check whether it runs and answers correctly.
//!
//! It needs only a small part of HTTP: one request on one connection, and a response with a length.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use crate::{Result, process};

/// Time limit for one step of a response.
const LIMIT: Duration = Duration::from_secs(5);

/// Limits the bytes that are read of a response. Correct ones are shorter.
const BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Limits the characters of a wrong response in an error.
const TEXT_MAX: usize = 1000;

/// What a response must have in addition to the status 200.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// How the content type starts.
    pub content_type: &'a str,
    /// The whole body.
    pub body: &'a str,
}

/// One response, unparsed.
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

/// Requests a page with the program `curl`, which speaks HTTP/2 and TLS.
pub fn curl(args: &[&str]) -> Result<Answer> {
    let mut command = Command::new("curl");
    let text = process::run(command.args(["--silent", "--show-error", "--include"]).args(args), LIMIT)?;
    Ok(Answer { text })
}

impl Answer {
    /// Checks status, content type, length and body.
    pub fn check(&self, expected: Expected) -> Result<()> {
        let (head, body) = self.text.split_once("\r\n\r\n").ok_or("the answer has no end of head")?;
        let length = body.len().to_string();
        let is_right = ["HTTP/1.1 200 ", "HTTP/2 200 "].iter().any(|start| head.starts_with(start))
            && header(head, "content-type").is_some_and(|value| value.starts_with(expected.content_type))
            && header(head, "content-length") == Some(&length)
            && body == expected.body;
        if !is_right {
            let text: String = self.text.chars().take(TEXT_MAX).collect();
            let Expected { content_type, body } = expected;
            let expected = format!("200, {content_type} and {} bytes", body.len());
            return Err(format!("expected {expected}, got:\n{text}").into());
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
