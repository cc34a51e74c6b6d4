//! A real HAProxy with a generated configuration, hosts behind it that note what arrives, and a client.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Limits each wait. Long, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// HAProxy, until this value is dropped.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Balancer {
    /// Starts HAProxy with a configuration, on other addresses than those in it.
    pub(crate) fn start(configuration: &str) -> Balancer {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let own = format!("abns@test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let [address, observers] = [(); 2].map(|()| free());
        let configuration = configuration.replace("abns@shop-once", &own);
        let configuration = configuration.replace("bind :80\n", &format!("bind {address}\n"));
        let configuration = configuration.replace("bind 127.0.0.1:8404\n", &format!("bind {observers}\n"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haproxy.cfg");
        fs::write(&path, &configuration).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-f").arg(&path).stdout(Stdio::null()).stderr(fs::File::create(folder.path().join("log")).unwrap());
        let mut process = command.spawn().expect("`haproxy` of Debian's package haproxy");
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            let log = || fs::read_to_string(folder.path().join("log")).unwrap();
            assert!(process.try_wait().unwrap().is_none() && start.elapsed() < PATIENCE, "{}\n{configuration}", log());
            thread::yield_now();
        }
        Balancer { address, process, _folder: folder }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Returns an address that is free at this moment.
pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A request as it has arrived at a host.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// With names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Returns all values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// A host of the app: it answers probes itself, and gives other requests to a function of the test.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Host {
    /// Starts a host. The function returns whether the connection stays open.
    pub(crate) fn start(answer: impl Fn(&Request, &mut TcpStream) -> bool + Send + Sync + 'static) -> Host {
        Host::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(&Request, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Host {
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (answer, all) = (Arc::new(answer), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, all) = (answer.clone(), all.clone());
                thread::spawn(move || serve(stream, &*answer, &all));
            }
        });
        Host { address, seen }
    }

    /// Starts a host that tells its name in the header `x-name`.
    pub(crate) fn named(name: &'static str) -> Host {
        Host::start(move |request, stream| {
            let body = if request.method == "HEAD" { "" } else { "ok" };
            let answer = format!("HTTP/1.1 200 OK\r\nx-name: {name}\r\ncontent-length: 2\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).is_ok()
        })
    }

    /// Returns the requests that have arrived, without probes.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&Request, &mut TcpStream) -> bool, seen: &Mutex<Vec<Request>>) {
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut stream) = (BufReader::new(stream.try_clone().unwrap()), stream);
    while let Some(mut request) = head(&mut reader) {
        if request.target == "/readyz" {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            continue;
        }
        // A host that answers while the body arrives reads the body itself.
        let length = request.all("content-length").first().and_then(|text| text.parse().ok()).unwrap_or(0);
        if request.all("x-unread").is_empty() {
            request.body = vec![0; length];
            if reader.read_exact(&mut request.body).is_err() {
                return;
            }
        }
        seen.lock().unwrap().push(request.clone());
        if !answer(&request, &mut stream) {
            return;
        }
    }
}

/// Reads the head of a request, or returns `None` at the end of the connection.
fn head(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = reader.lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines.take_while(|line| !line.is_empty());
    let headers = headers.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    });
    Some(Request { method, target, headers: headers.collect(), body: Vec::new() })
}

/// A connection of a client to HAProxy.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) reader: BufReader<TcpStream>,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// Sends a request without a body, or the beginning of one.
    pub(crate) fn send(&mut self, head: &str) {
        self.stream.write_all(format!("{head}\r\nhost: shop.example\r\n\r\n").as_bytes()).unwrap();
    }

    /// Reads the head of a response, or returns `None` if the connection ends before.
    pub(crate) fn receive(&mut self) -> Option<Response> {
        let mut lines = self.reader.by_ref().lines().map_while(Result::ok);
        let first = lines.next()?;
        let status = first.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        });
        Some(Response { status, headers: headers.collect() })
    }

    /// Sends a request, and reads its response with the body.
    pub(crate) fn ask(&mut self, head: &str) -> Option<Response> {
        self.send(head);
        let response = self.receive()?;
        let length = response.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; if head.starts_with("HEAD ") { 0 } else { length }];
        self.reader.read_exact(&mut body).ok()?;
        Some(response)
    }
}
