//! Lets a template use the filters of pixie-template without an import.
//!
//! askama looks up an unknown filter in a module `filters` in the user's scope. This module replaces that
//! path for the names of our filters; every other name still means the user's own module.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::quote;

/// The filters of `pixie_template::filters`.
const OURS: [&str; 3] = ["date", "json_script", "markdown"];

/// Rewrites `filters::date` to `home::filters::date`, and the paths of our other filters likewise.
pub(crate) fn resolve(tokens: TokenStream, home: &TokenStream) -> TokenStream {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut resolved = TokenStream::new();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), resolve(group.stream(), home));
                inner.set_span(group.span());
                resolved.extend([TokenTree::Group(inner)]);
            }
            TokenTree::Ident(name) if name == "filters" && is_ours(&trees, at) => {
                resolved.extend(quote!(#home::filters))
            }
            other => resolved.extend([other.clone()]),
        }
    }
    resolved
}

/// Returns whether a path of exactly two names starts here and ends in one of `OURS`: `askama::filters::…`
/// starts earlier.
fn is_ours(trees: &[TokenTree], at: usize) -> bool {
    let starts_here =
        at == 0 || !matches!(&trees[at - 1], TokenTree::Punct(punct) if matches!(punct.as_char(), ':' | '.'));
    let is_colon = |at: usize| matches!(trees.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    let is_known = matches!(trees.get(at + 3), Some(TokenTree::Ident(name)) if OURS.iter().any(|ours| name == ours));
    starts_here && is_colon(at + 1) && is_colon(at + 2) && is_known
}
