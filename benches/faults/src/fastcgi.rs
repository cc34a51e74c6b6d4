//! A FastCGI client with the parts that a web server needs to pass on a GET.
//!
//! It uses one connection per request, as web servers do by default. A connection that ends before the
//! response is an error; a web server would answer 502.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use bench_kit::http::Answer;

const VERSION: u8 = 1;
const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
/// The role of a program that responds, in two bytes, without flags: the connection ends with the response.
const RESPONDER: [u8; 8] = [0, 1, 0, 0, 0, 0, 0, 0];

/// Asks the program `script` behind `socket` for `target`.
pub(crate) fn get(socket: &Path, script: &Path, target: &str, patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut params = Vec::new();
    for (name, value) in [
        ("SCRIPT_FILENAME", script.to_string_lossy().as_ref()),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", target),
        ("QUERY_STRING", query),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
    ] {
        param(&mut params, name, value)?;
    }
    let mut request = record(BEGIN_REQUEST, &RESPONDER)?;
    request.extend([record(PARAMS, &params)?, record(PARAMS, &[])?, record(STDIN, &[])?].concat());
    stream.write_all(&request)?;
    let output = receive(&mut stream).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })?;
    parse(&output)
}

fn record(kind: u8, content: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(content.len()).map_err(io::Error::other)?.to_be_bytes();
    let head = [VERSION, kind, 0, 1, length[0], length[1], 0, 0];
    Ok([&head, content].concat())
}

fn param(params: &mut Vec<u8>, name: &str, value: &str) -> io::Result<()> {
    params.push(u8::try_from(name.len()).map_err(io::Error::other)?);
    // The top bit means that the length has four bytes.
    params.extend((u32::try_from(value.len()).map_err(io::Error::other)? | 1 << 31).to_be_bytes());
    params.extend([name.as_bytes(), value.as_bytes()].concat());
    Ok(())
}

fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let [_, kind, _, _, high, low, padding, _] = head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let mut content = vec![0; length + usize::from(padding)];
        stream.read_exact(&mut content)?;
        match kind {
            STDOUT => output.extend_from_slice(&content[..length]),
            END_REQUEST => return Ok(output),
            _ => {}
        }
    }
}

/// Splits the program's output into status and body. The default status is 200.
fn parse(output: &[u8]) -> io::Result<Answer> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let head = String::from_utf8_lossy(&output[..end]);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")?.split(' ').next()?.parse().ok());
    Ok(Answer { status: status.unwrap_or(200), body: output[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_several_records_is_put_together() {
        let records = [
            record(STDOUT, b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno").unwrap(),
            vec![VERSION, 7, 0, 1, 0, 3, 5, 0, b'l', b'o', b'g', 0, 0, 0, 0, 0],
            record(STDOUT, b"thing").unwrap(),
            record(END_REQUEST, &[0; 8]).unwrap(),
        ];
        let output = receive(&mut records.concat().as_slice()).unwrap();
        assert_eq!(parse(&output).unwrap(), Answer { status: 404, body: b"nothing".to_vec() });
        assert_eq!(parse(b"X: y\r\n\r\nfine").unwrap(), Answer { status: 200, body: b"fine".to_vec() });
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        let half = record(STDOUT, b"X: y\r\n\r\nhalf").unwrap();
        assert_eq!(receive(&mut half.as_slice()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
