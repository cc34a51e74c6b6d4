//! Which `Host` is taken for this machine.
use super::is_ours;

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
