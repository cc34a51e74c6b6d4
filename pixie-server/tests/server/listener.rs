//! Binding and taking over listening sockets.

use pixie_server::{Config, Error, Listener, Server};

use crate::harness::{App, Client, Running, runtime};

#[test]
fn localhost_is_both_loopback_addresses_on_one_port() {
    let listener = Listener::bind("localhost", 0).unwrap();
    let addresses = listener.local_addrs();
    let port = addresses[0].port();
    assert_ne!(port, 0);
    assert!(addresses.iter().all(|address| address.ip().is_loopback() && address.port() == port));
    assert!(addresses[0].is_ipv4());
}

#[test]
fn a_taken_port_names_its_owner_and_another_port() {
    let taken = Listener::bind("127.0.0.1", 0).unwrap();
    let port = taken.local_addrs()[0].port();
    let error = Listener::bind("127.0.0.1", port).unwrap_err();
    let Error::PortTaken { owner, free, .. } = &error else { panic!("{error:?}") };
    let said = error.to_string();
    assert!(said.starts_with(&format!("port {port} is used by ")), "{said}");
    if let Some(owner) = owner {
        assert_eq!(owner.pid, std::process::id());
        assert!(said.contains(&format!("`{}` (pid {})", owner.name, owner.pid)), "{said}");
    }
    if let Some(free) = free {
        assert!(said.ends_with(&format!("stop it or use another port, such as {free}")), "{said}");
    }
}

#[test]
fn on_linux_the_owner_of_a_port_is_found() {
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let taken = Listener::bind("::1", 0).or_else(|_| Listener::bind("127.0.0.1", 0)).unwrap();
    let address = taken.local_addrs()[0];
    let error = Listener::bind(&address.ip().to_string(), address.port()).unwrap_err();
    assert!(matches!(error, Error::PortTaken { owner: Some(_), .. }), "{error:?}");
}

#[test]
fn an_address_of_another_machine_is_refused_with_advice() {
    let error = Listener::bind("192.0.2.1", 0).unwrap_err();
    let advice = "use 127.0.0.1 (this machine only) or 0.0.0.0 (every network)";
    assert!(error.to_string().ends_with(advice), "{error}");
}

/// Also the child process of the next test: with a socket on descriptor 3 it serves that socket.
#[test]
fn without_a_passed_socket_there_is_nothing_to_adopt() {
    let Some(listener) = Listener::adopted().unwrap() else {
        return;
    };
    let app = App::new();
    assert!(Listener::adopted().unwrap().is_none());
    runtime().block_on(Server::new(Config::new()).serve(listener, move |connection| app.of(connection))).unwrap();
}

/// Runs the test above in another process.
fn child(variables: &[(&str, &str)]) -> std::process::Output {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "listener::without_a_passed_socket_there_is_nothing_to_adopt"]);
    command.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn a_variable_about_passed_sockets_that_is_not_a_number_is_refused_by_name() {
    for (name, value) in [("LISTEN_FDS", "x"), ("LISTEN_FDS", "-1"), ("LISTEN_PID", "1x"), ("LISTEN_FDS_FIRST_FD", "a")]
    {
        let output = child(&[("LISTEN_FDS", "0"), (name, value)]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(&format!("{name} is `{value}`")), "{said}");
    }
    assert!(child(&[("LISTEN_FDS", ""), ("LISTEN_PID", "")]).status.success());
    assert!(child(&[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")]).status.success(), "it is for another process");
}

#[cfg(unix)]
#[test]
fn a_socket_on_fd_3_is_taken_over() {
    use std::{
        net::TcpListener,
        os::fd::OwnedFd,
        process::{Command, Stdio},
    };

    let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let mut child = Command::new("sh")
        .args(["-c", r#"exec 3<&0 0</dev/null; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "listener::without_a_passed_socket_there_is_nothing_to_adopt"])
        .env("LISTEN_FDS", "1")
        .env_remove("LISTEN_PID")
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(Client::connect(address).get("/child").body, "you asked for /child");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn port_0_gives_every_server_its_own_port() {
    let (one, two) = (Running::start(Config::new()), Running::start(Config::new()));
    assert_ne!(one.address.port(), two.address.port());
    assert_eq!((one.client().get("/").status(), two.client().get("/").status()), ("200", "200"));
}
