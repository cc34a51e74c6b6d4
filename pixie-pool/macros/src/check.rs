//! Whether a function can run in another process, as far as its text shows.
//!
//! What needs types (can it be sent, can the error be shown) is left to the compiler. Must stay true: each refusal points at
//! one token and names the remedy.
use syn::{Error, FnArg, Result, ReturnType, Safety, Signature, Type, TypePath};

use crate::parse::Function;

/// A function that is right as far as its text shows.
pub(crate) struct CheckedTask {
    pub(crate) function: Function,
    /// The type of each argument.
    pub(crate) arguments: Vec<Type>,
    /// What it returns; `None` is nothing.
    pub(crate) output: Option<Type>,
    /// Whether it returns a `Result`, whose error becomes a text.
    pub(crate) is_fallible: bool,
}

/// Checks a function and returns what its code is made of.
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
            "a worker runs one task at a time and has no runtime: remove `async` before `fn {}`; for what is async anyway, \
             build a runtime in it: `tokio::runtime::Runtime::new()?.block_on(…)`",
            signature.ident
        );
        return Err(Error::new_spanned(token, message));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new_spanned(
            token,
            "a task is called with whatever the caller sends: it cannot be `unsafe`",
        ));
    }
    if let Some(abi) = &signature.abi {
        return Err(Error::new_spanned(abi, "a task is a plain Rust function: remove `extern`"));
    }
    match signature.generics.params.first() {
        Some(parameter) => Err(Error::new_spanned(
            parameter,
            "a task cannot be generic, since its worker has to know the types: write them out",
        )),
        None => Ok(()),
    }
}

fn argument(input: &FnArg) -> Result<Type> {
    match input {
        FnArg::Receiver(receiver) => {
            let message = "a task is a function of its own, not a method: move it out of the `impl`, and what it needs of \
                           `self` into arguments";
            Err(Error::new(receiver.self_token.span, message))
        }
        FnArg::Typed(argument) => match &*argument.ty {
            Type::Reference(reference) => Err(Error::new_spanned(
                &argument.ty,
                format!(
                    "arguments travel to another process, which needs them owned: write `{}`",
                    owned(&reference.elem)
                ),
            )),
            Type::ImplTrait(generic) => {
                Err(Error::new(generic.impl_token.span, "a task cannot be generic: write the type out"))
            }
            ty => Ok(ty.clone()),
        },
    }
}

fn output(output: &ReturnType) -> Result<Option<Type>> {
    match output {
        ReturnType::Default => Ok(None),
        ReturnType::Type(_, ty) => match &**ty {
            Type::Reference(reference) => Err(Error::new_spanned(
                ty,
                format!("what a task returns comes from another process, owned: write `{}`", owned(&reference.elem)),
            )),
            Type::ImplTrait(generic) => Err(Error::new(
                generic.impl_token.span,
                "what a task returns is rebuilt in the caller's process: write the type out",
            )),
            Type::Never(never) => {
                Err(Error::new_spanned(never, "a task has to return to be answered: remove the type, or write another"))
            }
            ty => Ok(Some(ty.clone())),
        },
    }
}

/// Returns the owned form of what is behind a reference, as a hint.
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
