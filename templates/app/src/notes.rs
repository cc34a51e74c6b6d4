//! The page of notes, and its form.

use pixie_web::{
    Flash, Form, IntoResponse, Late, Redirect, Response, Result, Session, State, StatusCode, get,
    post, template,
};
use serde::Deserialize;

use crate::{
    accounts,
    notebook::{Note, Notebook},
};

/// The longest note, in characters; the form's field has the same limit.
const CHARACTERS: usize = 200;

/// The fields of the form.
#[derive(Deserialize)]
struct NewNote {
    text: String,
}

#[template("notes.html")]
struct NotesPage {
    notes: Vec<Note>,
    user: Option<String>,
    /// The message of the request before.
    flash: Option<Flash>,
    /// A refused text, and the reason.
    rejected: Option<(String, &'static str)>,
}

/// On a thread, because a disk may be slow and the server must not wait for it.
#[get("/notes", thread)]
fn index(
    notebook: State<Late<Notebook>>,
    session: Session,
    flash: Option<Flash>,
) -> Result<NotesPage> {
    Ok(NotesPage {
        notes: notebook.get()?.all()?,
        user: accounts::user(&session)?,
        flash,
        rejected: None,
    })
}

/// Redirects the browser to the page, so that a reload does not send the form again.
#[post("/notes", thread)]
fn add(notebook: State<Late<Notebook>>, session: Session, form: Form<NewNote>) -> Result<Response> {
    let Some(user) = accounts::user(&session)? else {
        return Ok(Flash::new("complaint", "Log in to write.").with(Redirect::to("/login")));
    };
    let text = form.text.trim();
    let complaint = match text.chars().count() {
        0 => "A note needs some text.",
        1..=CHARACTERS => {
            notebook.get()?.add(&user, text)?;
            return Ok(Flash::new("success", "The note is saved.").with(Redirect::to("/notes")));
        }
        _ => "This note is too long.",
    };
    let page = NotesPage {
        notes: notebook.get()?.all()?,
        user: Some(user),
        flash: None,
        rejected: Some((text.to_owned(), complaint)),
    };
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
