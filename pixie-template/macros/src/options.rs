//! The options of `#[template]`: what the user wrote, read once.
//!
//! Owns the short form (`"post.html"`), `crate = path` and the default extension of inline sources. Everything else is handed
//! on to askama as it stands, so that each option of askama works and askama words the errors.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

/// What stands in one `#[template(…)]`.
pub(crate) struct Options {
    home: Option<Path>,
    forwarded: Vec<(Ident, Expr)>,
}

impl Options {
    /// Says whether an option is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.forwarded.iter().any(|(option, _)| option == name)
    }

    /// Returns the text given for an option, if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<LitStr> {
        let mut value = self.forwarded.iter().find(|(option, _)| option == name).map(|(_, value)| value)?;
        // A `macro_rules!` hands its arguments on in invisible groups.
        while let Expr::Group(group) = value {
            value = &group.expr;
        }
        match value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
            _ => None,
        }
    }

    /// Returns the file extension that says what the template renders to, without a trailing `.j2` or the like.
    pub(crate) fn extension(&self) -> Option<String> {
        if let Some(extension) = self.text("ext") {
            return Some(extension.value());
        }
        let path = self.text("path")?.value();
        let mut parts = path.rsplit('.').filter(|part| !matches!(*part, "askama" | "j2" | "jinja" | "jinja2"));
        parts.next().map(str::to_owned)
    }

    /// Returns the path of pixie-template, as the user or else the attribute gives it.
    pub(crate) fn home(&self, default: TokenStream) -> TokenStream {
        self.home.as_ref().map_or(default, ToTokens::to_token_stream)
    }

    /// Returns askama's own attribute with these options and the given one more.
    pub(crate) fn askama_attribute(&self, extra: TokenStream) -> TokenStream {
        let options = self.forwarded.iter().map(|(name, value)| quote!(#name = #value,));
        quote!(#[template(#(#options)* #extra)])
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Options> {
        let mut options = Options { home: None, forwarded: Vec::new() };
        if input.peek(LitStr) {
            let path: LitStr = input.parse()?;
            let name = Ident::new("path", path.span());
            options.forwarded.push((name, Expr::Lit(ExprLit { attrs: Vec::new(), lit: Lit::Str(path) })));
            comma(input)?;
        }
        while !input.is_empty() {
            options.one(input)?;
            comma(input)?;
        }
        options.default_extension();
        Ok(options)
    }
}

impl Options {
    fn one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        if name == "crate" {
            self.home = Some(input.parse()?);
        } else if name == "askama" {
            return Err(syn::Error::new(name.span(), "write `crate = path::of::pixie_template` instead of `askama`"));
        } else {
            self.forwarded.push((name, input.parse()?));
        }
        Ok(())
    }

    /// An inline template is HTML unless told otherwise: the escaped choice is the default.
    fn default_extension(&mut self) {
        if let Some(source) = self.text("source")
            && self.text("ext").is_none()
        {
            let html = Lit::Str(LitStr::new("html", source.span()));
            self.forwarded
                .push((Ident::new("ext", source.span()), Expr::Lit(ExprLit { attrs: Vec::new(), lit: html })));
        }
    }
}

fn comma(input: ParseStream<'_>) -> syn::Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}
