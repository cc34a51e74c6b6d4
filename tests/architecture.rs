//! The house rules that a compiler does not know: which crate may use which, and what every source file starts with.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Every arrow between our crates that ARCHITECTURE.md draws. There are no others.
const ARROWS: [(&str, &[&str]); 10] = [
    ("pixie-web", &["pixie-core", "pixie-macros", "pixie-pool", "pixie-server", "pixie-template"]),
    ("pixie-core", &["pixie-grammar"]),
    ("pixie-grammar", &[]),
    ("pixie-macros", &["pixie-grammar"]),
    ("pixie-server", &[]),
    ("pixie-pool", &["pixie-grammar", "pixie-pool-macros"]),
    ("pixie-pool-macros", &["pixie-grammar"]),
    ("pixie-template", &["pixie-core", "pixie-template-macros"]),
    ("pixie-template-macros", &[]),
    ("pixie-cli", &["pixie-server"]),
];

/// What `pixie-core` must not reach: it takes values and returns values.
const NOT_IN_CORE: [&str; 6] = ["tokio", "hyper", "mio", "socket2", "rustix", "libc"];

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be asked");
    serde_json::from_slice(&output.stdout).expect("cargo answers in JSON")
}

/// The dependencies of each crate of ours that its users get too; those of its tests do not count.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let name = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let users_get = |dependency: &&Value| dependency["kind"] != "dev";
    let of = |package: &Value| {
        package["dependencies"].as_array().expect("a list").iter().filter(users_get).map(name).collect()
    };
    packages.iter().map(|package| (name(package), of(package))).collect()
}

#[test]
fn the_arrows_between_our_crates_are_those_of_the_architecture() {
    let dependencies = dependencies();
    for (package, allowed) in ARROWS {
        let ours = dependencies[package].iter().filter(|name| dependencies.contains_key(*name));
        let strays: Vec<_> = ours.filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(strays.is_empty(), "{package} must not depend on {strays:?}");
    }
}

#[test]
fn the_core_reaches_no_runtime_socket_or_system() {
    let strays: Vec<_> = NOT_IN_CORE.iter().filter(|name| dependencies()["pixie-core"].contains(**name)).collect();
    assert!(strays.is_empty(), "pixie-core depends on {strays:?}");
}

#[test]
fn only_the_platform_files_of_the_pool_are_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources(root) {
        let is_platform = file.starts_with(root.join("pixie-pool/src/platform"));
        let text = std::fs::read_to_string(&file).expect("a source file is text");
        // In two parts, so that this line is none of those it looks for.
        let unsafe_block = concat!("uns", "afe {");
        assert!(is_platform || !text.contains(unsafe_block), "{} has an unsafe block", file.display());
    }
}

#[test]
fn every_source_file_says_what_it_owns() {
    for file in sources(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let is_input = ["ui", "template", "templates"]
            .iter()
            .any(|folder| file.components().any(|part| part.as_os_str() == *folder));
        let text = std::fs::read_to_string(&file).expect("a source file is text");
        assert!(is_input || text.starts_with("//!"), "{} does not start with `//!`", file.display());
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder can be read").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name == "target" || name.starts_with('.') || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}
