//! `IntoError`: what the error of a handler can be. It exists for its message: the compiler says how a type
//! becomes an `Error`.
use crate::Error;

/// What a handler, a hook or [`or_abort`](crate::OrAbort::or_abort) can have as its error: all types with an
/// `impl From<…> for Error`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler",
    label = "cannot be turned into `pixie_web::Error`",
    note = "if `{Self}` is a type of yours, `impl From<{Self}> for pixie_web::Error` says which status, detail and data the client gets",
    note = "instead of `String`, return `pixie_web::Result`, and write `abort(400).with_detail(text)`",
    note = "instead of `Box<dyn Error>`, return `pixie_web::Result`: `?` turns every `std::error::Error` into `pixie_web::Error`",
    note = "a `Response` is no error: return it as `Ok`, or make the error with `abort` and its methods `with_detail`, `with_header` and `with_data`"
)]
pub trait IntoError {
    /// Returns the error.
    fn into_error(self) -> Error;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> IntoError for E {
    #[track_caller]
    fn into_error(self) -> Error {
        self.into()
    }
}
