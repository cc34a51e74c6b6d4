//! `StartError`: a mistake in an app's configuration, found before it serves its first request.
//!
//! [`App::run`](crate::App::run), [`App::into_service`](crate::App::into_service) and
//! [`App::test`](crate::App::test) return it as the cause of an [`Error`](crate::Error), so that one `Result`
//! is enough for a program.
use std::fmt;

use pixie_core::Place;

/// A mistake in the configuration of an app: in its routes, its pools, its numbers or its environment.
///
/// It prints as its message, without a status: `main` shows `Error: routes come from 2 packages, …`.
///
/// ```
/// use pixie_web::{App, Route, StartError};
///
/// let app = App::new().route(Route::get("/").sync(|_| "Hello")).threads(0);
/// let error = app.test().map(drop).expect_err("0 threads are a mistake");
/// let mistake = error.downcast_ref::<StartError>().expect("it is about the configuration");
/// assert!(mistake.message().starts_with("`App::threads(0)`"));
/// ```
pub struct StartError {
    message: String,
    place: Option<Place>,
}

impl StartError {
    /// Returns the error of a mistake that has no line of its own.
    pub(crate) fn new(message: impl Into<String>) -> StartError {
        StartError { message: message.into(), place: None }
    }

    /// Returns the error of a route.
    pub(crate) fn at(place: Place, message: impl Into<String>) -> StartError {
        StartError { message: message.into(), place: Some(place) }
    }

    /// Returns what is wrong, and how to fix it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the route that is wrong, with its line of code. `None` if the mistake is not in a route.
    pub fn place(&self) -> Option<Place> {
        self.place
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The same as `Display`, so that `fn main() -> Result<(), StartError>` prints a sentence.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartError {}
