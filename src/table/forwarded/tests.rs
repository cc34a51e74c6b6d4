//! What proxies report, and what clients send to look like someone else.
use super::*;

/// Returns client, scheme and host behind proxies in 10.0.0.0/8.
fn read(lines: &[(&'static str, &str)]) -> (Option<Reported>, Option<Reported>) {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    let is_trusted = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
    (standard(&headers, is_trusted), customary(&headers, is_trusted))
}

fn check(reported: Option<Reported>, expected: [&str; 3], lines: &[(&str, &str)]) {
    let reported = reported.expect("the request has the header");
    let text = |part: Option<String>| part.unwrap_or_default();
    let parts = [
        text(reported.client.map(|client| client.to_string())),
        text(reported.scheme.map(|scheme| scheme.to_string())),
        text(reported.host.map(|host| host.to_string())),
    ];
    assert_eq!(parts, expected, "{lines:?}");
}

#[test]
fn the_rightmost_untrusted_address_of_forwarded_is_the_client() {
    for (lines, expected) in [
        // The examples of RFC 7239, section 4.
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"][..], ["192.0.2.60:0", "http", ""]),
        (&[r#"For="[2001:db8:cafe::17]:4711""#], ["[2001:db8:cafe::17]:4711", "", ""]),
        (&["for=192.0.2.43, for=198.51.100.17"], ["198.51.100.17:0", "", ""]),
        (&["for=192.0.2.43", "for=10.0.0.2;proto=http"], ["192.0.2.43:0", "http", ""]),
        (
            &[r#"for="192.0.2.43:47011";host="shop.example:8443";PROTO=HTTPS"#],
            ["192.0.2.43:47011", "https", "shop.example:8443"],
        ),
        (&[r#"for="192.0.2.43:_port""#], ["192.0.2.43:0", "", ""]),
        (&[r#"for="[2001:db8::1]""#], ["[2001:db8::1]:0", "", ""]),
        (&["for=2001:db8::1"], ["[2001:db8::1]:0", "", ""]),
        (
            &["for=192.0.2.1;proto=https;host=a.example, for=10.0.0.1;proto=http;host=b.example"],
            ["192.0.2.1:0", "https", "a.example"],
        ),
        (&["for=10.0.0.9, for=10.0.0.8"], ["10.0.0.9:0", "", ""]),
        (&["for=192.0.2.1 ; proto=https , "], ["192.0.2.1:0", "https", ""]),
        (&[r#"for="192.0.\2.1";ext="a,b;c\"d""#], ["192.0.2.1:0", "", ""]),
        // The walk ends where a client is hidden, absent or unreadable.
        (&["for=192.0.2.1, for=unknown, for=10.0.0.1"], ["10.0.0.1:0", "", ""]),
        (&["for=_hidden;proto=https"], ["", "https", ""]),
        (&["for=192.0.2.1, proto=https"], ["", "https", ""]),
        (&["for=192.0.2.1, for=garbage!, for=10.0.0.1"], ["10.0.0.1:0", "", ""]),
        (&["for=1.2.3.4;for=10.0.0.1"], ["", "", ""]),
        (&["for"], ["", "", ""]),
        (&["for=1.2.3.4x"], ["", "", ""]),
        (&["for="], ["", "", ""]),
        (&[r#"for="1.2.3.4"#], ["", "", ""]),
        (&["for=1.2.3.4;host=a@b.example;proto=gopher"], ["1.2.3.4:0", "", ""]),
        // A client's own text is to the left of what the proxy appends.
        (&["for=127.0.0.1, for=192.0.2.1"], ["192.0.2.1:0", "", ""]),
        (&[r#"for="open, for=192.0.2.1"#], ["192.0.2.1:0", "", ""]),
        (&[r#"for="\, for="192.0.2.1:80""#], ["192.0.2.1:80", "", ""]),
        (&[r#"""""\\" , for=192.0.2.1;proto=https"#], ["192.0.2.1:0", "https", ""]),
    ] {
        let lines: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
        check(read(&lines).0, expected, &lines);
    }
}

#[test]
fn the_rightmost_untrusted_address_of_x_forwarded_for_is_the_client() {
    const FOR: &str = "x-forwarded-for";
    const PROTO: &str = "x-forwarded-proto";
    const HOST: &str = "x-forwarded-host";
    for (lines, expected) in [
        (&[(FOR, "192.0.2.1"), (PROTO, "https"), (HOST, "a.example")][..], ["192.0.2.1:0", "https", "a.example"]),
        (&[(FOR, "127.0.0.1, 192.0.2.1")], ["192.0.2.1:0", "", ""]),
        (&[(FOR, "127.0.0.1"), (FOR, "192.0.2.1,10.0.0.1")], ["192.0.2.1:0", "", ""]),
        (&[(FOR, "192.0.2.1:55555")], ["192.0.2.1:55555", "", ""]),
        (&[(FOR, "2001:db8::1")], ["[2001:db8::1]:0", "", ""]),
        (&[(FOR, "[2001:db8::1]:80")], ["[2001:db8::1]:80", "", ""]),
        (&[(FOR, "garbage, 10.0.0.2")], ["10.0.0.2:0", "", ""]),
        (&[(FOR, "1.2.3.4, unknown")], ["", "", ""]),
        (&[(FOR, "\"1.2.3.4, 192.0.2.1")], ["192.0.2.1:0", "", ""]),
        // One value of the outer proxy, or one of each.
        (&[(FOR, "192.0.2.1, 10.0.0.1"), (PROTO, "https")], ["192.0.2.1:0", "https", ""]),
        (&[(FOR, "192.0.2.1, 10.0.0.1"), (PROTO, "https, http")], ["192.0.2.1:0", "https", ""]),
        // The client sends one, too.
        (&[(FOR, "9.9.9.9, 192.0.2.1"), (PROTO, "https, http")], ["192.0.2.1:0", "http", ""]),
        (&[(FOR, "192.0.2.1"), (HOST, "evil.example, a.example")], ["192.0.2.1:0", "", "a.example"]),
        (&[(PROTO, "wss")], ["", "https", ""]),
        (&[(HOST, "user@a.example")], ["", "", ""]),
        (&[(HOST, "a b")], ["", "", ""]),
    ] {
        check(read(lines).1, expected, lines);
    }
    assert_eq!(read(&[("x-real-ip", "1.2.3.4")]), (None, None));
}
