//! Clients that a proxy names by the PROXY protocol.

use std::time::Duration;

use pixie_server::{Config, Listen, Listener};

use crate::harness::{Client, Running};

const GET: &str = "GET /peer HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server that believes the clients at these addresses.
fn server(trusted: &str, config: Config) -> Running {
    Running::on(Listener::open([Listen::tcp("127.0.0.1", 0).proxy_protocol([trusted])]).unwrap(), config)
}

/// A header of version 2, for a command and a family, with the rest of its bytes.
fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

#[test]
fn the_client_that_a_trusted_proxy_names_is_the_peer() {
    let server = server("127.0.0.0/8", Config::new());
    let v4 = [192, 0, 2, 7, 127, 0, 0, 1, 0x30, 0x39, 0, 80];
    let with_extras = [&v4[..], &[0xE0, 0, 3, 1, 2, 3]].concat();
    for (header, expected) in [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n".to_vec(), "192.0.2.7:12345"),
        (b"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n".to_vec(), "[2001:db8::7]:12345"),
        (version_2(1, 0x11, &v4), "192.0.2.7:12345"),
        (version_2(1, 0x11, &with_extras), "192.0.2.7:12345"),
    ] {
        // In one piece, and a byte at a time.
        for piece in [header.len() + GET.len(), 1] {
            let mut client = server.client();
            for bytes in [&header, GET.as_bytes()].concat().chunks(piece) {
                client.send_bytes(bytes);
            }
            assert_eq!(client.answer().body, expected);
            assert_eq!(client.get("/peer").body, expected, "the second request of the connection");
        }
    }
}

#[test]
fn a_proxy_that_connects_for_itself_keeps_its_address() {
    let server = server("127.0.0.1", Config::new());
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), version_2(0, 0, &[]), version_2(0, 0x11, &[]), version_2(1, 0, &[])] {
        let mut client = server.client();
        let own = client.socket.local_addr().unwrap().to_string();
        assert_eq!(client.send_bytes(&header).send(GET).answer().body, own, "{header:?}");
    }
}

#[test]
fn a_header_from_another_address_is_an_invalid_request() {
    let server = server("10.0.0.0/8", Config::new());
    let mut client = server.client();
    assert_eq!(client.send("PROXY TCP4 192.0.2.7 127.0.0.1 1 80\r\n").send(GET).answer().status(), "400");
    let mut honest = server.client();
    let own = honest.socket.local_addr().unwrap().to_string();
    assert_eq!(honest.get("/peer").body, own);
}

#[test]
fn a_trusted_proxy_without_a_valid_header_is_closed() {
    let server = server("127.0.0.1", Config::new().handshake_timeout(Duration::from_millis(200)));
    let endless = version_2(1, 0x11, &[0; 1100]);
    for start in [GET.as_bytes(), b"PROXY TCP4 192.0.2.7 no 1 80\r\n", b"PROXY TCP4 192", b"", &endless[..1060]] {
        let mut client = server.client();
        client.send_bytes(start);
        assert!(client.is_closed(), "{start:?}");
    }
}

#[test]
fn limits_count_the_client_behind_the_proxy() {
    let server = server("127.0.0.1", Config::new().connections_per_client_max(1));
    let connect = |address: &str| {
        let mut client = server.client();
        client.send(&format!("PROXY TCP4 {address} 127.0.0.1 1 80\r\nGET /slow HTTP/1.1\r\nhost: x\r\n\r\n"));
        client
    };
    let mut first = connect("192.0.2.1");
    server.wait_for_slow(1);
    let mut other = connect("192.0.2.2");
    server.wait_for_slow(1);
    let mut second: Client = connect("192.0.2.1");
    assert_eq!(second.answer().status(), "503");
    server.app.gate.add_permits(2);
    assert_eq!((first.answer().body, other.answer().body), ("slow".to_owned(), "slow".to_owned()));
}

#[test]
fn an_invalid_network_is_refused_with_the_fix() {
    let error = Listener::open([Listen::tcp("127.0.0.1", 0).proxy_protocol(["10.0.0.1/8"])]).unwrap_err();
    let expected = "cannot listen on 127.0.0.1:0: `proxy_protocol([\"10.0.0.1/8\"])`: the network of this address is \
                    \"10.0.0.0/8\": use that, or \"10.0.0.1\" for the address alone";
    assert_eq!(error.to_string(), expected);
}
