//! Whether path, kind, options and function fit together, and what each argument of the function is.
//!
//! Questions that need types (is it an extractor, does it read the body, is it a response) are left to the
//! compiler and to the code that `expand.rs` writes. Invariant: each error points at one token and says how
//! to fix it.
use pixie_grammar::{Filter, PathPart, RouteType, parse_path};
use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::{
    Attribute, Error, FnArg, GenericArgument, LitStr, Pat, PatType, PathArguments, Result, ReturnType, Safety,
    Signature, Type, TypePath, ext::IdentExt,
};

use crate::parse::{GivenOption, HandlerFn, RouteArguments, Value};

/// A route without a mistake that its text shows.
pub(crate) struct CheckedRoute {
    pub(crate) path: LitStr,
    pub(crate) kind: RouteType,
    /// Whether the author has left the choice of the kind to the app.
    pub(crate) has_default_kind: bool,
    pub(crate) methods: Vec<Ident>,
    /// The options except the name.
    pub(crate) options: Vec<GivenOption>,
    /// The route's name: the option, or the handler's name.
    pub(crate) name: LitStr,
    pub(crate) handler: Ident,
    /// The other attributes of the handler.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Output,
}

/// An argument of the handler.
pub(crate) struct Argument {
    pub(crate) source: Source,
    pub(crate) ty: Type,
    /// The argument's name in messages: its own name, or the name of its type.
    pub(crate) label: String,
}

/// Where an argument's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// From the wildcard of this name.
    Wildcard(String),
    /// From the `FromRequest` of its type.
    Extractor,
    /// A borrow of the request.
    Lent,
    /// The writer of a stream.
    Writer,
}

/// What the handler returns.
pub(crate) enum Output {
    /// A value that becomes a response. `None` if the function has no return type.
    Response(Option<Type>),
    /// Pieces of a body.
    Pieces(Option<Type>),
    /// A `Result` with pieces.
    FalliblePieces(Option<Type>),
    /// Nothing, because the handler writes its pieces itself.
    Written,
    /// A `Result` of nothing, because the handler writes its pieces itself.
    FalliblyWritten,
}

/// Checks a route, and returns what its code is written from.
pub(crate) fn check(mut route: RouteArguments, function: HandlerFn) -> Result<CheckedRoute> {
    let HandlerFn { attributes, signature } = function;
    check_signature(&signature)?;
    let path = parse_path(&route.path.value()).map_err(|error| Error::new(route.path.span(), error))?;
    let wildcards: Vec<_> = path.into_iter().filter_map(wildcard).collect();
    let arguments = signature.inputs.iter().map(|input| argument(input, &wildcards)).collect::<Result<Vec<_>>>()?;
    check_wildcards(&route.path, &wildcards, &arguments, &signature.ident)?;
    let kind = kind(&route, &signature)?;
    check_options(&route, kind)?;
    check_writer(&arguments, &signature, kind, route.kind.is_some())?;
    Ok(CheckedRoute {
        kind,
        has_default_kind: has_default_kind(&route, kind),
        output: output(&signature, kind, has_writer(&arguments))?,
        name: take_name(&mut route.options).unwrap_or_else(|| name_of(&signature.ident)),
        handler: signature.ident,
        attributes,
        arguments,
        path: route.path,
        methods: route.methods,
        options: route.options,
    })
}

fn wildcard(part: PathPart) -> Option<(String, Filter)> {
    match part {
        PathPart::Wildcard { name, filter } => Some((name, filter)),
        PathPart::Literal(_) => None,
    }
}

/// Takes the name out of the options: it belongs to the place of the route.
fn take_name(options: &mut Vec<GivenOption>) -> Option<LitStr> {
    let at = options.iter().position(|given| given.option.name == "name")?;
    match options.remove(at).value {
        Value::Text(name) => Some(name),
        _ => None,
    }
}

fn name_of(handler: &Ident) -> LitStr {
    LitStr::new(&handler.unraw().to_string(), handler.span())
}

pub(crate) fn check_signature(signature: &Signature) -> Result<()> {
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new(
            token.span,
            "a handler gets requests that any client can write, so it cannot be `unsafe`",
        ));
    }
    match signature.generics.params.first() {
        Some(parameter) => Err(Error::new_spanned(parameter, "a handler cannot be generic: write the types out")),
        None => Ok(()),
    }
}

pub(crate) fn argument(input: &FnArg, wildcards: &[(String, Filter)]) -> Result<Argument> {
    let (pat, ty) = match input {
        FnArg::Typed(PatType { pat, ty, .. }) => (pat, ty),
        FnArg::Receiver(receiver) => {
            let message = "a handler is a free function, not a method: move it out of the `impl`, and remove `self`";
            return Err(Error::new(receiver.self_token.span, message));
        }
    };
    if let Type::ImplTrait(generic) = &**ty {
        return Err(Error::new(generic.impl_token.span, "a handler cannot be generic: write the type out"));
    }
    let name = match &**pat {
        Pat::Ident(pat) => Some(pat.ident.unraw().to_string()),
        _ => None,
    };
    let source = match wildcards.iter().find(|(wildcard, _)| name.as_ref() == Some(wildcard)) {
        Some((wildcard, _)) => Source::Wildcard(wildcard.clone()),
        None => source(ty)?,
    };
    let label = name.unwrap_or_else(|| last_segment(ty).map_or_else(|| "an argument".into(), ToString::to_string));
    Ok(Argument { source, ty: (**ty).clone(), label })
}

fn source(ty: &Type) -> Result<Source> {
    let Type::Reference(reference) = ty else {
        return match last_segment(ty) {
            Some(name) if name == "Writer" => {
                Err(Error::new_spanned(ty, "a handler borrows the writer: write `&mut Writer`"))
            }
            _ => Ok(Source::Extractor),
        };
    };
    match (last_segment(&reference.elem), reference.mutability) {
        (Some(name), None) if name == "Request" => Ok(Source::Lent),
        (Some(name), Some(_)) if name == "Writer" => Ok(Source::Writer),
        (Some(name), Some(_)) if name == "Request" => {
            Err(Error::new_spanned(ty, "a handler cannot change the request: write `&Request`, or `Request` to own it"))
        }
        (Some(name), None) if name == "Writer" => {
            Err(Error::new_spanned(ty, "a handler borrows the writer mutably: write `&mut Writer`"))
        }
        _ => Ok(Source::Extractor),
    }
}

/// Returns the last name of a path such as `pixie_web::Request`.
pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(TypePath { path, .. }) => path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

fn check_wildcards(
    path: &LitStr,
    wildcards: &[(String, Filter)],
    arguments: &[Argument],
    handler: &Ident,
) -> Result<()> {
    let is_bound = |wildcard: &String| {
        arguments.iter().any(|argument| matches!(&argument.source, Source::Wildcard(name) if name == wildcard))
    };
    let Some((name, filter)) = wildcards.iter().find(|(wildcard, _)| !is_bound(wildcard)) else {
        return Ok(());
    };
    let ty = match filter {
        Filter::Int => "i64",
        Filter::Float => "f64",
        Filter::Uuid => "Uuid",
        Filter::Text | Filter::Path => "String",
    };
    let message = format!("`<{name}>` has no argument: add `{name}: {ty}` to `{handler}`, or remove it from the path");
    Err(Error::new(path.span(), message))
}

/// Decides where the handler runs.
fn kind(route: &RouteArguments, signature: &Signature) -> Result<RouteType> {
    let name = &signature.ident;
    let pool = route.options.iter().find(|given| given.option.name == "pool");
    match (route.kind, signature.asyncness, pool) {
        (Some((RouteType::Async, _)), None, _) => {
            let message = format!("an `async` route needs an `async fn`: write `async fn {name}`, or another kind");
            Err(Error::new(signature.fn_token.span, message))
        }
        (Some((kind, span)), Some(_), _) if kind != RouteType::Async => {
            Err(runs_on_the_runtime(span, kind.as_str(), name))
        }
        (None, Some(_), Some(pool)) => Err(runs_on_the_runtime(pool.span, "pool", name)),
        (Some((kind, _)), ..) => Ok(kind),
        (None, Some(_), None) => Ok(RouteType::Async),
        (None, None, _) => Ok(RouteType::Pool),
    }
}

/// Returns whether an app may replace the kind: the attribute names neither a kind nor an option that only
/// pool routes have.
fn has_default_kind(route: &RouteArguments, kind: RouteType) -> bool {
    let is_for_threads = |given: &GivenOption| given.option.refusal(RouteType::Thread).is_none();
    route.kind.is_none() && kind == RouteType::Pool && route.options.iter().all(is_for_threads)
}

fn runs_on_the_runtime(span: Span, word: &str, name: &Ident) -> Error {
    let message = format!("an `async fn` runs on the runtime: remove `{word}`, or remove `async` before `fn {name}`");
    Error::new(span, message)
}

fn check_options(route: &RouteArguments, kind: RouteType) -> Result<()> {
    let refused = route.options.iter().find_map(|given| Some((given.span, given.option.refusal(kind)?)));
    match refused {
        Some((span, why)) => Err(Error::new(span, format!("a route of kind `{kind}` {why}"))),
        None => Ok(()),
    }
}

fn has_writer(arguments: &[Argument]) -> bool {
    arguments.iter().any(|argument| argument.source == Source::Writer)
}

fn check_writer(arguments: &[Argument], signature: &Signature, kind: RouteType, is_kind_given: bool) -> Result<()> {
    let mut writers = arguments.iter().filter(|argument| argument.source == Source::Writer);
    match (writers.next(), writers.next()) {
        (Some(writer), None) if kind != RouteType::Stream => {
            let change = match (signature.asyncness, is_kind_given) {
                (None, false) => "add `stream` after the path".into(),
                (None, true) => format!("write `stream` instead of `{}`", kind.as_str()),
                (Some(_), _) => "make it a plain `fn` of kind `stream`".to_owned(),
            };
            Err(Error::new_spanned(&writer.ty, format!("only a `stream` route has a writer: {change}")))
        }
        (Some(_), Some(second)) => {
            Err(Error::new_spanned(&second.ty, "a route has one writer: remove one of the two arguments"))
        }
        _ => Ok(()),
    }
}

/// Decides what the return type means.
fn output(signature: &Signature, kind: RouteType, has_writer: bool) -> Result<Output> {
    let ty = match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(&**ty),
    };
    let is_unit = ty.is_none_or(|ty| matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty()));
    let is_result = ty.and_then(last_segment).is_some_and(|name| name == "Result");
    if kind != RouteType::Stream {
        return Ok(Output::Response(ty.cloned()));
    }
    match (has_writer, is_unit, is_result) {
        (true, true, _) => Ok(Output::Written),
        (true, _, true) => Ok(Output::FalliblyWritten),
        (true, ..) => Err(Error::new_spanned(
            place_of(ty, signature),
            "the `Writer` writes the body: return `Result<()>` or nothing",
        )),
        (false, true, _) => {
            let message = "a `stream` route returns an iterator of pieces or `Pieces`, or takes a `&mut Writer`";
            Err(Error::new_spanned(place_of(ty, signature), message))
        }
        (false, _, true) => Ok(Output::FalliblePieces(ty.and_then(first_argument).cloned())),
        (false, ..) => Ok(Output::Pieces(ty.cloned())),
    }
}

fn place_of<'s>(ty: Option<&'s Type>, signature: &'s Signature) -> &'s dyn ToTokens {
    match ty {
        Some(ty) => ty,
        None => &signature.ident,
    }
}

/// Returns the `T` of `Result<T>`.
fn first_argument(ty: &Type) -> Option<&Type> {
    let Type::Path(TypePath { path, .. }) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
