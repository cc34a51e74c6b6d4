//! Clients of a cluster, each in a thread of a host of its own, who check every answer.
use std::{
    io::{self, Cursor, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::namespaces::Host;

/// Clients of each kind. Few, because the test shares the machine with others.
const CLIENTS: usize = 2;
/// Pause of a client after each request.
const PAUSE: Duration = Duration::from_millis(20);
/// Time after which an answer counts as lost. Longer than each timeout of the balancer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What the clients got.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) right: u64,
    /// Answers that asked the client to come again (503), and it did.
    pub(crate) busy: u64,
    /// POSTs without an answer, whose host failed.
    pub(crate) cut_posts: u64,
    pub(crate) wrong: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) lost: Vec<String>,
}

/// Clients that send requests until `stop`.
pub(crate) struct Load {
    counts: Arc<Mutex<Counts>>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(client: &Host, address: SocketAddr) -> Load {
        let (counts, ended) = (Arc::<Mutex<Counts>>::default(), Arc::<AtomicBool>::default());
        let threads = (0..3 * CLIENTS).map(|number| {
            let (client, counts, ended) = (client.clone(), counts.clone(), ended.clone());
            thread::spawn(move || {
                client.enter().expect("the thread can move to the host");
                while !ended.load(Ordering::Relaxed) {
                    match number % 3 {
                        0 => page(address, "/page", "\"name\":\"web", &counts),
                        1 => page(address, "/work", "\"name\":\"images", &counts),
                        _ => upload(address, &counts),
                    }
                    thread::sleep(PAUSE);
                }
            })
        });
        Load { threads: threads.collect(), counts, ended }
    }

    /// Returns how many POSTs had no answer so far.
    pub(crate) fn cut_posts(&self) -> u64 {
        self.counts.lock().expect("no client panicked").cut_posts
    }

    pub(crate) fn stop(mut self) -> Counts {
        self.ended.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().expect("no client panicked"));
        std::mem::take(&mut *self.counts.lock().expect("no client panicked"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Sends a GET and checks who answers.
fn page(address: SocketAddr, path: &str, wanted: &str, counts: &Mutex<Counts>) {
    let answer = ask(address, "GET", path, &[]);
    let mut counts = counts.lock().expect("no client panicked");
    match answer {
        Ok(answer) if answer.status == 200 && answer.body.contains(wanted) => counts.right += 1,
        Ok(answer) if answer.status == 503 => counts.busy += 1,
        Ok(answer) if (502..=504).contains(&answer.status) => counts.lost.push(format!("{path}: {}", answer.status)),
        Ok(answer) => counts.wrong.push(format!("{path}: {} {}", answer.status, answer.body)),
        Err(error) => counts.lost.push(format!("{path}: {error}")),
    }
}

/// Sends a picture, whose handler counts how often it ran.
fn upload(address: SocketAddr, counts: &Mutex<Counts>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let path = format!("/thumbnail/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let answer = ask(address, "POST", &path, &form());
    let mut counts = counts.lock().expect("no client panicked");
    match answer {
        Ok(answer) if answer.status == 200 && answer.head.contains(", run 1\r\n") => counts.right += 1,
        Ok(answer) if answer.status == 200 => counts.doubled.push(answer.head),
        Ok(answer) if answer.status == 503 => counts.busy += 1,
        Ok(answer) if (502..=504).contains(&answer.status) => counts.cut_posts += 1,
        Ok(answer) => counts.wrong.push(format!("{path}: {} {}", answer.status, answer.body)),
        Err(_) => counts.cut_posts += 1,
    }
}

/// A form with a small picture.
fn form() -> Vec<u8> {
    let mut picture = Cursor::new(Vec::new());
    image::RgbImage::new(40, 20).write_to(&mut picture, image::ImageFormat::Png).expect("an image can be encoded");
    let head = "--x\r\nContent-Disposition: form-data; name=picture; filename=a.png\r\n\r\n";
    [head.as_bytes(), &picture.into_inner(), b"\r\n--x--\r\n"].concat()
}

/// Sends a request on a connection of its own. An answer that is cut off is an error.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let form = if body.is_empty() { "" } else { "Content-Type: multipart/form-data; boundary=x\r\n" };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: cluster\r\nConnection: close\r\n{form}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    if length.is_some_and(|length: usize| length != bytes.len() - end) {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Answer { status, body: String::from_utf8_lossy(&bytes[end..]).into_owned(), head })
}
