//! The code of a route: the function as it was written, and next to it a `Route` value in the registry.
//!
//! The code is the value of one static, so that the compiler reports a wrong type once, at the type.
//! Invariant: the code has only absolute paths, defines no name that the user's code can see, and has each
//! type at the user's own span.
use pixie_grammar::RouteType;
use proc_macro2::{Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{Result, Type, parse2, spanned::Spanned as _};

use crate::{
    check::{Argument, CheckedRoute, Output, Source, check},
    notes,
    parse::{GivenOption, HandlerFn, RouteArguments, Value},
};

/// Writes code that does not share variables with the user's code, so that a handler may be called `request`.
macro_rules! code {
    ($($tokens:tt)*) => { quote_spanned!(Span::mixed_site()=> $($tokens)*) };
}
pub(crate) use code;

/// Expands one attribute. After a mistake the function stays, so that its callers do not give errors as well.
pub(crate) fn attribute(method: Option<&str>, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let added = match route(method, arguments, item.clone()) {
        Ok(route) => registration(&route),
        Err(error) => error.into_compile_error(),
    };
    quote!(#item #added)
}

fn route(method: Option<&str>, arguments: TokenStream, item: TokenStream) -> Result<CheckedRoute> {
    let mut arguments: RouteArguments = parse2(arguments)?;
    if let Some(method) = method {
        if let Some(second) = arguments.methods.first() {
            let short = method.to_lowercase();
            let message = format!(
                "`#[{short}]` is for one method: write `#[route({}, {method}, {second})]`",
                arguments.path.token()
            );
            return Err(syn::Error::new(second.span(), message));
        }
        arguments.methods.push(Ident::new(method, Span::call_site()));
    }
    check(arguments, parse2::<HandlerFn>(item)?)
}

fn registration(route: &CheckedRoute) -> TokenStream {
    // The `#[cfg]`s of the handler also apply to the route.
    let cfgs = route.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let is_deprecated = route.attributes.iter().any(|attribute| attribute.path().is_ident("deprecated"));
    // A client should not use the route any more; the app still has to call its handler.
    let lint = is_deprecated.then(|| code!(#[allow(deprecated)]));
    let body_checks = body_checks(route);
    let value = value(route);
    code! {
        #(#cfgs)*
        #lint
        const _: () = {
            ::pixie_web::__macro::inventory::submit! {
                ::pixie_web::__macro::Registered {
                    package: ::core::env!("CARGO_PKG_NAME"),
                    version: ::core::env!("CARGO_PKG_VERSION"),
                    description: ::core::env!("CARGO_PKG_DESCRIPTION"),
                    route: {
                        #body_checks
                        || #value
                    },
                }
            }
        };
    }
}

/// Writes checks for the compiler: whether each two extractors, and each extractor and the kind, agree about
/// the body.
fn body_checks(route: &CheckedRoute) -> TokenStream {
    let extractors: Vec<_> = route.arguments.iter().filter(|argument| argument.source == Source::Extractor).collect();
    let mut checks = TokenStream::new();
    for (index, second) in extractors.iter().enumerate() {
        checks.extend(kind_check(route.kind, second));
        checks.extend(connection_check(route, second));
        for first in &extractors[..index] {
            checks.extend(body_check(first, second));
        }
    }
    checks
}

fn body_check(first: &Argument, second: &Argument) -> TokenStream {
    let (Argument { ty: one, .. }, Argument { ty: other, .. }) = (first, second);
    let message = format!(
        "`{}` and `{}` both read the request's body: keep one of them, or take a `Request` and read it there",
        first.label, second.label
    );
    let refusal = quote_spanned!(other.span().resolved_at(Span::mixed_site())=> ::core::panic!("{}", #message));
    code! {
        if !::pixie_web::__macro::BodyUse::is_compatible(
            <#one as ::pixie_web::__macro::FromRequest>::BODY,
            <#other as ::pixie_web::__macro::FromRequest>::BODY,
        ) {
            #refusal
        }
    }
}

/// Writes the check that an extractor does not block in a kind that shares its thread.
fn kind_check(kind: RouteType, Argument { ty, label, .. }: &Argument) -> Option<TokenStream> {
    let (reason, remedy) = match kind {
        RouteType::Sync => ("a `sync` route must not wait", "write `thread` or `pool` instead, or take `Bytes`"),
        RouteType::Async => ("an `async` route must not block", "take `Body`"),
        RouteType::Thread | RouteType::Pool | RouteType::Stream => return None,
    };
    let message = format!("`{label}` waits while the body arrives, and {reason}: {remedy}");
    let refusal = quote_spanned!(ty.span().resolved_at(Span::mixed_site())=> ::core::panic!("{}", #message));
    Some(code! {
        if ::pixie_web::__macro::BodyUse::blocks(<#ty as ::pixie_web::__macro::FromRequest>::BODY) {
            #refusal
        }
    })
}

/// Writes the check that an extractor takes over the connection in an async route only.
fn connection_check(route: &CheckedRoute, Argument { ty, label, .. }: &Argument) -> Option<TokenStream> {
    if route.kind == RouteType::Async {
        return None;
    }
    let (kind, handler) = (route.kind, &route.handler);
    let message = format!(
        "`{label}` takes over the connection, which only an `async` route can do: write `async fn {handler}` and remove \
         the kind `{kind}` if the attribute names it"
    );
    let refusal = quote_spanned!(ty.span().resolved_at(Span::mixed_site())=> ::core::panic!("{}", #message));
    Some(code! {
        if ::pixie_web::__macro::BodyUse::takes_connection(<#ty as ::pixie_web::__macro::FromRequest>::BODY) {
            #refusal
        }
    })
}

/// Writes the route as it would be written by hand.
fn value(route: &CheckedRoute) -> TokenStream {
    let CheckedRoute { path, name, .. } = route;
    let get = [Ident::new("GET", Span::call_site())];
    let (first, others) = route.methods.split_first().unwrap_or((&get[0], &[]));
    // The span makes `line!` count the handler's line, not the attribute's.
    let line = quote_spanned!(route.handler.span()=> ::core::line!());
    let handler = handler(route);
    let (options, notes) = (options(route), notes::of_route(route));
    code! {
        ::pixie_web::__macro::RoutePath::new(#path, ::pixie_web::__macro::Method::#first)
            #(.method(::pixie_web::__macro::Method::#others))*
            .place(::pixie_web::__macro::Place { name: #name, file: ::core::file!(), line: #line })
            #handler
            #options
            #notes
    }
}

fn options(route: &CheckedRoute) -> TokenStream {
    let setters = route.options.iter().map(setter);
    let extractors = route.arguments.iter().filter(|argument| argument.source == Source::Extractor);
    let needs = extractors.map(|Argument { ty, label, .. }| code!(.argument::<#ty>(#label)));
    // The borrowed request comes last, because it shows what the extractors left of the body.
    let lent = route.arguments.iter().find(|argument| argument.source == Source::Lent);
    let lent = lent.map(|_| code!(.extractor::<::pixie_web::__macro::Request>()));
    let by_default = route.has_default_kind.then(|| code!(.by_default()));
    code! {
        #by_default
        #(#setters)*
        .needs(<::pixie_web::__macro::Needs as ::core::default::Default>::default()#(#needs)* #lent)
    }
}

/// Writes the call of the method of `Route` that has the option's name.
fn setter(given: &GivenOption) -> TokenStream {
    let method = Ident::new(given.option.name, Span::mixed_site());
    let value = match &given.value {
        Value::Text(text) => code!(#text),
        Value::Switch(switch) => code!(#switch),
        Value::Flag => TokenStream::new(),
        Value::Milliseconds(milliseconds) => code!(::core::time::Duration::from_millis(#milliseconds)),
        Value::Bytes(bytes) => Literal::u64_unsuffixed(*bytes).into_token_stream(),
    };
    code!(.#method(#value))
}

/// Writes the adapter between a request and the function. Only this code differs between the kinds.
fn handler(route: &CheckedRoute) -> TokenStream {
    let names: Vec<Ident> = (0..route.arguments.len()).map(local).collect();
    let lent = match route.kind {
        RouteType::Async => code!(&owned),
        _ => code!(&*request),
    };
    let call = call(route, &names, &lent);
    match route.kind {
        RouteType::Sync | RouteType::Thread | RouteType::Pool => {
            let kind = Ident::new(route.kind.as_str(), Span::call_site());
            let refuse = code!(::pixie_web::__macro::IntoResponse::into_response(rejection));
            let extraction = extraction(route, &names, &refuse);
            let answer = answer(&route.output, &call);
            code! {
                .#kind(|request: &mut ::pixie_web::__macro::Request| -> ::pixie_web::__macro::Response {
                    #extraction
                    #answer
                })
            }
        }
        RouteType::Async => asynchronous(route, &names, &call),
        RouteType::Stream => {
            let refuse = code!(::core::result::Result::Err(rejection));
            let extraction = extraction(route, &names, &refuse);
            let answer = answer(&route.output, &call);
            code! {
                .stream_to(|
                    request: &mut ::pixie_web::__macro::Request,
                    writer: &mut ::pixie_web::__macro::Writer<'_>,
                | -> ::core::result::Result<(), ::pixie_web::__macro::Error> {
                    #extraction
                    #answer
                })
            }
        }
    }
}

/// Writes the adapter of an async handler. Arguments are made before the future, so that the future holds the
/// request only if the handler borrows it.
fn asynchronous(route: &CheckedRoute, names: &[Ident], call: &TokenStream) -> TokenStream {
    let refuse = code! {{
        let response = ::pixie_web::__macro::IntoResponse::into_response(rejection);
        ::std::boxed::Box::pin(::core::future::ready(response))
    }};
    let extraction = extraction(route, names, &refuse);
    let answer = answer(&route.output, &code!(#call.await));
    // The span makes the compiler report a future that is not `Send` at the handler's name.
    let at_handler = route.handler.span().resolved_at(Span::mixed_site());
    let future = quote_spanned!(at_handler=> ::std::boxed::Box::pin(async move { #answer }));
    code! {
        .handler(::pixie_web::__macro::Handler::Async(::std::sync::Arc::new(
            |mut owned: ::pixie_web::__macro::Request| -> ::pixie_web::__macro::BoxFuture<::pixie_web::__macro::Response> {
                let request = &mut owned;
                #extraction
                #future
            }
        )))
    }
}

/// Writes a `let` for each argument that is made from the request: wildcards, then extractors.
fn extraction(route: &CheckedRoute, names: &[Ident], refuse: &TokenStream) -> TokenStream {
    let value = |Argument { source, ty, label }: &Argument| match source {
        Source::Wildcard(wildcard) => Some(code!(::pixie_web::__macro::Request::param::<#ty>(request, #wildcard))),
        Source::Extractor => Some(code!(<#ty as ::pixie_web::__macro::FromRequest>::from_argument(request, #label))),
        Source::Lent | Source::Writer => None,
    };
    let made =
        route.arguments.iter().zip(names).filter_map(|(argument, name)| Some((argument, name, value(argument)?)));
    let (extractors, wildcards): (Vec<_>, Vec<_>) =
        made.partition(|(argument, ..)| argument.source == Source::Extractor);
    let lets = wildcards.iter().chain(&extractors).map(|(_, name, value)| {
        code! {
            let #name = match #value {
                ::core::result::Result::Ok(value) => value,
                ::core::result::Result::Err(rejection) => return #refuse,
            };
        }
    });
    code!(#(#lets)*)
}

fn call(route: &CheckedRoute, names: &[Ident], lent: &TokenStream) -> TokenStream {
    let handler = &route.handler;
    let arguments = route.arguments.iter().zip(names).map(|(argument, name)| match argument.source {
        Source::Wildcard(_) | Source::Extractor => code!(#name),
        Source::Lent => lent.clone(),
        Source::Writer => code!(writer),
    });
    code!(#handler(#(#arguments),*))
}

/// Writes the conversion of what the handler returns.
fn answer(output: &Output, call: &TokenStream) -> TokenStream {
    let pieces = |ty: &Option<Type>, value: &TokenStream| {
        let pieces = converted(ty.as_ref(), &code!(::pixie_web::__macro::IntoPieces), &code!(into_pieces), value);
        code!(::pixie_web::__macro::Pieces::write_to(#pieces, writer))
    };
    let into_error = code!(::pixie_web::__macro::IntoError::into_error);
    match output {
        Output::Response(ty) => {
            converted(ty.as_ref(), &code!(::pixie_web::__macro::IntoResponse), &code!(into_response), call)
        }
        Output::Pieces(ty) => pieces(ty, call),
        Output::FalliblePieces(ty) => {
            let written = pieces(ty, &code!(value));
            code! {
                match #call {
                    ::core::result::Result::Ok(value) => #written,
                    ::core::result::Result::Err(error) => ::core::result::Result::Err(#into_error(error)),
                }
            }
        }
        Output::FalliblyWritten => code!(::core::result::Result::map_err(#call, #into_error)),
        Output::Written => code! {{
            #call;
            ::core::result::Result::Ok(())
        }},
    }
}

/// Writes the conversion of a value by a trait. The compiler reports a type without the trait where the user
/// wrote the type.
fn converted(ty: Option<&Type>, of: &TokenStream, method: &TokenStream, value: &TokenStream) -> TokenStream {
    let Some(ty) = ty else { return code!(#of::#method(#value)) };
    if !is_nameless(quote!(#ty)) {
        return code!(<#ty as #of>::#method(#value));
    }
    let answer = Ident::new("answer", ty.span().resolved_at(Span::mixed_site()));
    code! {{
        let #answer = #value;
        #of::#method(#answer)
    }}
}

/// Returns whether the type contains an `impl Trait`, which only a signature may contain.
pub(crate) fn is_nameless(ty: TokenStream) -> bool {
    ty.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "impl",
        TokenTree::Group(group) => is_nameless(group.stream()),
        _ => false,
    })
}

/// Returns the variable of an argument, which the user's code cannot see.
fn local(index: usize) -> Ident {
    format_ident!("argument{index}", span = Span::mixed_site())
}
