//! The cases: bytes that a client sends, and the statuses that the RFCs demand.
//!
//! After each case the client sends one more request, which is valid and ends the connection. So the list of
//! statuses shows whether a refused request has ended the connection, and whether its body was taken for a
//! request. The runner looks for status lines and does not parse the responses.
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// What follows each case.
const LAST: &[u8] = b"GET /c/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
/// Limits each wait for the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// One case.
pub(crate) struct Case {
    /// The section that decides. `9112` is RFC 9112, HTTP/1.1; `9110` is RFC 9110, HTTP semantics.
    rfc: &'static str,
    send: &'static [u8],
    /// The statuses of all responses on the connection.
    statuses: &'static [u16],
    /// Text of the responses, in lower case. One that begins with `!` must be absent.
    shows: &'static str,
}

impl Case {
    /// Sends the case to a server.
    ///
    /// # Errors
    ///
    /// Returns what was expected and what came.
    pub(crate) fn check(&self, address: SocketAddr) -> Result<(), String> {
        let wrong = |got: String| {
            let (rfc, send, statuses, shows) = (self.rfc, self.send.escape_ascii(), self.statuses, self.shows);
            format!("RFC {rfc}: {send}\n  expected {statuses:?} {shows}\n  got {got}")
        };
        let text = self.ask(address).map_err(|error| wrong(error.to_string()))?;
        let statuses: Vec<u16> =
            text.split("http/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok()).collect();
        let is_shown = match self.shows.strip_prefix('!') {
            Some(absent) => !text.contains(absent),
            None => text.contains(self.shows),
        };
        (statuses == self.statuses && is_shown).then_some(()).ok_or_else(|| wrong(format!("{statuses:?} {text:?}")))
    }

    fn ask(&self, address: SocketAddr) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&[self.send, LAST].concat())?;
        let mut text = Vec::new();
        match stream.read_to_end(&mut text) {
            // A server may reset the connection of a client that it has refused.
            Err(error) if text.is_empty() || error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(String::from_utf8_lossy(&text).to_ascii_lowercase()),
        }
    }
}

const fn case(rfc: &'static str, send: &'static [u8], statuses: &'static [u16]) -> Case {
    Case { rfc, send, statuses, shows: "" }
}

const fn showing(rfc: &'static str, send: &'static [u8], statuses: &'static [u16], shows: &'static str) -> Case {
    Case { rfc, send, statuses, shows }
}

/// All cases, by what they are about.
pub(crate) const CASES: &[Case] = &[
    // Host
    case("9112 3.2", b"GET /c/ HTTP/1.1\r\nHost: x\r\n\r\n", &[200, 200]),
    showing("9112 3.2", b"GET /c/ HTTP/1.1\r\n\r\n", &[400], "application/problem+json"),
    case("9112 3.2", b"GET /c/ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", &[400]),
    case("9112 3.2", b"GET /c/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", &[400]),
    case("9112 3.2", b"GET /c/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200, 200]),
    case("9112 3.2", b"GET /c/ HTTP/1.0\r\nHost: a\r\nHost: b\r\nConnection: keep-alive\r\n\r\n", &[400]),
    case("9112 3.2", b"GET /c/ HTTP/1.0\r\nHost: a b\r\nConnection: keep-alive\r\n\r\n", &[400]),
    case("9112 3.2", b"GET /c/ HTTP/1.0\r\nHost: \xff\r\nConnection: keep-alive\r\n\r\n", &[400]),
    case("9112 3.3", b"GET /c/ HTTP/1.1\r\nHost:\r\n\r\n", &[200, 200]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: a:b:c\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: h:abc\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: h:65535\r\n\r\n", &[200, 200]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: h:65536\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: :80\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: u@h\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: a, b\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: a\tb\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: a/b\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: http://a\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: a%zz\r\n\r\n", &[400]),
    case("3986 3.2", b"GET /c/ HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", &[400]),
    case("3986 3.2.2", b"GET /c/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", &[200, 200]),
    case("3986 3.2.2", b"GET /c/ HTTP/1.1\r\nHost: ::1\r\n\r\n", &[400]),
    case("3986 3.2.2", b"GET /c/ HTTP/1.1\r\nHost: [::1\r\n\r\n", &[400]),
    case("3986 3.2.2", b"GET /c/ HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", &[400]),
    case("9112 5.1", b"GET /c/ HTTP/1.1\r\nHost : x\r\n\r\n", &[400]),
    case("9112 5.2", b"GET /c/ HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", &[400]),
    showing("9112 9.3.2", b"GET /c/ HTTP/1.1\r\nHost: x\r\n\r\nGET /c/ HTTP/1.1\r\nHost: a b\r\n\r\n", &[200, 400], "application/problem+json"),
    showing("9110 9.3.2", b"HEAD /c/ HTTP/1.1\r\nHost: a b\r\n\r\n", &[400], "!about:blank"),
    // Target
    showing("9112 3.2.2", b"GET http://a.example/c/host HTTP/1.1\r\nHost: b\r\n\r\n", &[200, 200], "host=a.example"),
    showing("9112 3.2.2", b"GET http://a:81/c/host HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200, 200], "host=a:81"),
    case("9112 3.2", b"GET http://a.example/c/host HTTP/1.1\r\n\r\n", &[400]),
    case("9112 3.2", b"GET http://a.example/c/host HTTP/1.1\r\nHost: a b\r\n\r\n", &[400]),
    case("9110 4.2.4", b"GET http://u:p@a.example/c/host HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9110 4.2.1", b"GET http:///c/host HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9110 4.2.1", b"GET http://:80/c/host HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9110 4.2.1", b"GET http://a:99999/c/host HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9112 3.2.3", b"GET a.example:80 HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9112 3.2", b"GET c HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9110 9.3.6", b"CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", &[400]),
    case("9110 9.3.6", b"CONNECT a.example: HTTP/1.1\r\nHost: a.example\r\n\r\n", &[400]),
    case("9110 9.3.6", b"CONNECT /c/ HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    showing("9110 9.3.7", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &[204, 200], "\r\nallow: "),
    case("9110 9.3.7", b"OPTIONS /c/ HTTP/1.1\r\nHost: x\r\n\r\n", &[204, 200]),
    case("9112 3.2.4", b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9112 3.2.4", b"NOTIFY * HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    case("9112 3", b"GET /c/ b HTTP/1.1\r\nHost: x\r\n\r\n", &[400]),
    showing("9112 3", b"GET /c/\x01 HTTP/1.1\r\nHost: x\r\n\r\n", &[400], "application/problem+json"),
    showing("9112 3", b"G@T /c/ HTTP/1.1\r\nHost: x\r\n\r\n", &[400], "application/problem+json"),
    case("9112 2.3", b"GET /c/ HTTP/9.9\r\nHost: x\r\n\r\n", &[400]),
    case("9110 15.5.6", b"BREW /c/ HTTP/1.1\r\nHost: x\r\n\r\n", &[405, 200]),
    // Framing
    case("9112 6.3", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", &[200, 200]),
    case("9112 6.3", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", &[400]),
    case("9112 6.3", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", &[400]),
    case("9112 6.3", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", &[400]),
    case("9112 6.3", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\nabc", &[400]),
    case("9112 7.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", &[200, 200]),
    case("9112 7.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: , Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", &[200, 200]),
    case("9112 7.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", &[400]),
    showing("9112 6.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[501], "application/problem+json"),
    case("9112 6.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[501]),
    case("9112 6.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", &[501]),
    case("9112 6.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", &[400]),
    case("9112 6.1", b"GET /c/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", &[400]),
    case("9112 6.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc", &[400]),
    case("9112 6.1", b"POST /c/bytes HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    case("9112 6.3", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[200]),
    // Expect
    case("9110 10.1.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc", &[100, 200, 200]),
    showing("9110 10.1.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue, x\r\nContent-Length: 900\r\n\r\n", &[417], "application/problem+json"),
    case("9110 10.1.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nExpect: x\r\nContent-Length: 900\r\n\r\n", &[417]),
    case("9110 10.1.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nExpect: x\r\nContent-Length: 900\r\n\r\n", &[417]),
    case("9110 10.1.1", b"POST /c/bytes HTTP/1.0\r\nExpect: x\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", &[200, 200]),
    case("9110 10.1.1", b"POST /c/none HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n", &[404]),
    case("9110 10.1.1", b"PUT /c/json HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n", &[405]),
    case("9110 10.1.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99000000\r\n\r\n", &[413]),
    case("9110 10.1.1", b"POST /c/json HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 900\r\n\r\n", &[415]),
    case("9110 10.1.1", b"POST /c/pool HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 900\r\n\r\n", &[415]),
    case("9110 10.1.1", b"POST /c/form HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 900\r\n\r\n", &[415]),
    case("9110 10.1.1", b"POST /c/reader HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Encoding: br\r\nContent-Length: 900\r\n\r\n", &[415]),
    case("9110 10.1.1", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n", &[403]),
    // Content codings
    showing("9110 15.5.16", b"POST /c/json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", &[415, 200], "accept-encoding: identity"),
    case("9110 15.5.16", b"POST /c/form HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\na=b", &[415, 200]),
    case("9110 15.5.16", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Encoding: identity, br\r\nContent-Length: 3\r\n\r\nabc", &[415, 200]),
    case("9110 15.5.16", b"POST /c/pool HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: zstd\r\nContent-Length: 2\r\n\r\n{}", &[415, 200]),
    case("9110 15.5.16", b"POST /c/reader HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", &[415, 200]),
    case("9110 15.5.16", b"POST /c/body HTTP/1.1\r\nHost: x\r\nContent-Encoding: x\r\nContent-Length: 3\r\n\r\nabc", &[415, 200]),
    case("9110 8.4", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Encoding: Identity\r\nContent-Length: 3\r\n\r\nabc", &[200, 200]),
    case("9110 8.4", b"POST /c/bytes HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", &[200, 200]),
    case("9110 8.4", b"GET /c/ HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n\r\n", &[200, 200]),
    // Responses
    showing("9110 15.3.6", b"GET /c/reset HTTP/1.1\r\nHost: x\r\n\r\n", &[205, 200], "!a body"),
    showing("9112 6.3", b"GET /c/pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200], "connection: close"),
    case("9112 7.1", b"GET /c/pieces HTTP/1.1\r\nHost: x\r\n\r\n", &[200, 200]),
    showing("3986 2.1", b"GET /c/redirect HTTP/1.1\r\nHost: x\r\n\r\n", &[303, 200], "location: /caf%c3%a9%20au%20lait\r\n"),
    showing("9110 9.3.2", b"HEAD /c/ HTTP/1.1\r\nHost: x\r\n\r\n", &[200, 200], "content-length: 5"),
    // The origin of a form, which browsers write without the default port
    case("6454 6.2", b"POST /c/bytes HTTP/1.1\r\nHost: a.example:443\r\nOrigin: https://a.example\r\nContent-Length: 0\r\n\r\n", &[200, 200]),
    case("6454 6.2", b"POST /c/bytes HTTP/1.1\r\nHost: a.example:80\r\nOrigin: http://a.example\r\nContent-Length: 0\r\n\r\n", &[200, 200]),
    case("6454 6.2", b"POST /c/bytes HTTP/1.1\r\nHost: a.example:8443\r\nOrigin: https://a.example\r\nContent-Length: 0\r\n\r\n", &[403, 200]),
    case("6454 6.2", b"POST /c/bytes HTTP/1.1\r\nHost: a.example\r\nOrigin: https://a.example:444\r\nContent-Length: 0\r\n\r\n", &[403, 200]),
];
