//! `{{ post.body|markdown }}`.
//!
//! CommonMark with tables, strikethrough and task lists, for text that users wrote. HTML in it is shown as
//! text. Links and images may use `http`, `https`, `mailto` or a relative address; other schemes, such as
//! `javascript:`, are replaced.
#![expect(missing_docs, reason = "filter_fn drops what stands above a filter; its documentation is in `filters.rs`")]

use std::fmt::Display;

use askama::{Values, filters::Safe};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

#[askama::filter_fn]
pub fn markdown(text: impl Display, _: &dyn Values) -> askama::Result<Safe<String>> {
    let text = text.to_string();
    let extensions = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut html = String::with_capacity(text.len() * 3 / 2);
    push_html(&mut html, Parser::new_ext(&text, extensions).map(harmless));
    Ok(Safe(html))
}

fn harmless(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: harmless_url(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: harmless_url(dest_url), title, id })
        }
        other => other,
    }
}

/// Returns the address if it is relative or has an allowed scheme, else `#`. Browsers ignore control
/// characters and spaces before and inside a scheme, so an address with such a character before its first `:`
/// is replaced too.
fn harmless_url(url: CowStr<'_>) -> CowStr<'_> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| !scheme.contains(['/', '?', '#']));
    match scheme.map(str::to_ascii_lowercase).as_deref() {
        None | Some("http" | "https" | "mailto") => url,
        Some(_) => CowStr::Borrowed("#"),
    }
}
