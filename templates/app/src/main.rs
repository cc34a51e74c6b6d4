//! The app: what it is made of, and its start.

mod errors;
mod notes;
mod primes;

use pixie_web::{App, IntoResponse, Response, Result, get};

/// The style sheet, compiled into the program.
#[get("/style.css", sync)]
fn style() -> Response {
    include_str!("../static/style.css")
        .into_response()
        .content_type("text/css; charset=utf-8")
}

/// Every route that an attribute wrote, the notebook that they share, and the pages of errors.
fn app() -> App {
    let app = App::collect().state(notes::Notebook::default());
    errors::CODES
        .into_iter()
        .fold(app, |app, code| app.error_page(code, errors::page))
}

fn main() -> Result<()> {
    app().run()
}

#[cfg(test)]
mod tests;
