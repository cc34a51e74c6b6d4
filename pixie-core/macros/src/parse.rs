//! What is written: the attribute's arguments and the signature of its function.
//!
//! Judges only the grammar: known words, no word twice, the right sort of value. `check.rs` judges whether
//! the words fit together and fit the function. Invariant: the function's body is never parsed, so that it
//! costs no time.
use pixie_grammar::{
    ByteSize, OptionValue, RouteOption, RouteType, check_header_value, nearest, parse_duration, parse_rate,
};
use proc_macro2::{Ident, Span, TokenStream};
use syn::{
    Attribute, Error, LitBool, LitInt, LitStr, Result, Signature, Token, Visibility,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"];

/// The arguments of the attribute, as written.
pub(crate) struct RouteArguments {
    pub(crate) path: LitStr,
    pub(crate) kind: Option<(RouteType, Span)>,
    pub(crate) methods: Vec<Ident>,
    pub(crate) options: Vec<GivenOption>,
}

/// An option with its value.
pub(crate) struct GivenOption {
    pub(crate) option: &'static RouteOption,
    /// The place of the option's name.
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// The value of an option.
pub(crate) enum Value {
    Text(LitStr),
    Switch(LitBool),
    Flag,
    Milliseconds(u64),
    Bytes(u64),
}

/// A function with its attributes, without its body.
pub(crate) struct HandlerFn {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) signature: Signature,
}

impl Parse for RouteArguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let path = path(input)?;
        let mut arguments = RouteArguments { path, kind: None, methods: Vec::new(), options: Vec::new() };
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
    /// Takes a word that stands alone: a kind, a method or a flag.
    fn word(&mut self, word: Ident) -> Result<()> {
        let text = word.to_string();
        let twice = |what: &str| Err(Error::new(word.span(), format!("{what} is given twice: remove one")));
        if let Ok(kind) = text.parse() {
            return match self.kind.replace((kind, word.span())) {
                Some(_) => twice("a kind"),
                None => Ok(()),
            };
        }
        if METHODS.contains(&text.as_str()) {
            if self.methods.contains(&word) {
                return twice(&format!("`{text}`"));
            }
            self.methods.push(word);
            return Ok(());
        }
        if let Some(option) = RouteOption::named(&text) {
            if option.value == OptionValue::Flag {
                return self.add(option, &word, Value::Flag);
            }
            let example = option.example;
            let message = format!("`{text}` takes a value: write `{text} = {example}`");
            return Err(Error::new(word.span(), message));
        }
        let kinds = RouteType::ALL.map(RouteType::as_str);
        let known: Vec<&str> = kinds.into_iter().chain(METHODS).collect();
        let message = match nearest(&text, &known) {
            Some(meant) => format!("there is no kind or method `{text}`: did you mean `{meant}`?"),
            None => format!(
                "there is no kind or method `{text}`: a kind is {}, a method is {}",
                listed(&kinds),
                listed(&METHODS)
            ),
        };
        Err(Error::new(word.span(), message))
    }

    /// Takes the value of an option whose name has been read.
    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        let option = known_option(name)?;
        if option.value == OptionValue::Flag {
            return Err(Error::new(name.span(), format!("`{name}` takes no value: write `{name}`, or leave it out")));
        }
        input.parse::<Token![=]>()?;
        let value = value(option, input)?;
        self.add(option, name, value)
    }

    fn add(&mut self, option: &'static RouteOption, name: &Ident, value: Value) -> Result<()> {
        if self.options.iter().any(|given| given.option.name == option.name) {
            return Err(Error::new(name.span(), format!("`{name}` is given twice: remove one")));
        }
        self.options.push(GivenOption { option, span: name.span(), value });
        Ok(())
    }
}

fn known_option(name: &Ident) -> Result<&'static RouteOption> {
    let text = name.to_string();
    RouteOption::named(&text).ok_or_else(|| {
        let known = RouteOption::ALL.map(|option| option.name);
        let fix = match nearest(&text, &known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("use {}", listed(&known)),
        };
        Error::new(name.span(), format!("there is no option `{text}`: {fix}"))
    })
}

/// Returns the words in backticks, separated by commas and "or".
fn listed(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.concat(),
    }
}

fn value(option: &RouteOption, input: ParseStream<'_>) -> Result<Value> {
    match option.value {
        OptionValue::Switch => literal(option, input).map(Value::Switch),
        OptionValue::ByteSize if input.peek(LitInt) => plain_bytes(input).map(Value::Bytes),
        _ => {
            let text: LitStr = literal(option, input)?;
            let value = text_value(option, &text).map_err(|message| Error::new(text.span(), message))?;
            Ok(value.unwrap_or(Value::Text(text)))
        }
    }
}

fn literal<T: Parse>(option: &RouteOption, input: ParseStream<'_>) -> Result<T> {
    let RouteOption { name, example, .. } = option;
    let message = format!("`{name}` takes a value such as `{name} = {example}`");
    input.parse().map_err(|error| Error::new(error.span(), message))
}

/// Checks a text, and reads it if it is a quantity.
fn text_value(option: &RouteOption, literal: &LitStr) -> std::result::Result<Option<Value>, String> {
    let RouteOption { name, example, .. } = option;
    let text = literal.value();
    match option.value {
        OptionValue::ByteSize => Ok(Some(Value::Bytes(ByteSize::from(&*text).bytes()?))),
        OptionValue::Duration => match u64::try_from(parse_duration(&text)?.as_millis()) {
            Ok(milliseconds @ 1..) => Ok(Some(Value::Milliseconds(milliseconds))),
            _ => Err(format!("`{name}` is `{text}`: write a duration above 0, such as {example}")),
        },
        OptionValue::Header => check_header_value(&text).map(|()| None),
        OptionValue::Rate => parse_rate(&text).map(|_| None),
        _ if text.is_empty() => Err(format!("`{name}` is empty: write a name such as {example}")),
        _ => Ok(None),
    }
}

/// Reads a number of bytes without quotes. A unit after the number is the suffix of the literal.
fn plain_bytes(input: ParseStream<'_>) -> Result<u64> {
    let number: LitInt = input.parse()?;
    match number.suffix() {
        "" => number.base10_parse(),
        _ => Err(Error::new(number.span(), format!("a size with a unit is a string: write `\"{number}\"`"))),
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
