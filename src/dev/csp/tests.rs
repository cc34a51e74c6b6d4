//! Policies before and after.
use super::policy;

#[test]
fn a_policy_lets_the_script_and_its_events_through_and_keeps_the_rest() {
    let cases = [
        ("img-src *", "img-src *"),
        ("script-src 'self'", "script-src 'self'"),
        ("script-src 'nonce-abc'", "script-src 'nonce-abc' 'self'"),
        ("script-src 'none'; connect-src 'none'", "script-src 'self'; connect-src 'self'"),
        ("script-src *", "script-src *"),
        (
            "script-src 'nonce-abc' 'strict-dynamic'; connect-src https://a.b",
            "script-src 'nonce-abc' 'strict-dynamic' 'nonce-N'; connect-src https://a.b 'self'",
        ),
        (
            "default-src https://a.b; style-src 'self'",
            "default-src https://a.b; style-src 'self'; script-src https://a.b 'self'; connect-src https://a.b 'self'",
        ),
        (
            "Default-Src 'none'; script-src-elem 'none'",
            "Default-Src 'none'; script-src-elem 'self'; script-src 'self'; connect-src 'self'",
        ),
    ];
    for (before, after) in cases {
        assert_eq!(policy(before, "N"), after, "{before}");
    }
}
