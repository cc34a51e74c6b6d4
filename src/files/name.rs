//! `Name`: a file name from a client, checked before the file system is used.
//!
//! Invariant: a name that passes is a relative path of plain segments. Symbolic links are checked in
//! `beneath.rs`, when the file is opened.

/// A safe relative path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'n> {
    /// Segments separated by slashes. Empty for the folder itself.
    pub(super) path: &'n str,
    /// Whether the name was empty or ended in a slash, and so means a folder.
    pub(super) is_folder: bool,
}

impl<'n> Name<'n> {
    /// Parses a decoded name. It must not be decoded again.
    pub(super) fn parse(text: &'n str) -> Option<Name<'n>> {
        let (path, is_folder) = match text.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (text, text.is_empty()),
        };
        (text.is_empty() || path.split('/').all(is_plain)).then_some(Name { path, is_folder })
    }
}

/// A leading dot means `..`, `.` or a hidden file.
fn is_plain(segment: &str) -> bool {
    !segment.is_empty() && !segment.starts_with('.') && !segment.contains(|c: char| c == '\\' || c.is_control())
}

#[cfg(test)]
mod tests;
