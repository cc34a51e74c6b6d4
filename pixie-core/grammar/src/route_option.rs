//! The options of a route, each defined once.
//!
//! The parser of the attribute, its messages and its check, and the check at the start of an app follow from
//! [`RouteOption::ALL`]. Invariant: the method of `Route` for an option has the option's name.

use crate::RouteType;

/// An option of a route, such as `deadline = "2s"`.
#[derive(Debug)]
#[non_exhaustive]
pub struct RouteOption {
    /// The option's name in an attribute, which is also the name of the method of `Route`.
    pub name: &'static str,
    /// What sort of value the option takes.
    pub value: OptionValue,
    /// An example of a value, as it is written in an attribute. Empty for a flag.
    pub example: &'static str,
    /// The kinds of route that have this option.
    kinds: &'static [RouteType],
    /// Why the other kinds do not have it: the end of a sentence about a route.
    reason: &'static str,
}

/// What sort of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionValue {
    /// A text that is not empty.
    Name,
    /// None: the option stands alone.
    Flag,
    /// `true` or `false`.
    Switch,
    /// A duration above zero.
    Duration,
    /// A number of bytes.
    ByteSize,
    /// The value of a header.
    Header,
    /// How often something may happen.
    Rate,
}

const ANY_KIND: &[RouteType] = &RouteType::ALL;
const POOLED: &[RouteType] = &[RouteType::Pool, RouteType::Stream];
const STOPPABLE: &[RouteType] = &[RouteType::Thread, RouteType::Async, RouteType::Pool, RouteType::Stream];

impl RouteOption {
    /// All options.
    #[rustfmt::skip]
    pub const ALL: [RouteOption; 12] = [
        option("pool", OptionValue::Name, "\"images\"", POOLED, "runs in the main process"),
        option("fresh", OptionValue::Flag, "", POOLED, "runs in the main process"),
        option("deadline", OptionValue::Duration, "\"2s\"", STOPPABLE, "cannot be stopped"),
        option("body_limit", OptionValue::ByteSize, "\"10MB\"", ANY_KIND, ""),
        option("retry", OptionValue::Switch, "true", POOLED, "has no worker that could crash"),
        option("csrf", OptionValue::Switch, "false", ANY_KIND, ""),
        option("cache_control", OptionValue::Header, "\"max-age=3600\"", ANY_KIND, ""),
        option("limit", OptionValue::Rate, "\"5/min\"", ANY_KIND, ""),
        option("openapi", OptionValue::Switch, "false", ANY_KIND, ""),
        option("tag", OptionValue::Name, "\"images\"", ANY_KIND, ""),
        option("security", OptionValue::Name, "\"session\"", ANY_KIND, ""),
        option("name", OptionValue::Name, "\"thumb\"", ANY_KIND, ""),
    ];

    /// Returns the option of this name.
    pub fn named(name: &str) -> Option<&'static RouteOption> {
        const { &RouteOption::ALL }.iter().find(|option| option.name == name)
    }

    /// Returns why a route of this kind cannot have the option, and how to fix it: the end of a sentence
    /// about the route.
    pub fn refusal(&self, kind: RouteType) -> Option<String> {
        let RouteOption { name, reason, .. } = self;
        (!self.kinds.contains(&kind)).then(|| format!("{reason}: remove `{name}`, or make it a `pool` route"))
    }
}

const fn option(
    name: &'static str,
    value: OptionValue,
    example: &'static str,
    kinds: &'static [RouteType],
    reason: &'static str,
) -> RouteOption {
    RouteOption { name, value, example, kinds, reason }
}

/// Checks the value of a header: visible ASCII characters, and spaces between them.
///
/// # Errors
///
/// Returns a message that shows the text and how to fix it.
pub fn check_header_value(text: &str) -> Result<(), String> {
    let is_fine = |byte: u8| matches!(byte, b' '..=b'~');
    match !text.is_empty() && text.trim() == text && text.bytes().all(is_fine) {
        true => Ok(()),
        false => {
            Err(format!("invalid header value {text:?}: write visible ASCII characters, with spaces between them only"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_refused_by_the_kinds_that_cannot_have_it() {
        let refused_by = |name: &str| {
            let option = RouteOption::named(name).expect(name);
            RouteType::ALL.into_iter().filter(|kind| option.refusal(*kind).is_some()).collect::<Vec<_>>()
        };
        for (name, kinds) in [
            ("pool", &[RouteType::Sync, RouteType::Thread, RouteType::Async][..]),
            ("fresh", &[RouteType::Sync, RouteType::Thread, RouteType::Async]),
            ("retry", &[RouteType::Sync, RouteType::Thread, RouteType::Async]),
            ("deadline", &[RouteType::Sync]),
            ("body_limit", &[]),
            ("csrf", &[]),
            ("cache_control", &[]),
            ("name", &[]),
        ] {
            assert_eq!(refused_by(name), kinds, "{name}");
        }
        assert!(RouteOption::named("color").is_none());
    }

    #[test]
    fn a_header_value_is_visible_ascii() {
        for text in ["no-store", "public, max-age=3600"] {
            assert_eq!(check_header_value(text), Ok(()), "{text}");
        }
        for text in ["", " no-store", "no-store\r\nx: y", "ü", "a\0"] {
            assert!(check_header_value(text).is_err(), "{text}");
        }
    }
}
