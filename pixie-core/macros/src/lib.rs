//! The `#[route]` attribute of the pixie web framework, and its short forms `#[get]`, `#[post]` and so on.
//!
//! Use them through `pixie-web`, because the code that they write refers to that crate. An attribute parses
//! its arguments, checks them, and writes a `Route` value next to the function. The function stays as it is
//! and can be called by hand. Invariant: a mistake gives one error, at the wrong token, and the error says
//! how to fix it.
#![forbid(unsafe_code)]

mod check;
mod expand;
mod extractor;
#[cfg(feature = "openapi")]
mod notes;
#[cfg(not(feature = "openapi"))]
#[path = "no_notes.rs"]
mod notes;
mod parse;

use proc_macro::TokenStream;

/// Makes a function the handler of a route: `#[route("/path", kind, METHOD…, option = value…)]`.
///
/// **Path.** Literal text and wildcards: `<name>` (text within one segment), `<name:int>`, `<name:float>`,
/// `<name:uuid>`, and `<name:path>` for the rest of the path.
///
/// **Kind**, where the handler runs: `sync` (on the connection's thread), `thread` (on a blocking thread),
/// `async` (on the runtime), `pool` (in a worker process) or `stream` (in a worker process, the body sent
/// piece by piece). Without a kind, an `async fn` is `async` and a plain `fn` is `pool`.
///
/// **Methods**: any of `GET`, `POST`, `PUT`, `PATCH`, `DELETE`, `HEAD`, `OPTIONS` and `TRACE`. Default:
/// `GET`. A `GET` route answers `HEAD` as well.
///
/// **Options**:
///
/// | option | meaning |
/// |---|---|
/// | `pool = "images"` | the worker pool that runs the route; chooses the kind `pool` if no kind is given |
/// | `deadline = "2s"` | the time until the response is 504, in `ms`, `s`, `m` or `h` |
/// | `body_limit = "10MB"` | the size limit of the body: a number of bytes, or a text with a unit |
/// | `fresh` | gives each request a worker process of its own, which exits after it; chooses the kind `pool` as well |
/// | `retry = true` | whether a request may run again after its worker crashed |
/// | `csrf = false` | accepts cross-site requests: for webhooks |
/// | `cache_control = "max-age=60"` | the `Cache-Control` header, unless the handler sets it |
/// | `limit = "5/min"` | how often a client may ask, per `s`, `min`, `h`, `day` or a duration; then 429 |
/// | `openapi = false` | hides the route in the OpenAPI document |
/// | `tag = "images"` | the tag of the route in the OpenAPI document |
/// | `security = "session"` | the security scheme that a hook of the route checks, in the OpenAPI document |
/// | `name = "thumb"` | the name in URLs and messages; by default the function's name |
///
/// `pool` and `retry` are only for `pool` and `stream` routes. `deadline` is not for `sync` routes, which
/// cannot be stopped. Units of sizes are `B`, `kB`, `MB`, `GB` (1000 each) and `KiB`, `MiB`, `GiB` (1024
/// each). `cache_control` applies to the handler's successful responses and redirects.
///
/// **Arguments.** An argument with the name of a wildcard gets the wildcard's value. It may have any type
/// with `FromStr`; a value that cannot be parsed gives 404. `&Request` is the request, after the other
/// arguments took their part of the body. `&mut Writer` writes the body of a `stream` route. Every other type
/// is an extractor, and at most one extractor may read the body. Wildcards are parsed first, so that a URL
/// that does not exist is 404 even if the request has other mistakes.
///
/// **Return value.** Any type that becomes a response: text, `Html`, `Json`, a status, a `Result` of one of
/// them and so on. A `stream` handler returns an iterator of pieces, `Pieces`, or a `Result` of one of them.
/// With a `Writer`, it returns `Result<()>` or `()`.
#[proc_macro_attribute]
pub fn route(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(None, arguments.into(), item.into()).into()
}

macro_rules! short_forms {
    ($($name:ident: $method:literal),*) => {$(
        #[doc = concat!("Makes a function the handler of a ", $method, " route: [`#[route]`](macro@route) without methods.")]
        #[proc_macro_attribute]
        pub fn $name(arguments: TokenStream, item: TokenStream) -> TokenStream {
            expand::attribute(Some($method), arguments.into(), item.into()).into()
        }
    )*};
}

short_forms!(get: "GET", post: "POST", put: "PUT", patch: "PATCH", delete: "DELETE");

/// Makes the type that a function returns an extractor, from other extractors: the arguments of the function.
///
/// The arguments are those that a handler can have, without wildcards. The function returns the type, or a
/// `Result` of it. The app checks at its start that each route finds what the arguments read, such as the type
/// of a `State`.
///
/// `#[extractor(security = "session")]` says in the OpenAPI document that a request needs the security scheme with
/// this name.
#[proc_macro_attribute]
pub fn extractor(arguments: TokenStream, item: TokenStream) -> TokenStream {
    extractor::attribute(arguments.into(), item.into()).into()
}

#[cfg(test)]
#[test]
fn every_option_is_documented() {
    for option in pixie_grammar::RouteOption::ALL {
        assert!(include_str!("lib.rs").contains(&format!("/// | `{}", option.name)), "{}", option.name);
    }
}
