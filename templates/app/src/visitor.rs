//! The visitor: a name, remembered in a cookie that is encrypted, so that the browser can only bring it back.

use pixie_web::{Flash, Form, PrivateCookies, Redirect, Response, post};
use serde::Deserialize;

/// The longest name, in characters; the form's field says so too.
const CHARACTERS: usize = 40;
/// The cookie's name. It has no age, so it is gone when the browser is closed.
const COOKIE: &str = "visitor";

/// What the form sends.
#[derive(Deserialize)]
struct NewName {
    name: String,
}

/// Returns the visitor's name, if there is one.
pub fn name(cookies: &PrivateCookies) -> Option<String> {
    cookies.get(COOKIE)
}

#[post("/visitor", sync)]
fn remember(cookies: PrivateCookies, form: Form<NewName>) -> Response {
    let name = form.name.trim();
    if !(1..=CHARACTERS).contains(&name.chars().count()) {
        let complaint = format!("A name has 1 to {CHARACTERS} characters.");
        return Flash::new("complaint", complaint).with(Redirect::to("/"));
    }
    let cookie = cookies.encrypt((COOKIE, name.to_owned()).into());
    Flash::new("success", format!("Hello, {name}!"))
        .with(Redirect::to("/"))
        .cookie(cookie)
}

#[post("/visitor/forget", sync)]
fn forget() -> Response {
    Flash::new("success", "You are nobody again.")
        .with(Redirect::to("/"))
        .remove_cookie(COOKIE)
}
