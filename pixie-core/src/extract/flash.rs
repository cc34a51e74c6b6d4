//! `Flash`: a message for the page after a redirect, in a cookie.
//!
//! The cookie is not signed, so a client can change its own message: show the text escaped, and do not base
//! decisions on it. Its length is limited. It is deleted when a route has read it.
use cookie::{Cookie, time::Duration};
use http::header;

use crate::{After, Error, FromRequest, IntoResponse, Needs, Request, RequestView, Response};

const NAME: &str = "flash";
/// Limits the message, in bytes. Percent-encoding can triple it, and browsers reject cookies of more than
/// 4096 bytes.
const BYTES_MAX: usize = 1024;
/// Limits the age of a message. After a minute, the user no longer expects it.
const AGE: Duration = Duration::seconds(60);

/// A message for the next page, such as "Saved", with a kind such as `success`.
///
/// As an argument, it is the message of the page before, which is deleted with the response. Take
/// `Option<Flash>`, because most requests have no message. A route without the attribute declares with
/// [`Route::needs`](crate::Route::needs) that it reads a message. The text comes from the client: templates
/// escape it.
///
/// ```
/// use pixie_core::{Flash, IntoResponse, Redirect};
/// let response = Flash::new("success", "Saved").with(Redirect::to("/"));
/// assert!(response.headers()["set-cookie"].to_str()?.starts_with("flash=success:Saved"));
///
/// // The next page takes the message as an argument, once.
/// fn page(flash: Option<Flash>) -> String {
///     flash.map_or_else(String::new, |flash| flash.message)
/// }
/// assert_eq!(page(None), "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("message", "notification"))]
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a message has no effect until it is added to a response"]
#[non_exhaustive]
pub struct Flash {
    /// The kind of the message, such as the name of a CSS class.
    pub kind: String,
    /// The message.
    pub message: String,
}

impl Flash {
    /// Returns a message. Text that is too long for a cookie is cut.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Flash {
        let (mut kind, mut message) = (kind.into().replace(':', " "), message.into());
        kind.truncate(kind.floor_char_boundary(BYTES_MAX / 8));
        message.truncate(message.floor_char_boundary(BYTES_MAX - kind.len()));
        Flash { kind, message }
    }

    /// Returns the response with the message for the next page.
    pub fn with(self, response: impl IntoResponse) -> Response {
        let cookie = Cookie::build((NAME, format!("{}:{}", self.kind, self.message))).max_age(AGE);
        response.into_response().cookie(cookie.build())
    }
}

impl FromRequest for Flash {
    fn needs(needs: &mut Needs) {
        needs.header(header::COOKIE);
        needs.after.push(After::new(clear));
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let cookies = request.cookies();
        let text = cookies.get(NAME).filter(|text| text.len() <= BYTES_MAX + 1);
        let (kind, message) = text
            .and_then(|text| text.split_once(':'))
            .ok_or_else(|| Error::missing("the page before left no message"))?;
        Ok(Flash { kind: kind.to_owned(), message: message.to_owned() })
    }
}

/// Deletes the message that the route has read, unless the route left a new one.
fn clear(request: &RequestView<'_>, response: &mut Response) {
    let is_new = |value: &http::HeaderValue| value.as_bytes().starts_with(b"flash=");
    let is_sent = crate::Cookies::from_headers(request.headers).get(NAME).is_some();
    if is_sent && !response.headers().get_all(header::SET_COOKIE).iter().any(is_new) {
        let gone = http::HeaderValue::from_static("flash=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
}
