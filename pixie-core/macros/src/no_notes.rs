//! Without the feature `openapi`, routes and extractors note nothing.
use proc_macro2::TokenStream;
use syn::Type;

use crate::check::CheckedRoute;

pub(crate) fn of_route(_: &CheckedRoute) -> TokenStream {
    TokenStream::new()
}

pub(crate) fn of_extractor<'t>(_: impl Iterator<Item = &'t Type>) -> TokenStream {
    TokenStream::new()
}
