//! What is sent again after a failure: what has not arrived, and requests whose method is idempotent.

use std::{io::Write, net::TcpStream, process::Command};

use rustix::net::sockopt::set_socket_linger;
use serde_json::json;

use crate::{
    app::{deployed, route, shop},
    balancer::{Balancer, Host, Request, free},
};

/// Starts HAProxy in front of hosts for the role `web`.
fn balancer(hosts: &[&Host], more: &str) -> Balancer {
    let mut told = shop();
    told["agent"] = json!(null);
    let mut never = route(&["GET", "DELETE"], "/never/<id>", "images");
    never["retry"] = json!(false);
    told["routes"].as_array_mut().unwrap().insert(0, never);
    let mut addresses: Vec<_> = hosts.iter().map(|host| host.address.to_string()).collect();
    addresses.extend((!more.is_empty()).then(|| more.to_owned()));
    Balancer::start(&deployed(&told, &["haproxy", "--hosts", &format!("all={}", addresses.join(","))]))
}

/// A host that reads each request, and ends the connection in the way that the path names.
fn ending(request: &Request, stream: &mut TcpStream) -> bool {
    match request.target.as_str() {
        "/reset" => set_socket_linger(stream, Some(std::time::Duration::ZERO)).unwrap(),
        "/half" => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-len").unwrap(),
        "/fine" => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_ok(),
        _ => {}
    }
    false
}

#[test]
fn a_request_that_may_have_started_is_only_sent_again_if_it_is_idempotent() {
    let hosts = [Host::start(ending), Host::start(ending)];
    let balancer = balancer(&[&hosts[0], &hosts[1]], "");
    for (method, most) in [("POST", 1), ("PATCH", 1), ("LOCK", 1), ("GET", 11), ("PUT", 11), ("DELETE", 11)] {
        for path in ["/close", "/reset", "/half"] {
            let seen = || {
                hosts.iter().flat_map(Host::seen).filter(|seen| seen.method == method && seen.target == path).count()
            };
            // A connection that is in use already, as that of a browser.
            let mut client = balancer.connect();
            for method in ["GET", "POST"] {
                let response = client.ask(&format!("{method} /fine HTTP/1.1\r\ncontent-length: 0"));
                assert_eq!(response.expect("an answer").status, 200);
            }
            let response = client.ask(&format!("{method} {path} HTTP/1.1\r\ncontent-length: 0"));
            let count = seen();
            if most == 1 {
                // Otherwise the client could send it again.
                assert_eq!((count, response.map(|response| response.status)), (1, Some(502)), "{method} {path}");
            } else {
                assert!(count > 1 && count <= most, "{method} {path}: {count}");
            }
        }
    }
}

#[test]
fn a_route_may_forbid_that_its_requests_are_sent_again() {
    let hosts = [Host::start(ending), Host::start(ending)];
    let balancer = balancer(&[&hosts[0], &hosts[1]], "");
    for (method, path, most) in
        [("GET", "/never/1", 1), ("DELETE", "/never/1", 1), ("HEAD", "/never/1", 1), ("PUT", "/never/1", 11)]
    {
        let count = || hosts.iter().flat_map(Host::seen).filter(|seen| seen.method == method).count();
        let response = balancer.connect().ask(&format!("{method} {path} HTTP/1.1\r\ncontent-length: 0"));
        assert!(count() == 1 && most == 1 || count() > 1 && most > 1, "{method}: {}", count());
        assert!(most > 1 || response.is_some_and(|response| response.status == 502), "{method}");
    }
}

#[test]
fn clients_of_http_2_are_not_asked_to_send_a_request_again() {
    let host = Host::start(ending);
    let balancer = balancer(&[&host], "");
    let url = format!("http://{}/close", balancer.address);
    let arguments =
        ["--silent", "--http2-prior-knowledge", "--data", "x", "--write-out", "%{http_code}", "--output", "/dev/null"];
    let output = Command::new("curl").args(arguments).arg(&url).output().expect("`curl` of Debian's package curl");
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), host.seen().len()), ("502", 1));
}

#[test]
fn what_another_host_can_answer_is_answered() {
    let (bad, good) = (Host::start(ending), Host::named("good"));
    let balancer = balancer(&[&bad, &good], "");
    let mut client = balancer.connect();
    for _ in 0..4 {
        let response = client.ask("GET /close HTTP/1.1").expect("an answer");
        assert_eq!(response.header("x-name"), Some("good"));
    }
    assert!(!bad.seen().is_empty(), "the balancer did not use this host");
}

#[test]
fn a_connection_that_is_refused_is_tried_elsewhere_for_each_method() {
    let good = Host::named("good");
    // Nothing listens there.
    let balancer = balancer(&[&good], &free().to_string());
    let mut client = balancer.connect();
    for method in ["POST", "GET", "POST", "PATCH", "POST"] {
        let response = client.ask(&format!("{method} /x HTTP/1.1\r\ncontent-length: 0")).expect("an answer");
        assert_eq!((response.status, response.header("x-name")), (200, Some("good")), "{method}");
    }
    assert_eq!(good.seen().len(), 5);
}
