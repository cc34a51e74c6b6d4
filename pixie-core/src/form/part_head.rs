//! `PartHead`: the head of one part of a multipart form, and the parameters of header fields.
//!
//! Browsers write names by the rules of the HTML standard (`%22` for a quote, a backslash means itself).
//! Older clients escape the quote with a backslash. Both forms are read. Invariant: text inside of a quoted
//! value is never read as a parameter.
use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::{Error, StatusCode, error::refused};

/// The head of one part of a multipart form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name.
    pub name: String,
    /// The name of the file as the client sent it, if the part is a file. It may be empty or a path.
    pub file_name: Option<String>,
    /// The media type that the client sent.
    pub content_type: Option<String>,
}

impl PartHead {
    /// Reads the header lines of a part, with the line breaks before the first and after the last line.
    pub(crate) fn parse(head: &[u8]) -> Result<PartHead, Error> {
        let head = String::from_utf8_lossy(head);
        let mut disposition = None;
        let mut content_type = None;
        for line in head.split("\r\n").filter(|line| !line.is_empty()) {
            let (name, value) = header_line(line).ok_or_else(|| malformed("a header line of a part is malformed"))?;
            let known = match name {
                name if name.eq_ignore_ascii_case("content-disposition") => &mut disposition,
                name if name.eq_ignore_ascii_case("content-type") => &mut content_type,
                _ => continue,
            };
            if known.replace(value).is_some() {
                return Err(malformed("a part has the same header twice"));
            }
        }
        let unnamed = || malformed("a part has no Content-Disposition of the form `form-data; name=\"…\"`");
        let rest = disposition.and_then(after_form_data).ok_or_else(unnamed)?;
        let unreadable = || "the Content-Disposition of a part has a parameter twice, or a quote that is not escaped";
        let parameters = parameters(rest).ok_or_else(|| malformed(unreadable()))?;
        let (name, file_name) = names(parameters).ok_or_else(unnamed)?;
        let content_type = content_type.filter(|media| !media.is_empty()).map(str::to_owned);
        Ok(PartHead { name, file_name, content_type })
    }
}

fn header_line(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    // Browsers send all other characters as they are (RFC 9110, section 5.5: `obs-text`).
    let is_visible = |char: char| !char.is_ascii_control() || char == '\t';
    (is_token(name) && value.chars().all(is_visible)).then(|| (name, value.trim_matches([' ', '\t'])))
}

/// Returns the parameters of a `Content-Disposition: form-data`.
fn after_form_data(disposition: &str) -> Option<&str> {
    let (kind, rest) = disposition.split_at(disposition.find(';')?);
    kind.trim_end().eq_ignore_ascii_case("form-data").then_some(rest)
}

/// Returns the names of the field and of the file.
fn names(parameters: Vec<(String, String)>) -> Option<(String, Option<String>)> {
    let (mut name, mut file_name, mut extended) = (None, None, None);
    for (key, value) in parameters {
        match key.as_str() {
            "name" => name = Some(unescaped(&value)),
            "filename" => file_name = Some(unescaped(&value)),
            // RFC 7578, section 4.2, forbids this form, but some clients send only this one.
            "filename*" => extended = utf8_extended(&value),
            _ => {}
        }
    }
    Some((name?, file_name.or(extended)))
}

/// Decodes the quotes and line breaks that the HTML standard escapes in names.
fn unescaped(value: &str) -> String {
    let mut text = Cow::Borrowed(value);
    for (escape, char) in [("%22", "\""), ("%0D", "\r"), ("%0d", "\r"), ("%0A", "\n"), ("%0a", "\n")] {
        if text.contains(escape) {
            text = Cow::Owned(text.replace(escape, char));
        }
    }
    text.into_owned()
}

/// Reads `UTF-8'language'text` (RFC 8187). Returns `None` for other character sets.
fn utf8_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    let text = percent_decode_str(text).decode_utf8().ok()?;
    charset.eq_ignore_ascii_case("utf-8").then(|| text.into_owned())
}

/// Reads `; name=value; name="value"`, with names in lower case. Returns `None` if it is malformed or has a
/// name twice.
pub(crate) fn parameters(text: &str) -> Option<Vec<(String, String)>> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = trim(text);
    while let Some(after) = rest.strip_prefix(';') {
        rest = trim(after);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, after) = rest.split_once('=')?;
        let name = trim(name).to_ascii_lowercase();
        let (value, after) = value(trim(after))?;
        if !is_token(&name) || found.iter().any(|(known, _)| *known == name) {
            return None;
        }
        found.push((name, value));
        rest = trim(after);
    }
    rest.is_empty().then_some(found)
}

/// Reads a value. Returns it with the text after it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (!value.contains('"')).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        rest = after;
        match before.strip_suffix('\\') {
            Some(before) => {
                value.push_str(before);
                value.push('"');
            }
            None => {
                value.push_str(before);
                return Some((value, rest));
            }
        }
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Returns whether this is a token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

pub(crate) fn malformed(what: &str) -> Error {
    refused(StatusCode::BAD_REQUEST, format!("the multipart form cannot be read: {what}"))
}
