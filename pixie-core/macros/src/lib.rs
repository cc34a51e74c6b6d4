//! The `#[route]` attribute of the pixie web framework, and its short forms `#[get]`, `#[post]` and so on.
//!
//! Use them through `pixie-web`: the code that they write refers to it. An attribute parses what is written, checks it, and
//! writes a plain `Route` value next to the function, which itself stays as it is and can be called by hand.
//! Must stay true: a mistake gives one error, at the token that is wrong, which names the remedy.
#![forbid(unsafe_code)]

mod check;
mod expand;
mod nearest;
mod parse;

use proc_macro::TokenStream;

/// Makes a function the handler of a route: `#[route("/path", kind, METHOD…, option = value…)]`.
///
/// **Path.** Literal text and wildcards: `<name>` (text within one segment), `<name:int>`, `<name:float>`, `<name:uuid>`,
/// and `<name:path>` for the rest of the path.
///
/// **Kind**, where the handler runs: `sync` (on the connection's thread), `thread` (on a blocking thread), `async` (on the
/// runtime), `pool` (in a worker process) or `stream` (in a worker process, the body sent piece by piece). Without a kind,
/// an `async fn` is `async` and a plain `fn` is `pool`.
///
/// **Methods**: any of `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD`, `OPTIONS` and `TRACE`; without one, `GET`.
///
/// **Options**:
///
/// | option | meaning |
/// |---|---|
/// | `pool = "images"` | runs in the worker pool of this name; for `pool` and `stream`, and means `pool` if no kind is given |
/// | `deadline = "2s"` | the time until the answer is 504, in `ms`, `s`, `m` or `h`; not for `sync`, which cannot be stopped |
/// | `body_limit = "10MB"` | the longest body, in bytes or with `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB` |
/// | `retry = true` | whether a request may run again when its worker crashed; for `pool` and `stream` |
/// | `csrf = false` | requests that pages of other sites sent are accepted: for webhooks |
/// | `cache_control = "max-age=60"` | the `Cache-Control` header of successful responses and redirects, unless the handler sets it |
/// | `name = "thumb"` | the route's name, for addresses made from it; without it, the function's name |
///
/// **Arguments.** One with the name of a wildcard is its value, of any type with `FromStr`; a value that does not fit is
/// answered with 404. `&Request` is the request, lent once the other arguments are made: it shows what they left of the body.
/// `&mut Writer` writes the body of a `stream` route. Every other type is an extractor, of which at most one may read the
/// request's body. Wildcards are read first, so that an address that does not exist is 404 whatever else is wrong.
///
/// **Return value.** Whatever is a response: text, `Html`, `Json`, a status, a `Result` of one of them and so on. A `stream`
/// handler returns an iterator of pieces, `Pieces`, or a `Result` of one of them; with a `Writer`, `Result<()>` or nothing.
#[proc_macro_attribute]
pub fn route(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(None, arguments.into(), item.into()).into()
}

/// Makes a function the handler of a GET route: [`#[route]`](macro@route) without methods. It answers HEAD as well.
#[proc_macro_attribute]
pub fn get(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Some("GET"), arguments.into(), item.into()).into()
}

/// Makes a function the handler of a POST route: [`#[route]`](macro@route) without methods.
#[proc_macro_attribute]
pub fn post(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Some("POST"), arguments.into(), item.into()).into()
}

/// Makes a function the handler of a PUT route: [`#[route]`](macro@route) without methods.
#[proc_macro_attribute]
pub fn put(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Some("PUT"), arguments.into(), item.into()).into()
}

/// Makes a function the handler of a PATCH route: [`#[route]`](macro@route) without methods.
#[proc_macro_attribute]
pub fn patch(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Some("PATCH"), arguments.into(), item.into()).into()
}

/// Makes a function the handler of a DELETE route: [`#[route]`](macro@route) without methods.
#[proc_macro_attribute]
pub fn delete(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Some("DELETE"), arguments.into(), item.into()).into()
}
