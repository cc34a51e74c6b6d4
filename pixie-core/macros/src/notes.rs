//! The notes of a route for the OpenAPI document: the comment above the handler, the schemas of its types, and
//! its answer. Feature `openapi`.
//!
//! Every type that the signature names is asked for its schema, also inside of others, such as `Article` in
//! `Result<Json<Vec<Article>>>`. A type without a schema is no error.
use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::{Attribute, Expr, ExprLit, GenericArgument, Lit, Meta, PathArguments, Type};

use crate::{
    check::{Argument, CheckedRoute, Output, Source},
    expand::{code, is_nameless},
};

/// Writes the call that adds the notes of a route.
pub(crate) fn of_route(route: &CheckedRoute) -> TokenStream {
    let comment = comment(&route.attributes);
    let is_deprecated = route.attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    let wildcards = route.arguments.iter().filter_map(|Argument { source, ty, .. }| match source {
        Source::Wildcard(name) => Some(code!(notes.wildcard::<#ty>(#name);)),
        _ => None,
    });
    let answer = match &route.output {
        Output::Response(Some(ty)) if !is_nameless(ty.to_token_stream()) => Some(ty),
        _ => None,
    };
    let owned =
        route.arguments.iter().filter(|argument| matches!(argument.source, Source::Wildcard(_) | Source::Extractor));
    let schemas = schemas(owned.map(|argument| &argument.ty).chain(answer));
    let answer = answer.map(|ty| code!((&::pixie_web::__macro::openapi::Probe::<#ty>::HERE).describe(notes);));
    code! {
        .note(|notes| {
            use ::pixie_web::__macro::openapi::{ElseAnswer as _, ElseSchema as _, OfAnswer as _, OfSchema as _};
            notes.comment(#comment, #is_deprecated);
            #(#wildcards)*
            #schemas
            #answer
        })
    }
}

/// Writes the statements that note the types of an extractor, where a variable `needs` is.
pub(crate) fn of_extractor<'t>(types: impl Iterator<Item = &'t Type>) -> TokenStream {
    let schemas = schemas(types);
    code! {
        let notes = &mut needs.notes;
        use ::pixie_web::__macro::openapi::{ElseSchema as _, OfSchema as _};
        #schemas
    }
}

fn schemas<'t>(types: impl Iterator<Item = &'t Type>) -> TokenStream {
    let mut found = BTreeMap::new();
    types.for_each(|ty| collect(ty, &mut found));
    let types = found.values();
    code!(#(notes.schema::<#types>((&::pixie_web::__macro::openapi::Probe::<#types>::HERE).schema_of());)*)
}

/// Adds a type and the types that it names.
fn collect<'t>(ty: &'t Type, found: &mut BTreeMap<String, &'t Type>) {
    let text = ty.to_token_stream();
    if is_nameless(text.clone()) || found.contains_key(&text.to_string()) {
        return;
    }
    found.insert(text.to_string(), ty);
    match ty {
        Type::Path(path) => path.path.segments.iter().for_each(|segment| {
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return };
            arguments.args.iter().for_each(|argument| {
                if let GenericArgument::Type(ty) = argument {
                    collect(ty, found);
                }
            });
        }),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| collect(ty, found)),
        Type::Array(array) => collect(&array.elem, found),
        _ => {}
    }
}

/// Returns the text of the comment above a function.
fn comment(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    let lines: Vec<_> = attributes.iter().filter_map(line).collect();
    let lines = lines.iter().flat_map(|text| text.split('\n')).map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}
