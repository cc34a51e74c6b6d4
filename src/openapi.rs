//! The OpenAPI document of an app, made from its routes and the types of their handlers, and a page that shows
//! it. Feature `openapi`.
//!
//! `document.rs` makes the document, `operation.rs` what it says of one route, `schemas.rs` the schemas of types,
//! and `page.rs` serves the page. Invariant: a worker has the same routes and never makes the document.
mod document;
mod operation;
mod page;
mod schemas;

use http::header;
use pixie_core::{Place, Response, Route};

use crate::{
    error::StartError,
    table::{Composed, OwnPage, openapi::Wanted},
};

/// Returns the routes of the document and of the page, if the app asks for them.
pub(crate) fn routes(wanted: &Wanted) -> Vec<Route> {
    let Some((api, place)) = &wanted.served else { return Vec::new() };
    let own = |path| OwnPage { path, place: Place { name: "pixie::openapi", ..*place } };
    let published = api.published.clone();
    let document = own(api.path).route().sync(move |_| {
        let json = published.get().cloned().unwrap_or_default();
        Response::new(json).content_type("application/json").header(header::CACHE_CONTROL, "no-cache")
    });
    let page = api.docs.map(|path| {
        let document = api.path;
        own(path).route().sync(move |request| page::answer(request, document))
    });
    [document].into_iter().chain(page).collect()
}

/// Makes the document and gives it to its route.
pub(crate) fn publish(app: &Composed) -> Result<(), StartError> {
    let Some((api, _)) = &app.openapi.served else { return Ok(()) };
    if pixie_pool::identity().pool.is_none() {
        // Set once, because the composition runs once.
        let _ = api.published.set(as_json(app)?.into());
    }
    Ok(())
}

/// Returns the document as one line of JSON.
pub(crate) fn as_json(app: &Composed) -> Result<String, StartError> {
    document::document(app)?.to_json().map_err(StartError::of_system)
}

/// Returns the document as JSON to read.
pub(crate) fn as_text(app: &Composed) -> Result<String, StartError> {
    let text = document::document(app)?.to_pretty_json().map_err(StartError::of_system)?;
    Ok(text + "\n")
}
