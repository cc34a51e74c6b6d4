//! Files that change. The tests set the times of files, so they do not wait.
use std::{
    fs,
    time::{Duration, SystemTime},
};

use pixie_web::core::Validators;

use super::support::{CHANGED_SECONDS, Files, WAYS, at, set_time};

#[test]
fn a_changed_file_is_noticed() {
    let files = Files::new(&[("a.txt", b"one"), ("b.txt", b"one")]);
    let client = files.client();
    for way in WAYS {
        files.write("a.txt", b"one", CHANGED_SECONDS);
        let tag =
            client.get(&format!("{way}a.txt")).send().assert_text("one").header("etag").expect("a tag").to_owned();
        files.write("a.txt", b"two", CHANGED_SECONDS + 60);
        let request = client.get(&format!("{way}a.txt")).header("if-none-match", &tag);
        request.send().assert_status(200).assert_text("two");
        fs::remove_file(files.root.join("a.txt")).expect("the file");
        client.get(&format!("{way}a.txt")).send().assert_status(404);
    }
}

#[test]
fn a_file_that_has_just_changed_has_a_weak_tag_and_no_parts_by_it() {
    let files = Files::new(&[]);
    fs::write(files.root.join("new.txt"), "0123456789").expect("a file");
    let client = files.client();
    for way in WAYS {
        set_time(&files.root.join("new.txt"), SystemTime::now());
        let answer = client.get(&format!("{way}new.txt")).send().assert_status(200);
        let (tag, date) = (answer.header("etag").expect("a tag"), answer.header("last-modified").expect("a date"));
        assert!(tag.starts_with("W/"), "{tag}");
        for condition in [tag, date] {
            let request = client.get(&format!("{way}new.txt")).header("range", "bytes=0-1");
            request.header("if-range", condition).send().assert_status(200);
        }
        client.get(&format!("{way}new.txt")).header("if-none-match", tag).send().assert_status(304);
    }
}

#[test]
fn a_time_that_says_nothing_is_not_told_and_the_bytes_make_the_tag() {
    let files = Files::new(&[]);
    let client = files.client();
    let tag = |text: &str, way: &str| {
        files.write("a.txt", text.as_bytes(), 1);
        let answer = client.get(&format!("{way}a.txt")).send().assert_text(text);
        assert_eq!(answer.header("last-modified"), None);
        answer.header("etag").expect("a tag").to_owned()
    };
    for way in WAYS {
        assert_ne!(tag("one", way), tag("two", way));
    }
}

#[test]
fn no_time_lies_in_the_future() {
    let files = Files::new(&[("a.txt", b"a")]);
    set_time(&files.root.join("a.txt"), SystemTime::now() + Duration::from_secs(100_000));
    let client = files.client();
    for way in WAYS {
        let answer = client.get(&format!("{way}a.txt")).send().assert_status(200);
        let headers = [("last-modified", answer.header("last-modified").expect("a date"))];
        let headers = headers.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        let told = Validators::of(&headers.into_iter().collect()).last_modified.expect("a date");
        assert!(told <= SystemTime::now() && told > at(CHANGED_SECONDS), "{told:?}");
    }
}
