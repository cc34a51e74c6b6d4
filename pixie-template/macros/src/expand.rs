//! Writes the code of `#[template]`: the item as it was, askama's implementation, and ours.
//!
//! askama's derive runs as a function inside this attribute instead of as `#[derive(Template)]` on the item, because only so can
//! its output be completed. The attribute named `template` that askama reads is made here and never reaches the user's item,
//! so it cannot be mistaken for this one.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, GenericParam, Lifetime, parse_quote};

use crate::{content_type::content_type, filters, options::Options, unknown_field::unknown_fields};

/// Expands the attribute; a mistake in its options becomes a compile error that leaves the item in place.
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
    // The second argument would import askama by its own name; the attribute says where it is instead.
    let generated = askama_derive::derive_template(askama, TokenStream::new);
    let generated = filters::resolve(generated, &home);
    let complaints = complaints(&item, &generated, options, &home);
    let view = view(&item, options, &variants, &home);
    let response = response(&item, &home);
    Ok(quote!(#item #generated #complaints #view #response))
}

/// Takes `#[template(…)]` off the variants of an enum, where it would be no attribute that the compiler knows.
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

/// Says file and line of each variable without a field, unless the compiler finds that the struct passes reads on by `Deref`.
fn complaints(item: &DeriveInput, generated: &TokenStream, options: &Options, home: &TokenStream) -> TokenStream {
    // With `blocks`, askama writes structs of its own with fields of their own.
    let concrete = concrete_type(item).filter(|_| !options.has("blocks"));
    let Some(concrete) = concrete else { return TokenStream::new() };
    let inline = options.text("source").map(|text| text.value());
    let messages = unknown_fields(item, generated, inline.as_deref());
    quote!(#(const _: () = {
        use #home::check::PassesNothingOn as _;
        ::core::assert!(#home::check::Reads::<#concrete>::PASSED_ON, #messages);
    };)*)
}

/// Returns the item's type for a constant: lifetimes become `'static`; with type parameters there is none.
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

/// Lets a handler return the item, if pixie-template is built for that.
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
        }
    }
}
