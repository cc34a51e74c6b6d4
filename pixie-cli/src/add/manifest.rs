//! `Cargo.toml`, `pixie.toml` and `.gitignore`: what an addition needs there. Comments and order stay.

use std::path::Path;

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::draft::Draft;
use crate::error::Error;

const MANIFEST: &str = "Cargo.toml";
const SETTINGS: &str = "pixie.toml";
/// Features that pixie-web has by default.
const DEFAULT: [&str; 2] = ["sandbox", "store"];

/// A dependency with its features.
pub(crate) struct Needed {
    pub(crate) name: &'static str,
    /// For a package that does not have the dependency yet.
    pub(crate) version: &'static str,
    pub(crate) features: Vec<&'static str>,
}

/// Turns features of dependencies on, and adds the dependencies that are missing.
pub(crate) fn depend(draft: &mut Draft, needed: &[Needed]) -> Result<(), Error> {
    change(draft, MANIFEST, |document| {
        let dependencies = document["dependencies"].or_insert(Item::Table(Table::new()));
        let dependencies = dependencies.as_table_mut().ok_or("`dependencies` is not a table")?;
        let (is_sorted, count) = (dependencies.iter().map(|(name, _)| name).is_sorted(), dependencies.len());
        for Needed { name, version, features } in needed {
            if !dependencies.contains_key(name) {
                dependencies.insert(name, Item::Value(Value::from(*version)));
            }
            turn_on(&mut dependencies[name], features)?;
        }
        if is_sorted && dependencies.len() > count {
            dependencies.sort_values();
        }
        Ok(())
    })
}

/// Returns the names of the dependencies, as Rust writes them.
pub(crate) fn dependencies(manifest: &str) -> Vec<String> {
    let document: DocumentMut = manifest.parse().unwrap_or_default();
    let tables =
        ["dependencies", "dev-dependencies"].into_iter().filter_map(|name| document.get(name)?.as_table_like());
    tables.flat_map(|table| table.iter().map(|(name, _)| name.replace('-', "_")).collect::<Vec<_>>()).collect()
}

/// Returns whether a dependency has a feature.
pub(crate) fn has_feature(manifest: &str, name: &str, feature: &str) -> bool {
    let document: DocumentMut = manifest.parse().unwrap_or_default();
    let features = document.get("dependencies").and_then(|table| table.get(name)?.get("features")?.as_array());
    features.into_iter().flatten().any(|other| other.as_str() == Some(feature))
}

/// Builds a crate with optimization, also in development. Only the manifest of a workspace may have profiles.
pub(crate) fn optimize(draft: &mut Draft, crates: &[&str]) -> Result<(), Error> {
    change(draft, MANIFEST, |document| {
        let implicit = || {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        };
        let packages = document.entry("profile").or_insert_with(implicit);
        let packages = packages.as_table_like_mut().ok_or("`profile` is not a table")?;
        let packages = packages.entry("dev").or_insert_with(implicit);
        let packages = packages.as_table_like_mut().ok_or("`profile.dev` is not a table")?;
        let packages = packages.entry("package").or_insert_with(implicit);
        let packages = packages.as_table_like_mut().ok_or("`profile.dev.package` is not a table")?;
        for name in crates.iter().filter(|name| !packages.contains_key(name)).collect::<Vec<_>>() {
            let mut table = Table::new();
            table.insert("opt-level", Item::Value(Value::from(3)));
            packages.insert(name, Item::Table(table));
        }
        Ok(())
    })
}

/// Sets a setting of the app, unless it is set.
pub(crate) fn set(draft: &mut Draft, key: &str, value: &str) -> Result<(), Error> {
    change(draft, SETTINGS, |document| {
        let app = document["app"].or_insert(Item::Table(Table::new()));
        let app = app.as_table_like_mut().ok_or("`app` is not a table")?;
        if !app.contains_key(key) {
            app.insert(key, Item::Value(Value::from(value)));
        }
        Ok(())
    })
}

/// Lets git ignore a folder of the package, if the package has a `.gitignore`.
pub(crate) fn ignore(draft: &mut Draft, folder: &str) -> Result<(), Error> {
    let Some(text) = draft.text(Path::new(".gitignore"))? else { return Ok(()) };
    if text.lines().any(|line| line.trim().trim_matches('/') == folder) {
        return Ok(());
    }
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    draft.set(".gitignore", format!("{text}{newline}/{folder}\n"))
}

/// Turns features on, for every form of a dependency.
fn turn_on(item: &mut Item, features: &[&str]) -> Result<(), &'static str> {
    // Without an option, the default features are on.
    if item.is_str() && features.iter().all(|feature| DEFAULT.contains(feature)) {
        return Ok(());
    }
    if let Some(version) = item.as_str().map(str::to_owned) {
        let mut table = InlineTable::new();
        table.insert("version", version.into());
        *item = Item::Value(Value::InlineTable(table));
    }
    let table: &mut dyn TableLike = item.as_table_like_mut().ok_or("a dependency is neither a version nor a table")?;
    let is_lean = table.get("default-features").and_then(Item::as_bool) == Some(false);
    let features = features.iter().filter(|feature| is_lean || !DEFAULT.contains(feature)).collect::<Vec<_>>();
    if features.is_empty() {
        return Ok(());
    }
    let list = table.entry("features").or_insert(Item::Value(Value::Array(Array::new())));
    let list = list.as_array_mut().ok_or("`features` of a dependency is not a list")?;
    for feature in features {
        if !list.iter().any(|other| other.as_str() == Some(feature)) {
            list.push(*feature);
        }
    }
    if let Some(table) = item.as_inline_table_mut() {
        table.fmt();
    }
    Ok(())
}

fn change(
    draft: &mut Draft,
    path: &str,
    edit: impl FnOnce(&mut DocumentMut) -> Result<(), &'static str>,
) -> Result<(), Error> {
    let text = draft.text(Path::new(path))?.unwrap_or_default();
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Error::new(format_args!("this file is not valid TOML: {}", error.message())).at(path)
    })?;
    edit(&mut document).map_err(|reason| Error::new(reason).at(path))?;
    draft.set(path, document.to_string())
}
