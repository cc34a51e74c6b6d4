//! Paths, and the action that a change of each needs.

use std::{collections::HashSet, path::Path};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{Action, Root, Sources, dep_info};

fn sources() -> Sources {
    let mut git = GitignoreBuilder::new("/w");
    for line in ["/app/static/built.css", "/app/src/generated/", ".env", "/lib/inner"] {
        git.add_line(None, line).expect("a rule");
    }
    let git = git.build().expect("rules");
    let root = |folder: &str, ignored: &[Gitignore]| Root { folder: folder.into(), ignored: ignored.to_vec() };
    Sources {
        roots: vec![
            root("/w/app", std::slice::from_ref(&git)),
            root("/w/lib", std::slice::from_ref(&git)),
            // The repository around it ignores the whole folder, so its rules do not apply inside.
            root("/w/lib/inner", &[]),
        ],
        workspace: "/w".into(),
        target: "/w/target".into(),
        extra: vec!["/w/data".into()],
        inputs: HashSet::from(["/w/app/static/included.css".into(), "/w/app/pages/a.html".into()]),
    }
}

#[test]
fn each_file_needs_the_smallest_action() {
    use Action::{Build, Reload, Restart, Swap};
    let cases = [
        ("/w/app/src/main.rs", Some(Build)),
        ("/w/app/src/deep/er/a.txt", Some(Build)),
        ("/w/lib/src/lib.rs", Some(Build)),
        ("/w/lib/inner/src/lib.rs", Some(Build)),
        ("/w/app/templates/a.html", Some(Build)),
        ("/w/app/Cargo.toml", Some(Build)),
        ("/w/Cargo.lock", Some(Build)),
        ("/w/app/pages/a.html", Some(Build)),
        ("/w/app/static/included.css", Some(Build)),
        ("/w/data/words.txt", Some(Build)),
        ("/w/app/.env", Some(Restart)),
        ("/w/app/.env.local", Some(Restart)),
        ("/w/app/.env.example", None),
        ("/w/lib/.env", None),
        ("/w/.env", None),
        ("/w/app/pixie.toml", Some(Restart)),
        ("/w/app/static/app.css", Some(Swap)),
        ("/w/app/static/logo.SVG", Some(Swap)),
        ("/w/app/static/app.js", Some(Reload)),
        ("/w/app/static/built.css", None),
        ("/w/app/src/generated/a.rs", None),
        ("/w/app/README.md", None),
        ("/w/app/tests/a.rs", None),
        ("/w/app/pages/b.html", None),
        ("/w/app/data.db-wal", None),
        ("/w/app/src/app.sqlite", None),
        ("/w/app/src/.main.rs.swp", None),
        ("/w/app/src/main.rs~", None),
        ("/w/app/src/4913", None),
        ("/w/target/debug/app", None),
        ("/elsewhere/src/main.rs", None),
    ];
    let sources = sources();
    for (path, action) in cases {
        assert_eq!(sources.action(Path::new(path)), action, "{path}");
    }
}

#[test]
fn the_files_that_cargo_names_are_read_with_their_spaces() {
    let found = dep_info("/t/app: /w/a.rs /w/my\\ file.html\n\n/w/a.rs:\n");
    assert_eq!(found, [Path::new("/w/a.rs"), Path::new("/w/my file.html")]);
    assert!(dep_info("").is_empty());
}
