//! The `#[task]` attribute of pixie-pool.
//!
//! Use it through `pixie-pool`: the code that it writes refers to it. The attribute parses what is written, checks it, and
//! writes a static that stands for the function in a call. Must stay true: a mistake gives one error, at the token that is
//! wrong, which names the remedy.
#![forbid(unsafe_code)]

mod check;
mod expand;
mod parse;

use proc_macro::TokenStream;

/// Makes a function a task: `pool.call(function, &arguments).await` runs it in a worker process.
///
/// ```no_run
/// #[pixie_pool::task(deadline = "2s", idempotent)]
/// fn shorten(text: String, length: usize) -> Result<String, std::fmt::Error> {
///     text.get(..length).map(str::to_owned).ok_or(std::fmt::Error)
/// }
///
/// # async fn caller(pool: pixie_pool::Pool) -> Result<(), pixie_pool::Error> {
/// let short = pool.call(shorten, &("a long story".to_owned(), 6)).await?;
/// # Ok(()) }
/// ```
///
/// **Options.** `deadline = "2s"` (in `ms`, `s`, `m` or `h`) kills the worker after this time instead of the pool's own;
/// `idempotent` says that running it twice does no harm: then it is run once more if its worker crashes, and small arguments
/// may wait in a busy worker.
///
/// **Arguments** are owned and travel by serde: `Serialize` and `Deserialize` are needed of each. A call passes a reference to
/// the one argument, to a tuple of several, or to `()`.
///
/// **Return value**: any type with `Serialize` and `Deserialize`, or a `Result` of one whose error has `Display`. An error
/// comes back as `Error::Failed` with its text. A type alias of `Result` has to be called `Result` too.
///
/// **Direct calls** work as ever, `shorten(text, 6)`, and run right there: good for unit tests. In fact the function's
/// name is now a static that can be called, so a variable cannot have the same name where the task is in scope
/// (`let short = …`, not `let shorten = …`), and where a function is wanted as a value, `*shorten` is one.
///
/// **Not for `async fn`**: a worker runs one task at a time and has no runtime.
///
/// Workers need `pixie_pool::init()` as the first statement of a plain `fn main`, not of one under `#[tokio::main]`, which
/// starts a runtime in every worker before `init` can turn it into one:
///
/// ```no_run
/// fn main() {
///     pixie_pool::init();
///     run()
/// }
///
/// #[tokio::main]
/// async fn run() {
///     // the program
/// }
/// ```
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::task(options.into(), item.into()).into()
}
