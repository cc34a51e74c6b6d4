//! Pages made of layouts, includes, loops and filters, each against its snapshot.

use std::time::{Duration, SystemTime};

use pixie_template::{View, assert_html, render, template};

const LINKS: &[(&str, &str)] = &[("Home", "/"), ("About", "/about?a=1&b=2")];

#[template("post.html")]
struct Post<'a> {
    links: &'a [(&'a str, &'a str)],
    title: &'a str,
    written: SystemTime,
    body: &'a str,
    comments: Vec<&'a str>,
}

fn post<'a>(comments: Vec<&'a str>) -> Post<'a> {
    Post {
        links: LINKS,
        title: "Processes & <threads>",
        written: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        body: "Some *words* and\n\n- a list\n- of `two`",
        comments,
    }
}

#[test]
fn a_page_has_layout_include_loop_and_filters() {
    assert_html!(post(vec!["First!", "A <b>bold</b> one", "</script><script>alert(1)</script>"]));
}

#[test]
fn an_empty_loop_takes_its_else_branch() {
    assert_html!(Post { links: &[], ..post(Vec::new()) });
}

#[test]
fn a_snapshot_can_stand_in_the_test() {
    #[template(source = "<p   class='x'>Hello,\n <b>{{ name }}</b>!")]
    struct Hello<'a> {
        name: &'a str,
    }
    assert_html!(Hello { name: "<you>" }, @r#"<p class="x">Hello, <b>&lt;you&gt;</b>!</p>"#);
    assert_html!("<p class=x>text is a page too", @r#"<p class="x">text is a page too</p>"#);
    assert_html!("a_named_snapshot", Hello { name: "you" });
}

#[test]
fn a_failing_filter_names_the_template_and_the_cause() {
    #[template(source = "{{ 0i64|date(\"%Q\") }}")]
    struct Broken;

    let error = render(&Broken).expect_err("%Q is not a date format");
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert_eq!(error.to_string(), "cannot render template `Broken`");
    assert!(cause.starts_with("invalid date format `%Q`"), "{cause}");
    assert_eq!(error.template(), Broken::NAME);
}
