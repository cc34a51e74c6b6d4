//! The options of `#[template]`, and the content type that follows from them.
//!
//! Handles the short form (`"post.html"`), `crate = path` and the default extension of inline templates. All
//! other options are passed to askama unchanged, so that each option of askama works and errors come from
//! askama.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

/// The options of one `#[template(…)]`.
pub(crate) struct Options {
    home: Option<Path>,
    forwarded: Vec<(Ident, Expr)>,
}

impl Options {
    /// Returns whether the user gave the option.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.forwarded.iter().any(|(option, _)| option == name)
    }

    /// Returns the value of an option, if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<LitStr> {
        let mut value = self.forwarded.iter().find(|(option, _)| option == name).map(|(_, value)| value)?;
        // A `macro_rules!` passes its arguments on in invisible groups.
        while let Expr::Group(group) = value {
            value = &group.expr;
        }
        match value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
            _ => None,
        }
    }

    /// Returns the file extension of the rendered text: `html` for `page.html` and for `page.html.j2`.
    pub(crate) fn extension(&self) -> Option<String> {
        if let Some(extension) = self.text("ext") {
            return Some(extension.value());
        }
        let path = self.text("path")?.value();
        let mut parts = path.rsplit('.').filter(|part| !matches!(*part, "askama" | "j2" | "jinja" | "jinja2"));
        parts.next().map(str::to_owned)
    }

    /// Returns the path of pixie-template: the option `crate` if there is one, else `default`.
    pub(crate) fn home(&self, default: TokenStream) -> TokenStream {
        self.home.as_ref().map_or(default, ToTokens::to_token_stream)
    }

    /// Returns askama's own attribute with these options and `extra`.
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

    /// Makes an inline template HTML unless `ext` is given, because HTML is escaped and so the safe default.
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

/// Returns the content type for a file extension. An unknown extension is plain text, which browsers do not
/// execute.
pub(crate) fn content_type(extension: &str) -> &'static str {
    match extension {
        "html" | "htm" => "text/html; charset=utf-8",
        "xhtml" => "application/xhtml+xml; charset=utf-8",
        "xml" => "application/xml; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "atom" => "application/atom+xml; charset=utf-8",
        "rss" => "application/rss+xml; charset=utf-8",
        "json" => "application/json",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "md" => "text/markdown; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

fn comma(input: ParseStream<'_>) -> syn::Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}
