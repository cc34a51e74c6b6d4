//! The header of the PROXY protocol, in which a proxy names its client, before TLS and HTTP.
//!
//! Versions 1 and 2 of <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, parsed by the crate
//! `proxy-header`. Invariant: takes the bytes of the header from the stream, and no byte behind it.

use std::{future::poll_fn, net::SocketAddr, pin::Pin};

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, ReadBuf};

use crate::{listen::Failed, stream::Stream};

/// Limits the header, in bytes. Version 1 has at most 107; version 2 is longer if a proxy adds what it knows
/// about TLS, which fits.
const HEADER_BYTES_MAX: usize = 1024;

/// The start of a header of version 2 with the command LOCAL: the proxy has connected for itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20";

/// Reads the header. Returns the client, or `None` if the proxy itself has connected, as for a health check.
pub(crate) async fn read(stream: &mut Stream) -> Result<Option<SocketAddr>, Failed> {
    let mut header = [0; HEADER_BYTES_MAX];
    let mut have = 0;
    loop {
        let mut seen = ReadBuf::new(&mut header[have..]);
        if poll_fn(|cx| stream.poll_peek(cx, &mut seen)).await? == 0 {
            return Err(Failed::Left);
        }
        let end = have + seen.filled().len();
        let parsed = parse(&header[..end])?;
        let count = parsed.map_or(end, |(_, length)| length) - have;
        take(stream, &mut header[have..have + count]).await?;
        match parsed {
            Some((client, _)) => return Ok(client),
            None if end == header.len() => return Err(wrong("it is longer than 1024 bytes")),
            None => have = end,
        }
    }
}

/// Returns the client and the length of the header. Returns `None` if the header is not complete yet.
fn parse(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, Failed> {
    // Section 2.2: for this command the family is ignored, and the addresses are skipped even if they are
    // missing.
    if let Some([_, high, low, rest @ ..]) = bytes.strip_prefix(LOCAL) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        return Ok((rest.len() >= length).then_some((None, LOCAL.len() + 3 + length)));
    }
    match ProxyHeader::parse(bytes, ParseConfig { include_tlvs: false, ..ParseConfig::default() }) {
        Ok((header, length)) => Ok(Some((header.proxied_address().map(|address| address.source), length))),
        Err(Error::BufferTooShort) => Ok(None),
        Err(_) => Err(wrong("it does not start with one")),
    }
}

fn wrong(what: &str) -> Failed {
    Failed::Wrong(format!(
        "expected a header of the PROXY protocol: {what}; turn the protocol on in the proxy, or remove its address from \
         `proxy_protocol`"
    ))
}

/// Takes bytes that wait in the system.
async fn take(stream: &mut Stream, bytes: &mut [u8]) -> Result<(), Failed> {
    let mut buf = ReadBuf::new(bytes);
    while buf.remaining() > 0 {
        let before = buf.filled().len();
        poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buf)).await?;
        if buf.filled().len() == before {
            return Err(Failed::Left);
        }
    }
    Ok(())
}
