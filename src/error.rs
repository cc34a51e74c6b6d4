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

    /// Returns the error of all mistakes. Of several, the message has each in a line.
    pub(crate) fn of_all(mistakes: &[StartError]) -> StartError {
        let place = mistakes.iter().find_map(|mistake| mistake.place);
        let message = match mistakes {
            [one] => one.message.clone(),
            all => {
                let list = all.iter().map(|mistake| format!("\n  {}", mistake.message)).collect::<String>();
                format!("{} mistakes in the app:{list}", all.len())
            }
        };
        StartError { message, place }
    }

    /// Returns the error of something that the system refused, with the fix if it is known. The error is
    /// known only as text, because it comes from other crates.
    pub(crate) fn of_system(error: impl fmt::Display) -> StartError {
        let message = error.to_string();
        let is_of = |part: &str| message.contains(part) && message.contains("(os error ");
        let fix = match () {
            () if is_of("(os error 24)") => ": raise the limit of open files (`ulimit -n`, `LimitNOFILE=` of systemd)",
            () if is_of("the directory for the sockets") => {
                ": set XDG_RUNTIME_DIR or TMPDIR to a folder that this user can write to"
            }
            () => "",
        };
        StartError::new(message + fix)
    }

    /// Returns the error of a route.
    pub(crate) fn at(place: Place, message: impl Into<String>) -> StartError {
        StartError { message: message.into(), place: Some(place) }
    }

    /// Returns what is wrong, and how to fix it. Several mistakes have a line each.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the first route that is wrong, with its line of code. `None` if no mistake is in a route.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_names_the_fix() {
        for (error, fix) in [
            ("cannot install signal handlers: Too many open files (os error 24)", "`ulimit -n`"),
            (
                "the directory for the sockets of pool `a`: creating /tmp/x: Read-only file system (os error 30)",
                "TMPDIR",
            ),
            ("the directory for the sockets of pool `a`: creating /run/x: Permission denied (os error 13)", "TMPDIR"),
        ] {
            let message = StartError::of_system(error).to_string();
            assert!(message.starts_with(error) && message.contains(fix), "{message}");
        }
        for error in ["cannot listen: Permission denied (os error 13)", "PIXIE_POOL_A: `siz=4`: there is no `siz`"] {
            assert_eq!(StartError::of_system(error).to_string(), error);
        }
    }
}
