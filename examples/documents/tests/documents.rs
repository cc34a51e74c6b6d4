//! Every document ends in a clear result, and the server answers others meanwhile.
use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use browser::Browser;
use flate2::read::GzDecoder;
use support::{Program, until};

#[path = "../../../tests/programs/browser.rs"]
mod browser;
#[path = "../../../tests/programs/support.rs"]
mod support;

const RENDERED: (u16, &str) = (200, "PNG");
const BROKEN_PDF: (u16, &str) = (422, "this PDF");
const BROKEN_SVG: (u16, &str) = (422, "this SVG");
const BROKEN_PICTURE: (u16, &str) = (422, "this image/png");
const TOO_LARGE: (u16, &str) = (422, "too large");
const MEMORY: (u16, &str) = (502, "too much memory");
const STACK: (u16, &str) = (502, "nested too deeply");
const LATE: (u16, &str) = (504, "takes too long");

/// The documents, and the results of which one is expected. Where there are several, the speed of the machine decides.
const EXPECTED: [(&str, &[(u16, &str)]); 31] = [
    ("good.pdf", &[RENDERED]),
    ("good.svg", &[RENDERED]),
    ("good.png", &[RENDERED]),
    ("image-named.pdf", &[RENDERED]),
    ("ten-thousand-pages.pdf", &[RENDERED]),
    ("truncated.pdf", &[RENDERED]),
    ("form-calls-itself.pdf", &[RENDERED]),
    ("asks-the-network.svg", &[RENDERED]),
    ("reads-a-file.svg", &[RENDERED]),
    ("empty.pdf", &[(422, "neither a PDF")]),
    ("not-a-pdf.pdf.gz", &[BROKEN_PDF]),
    ("page-tree-loop.pdf", &[BROKEN_PDF]),
    ("deep-array.pdf.gz", &[BROKEN_PDF]),
    ("huge-page.pdf", &[TOO_LARGE]),
    ("huge-size.svg", &[TOO_LARGE]),
    ("lies-about-height.png", &[BROKEN_PICTURE]),
    ("bomb.png.gz", &[BROKEN_PICTURE]),
    ("entities.svg", &[BROKEN_SVG]),
    ("external-entity.svg", &[BROKEN_SVG]),
    ("use-itself.svg", &[BROKEN_SVG]),
    ("deep-groups.svg.gz", &[BROKEN_SVG]),
    ("deep-layers.svg.gz", &[MEMORY]),
    ("deep-clips.svg.gz", &[STACK]),
    ("flate-bomb.pdf.gz", &[MEMORY, LATE]),
    ("huge-image.pdf.gz", &[MEMORY, LATE]),
    ("huge-blur.svg", &[RENDERED, LATE]),
    ("tiny-tiles.pdf", &[RENDERED, LATE]),
    ("tiny-dashes.svg", &[RENDERED, LATE]),
    ("billion-uses.svg.gz", &[BROKEN_SVG, MEMORY, LATE]),
    ("billion-draws.pdf.gz", &[MEMORY, LATE]),
    ("endless-noise.svg", &[LATE]),
];

fn start() -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_documents"));
    command.env("PIXIE_DEV", "0").stderr(Stdio::null());
    Program::spawn(command)
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

fn document(name: &str) -> Vec<u8> {
    match name {
        "empty.pdf" => Vec::new(),
        "ten-thousand-pages.pdf" => ten_thousand_pages(),
        name if name.ends_with(".gz") => {
            let mut document = Vec::new();
            let packed = fs::File::open(sample(name)).expect("it is there");
            GzDecoder::new(packed).read_to_end(&mut document).expect("it can be unpacked");
            document
        }
        name => fs::read(sample(name)).expect("it is there"),
    }
}

fn ten_thousand_pages() -> Vec<u8> {
    let pages = 3..10_003;
    let kids: String = pages.clone().map(|number| format!("{number} 0 R ")).collect();
    let mut pdf = "%PDF-1.7\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n".to_owned();
    pdf += &format!("2 0 obj << /Type /Pages /Count 10000 /Kids [{kids}] >> endobj\n");
    for number in pages {
        pdf += &format!("{number} 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >> endobj\n");
    }
    (pdf + "trailer << /Root 1 0 R >>\n").into_bytes()
}

/// The answer to a document: its status, its head, and its body.
struct Result(u16, String, Vec<u8>);

fn send(program: &Program, document: &[u8]) -> Result {
    let head = b"--x\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a\"\r\n\r\n";
    let body = [&head[..], document, b"\r\n--x--\r\n"].concat();
    let mut stream = program.connect();
    let head = "POST /render HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json\r\n\
                Content-Type: multipart/form-data; boundary=x";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n", body.len()).expect("the head can be sent");
    stream.write_all(&body).expect("the body can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer comes in time");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    Result(head[9..12].parse().expect("a status"), head, answer[end..].to_vec())
}

#[test]
fn every_document_has_its_result_while_others_are_answered() {
    let program = start();
    let waiting = Mutex::new(EXPECTED.to_vec());
    let wrong = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    let take = || waiting.lock().expect("nobody panicked with it").pop();
    let check = |name: &str, expected: &[(u16, &str)]| {
        let Result(status, head, body) = send(&program, &document(name));
        let text = String::from_utf8_lossy(&body);
        let is_fresh = status != 200 || head.contains("\r\nx-documents-seen: 1\r\n");
        if !is_fresh || !expected.iter().any(|(wanted, words)| status == *wanted && text.contains(words)) {
            let text: String = text.chars().take(300).collect();
            wrong.lock().expect("nobody panicked with it").push(format!("{name}: {status} {text}"));
        }
    };
    let others = thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut answers = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(program.get("/").status, 200);
                answers += 1;
                thread::park_timeout(Duration::from_millis(20));
            }
            answers
        });
        let strangers = [(); 3].map(|()| {
            scope.spawn(|| {
                while let Some((name, expected)) = take() {
                    check(name, expected);
                }
            })
        });
        let strangers = strangers.map(|stranger| stranger.join());
        is_over.store(true, Ordering::Relaxed);
        strangers.into_iter().for_each(|stranger| stranger.expect("each document has an answer"));
        others.join().expect("the others have answers")
    });
    let wrong = wrong.into_inner().expect("nobody panicked with it");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(others > 20, "others had {others} answers");
}

#[test]
fn a_document_that_asks_for_files_or_the_network_gets_nothing() {
    let program = start();
    let blank = r#"<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200"/>"#;
    let Result(_, _, blank) = send(&program, blank.as_bytes());
    for name in ["reads-a-file.svg", "asks-the-network.svg"] {
        assert!(send(&program, &document(name)).2 == blank, "{name} is not blank");
    }
}

#[pixie_browser_test::browser_test]
fn visitors_see_what_happened_to_each_document_and_that_the_server_answers() {
    let Some(browser) = Browser::start() else { return };
    let program = start();
    browser.open(&format!("http://localhost:{}/", program.port));
    for (name, said) in [("good.pdf", "200 rendered"), ("page-tree-loop.pdf", "422 Unprocessable")] {
        browser.script("document.querySelector('input').value = ''");
        browser.fill("input", sample(name).to_str().expect("a path that is text"));
        browser.click("form button");
        browser.wait_for(said);
    }
    browser.wait_for("this PDF has no page");
    for (name, said) in [
        ("deep-clips.svg.gz", "nested too deeply"),
        ("deep-layers.svg.gz", "too much memory"),
        ("endless-noise.svg", "504 Gateway Timeout"),
    ] {
        browser.click(&format!("button[data-file='{name}']"));
        browser.wait_for(said);
    }
    until("the server counts the documents", || {
        let counts = browser.script("return ['documents', 'killed', 'crashed'].map(id => $(id).textContent).join()");
        (counts == "5,1,2").then_some(())
    });
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).expect("the folder can be made");
    for (scheme, width) in [("light", 1100), ("dark", 1100), ("light", 390), ("dark", 390)] {
        browser.look(scheme, width, 1500);
        let beyond = browser.script("return document.documentElement.scrollWidth - innerWidth").as_f64();
        assert!(beyond <= Some(0.0), "{width} pixels: the page is {beyond:?} pixels too wide");
        browser.screenshot(&folder.join(format!("documents-{scheme}-{width}.png")));
    }
    let picture = browser.script("return document.querySelector('#results img').naturalWidth");
    assert_eq!(picture, 600, "the picture is shown");
    let pid = browser.script("return $('pid').textContent");
    assert_eq!(pid.as_str(), Some(&program.pid().to_string()[..]));
    assert_eq!(browser.script("return pings.failed"), 0);
}
