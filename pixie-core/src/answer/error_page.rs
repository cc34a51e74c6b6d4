//! The three forms of an error's response: a page, a problem document (RFC 9457) and a line of text.
//!
//! Text from outside is escaped. Causes, places and the request are shown only in development. Otherwise a
//! client gets the status, its title and the detail.
use std::fmt::Write;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::{Body, Error, Media, Response};

const STYLE: &str = include_str!("error_page.css");

/// What an error page needs to know about the client and the request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ErrorView<'r> {
    /// The form that the client prefers.
    pub media: Media,
    /// The request's method.
    pub method: &'r Method,
    /// The path of the request, as the client sent it.
    pub path: &'r str,
    /// The query string of the request, shown in development.
    pub query: Option<&'r str>,
    /// The headers of the request, shown in development.
    pub headers: Option<&'r HeaderMap>,
    /// Whether causes and places are shown: only in development.
    pub development: bool,
    /// The code around the place of the error, shown in development.
    pub excerpt: Option<Excerpt>,
    /// The routes of the app, nearest first, if no route has the path: only in development.
    pub nearby: Vec<NearbyRoute>,
}

impl<'r> ErrorView<'r> {
    /// Returns a view for production, without the parts that only development shows.
    pub fn new(media: Media, method: &'r Method, path: &'r str) -> ErrorView<'r> {
        ErrorView {
            media,
            method,
            path,
            query: None,
            headers: None,
            development: false,
            excerpt: None,
            nearby: Vec::new(),
        }
    }
}

/// Some lines of source code.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Excerpt {
    /// The number of the first line.
    pub first: usize,
    /// The number of the line with the error.
    pub marked: usize,
    /// The lines.
    pub lines: Vec<String>,
}

impl Excerpt {
    /// Returns these lines, of which the first has the number `first`. The line with the number `marked` has
    /// the error.
    pub fn new(first: usize, marked: usize, lines: Vec<String>) -> Excerpt {
        Excerpt { first, marked, lines }
    }
}

/// A route that the page of a missing route lists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearbyRoute {
    /// The methods, with commas.
    pub methods: String,
    /// The path with its wildcards.
    pub path: String,
    /// Where the route runs.
    pub kind: String,
    /// The place of its definition: file and line.
    pub place: String,
}

impl NearbyRoute {
    /// Returns a row of the list.
    pub fn new(methods: String, path: impl Into<String>, kind: String, place: String) -> NearbyRoute {
        NearbyRoute { methods, path: path.into(), kind, place }
    }
}

impl Error {
    /// Returns the response: HTML, problem+json (RFC 9457) or text. Every error page is made here.
    pub fn render(&self, view: &ErrorView<'_>) -> Response {
        let (body, media) = match view.media {
            Media::Html => (html(self, view), "text/html; charset=utf-8"),
            Media::Json => (problem(self, view), "application/problem+json"),
            Media::Text => (text(self, view), "text/plain; charset=utf-8"),
        };
        let mut response = Response::empty(self.status());
        response.headers_mut().extend(self.headers().clone());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        response.set_body(Body::from(body));
        response
    }
}

/// Returns the page for browsers.
fn html(error: &Error, view: &ErrorView<'_>) -> String {
    let (code, title) = (error.status().as_u16(), title(error.status()));
    // The browser would ask for `/favicon.ico`, and the log would show one more missing route.
    let icon = if view.development { "<link rel=icon href=\"data:,\">" } else { "" };
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">{icon}\
         <title>{code} {title}</title><style>{STYLE}</style><main><h1>{code}</h1><p class=title>{title}</p>"
    );
    if let Some(detail) = error.detail() {
        page += &format!("<p class=detail>{}</p>", Escaped(detail));
    }
    if view.development {
        development(&mut page, error, view);
    }
    page + "</main></html>\n"
}

/// Returns the problem document: the error's data, `type`, `title`, `status`, `detail`, and in development
/// `causes` and `place`.
fn problem(error: &Error, view: &ErrorView<'_>) -> String {
    let status = error.status();
    let mut problem = error.data_map().clone();
    problem.entry("type").or_insert_with(|| "about:blank".into());
    problem.entry("title").or_insert_with(|| title(status).into());
    problem.insert("status".to_owned(), status.as_u16().into());
    problem.remove("detail");
    if let Some(detail) = error.detail() {
        problem.insert("detail".to_owned(), detail.into());
    }
    let causes = error.chain();
    if view.development && !causes.is_empty() {
        problem.entry("causes").or_insert_with(|| causes.into());
    }
    if let Some(place) = error.place().filter(|_| view.development) {
        problem.entry("place").or_insert_with(|| place.into());
    }
    Value::Object(problem).to_string()
}

/// Returns one line of text, in development with the causes below it.
fn text(error: &Error, view: &ErrorView<'_>) -> String {
    let mut text = format!("{} {}", error.status().as_u16(), title(error.status()));
    if let Some(detail) = error.detail() {
        text += &format!(": {detail}");
    }
    text.push('\n');
    if view.development {
        for cause in error.chain() {
            text += &format!("  {cause}\n");
        }
        if let Some(place) = error.place() {
            text += &format!("  at {place}\n");
        }
        for route in view.nearby.iter().take(3) {
            text += &format!("  near: {} {}\n", route.methods, route.path);
        }
    }
    text
}

fn development(page: &mut String, error: &Error, view: &ErrorView<'_>) {
    if !view.nearby.is_empty() {
        routes(page, view);
    }
    let chain = error.chain();
    if !chain.is_empty() {
        page.push_str("<h2>Because</h2><ol class=chain>");
        for cause in &chain {
            let _ = write!(page, "<li><pre>{}</pre>", Escaped(cause));
        }
        page.push_str("</ol>");
    }
    if let Some(place) = error.place() {
        let _ = write!(page, "<h2>Where</h2><p><code>{}</code>", Escaped(place));
    }
    if let Some(excerpt) = &view.excerpt {
        code(page, excerpt);
    }
    if !error.data_map().is_empty() {
        page.push_str("<h2>Data</h2><table>");
        for (name, value) in error.data_map() {
            let _ = write!(page, "<tr><th>{}<td>{}", Escaped(name), Escaped(&value.to_string()));
        }
        page.push_str("</table>");
    }
    let (method, path, query) = (Escaped(view.method.as_str()), Escaped(view.path), view.query.unwrap_or_default());
    let mark = if query.is_empty() { "" } else { "?" };
    let _ = write!(page, "<h2>Request</h2><p><code>{method} {path}{mark}{}</code>", Escaped(query));
    if let Some(headers) = view.headers {
        page.push_str("<details><summary>Headers</summary><table>");
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            let _ = write!(page, "<tr><th>{name}<td>{}", Escaped(&value));
        }
        page.push_str("</table></details>");
    }
    page.push_str("<p class=note>You see this because the app runs in development.");
}

/// Writes the routes of the app, and how to add the missing one.
fn routes(page: &mut String, view: &ErrorView<'_>) {
    let (method, path) = (view.method, Escaped(view.path));
    let _ = write!(
        page,
        "<p class=detail>No route answers <code>{method} {path}</code>.<h2>Routes, nearest first</h2><table>"
    );
    for NearbyRoute { methods, path, kind, place } in &view.nearby {
        let is_link = methods.contains("GET") && !path.contains('<');
        let (methods, path, place) = (Escaped(methods), Escaped(path), Escaped(place));
        let path = if is_link { format!("<a href=\"{path}\">{path}</a>") } else { path.to_string() };
        let _ = write!(page, "<tr><th>{methods}<td>{path}<td>{kind}<td><code>{place}</code>");
    }
    page.push_str("</table>");
    let attribute = view.method.as_str().to_ascii_lowercase();
    let has_attribute = ["get", "post", "put", "patch", "delete"].contains(&&*attribute);
    if has_attribute && view.path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte)) {
        let _ = write!(
            page,
            "<h2>To add it</h2><pre class=code>  #[{attribute}(\"{path}\")]\n  fn handler() -&gt; &amp;'static str {{\n      \
             \"It works\"\n  }}</pre>"
        );
    }
}

/// Writes the lines of code with their numbers, and marks the line with the error.
fn code(page: &mut String, excerpt: &Excerpt) {
    page.push_str("<pre class=code>");
    for (number, line) in (excerpt.first..).zip(&excerpt.lines) {
        let (open, close) = if number == excerpt.marked { ("<mark>", "</mark>") } else { ("", "") };
        let _ = writeln!(page, "{open}<b>{number:>5}</b>  {}{close}", Escaped(line));
    }
    page.push_str("</pre>");
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// Text with the five special characters of HTML replaced.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
