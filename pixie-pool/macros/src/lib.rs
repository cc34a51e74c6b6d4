//! The `#[task]` attribute of pixie-pool.
//!
//! Use it through `pixie-pool`, because the code that it writes refers to that crate. The attribute parses
//! the function, checks it, and writes a static that represents the function in a call. Invariant: a mistake
//! gives one error, at the wrong token, and the error says how to fix it.
#![forbid(unsafe_code)]

mod check;
mod expand;
mod parse;

use proc_macro::TokenStream;

/// What the attribute `task` of pixie-pool takes and what it refuses.
///
/// **Options.** `deadline = "2s"` (in `ms`, `s`, `m` or `h`) replaces the pool's deadline. `idempotent`
/// declares that the task may run twice: it runs once more if its worker crashes.
///
/// **Arguments** are owned, and each has `Serialize` and `Deserialize`. A call passes a reference to one
/// argument, to a tuple of several arguments, or to `()`.
///
/// **Return value**: any type with `Serialize` and `Deserialize`, or a `Result` of such a type whose error
/// has `Display`. The caller gets an error as `Error::Failed` with its text. A type alias of `Result` must
/// also be called `Result`.
///
/// **Direct calls**, `shorten(text, 6)`, run in the calling process, for example in unit tests. The
/// function's name becomes a callable static. Therefore a variable cannot have the same name where the task
/// is in scope (write `let short = …`, not `let shorten = …`), and the function as a value is `*shorten`.
///
/// **Not for `async fn`**: a worker runs one task at a time and has no runtime.
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(options.into(), item.into()).into()
}
