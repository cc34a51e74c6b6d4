//! The code of an extractor: the function as it was written, and next to it `FromRequest` for the type that it
//! returns.
//!
//! What the extractor reads follows from the types of its arguments. Invariant: as for routes, the code has only
//! absolute paths, and each type at the user's own span.
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{
    Error, Expr, ExprLit, GenericArgument, Lit, LitStr, MetaNameValue, PathArguments, Result, ReturnType, Type, parse2,
    spanned::Spanned as _,
};

use crate::{
    check::{Argument, Source, argument, check_signature, last_segment},
    expand::code,
    notes,
    parse::HandlerFn,
};

/// Expands the attribute. After a mistake the function stays, so that its callers do not give errors as well.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let added = match implementation(arguments, item.clone()) {
        Ok(implementation) => implementation,
        Err(error) => error.into_compile_error(),
    };
    quote!(#item #added)
}

fn implementation(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let security = security(arguments)?.map(|name| code!(needs.notes.secured(#name);));
    let HandlerFn { attributes, signature } = parse2(item)?;
    check_signature(&signature)?;
    if let Some(asyncness) = &signature.asyncness {
        let fix = "wait in a hook (`App::before_async`), and pass the value on with `request.carry`";
        return Err(Error::new(asyncness.span(), format!("an extractor does not wait: {fix}")));
    }
    let extractors = signature.inputs.iter().map(extractor).collect::<Result<Vec<_>>>()?;
    let (made, is_fallible) = made(&signature.output, signature.ident.span())?;
    let cfgs = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let function = &signature.ident;
    let types: Vec<_> = extractors.iter().map(|argument| &argument.ty).collect();
    let refusals = types.iter().map(|ty| {
        quote_spanned! {ty.span().resolved_at(Span::mixed_site())=>
            ::core::panic!("two arguments read the request's body: keep one of them")
        }
    });
    let values = extractors.iter().map(
        |Argument { ty, label, .. }| code!(<#ty as ::pixie_web::__macro::FromRequest>::from_argument(request, #label)?),
    );
    let needs = extractors.iter().map(|Argument { ty, label, .. }| {
        code!(needs.notes.set_argument(#label); <#ty as ::pixie_web::__macro::FromRequest>::needs(needs);)
    });
    let notes = notes::of_extractor(types.iter().copied());
    let call = code!(#function(#(#values),*));
    let value = match is_fallible {
        true => code!(::core::result::Result::map_err(#call, ::pixie_web::__macro::IntoError::into_error)),
        false => code!(::core::result::Result::Ok(#call)),
    };
    Ok(code! {
        #(#cfgs)*
        impl ::pixie_web::__macro::FromRequest for #made {
            const BODY: ::pixie_web::__macro::BodyUse = {
                let body = ::pixie_web::__macro::BodyUse::Unused;
                #(
                    let next = <#types as ::pixie_web::__macro::FromRequest>::BODY;
                    if !::pixie_web::__macro::BodyUse::is_compatible(body, next) {
                        #refusals
                    }
                    let body = ::pixie_web::__macro::BodyUse::and(body, next);
                )*
                body
            };

            fn needs(needs: &mut ::pixie_web::__macro::Needs) {
                let _ = &needs;
                #(#needs)*
                #security
                #notes
            }

            fn from_request(
                request: &mut ::pixie_web::__macro::Request,
            ) -> ::core::result::Result<Self, ::pixie_web::__macro::Error> {
                let _ = &request;
                #value
            }
        }
    })
}

/// Returns the value of the only option, `security`.
fn security(arguments: TokenStream) -> Result<Option<LitStr>> {
    if arguments.is_empty() {
        return Ok(None);
    }
    let message = "`#[extractor]` has one option: write `security = \"session\"`, or remove the parentheses";
    match parse2::<MetaNameValue>(arguments.clone()) {
        Ok(MetaNameValue { path, value: Expr::Lit(ExprLit { lit: Lit::Str(name), .. }), .. })
            if path.is_ident("security") =>
        {
            Ok(Some(name))
        }
        _ => Err(Error::new_spanned(arguments, message)),
    }
}

fn extractor(input: &syn::FnArg) -> Result<Argument> {
    let argument = argument(input, &[])?;
    match argument.source {
        Source::Extractor => Ok(argument),
        _ => Err(Error::new_spanned(
            &argument.ty,
            "an extractor takes other extractors, such as `Headers` or `State<T>`",
        )),
    }
}

/// Returns the type that a function makes, and whether it may fail.
fn made(output: &ReturnType, function: Span) -> Result<(Type, bool)> {
    let ReturnType::Type(_, ty) = output else {
        return Err(Error::new(
            function,
            "an extractor returns the value that it makes: write its type, or `Result` of it",
        ));
    };
    if last_segment(ty).is_none_or(|name| name != "Result") {
        return Ok(((**ty).clone(), false));
    }
    let Type::Path(path) = &**ty else { return Ok(((**ty).clone(), false)) };
    let arguments = path.path.segments.last().map(|segment| &segment.arguments);
    match arguments {
        Some(PathArguments::AngleBracketed(arguments)) => match arguments.args.first() {
            Some(GenericArgument::Type(made)) => Ok((made.clone(), true)),
            _ => Err(Error::new(ty.span(), "write the type of the value, such as `Result<User>`")),
        },
        _ => Err(Error::new_spanned(ty.to_token_stream(), "write the type of the value, such as `Result<User>`")),
    }
}
