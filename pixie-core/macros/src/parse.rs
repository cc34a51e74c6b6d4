//! What is written: the attribute's arguments and the signature of its function.
//!
//! Only the grammar is judged here: known words, no word twice, the right sort of value. Whether the words fit together and
//! fit the function is `check.rs`. Must stay true: the function's body is never parsed, so that it costs no time.
use proc_macro2::{Ident, Span, TokenStream};
use syn::{
    Attribute, Error, LitBool, LitInt, LitStr, Result, Signature, Token, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

use crate::{nearest::nearest, quantity};

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"];
const OPTIONS: [&str; 6] = ["pool", "deadline", "body_limit", "retry", "name", "csrf"];

/// The kinds of route, as the attribute's words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Sync,
    Thread,
    Async,
    Pool,
    Stream,
}

/// A value with the place of its word: the kind itself, or the option's name.
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// The arguments of the attribute, as written.
pub(crate) struct RouteArguments {
    pub(crate) path: LitStr,
    pub(crate) kind: Option<Spanned<Kind>>,
    pub(crate) methods: Vec<Ident>,
    pub(crate) pool: Option<Spanned<LitStr>>,
    pub(crate) deadline_ms: Option<Spanned<u64>>,
    pub(crate) body_bytes_max: Option<Spanned<u64>>,
    pub(crate) retry: Option<Spanned<bool>>,
    pub(crate) csrf: Option<Spanned<bool>>,
    pub(crate) name: Option<Spanned<LitStr>>,
}

/// A function with its attributes, without its body.
pub(crate) struct HandlerFn {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) signature: Signature,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Sync, Kind::Thread, Kind::Async, Kind::Pool, Kind::Stream];

    /// Returns the word for this kind.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Sync => "sync",
            Kind::Thread => "thread",
            Kind::Async => "async",
            Kind::Pool => "pool",
            Kind::Stream => "stream",
        }
    }

    fn named(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Parse for RouteArguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let path = path(input)?;
        let mut arguments = RouteArguments {
            path,
            kind: None,
            methods: Vec::new(),
            pool: None,
            deadline_ms: None,
            body_bytes_max: None,
            retry: None,
            csrf: None,
            name: None,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let word = input.call(Ident::parse_any)?;
            match input.peek(Token![=]) {
                true => arguments.option(&word, input)?,
                false => arguments.word(word)?,
            }
        }
        Ok(arguments)
    }
}

fn path(input: ParseStream<'_>) -> Result<LitStr> {
    if input.is_empty() {
        return Err(Error::new(input.span(), "a route begins with its path: write `(\"/\")`"));
    }
    input
        .parse()
        .map_err(|error| Error::new(error.span(), "a route begins with its path, a string such as \"/users/<id:int>\""))
}

impl RouteArguments {
    /// Takes a word that stands alone: a kind or a method.
    fn word(&mut self, word: Ident) -> Result<()> {
        let text = word.to_string();
        if let Some(kind) = Kind::named(&text) {
            return put(&mut self.kind, kind, &word, "a kind");
        }
        if METHODS.contains(&text.as_str()) {
            if self.methods.contains(&word) {
                return Err(Error::new(word.span(), format!("`{text}` is given twice: remove one")));
            }
            self.methods.push(word);
            return Ok(());
        }
        if OPTIONS.contains(&text.as_str()) {
            return Err(Error::new(
                word.span(),
                format!("`{text}` takes a value: write `{text} = {}`", example(&text)),
            ));
        }
        let known: Vec<&str> = Kind::ALL.map(Kind::as_str).into_iter().chain(METHODS).collect();
        let message = match nearest(&text, &known) {
            Some(meant) => format!("there is no kind or method `{text}`: did you mean `{meant}`?"),
            None => format!(
                "there is no kind or method `{text}`: a kind is `sync`, `thread`, `async`, `pool` or `stream`, a method is {}",
                METHODS.map(|method| format!("`{method}`")).join(", ")
            ),
        };
        Err(Error::new(word.span(), message))
    }

    /// Takes an option, whose name has been read, with its value.
    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        let text = name.to_string();
        if !OPTIONS.contains(&text.as_str()) {
            let message = match nearest(&text, &OPTIONS) {
                Some(meant) => format!("there is no option `{text}`: did you mean `{meant}`?"),
                None => format!(
                    "there is no option `{text}`: use `pool`, `deadline`, `body_limit`, `retry`, `name` or `csrf`"
                ),
            };
            return Err(Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        let what = format!("`{name}`");
        match text.as_str() {
            "pool" => put(&mut self.pool, named(&text, input)?, name, &what),
            "name" => put(&mut self.name, named(&text, input)?, name, &what),
            "deadline" => put(&mut self.deadline_ms, quantity_of(&text, input, quantity::milliseconds)?, name, &what),
            "retry" => put(&mut self.retry, value::<LitBool>(&text, input)?.value, name, &what),
            "csrf" => put(&mut self.csrf, value::<LitBool>(&text, input)?.value, name, &what),
            _ if input.peek(LitInt) => put(&mut self.body_bytes_max, plain_bytes(input)?, name, &what),
            _ => put(&mut self.body_bytes_max, quantity_of(&text, input, quantity::bytes)?, name, &what),
        }
    }
}

/// Keeps the first value, and refuses a second one at its word.
fn put<T>(slot: &mut Option<Spanned<T>>, value: T, word: &Ident, what: &str) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(word.span(), format!("{what} is given twice: remove one")));
    }
    *slot = Some(Spanned { value, span: word.span() });
    Ok(())
}

fn value<T: Parse>(option: &str, input: ParseStream<'_>) -> Result<T> {
    let message = format!("`{option}` takes a value such as `{option} = {}`", example(option));
    input.parse().map_err(|error| Error::new(error.span(), message))
}

fn named(option: &str, input: ParseStream<'_>) -> Result<LitStr> {
    let name: LitStr = value(option, input)?;
    match name.value().is_empty() {
        true => Err(Error::new(name.span(), format!("`{option}` is empty: write a name such as {}", example(option)))),
        false => Ok(name),
    }
}

fn quantity_of(
    option: &str,
    input: ParseStream<'_>,
    read: fn(&str) -> std::result::Result<u64, String>,
) -> Result<u64> {
    let text: LitStr = value(option, input)?;
    read(&text.value()).map_err(|message| Error::new(text.span(), message))
}

/// Reads a number of bytes without quotes, where a unit would be a literal's suffix that nobody looks at.
fn plain_bytes(input: ParseStream<'_>) -> Result<u64> {
    let number: LitInt = input.parse()?;
    match number.suffix() {
        "" => number.base10_parse(),
        _ => Err(Error::new(number.span(), format!("a size with a unit is a string: write `\"{number}\"`"))),
    }
}

fn example(option: &str) -> &'static str {
    match option {
        "pool" => "\"images\"",
        "deadline" => "\"2s\"",
        "body_limit" => "\"10MB\"",
        "retry" => "true",
        "csrf" => "false",
        _ => "\"thumb\"",
    }
}

impl Parse for HandlerFn {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let signature = input.parse().map_err(|error: Error| match input.peek(Token![fn]) {
            true => error,
            false => Error::new(error.span(), "a route's handler is a function: put the attribute above a `fn`"),
        })?;
        input.parse::<TokenStream>()?;
        Ok(HandlerFn { attributes, signature })
    }
}
