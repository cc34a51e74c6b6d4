//! Which `Host` is taken for this machine, and what becomes of a page's policy.
use http::HeaderMap;

use super::{fitted, is_ours, only_report, request_columns};

#[test]
fn addresses_localhost_and_known_names_are_ours_and_other_names_are_not() {
    let known = ["dev.example".to_owned()];
    for host in ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "[::1]", "app.localhost", "192.168.0.7:80"]
    {
        assert!(is_ours(host, &known), "{host}");
    }
    assert!(is_ours("DEV.example:8000", &known));
    for host in ["", "evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", ":8000", "a]b"] {
        assert!(!is_ours(host, &known), "{host}");
    }
}

#[test]
fn every_policy_is_reported_and_blocks_nothing() {
    let mut headers = HeaderMap::new();
    for policy in ["default-src 'none'", "script-src 'nonce-abc' 'strict-dynamic'"] {
        headers.append("content-security-policy", policy.parse().expect("a value"));
    }
    headers.append("content-security-policy-report-only", "img-src *".parse().expect("a value"));
    only_report(&mut headers);
    assert!(!headers.contains_key("content-security-policy"));
    let reported: Vec<_> = headers.get_all("content-security-policy-report-only").iter().collect();
    assert_eq!(reported, ["img-src *", "default-src 'none'", "script-src 'nonce-abc' 'strict-dynamic'"]);
}

#[test]
fn a_narrow_terminal_has_shorter_requests() {
    assert_eq!([200, 80, 60, 50, 20].map(request_columns), [32, 32, 24, 14, 10]);
    assert_eq!(fitted("GET /notes", 14), "GET /notes    ");
    assert_eq!(fitted("GET /a/long/path", 14), "GET /a/long/p…");
    // A wide terminal shows all of it.
    assert_eq!(fitted(&"x".repeat(40), 32).len(), 40);
}
