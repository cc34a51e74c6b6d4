//! The code of a task: a static with the function's name, the hidden function, and an entry in the table.
//!
//! The type of a function has no name, so a trait cannot be implemented for it. A blanket implementation
//! would be needed for each number of arguments, and could not distinguish `Result` from other types. The
//! type of a static can implement the trait, and `Deref` to a function pointer keeps direct calls as they
//! were. A unit struct would break `mod resize; use resize::resize;`. Invariant: the code has only absolute
//! paths, defines no name that the user's code can see, and has each type at the user's own span.
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Result, Signature, ext::IdentExt, parse2};

use crate::{
    check::{CheckedTask, check},
    parse::{Function, Options},
};

/// Writes code whose variables the user's code cannot see.
macro_rules! code {
    ($($tokens:tt)*) => { quote_spanned!(Span::mixed_site()=> $($tokens)*) };
}

/// Expands the attribute. After a mistake the function stays, so that its callers do not give errors as well.
pub(crate) fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    let checked = || -> Result<_> { Ok((parse2::<Options>(options)?, check(parse2(item.clone())?)?)) };
    match checked() {
        Ok((options, task)) => written(&options, &task),
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#item #error)
        }
    }
}

fn written(options: &Options, task: &CheckedTask) -> TokenStream {
    let Function { attributes, visibility, signature, body } = &task.function;
    let name = &signature.ident;
    // Attributes for readers (documentation) go to the static, attributes for the compiler go to the
    // function.
    let (outer, inner): (Vec<&Attribute>, Vec<&Attribute>) = attributes
        .iter()
        .partition(|attribute| ["doc", "deprecated"].iter().any(|word| attribute.path().is_ident(word)));
    let cfgs: Vec<_> = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
    let ty = format_ident!("__{}_task", name.unraw(), span = name.span());
    let (callable, entry, task) = (callable(&ty, signature), entry(&ty, options, task), implementation(&ty, task));
    // The inner block hides its names from the function's body.
    code! {
        #(#outer)*
        #(#cfgs)*
        #[allow(non_upper_case_globals)]
        #visibility static #name: #ty = #ty;

        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, unreachable_pub)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #visibility struct #ty;

        #(#cfgs)*
        const _: () = {
            #(#inner)*
            #signature #body

            const _: () = {
                #callable
                #entry
                #task
            };
        };
    }
}

/// Writes the implementations that make the static callable like the function.
fn callable(ty: &Ident, signature: &Signature) -> TokenStream {
    let name = &signature.ident;
    let types = signature.inputs.iter().filter_map(|input| match input {
        syn::FnArg::Typed(argument) => Some(&argument.ty),
        syn::FnArg::Receiver(_) => None,
    });
    let output = &signature.output;
    let pointer = code!(fn(#(#types),*) #output);
    code! {
        #[automatically_derived]
        impl ::core::ops::Deref for #ty {
            type Target = #pointer;

            fn deref(&self) -> &Self::Target {
                static FUNCTION: #pointer = #name;
                &FUNCTION
            }
        }
    }
}

fn implementation(ty: &Ident, task: &CheckedTask) -> TokenStream {
    let arguments = match &task.arguments[..] {
        [one] => code!(#one),
        several => code!((#(#several),*)),
    };
    let output = match (&task.output, task.is_fallible) {
        (None, _) => code!(()),
        (Some(ty), false) => code!(#ty),
        (Some(ty), true) => code!(<#ty as ::pixie_pool::__task::Fallible>::Value),
    };
    code! {
        #[automatically_derived]
        impl ::pixie_pool::Task for #ty {
            type Arguments = #arguments;
            type Output = #output;

            fn entry() -> &'static ::pixie_pool::__task::Entry {
                &ENTRY
            }
        }
    }
}

/// Writes the entry in the table, with the adapter between bytes and the function.
fn entry(ty: &Ident, options: &Options, task: &CheckedTask) -> TokenStream {
    let signature = &task.function.signature;
    let (name, inputs, output) = (&signature.ident, &signature.inputs, &signature.output);
    let plain = name.unraw().to_string();
    let written = quote!((#inputs) #output).to_string();
    // The span makes `line!` count the function's line, not the attribute's.
    let line = quote_spanned!(name.span()=> ::core::line!());
    let deadline = match options.deadline_ms {
        Some(time) => code!(::core::option::Option::Some(::core::time::Duration::from_millis(#time))),
        None => code!(::core::option::Option::None),
    };
    let idempotent = options.idempotent;
    let locals: Vec<_> =
        (0..task.arguments.len()).map(|index| format_ident!("argument{index}", span = Span::mixed_site())).collect();
    let pattern = match &locals[..] {
        [one] => code!(#one),
        several => code!((#(#several),*)),
    };
    let call = match task.is_fallible {
        true => code!(::pixie_pool::__task::Fallible::into_outcome(#name(#(#locals),*))),
        false => code!(::core::result::Result::Ok(#name(#(#locals),*))),
    };
    code! {
        static ENTRY: ::pixie_pool::__task::Entry = ::pixie_pool::__task::Entry {
            name: ::core::concat!(::core::module_path!(), "::", #plain),
            signature: #written,
            file: ::core::file!(),
            line: #line,
            deadline: #deadline,
            is_idempotent: #idempotent,
            run: |bytes| ::pixie_pool::__task::run::<#ty>(bytes, |#pattern| #call),
        };
        ::pixie_pool::__task::inventory::submit! { ::pixie_pool::__task::Registered(&ENTRY) }
    }
}
