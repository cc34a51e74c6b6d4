//! Whether a function can run in another process, as far as its text shows.
//!
//! Questions that need types (can it be sent, can the error be shown) are left to the compiler. Invariant:
//! each error points at one token and says how to fix it.
use syn::{Error, FnArg, Result, ReturnType, Safety, Signature, Type, TypePath};

use crate::parse::Function;

/// A function without a mistake that its text shows.
pub(crate) struct CheckedTask {
    pub(crate) function: Function,
    /// The type of each argument.
    pub(crate) arguments: Vec<Type>,
    /// The return type, if there is one.
    pub(crate) output: Option<Type>,
    /// Whether the function returns a `Result`. Its error becomes a text.
    pub(crate) is_fallible: bool,
}

/// Checks a function, and returns what its code is written from.
pub(crate) fn check(function: Function) -> Result<CheckedTask> {
    let signature = &function.signature;
    check_qualifiers(signature)?;
    let arguments = signature.inputs.iter().map(argument).collect::<Result<_>>()?;
    let output = output(&signature.output)?;
    let is_fallible = output.as_ref().is_some_and(is_result);
    Ok(CheckedTask { arguments, output, is_fallible, function })
}

fn check_qualifiers(signature: &Signature) -> Result<()> {
    if let Some(token) = &signature.asyncness {
        let message = format!(
            "a worker runs one task at a time and has no runtime: remove `async` before `fn {}`; to await in a task, \
             build a runtime in it: `tokio::runtime::Runtime::new()?.block_on(…)`",
            signature.ident
        );
        return Err(Error::new_spanned(token, message));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new_spanned(token, "a task gets arguments from another process, so it cannot be `unsafe`"));
    }
    if let Some(abi) = &signature.abi {
        return Err(Error::new_spanned(abi, "a task is a plain Rust function: remove `extern`"));
    }
    match signature.generics.params.first() {
        Some(parameter) => Err(Error::new_spanned(
            parameter,
            "a task cannot be generic, because its worker must know the types: write them out",
        )),
        None => Ok(()),
    }
}

fn argument(input: &FnArg) -> Result<Type> {
    match input {
        FnArg::Receiver(receiver) => {
            let message = "a task is a free function, not a method: move it out of the `impl`, and replace `self` by \
                           arguments";
            Err(Error::new(receiver.self_token.span, message))
        }
        FnArg::Typed(argument) => match &*argument.ty {
            Type::ImplTrait(generic) => {
                Err(Error::new(generic.impl_token.span, "a task cannot be generic: write the type out"))
            }
            ty => sent(ty, "arguments are sent to another process, so they must be owned"),
        },
    }
}

fn output(output: &ReturnType) -> Result<Option<Type>> {
    let ReturnType::Type(_, ty) = output else { return Ok(None) };
    match &**ty {
        Type::ImplTrait(generic) => Err(Error::new(
            generic.impl_token.span,
            "the caller's process must know the type that a task returns: write the type out",
        )),
        Type::Never(never) => Err(Error::new_spanned(
            never,
            "a task must return, so that its caller gets a reply: remove the type, or write another",
        )),
        ty => sent(ty, "the value that a task returns comes from another process, so it must be owned").map(Some),
    }
}

/// Checks that values of a type can be sent between processes, as far as the text shows.
fn sent(ty: &Type, why: &str) -> Result<Type> {
    match ty {
        Type::Reference(reference) => Err(Error::new_spanned(ty, format!("{why}: write `{}`", owned(&reference.elem)))),
        ty => Ok(ty.clone()),
    }
}

/// Returns the owned form of a referenced type, for a message.
fn owned(ty: &Type) -> String {
    match ty {
        Type::Path(TypePath { path, .. }) if path.is_ident("str") => "String".to_owned(),
        Type::Path(TypePath { path, .. }) if path.is_ident("Path") => "PathBuf".to_owned(),
        Type::Slice(slice) => {
            let element = &slice.elem;
            format!("Vec<{}>", quote::quote!(#element))
        }
        ty => quote::quote!(#ty).to_string(),
    }
}

fn is_result(ty: &Type) -> bool {
    matches!(ty, Type::Path(TypePath { path, .. }) if path.segments.last().is_some_and(|segment| segment.ident == "Result"))
}
