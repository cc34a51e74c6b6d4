//! The whole document: info, paths and components.
//!
//! Routes that OpenAPI cannot tell apart, such as `/users/<id:int>` and `/users/<name>`, share one path, and for
//! each method the one that the router tries first is described. Invariant: the same routes give the same
//! document, whatever the order in which they were linked.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use http::{Method, StatusCode};
use pixie_core::{Pattern, Security, openapi::TypeSchema};
use pixie_grammar::{PathPart, parse_path};
use serde_json::json;
use utoipa::openapi::{
    Components, Content, Info, Object, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Response,
    ResponseBuilder, Schema, Tag, Type,
    path::Operation,
    schema::ObjectBuilder,
    security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};

use crate::{
    error::StartError,
    openapi::{
        operation::{Described, PROBLEM, describe},
        schemas::Schemas,
    },
    table::{Composed, Endpoint},
};

/// Makes the document of an app.
pub(super) fn document(app: &Composed) -> Result<OpenApi, StartError> {
    let prefix = app.openapi.served.as_ref().map_or("", |(api, _)| api.prefix);
    let mut shown: Vec<_> = app.endpoints.iter().filter(|endpoint| is_shown(endpoint, prefix)).collect();
    // As the router tries them: it lists routes of one shape by filter, the narrow ones first.
    let order: Vec<*const Endpoint> = app.router.routes().map(|entry| Arc::as_ptr(&entry.value)).collect();
    let place = |endpoint: &Arc<Endpoint>| order.iter().position(|at| *at == Arc::as_ptr(endpoint));
    shown.sort_by_cached_key(|endpoint| place(endpoint));
    let mut schemas = Schemas::of(shown.iter().flat_map(|endpoint| {
        let route = &endpoint.route;
        [&route.reads().notes, route.notes()]
    }));
    let mut paths: BTreeMap<String, (Vec<String>, PathItem)> = BTreeMap::new();
    let mut found = Found { schemes: declared(app), ..Found::default() };
    for endpoint in shown {
        let (shape, path) = shape(endpoint.route.path());
        let (names, item) = paths.entry(shape).or_insert_with(|| (path, PathItem::default()));
        for method in endpoint.route.methods() {
            let Some(slot) = slot(item, method).filter(|slot| slot.is_none()) else { continue };
            let described = describe(endpoint, method, names, &mut schemas);
            *slot = Some(found.take(endpoint, method, described)?);
        }
    }
    let paths = paths.into_iter().map(|(shape, (names, item))| (filled(&shape, &names), item));
    let mut document = OpenApiBuilder::new()
        .info(info(app))
        .paths(paths.fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item)))
        .tags((!found.tags.is_empty()).then(|| found.tags.iter().map(Tag::new).collect::<Vec<_>>()))
        .components(Some(components(app, found, schemas)))
        .build();
    if let Some(edit) = app.openapi.served.as_ref().and_then(|(api, _)| api.edit.as_ref()) {
        edit(&mut document);
    }
    Ok(document)
}

/// What the operations name and the rest of the document defines.
#[derive(Default)]
struct Found {
    ids: BTreeSet<String>,
    tags: BTreeSet<&'static str>,
    statuses: BTreeSet<u16>,
    schemes: BTreeMap<&'static str, Security>,
}

impl Found {
    /// Completes an operation, with an id that no other has.
    fn take(&mut self, endpoint: &Endpoint, method: &Method, described: Described) -> Result<Operation, StartError> {
        let Described { operation, statuses, schemes } = described;
        let route = &endpoint.route;
        self.tags.extend(route.options().tag);
        self.statuses.extend(statuses);
        for (name, scheme) in schemes {
            self.scheme(name, scheme).map_err(|what| StartError::at(route.place(), what))?;
        }
        let name = route.place().name;
        let by_method = format!("{name}_{}", method.as_str().to_lowercase());
        let numbered = (2..).map(|number| format!("{by_method}_{number}"));
        let mut ids = [name.to_owned(), by_method.clone()].into_iter().chain(numbered);
        let id = ids.find(|id| !self.ids.contains(id)).unwrap_or_default();
        self.ids.insert(id.clone());
        Ok(operation.operation_id(Some(id)).build())
    }

    /// Notes a scheme that an extractor brings, or finds the one that the app has declared.
    fn scheme(&mut self, name: &'static str, scheme: Option<Security>) -> Result<(), String> {
        let known = scheme.or_else(|| match name {
            "bearer" => Some(Security::BearerToken),
            "basic" => Some(Security::BasicLogin),
            _ => self.schemes.get(name).copied(),
        });
        let Some(scheme) = known else {
            let declared: Vec<_> = self.schemes.keys().collect();
            let fix = format!("declare it with `OpenApi::security(\"{name}\", …)`");
            return Err(format!("there is no security scheme `{name}` (known are {declared:?}): {fix}"));
        };
        self.schemes.insert(name, scheme);
        Ok(())
    }
}

fn is_shown(endpoint: &Endpoint, prefix: &str) -> bool {
    let route = &endpoint.route;
    // OpenAPI has no words for a WebSocket.
    let is_http = !route.reads().body.takes_connection();
    let is_under = match Pattern::parse(prefix) {
        Ok(prefix) => route.pattern().is_ok_and(|pattern| pattern.is_under(&prefix)),
        Err(_) => true,
    };
    is_under && is_http && route.options().openapi.unwrap_or(!route.place().name.starts_with("pixie::"))
}

/// Returns a path with `{}` for each wildcard, and the names of the wildcards.
fn shape(path: &str) -> (String, Vec<String>) {
    let (mut shape, mut names) = (String::new(), Vec::new());
    for part in parse_path(path).unwrap_or_default() {
        match part {
            // Braces would begin a wildcard here.
            PathPart::Literal(text) => shape += &text.replace('{', "%7B").replace('}', "%7D"),
            PathPart::Wildcard { name, .. } => {
                shape += "{}";
                names.push(name);
            }
        }
    }
    (shape, names)
}

/// Puts the names of the wildcards into a shape.
fn filled(shape: &str, names: &[String]) -> String {
    let mut parts = shape.split("{}");
    let mut path = parts.next().unwrap_or_default().to_owned();
    for (part, name) in parts.zip(names) {
        let _ = write!(path, "{{{name}}}{part}");
    }
    path
}

/// Returns the place of a method's operation.
fn slot<'i>(item: &'i mut PathItem, method: &Method) -> Option<&'i mut Option<Operation>> {
    Some(match method.as_str() {
        "GET" => &mut item.get,
        "PUT" => &mut item.put,
        "POST" => &mut item.post,
        "DELETE" => &mut item.delete,
        "OPTIONS" => &mut item.options,
        "HEAD" => &mut item.head,
        "PATCH" => &mut item.patch,
        "TRACE" => &mut item.trace,
        _ => return None,
    })
}

fn info(app: &Composed) -> Info {
    let [name, version, description] = app.openapi.package.unwrap_or(["App", "0.0.0", ""]);
    let api = app.openapi.served.as_ref().map(|(api, _)| api);
    let or = |text: Option<&String>, default: &str| text.map_or(default, String::as_str).to_owned();
    let mut info = Info::new(
        or(api.and_then(|api| api.title.as_ref()), name),
        or(api.and_then(|api| api.version.as_ref()), version),
    );
    let description = or(api.and_then(|api| api.description.as_ref()), description);
    info.description = (!description.is_empty()).then_some(description);
    info
}

fn declared(app: &Composed) -> BTreeMap<&'static str, Security> {
    let schemes = app.openapi.served.as_ref().map(|(api, _)| api.schemes.iter().copied());
    schemes.into_iter().flatten().collect()
}

fn components(app: &Composed, found: Found, schemas: Schemas) -> Components {
    let mut components = Components::new();
    components.schemas = schemas.into_components();
    let of_app = app.openapi.served.as_ref().and_then(|(api, _)| api.error);
    let (name, media) = match of_app.map(|make| make()) {
        None => {
            components.schemas.insert(PROBLEM.to_owned(), problem().into());
            (PROBLEM.to_owned(), &["application/problem+json", "text/html", "text/plain"][..])
        }
        Some(TypeSchema { name, schema, others }) => {
            let name = name.unwrap_or_else(|| PROBLEM.to_owned());
            components.schemas.extend(others);
            components.schemas.insert(name.clone(), schema);
            (name, &["application/json", "text/html"][..])
        }
    };
    let refusal = |title: &str, cause: &str| refusal(&format!("{title}. {cause}"), &name, media);
    for code in found.statuses {
        let status = StatusCode::from_u16(code).unwrap_or_default();
        let answer = refusal(status.canonical_reason().unwrap_or_default(), cause(code));
        components.responses.insert(response_name(code), answer.into());
    }
    components.responses.insert(ANY_ERROR.to_owned(), refusal("Error", "Another error of the handler.").into());
    for (name, security) in found.schemes {
        components.security_schemes.insert(name.to_owned(), scheme(security).into());
    }
    components
}

/// The name of the component for an error with any status.
pub(super) const ANY_ERROR: &str = "Error";

/// Returns the name of the component for an error status, such as `NotFound`.
pub(super) fn response_name(code: u16) -> String {
    let reason = StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    reason.map_or_else(|| format!("Status{code}"), |reason| reason.replace([' ', '-', '\''], ""))
}

/// Returns why the framework answers with a status.
fn cause(code: u16) -> &'static str {
    match code {
        400 => "A part of the request cannot be read.",
        401 => "The request does not prove who sends it.",
        403 => "The client may not do this, or a browser sent the request on behalf of another site.",
        404 => "There is nothing at this path.",
        408 => "The body did not arrive in time.",
        413 => "The body is too large.",
        415 => "The body has another media type.",
        422 => "A value does not fit.",
        429 => "The client asks too often.",
        500 => "The handler failed.",
        502 => "The process of the handler crashed.",
        503 => "The server has no free worker, or is stopping.",
        504 => "The handler took too long.",
        _ => "The request failed.",
    }
}

/// Returns an error response. The first media type is JSON with this schema, the others are for people.
fn refusal(description: &str, schema: &str, media: &[&str]) -> Response {
    let content = |media: &str| {
        let of_media: RefOr<Schema> = match media.ends_with("json") {
            true => Ref::from_schema_name(schema).into(),
            false => Object::with_type(Type::String).into(),
        };
        Content::new(Some(of_media))
    };
    let response = ResponseBuilder::new().description(description);
    media.iter().fold(response, |response, media| response.content(*media, content(media))).build()
}

/// Returns the schema of a problem document (RFC 9457).
fn problem() -> Object {
    let text = |what: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(what));
    let code = ObjectBuilder::new().schema_type(Type::Integer).description(Some("The status of the response."));
    ObjectBuilder::new()
        .description(Some("An error (RFC 9457). Errors of an app may have more members, such as `errors`."))
        .property("type", text("What kind of problem it is.").default(Some(json!("about:blank"))))
        .property("title", text("The kind of problem in words."))
        .property("status", code)
        .property("detail", text("What is wrong with this request."))
        .required("type")
        .required("title")
        .required("status")
        .build()
}

fn scheme(security: Security) -> SecurityScheme {
    match security {
        Security::BearerToken => SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        Security::BasicLogin => SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
        Security::InCookie(name) => SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(name))),
        Security::InHeader(name) => SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name))),
        _ => SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_its_wildcards_in_braces() {
        for (path, wanted) in [
            ("/", "/"),
            ("/users/<id:int>/files/<rest:path>", "/users/{id}/files/{rest}"),
            ("/v<major:int>.<minor:int>", "/v{major}.{minor}"),
        ] {
            let (shape, names) = shape(path);
            assert_eq!(filled(&shape, &names), wanted);
        }
    }

    #[test]
    fn an_error_response_is_named_after_its_status() {
        assert_eq!([404, 413, 422].map(response_name), ["NotFound", "PayloadTooLarge", "UnprocessableEntity"]);
    }
}
