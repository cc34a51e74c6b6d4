//! The opening handshake (RFC 6455, section 4.2, and RFC 8441): whether a request asks for a WebSocket, and
//! the response.
//!
//! Takes and returns values. The origin was checked before, with the check of forged requests
//! (`table/csrf.rs`).
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pixie_core::{Error, Request, Response, abort};
use sha1_smol::Sha1;

/// The suffix that RFC 6455 hashes with the key, so that only a WebSocket server makes the right response.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The length of the random key in bytes.
const KEY_BYTES: usize = 16;
/// The version in which pixie-server gives an extended CONNECT (RFC 8441) the headers of an upgrade.
const HTTP2: &str = "HTTP/2";
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// A request that is a correct handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    /// The answer to the client's key. `None` in HTTP/2, which has no key.
    accept: Option<HeaderValue>,
    /// What the client offers, in the client's order.
    offered: Vec<String>,
}

impl Handshake {
    /// Checks the head of a request.
    pub(super) fn of(request: &Request) -> Result<Handshake, Error> {
        let headers = request.headers();
        // A server ignores an upgrade of HTTP/1.0 (RFC 9110, section 7.8).
        if request.method() != Method::GET
            || request.protocol() == "HTTP/1.0"
            || !has_token(headers, &header::UPGRADE, "websocket")
            || !has_token(headers, &header::CONNECTION, "upgrade")
        {
            let detail = "this address speaks WebSocket: connect with `new WebSocket(…)`, and let a proxy in between \
                          pass on the headers `Upgrade` and `Connection`";
            return Err(upgrade_required(Error::missing(detail)));
        }
        if required(headers, header::SEC_WEBSOCKET_VERSION)? != VERSION {
            let detail = "the only version of the WebSocket protocol is 13";
            let refused = upgrade_required(invalid(detail));
            return Err(refused.with_header(header::SEC_WEBSOCKET_VERSION, VERSION));
        }
        let accept = match request.protocol() == HTTP2 {
            true => None,
            // The bytes of a body would be read as frames.
            false if has_body(headers) => return Err(invalid("the handshake of a WebSocket has no body")),
            false => Some(answered_key(headers)?),
        };
        let offered = tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        Ok(Handshake { accept, offered })
    }

    /// Returns the first of these protocols that the client offers.
    pub(super) fn choose(&self, protocols: &[&'static str]) -> Option<&'static str> {
        protocols.iter().find(|protocol| self.offered.iter().any(|offered| offered == *protocol)).copied()
    }

    /// Returns the response that opens the WebSocket.
    pub(super) fn response(self, protocol: Option<&'static str>) -> Response {
        let status = if self.accept.is_some() { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK };
        let mut response = Response::switching(status);
        if let Some(accept) = self.accept {
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, UPGRADE);
            headers.insert(header::UPGRADE, WEBSOCKET);
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        match protocol {
            Some(protocol) => response.header(header::SEC_WEBSOCKET_PROTOCOL, protocol),
            None => response,
        }
    }
}

/// Adds the headers of a handshake to a request, in the test client.
pub(crate) fn ask(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
    headers.insert(header::SEC_WEBSOCKET_VERSION, VERSION);
    // The example of RFC 6455. A proxy could mistake a constant key for a cached one, a test cannot.
    headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
}

fn answered_key(headers: &HeaderMap) -> Result<HeaderValue, Error> {
    let key = required(headers, header::SEC_WEBSOCKET_KEY)?.as_bytes();
    if !STANDARD.decode(key).is_ok_and(|key| key.len() == KEY_BYTES) {
        return Err(invalid("the header `Sec-WebSocket-Key` must have 16 bytes in base 64"));
    }
    HeaderValue::try_from(accept(key)).map_err(|_| invalid("the key cannot be answered"))
}

fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

fn upgrade_required(refused: Error) -> Error {
    let refused = refused.with_status(StatusCode::UPGRADE_REQUIRED);
    refused.with_header(header::UPGRADE, WEBSOCKET).with_header(header::CONNECTION, UPGRADE)
}

fn has_body(headers: &HeaderMap) -> bool {
    let has_length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    has_length || headers.contains_key(header::TRANSFER_ENCODING)
}

fn invalid(detail: &str) -> Error {
    abort(400).with_detail(detail.to_owned()).with_place(None)
}

fn required(headers: &HeaderMap, name: HeaderName) -> Result<&HeaderValue, Error> {
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(invalid(&format!("the header `{name}` is missing"))),
        (Some(_), Some(_)) => Err(invalid(&format!("the header `{name}` must stand there once"))),
    }
}

/// Returns the items of a list (RFC 9110, section 5.6.1), which can stand in several headers.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_answered_as_in_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
