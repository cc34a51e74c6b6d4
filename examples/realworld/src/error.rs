//! `ApiError`: what can go wrong, and the form in which the RealWorld API reports it.
//!
//! `From<ApiError> for pixie_web::Error` chooses the status. Every error of a field is in the data `errors`, as
//! `Checked` does it too, so one page writes them all.
use std::collections::BTreeMap;

use pixie_web::{Error, ErrorView, HeaderValue, IntoResponse, Json, Response, StatusCode, abort, core::Media, header};
use rusqlite::{ErrorCode, ffi};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request that failed.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request needs a token, and has none, or one that is wrong or has expired.
    Unauthorized,
    /// The login names no user, or the password is wrong.
    WrongLogin,
    /// Something with this name belongs to another user.
    Forbidden(&'static str),
    /// There is no such thing.
    NotFound(&'static str),
    /// The database refused.
    Database(rusqlite::Error),
    /// Something that the client cannot know.
    Unexpected(Error),
}

/// The body of a response to a request that failed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ErrorResponse {
    /// What is wrong with each field of the body, or with the whole (`body`).
    pub(crate) errors: BTreeMap<String, Vec<String>>,
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> ApiError {
        ApiError::Database(error)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> ApiError {
        ApiError::Unexpected(error)
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Error {
        match error {
            ApiError::Unauthorized => unauthorized().with_field("token", "is missing, wrong or has expired"),
            ApiError::WrongLogin => unauthorized().with_field("email or password", "is invalid"),
            ApiError::Forbidden(what) => abort(403).with_field(what, "belongs to another user"),
            ApiError::NotFound(what) => abort(404).with_field(what, "not found"),
            ApiError::Database(error) => refused_by_database(error),
            ApiError::Unexpected(error) => error,
        }
    }
}

/// Returns a 401. RFC 9110, section 15.5.2, asks for the challenge.
fn unauthorized() -> Error {
    abort(401).with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token"))
}

/// Two requests at the same time are told apart by the constraints of the database only.
fn refused_by_database(error: rusqlite::Error) -> Error {
    match &error {
        rusqlite::Error::SqliteFailure(failure, Some(text)) => match (failure.extended_code, failure.code) {
            (ffi::SQLITE_CONSTRAINT_UNIQUE, _) => {
                let field = text.rsplit('.').next().unwrap_or_default();
                abort(422).with_field(field, "has already been taken")
            }
            // What the row belongs to was deleted by another request.
            (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, _) => abort(404),
            (_, ErrorCode::DatabaseBusy) => {
                let retry = HeaderValue::from_static("1");
                Error::from(error).with_status(StatusCode::SERVICE_UNAVAILABLE).with_header(header::RETRY_AFTER, retry)
            }
            _ => error.into(),
        },
        _ => error.into(),
    }
}

/// Writes every error of the app, also those of pixie, in the form of the RealWorld API. A browser gets pixie's
/// page. The status and the headers are those of the error.
pub(crate) fn page(error: &Error, view: &ErrorView<'_>) -> Response {
    if view.media == Media::Html {
        return error.render(view);
    }
    let of_fields = error.data::<BTreeMap<String, Vec<String>>>("errors").unwrap_or_default();
    let mut errors: BTreeMap<_, _> = of_fields.into_iter().map(|(path, reasons)| (field(&path), reasons)).collect();
    if errors.is_empty() {
        let title = error.status().canonical_reason().unwrap_or("error");
        errors.insert("body".to_owned(), vec![error.detail().unwrap_or(title).to_owned()]);
    }
    Json(ErrorResponse { errors }).into_response()
}

/// Returns the name of a field without the object that it is in: `article.title` is `title`. The name of a
/// field in Rust becomes the one in JSON.
fn field(path: &str) -> String {
    path.split_once('.').map_or(path, |(_, field)| field).replace("tag_list", "tagList")
}
