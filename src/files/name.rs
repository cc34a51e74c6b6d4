//! `Name`: a file name from a client, checked before the file system is used.
//!
//! Invariant: a name that passes is a relative path of plain segments, which the system cannot interpret in
//! another way. Symbolic links are checked in `beneath.rs`, when the file is opened.

/// A safe relative path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'n> {
    /// Segments separated by slashes. Empty for the folder itself.
    pub(super) path: &'n str,
    /// Whether the name was empty or ended in a slash, and so means a folder.
    pub(super) is_folder: bool,
}

/// The system whose rules apply to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Windows,
    Other,
}

impl System {
    pub(super) const HERE: System = if cfg!(windows) { System::Windows } else { System::Other };
}

impl<'n> Name<'n> {
    /// Parses a decoded name. It must not be decoded again.
    pub(super) fn parse(text: &'n str, system: System) -> Option<Name<'n>> {
        let (path, is_folder) = match text.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (text, text.is_empty()),
        };
        let is_legal = text.is_empty() || path.split('/').all(|segment| is_plain(segment, system));
        is_legal.then_some(Name { path, is_folder })
    }
}

fn is_plain(segment: &str, system: System) -> bool {
    // A leading dot means `..`, `.` or a hidden file.
    let is_hidden = segment.is_empty() || segment.starts_with('.');
    let has_strange = segment.contains('\\') || segment.contains(char::is_control);
    !is_hidden && !has_strange && (system == System::Other || is_plain_on_windows(segment))
}

/// Windows has drives and streams (`:`) and devices in every folder, and ignores dots and spaces at the end.
fn is_plain_on_windows(segment: &str) -> bool {
    let has_strange = segment.contains(['<', '>', ':', '"', '|', '?', '*']);
    !has_strange && !segment.ends_with(['.', ' ']) && !is_device(segment)
}

fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let is_numbered = ["COM", "LPT"].iter().any(|port| stem.strip_prefix(port).is_some_and(is_port_number));
    is_numbered || ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str())
}

fn is_port_number(text: &str) -> bool {
    let mut characters = text.chars();
    let is_digit = characters.next().is_some_and(|digit| digit.is_ascii_digit() || "¹²³".contains(digit));
    is_digit && characters.next().is_none()
}

#[cfg(test)]
mod tests;
