//! The options of `#[template]`, also beside askama's own derive in the same file.
#![forbid(unsafe_code)]

use pixie_template::{View, askama::Template, render, template};

#[template("greeting.html")]
struct Greeting<'a> {
    name: &'a str,
}

#[derive(Template)]
#[template(path = "greeting.html", askama = pixie_template::askama)]
struct DirectGreeting<'a> {
    name: &'a str,
}

#[test]
fn the_attribute_and_a_direct_derive_live_in_one_file() {
    let ours = render(&Greeting { name: "you" }).expect("the template has no filter that fails");
    assert_eq!(ours, DirectGreeting { name: "you" }.to_string());
    assert_eq!(ours, "<p>Hello, you!</p>");
}

#[derive(Clone, Debug, Default)]
#[template(path = "greeting.html", block = "name")]
struct Named {
    name: String,
}

#[test]
fn other_attributes_and_options_of_askama_stay_in_force() {
    assert_eq!(Named::default().clone().to_string(), "stranger");
    assert_eq!(format!("{:?}", Named { name: "x".into() }), "Named { name: \"x\" }");
}

#[template("greeting.html", blocks = ["name"])]
struct WithParts<'a> {
    name: &'a str,
}

#[test]
fn a_block_can_be_rendered_by_itself() {
    assert_eq!(WithParts { name: "you" }.as_name().to_string(), "you");
    assert_eq!(WithParts { name: "you" }.to_string(), "<p>Hello, you!</p>");
}

#[template(source = "{{ value }}{{ tail }}", ext = "txt")]
struct Generic<'a, T: std::fmt::Display + ?Sized, const N: usize>
where
    T: 'a,
{
    value: &'a T,
    tail: &'a str,
}

#[test]
fn generic_types_are_templates_too() {
    assert_eq!(Generic::<_, 3> { value: &7, tail: "!" }.to_string(), "7!");
}

#[template]
enum Notice {
    #[template("greeting.html")]
    Hello { name: &'static str },
    #[template(source = "<p>{{ 7 }}</p>")]
    Number(u8),
}

#[test]
fn each_variant_of_an_enum_has_its_template() {
    assert_eq!(Notice::Hello { name: "you" }.to_string(), "<p>Hello, you!</p>");
    assert_eq!(Notice::Number(1).to_string(), "<p>7</p>");
    assert_eq!(Notice::CONTENT_TYPE, "text/html; charset=utf-8");
}

struct Site {
    owner: &'static str,
}

#[template(source = "{{ owner }} {{ page }}")]
struct Page {
    site: Site,
    page: &'static str,
}

impl std::ops::Deref for Page {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

#[test]
fn a_field_behind_deref_is_no_unknown_field() {
    assert_eq!(Page { site: Site { owner: "me" }, page: "one" }.to_string(), "me one");
}

#[test]
fn the_extension_gives_the_content_type() {
    macro_rules! check {
        ($name:ident, $extension:literal, $expected:literal) => {
            #[template(source = "", ext = $extension, escape = "none")]
            struct $name;
            assert_eq!($name::CONTENT_TYPE, $expected);
        };
    }
    check!(Html, "html", "text/html; charset=utf-8");
    check!(Text, "txt", "text/plain; charset=utf-8");
    check!(Json, "json", "application/json");
    check!(Feed, "atom", "application/atom+xml; charset=utf-8");
    check!(Drawing, "svg", "image/svg+xml; charset=utf-8");
    check!(Jinja, "css", "text/css; charset=utf-8");
    check!(Unknown, "xyz", "text/plain; charset=utf-8");
    assert_eq!(Greeting::CONTENT_TYPE, "text/html; charset=utf-8");
    assert_eq!(Greeting::NAME, "greeting.html");
}
