//! Settings that a file or a variable of the environment can set: one row per setting.
//!
//! Owns what a row says and how values are read from text and written as text. Leaves the rows to the crates
//! that have settings. Invariant: the text of a value can be read again and gives the same value.

use std::{path::PathBuf, time::Duration};

use crate::{ByteSize, parse_duration};

/// One setting of the configuration `C`. Parser, error messages and the reference page follow from it.
#[derive(Debug)]
pub struct Setting<C: 'static> {
    /// Its name in a file, such as `header_timeout`.
    pub name: &'static str,
    /// What it limits, its default and the reason for it, as Markdown. The first sentence is a summary.
    pub doc: &'static str,
    /// What a text must be, such as `a duration such as 30s`.
    pub takes: &'static str,
    /// The smallest and the largest value, such as `1..65535` or `1..`; empty if every value is fine.
    pub range: &'static str,
    /// The default in words, where it depends on the machine or on another setting.
    pub default: Option<&'static str>,
    /// Returns the value as text.
    pub read: fn(&C) -> String,
    /// Sets the value that a text stands for, or returns why the text is invalid.
    pub write: fn(&mut C, &str) -> Result<(), String>,
}

/// A type of values that a text can hold.
pub trait TextValue: Sized {
    /// What a text must be, for messages and the reference page.
    const TAKES: &'static str;

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// Returns what the text must be.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Returns the text of the value.
    fn to_text(&self) -> String;

    /// Returns the number that a range compares: bytes, milliseconds or a count.
    fn amount(&self) -> Option<u64> {
        None
    }
}

/// Reads a value within a range such as `1..100` or `1s..`; both ends are included. An empty range allows
/// every value.
///
/// ```
/// use pixie_grammar::read_within;
///
/// assert_eq!(read_within::<usize>("7", "1..10"), Ok(7));
/// assert_eq!(read_within::<usize>("0", "1.."), Err("0 is below the minimum, 1".to_owned()));
/// ```
///
/// # Errors
///
/// Returns what the text must be, or the end of the range that the value is beyond.
pub fn read_within<T: TextValue>(text: &str, range: &str) -> Result<T, String> {
    let value = T::from_text(text)?;
    let (least, most) = range.split_once("..").unwrap_or_default();
    let amount = |end: &str| T::from_text(end).ok().and_then(|end| end.amount());
    match (value.amount(), amount(least), amount(most)) {
        (Some(value), Some(end), _) if value < end => Err(format!("{text} is below the minimum, {least}")),
        (Some(value), _, Some(end)) if value > end => Err(format!("{text} is above the maximum, {most}")),
        _ => Ok(value),
    }
}

/// Makes a struct of settings, its defaults, its builder methods and its table of rows such as
/// `linger = value(time: Duration) -> Duration: Duration::from_millis(50), range "0s..1m";`.
///
/// `value` stores its argument. `bytes` stores a size as a number of bytes; `bytes_or_none` also reads `none`
/// as the largest number. `range` limits what a text may set. `default` has the default in words, if it
/// depends on another setting.
#[macro_export]
macro_rules! settings {
    ($(#[doc = $about:literal])* pub struct $config:ident;
    $($(#[doc = $doc:literal])* $name:ident = $how:ident($argument:ident: $from:ty) -> $type:ty: $value:expr
        $(, range $range:literal)? $(, default $default:literal)?;)+) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug)]
        pub struct $config {
            $(pub(crate) $name: $type,)+
            /// What is wrong with a size that was set.
            mistake: Option<String>,
        }

        impl Default for $config {
            fn default() -> Self {
                $config { $($name: $value,)+ mistake: None }
            }
        }

        impl $config {
            $($(#[doc = $doc])*
            pub fn $name(mut self, $argument: $from) -> Self {
                $crate::settings!(@set $how self, $name, $argument, $type);
                self
            })+

            /// Returns the settings that a file or a variable of the environment can set.
            pub fn settings() -> &'static [$crate::Setting<Self>] {
                &[$($crate::Setting {
                    name: stringify!($name),
                    doc: concat!($($doc, "\n"),*),
                    takes: $crate::settings!(@takes $how $type),
                    range: concat!($($range)?),
                    default: $crate::settings!(@default $($default)?),
                    read: |config| $crate::settings!(@read $how config.$name, $type),
                    write: |config, text| {
                        let range = concat!($($range)?);
                        config.$name = $crate::settings!(@write $how text, range, $type);
                        Ok(())
                    },
                }),+]
            }

            /// Returns what is wrong with a size that was set, if it cannot be read. A program with such
            /// settings does not start.
            pub fn mistake(&self) -> Option<&str> {
                self.mistake.as_deref()
            }
        }
    };
    (@set value $config:ident, $name:ident, $value:expr, $type:ty) => { $config.$name = $value.into() };
    (@set $bytes:ident $config:ident, $name:ident, $value:expr, $type:ty) => {
        match $value.into().bytes() {
            Ok(bytes) => $config.$name = <$type>::try_from(bytes).unwrap_or(<$type>::MAX),
            Err(mistake) => $config.mistake = Some(format!("`{}`: {mistake}", stringify!($name))),
        }
    };
    (@takes value $type:ty) => { <$type as $crate::TextValue>::TAKES };
    (@takes $bytes:ident $type:ty) => { <$crate::ByteSize as $crate::TextValue>::TAKES };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
    (@read value $field:expr, $type:ty) => { $crate::TextValue::to_text(&$field) };
    (@read bytes $field:expr, $type:ty) => { $crate::ByteSize::from($field as u64).to_string() };
    (@read bytes_or_none $field:expr, $type:ty) => {
        match $field {
            <$type>::MAX => "none".to_owned(),
            bytes => $crate::ByteSize::from(bytes as u64).to_string(),
        }
    };
    (@write value $text:ident, $range:ident, $type:ty) => { $crate::read_within::<$type>($text, $range)? };
    (@write bytes $text:ident, $range:ident, $type:ty) => {
        <$type>::try_from($crate::read_within::<$crate::ByteSize>($text, $range)?.bytes()?).unwrap_or(<$type>::MAX)
    };
    (@write bytes_or_none $text:ident, $range:ident, $type:ty) => {
        match $text {
            "none" => <$type>::MAX,
            text => $crate::settings!(@write bytes text, $range, $type),
        }
    };
}

macro_rules! numbers {
    ($($number:ty),+) => {
        $(impl TextValue for $number {
            const TAKES: &'static str = "a whole number";

            fn from_text(text: &str) -> Result<Self, String> {
                let wrong = |_| match <$number>::BITS {
                    64 => "the value must be a whole number".to_owned(),
                    _ => format!("the value must be a whole number from 0 to {}", <$number>::MAX),
                };
                text.replace('_', "").parse().map_err(wrong)
            }

            fn to_text(&self) -> String {
                self.to_string()
            }

            fn amount(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }
        })+
    };
}

numbers!(u16, u32, u64, usize);

impl TextValue for bool {
    const TAKES: &'static str = "`on` or `off`";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "on" | "true" | "1" => Ok(true),
            "off" | "false" | "0" => Ok(false),
            _ => Err("the value must be `on` or `off`".to_owned()),
        }
    }

    fn to_text(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

impl TextValue for Duration {
    const TAKES: &'static str = "a duration such as `30s`";

    fn from_text(text: &str) -> Result<Self, String> {
        parse_duration(text)
    }

    fn to_text(&self) -> String {
        let millis = self.as_millis();
        let units = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
        let fits = units.iter().find(|(_, factor)| millis >= *factor && millis.is_multiple_of(*factor));
        fits.map_or_else(|| "0s".to_owned(), |(unit, factor)| format!("{}{unit}", millis / factor))
    }

    fn amount(&self) -> Option<u64> {
        u64::try_from(self.as_millis()).ok()
    }
}

impl TextValue for ByteSize {
    const TAKES: &'static str = "a size such as `10MB`";

    fn from_text(text: &str) -> Result<Self, String> {
        let size = ByteSize::from(text);
        size.bytes()?;
        Ok(size)
    }

    fn to_text(&self) -> String {
        self.to_string()
    }

    fn amount(&self) -> Option<u64> {
        self.bytes().ok()
    }
}

impl TextValue for String {
    const TAKES: &'static str = "a text";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("the value must not be empty".to_owned()) } else { Ok(text.to_owned()) }
    }

    fn to_text(&self) -> String {
        self.clone()
    }
}

impl TextValue for PathBuf {
    const TAKES: &'static str = "a path";

    fn from_text(text: &str) -> Result<Self, String> {
        String::from_text(text).map(PathBuf::from)
    }

    fn to_text(&self) -> String {
        self.display().to_string()
    }
}

/// A list: texts with commas between them.
impl TextValue for Vec<String> {
    const TAKES: &'static str = "texts with commas between them";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    fn to_text(&self) -> String {
        self.join(",")
    }
}

/// `none` stands for `None`.
impl<T: TextValue> TextValue for Option<T> {
    const TAKES: &'static str = T::TAKES;

    fn from_text(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(None) } else { T::from_text(text).map(Some) }
    }

    fn to_text(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::to_text)
    }

    fn amount(&self) -> Option<u64> {
        self.as_ref().and_then(T::amount)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn check<T: TextValue + PartialEq + Debug>(text: &str, value: T) {
        assert_eq!(T::from_text(text).as_ref(), Ok(&value), "{text}");
        assert_eq!(T::from_text(&value.to_text()), Ok(value), "{text}");
    }

    #[test]
    fn the_text_of_a_value_gives_the_value_again() {
        check("10_000", 10_000_usize);
        check("65535", u16::MAX);
        check("true", true);
        check("0", false);
        check("90m", Duration::from_secs(5400));
        check("1500ms", Duration::from_millis(1500));
        check("0s", Duration::ZERO);
        check("1536MiB", ByteSize::from(1536 << 20));
        check("0B", ByteSize::from(0));
        check("none", None::<Duration>);
        check("2s", Some(Duration::from_secs(2)));
        check("::1", "::1".to_owned());
        check(" a, b ,", vec!["a".to_owned(), "b".to_owned()]);
        check("/srv/up", PathBuf::from("/srv/up"));
    }

    #[test]
    fn a_text_without_a_value_is_refused_with_what_it_must_be() {
        fn why<T: TextValue + Debug>(text: &str) -> String {
            T::from_text(text).expect_err(text)
        }
        assert_eq!(why::<u16>("70000"), "the value must be a whole number from 0 to 65535");
        assert_eq!(why::<bool>("no"), "the value must be `on` or `off`");
        assert_eq!(why::<String>(""), "the value must not be empty");
        assert!(why::<Duration>("30").contains("such as `2s`") && why::<ByteSize>("30").contains("such as `10MB`"));
    }

    #[test]
    fn a_range_includes_its_ends() {
        for (text, range, fits) in [
            ("1s", "1s..1h", true),
            ("999ms", "1s..1h", false),
            ("1h", "1s..1h", true),
            ("61m", "1s..1h", false),
            ("0s", "", true),
            ("24h", "1s..", true),
        ] {
            assert_eq!(read_within::<Duration>(text, range).is_ok(), fits, "{text} in {range}");
        }
        assert_eq!(read_within::<Option<usize>>("none", "1.."), Ok(None));
    }
}
