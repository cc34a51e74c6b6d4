//! The `#[template]` attribute of pixie-template.
//!
//! Parses the options and the content type (`options`), lets askama compile the template, and adds filters
//! that need no import (`filters`) and the place of an unknown variable (`unknown_field`). `expand` combines
//! the parts. The generated code uses the path of only one crate: the one that the user has in `Cargo.toml`.
#![forbid(unsafe_code)]

mod expand;
mod filters;
mod options;
mod unknown_field;

use proc_macro::TokenStream;
use quote::quote;

/// Compiles a template into the struct or enum that contains its values.
///
/// `#[template("post.html")]` reads `templates/post.html`. Every option of askama's attribute may follow.
/// `source = "…"` takes the template inline. See the crate `pixie-template`.
#[proc_macro_attribute]
pub fn template(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), quote!(::pixie_template)).into()
}

/// The same attribute for users of `pixie-web`, who do not have `pixie-template` in their `Cargo.toml`.
#[proc_macro_attribute]
pub fn web_template(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), quote!(::pixie_web::template)).into()
}
