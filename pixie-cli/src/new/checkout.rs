//! Where a new project gets pixie from: the registry, a git repository, or a folder of this machine.
//!
//! A command that was built from a checkout gives its projects the crates of that checkout. Other machines can
//! build the project only if they can fetch the same commit, so the checkout's remote is used if it has that
//! commit.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::interrupt::{self, Section};

/// The source of the pixie crates, if it is not the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Checkout {
    /// A commit that other machines can fetch.
    Git { git: String, rev: String },
    /// A folder of this machine.
    Folder { path: PathBuf },
}

impl Checkout {
    /// Returns the checkout that this command was built from, if that still exists.
    ///
    /// Folders of packages from the registry have a version in their names, so they do not look like a checkout.
    pub(crate) fn of_this_command(section: &Section) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
        let is_checkout = root.join("pixie-core/Cargo.toml").is_file() && root.join("pixie-cli/Cargo.toml").is_file();
        is_checkout.then(|| published(section, root).unwrap_or_else(|| Self::Folder { path: root.to_owned() }))
    }
}

/// Returns the commit of a checkout, if it is unchanged and a remote that other machines can reach has it.
fn published(section: &Section, root: &Path) -> Option<Checkout> {
    let ask = |arguments: &[&str]| {
        let output = section.output(interrupt::quiet("git").args(arguments).current_dir(root)).ok()?;
        output.status.success().then(|| output.stdout.trim().to_owned())
    };
    // Git would also answer in a folder below another repository.
    let top = ask(&["rev-parse", "--show-toplevel"])?;
    let is_unchanged = ask(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    if !is_unchanged || Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let branch = ask(&["branch", "--remotes", "--contains", "HEAD", "--format=%(refname:lstrip=2)"])?;
    let (remote, _) = branch.lines().next()?.split_once('/')?;
    let git = for_cargo(&ask(&["remote", "get-url", remote])?)?;
    Some(Checkout::Git { git, rev: ask(&["rev-parse", "HEAD"])? })
}

/// Returns the address of a remote as cargo writes it, or `None` for a folder of this machine.
fn for_cargo(address: &str) -> Option<String> {
    if let Some((scheme, _)) = address.split_once("://") {
        return (scheme != "file").then(|| address.to_owned());
    }
    // `git@host:path`, the form of ssh that is not a URL.
    let (host, path) = address.split_once(':')?;
    (!host.contains('/')).then(|| format!("ssh://{host}/{}", path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command};

    use super::{Checkout, for_cargo, published};
    use crate::interrupt::Section;

    fn git(folder: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments).current_dir(folder);
        assert!(command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git").status.success());
    }

    #[test]
    fn a_commit_counts_if_a_remote_has_it_and_nothing_was_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let section = Section::start();
        fs::write(root.join("file"), "1").expect("a file");
        git(root, &["init", "--quiet"]);
        git(root, &["add", "file"]);
        git(root, &["commit", "--quiet", "-m", "one"]);
        assert_eq!(published(&section, root), None, "without a remote");
        git(root, &["remote", "add", "origin", "git@example.com:a/b"]);
        assert_eq!(published(&section, root), None, "the remote does not have the commit");
        git(root, &["update-ref", "refs/remotes/origin/main", "HEAD"]);
        let Some(Checkout::Git { git: address, rev }) = published(&section, root) else { panic!("not found") };
        assert_eq!((&*address, rev.len()), ("ssh://git@example.com/a/b", 40));
        fs::write(root.join("file"), "2").expect("a file");
        assert_eq!(published(&section, root), None, "with a change");
    }

    #[test]
    fn cargo_gets_addresses_that_other_machines_can_reach() {
        for (address, expected) in [
            ("https://example.com/a/b.git", Some("https://example.com/a/b.git")),
            ("ssh://git@example.com/a/b", Some("ssh://git@example.com/a/b")),
            ("git@example.com:a/b.git", Some("ssh://git@example.com/a/b.git")),
            ("file:///home/me/pixie", None),
            ("/home/me/pixie", None),
            ("../pixie", None),
            ("./odd:name", None),
        ] {
            assert_eq!(for_cargo(address).as_deref(), expected, "{address}");
        }
    }
}
