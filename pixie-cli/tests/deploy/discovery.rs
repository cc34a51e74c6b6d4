//! Hosts that DNS names: they come and go while HAProxy runs.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use serde_json::json;

use crate::{
    app::{deployed, shop},
    balancer::{Balancer, Host, PATIENCE},
};

/// Starts a DNS server that gives these addresses to each name.
fn dns(addresses: Arc<Mutex<Vec<Ipv4Addr>>>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            let name_end = 12 + query[12..length].iter().position(|byte| *byte == 0).unwrap() + 1;
            let question = &query[12..name_end + 4];
            // Type A; there are no addresses of IPv6.
            let is_v4 = query[name_end..name_end + 2] == [0, 1];
            let addresses: Vec<_> = addresses.lock().unwrap().iter().copied().filter(|_| is_v4).collect();
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, u8::try_from(addresses.len()).unwrap(), 0, 0, 0, 0]);
            answer.extend(question);
            for address in addresses {
                // The name of the question, type A, class IN, 1 s, 4 bytes.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(address.octets());
            }
            socket.send_to(&answer, peer).unwrap();
        }
    });
    address
}

/// Starts a host that tells its name, on this address.
fn host(name: &'static str, address: SocketAddr) -> Host {
    Host::on(TcpListener::bind(address).unwrap(), move |_, stream| {
        stream.write_all(format!("HTTP/1.1 200 OK\r\nx-name: {name}\r\ncontent-length: 0\r\n\r\n").as_bytes()).is_ok()
    })
}

#[test]
fn hosts_come_and_go_while_the_balancer_runs() {
    let first = Ipv4Addr::new(127, 0, 0, 21);
    let second = Ipv4Addr::new(127, 0, 0, 22);
    let port = TcpListener::bind((first, 0)).unwrap().local_addr().unwrap().port();
    let _hosts = [host("first", (first, port).into()), host("second", (second, port).into())];
    let addresses = Arc::new(Mutex::new(vec![first]));
    let mut told = shop();
    told["agent"] = json!(null);
    let discover = format!("all=workers.internal:{port}*4");
    let configuration = deployed(&told, &["haproxy", "--discover", &discover]);
    let nameserver = format!("nameserver test {}", dns(addresses.clone()));
    let balancer = Balancer::start(&configuration.replace("parse-resolv-conf", &nameserver));
    for (now, expected) in [(vec![first], "first"), (vec![second], "second"), (vec![first, second], "first")] {
        *addresses.lock().unwrap() = now;
        let start = Instant::now();
        loop {
            let response = balancer.connect().ask("GET / HTTP/1.1").expect("an answer");
            if response.header("x-name") == Some(expected) {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{expected}: {response:?}");
            thread::yield_now();
        }
    }
}
