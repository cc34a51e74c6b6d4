//! Behind a real proxy, and what a load balancer sees of a stop.
use std::{
    fs::{self, File},
    io::Write,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Answer, Program, until};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A running nginx, stopped when this value is dropped.
struct Nginx {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts nginx in front of a program. It sets what the guide's page `proxy` shows, and connects from
    /// 127.0.0.3, so that its clients at 127.0.0.1 are not in the network of the proxies.
    fn start(program: &Program) -> Nginx {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let path = folder.path().display();
        let guide = include_str!("../../src/guide/how-to/proxy.md");
        let location = guide.split("# nginx\n\n```text\n").nth(1).and_then(|rest| rest.split("```").next());
        let location = location.expect("the guide has a configuration for nginx");
        let location =
            location.replace("127.0.0.1:8000;", &format!("127.0.0.1:{}; proxy_bind 127.0.0.3;", program.port));
        let config = format!(
            "daemon off; master_process off; pid {path}/pid; error_log stderr; events {{}}\n\
             http {{ access_log off; client_body_temp_path {path}/a; proxy_temp_path {path}/b; fastcgi_temp_path {path}/c; \
             uwsgi_temp_path {path}/d; scgi_temp_path {path}/e; server {{ listen 127.0.0.1:{port}; {location} }} }}"
        );
        fs::write(folder.path().join("nginx.conf"), config).expect("a file can be written");
        // Not in the PATH of users on Debian.
        let nginx = ["/usr/sbin/nginx", "nginx"].into_iter().find(|path| Path::new(path).exists()).unwrap_or("nginx");
        let process = Command::new(nginx)
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .args(["-e", "stderr"])
            .stderr(Stdio::inherit())
            .spawn()
            .expect("nginx is installed");
        until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Nginx { process, port, _folder: folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_client_behind_nginx_cannot_look_like_someone_else() {
    let program = Program::start("behind_proxy");
    let nginx = Nginx::start(&program);
    let ask = |headers: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{headers}\r\n");
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).expect("nginx accepts connections");
        stream.write_all(request.as_bytes()).expect("the request can be sent");
        Answer::read(&mut stream).body
    };
    let honest = "127.0.0.1 asks http://shop.example";
    for headers in [
        "",
        "X-Forwarded-For: 9.9.9.9\r\n",
        "X-Forwarded-For: 9.9.9.9, 127.0.0.3\r\n",
        "X-Forwarded-For: \"9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\n",
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n",
        "Forwarded: for=9.9.9.9;proto=https;host=evil.example\r\n",
    ] {
        assert_eq!(ask(headers), honest, "{headers}");
    }
    // Past the proxy, the headers count for nothing.
    let direct = "GET / HTTP/1.1\r\nHost: here\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: close\r\n\r\n";
    assert_eq!(program.ask(direct).body, "127.0.0.1 asks http://here");
}

#[test]
fn a_stopping_app_says_so_and_serves_new_connections_until_the_delay_is_over() {
    let mut program = Program::start_with("behind_proxy", &[("READY_DELAY_MS", "600000")]);
    let ready = program.get("/readyz");
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (200, r#"{"pools":{"default":"ready"},"ready":true,"reason":null}"#)
    );
    program.signal("TERM");
    let answer =
        until("the app says that it stops", || Some(program.get("/readyz")).filter(|answer| answer.status == 503));
    assert!(answer.body.contains(r#""reason":"the app is stopping""#), "{}", answer.body);
    assert_eq!((program.get("/healthz").status, program.get("/").status), (200, 200));
    // A second signal ends the delay.
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
}

#[test]
fn the_listening_sockets_close_after_the_delay() {
    let mut program = Program::start_with("behind_proxy", &[("READY_DELAY_MS", "300")]);
    let begun = Instant::now();
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(("127.0.0.1", program.port)).is_err());
}

#[test]
fn the_lines_of_handlers_of_all_kinds_show_the_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let program = Program::start_to("behind_proxy", &[], File::create(&path).expect("a file").into());
    for target in ["/log/sync", "/log/thread", "/log/async", "/log/pool", "/fails"] {
        program.ask(&format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\ntraceparent: {PARENT}\r\n\r\n"));
    }
    let id = "trace_id=4bf92f3577b34da6a3ce929d0e0e4736";
    for line in
        ["kind=sync", "kind=thread", "kind=async", "kind=pool", "path=/fails", "request method=GET path=/log/pool"]
    {
        until(&format!("the line with {line}"), || {
            let log = fs::read_to_string(&path).expect("the log can be read");
            log.lines().any(|found| found.contains(line) && found.matches(id).count() == 1).then_some(())
        });
    }
    let child =
        program.ask(&format!("GET /child HTTP/1.1\r\nHost: x\r\nConnection: close\r\ntraceparent: {PARENT}\r\n\r\n"));
    assert!(child.body.starts_with(&PARENT[..36]) && child.body != PARENT, "{}", child.body);
}
