//! The published package is complete: it contains the templates, and a `pixie` that is built from it makes
//! projects that take pixie from the registry.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

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
    let world = TempDir::new().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let into = target.to_str().unwrap();
    // Together with what it depends on, because their first release is not in the registry yet.
    let packages = ["package", "-p", "pixie-grammar", "-p", "pixie-server", "-p", "pixie-cli"];
    let as_it_is = ["--no-verify", "--allow-dirty", "--offline", "--target-dir", into];
    cargo(checkout(), &[&packages[..], &as_it_is[..]].concat());
    let name = concat!("pixie-cli-", env!("CARGO_PKG_VERSION"));
    let archive = target.join("package").join(format!("{name}.crate"));
    let unpacked = Command::new("tar").arg("xzf").arg(archive).current_dir(world.path()).status().unwrap();
    assert!(unpacked.success());
    // With another name and the same profile, it can be built in a folder that has most dependencies
    // compiled.
    let manifest = world.path().join(name).join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("name = \"pixie\"", "name = \"packaged-pixie\"")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let patch = |name, path| format!("patch.crates-io.{name}.path='{}'", checkout().join(path).display());
    let (grammar, server) = (patch("pixie-grammar", "pixie-core/grammar"), patch("pixie-server", "pixie-server"));
    let build =
        ["build", "--offline", "--target-dir", target.to_str().unwrap(), "--config", &grammar, "--config", &server];
    let profile = ["--config", "profile.dev.debug=false"];
    cargo(&world.path().join(name), &[&build[..], &profile[..]].concat());
    for template in ["minimal", "app", "api", "pool"] {
        let mut command = Command::new(target.join("debug/packaged-pixie"));
        command.args(["new", template, "--template", template, "--vcs", "none"]).current_dir(world.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let manifest = fs::read_to_string(world.path().join(template).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("pixie-web = ") && !manifest.contains("path"), "{manifest}");
    }
}

/// The folder of the workspace.
fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("cargo").args(arguments).current_dir(folder).output().unwrap();
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
