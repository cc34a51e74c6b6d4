//! The `#[template]` attribute of pixie-template.
//!
//! It parses its options (`options`), has askama compile the template, and adds what askama leaves out: filters that need no
//! import (`filters`), the place of an unknown variable (`unknown_field`) and the content type (`content_type`). All of it is
//! put together in `expand`. The generated code names one path only, the crate that the user has in `Cargo.toml`.
#![forbid(unsafe_code)]

mod content_type;
mod expand;
mod filters;
mod options;
mod unknown_field;

use proc_macro::TokenStream;
use quote::quote;

/// Compiles a template into the struct or enum that carries its values.
///
/// `#[template("post.html")]` reads `templates/post.html`; every option of askama's attribute may follow, and `source = "…"`
/// takes the text inline. See the crate `pixie-template`.
#[proc_macro_attribute]
pub fn template(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), quote!(::pixie_template)).into()
}

/// The same attribute for users of `pixie-web`, who have no `pixie-template` in their `Cargo.toml`.
#[proc_macro_attribute]
pub fn web_template(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), quote!(::pixie_web::template)).into()
}
