//! Names of files, keeping them, and what the extractors of forms and files make of a request.
use std::{fs, io::Read};

use crate::support;

use pixie_core::{
    BodyUse, Bytes, Error, Form, FormView, FromRequest, Pairs, Query, Request, Upload, Uploads,
    plumbing::{PartHead, SpooledFile},
};
use serde::Deserialize;

fn named(file_name: &str) -> Upload {
    let head = PartHead { name: "file".into(), file_name: Some(file_name.into()), content_type: None };
    Upload::in_memory(head, Bytes::from_static(b"content"))
}

#[test]
fn the_name_of_a_file_is_one_harmless_part_of_a_path() {
    let cases = [
        ("photo.jpg", "photo.jpg"),
        ("Jürgen's 写真.jpg", "Jürgen's 写真.jpg"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\me\notes.txt", "notes.txt"),
        (r"..\..\boot.ini", "boot.ini"),
        ("/", "unnamed"),
        ("", "unnamed"),
        ("..", "unnamed"),
        (".htaccess", "htaccess"),
        ("a\0b\r\nc\u{7f}.txt", "abc.txt"),
        ("gpj.\u{202e}exe", "gpj.exe"),
        ("a:b*c?.txt", "a_b_c_.txt"),
        ("trailing. . ", "trailing"),
        ("NUL", "_NUL"),
        ("con.txt", "_con.txt"),
        ("lpt9 .tar.gz", "_lpt9 .tar.gz"),
        ("COM\u{b9}", "_COM\u{b9}"),
        ("COM10", "COM10"),
        ("console.log", "console.log"),
    ];
    for (sent, expected) in cases {
        assert_eq!(named(sent).file_name(), expected, "{sent:?}");
        assert_eq!(named(sent).raw_file_name(), sent);
    }
}

#[test]
fn a_long_name_is_cut_but_keeps_its_ending() {
    let upload = named(&format!("{}.jpeg", "ü".repeat(500)));
    assert!(upload.file_name().len() <= 200);
    assert!(upload.file_name().ends_with("ü.jpeg"), "{}", upload.file_name());
    assert!(named(&format!("a.{}", "b".repeat(500))).file_name().len() <= 200);
}

#[test]
fn an_upload_is_kept_once_and_never_over_another_file() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let spooled = folder.path().join("spooled");
    fs::write(&spooled, "content").expect("the file can be written");
    let head = PartHead { name: "file".into(), file_name: Some("f".into()), content_type: None };
    let on_disk = Upload::in_file(head, SpooledFile::owned(spooled.clone(), |path| drop(fs::remove_file(path))), 7);
    for (number, upload) in [named("f"), on_disk].into_iter().enumerate() {
        let mut text = String::new();
        upload.reader().and_then(|mut reader| reader.read_to_string(&mut text)).expect("it can be read");
        assert_eq!((text.as_str(), upload.bytes().expect("it can be read").as_ref()), ("content", &b"content"[..]));
        let kept = folder.path().join(format!("kept{number}"));
        upload.clone().persist(&kept).expect("it can be kept");
        let again = upload.persist(&kept).expect_err("there is a file");
        assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&kept).expect("it was kept"), "content");
    }
    assert!(!spooled.exists(), "the temporary file goes with its last value");
}

fn post(media: &str, body: &str) -> Request {
    let request = http::Request::post("/").header("content-type", media).body(body.to_owned().into());
    Request::from_http(request.expect("the request is right"))
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=x";

fn multipart(parts: &[(&str, &str)]) -> Request {
    let part =
        |(head, content): &(&str, &str)| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    post(MULTIPART, &(parts.iter().map(part).collect::<String>() + "--x--"))
}

#[derive(Debug, Deserialize, PartialEq)]
struct Post {
    title: String,
    #[serde(default)]
    tags: Vec<String>,
    rank: Option<u8>,
}

#[test]
fn a_field_that_is_sent_twice_is_named_with_the_cause() {
    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Color {
        #[default]
        Red,
    }
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct All {
        text: String,
        number: u8,
        maybe: Option<u8>,
        flag: bool,
        color: Color,
        letter: char,
        ratio: f64,
    }
    for (name, value) in [
        ("text", "a"),
        ("number", "1"),
        ("maybe", "1"),
        ("flag", "true"),
        ("color", "red"),
        ("letter", "a"),
        ("ratio", "1"),
    ] {
        let parts = [(format!("name={name}"), value), (format!("name={name}"), value)];
        let parts: Vec<_> = parts.iter().map(|(head, value)| (head.as_str(), *value)).collect();
        for mut request in [post(URLENCODED, &format!("{name}={value}&{name}={value}")), multipart(&parts)] {
            let refused = Form::<All>::from_request(&mut request).expect_err("it takes one value");
            assert_eq!(
                (refused.status().as_u16(), support::field(&refused).as_deref()),
                (422, Some(name)),
                "{refused}"
            );
            assert!(refused.to_string().ends_with("it occurs several times"), "{refused}");
        }
    }
}

#[test]
fn both_kinds_of_form_are_read_alike() {
    let expected = Post { title: "a & b".into(), tags: vec!["x".into(), "y".into()], rank: Some(7) };
    let fields = [("name=title", "a & b"), ("name=tags", "x"), ("name=rank", "7"), ("name=tags", "y")];
    for mut request in [post(URLENCODED, "title=a+%26+b&tags=x&rank=7&tags=y"), multipart(&fields)] {
        assert_eq!(Form::<Post>::from_request(&mut request).expect("it fits").0, expected);
    }
    let mut query = Request::new(http::Method::GET, "/?title=a+%26+b&tags=x&tags=y&rank=7".parse().expect("a path"));
    assert_eq!(Query::<Post>::from_request(&mut query).expect("it fits").0, expected);
    let single = Form::<Post>::from_request(&mut post(URLENCODED, "title=t&tags=x")).expect("it fits");
    assert_eq!(single.0, Post { title: "t".into(), tags: vec!["x".into()], rank: None });
}

fn refused<T>(mut request: Request, extract: fn(&mut Request) -> Result<T, Error>) -> (u16, Option<String>) {
    let rejection = extract(&mut request).err().expect("it is refused");
    (rejection.status().as_u16(), support::field(&rejection))
}

#[test]
fn a_refusal_names_the_field() {
    let form = Form::<Post>::from_request;
    assert_eq!(refused(post(URLENCODED, "title=t&rank=300"), form), (422, Some("rank".into())));
    assert_eq!(refused(post(URLENCODED, "rank=3"), form), (422, Some("title".into())));
    assert_eq!(refused(post("application/json", "{}"), form), (415, None));
    assert_eq!(refused(post(MULTIPART, "--x\r\n"), form), (400, None));
    let photo = |request: &mut Request| Upload::from_argument(request, "photo");
    assert_eq!(refused(multipart(&[("name=other; filename=f", "1")]), photo), (400, Some("photo".into())));
    assert_eq!(refused(post(URLENCODED, "photo=f"), photo), (400, Some("photo".into())));
    assert_eq!(refused(post("text/plain", "f"), photo), (415, None));
}

#[test]
fn an_argument_takes_the_files_of_its_name_beside_the_fields() {
    let mut request = multipart(&[
        ("name=photo; filename=1", "one"),
        ("name=title", "t"),
        ("name=more; filename=2", "two"),
        ("name=more; filename=3", "three"),
        ("name=empty; filename=\"\"", ""),
    ]);
    let photo = Upload::from_argument(&mut request, "photo").expect("it is there");
    let form = Form::<Post>::from_request(&mut request).expect("it is there");
    let more = Vec::<Upload>::from_argument(&mut request, "more").expect("it is there");
    let empty = Option::<Upload>::from_argument(&mut request, "empty").expect("it may be empty");
    let all = Uploads::from_request(&mut request).expect("it is there");
    assert_eq!((photo.raw_file_name(), form.title.as_str(), more.len(), empty.is_none()), ("1", "t", 2, true));
    let names: Vec<_> = all.iter().map(|file| (file.field(), file.raw_file_name())).collect();
    assert_eq!(names, [("photo", "1"), ("more", "2"), ("more", "3")]);
    assert_eq!(request.form().get("title"), Some("t"));
}

#[test]
fn a_form_and_its_files_may_stand_side_by_side_but_no_other_bodies() {
    use BodyUse::{Form, Read, Stream, Unused, Whole};
    for (one, other, fits) in
        [(Form, Form, true), (Form, Unused, true), (Form, Whole, false), (Stream, Form, false), (Read, Read, false)]
    {
        assert_eq!((one.is_compatible(other), other.is_compatible(one)), (fits, fits), "{one:?} {other:?}");
    }
}

#[test]
fn a_form_that_was_refused_can_be_shown_again() {
    let mut view = FormView::new(Pairs::parse(b"name=Ada&tags=x&tags=y"));
    view.add_error("name", "is taken");
    view.add_error("tags[1]", "is unknown");
    view.add_error("", "try again");
    assert_eq!((view.value("name"), view.value("missing")), ("Ada", ""));
    assert_eq!(
        (view.error("name"), view.error("tags"), view.error("tag")),
        (Some("is taken"), Some("is unknown"), None)
    );
    assert_eq!((view.errors("").collect::<Vec<_>>(), view.has("tags", "y")), (vec!["try again"], true));
    assert!(!view.is_valid() && FormView::default().is_valid());
}
