//! `Checked<T>`: a form that does not pass comes back as it was submitted, with the errors of each field.
use std::collections::BTreeMap;

use pixie_core::{Checked, Error, FormView, FromRequest, Json, Request};
use serde::Deserialize;

#[derive(Debug, Deserialize, PartialEq, garde::Validate)]
struct SignUp {
    #[garde(length(min = 3))]
    name: String,
    #[garde(range(min = 18))]
    age: u8,
    #[serde(default)]
    #[garde(inner(length(max = 4)))]
    tags: Vec<String>,
}

fn checked(media: &str, body: &str) -> Result<Checked<SignUp>, u16> {
    let request = http::Request::post("/").header("content-type", media).body(body.to_owned().into());
    let mut request = Request::from_http(request.expect("the request is right"));
    Checked::from_request(&mut request).map_err(|rejection| rejection.status().as_u16())
}

fn view(body: &str) -> FormView {
    let form = checked("application/x-www-form-urlencoded", body).expect("it is a form");
    form.into_result().expect_err("it does not pass")
}

#[test]
fn a_form_that_passes_is_a_value() {
    let form = checked("application/x-www-form-urlencoded", "name=Ada&age=36&tags=a&tags=b").expect("it is a form");
    assert!(form.view().is_valid());
    let (value, mut view) = form.into_parts();
    assert_eq!(value, Some(SignUp { name: "Ada".into(), age: 36, tags: vec!["a".into(), "b".into()] }));
    view.add_error("name", "is taken");
    assert_eq!((view.value("age"), view.error("name")), ("36", Some("is taken")));
}

#[test]
fn every_broken_rule_stands_beside_its_field() {
    let view = view("name=Al&age=17&tags=good&tags=too+long");
    for field in ["name", "age", "tags"] {
        assert!(view.error(field).is_some(), "{field}");
    }
    assert_eq!((view.value("name"), view.value("age"), view.values("tags").count()), ("Al", "17", 2));
}

#[test]
fn what_does_not_even_parse_is_shown_again_too() {
    let unread = view("name=Ada&age=old");
    assert_eq!((unread.value("age"), unread.error("age")), ("old", Some("invalid digit found in string")));
    let missing = view("age=36");
    assert_eq!((missing.value("age"), missing.error("name")), ("36", Some("it is missing")));
}

#[test]
fn a_multipart_form_is_checked_alike_and_what_is_no_form_is_refused() {
    let body = "--x\r\nContent-Disposition: form-data; name=name\r\n\r\nAl\r\n--x--";
    let form = checked("multipart/form-data; boundary=x", body).expect("it is a form");
    assert_eq!(form.view().value("name"), "Al");
    assert_eq!(checked("text/plain", "name=Ada").err(), Some(415));
    assert_eq!(checked("multipart/form-data; boundary=x", "--x").err(), Some(400));
}

fn refused(body: &str) -> Error {
    json(body).expect_err("it does not pass")
}

fn json(body: &str) -> Result<Checked<Json<SignUp>>, Error> {
    let request = http::Request::post("/").header("content-type", "application/json").body(body.to_owned().into());
    Checked::from_request(&mut Request::from_http(request.expect("the request is right")))
}

#[test]
fn json_that_passes_is_its_value() {
    let body = json(r#"{"name":"Ada","age":36}"#).expect("it passes");
    assert_eq!(body.name, "Ada");
    assert_eq!(body.into_inner().age, 36);
}

#[test]
fn json_that_does_not_pass_is_a_422_with_the_errors_of_each_field() {
    let cases = [
        (r#"{"name":"Al","age":17,"tags":["a","too long"]}"#, vec!["age", "name", "tags[1]"]),
        (r#"{"name":"Ada","age":"old"}"#, vec!["age"]),
        (r#"{"name":"Ada"}"#, vec!["age"]),
        (r#"{"name":"Ada","age":36,"tags":["a",7]}"#, vec!["tags[1]"]),
    ];
    for (body, fields) in cases {
        let error = refused(body);
        let errors: BTreeMap<String, Vec<String>> = error.data("errors").expect("it has errors");
        assert_eq!(
            (error.status().as_u16(), errors.keys().map(String::as_str).collect::<Vec<_>>()),
            (422, fields.clone()),
            "{body}"
        );
        assert!(fields.iter().all(|field| error.to_string().contains(field)), "{error}");
    }
    assert_eq!(refused("{").status(), 400);
}

#[test]
fn a_form_answers_as_json_does_if_its_view_is_returned() {
    let error = Error::from(view("name=Al&age=17"));
    assert_eq!(error.status(), 422);
    assert_eq!(error.detail(), Some("`age`: lower than 18; `name`: length is lower than 3"));
    let errors: BTreeMap<String, Vec<String>> = error.data("errors").expect("two fields");
    assert_eq!(errors["name"], ["length is lower than 3"]);
}

#[test]
fn the_errors_of_a_long_list_are_cut() {
    let tags = vec![r#""too long""#; 100_000].join(",");
    let error = refused(&format!(r#"{{"name":"Ada","age":36,"tags":[{tags}]}}"#));
    let errors: BTreeMap<String, Vec<String>> = error.data("errors").expect("it has errors");
    assert_eq!(errors.len(), 100);
    assert!(error.detail().is_some_and(|detail| detail.len() < 300 && detail.ends_with("and 99997 more")), "{error}");
    let error = refused(&format!(r#"{{"name":"Ada","age":"{}"}}"#, "x".repeat(1_000_000)));
    assert!(error.to_string().len() < 1000, "serde repeats the value");
}
