//! Which connections are trusted, and what their reports change.
use super::*;

fn proxies(texts: &[&str], headers: ProxyHeaders) -> Result<Proxies, StartError> {
    Proxies::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), headers)
}

#[test]
fn a_network_contains_its_addresses() {
    for (network, address, is_in) in [
        ("10.0.0.0/8", "10.255.0.1", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("10.0.0.0/8", "::ffff:10.0.0.1", true),
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false),
        ("0.0.0.0/0", "1.2.3.4", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "::1", true),
        ("fd00::/8", "fd12::1", true),
        ("fd00::/8", "fe00::1", false),
        ("2001:db8::1", "2001:db8::1", true),
    ] {
        let proxies = proxies(&[network], ProxyHeaders::Any).expect("a network");
        assert_eq!(proxies.trusts(address.parse().expect("an address")), is_in, "{network} {address}");
    }
}

#[test]
fn a_bad_network_is_refused_with_its_fix() {
    for (text, fix) in [
        ("10.0.0.0/33", "from 0 to 32"),
        ("10.0.0.0/+8", "from 0 to 32"),
        ("10.0.0.0/08", "from 0 to 32"),
        ("10.0.0.0/", "from 0 to 32"),
        ("fd00::/129", "from 0 to 128"),
        ("10.0.0.5/8", "\"10.0.0.0/8\""),
        ("proxy.example", "use an address"),
        ("10.0.0.0/8,172.16.0.0/12", "from 0 to 32"),
        ("", "use an address"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ] {
        let error = proxies(&[text], ProxyHeaders::Any).err().expect("it is refused");
        assert!(error.message().contains(fix) && error.message().contains(&format!("[\"{text}\"]")), "{error}");
    }
}

/// Returns peer, scheme and host of a request to `inner`.
fn applied(trusted: &[&str], peer: Option<&str>, headers: ProxyHeaders, lines: &[(&'static str, &str)]) -> String {
    let proxies = proxies(trusted, headers).expect("networks");
    let mut request = Request::builder().uri("http://inner/").header("host", "inner").body(()).expect("a request");
    for (name, value) in lines {
        request.headers_mut().append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    let peer = peer.map(|peer| SocketAddr::new(peer.parse().expect("an address"), 7));
    match proxies.apply(Sender { peer, scheme: Scheme::Http }, &mut request) {
        Err(Conflict) => "conflict".into(),
        Ok(Sender { peer, scheme }) => {
            let host = request.headers()["host"].to_str().expect("text");
            let is_ours = request.uri().authority().is_none_or(|of_target| of_target.as_str() == host);
            assert!(is_ours, "the target must not name another host");
            format!("{} {scheme} {host}", peer.map_or("-".into(), |peer| peer.to_string()))
        }
    }
}

#[test]
fn only_a_trusted_connection_is_believed() {
    const SENT: [(&str, &str); 3] =
        [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.example")];
    for (trusted, peer, expected) in [
        (&["10.0.0.0/8"][..], Some("10.0.0.1"), "192.0.2.1:0 https shop.example"),
        (&["10.0.0.0/8"], Some("::ffff:10.0.0.1"), "192.0.2.1:0 https shop.example"),
        (&["10.0.0.0/8"], Some("192.0.2.9"), "192.0.2.9:7 http inner"),
        (&["10.0.0.0/8"], None, "- http inner"),
        (&["unix"], None, "192.0.2.1:0 https shop.example"),
        (&["unix"], Some("10.0.0.1"), "10.0.0.1:7 http inner"),
        (&[], Some("127.0.0.1"), "127.0.0.1:7 http inner"),
    ] {
        assert_eq!(applied(trusted, peer, ProxyHeaders::Any, &SENT), expected, "{trusted:?} {peer:?}");
    }
    let bare = applied(&["10.0.0.1"], Some("10.0.0.1"), ProxyHeaders::Any, &[]);
    assert_eq!(bare, "10.0.0.1:7 http inner");
}

#[test]
fn headers_of_both_kinds_must_agree_unless_the_app_has_chosen() {
    use ProxyHeaders::{Any, Forwarded, XForwarded};
    let forged = ("forwarded", "for=127.0.0.1;proto=https");
    let of_proxy = ("x-forwarded-for", "192.0.2.1");
    let same = ("forwarded", "for=\"192.0.2.1:80\"");
    for (headers, lines, expected) in [
        (Any, [forged, of_proxy], "conflict"),
        (Any, [same, of_proxy], "192.0.2.1:80 http inner"),
        (Any, [("forwarded", "proto=https"), of_proxy], "conflict"),
        (Any, [("x-forwarded-host", "evil.example"), same], "conflict"),
        (XForwarded, [forged, of_proxy], "192.0.2.1:0 http inner"),
        (Forwarded, [("x-forwarded-for", "127.0.0.1"), same], "192.0.2.1:80 http inner"),
    ] {
        assert_eq!(applied(&["10.0.0.1"], Some("10.0.0.1"), headers, &lines), expected, "{headers:?} {lines:?}");
    }
}
