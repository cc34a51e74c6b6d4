//! The Cargo.toml of a new project, and the workspace around it.
//!
//! Comments and order are kept. Outside the hidden folder, only the workspace's list of members is changed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::checkout::Checkout;
use crate::{
    error::Error,
    interrupt::{self, Section},
};

/// The crates of pixie, and their folders in a checkout.
const CRATES: [(&str, &str); 6] = [
    ("pixie-web", ""),
    ("pixie-core", "pixie-core"),
    ("pixie-macros", "pixie-core/macros"),
    ("pixie-pool", "pixie-pool"),
    ("pixie-server", "pixie-server"),
    ("pixie-template", "pixie-template"),
];
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

pub(crate) struct Manifest {
    path: PathBuf,
    document: DocumentMut,
}

/// The workspace around a new project, which becomes a member of it.
pub(crate) struct Workspace {
    pub(crate) path: PathBuf,
    document: DocumentMut,
    member: Option<String>,
}

impl Manifest {
    pub(crate) fn read(project: &Path) -> Result<Self, Error> {
        let path = project.join("Cargo.toml");
        if !path.is_file() {
            let error = Error::new("the template does not contain a Cargo.toml");
            return Err(error.help("a template must be a complete cargo project"));
        }
        let document = parse(&path)?;
        Ok(Self { path, document })
    }

    /// Refuses a project with the name of one of its dependencies, because Rust could not distinguish them.
    /// `command` is the command for the fix, without the name.
    pub(crate) fn check_name(&self, name: &str, command: &str) -> Result<(), Error> {
        let folded = name.replace('-', "_");
        let has = |table: &str| {
            self.table(table).is_some_and(|table| table.iter().any(|(key, _)| key.replace('-', "_") == folded))
        };
        match TABLES.iter().any(|table| has(table)) {
            false => Ok(()),
            true => Err(Error::new(format_args!(
                "`{name}` cannot be the name of the project: the project depends on a crate with that name"
            ))
            .help(format_args!("try `{command} {name}-app`"))),
        }
    }

    fn table(&self, name: &str) -> Option<&Table> {
        self.document.get(name)?.as_table()
    }

    /// Makes the project use the pixie crates of a checkout, and returns whether it uses any.
    pub(crate) fn use_checkout(&mut self, checkout: &Checkout) -> bool {
        let mut has_ours = false;
        for name in TABLES {
            let Some(table) = self.document.get_mut(name).and_then(Item::as_table_mut) else { continue };
            for (krate, folder) in CRATES {
                let Some(item) = table.get_mut(krate) else { continue };
                take_from(item, checkout, folder);
                has_ours = true;
            }
        }
        has_ours
    }

    /// Removes the profiles, because cargo warns about profiles in a member of a workspace.
    pub(crate) fn drop_profiles(&mut self) {
        self.document.remove("profile");
    }

    /// Makes the project a workspace of its own, so that cargo does not look for one above it.
    pub(crate) fn be_a_workspace(&mut self) {
        self.document.entry("workspace").or_insert(Item::Table(Table::new()));
    }

    pub(crate) fn write(&self) -> Result<(), Error> {
        fs::write(&self.path, self.document.to_string())
            .map_err(|error| Error::io("write the manifest", &self.path, &error))
    }
}

/// Replaces the version by the place of the crate, for every form of the entry in TOML.
fn take_from(item: &mut Item, checkout: &Checkout, folder: &str) {
    let place: Vec<(&str, Value)> = match checkout {
        Checkout::Git { git, rev } => vec![("git", git.into()), ("rev", rev.into())],
        Checkout::Folder { path } => {
            let path = if folder.is_empty() { path.clone() } else { path.join(folder) };
            vec![("path", path.display().to_string().into())]
        }
    };
    if let Some(table) = item.as_table_mut() {
        table.remove("version");
        place.into_iter().for_each(|(key, value)| drop(table.insert(key, Item::Value(value))));
        return;
    }
    let mut table = InlineTable::new();
    table.extend(place);
    let options = item.as_inline_table().into_iter().flat_map(InlineTable::iter);
    table.extend(
        options.filter(|(key, _)| *key != "version").map(|(key, value)| (key, value.clone().decorated(" ", ""))),
    );
    table.fmt();
    *item = Item::Value(Value::InlineTable(table));
}

impl Workspace {
    /// Finds the workspace around a folder that will be created.
    pub(crate) fn around(section: &Section, existing_parent: &Path, project: &Path) -> Result<Option<Self>, Error> {
        let mut command = interrupt::quiet(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["locate-project", "--workspace", "--message-format", "plain"]).current_dir(existing_parent);
        let found = section.output(&mut command);
        section.check()?;
        // It fails without cargo and outside of a package; then the project does not join a workspace.
        let Some(output) = found.ok().filter(|output| output.status.success()) else { return Ok(None) };
        let path = PathBuf::from(output.stdout.trim());
        let document = parse(&path)?;
        let Some(workspace) = document.get("workspace") else { return Ok(None) };
        let root = path.parent().unwrap_or(existing_parent);
        let Ok(member) = project.strip_prefix(root) else { return Ok(None) };
        let member = member.to_string_lossy().replace('\\', "/");
        if member.is_empty() || lists(workspace, "exclude", &member) {
            return Ok(None);
        }
        let is_listed = lists(workspace, "members", &member);
        Ok(Some(Self { path, document, member: (!is_listed).then_some(member) }))
    }

    /// Returns whether this is the workspace of pixie itself, which an app does not join.
    pub(crate) fn is_pixie(&self) -> bool {
        self.document.get("package").and_then(|package| package.get("name")?.as_str()) == Some("pixie-web")
    }

    /// Adds the project to the members, unless a pattern in the list covers it already.
    pub(crate) fn add(&mut self) -> Result<(), Error> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let members = self.document["workspace"]["members"].or_insert(Item::Value(Value::Array(Array::new())));
        let Some(members) = members.as_array_mut() else {
            return Err(Error::new("`workspace.members` is not a list").at(self.path.display()));
        };
        push_like_the_others(members, &member);
        fs::write(&self.path, self.document.to_string())
            .map_err(|error| Error::io("write the workspace", &self.path, &error))
    }
}

/// Adds a member. A list with one entry on each line keeps that form, and comments stay behind their entries.
fn push_like_the_others(members: &mut Array, member: &str) {
    let before = members.iter().last().and_then(|last| last.decor().prefix()).and_then(|prefix| prefix.as_str());
    let Some((_, indent)) = before.and_then(|prefix| prefix.rsplit_once('\n')) else {
        members.push(member);
        return;
    };
    let after = members.trailing().as_str().unwrap_or_default().trim_end_matches([' ', '\t', '\n']);
    let prefix = format!("{after}\n{indent}");
    members.push(member);
    if let Some(last) = members.iter_mut().last() {
        last.decor_mut().set_prefix(prefix);
    }
    members.set_trailing("\n");
    members.set_trailing_comma(true);
}

/// Returns whether a list of the workspace contains the member: its name, a pattern, or for `exclude` a
/// folder above it.
fn lists(workspace: &Item, list: &str, member: &str) -> bool {
    let Some(entries) = workspace.get(list).and_then(Item::as_array) else { return false };
    let covers = |entry: &str| {
        let entry = entry.trim_start_matches("./").trim_end_matches('/');
        entry == member || matches_pattern(entry, member) || list == "exclude" && Path::new(member).starts_with(entry)
    };
    entries.iter().filter_map(Value::as_str).any(covers)
}

/// Returns whether a pattern such as `crates/*` matches; a star matches any part of one folder's name.
fn matches_pattern(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(pattern, part)| matches_part(pattern, part))
}

fn matches_part(pattern: &str, part: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == part };
    part.len() >= before.len() + after.len() && part.starts_with(before) && part.ends_with(after)
}

fn parse(path: &Path) -> Result<DocumentMut, Error> {
    let text = fs::read_to_string(path).map_err(|error| Error::io("read the manifest", path, &error))?;
    text.parse().map_err(|error: toml_edit::TomlError| {
        Error::new(format_args!("the manifest is not valid TOML: {}", error.message())).at(path.display())
    })
}
