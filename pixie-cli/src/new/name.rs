//! The name of a project: cargo's rules for packages, and names that cargo accepts but that cause errors
//! later.
//!
//! Each refusal suggests a valid name.

use crate::error::Error;

/// Strict and reserved keywords of the 2024 edition.
const KEYWORDS: [&str; 52] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super",
    "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];
/// Folders in cargo's target folder, which a program of the same name would overwrite.
const BUILD_FOLDERS: [&str; 4] = ["build", "deps", "examples", "incremental"];
/// Crates that every program can use; a package of the same name would hide one.
const STANDARD: [&str; 5] = ["alloc", "core", "proc_macro", "std", "proc-macro"];
/// Names that Windows reserves for devices, with every extension.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2",
    "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// A name that can be a package, a folder and a crate.
#[derive(Clone, Debug)]
pub(crate) struct Name(String);

impl Name {
    /// Checks a name. `command` is the command for the fix, without the name: `pixie new`.
    pub(crate) fn check(name: &str, command: &str) -> Result<Self, Error> {
        let Some(reason) = refusal(name) else { return Ok(Self(name.to_owned())) };
        let error = Error::new(format_args!("`{name}` cannot be the name of a project: {reason}"));
        Err(error.help(format_args!("try `{command} {}`", suggestion(name))))
    }

    /// Returns what is wrong with a name and a valid one, in less than a line.
    pub(crate) fn complaint(name: &str) -> Option<String> {
        let reason = refusal(name)?;
        let reason = reason.split_once(", but").map_or(reason.as_str(), |(reason, _)| reason);
        Some(format!("{reason}; try {}", suggestion(name)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn refusal(name: &str) -> Option<String> {
    word_refusal(name).or_else(|| {
        let reserved = [
            (&["test"][..], "it is the name of Rust's test library"),
            (&BUILD_FOLDERS, "it is a folder in cargo's build directory"),
        ];
        let found = reserved.into_iter().find(|(names, _)| names.contains(&name));
        found.map(|(_, reason)| reason.into())
    })
}

/// Returns why neither a package nor a module can have this name.
pub(crate) fn word_refusal(name: &str) -> Option<String> {
    let may_continue = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let Some(first) = name.chars().next() else { return Some("it is empty".into()) };
    if let Some(wrong) = name.chars().find(|letter| !may_continue(*letter)) {
        return Some(format!("it has {}, but only ASCII letters, digits, `-` and `_` are allowed", shown(wrong)));
    }
    if first.is_ascii_digit() {
        return Some("it begins with a digit".into());
    }
    if !first.is_ascii_alphabetic() {
        return Some(format!("it begins with `{first}` instead of a letter"));
    }
    if KEYWORDS.contains(&name) {
        return Some("it is a keyword of Rust".into());
    }
    if STANDARD.contains(&name) {
        return Some("it is a part of Rust's standard library".into());
    }
    DEVICES.contains(&name.to_ascii_lowercase().as_str()).then(|| "Windows reserves it for a device".into())
}

fn shown(letter: char) -> String {
    match letter {
        ' ' => "a space".into(),
        letter if letter.is_control() => "a control character".into(),
        letter => format!("`{letter}`"),
    }
}

/// Returns a similar valid name: in kebab-case, with `-app` after a reserved name.
fn suggestion(name: &str) -> String {
    let (mut kebab, mut last) = (String::new(), ' ');
    for letter in name.chars() {
        let boundary = letter.is_ascii_uppercase() && last.is_ascii_lowercase();
        last = letter;
        if boundary || !letter.is_ascii_alphanumeric() && letter != '_' && letter.is_ascii() {
            kebab.push('-');
        }
        if letter.is_ascii_alphanumeric() || letter == '_' {
            kebab.push(letter.to_ascii_lowercase());
        }
    }
    let parts: Vec<_> = kebab.split('-').filter(|part| !part.is_empty()).collect();
    let kebab = parts.join("-").trim_start_matches('_').to_owned();
    match kebab.chars().next() {
        None => "my-app".into(),
        Some(first) if first.is_ascii_digit() => format!("app-{kebab}"),
        Some(_) if refusal(&kebab).is_some() => format!("{kebab}-app"),
        Some(_) => kebab,
    }
}

#[cfg(test)]
mod tests;
