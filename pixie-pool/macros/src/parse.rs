//! What is written: the attribute's options and the function below it.
//!
//! Judges only the grammar: known words, no word twice, the right sort of value. `check.rs` judges whether
//! the function can be a task. Invariant: the function's body is never parsed, so that it costs no time.
use pixie_grammar::parse_duration;
use proc_macro2::{Ident, TokenStream};
use syn::{
    Attribute, Error, LitStr, Result, Signature, Token, Visibility,
    parse::{Parse, ParseStream},
};

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

fn milliseconds(literal: &LitStr) -> Result<u64> {
    let text = literal.value();
    let duration = parse_duration(&text).map_err(|message| Error::new(literal.span(), message))?;
    match u64::try_from(duration.as_millis()) {
        Ok(milliseconds @ 1..) => Ok(milliseconds),
        _ => {
            Err(Error::new(literal.span(), format!("`deadline` is `{text}`: write a duration above 0, such as \"2s\"")))
        }
    }
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
