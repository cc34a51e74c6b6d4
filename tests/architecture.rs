//! The house rules that a compiler does not know: which crate may use which, and what every source file
//! starts with.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Every arrow between our crates that ARCHITECTURE.md draws. There are no others.
const ARROWS: [(&str, &[&str]); 11] = [
    (
        "pixie-web",
        &["pixie-core", "pixie-grammar", "pixie-macros", "pixie-pool", "pixie-server", "pixie-store", "pixie-template"],
    ),
    ("pixie-core", &["pixie-grammar", "pixie-store"]),
    ("pixie-grammar", &[]),
    ("pixie-macros", &["pixie-grammar"]),
    ("pixie-server", &["pixie-grammar"]),
    ("pixie-pool", &["pixie-grammar", "pixie-pool-macros", "pixie-store"]),
    ("pixie-pool-macros", &["pixie-grammar"]),
    ("pixie-store", &[]),
    ("pixie-template", &["pixie-core", "pixie-template-macros"]),
    ("pixie-template-macros", &[]),
    ("pixie-cli", &["pixie-grammar", "pixie-server"]),
];

/// The folders of each crate from the bottom up: a folder uses itself and the folders before it in its list.
/// A file beside the folders counts as one, and names in one string may use each other. Every file of the
/// crate but `lib.rs` and tests has its place in the list.
const FOLDERS: [(&str, &[&str]); 7] = [
    (
        "src",
        &[
            "error",
            "sse",
            "table",
            "openapi",
            "no_openapi",
            "config",
            "websocket",
            "files",
            "jobs",
            "request",
            "dev",
            "app",
            "run",
            "testing",
            "guide",
            "fuzzing",
        ],
    ),
    ("pixie-core/src", &["error", "form", "http", "notes", "answer", "route", "extract", "fuzzing"]),
    (
        "pixie-pool/src",
        &[
            "identity",
            "config platform sandbox",
            "error",
            "snapshot",
            "protocol",
            "share",
            "fork",
            "job worker",
            "submission",
            "pool reply",
            "task",
            "fuzzing",
        ],
    ),
    (
        "pixie-pool/store/src",
        &[
            "error",
            "limits",
            "rate",
            "feed",
            "op",
            "table",
            "room",
            "rules",
            "backend",
            "call",
            "store topic",
            "gate",
            "fuzzing",
        ],
    ),
    ("pixie-pool/src/pool", &["metrics", "connection", "observers", "queue", "process"]),
    (
        "pixie-server/src",
        &[
            "race",
            "port_owner",
            "open_files",
            "throttle",
            "address",
            "network",
            "error",
            "counters",
            "stream",
            "clients",
            "config",
            "refusal",
            "closing",
            "head",
            "alt_svc",
            "listen",
            "udp",
            "proxy_protocol",
            "watch",
            "request_body",
            "response_body",
            "registry",
            "places",
            "socket",
            "shutdown",
            "unix",
            "unix_absent",
            "listener",
            "tls",
            "acceptor",
            "exchange",
            "http2",
            "no_http2",
            "connection",
            "opening",
            "http3",
            "no_http3",
            "server",
        ],
    ),
    (
        "pixie-cli/src",
        &[
            "error",
            "interrupt",
            "output",
            "env_files",
            "program",
            "project",
            "cargo",
            "routes",
            "reload",
            "deploy",
            "top",
            "check",
            "completions",
            "docs",
            "new",
            "add",
            "dev",
            "cli",
            "main",
        ],
    ),
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
        let says = text.starts_with("//!") || text.starts_with("#![doc = ");
        assert!(is_input || says, "{} does not start with `//!`", file.display());
    }
}

#[test]
fn every_example_says_how_to_run_it_and_is_in_the_list() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/README.md");
    let list = std::fs::read_to_string(list).expect("the list is text");
    let metadata = metadata(&["--no-deps"]);
    let mut examples = 0;
    for package in metadata["packages"].as_array().expect("a list of packages") {
        let of_package = |target: &&Value| {
            let is_program = package["manifest_path"].as_str().is_some_and(|path| path.contains("/examples/"));
            target["kind"][0] == "example" || (is_program && target["kind"][0] == "bin")
        };
        for target in package["targets"].as_array().expect("a list of targets").iter().filter(of_package) {
            let (name, package) = (text(&target["name"]), text(&package["name"]));
            let file = std::fs::read_to_string(text(&target["src_path"])).expect("an example is text");
            let header = file.lines().map_while(|line| line.strip_prefix("//!")).collect::<String>();
            let command = match target["kind"][0] == "bin" {
                true => format!("-p {package}"),
                false => format!("--example {name}"),
            };
            for place in [&header, &list] {
                let mut commands = place.split("`cargo run ").skip(1).filter_map(|rest| rest.split_once('`'));
                let line = commands.find(|(line, _)| line.ends_with(&command)).map_or("", |(line, _)| line);
                assert!(!line.is_empty(), "{name}: `cargo run … {command}` is missing");
                let features = target["required-features"].as_array();
                let mut features = features.into_iter().flatten().map(text).filter(|feature| *feature != "store");
                assert!(
                    features.all(|feature| line.contains(feature)),
                    "{name}: a feature is missing in `cargo run {line}`"
                );
            }
            examples += 1;
        }
    }
    assert!(examples > 20, "only {examples} examples were found");
}

#[test]
fn the_message_about_a_wrong_argument_names_every_extractor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let trait_file = std::fs::read_to_string(root.join("pixie-core/src/extract.rs")).expect("the file is text");
    let note = trait_file.lines().find(|line| line.contains("its type is an extractor")).expect("the note is there");
    for file in ["src", "pixie-core/src"].iter().flat_map(|folder| sources(&root.join(folder))) {
        let text = std::fs::read_to_string(&file).expect("a source file is text");
        let implementations = text.lines().filter(|line| line.starts_with("impl")).filter_map(|line| {
            let (_, extractor) = line.split_once("FromRequest for ")?;
            extractor.split(['<', ' ']).next()
        });
        for name in implementations.filter(|name| *name != "Vec") {
            let is_named = [format!("`{name}`"), format!("`{name}<")].iter().any(|named| note.contains(named));
            assert!(is_named, "{name} of {} is not in the note", file.display());
        }
    }
}

#[test]
fn the_arrows_between_the_folders_of_a_crate_point_down() {
    for (base, folders) in FOLDERS {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join(base);
        let exports = exports(&base);
        let mut strays = Vec::new();
        for file in sources(&base) {
            let inner = file.strip_prefix(&base).expect("it was found there").to_string_lossy().into_owned();
            let owner = inner.split('/').next().unwrap_or_default().trim_end_matches(".rs");
            if owner == "lib" || inner.ends_with("tests.rs") || inner.contains("/tests/") {
                continue;
            }
            let floor = floor(folders, owner).unwrap_or_else(|| panic!("{inner} is in no folder of {folders:?}"));
            for path in paths_after("crate::", &code(&file)) {
                let used = path.iter().find_map(|name| floor_of(folders, &exports, name));
                if let Some((name, _)) = used.filter(|(_, used)| *used > floor) {
                    strays.push(format!("{inner} uses {name} by `{}`", path.join("::")));
                }
            }
        }
        assert!(strays.is_empty(), "in {}:\n{}", base.display(), strays.join("\n"));
    }
}

#[test]
fn paths_are_found_in_groups_and_in_expressions() {
    let text = "use crate::{Body, http::{self, Request as Asked}}; fn f() -> crate::Result<()> {}";
    let found: Vec<_> = paths_after("crate::", text).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["Body", "http::self", "http::Request", "Result"]);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn floor(folders: &[&str], name: &str) -> Option<usize> {
    folders.iter().position(|folder| folder.split(' ').any(|folder| folder == name))
}

/// Returns the folder that a name stands for, as itself or as one that the crate's root exports from there.
fn floor_of<'f>(folders: &[&'f str], exports: &BTreeMap<String, String>, name: &str) -> Option<(&'f str, usize)> {
    let floor = floor(folders, name).or_else(|| floor(folders, exports.get(name)?))?;
    Some((folders[floor], floor))
}

/// Returns which names the root of a crate, or the file of a folder, exports, and from which of its modules.
fn exports(base: &Path) -> BTreeMap<String, String> {
    let root = [base.join("lib.rs"), base.with_extension("rs")];
    let text = root.iter().find(|file| file.exists()).map(|file| code(file)).unwrap_or_default();
    let mut found = BTreeMap::new();
    for mut path in paths_after("use ", &text) {
        path.retain(|name| !matches!(*name, "crate" | "self"));
        if let (Some(home), Some(name)) = (path.first(), path.last()) {
            found.insert((*name).to_owned(), (*home).to_owned());
        }
    }
    found
}

/// Returns the code of a file without its comments and its tests.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).expect("a source file is text");
    let lines = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.take_while(|line| !line.starts_with("mod tests {")).flat_map(|line| [line, "\n"]).collect()
}

/// Returns the paths behind each `start`, with the groups in braces opened.
fn paths_after<'t>(start: &str, text: &'t str) -> Vec<Vec<&'t str>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(start) {
        if !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            read_path(&text[at + start.len()..], &[], &mut found);
        }
    }
    found
}

/// Reads a path or a group of them behind `prefix`, and returns the text that follows.
fn read_path<'t>(text: &'t str, prefix: &[&'t str], found: &mut Vec<Vec<&'t str>>) -> &'t str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches([' ', '\n', ',']);
            match rest.strip_prefix('}') {
                Some(after) => return after,
                None if rest.is_empty() => return rest,
                None => rest = read_path(rest, prefix, found),
            }
        }
    }
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let (name, rest) = text.split_at(text.find(|character| !is_name(character)).unwrap_or(text.len()));
    let path = [prefix, &[name]].concat();
    if let Some(rest) = rest.strip_prefix("::") {
        return read_path(rest, &path, found);
    }
    found.push(path);
    match rest.strip_prefix(" as ") {
        Some(alias) => alias.trim_start_matches(is_name),
        None if name.is_empty() => rest.get(1..).unwrap_or_default(),
        None => rest,
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

#[test]
fn every_file_that_the_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("it can be read");
    let names: BTreeSet<String> =
        sources(root).iter().map(|file| file.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_-./".contains(character);
    let words = text.split(|character| !is_part(character)).map(|word| word.trim_end_matches('.'));
    let is_missing = |word: &&str| match word.contains('/') {
        true => word.starts_with(char::is_alphabetic) && has_file_ending(word) && !root.join(word).exists(),
        false => word.ends_with(".rs") && !names.contains(*word),
    };
    let missing: BTreeSet<_> = words.filter(is_missing).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names files that do not exist: {missing:?}");
}

fn has_file_ending(word: &str) -> bool {
    [".rs", ".md", ".toml", "/"].iter().any(|ending| word.ends_with(ending))
}
