//! The grammar of a route's path once more, so that a mistake in it is shown by the compiler.
//!
//! What counts is `pixie_core::Pattern`, which judges again when the app starts. Must stay true: this file refuses what
//! that one refuses, with the same words; a test compares the two.

const FILTERS: [&str; 4] = ["int", "float", "uuid", "path"];

/// A wildcard of a path.
#[derive(Debug, PartialEq)]
pub(crate) struct Wildcard {
    /// The name, which is an argument's name as well.
    pub(crate) name: String,
    /// The filter, if one is written.
    pub(crate) filter: Option<String>,
}

/// Returns the wildcards of a path, or what is wrong with it.
pub(crate) fn wildcards(path: &str) -> Result<Vec<Wildcard>, String> {
    let mut wildcards = Vec::new();
    let refuse = |at: usize, message: String| {
        let character = path[..at].chars().count() + 1;
        Err(format!("the path `{path}` at character {character}: {message}"))
    };
    if !path.starts_with('/') {
        return refuse(0, format!("a path starts with `/`: write `/{path}`"));
    }
    let mut at = 0;
    let mut follows_a_wildcard = false;
    while at < path.len() {
        let rest = &path[at..];
        if !rest.starts_with('<') {
            let literal = rest.find('<').map_or(rest, |end| &rest[..end]);
            if let Some((offset, message)) = literal_mistake(literal) {
                return refuse(at + offset, message.into());
            }
            at += literal.len();
            follows_a_wildcard = false;
            continue;
        }
        let inner = match inner(rest) {
            Ok(inner) => inner,
            Err(message) => return refuse(at, message),
        };
        let wildcard = match wildcard(inner, &wildcards) {
            Ok(_) if follows_a_wildcard => {
                return refuse(at, format!("`<{inner}>` touches the wildcard before it: put text or `/` between them"));
            }
            Ok(wildcard) => wildcard,
            Err(message) => return refuse(at, message),
        };
        let end = at + inner.len() + 2;
        let stands_alone = path[..at].ends_with('/') && end == path.len();
        if wildcard.filter.as_deref() == Some("path") && !stands_alone {
            return refuse(at, format!("`<{inner}>` takes the rest of the path: make it the whole last segment"));
        }
        wildcards.push(wildcard);
        at = end;
        follows_a_wildcard = true;
    }
    Ok(wildcards)
}

/// Returns what stands between `<` and `>`.
fn inner(rest: &str) -> Result<&str, String> {
    let inner = &rest[1..];
    let end = inner.find(['<', '>', '/']).filter(|end| inner[*end..].starts_with('>'));
    let unclosed = "`<` is not closed within its segment: write `<name>`, or `%3C` for the character itself";
    end.map(|end| &inner[..end]).ok_or_else(|| unclosed.into())
}

fn wildcard(inner: &str, before: &[Wildcard]) -> Result<Wildcard, String> {
    let (name, filter) = match inner.split_once(':') {
        Some((name, filter)) => (name, Some(filter)),
        None => (inner, None),
    };
    if name.is_empty() {
        return Err("the wildcard has no name: write `<name>` or `<name:int>`".into());
    }
    if !is_identifier(name) {
        return Err(format!("`{name}` cannot name an argument: use letters, digits and `_`, no digit first"));
    }
    if before.iter().any(|known| known.name == name) {
        return Err(format!("`{name}` is there twice: give each wildcard its own name"));
    }
    if let Some(filter) = filter.filter(|filter| !FILTERS.contains(filter)) {
        return Err(format!("there is no filter `{filter}`: use `int`, `float`, `uuid` or `path`, or just `<{name}>`"));
    }
    Ok(Wildcard { name: name.into(), filter: filter.map(Into::into) })
}

fn is_identifier(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    starts && name != "_" && name.chars().all(|next| next.is_alphanumeric() || next == '_')
}

fn literal_mistake(literal: &str) -> Option<(usize, &'static str)> {
    if let Some(offset) = literal.find(['>', '?', '#', '\0']) {
        let message = match literal.as_bytes()[offset] {
            b'>' => "`>` closes nothing: write `<name>`, or `%3E` for the character itself",
            b'?' => "a path holds no query: remove it, or write `%3F` for the character itself",
            b'#' => "a path holds no fragment: remove it, or write `%23` for the character itself",
            _ => "a path holds no NUL character: remove it",
        };
        return Some((offset, message));
    }
    if is_encoded_text(literal) {
        return None;
    }
    let percent = literal.find('%').unwrap_or(0);
    Some((percent, "this percent-encoding is not valid UTF-8 text: write `%25` for a percent sign"))
}

/// Says whether each `%` is followed by two digits, and all of it decodes to text without a NUL.
fn is_encoded_text(literal: &str) -> bool {
    let mut decoded = Vec::with_capacity(literal.len());
    let mut bytes = literal.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return false };
        decoded.extend(u8::try_from(high << 4 | low));
    }
    !decoded.contains(&0) && String::from_utf8(decoded).is_ok()
}

#[cfg(test)]
mod tests;
