//! The published package is complete: it contains the templates, and a `pixie` that is built from it makes
//! projects that take pixie from the registry.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "cli/builds.rs"]
#[expect(dead_code, reason = "the package is built in a copy of the workspace, which needs no help to share")]
mod builds;
#[path = "cli/environment.rs"]
mod environment;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

#[test]
fn every_file_of_the_templates_is_in_the_package() {
    let listed = cargo(checkout(), &["package", "-p", "pixie-cli", "--list", "--allow-dirty", "--offline"]);
    let listed: BTreeSet<_> = listed.lines().collect();
    let mut files = Vec::new();
    walk(&checkout().join("templates"), &mut files);
    let name = |file: &PathBuf| file.strip_prefix(checkout()).unwrap().display().to_string();
    let missing: Vec<_> = files.iter().map(name).filter(|name| !listed.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in the package: {missing:?}");
    assert!(files.len() > 10, "the templates are somewhere else");
}

#[test]
fn a_pixie_built_from_the_package_names_versions() {
    let world = builds::place("package");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let into = target.to_str().unwrap();
    // Together with what it depends on, because their first release is not in the registry yet.
    let packages = ["package", "-p", "pixie-grammar", "-p", "pixie-server", "-p", "pixie-cli"];
    let as_it_is = ["--no-verify", "--allow-dirty", "--offline", "--target-dir", into];
    cargo(checkout(), &[&packages[..], &as_it_is[..]].concat());
    let name = concat!("pixie-cli-", env!("CARGO_PKG_VERSION"));
    let archive = target.join("package").join(format!("{name}.crate"));
    let unpacked = Command::new("tar").arg("xzf").arg(archive).current_dir(&world).status().unwrap();
    assert!(unpacked.success());
    build(&world, name);
    let projects = TempDir::new().unwrap();
    for template in ["minimal", "app", "api", "pool"] {
        let mut command = Command::new(builds::target().join("debug/packaged-pixie"));
        command.args(["new", template, "--template", template, "--vcs", "none"]).current_dir(projects.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest = fs::read_to_string(projects.path().join(template).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("pixie-web = ") && !manifest.contains("path"), "{manifest}");
    }
    builds::forget("packaged-pixie");
}

/// Builds the package in the place of `pixie-cli` in a copy of the workspace, as the workspace's tests are
/// built. So its dependencies have the same features, and most of them are compiled already.
fn build(world: &Path, name: &str) {
    for shared in ["src", "tests", "examples", "pixie-core", "pixie-server", "pixie-pool", "pixie-template"] {
        std::os::unix::fs::symlink(checkout().join(shared), world.join(shared)).unwrap();
    }
    fs::copy(checkout().join("Cargo.lock"), world.join("Cargo.lock")).unwrap();
    let workspace = fs::read_to_string(checkout().join("Cargo.toml")).unwrap();
    fs::write(world.join("Cargo.toml"), workspace.replace("\"pixie-cli\"", &format!("\"{name}\""))).unwrap();
    // The program has another name. The test makes cargo build the program with the features that tests need.
    let manifest = world.join(name).join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap().replace("name = \"pixie\"", "name = \"packaged-pixie\"");
    fs::write(&manifest, text + "\n[[test]]\nname = \"packaged\"\npath = \"packaged.rs\"\n").unwrap();
    fs::write(world.join(name).join("packaged.rs"), "").unwrap();
    let patch = |name, path| format!("patch.crates-io.{name}.path='{}'", world.join(path).display());
    let (grammar, server) = (patch("pixie-grammar", "pixie-core/grammar"), patch("pixie-server", "pixie-server"));
    let tests = ["test", "--workspace", "--all-features", "--test", "packaged", "--no-run", "--offline"];
    let target = builds::target();
    let target = ["--target-dir", target.to_str().unwrap()];
    cargo(world, &[&tests[..], &target[..], &["--config", &grammar, "--config", &server]].concat());
}

/// The folder of the workspace.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("cargo");
    let output = environment::clean(&mut command).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => walk(&path, found),
            false => found.push(path),
        }
    }
}
