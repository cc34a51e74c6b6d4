//! Files as editors save them, projects as they change: what comes of it is always the right page.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use crate::{
    ends::{WAITING, waiting},
    site::{self, Site, command, page, until},
};

fn shows(site: &Site, word: &str) {
    until(&format!("the page shows {word}"), || site.page("/").body.contains(word).then_some(()));
}

#[test]
fn a_file_may_be_replaced_by_another() {
    let site = Site::start("replaced", &page("one"));
    site.replace("src/main.rs", &page("two"));
    shows(&site, "two");
    // As vim does with a backup: the old file is moved away, and removed in the end.
    let [file, backup] = ["src/main.rs", "src/main.rs~"].map(|name| site.folder.join(name));
    fs::rename(&file, &backup).expect("it is moved");
    site.write("src/main.rs", &page("three"));
    fs::remove_file(backup).expect("it is removed");
    shows(&site, "three");
}

#[test]
fn a_file_that_is_older_than_the_one_before_is_an_edit_too() {
    let site = Site::start("older", &page("one"));
    let copy = site.folder.join(".copy");
    fs::write(&copy, page("two")).expect("a file");
    let long_ago = SystemTime::now() - Duration::from_secs(1_000_000);
    fs::File::open(&copy).and_then(|file| file.set_modified(long_ago)).expect("it can be made older");
    fs::rename(copy, site.folder.join("src/main.rs")).expect("it takes the place");
    shows(&site, "two");
}

#[test]
fn several_files_are_saved_at_once_and_folders_come_and_go() {
    let site = Site::start("several", &page("one"));
    let main = |word: &str| format!("mod inner;\n{}", page(word).replace(&format!("\"{word}\""), "inner::word()"));
    fs::create_dir(site.folder.join("src/inner")).expect("a folder");
    site.write("src/inner/mod.rs", "mod deep;\npub fn word() -> &'static str { deep::WORD }");
    site.write("src/inner/deep.rs", "pub const WORD: &str = \"deep\";");
    site.write("src/main.rs", &main("two"));
    until("the pool route says it", || (site.get("/pool").body == "deep").then_some(()));
    site.replace("src/inner/deep.rs", "pub const WORD: &str = \"deeper\";");
    until("the new file is watched", || (site.get("/pool").body == "deeper").then_some(()));
    site.write("src/main.rs", &page("three"));
    fs::remove_dir_all(site.folder.join("src/inner")).expect("it goes");
    shows(&site, "three");
}

#[test]
fn a_folder_that_goes_and_comes_back_is_watched_as_before() {
    let site = Site::start("coming-back", &page("one"));
    let mut events = site.events();
    // As when a branch without the folder is checked out, and then the one before.
    fs::remove_dir_all(site.folder.join("static")).expect("it goes");
    events.next("css");
    fs::create_dir(site.folder.join("static")).expect("it comes");
    site.write("static/app.css", "p { color: red }");
    events.next("css");
    site.write("static/app.css", "p { color: green }");
    events.next("css");

    fs::remove_dir_all(site.folder.join("src")).expect("it goes");
    events.next("failed");
    fs::create_dir(site.folder.join("src")).expect("it comes");
    site.write("src/main.rs", &page("two"));
    shows(&site, "two");
    site.write("src/main.rs", &page("three"));
    shows(&site, "three");
}

#[test]
fn a_folder_that_was_not_there_is_watched_when_it_comes() {
    let folder = Site::project("coming", &page("one"));
    fs::remove_dir_all(folder.join("static")).expect("it was there");
    let site = Site::launch_as(command(&folder, &[]));
    site.says("ready in");
    let mut events = site.events();
    events.next("hello");
    fs::create_dir(site.folder.join("static")).expect("it comes");
    site.write("static/app.js", "1");
    events.next("reload");
    site.write("static/app.js", "2");
    events.next("reload");
}

#[test]
fn a_deleted_template_is_missed_until_it_is_back() {
    let site = Site::start(
        "deleted",
        &page("{}").replace("\"<!doctype html><h1>{}</h1>\"", "include_str!(\"../templates/a.html\")"),
    );
    let mut events = site.events();
    fs::remove_file(site.folder.join("templates/a.html")).expect("it was there");
    let failed = events.next("failed");
    assert!(failed.contains("templates/a.html") && failed.contains("src/main.rs:4"), "{failed}");
    shows(&site, "from the template");
    site.write("templates/a.html", "<!doctype html>it is back");
    events.next("ok");
    shows(&site, "it is back");
}

#[test]
fn a_new_dependency_is_built_and_watched() {
    let site = Site::start("depending", &page("one"));
    let library = site.folder.with_file_name("dependency");
    fs::create_dir_all(library.join("src")).expect("a folder");
    let manifest = "[package]\nname = \"dependency\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let word = |word: &str| fs::write(library.join("src/lib.rs"), format!("pub const WORD: &str = \"{word}\";"));
    fs::write(library.join("Cargo.toml"), manifest).and_then(|()| word("first")).expect("a package");
    let manifest = site.read("Cargo.toml");
    let line = format!("[dependencies]\ndependency = {{ path = {:?} }}", library.display().to_string());
    site.write("Cargo.toml", &manifest.replace("[dependencies]", &line));
    site.write("src/main.rs", &page("x").replace("|_| \"x\"", "|_| dependency::WORD"));
    until("the dependency's word is there", || (site.get("/pool").body == "first").then_some(()));
    word("second").expect("a file");
    until("its edit is seen", || (site.get("/pool").body == "second").then_some(()));
    // A manifest that cannot be read is told as any other failure.
    let good = site.read("Cargo.toml");
    site.write("Cargo.toml", "[package");
    site.says("the program before it still serves");
    site.says("Cargo.toml:1:");
    // The program may have another name, too.
    site.write("Cargo.toml", &good.replace("name = \"depending\"", "name = \"renamed\""));
    site.write("src/main.rs", &page("under another name"));
    shows(&site, "under another name");
}

#[test]
fn a_build_is_given_up_when_newer_edits_come() {
    let folder = Site::project("given-up", &page("one"));
    fs::write(folder.join("build.rs"), WAITING).expect("a file");
    let site = Site::launch_as(command(&folder, &[]));
    site.says("ready in");
    site.write("src/main.rs", &format!("// wait\n{}", page("two")));
    let script = waiting(&folder);
    site.write("src/main.rs", &page("three"));
    shows(&site, "three");
    assert_eq!(site::living(&[script]), [0; 0]);
}

#[test]
fn where_the_system_does_not_tell_files_are_looked_at() {
    let site = Site::launch_as(command(&Site::project("polled", &page("one")), &["--poll", "50"]));
    site.says("ready in");
    let open = fs::read_dir(format!("/proc/{}/fd", site.id())).expect("its files").flatten();
    let names: Vec<_> = open.filter_map(|file| fs::read_link(file.path()).ok()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("inotify")), "{names:?}");
    site.write("src/main.rs", &page("two"));
    shows(&site, "two");
    site.replace("src/main.rs", &page("three"));
    shows(&site, "three");
}

#[test]
fn every_open_page_learns_of_the_new_program() {
    let site = Site::start("visited", &page("one"));
    let mut pages = [site.events(), site.events()];
    let builds = pages.each_mut().map(|page| page.next("hello"));
    assert_eq!(builds[0], builds[1]);
    site.write("src/main.rs", &page("two"));
    for page in &mut pages {
        page.next("building");
        page.next("restart");
    }
    shows(&site, "two");
}
