//! The name of what is added: a module, a function, a part of a path.
//!
//! Words may be joined by `_` or `-`. Each refusal suggests a command with a valid name.

use crate::{error::Error, new::word_refusal};

/// A name that is a Rust module and, with `-` between its words, a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The module: `admin_page`.
    pub(crate) module: String,
}

impl Name {
    /// Checks a name. `command` is the command for the fix, without the name: `pixie add route`.
    pub(crate) fn check(name: &str, command: &str) -> Result<Self, Error> {
        match refusal(name) {
            None => Ok(Self { module: name.replace('-', "_") }),
            Some(reason) => {
                let error = Error::usage(format_args!("`{name}` cannot be the name of a module: {reason}"));
                Err(error.help(format_args!("try `{command} {}`", suggestion(name))))
            }
        }
    }

    /// Returns the words with `-` between them: `admin-page`.
    pub(crate) fn kebab(&self) -> String {
        self.module.replace('_', "-")
    }

    /// Returns the name of a type: `AdminPage`.
    pub(crate) fn camel(&self) -> String {
        self.module.split('_').map(capitalized).collect()
    }

    /// Returns a heading: `Admin page`.
    pub(crate) fn heading(&self) -> String {
        capitalized(&self.module.replace('_', " "))
    }
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + rest
}

fn refusal(name: &str) -> Option<String> {
    if let Some(reason) = word_refusal(name) {
        return Some(reason);
    }
    if name.chars().any(|letter| letter.is_ascii_uppercase()) {
        return Some("it has an upper case letter".into());
    }
    if name == "tests" {
        return Some("each module has its tests in a module of this name".into());
    }
    let words = name.split(['-', '_']);
    words.into_iter().any(str::is_empty).then(|| "a `-` or `_` is not between two words".into())
}

/// Returns arguments with a similar valid name. Slashes become a path.
fn suggestion(name: &str) -> String {
    let (mut words, mut last) = (String::new(), ' ');
    for letter in name.chars() {
        let is_boundary = letter.is_ascii_uppercase() && last.is_ascii_lowercase();
        last = letter;
        if is_boundary || !letter.is_ascii_alphanumeric() && letter.is_ascii() {
            words.push('-');
        }
        words.extend(letter.is_ascii_alphanumeric().then(|| letter.to_ascii_lowercase()));
    }
    let words: Vec<_> = words.split('-').filter(|word| !word.is_empty()).collect();
    let kebab = match words.join("-") {
        kebab if kebab.is_empty() => "my-page".into(),
        kebab if kebab.starts_with(|first: char| first.is_ascii_digit()) => format!("page-{kebab}"),
        kebab if refusal(&kebab).is_some() => format!("{kebab}-page"),
        kebab => kebab,
    };
    match name.contains('/') && words.len() > 1 {
        true => format!("{kebab} --path /{}", words.join("/")),
        false => kebab,
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, refusal, suggestion};

    #[test]
    fn a_name_has_the_forms_that_rust_and_urls_use() {
        for (name, module, kebab, camel, heading) in [
            ("users", "users", "users", "Users", "Users"),
            ("admin-page", "admin_page", "admin-page", "AdminPage", "Admin page"),
            ("admin_page", "admin_page", "admin-page", "AdminPage", "Admin page"),
            ("page2", "page2", "page2", "Page2", "Page2"),
        ] {
            let checked = Name::check(name, "").unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let forms = (&*checked.module, &*checked.kebab(), &*checked.camel(), &*checked.heading());
            assert_eq!(forms, (module, kebab, camel, heading), "{name}");
        }
    }

    #[test]
    fn a_refused_name_comes_with_one_that_is_accepted() {
        for (name, expected) in [
            ("Admin-Page", "admin-page"),
            ("AdminPage", "admin-page"),
            ("users/new", "users-new --path /users/new"),
            ("/users", "users"),
            ("type", "type-page"),
            ("crate", "crate-page"),
            ("std", "std-page"),
            ("aux", "aux-page"),
            ("tests", "tests-page"),
            ("2fast", "page-2fast"),
            ("a__b", "a-b"),
            ("a-", "a"),
            ("_a", "a"),
            ("", "my-page"),
            ("users.rs", "users-rs"),
            ("naïve", "nave"),
            ("日本", "my-page"),
            ("../etc", "etc"),
        ] {
            assert!(refusal(name).is_some(), "{name}");
            let suggested = suggestion(name);
            assert_eq!(suggested, expected, "for {name}");
            assert_eq!(refusal(suggested.split(' ').next().unwrap_or_default()), None, "for {name}");
        }
    }
}
