//! The notebook: a page with a form, and where its notes are kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pixie_web::{Form, IntoResponse, Redirect, Response, State, StatusCode, get, post, template};
use serde::Deserialize;

/// The longest note, in characters; the form's field says so too.
const CHARACTERS: usize = 200;
/// How many notes are kept: what visitors can fill needs a limit.
const NOTES: usize = 100;

/// The notes, oldest first. They live in the server's memory: a database would go here.
#[derive(Default)]
pub struct Notebook(Mutex<Vec<String>>);

impl Notebook {
    fn add(&self, note: &str) {
        let mut notes = self.lock();
        if notes.len() == NOTES {
            notes.remove(0);
        }
        notes.push(note.to_owned());
    }

    fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the form sends.
#[derive(Deserialize)]
struct NewNote {
    text: String,
}

#[template("notes.html")]
struct NotesPage {
    notes: Vec<String>,
    /// What was typed, and what is wrong with it.
    rejected: Option<(String, &'static str)>,
}

/// On the connection's own thread: nothing here takes longer than microseconds.
#[get("/", sync)]
fn index(notebook: State<Notebook>) -> NotesPage {
    NotesPage {
        notes: notebook.all(),
        rejected: None,
    }
}

/// Sends the browser back to the page, so that reloading it does not send the form again.
#[post("/", sync)]
fn add(notebook: State<Notebook>, form: Form<NewNote>) -> Response {
    let text = form.text.trim();
    let complaint = match text.chars().count() {
        0 => "A note needs some text.",
        1..=CHARACTERS => {
            notebook.add(text);
            return Redirect::to("/").into_response();
        }
        _ => "That note is too long.",
    };
    let page = NotesPage {
        notes: notebook.all(),
        rejected: Some((text.to_owned(), complaint)),
    };
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}
