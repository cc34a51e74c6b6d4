//! `Flash`: a message that outlives one redirect, in a cookie of its own.
//!
//! The cookie is not signed: a client can only deceive itself with it, so it is data to be shown, escaped, and never a
//! decision. It is bounded in length, and gone as soon as a route has read it.
use cookie::{Cookie, time::Duration};
use http::header;

use crate::{After, FromRequest, IntoResponse, Needs, Rejection, RejectionKind, Request, RequestView, Response};

const NAME: &str = "flash";
/// Percent-encoding can triple it, and browsers drop cookies beyond 4096 bytes.
const BYTES_MAX: usize = 1024;
/// A message that nobody fetches within a minute is about something forgotten.
const AGE: Duration = Duration::seconds(60);

/// A message for the next page, such as "Saved", with a kind such as `success`.
///
/// As an argument it is the message that the page before left, and is cleared with the answer; take `Option<Flash>`, since
/// mostly there is none. A route written by hand says with [`Route::needs`](crate::Route::needs) that it reads one. Its text
/// comes from the client: templates escape it.
///
/// ```
/// use pixie_core::{Flash, IntoResponse, Redirect};
/// let response = Flash::new("success", "Saved").with(Redirect::to("/"));
/// assert!(response.headers()["set-cookie"].to_str()?.starts_with("flash=success:Saved"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// What sort of message it is: a CSS class, perhaps.
    pub kind: String,
    /// The message.
    pub message: String,
}

impl Flash {
    /// Returns a message; one that is longer than a cookie holds is cut.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Flash {
        let (mut kind, mut message) = (kind.into().replace(':', " "), message.into());
        kind.truncate(kind.floor_char_boundary(BYTES_MAX / 8));
        message.truncate(message.floor_char_boundary(BYTES_MAX - kind.len()));
        Flash { kind, message }
    }

    /// Returns the response with the message for the page that comes after it.
    pub fn with(self, response: impl IntoResponse) -> Response {
        let cookie = Cookie::build((NAME, format!("{}:{}", self.kind, self.message))).max_age(AGE);
        response.into_response().cookie(cookie.build())
    }
}

impl FromRequest for Flash {
    fn needs(needs: &mut Needs) {
        needs.header(header::COOKIE);
        needs.after(After::new(clear));
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let cookies = request.cookies();
        let text = cookies.get(NAME).filter(|text| text.len() <= BYTES_MAX + 1);
        let (kind, message) = text
            .and_then(|text| text.split_once(':'))
            .ok_or_else(|| Rejection::new(RejectionKind::Missing, "there is no message from the page before"))?;
        Ok(Flash { kind: kind.to_owned(), message: message.to_owned() })
    }
}

/// Clears what the route has read, unless it left a new message.
fn clear(request: &RequestView<'_>, response: &mut Response) {
    let is_new = |value: &http::HeaderValue| value.as_bytes().starts_with(b"flash=");
    let is_sent = crate::Cookies::from_headers(request.headers).get(NAME).is_some();
    if is_sent && !response.headers().get_all(header::SET_COOKIE).iter().any(is_new) {
        let gone = http::HeaderValue::from_static("flash=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
}
