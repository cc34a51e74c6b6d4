//! Signed and private cookies: what a client may do to them, and how keys rotate.
use std::sync::Arc;

use pixie_core::{
    Cookie, CookieKeys, FromRequest, Method, PrivateCookies, Request, Response, SignedCookies, StateMap, header,
};

const OLD: &str = "an old secret of thirty-two bytes or more";
const NEW: &str = "the new secret of thirty-two bytes or more";

/// A request with these cookies, in an app with these secrets.
fn request(secrets: &[&str], cookies: &[String]) -> Request {
    let mut state = StateMap::default();
    state.insert(CookieKeys::new(secrets).expect("the secrets are long enough"));
    let mut request = Request::new(Method::GET, "/".parse().expect("it is a path"));
    request.plumbing_mut().state = Some(Arc::new(state));
    if !cookies.is_empty() {
        let value = cookies.join("; ").try_into().expect("it is a header's value");
        request.headers_mut().insert(header::COOKIE, value);
    }
    request
}

fn signed(secrets: &[&str], cookies: &[String]) -> SignedCookies {
    SignedCookies::from_request(&mut request(secrets, cookies)).expect("the app has keys")
}

fn private(secrets: &[&str], cookies: &[String]) -> PrivateCookies {
    PrivateCookies::from_request(&mut request(secrets, cookies)).expect("the app has keys")
}

/// Returns the pair that a browser sends back.
fn sent(cookie: Cookie<'static>) -> String {
    let response = Response::new("").cookie(cookie);
    let value = response.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok()).expect("it is set");
    value.split(';').next().expect("it has a pair").to_owned()
}

#[test]
fn a_sealed_value_comes_back_and_a_private_one_cannot_be_read() {
    let value = "user=7; admin ü";
    let signed_pair = sent(signed(&[NEW], &[]).sign(Cookie::new("id", value)));
    let private_pair = sent(private(&[NEW], &[]).encrypt(Cookie::new("id", value)));
    assert!(signed_pair.contains("user=7") && !private_pair.contains("user"));
    assert_eq!(signed(&[NEW], std::slice::from_ref(&signed_pair)).get("id").as_deref(), Some(value));
    assert_eq!(private(&[NEW], std::slice::from_ref(&private_pair)).get("id").as_deref(), Some(value));
    assert_eq!(signed(&[NEW], &[private_pair]).get("id"), None);
    assert_eq!(private(&[NEW], &[signed_pair]).get("id"), None);
}

#[test]
fn a_changed_copied_or_plain_value_is_none() {
    let signed_pair = sent(signed(&[NEW], &[]).sign(Cookie::new("id", "7")));
    let private_pair = sent(private(&[NEW], &[]).encrypt(Cookie::new("id", "7")));
    let changed = |pair: &str, from: &str, to: &str| vec![pair.replacen(from, to, 1)];
    let last = |pair: &str| vec![format!("{}8", &pair[..pair.len() - 1])];
    for cookies in
        [last(&signed_pair), changed(&signed_pair, "id=", "role="), vec!["id=7".into(), "role=7".into()], vec![]]
    {
        let cookies = signed(&[NEW], &cookies);
        assert_eq!((cookies.get("id"), cookies.get("role")), (None, None));
    }
    for cookies in [last(&private_pair), changed(&private_pair, "id=", "role="), vec!["id=7".into()]] {
        let cookies = private(&[NEW], &cookies);
        assert_eq!((cookies.get("id"), cookies.get("role")), (None, None));
    }
}

#[test]
fn keys_rotate_what_is_written_has_the_first_and_what_is_read_any() {
    let old = [
        sent(signed(&[OLD], &[]).sign(Cookie::new("s", "1"))),
        sent(private(&[OLD], &[]).encrypt(Cookie::new("p", "2"))),
    ];
    assert_eq!(signed(&[NEW, OLD], &old).get("s").as_deref(), Some("1"));
    assert_eq!(private(&[NEW, OLD], &old).get("p").as_deref(), Some("2"));
    assert_eq!((signed(&[NEW], &old).get("s"), private(&[NEW], &old).get("p")), (None, None));
    let new = [sent(signed(&[NEW, OLD], &[]).sign(Cookie::new("s", "1")))];
    assert_eq!((signed(&[NEW], &new).get("s").as_deref(), signed(&[OLD], &new).get("s")), (Some("1"), None));
}

#[test]
fn a_planted_cookie_does_not_hide_the_true_one() {
    let cookies = ["id=forged".to_owned(), sent(signed(&[NEW], &[]).sign(Cookie::new("id", "7")))];
    assert_eq!(signed(&[NEW], &cookies).get("id").as_deref(), Some("7"));
}

#[test]
fn short_or_no_secrets_are_refused_with_the_remedy_and_no_key_is_shown() {
    for secrets in [&["too short"][..], &[NEW, "too short"], &[]] {
        let refused = CookieKeys::new(secrets).expect_err("it is refused").to_string();
        assert!(
            refused.contains("PIXIE_SECRET") && refused.contains("App::keys") && !refused.contains("too short"),
            "{refused}"
        );
    }
    let keys = CookieKeys::new([NEW, OLD]).expect("they are long enough");
    assert_eq!(format!("{keys:?}"), "CookieKeys(2 keys)");
    let mut bare = Request::new(Method::GET, "/".parse().expect("it is a path"));
    let refused = SignedCookies::from_request(&mut bare).expect_err("there are no keys");
    assert_eq!(refused.status().as_u16(), 500);
}
