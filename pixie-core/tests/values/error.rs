//! The data of errors: in the problem document, in pages, and within their limits.
use pixie_core::{Error, ErrorView, Media, Method, Request, StatusCode, Uri, abort, header};
use serde_json::{Value, json};

fn problem(error: &Error) -> Value {
    let response = error.render(&ErrorView::new(Media::Json, &Method::GET, "/"));
    serde_json::from_slice(response.body().as_bytes().expect("it is whole")).expect("it is JSON")
}

#[test]
fn data_are_members_of_the_problem_document() {
    let error = abort(403).with_detail("too little credit").with_data("balance", &30);
    let expected = json!({
        "type": "about:blank", "title": "Forbidden", "status": 403, "detail": "too little credit", "balance": 30,
    });
    assert_eq!(problem(&error), expected);
}

#[test]
fn data_replace_the_type_and_title_but_not_the_status_and_detail() {
    let data = ["type", "title", "status", "detail", "instance"];
    let error = data.iter().fold(abort(409), |error, name| error.with_data(*name, "mine"));
    assert_eq!(problem(&error), json!({ "type": "mine", "title": "mine", "status": 409, "instance": "mine" }));
}

#[test]
fn data_that_cannot_be_written_are_a_500_that_names_them() {
    let error = abort(404).with_data("pairs", &std::collections::BTreeMap::from([((1, 2), 3)]));
    assert_eq!(error.status(), 500);
    assert!(error.to_string().contains("`pairs`"), "{error}");
}

#[test]
fn a_page_escapes_data_and_shows_them_only_in_development() {
    let error = abort(404).with_data("<b>", "<i>");
    let page = |development| {
        let mut view = ErrorView::new(Media::Html, &Method::GET, "/");
        view.development = development;
        String::from_utf8(error.render(&view).body().as_bytes().expect("it is whole").to_vec()).expect("it is text")
    };
    assert!(page(true).contains("<th>&lt;b&gt;<td>&quot;&lt;i&gt;&quot;"));
    assert!(!page(false).contains("&lt;i&gt;"));
}

#[test]
fn the_errors_of_fields_have_limits() {
    let many = (0..1000).fold(abort(422), |error, number| error.with_field(&format!("field{number}"), "no"));
    let many = (0..1000).fold(many, |error, _| error.with_field("field1", "x".repeat(10_000)));
    let many = many.with_field(&"é".repeat(10_000), "no");
    let data = many.data_json().expect("it has data");
    assert!(data.len() < 20_000, "{} bytes", data.len());
    let no_object = abort(422).with_data("errors", "mine").with_field("name", "no");
    assert_eq!(no_object.data("errors"), Some("mine"));
}

#[test]
fn an_optional_argument_is_none_if_its_value_is_missing_with_any_status() {
    use pixie_core::FromRequest;
    struct Token;
    impl FromRequest for Token {
        fn needs(needs: &mut pixie_core::Needs) {
            needs.everything();
        }

        fn from_request(request: &mut Request) -> pixie_core::Result<Token> {
            match request.header(header::AUTHORIZATION) {
                None => Err(Error::missing("sign in").with_status(StatusCode::UNAUTHORIZED)),
                Some("right") => Ok(Token),
                Some(_) => Err(abort(401)),
            }
        }
    }
    for (sent, expected) in [(None, Ok(false)), (Some("right"), Ok(true)), (Some("wrong"), Err(401))] {
        let mut request = Request::new(Method::GET, Uri::from_static("/"));
        sent.map(|sent| request.headers_mut().insert(header::AUTHORIZATION, sent.parse().expect("a header")));
        let found = Option::<Token>::from_request(&mut request);
        assert_eq!(found.map(|token| token.is_some()).map_err(|error| error.status().as_u16()), expected);
    }
}
