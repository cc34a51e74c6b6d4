//! The guide has one order: the table of contents in `src/guide.rs`. The modules of rustdoc and the site's
//! `SUMMARY.md` follow it, and every page is in it once.
//!
//! A page exists with every set of features and names those that its examples need.
//!
//! To write `SUMMARY.md` anew: `UPDATE_REFERENCE=1 cargo test --all-features --test values guide`.
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/guide");
const MODULES: &str = include_str!("../../src/guide.rs");

/// Returns the modules and the files of their pages, as the modules include them.
fn files() -> Vec<(&'static str, &'static str)> {
    let pages = MODULES.split("#[doc = include_str!(\"guide/").skip(1);
    pages
        .map(|page| {
            let (file, rest) = page.split_once("\")]\npub mod ").expect("a page is a module");
            (rest.split(' ').next().expect("a module has a name"), file)
        })
        .collect()
}

/// Returns the pages of the table of contents: chapter, title and module.
fn contents() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut chapter = "";
    let mut pages = Vec::new();
    for line in MODULES.lines().map_while(|line| line.strip_prefix("//!")) {
        if let Some(name) = line.strip_prefix(" # ") {
            chapter = name;
        } else if let Some(page) = line.strip_prefix(" - [") {
            let (title, link) = page.split_once("](self::").expect("a line of the contents is a link to a module");
            pages.push((chapter, title, link.trim_end_matches(')')));
        }
    }
    pages
}

fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let pages = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.chain(folders.iter().flat_map(|folder| pages_in(folder))).collect()
}

#[test]
fn the_guide_has_the_same_pages_in_the_same_order_everywhere() {
    let modules = files();
    let named: Vec<_> = contents().iter().map(|(.., module)| *module).collect();
    assert_eq!(modules.iter().map(|(module, _)| *module).collect::<Vec<_>>(), named, "modules and contents");

    let mut found: Vec<_> = pages_in(Path::new(FOLDER))
        .iter()
        .map(|path| path.strip_prefix(FOLDER).expect("a page is in the folder").to_string_lossy().replace('\\', "/"))
        .filter(|file| !["SUMMARY.md", "index.md"].contains(&file.as_str()))
        .collect();
    found.sort();
    let mut included: Vec<_> = modules.iter().map(|(_, file)| (*file).to_owned()).collect();
    included.sort();
    assert_eq!(included, found, "the pages of src/guide.rs and the files of src/guide");
}

#[test]
fn the_summary_of_the_guide_is_its_table_of_contents() {
    let files: BTreeMap<_, _> = files().into_iter().collect();
    let (mut summary, mut last) = ("# Summary\n\n[pixie](index.md)\n".to_owned(), "");
    for (chapter, title, module) in contents() {
        if chapter != last {
            summary += &format!("\n# {chapter}\n\n");
            last = chapter;
        }
        summary += &format!("- [{title}]({})\n", files[module]);
    }
    let path = Path::new(FOLDER).join("SUMMARY.md");
    if env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, &summary).expect("the summary can be written");
    }
    let fix = "run `UPDATE_REFERENCE=1 cargo test --all-features --test values guide`";
    assert!(fs::read_to_string(&path).is_ok_and(|old| old == summary), "src/guide.rs has changed: {fix}");
}

#[test]
fn every_page_of_the_guide_begins_with_one_sentence_that_says_what_it_is_about() {
    for (_, file) in files() {
        let page = fs::read_to_string(Path::new(FOLDER).join(file)).expect("the page can be read");
        let first = page.split("\n\n").next().unwrap_or_default();
        assert!(!first.starts_with("```") && !first.starts_with(['#', '|', '-', '<']), "{file} begins with {first:?}");
        assert!(first.ends_with('.'), "the first paragraph of {file} is a sentence: {first:?}");
    }
}

#[test]
fn a_page_names_the_features_of_its_examples() {
    for row in MODULES.split("#[cfg(any(not(doctest), ").skip(1) {
        let (needs, rest) = row.split_once(")]\n#[doc = include_str!(\"guide/").expect("a condition belongs to a page");
        let file = rest.split('"').next().expect("a page has a file");
        let page = fs::read_to_string(Path::new(FOLDER).join(file)).expect("the page can be read").to_lowercase();
        for feature in needs.split('"').skip(1).step_by(2) {
            assert!(page.contains(&format!("feature `{feature}`")), "{file} says that it needs the feature {feature}");
        }
    }
}
