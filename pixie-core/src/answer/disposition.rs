//! `Disposition`: whether a browser shows or saves a body, and under which file name (RFC 6266 and RFC 8187).
//!
//! Writing is strict, reading is lenient, as in browsers. Invariant: a file name with any characters stays
//! inside of its parameter.
use http::{HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{Response, form::part_head::is_token};

/// All characters except `attr-char` of RFC 8187, section 3.2.1.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A parsed `Content-Disposition` header: what to do with a body, and the parameters.
///
/// ```
/// use pixie_core::Disposition;
/// let disposition = Disposition::parse("attachment; filename*=UTF-8''na%C3%AFve.csv");
/// assert_eq!(disposition.kind(), "attachment");
/// assert_eq!(disposition.filename().as_deref(), Some("naïve.csv"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    kind: String,
    parameters: Vec<Parameter>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    /// In lower case. Of several parameters with one name, the first counts.
    name: String,
    value: String,
    is_quoted: bool,
}

impl Disposition {
    /// Reads a header. Malformed parameters are left out.
    pub fn parse(text: &str) -> Disposition {
        let (kind, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let mut parameters = Vec::new();
        while !rest.is_empty() {
            let (parameter, after) = take_parameter(rest);
            parameters.extend(parameter);
            rest = after;
        }
        Disposition { kind: kind.trim().to_ascii_lowercase(), parameters }
    }

    /// Returns the first word in lower case, such as `attachment`, `inline` or `form-data`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the file name, if there is one. It may contain any character: do not use it as a path.
    pub fn filename(&self) -> Option<String> {
        self.parameter("filename")
    }

    /// Returns a parameter by its name in lower case. The encoded form, such as `filename*`, is preferred if
    /// it is valid.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let find = |name: &str| self.parameters.iter().find(|parameter| parameter.name == name);
        // RFC 8187 does not allow quotes around an encoded value.
        let encoded = find(&format!("{name}*")).filter(|parameter| !parameter.is_quoted);
        let decoded = encoded.and_then(|parameter| decode(&parameter.value));
        decoded.or_else(|| find(name).map(|parameter| parameter.value.clone()))
    }
}

impl Response {
    /// Tells the browser to save the body under this name, which may contain any characters.
    ///
    /// ```
    /// use pixie_core::Response;
    /// let response = Response::new("a,b\n").content_type("text/csv").attachment("naïve.csv");
    /// assert_eq!(
    ///     response.headers()["content-disposition"],
    ///     "attachment; filename=\"na?ve.csv\"; filename*=UTF-8''na%C3%AFve.csv"
    /// );
    /// ```
    pub fn attachment(mut self, filename: &str) -> Response {
        self.headers_mut().insert(header::CONTENT_DISPOSITION, write("attachment", filename));
        self
    }

    /// Tells the browser to show the body, and to save it under this name, which may contain any characters.
    pub fn inline(mut self, filename: &str) -> Response {
        self.headers_mut().insert(header::CONTENT_DISPOSITION, write("inline", filename));
        self
    }
}

fn write(kind: &str, filename: &str) -> HeaderValue {
    let is_visible = |character: char| matches!(character, ' '..='~');
    let plain: String = filename.chars().map(|character| if is_visible(character) { character } else { '?' }).collect();
    let mut header = format!("{kind}; filename=");
    match is_token(&plain) {
        true => header += &plain,
        false => push_quoted(&mut header, &plain),
    }
    // Some browsers decode `%41` in a plain name. The second form is unambiguous.
    if plain != filename || has_escape(filename) {
        header += &format!("; filename*=UTF-8''{}", utf8_percent_encode(filename, ENCODED));
    }
    HeaderValue::try_from(header).expect("all of it is visible ASCII")
}

fn push_quoted(header: &mut String, text: &str) {
    header.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            header.push('\\');
        }
        header.push(character);
    }
    header.push('"');
}

fn has_escape(text: &str) -> bool {
    text.split('%').skip(1).any(starts_in_hex)
}

/// Reads one parameter at the front. Returns `None` if it has no value or an open quote, and the text after
/// it.
fn take_parameter(text: &str) -> (Option<Parameter>, &str) {
    let end = text.find([';', '=']).unwrap_or(text.len());
    let Some(value) = text[end..].strip_prefix('=') else { return (None, after_semicolon(&text[end..])) };
    let name = text[..end].trim_ascii().to_ascii_lowercase();
    match value.trim_ascii_start().strip_prefix('"') {
        None => {
            let end = value.find(';').unwrap_or(value.len());
            let value_only = value[..end].trim_ascii().to_owned();
            (Some(Parameter { name, value: value_only, is_quoted: false }), after_semicolon(&value[end..]))
        }
        Some(quoted) => {
            let (value, rest) = take_quoted(quoted);
            (value.map(|value| Parameter { name, value, is_quoted: true }), after_semicolon(rest))
        }
    }
}

fn after_semicolon(text: &str) -> &str {
    text.split_once(';').map_or("", |(_, rest)| rest)
}

/// Reads text up to the closing quote. Returns `None` if there is no closing quote, and the text after it.
fn take_quoted(text: &str) -> (Option<String>, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return (Some(value), characters.as_str()),
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (None, "")
}

/// Decodes `charset'language'text` (RFC 8187, section 3.2) in the two charsets that a recipient must know.
fn decode(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    if !encoded.split('%').skip(1).all(starts_in_hex) {
        return None;
    }
    let bytes = percent_decode_str(encoded);
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => bytes.decode_utf8().ok().map(Into::into),
        "iso-8859-1" => Some(bytes.map(char::from).collect()),
        _ => None,
    }
}

/// Returns whether the text starts with two hexadecimal digits, as after the `%` of an escape.
fn starts_in_hex(text: &str) -> bool {
    text.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
}
