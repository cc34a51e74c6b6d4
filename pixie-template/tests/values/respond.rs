//! A view as the return value of a handler.

use pixie_core::{IntoResponse, StatusCode, header::CONTENT_TYPE};
use pixie_template::template;

#[template("greeting.html")]
struct Greeting {
    name: &'static str,
}

#[template(source = "{{ 0i64|date(\"%Q\") }}", ext = "txt")]
struct Broken;

#[test]
fn a_view_becomes_a_response_of_its_content_type() {
    let response = Greeting { name: "you" }.into_response();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
}

#[test]
fn a_view_that_cannot_be_rendered_becomes_a_500() {
    assert_eq!(Broken.into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_view_can_carry_a_status_and_be_missing() {
    assert_eq!((StatusCode::CREATED, Greeting { name: "you" }).into_response().status(), StatusCode::CREATED);
    assert_eq!(None::<Greeting>.into_response().status(), StatusCode::NOT_FOUND);
}
