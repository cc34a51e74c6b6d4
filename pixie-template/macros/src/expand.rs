//! Writes the code of `#[template]`: the unchanged item, askama's implementation, and ours.
//!
//! Calls askama's derive as a function instead of writing `#[derive(Template)]` on the item, because only
//! then can this crate change the derive's output. The attribute `template` that askama reads is made here
//! and is not written on the user's item, so the compiler never confuses it with this attribute.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, GenericParam, Lifetime, parse_quote};

use crate::{
    filters,
    options::{Options, content_type},
    unknown_field::unknown_fields,
};

/// Expands the attribute. A mistake in its options becomes a compile error; the item is kept, to avoid
/// follow-up errors.
pub(crate) fn expand(options: TokenStream, item: TokenStream, default_home: TokenStream) -> TokenStream {
    let outcome = syn::parse2(options).and_then(|options| template(&options, syn::parse2(item.clone())?, default_home));
    outcome.unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote!(#error #item)
    })
}

fn template(options: &Options, mut item: DeriveInput, default_home: TokenStream) -> syn::Result<TokenStream> {
    let home = options.home(default_home);
    let variants = take_variant_options(&mut item)?;
    let askama = annotate(&item, options, &variants, &home);
    // The second argument would import askama by its own name; instead, the attribute contains the path of
    // askama.
    let generated = askama_derive::derive_template(askama, TokenStream::new);
    let generated = filters::resolve(generated, &home);
    let complaints = complaints(&item, &generated, options, &home);
    let view = view(&item, options, &variants, &home);
    let response = response(&item, &home);
    Ok(quote!(#item #generated #complaints #view #response))
}

/// Removes `#[template(…)]` from the variants of an enum, because the compiler does not know that attribute
/// there.
fn take_variant_options(item: &mut DeriveInput) -> syn::Result<Vec<Option<Options>>> {
    let Data::Enum(data) = &mut item.data else { return Ok(Vec::new()) };
    let is_ours = |attribute: &Attribute| attribute.path().is_ident("template");
    data.variants
        .iter_mut()
        .map(|variant| {
            let options =
                variant.attrs.iter().find(|attribute| is_ours(attribute)).map(Attribute::parse_args).transpose();
            variant.attrs.retain(|attribute| !is_ours(attribute));
            options
        })
        .collect()
}

/// Returns the item with the attributes that askama's derive reads.
fn annotate(item: &DeriveInput, options: &Options, variants: &[Option<Options>], home: &TokenStream) -> TokenStream {
    let mut annotated = item.clone();
    if let Data::Enum(data) = &mut annotated.data {
        for (variant, options) in data.variants.iter_mut().zip(variants) {
            if let Some(options) = options {
                let attribute = options.askama_attribute(TokenStream::new());
                variant.attrs.push(parse_quote!(#attribute));
            }
        }
    }
    let attribute = options.askama_attribute(quote!(askama = #home::askama));
    quote!(#attribute #annotated)
}

/// Returns a compile error with file and line for each variable without a field, if the struct does not
/// implement `Deref`.
fn complaints(item: &DeriveInput, generated: &TokenStream, options: &Options, home: &TokenStream) -> TokenStream {
    // With `blocks`, askama generates more structs, which have other fields.
    let concrete = concrete_type(item).filter(|_| !options.has("blocks"));
    let Some(concrete) = concrete else { return TokenStream::new() };
    let inline = options.text("source").map(|text| text.value());
    let messages = unknown_fields(item, generated, inline.as_deref());
    quote!(#(const _: () = {
        use #home::check::PassesNothingOn as _;
        ::core::assert!(#home::check::Reads::<#concrete>::PASSED_ON, #messages);
    };)*)
}

/// Returns the item's type with `'static` for each lifetime, for use in a constant; `None` if it has type
/// parameters.
fn concrete_type(item: &DeriveInput) -> Option<TokenStream> {
    let name = &item.ident;
    let lifetimes: Vec<Lifetime> = item
        .generics
        .params
        .iter()
        .map(|param| matches!(param, GenericParam::Lifetime(_)).then(|| parse_quote!('static)))
        .collect::<Option<_>>()?;
    Some(quote!(#name<#(#lifetimes),*>))
}

/// Implements `View`.
fn view(item: &DeriveInput, options: &Options, variants: &[Option<Options>], home: &TokenStream) -> TokenStream {
    let (impl_generics, type_generics, where_clause) = item.generics.split_for_impl();
    let type_name = &item.ident;
    let name = options.text("path").map_or_else(|| type_name.to_string(), |path| path.value());
    let first = [options].into_iter().chain(variants.iter().flatten()).find_map(Options::extension);
    let content_type = content_type(first.as_deref().unwrap_or("html"));
    quote! {
        #[automatically_derived]
        impl #impl_generics #home::View for #type_name #type_generics #where_clause {
            const NAME: &'static str = #name;
            const CONTENT_TYPE: &'static str = #content_type;
        }
    }
}

/// Implements `IntoResponse`, so that a handler can return the item, if the feature `core` is on.
fn response(item: &DeriveInput, home: &TokenStream) -> TokenStream {
    if !cfg!(feature = "core") {
        return TokenStream::new();
    }
    let (impl_generics, type_generics, where_clause) = item.generics.split_for_impl();
    let type_name = &item.ident;
    quote! {
        #[automatically_derived]
        impl #impl_generics #home::pixie_core::IntoResponse for #type_name #type_generics #where_clause {
            fn into_response(self) -> #home::pixie_core::Response {
                #home::respond(&self)
            }

            fn describe(notes: &mut #home::pixie_core::Notes) {
                notes.answer::<str>("200", <Self as #home::View>::CONTENT_TYPE);
            }
        }
    }
}
