//! A blocking HTTP/1.1 client that checks responses and keeps its connection, with the parts that a bench
//! needs.
//!
//! It reads responses with a length, in chunks, and up to the end of the connection. A response that is cut
//! off is an error.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread::sleep,
    time::Duration,
};

/// Limits the length of a response that is read into memory, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes in one read.
const READ_BYTES: usize = 16 * 1024;

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// One connection to a server, opened when it is needed.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    patience: Duration,
    stream: Option<TcpStream>,
    /// Data that was read and not used.
    rest: Vec<u8>,
    /// The head of the last response.
    head: String,
    /// Bytes in one read, and the pause before it.
    reading: (usize, Duration),
}

enum Length {
    Known(usize),
    Chunked,
    UntilClosed,
}

impl Client {
    /// Returns a client that waits this long for each piece of a response.
    pub fn new(address: SocketAddr, patience: Duration) -> Self {
        let reading = (READ_BYTES, Duration::ZERO);
        Client { address, patience, stream: None, rest: Vec::new(), head: String::new(), reading }
    }

    /// Sends a GET request and returns the response. An error closes the connection, and the next request
    /// opens another.
    pub fn get(&mut self, target: &str) -> io::Result<Answer> {
        let answer = self.send(target).and_then(|()| self.receive());
        if answer.is_err() {
            self.close();
        }
        answer
    }

    /// Sends a request without waiting for its response.
    pub fn send(&mut self, target: &str) -> io::Result<()> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.send_bytes(request.as_bytes())
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.opened()?.write_all(bytes)
    }

    /// Reads one response.
    pub fn receive(&mut self) -> io::Result<Answer> {
        self.head = self.read_head()?;
        let (status, length, closes) = parse_head(&self.head)?;
        let body = match length {
            Length::Known(length) => self.take(length)?,
            Length::Chunked => self.read_chunks()?,
            Length::UntilClosed => self.read_to_end()?,
        };
        if closes {
            self.close();
        }
        Ok(Answer { status, body })
    }

    /// Returns the value of a header of the last response.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// Reads one response, this many bytes at a time, with a pause before each read.
    pub fn receive_slowly(&mut self, bytes: usize, pause: Duration) -> io::Result<Answer> {
        self.reading = (bytes, pause);
        let answer = self.receive();
        self.reading = (READ_BYTES, Duration::ZERO);
        answer
    }

    /// Reads available data into `target`. Returns 0 at the end.
    pub fn read_some(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.opened()?.read(target)
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        self.stream = None;
        self.rest.clear();
    }

    fn opened(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, self.patience)?;
            stream.set_read_timeout(Some(self.patience))?;
            stream.set_write_timeout(Some(self.patience))?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        self.stream.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.rest.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other("the answer is too long"));
        }
        let (bytes, pause) = self.reading;
        if !pause.is_zero() {
            sleep(pause);
        }
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        let used = self.rest.len();
        self.rest.resize(used + bytes, 0);
        let read = stream.read(&mut self.rest[used..]);
        self.rest.truncate(used + read.as_ref().map_or(0, |count| *count));
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
            other => other.map(drop),
        }
    }

    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.rest.len() < count {
            self.fill()?;
        }
        let rest = self.rest.split_off(count);
        Ok(std::mem::replace(&mut self.rest, rest))
    }

    fn take_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(place) = self.rest.windows(end.len()).position(|window| window == end) {
                return self.take(place + end.len());
            }
            self.fill()?;
        }
    }

    fn read_head(&mut self) -> io::Result<String> {
        let head = self.take_until(b"\r\n\r\n")?;
        String::from_utf8(head).map_err(|_| malformed("the head is not text"))
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_until(b"\r\n")?;
            let length = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
            let length = length.filter(|length| body.len() + length <= ANSWER_BYTES_MAX);
            let chunk = self.take(length.ok_or_else(|| malformed("a chunk has no length"))? + 2)?;
            if chunk.len() == 2 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..chunk.len() - 2]);
        }
    }

    fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(std::mem::take(&mut self.rest)),
                other => other?,
            }
        }
    }
}

fn parse_head(head: &str) -> io::Result<(u16, Length, bool)> {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed("the answer has no status"))?;
    let is = |name, value: &str| header(head, name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    let length = match header(head, "content-length") {
        Some(length) => Length::Known(length.parse().map_err(|_| malformed("the length is not a number"))?),
        None if is("transfer-encoding", "chunked") => Length::Chunked,
        None => Length::UntilClosed,
    };
    Ok((status, length, is("connection", "close")))
}

fn header<'h>(head: &'h str, wanted: &str) -> Option<&'h str> {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
