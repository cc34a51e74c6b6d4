//! Accounts: sign up, log in, log out. The session knows the user.

use std::sync::LazyLock;

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use pixie_web::{
    Flash, Form, IntoResponse, Late, Redirect, Response, Result, Session, State, StatusCode, get,
    post, template,
};
use serde::Deserialize;

use crate::notebook::Notebook;

/// The longest name and the shortest password, in characters; the form's fields have the same limits.
const NAME: usize = 40;
const PASSWORD: usize = 8;
/// The key of the user's name in the session.
const USER: &str = "user";

/// The fields of both forms.
#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[template("account.html")]
struct AccountPage {
    /// Whether the form makes a new account.
    is_new: bool,
    /// The message of the request before.
    flash: Option<Flash>,
    name: String,
    complaint: Option<&'static str>,
}

/// Returns the name of the user, if one is logged in.
pub fn user(session: &Session) -> Result<Option<String>> {
    session.get(USER)
}

#[get("/signup", sync)]
fn sign_up_page(flash: Option<Flash>) -> AccountPage {
    page(true, flash)
}

#[get("/login", sync)]
fn log_in_page(flash: Option<Flash>) -> AccountPage {
    page(false, flash)
}

/// On a thread, because hashing a password takes long, on purpose. The limit is for each client.
#[post("/signup", thread, limit = "5/min")]
fn sign_up(
    notebook: State<Late<Notebook>>,
    session: Session,
    form: Form<Credentials>,
) -> Result<Response> {
    let name = form.name.trim();
    if !(1..=NAME).contains(&name.chars().count()) {
        return Ok(refused(true, name, "A name has 1 to 40 characters."));
    }
    if form.password.chars().count() < PASSWORD {
        return Ok(refused(true, name, "A password has at least 8 characters."));
    }
    match notebook
        .get()?
        .add_account(name, &hashed(&form.password)?)?
    {
        true => welcome(&session, name),
        false => Ok(refused(true, name, "This name is taken.")),
    }
}

/// Checks a password for names without an account too, so that the time does not tell which names exist.
#[post("/login", thread, limit = "5/min")]
fn log_in(
    notebook: State<Late<Notebook>>,
    session: Session,
    form: Form<Credentials>,
) -> Result<Response> {
    static OTHER: LazyLock<String> = LazyLock::new(|| hashed("any").unwrap_or_default());
    let account = notebook.get()?.account(form.name.trim())?;
    let hash = account.as_ref().map_or(&*OTHER, |account| &account.hash);
    let fits = Argon2::default()
        .verify_password(form.password.as_bytes(), &PasswordHash::new(hash)?)
        .is_ok();
    match account {
        Some(account) if fits => welcome(&session, &account.name),
        _ => Ok(refused(
            false,
            form.name.trim(),
            "The name or the password is wrong.",
        )),
    }
}

#[post("/logout", sync)]
fn log_out(session: Session) -> Result<Response> {
    session.end()?;
    Ok(Flash::new("success", "You are logged out.").with(Redirect::to("/notes")))
}

/// The session gets a new id, so that another person who knows the old id is not logged in too.
fn welcome(session: &Session, name: &str) -> Result<Response> {
    session.renew()?;
    session.set(USER, name)?;
    Ok(Flash::new("success", format!("Hello, {name}!")).with(Redirect::to("/notes")))
}

fn page(is_new: bool, flash: Option<Flash>) -> AccountPage {
    AccountPage {
        is_new,
        flash,
        name: String::new(),
        complaint: None,
    }
}

fn refused(is_new: bool, name: &str, complaint: &'static str) -> Response {
    let page = AccountPage {
        name: name.to_owned(),
        complaint: Some(complaint),
        ..page(is_new, None)
    };
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}

fn hashed(password: &str) -> Result<String> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt)?;
    Ok(hash.to_string())
}
