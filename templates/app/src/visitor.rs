//! The visitor's name, in an encrypted cookie, so that the browser cannot change it.

use pixie_web::{Flash, Form, PrivateCookies, Redirect, Response, post};
use serde::Deserialize;

/// The longest name, in characters; the form's field has the same limit.
const CHARACTERS: usize = 40;
/// The cookie's name. The cookie has no expiry date, so the browser deletes it when it closes.
const COOKIE: &str = "visitor";

/// The field of the form.
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
    Flash::new("success", "Your name is forgotten.")
        .with(Redirect::to("/"))
        .remove_cookie(COOKIE)
}
