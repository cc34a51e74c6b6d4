//! A mistake in a template, as one message that begins with the template's file and line.
//!
//! The compiler points at the attribute `#[template]`, and reports an unknown field twice. This module reads
//! the compiler's messages and the template, and writes one message. Invariant: a message that is not about
//! a template stays as it is.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const GUTTER: Style = AnsiColor::BrightBlue.on_default().bold();
const BOLD: Style = Style::new().bold();
/// What `#[template]` writes before its own message about an unknown field.
const PANICKED: &str = "evaluation panicked: ";
/// Limits the part of a template's line that is quoted, in characters, so that it fits into 80 columns.
const QUOTED_MAX: usize = 70;

/// The mistakes of a build, in the order in which the compiler reported them.
#[derive(Debug, Default)]
pub(crate) struct TemplateMistakes(Vec<Mistake>);

#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    /// Where the template is wrong: a file with line and column, only a file, or words.
    place: String,
    message: String,
    notes: Vec<String>,
    /// File and line of the attribute.
    attribute: String,
    /// The name that the message is about, if the compiler reports that name once more.
    field: Option<String>,
    /// Whether `#[template]` itself wrote the message.
    is_own: bool,
}

impl TemplateMistakes {
    /// Takes a message of the compiler if it is an error in a template. Paths are relative to `workspace`.
    pub(crate) fn take(&mut self, diagnostic: &Value, workspace: &Path) -> bool {
        match diagnostic["level"].as_str() {
            // It names the codes of messages that were taken.
            Some("failure-note") => !self.0.is_empty(),
            Some("error") => Mistake::read(diagnostic, workspace).map(|mistake| self.add(mistake)).is_some(),
            _ => false,
        }
    }

    /// Keeps one message for each field: that of `#[template]`, which knows the line.
    fn add(&mut self, mistake: Mistake) {
        let is_same = |other: &Mistake| {
            other.field.is_some() && (&other.field, &other.attribute) == (&mistake.field, &mistake.attribute)
        };
        if self.0.contains(&mistake) || !mistake.is_own && self.0.iter().any(is_same) {
            return;
        }
        match self.0.iter().position(is_same) {
            Some(at) => self.0[at] = mistake,
            None => self.0.push(mistake),
        }
    }

    /// Returns the messages, with colors, each with an empty line after it.
    pub(crate) fn rendered(&self, workspace: &Path) -> String {
        self.0.iter().map(|mistake| mistake.rendered(workspace)).collect()
    }
}

impl Mistake {
    fn read(diagnostic: &Value, workspace: &Path) -> Option<Mistake> {
        let text = diagnostic["message"].as_str()?;
        let span = diagnostic["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
        let (outer, is_expanded) = outermost(span);
        let attribute = format!("{}:{}", outer["file_name"].as_str()?, outer["line_start"]);
        let mistake = |place: &str, message: &str, notes: &[String]| Mistake {
            place: place.to_owned(),
            message: message.to_owned(),
            notes: notes.to_vec(),
            attribute: attribute.clone(),
            field: None,
            is_own: true,
        };
        if let Some((message, place)) = text.split_once("--> ").filter(|_| !is_expanded) {
            // askama: the message, the place, and what follows there.
            let place = place.lines().next().unwrap_or_default();
            return message.ends_with(char::is_whitespace).then(|| mistake(place, message.trim_end(), &[]));
        }
        // The compiler does not always tell which macro wrote this assertion.
        let own = text.strip_prefix(PANICKED).filter(|text| text.contains("` has no field `"));
        if let Some((place, message)) = own.and_then(|text| text.split_once(": `")) {
            let (message, fields) = message.split_once("; ").unwrap_or((message, ""));
            let field = message.rsplit('`').nth(1).map(str::to_owned);
            let found = mistake(place, &format!("`{message}"), &[format!("help: {fields}")]);
            return Some(Mistake { field, ..found });
        }
        if !is_expanded {
            return None;
        }
        let name = text.split('`').nth(1);
        if diagnostic["code"]["code"] == "E0433" && name == Some("filters") {
            let place = place_of(outer, "", workspace);
            let help = "help: write a function of its name in a module `filters` beside the struct";
            return Some(mistake(&place, "a filter does not exist", &[help.to_owned()]));
        }
        let place = place_of(outer, name.unwrap_or_default(), workspace);
        let found = mistake(&place, text, &children(diagnostic));
        let field = name.filter(|_| diagnostic["code"]["code"] == "E0609").map(str::to_owned);
        Some(Mistake { field, is_own: false, ..found })
    }

    fn rendered(&self, workspace: &Path) -> String {
        let Mistake { place, message, attribute, .. } = self;
        let mut text = format!("{ERROR}error{ERROR:#}{BOLD}: {place}: {message}{BOLD:#}\n");
        let indent = quote(&mut text, place, workspace);
        let template = format!("note: the template belongs to `#[template]` at {attribute}");
        for note in self.notes.iter().chain([&template]) {
            let note = note.replace('\n', &format!("\n{:indent$}     ", ""));
            let _ = writeln!(text, "{:indent$}{GUTTER}= {GUTTER:#}{note}", "");
        }
        text + "\n"
    }
}

/// Returns the place in the user's code that led to a span, and whether `#[template]` generated the code.
fn outermost(span: &Value) -> (&Value, bool) {
    let (mut span, mut is_generated) = (span, false);
    while let Some(name) = span["expansion"]["macro_decl_name"].as_str() {
        // pixie-web has the attribute under a name of its own.
        is_generated = matches!(name, "#[template]" | "#[web_template]");
        span = &span["expansion"]["span"];
    }
    (span, is_generated)
}

/// Returns the notes and the help of a message.
fn children(diagnostic: &Value) -> Vec<String> {
    let children = diagnostic["children"].as_array().into_iter().flatten();
    let text = |child: &Value| Some(format!("{}: {}", child["level"].as_str()?, child["message"].as_str()?));
    children.filter_map(text).collect()
}

/// Returns the template's file, with line and column if the template uses the name once.
fn place_of(attribute: &Value, name: &str, workspace: &Path) -> String {
    let line = attribute["text"][0]["text"].as_str().unwrap_or_default();
    let named = line.split_once("template(\"").and_then(|(_, rest)| rest.split_once('"'));
    let Some((template, _)) = named else { return "an inline template".into() };
    let source = attribute["file_name"].as_str().unwrap_or_default();
    let files = Path::new(source).ancestors().skip(1).map(|folder| folder.join("templates").join(template));
    let file = files.into_iter().find(|file| workspace.join(file).is_file());
    let file = file.unwrap_or_else(|| PathBuf::from("templates").join(template));
    let text = fs::read_to_string(workspace.join(&file)).unwrap_or_default();
    match used_once(&text, name) {
        Some((line, column)) => format!("{}:{line}:{column}", file.display()),
        None => file.display().to_string(),
    }
}

/// Returns line and column, both from 1, of a name that occurs once in the tags of a template.
fn used_once(text: &str, name: &str) -> Option<(usize, usize)> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let is_name = |at: &usize| {
        let (before, after) = (&text[..*at], &text[*at + name.len()..]);
        let is_in_tag = before.rfind('{') > before.rfind('}');
        is_in_tag && !before.ends_with(is_word) && !after.starts_with(is_word)
    };
    let mut found = text.match_indices(name).map(|(at, _)| at).filter(|_| !name.is_empty()).filter(is_name);
    let at = found.next().filter(|_| found.next().is_none())?;
    let line = text[..at].matches('\n').count() + 1;
    Some((line, text[..at].rsplit('\n').next().unwrap_or_default().chars().count() + 1))
}

/// Quotes the line of a template and marks the column. Returns the width of the line's number.
fn quote(text: &mut String, place: &str, workspace: &Path) -> usize {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok()).filter(|number| *number > 0);
    let (Some(column), Some(line), Some(file)) = (number(column), number(line), file) else { return 1 };
    let Ok(template) = fs::read_to_string(workspace.join(file)) else { return 1 };
    let Some(quoted) = template.lines().nth(line - 1) else { return 1 };
    let start = (column - 1).saturating_sub(QUOTED_MAX / 2);
    let start = if quoted.chars().count() > QUOTED_MAX { start } else { 0 };
    let shown: String = quoted.chars().skip(start).take(QUOTED_MAX).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let word = quoted.chars().skip(column - 1).take_while(|c| c.is_alphanumeric() || *c == '_').count().max(1);
    let (indent, before) = (line.to_string().len(), column - 1 - start);
    let marks = "^".repeat(word);
    let _ = writeln!(text, "{:indent$} {GUTTER}|{GUTTER:#}", "");
    let _ = writeln!(text, "{GUTTER}{line} |{GUTTER:#} {shown}");
    let _ = writeln!(text, "{:indent$} {GUTTER}|{GUTTER:#} {:before$}{ERROR}{marks}{ERROR:#}", "", "");
    indent + 1
}

#[cfg(test)]
mod tests;
