//! The store in a real server of Redis: started on a free port, with its files in a temporary folder.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use pixie_store::{Builder, ChangeKind, Error, Store};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{Fixture, topics::run};

/// Longest time that a test waits for something to happen.
const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    port: u16,
    options: Vec<String>,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        // Another program may take the port before the server does.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = spawn(&folder, port, &options) {
                return Server { child, folder, port, options };
            }
        }
        panic!("redis-server does not start: is it installed?");
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = spawn(&self.folder, self.port, &self.options).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn address(&self) -> String {
        format!("redis://127.0.0.1:{}?prefix=test", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails if a test has killed it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the server and waits until it accepts connections. Returns nothing if it ends instead.
fn spawn(folder: &TempDir, port: u16, options: &[String]) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
    if !options.iter().any(|option| option == "--tls-port") {
        command.arg("--port").arg(port.to_string());
    }
    command.args(options.iter().map(|option| option.replace("PORT", &port.to_string())));
    let mut child = command.stdout(Stdio::null()).spawn().expect("redis-server is installed");
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        assert!(start.elapsed() < LONG, "redis-server accepts connections");
        thread::sleep(Duration::from_millis(5));
    }
    None
}

pub(crate) fn fixture(builder: Builder) -> Fixture {
    let server = Server::start(&[]);
    // The machine may be busy with other tests.
    let store = builder.timeout(LONG).open(&server.address()).unwrap();
    Fixture { store, _keep: Box::new(server) }
}

fn open(server: &Server, timeout: Duration) -> Store {
    Store::builder().timeout(timeout).open(&server.address()).unwrap()
}

fn is_unavailable<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable { .. }))
}

#[test]
fn a_killed_server_is_an_error_in_bounded_time_and_a_restarted_one_works() {
    let mut server = Server::start(&[]);
    let limit = Duration::from_millis(500);
    let (store, patient) = (open(&server, limit), open(&server, LONG));
    store.put("a", &1).wait().unwrap();
    for round in 0..3 {
        server.kill();
        for _ in 0..3 {
            let start = Instant::now();
            let result = store.add("a", 1).wait();
            assert!(is_unavailable(&result) && is_unavailable(&store.get::<i64>("a").wait()), "{result:?}");
            assert!(start.elapsed() < 4 * limit, "{:?}", start.elapsed());
        }
        thread::scope(|scope| {
            let read = scope.spawn(|| patient.get::<i64>("a").wait());
            server.restart();
            assert_eq!(read.join().unwrap(), Ok(None), "a read waits for the server, which has lost its values");
        });
        let start = Instant::now();
        while let Err(error) = store.put("a", &round).wait() {
            assert!(start.elapsed() < LONG, "{error}");
        }
        assert_eq!(store.get::<i64>("a").wait(), Ok(Some(round)));
    }
}

#[test]
fn a_server_that_hangs_is_an_error_in_bounded_time() {
    let server = Server::start(&[]);
    let store = open(&server, Duration::from_millis(300));
    store.put("a", &1).wait().unwrap();
    server.signal(Signal::STOP);
    let start = Instant::now();
    for _ in 0..3 {
        assert!(is_unavailable(&store.get::<i64>("a").wait()));
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    server.signal(Signal::CONT);
    let start = Instant::now();
    while store.get::<i64>("a").wait() != Ok(Some(1)) {
        assert!(start.elapsed() < LONG);
    }
}

#[test]
fn a_store_opens_before_its_server_is_there() {
    let mut server = Server::start(&[]);
    server.kill();
    let store = open(&server, Duration::from_millis(200));
    let error = store.get::<i64>("a").wait().unwrap_err();
    assert!(error.to_string().contains("no connection to Redis within 200ms: "), "{error}");
    server.restart();
    let store = open(&server, LONG);
    assert_eq!(store.get::<i64>("a").wait(), Ok(None));
}

#[test]
fn topics_and_watches_reach_other_handles_and_survive_a_restart() {
    let mut server = Server::start(&[]);
    let (here, there) = (open(&server, LONG), open(&server, LONG));
    run(async {
        let mut messages = here.topic::<i64>("progress/1").subscribe().await.unwrap();
        let mut watch = here.watch("cart/").await.unwrap();
        there.topic("progress/1").publish(&50).await.unwrap();
        there.put("cart/1", &1).await.unwrap();
        assert_eq!(timeout(LONG, messages.next()).await.unwrap(), Ok(50));
        assert_eq!(timeout(LONG, watch.next()).await.unwrap().unwrap().kind, ChangeKind::Put);

        server.kill();
        server.restart();
        assert_eq!(timeout(LONG, messages.next()).await.unwrap(), Err(Error::Lagged { missed: None }));
        assert_eq!(timeout(LONG, watch.next()).await.unwrap(), Err(Error::Lagged { missed: None }));
        let published = async { while there.topic("progress/1").publish(&100).await.is_err() {} };
        timeout(LONG, published).await.unwrap();
        timeout(LONG, async { while there.put("cart/1", &1).await.is_err() {} }).await.unwrap();
        assert_eq!(timeout(LONG, messages.next()).await.unwrap(), Ok(100));
        assert_eq!(timeout(LONG, watch.next()).await.unwrap().unwrap().key, "cart/1");
    });
}

#[test]
fn the_last_subscriber_unsubscribes_at_the_server() {
    let server = Server::start(&[]);
    let store = open(&server, LONG);
    run(async {
        for _ in 0..20 {
            let topic = store.topic::<i64>("a");
            let mut first = topic.subscribe().await.unwrap();
            let second = topic.subscribe().await.unwrap();
            drop(second);
            topic.publish(&1).await.unwrap();
            assert_eq!(timeout(LONG, first.next()).await.unwrap(), Ok(1));
        }
        let start = Instant::now();
        let counted = || {
            let mut client = Command::new("redis-cli");
            client.args(["-p", &server.port.to_string(), "pubsub", "numsub", "test:a"]);
            String::from_utf8(client.output().unwrap().stdout).unwrap()
        };
        while !counted().contains("\n0") {
            assert!(start.elapsed() < LONG, "{}", counted());
        }
    });
}

#[test]
fn an_attached_runtime_serves_its_tasks_and_never_the_threads_that_wait() {
    let mut server = Server::start(&[]);
    let store = open(&server, LONG);
    let start = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let runtime = start();
    let work = store.clone();
    let task = runtime.spawn(async move {
        work.attach();
        assert_eq!(work.add("a", 1).await, Ok(1));
        // The only thread of the runtime sleeps here, so its connection cannot answer.
        assert_eq!(work.add("a", 1).wait(), Ok(2));
        let mut messages = work.topic::<i64>("a").subscribe().await.unwrap();
        work.topic("a").publish(&3).await.unwrap();
        assert_eq!(messages.next().await, Ok(3));
        work.attach();
        assert_eq!(work.add("a", 1).await, Ok(3));
    });
    runtime.block_on(task).unwrap();
    assert_eq!(connections(&server), 2);
    server.kill();
    server.restart();
    let work = store.clone();
    let task = runtime.spawn(async move { while work.add("b", 1).await.is_err() {} });
    runtime.block_on(async { timeout(LONG, task).await.unwrap().unwrap() });
    runtime.shutdown_timeout(LONG);
    let other = start();
    assert!(other.block_on(store.add("b", 1).into_future()).is_ok(), "the store has its own connection");
    assert!(store.get::<i64>("b").wait().is_ok());
    drop(store);
    let start = Instant::now();
    while connections(&server) > 0 {
        assert!(start.elapsed() < LONG, "a store that is dropped closes its connections");
    }
}

#[test]
fn a_server_that_is_a_replica_for_a_while_makes_writes_wait() {
    let server = Server::start(&[]);
    let store = open(&server, LONG);
    let become_replica_of = |host: &str, port: &str| {
        let mut client = Command::new("redis-cli");
        client.args(["-p", &server.port.to_string(), "replicaof", host, port]);
        assert!(client.stdout(Stdio::null()).status().unwrap().success());
    };
    store.put("a", &1).wait().unwrap();
    become_replica_of("127.0.0.1", "1");
    let impatient = open(&server, Duration::from_millis(300));
    let error = impatient.put("a", &2).wait().unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    thread::scope(|scope| {
        let write = scope.spawn(|| store.put("a", &3).wait());
        become_replica_of("no", "one");
        assert_eq!(write.join().unwrap(), Ok(()));
    });
    assert_eq!(store.get::<i64>("a").wait(), Ok(Some(3)));
}

/// Returns how many connections the server has, beside that of the question.
fn connections(server: &Server) -> usize {
    let mut client = Command::new("redis-cli");
    client.args(["-p", &server.port.to_string(), "client", "list"]);
    let text = String::from_utf8(client.output().unwrap().stdout).unwrap();
    text.lines().filter(|line| line.contains("addr=")).count() - 1
}

/// Writes a certificate authority and a certificate of 127.0.0.1.
fn certificates(folder: &TempDir) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let files = [("ca.pem", authority_pem), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())];
    for (name, pem) in files {
        std::fs::write(folder.path().join(name), pem).unwrap();
    }
}

#[test]
fn a_connection_with_tls_trusts_the_authority_of_its_address_only() {
    let folder = tempfile::tempdir().unwrap();
    certificates(&folder);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (authority, certificate, key) = (path("ca.pem"), path("cert.pem"), path("key.pem"));
    let mut options = vec!["--tls-port", "PORT", "--port", "0", "--tls-auth-clients", "no"];
    options.extend(["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &authority]);
    let server = Server::start(&options);
    let address = format!("rediss://127.0.0.1:{}", server.port);
    let store = Store::builder().timeout(LONG).open(&format!("{address}?ca={authority}")).unwrap();
    assert_eq!(store.add("a", 1).wait(), Ok(1));
    run(async {
        let mut messages = store.topic::<i64>("a").subscribe().await.unwrap();
        store.topic("a").publish(&5).await.unwrap();
        assert_eq!(timeout(LONG, messages.next()).await.unwrap(), Ok(5));
    });
    let distrustful = Store::builder().timeout(Duration::from_millis(500)).open(&address).unwrap();
    let error = distrustful.get::<i64>("a").wait().unwrap_err();
    assert!(is_unavailable::<()>(&Err(error.clone())) && error.to_string().contains("certificate"), "{error}");
    let missing = Store::open(&format!("{address}?ca=/nonexistent.pem")).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent.pem"), "{missing}");
}

#[test]
fn errors_of_the_server_have_their_own_variants() {
    let server = Server::start(&["--requirepass", "right", "--maxmemory", "3mb", "--rename-command", "CONFIG", ""]);
    let with = |password: &str| {
        let address = format!("redis://:{password}@127.0.0.1:{}", server.port);
        Store::builder().timeout(LONG).open(&address).unwrap()
    };
    let stranger = Store::builder().timeout(Duration::from_millis(300));
    let stranger = stranger.open(&format!("redis://:wrong-secret@127.0.0.1:{}", server.port)).unwrap();
    let error = stranger.get::<i64>("a").wait().unwrap_err();
    assert!(is_unavailable::<()>(&Err(error.clone())) && !error.to_string().contains("wrong-secret"), "{error}");
    assert!(error.to_string().to_lowercase().contains("password"), "{error}");

    let store = with("right");
    let watch = store.watch("a").wait().unwrap_err();
    assert!(
        matches!(watch, Error::Unsupported { .. }) && watch.to_string().contains("notify-keyspace-events"),
        "{watch}"
    );
    let value = "x".repeat(100_000);
    let full = (0..100).find_map(|number| store.put(&number.to_string(), &value).wait().err());
    assert_eq!(full, Some(Error::Full { limit: None }));
}
