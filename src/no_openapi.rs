//! Without the feature `openapi`, an app has no OpenAPI document.
use pixie_core::Route;

use crate::{
    error::StartError,
    table::{Composed, openapi::Wanted},
};

pub(crate) fn routes(_: &Wanted) -> [Route; 0] {
    []
}

pub(crate) fn publish(_: &Composed) -> Result<(), StartError> {
    Ok(())
}

pub(crate) fn as_text(app: &Composed) -> Result<String, StartError> {
    as_json(app)
}

pub(crate) fn as_json(_: &Composed) -> Result<String, StartError> {
    Err(StartError::new("the app has no OpenAPI document: add the feature `openapi` of pixie-web in `Cargo.toml`"))
}
