//! Opens a page in the browser and a file in the editor.
//!
//! The editor is that of `PIXIE_EDITOR`, `VISUAL` or `EDITOR` if it has its own window, else the first known
//! editor in `PATH`. Invariant: only files of the project are opened, because the request comes from a web
//! page.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::{error::reason, output, project::Project};

/// Editors with their own windows, and the form in which each takes a file and a line.
const EDITORS: [(&str, Style); 12] = [
    ("code", Style::Goto),
    ("codium", Style::Goto),
    ("cursor", Style::Goto),
    ("windsurf", Style::Goto),
    ("zed", Style::Colons),
    ("zeditor", Style::Colons),
    ("subl", Style::Colons),
    ("rustrover", Style::Line),
    ("idea", Style::Line),
    ("clion", Style::Line),
    ("gvim", Style::Plus),
    ("emacsclient", Style::Plus),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `-g file:line:column`
    Goto,
    /// `file:line:column`
    Colons,
    /// `--line line file`
    Line,
    /// `+line file`
    Plus,
}

/// Opens an address in the browser.
pub(crate) fn browse(address: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    if run(Command::new(opener).arg(address), opener).is_err() {
        output::help(format_args!("open {address} in your browser"));
    }
}

/// Opens a place, written as `file:line:column`, in the editor.
pub(crate) fn edit(place: &str, project: &Project) {
    let mut parts = place.rsplitn(3, ':');
    let (Some(column), Some(line), Some(file)) = (parts.next(), parts.next(), parts.next()) else { return };
    let Some(file) = find(file, project) else {
        return output::warning(format_args!("the page asked to open {file}, which is not a file of the project"));
    };
    let Some((program, style)) = editor() else {
        return output::help("set PIXIE_EDITOR to open files from the page, for example PIXIE_EDITOR=code");
    };
    let file = file.display();
    let args = match style {
        Style::Goto => vec!["-g".to_owned(), format!("{file}:{line}:{column}")],
        Style::Colons => vec![format!("{file}:{line}:{column}")],
        Style::Line => vec!["--line".to_owned(), line.to_owned(), file.to_string()],
        Style::Plus => vec![format!("+{line}"), file.to_string()],
    };
    // `run` reports a failure.
    let _ = run(Command::new(&program).args(args), &program);
}

/// Returns the path of a file of the project, given relative to the workspace or the package; else `None`.
fn find(file: &str, project: &Project) -> Option<PathBuf> {
    let places = [&project.workspace, &project.root].map(|folder| folder.join(file));
    let found = places.iter().find_map(|path| path.canonicalize().ok().filter(|path| path.is_file()))?;
    let is_ours = |root: &PathBuf| root.canonicalize().is_ok_and(|root| found.starts_with(root));
    project.local.iter().chain([&project.workspace]).any(is_ours).then_some(found)
}

fn editor() -> Option<(String, Style)> {
    let mut named = ["PIXIE_EDITOR", "VISUAL", "EDITOR"].iter().filter_map(|name| env::var(name).ok());
    let found = named.find_map(|command| known(&command));
    found.or_else(|| env::var("PIXIE_EDITOR").ok().map(|program| (program, Style::Colons))).or_else(|| {
        let path = env::var_os("PATH")?;
        let exists = |name: &str| env::split_paths(&path).any(|folder| folder.join(name).is_file());
        EDITORS.iter().find(|(name, _)| exists(name)).map(|(name, style)| ((*name).to_owned(), *style))
    })
}

/// Returns the known editor in a variable's value. Drops arguments, such as in `code --wait`, which git
/// needs.
fn known(command: &str) -> Option<(String, Style)> {
    let first = command.split_whitespace().next()?;
    [command, first].into_iter().find_map(|program| {
        let name = Path::new(program).file_name()?.to_str()?;
        let (_, style) = EDITORS.iter().find(|(editor, _)| *editor == name)?;
        Some((program.to_owned(), *style))
    })
}

/// Starts a program, and prints a warning on failure.
fn run(command: &mut Command, name: &str) -> io::Result<()> {
    match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        // A thread waits for the program, so that it does not become a zombie.
        Ok(mut child) => {
            thread::spawn(move || child.wait());
            Ok(())
        }
        Err(error) => {
            output::warning(format_args!("could not start `{name}`: {}", reason(&error)));
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Style, known};

    #[test]
    fn an_editor_is_found_in_the_value_of_a_variable() {
        for (command, expected) in [
            ("code", Some(("code", Style::Goto))),
            ("code --wait", Some(("code", Style::Goto))),
            ("/opt/my editors/zed", Some(("/opt/my editors/zed", Style::Colons))),
            ("emacsclient -n", Some(("emacsclient", Style::Plus))),
            ("vim", None),
            ("", None),
        ] {
            let expected = expected.map(|(program, style)| (program.to_owned(), style));
            assert_eq!(known(command), expected, "{command}");
        }
    }
}
