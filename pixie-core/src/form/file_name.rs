//! Cleans the name that a client gives to a file, so that it can be joined to the path of a folder on any
//! system.
//!
//! The result is one visible path component without a special meaning to a shell, a browser or Windows. The
//! client still chooses it: two files may have the same name.

/// Limits the name, in bytes. File systems accept 255, so this leaves room for a number or a date before it.
const NAME_BYTES_MAX: usize = 200;
/// Limits the extension, in bytes. A longer one counts as part of the name.
const ENDING_BYTES_MAX: usize = 16;
/// The name of a file whose own name is empty after cleaning.
const UNNAMED: &str = "unnamed";

/// Returns a name that is safe as the last part of a path.
pub(crate) fn cleaned(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible = last.chars().filter(|char| !char.is_control() && !is_hidden_mark(*char));
    let name: String = visible.map(|char| if r#"<>:"|?*"#.contains(char) { '_' } else { char }).collect();
    // Windows ignores dots and spaces at the end. A leading dot hides a file, and some such files configure a
    // server.
    let name = name.trim_start_matches(|char: char| char == '.' || char.is_whitespace());
    let name = shortened(name);
    let name = name.trim_end_matches(|char: char| char == '.' || char.is_whitespace());
    match name {
        "" => UNNAMED.to_owned(),
        name if is_device(name) => format!("_{name}"),
        name => name.to_owned(),
    }
}

/// Returns whether a character is invisible. Such characters can make `gpj.exe` look like `exe.jpg`.
fn is_hidden_mark(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Shortens the name, but keeps its extension.
fn shortened(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.len() <= ENDING_BYTES_MAX { ending } else { "" };
    let end = name.floor_char_boundary(NAME_BYTES_MAX - ending.len());
    format!("{}{ending}", &name[..end])
}

/// Returns whether Windows opens a device for this name, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |device| {
        let mut number = stem.strip_prefix(device).unwrap_or_default().chars();
        matches!((number.next(), number.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}
