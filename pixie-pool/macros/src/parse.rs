//! What is written: the attribute's options and the function below it.
//!
//! Only the grammar is judged here: known words, no word twice, the right sort of value. Whether the function can be a task is
//! `check.rs`. Must stay true: the function's body is never parsed, so that it costs no time.
use proc_macro2::{Ident, TokenStream};
use syn::{
    Attribute, Error, LitStr, Result, Signature, Token, Visibility,
    parse::{Parse, ParseStream},
};

const TIMES: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 60 * 60 * 1000)];

/// The options of the attribute, as written.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) idempotent: bool,
}

/// A function in its parts.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) body: TokenStream,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options::default();
        while !input.is_empty() {
            options.one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let word: Ident = input.parse()?;
        let twice = || Error::new(word.span(), format!("`{word}` is given twice: remove one"));
        match word.to_string().as_str() {
            "deadline" => {
                let usage = |error: Error| Error::new(error.span(), "write `deadline = \"2s\"`");
                input.parse::<Token![=]>().map_err(usage)?;
                let text: LitStr = input.parse().map_err(usage)?;
                match self.deadline_ms.replace(milliseconds(&text)?) {
                    Some(_) => Err(twice()),
                    None => Ok(()),
                }
            }
            "idempotent" => match std::mem::replace(&mut self.idempotent, true) {
                true => Err(twice()),
                false => Ok(()),
            },
            other => {
                let message = format!("there is no option `{other}`: use `deadline = \"2s\"` or `idempotent`");
                Err(Error::new(word.span(), message))
            }
        }
    }
}

/// Reads a time as `#[route]` does: a whole number above zero and a unit, nothing rounded, nothing assumed.
fn milliseconds(literal: &LitStr) -> Result<u64> {
    let text = literal.value();
    let read = || {
        let (number, unit) = text.split_at(text.find(|character: char| !character.is_ascii_digit())?);
        let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit.trim_start())?;
        number.parse::<u64>().ok()?.checked_mul(*factor).filter(|time| *time > 0)
    };
    let message = "is no time: write a whole number above 0 with `ms`, `s`, `m` or `h`, such as \"2s\"";
    read().ok_or_else(|| Error::new(literal.span(), format!("`{text}` {message}")))
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input
            .parse()
            .map_err(|error: Error| Error::new(error.span(), "a task is a function: put the attribute above a `fn`"))?;
        Ok(Function { attributes, visibility, signature, body: input.parse()? })
    }
}
