//! A headless Chromium, driven by the WebDriver protocol (W3C) through chromedriver: open, click, type, look.
//!
//! A few JSON requests over HTTP are enough, so this does not need a dependency.
#![allow(dead_code, reason = "each test program uses a part of this file")]
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::support::{PATIENCE, until};

/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Limits the attempts to find a port for the driver. Another program rarely takes a port that was free a
/// moment ago.
const PORTS_TRIED: usize = 10;

pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser. Without chromedriver it prints a message and returns `None`; if `CI` is set, it
    /// panics.
    pub(crate) fn start() -> Option<Browser> {
        let Some((driver, port)) = start_driver() else {
            let missing = "NOT TESTED: there is no chromedriver; install Debian's `chromium` and `chromium-driver`";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("\n*** {missing} ***\n");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };
        browser.open_session();
        Some(browser)
    }

    fn open_session(&mut self) {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let switches = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--hide-scrollbars",
            "--disable-sync",
            "--disable-background-networking",
            "--disable-component-update",
            "--window-size=1100,1400",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": switches } } } });
        let answer = self.call("POST", "/session", &wanted);
        self.session = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}")).to_owned();
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url }));
    }

    /// Runs a script in the page and returns its value.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Returns the text that a visitor sees.
    pub(crate) fn text(&self) -> String {
        self.script("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows a text.
    pub(crate) fn wait_for(&self, text: &str) {
        until(&format!("the page shows `{text}`"), || self.text().contains(text).then_some(()));
    }

    /// Clicks the element that a CSS selector finds.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    /// Types text into a field, or sets the path of a file field.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.command(&format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// Sets the preferred color scheme, `light` or `dark`, and the size of the window.
    pub(crate) fn look(&self, scheme: &str, width: u32, height: u32) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    fn devtools(&self, command: &str, params: &Value) {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": params }));
    }

    /// Writes a picture of the page to a file.
    pub(crate) fn screenshot(&self, file: &Path) {
        use base64::Engine as _;
        let answer = self.call("GET", &format!("/session/{}/screenshot", self.session), &Value::Null);
        let picture = base64::engine::general_purpose::STANDARD.decode(answer.as_str().unwrap_or_default());
        std::fs::write(file, picture.expect("a picture in base 64")).expect("the picture can be written");
    }

    fn find(&self, selector: &str) -> String {
        let answer = self.command("element", &json!({ "using": "css selector", "value": selector }));
        answer[ELEMENT].as_str().unwrap_or_else(|| panic!("nothing is `{selector}`: {answer}")).to_owned()
    }

    fn command(&self, command: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{command}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("chromedriver accepts connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("the command can be sent");
        // chromedriver always keeps the connection open, so the response ends after its Content-Length.
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).expect("the answer's head can be read");
            if line.trim().is_empty() {
                break;
            }
            let line = line.to_ascii_lowercase();
            length = line.strip_prefix("content-length:").map_or(length, |text| text.trim().parse().expect("a length"));
        }
        let mut json = vec![0; length];
        answer.read_exact(&mut json).expect("the answer can be read");
        let json = String::from_utf8_lossy(&json);
        let mut answer: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{method} {path}: {json}"));
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Starts chromedriver and returns it with its port, or `None` if it is not installed.
///
/// The test chooses the port, because on a machine without IPv6 chromedriver does not print a port that it
/// chose itself. If another program has taken the port in between, another port is tried.
fn start_driver() -> Option<(Child, u16)> {
    for _ in 0..PORTS_TRIED {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a port is free");
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={}", free.port())).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().ok()?;
        let mut lines = BufReader::new(driver.stdout.take().expect("stdout is a pipe")).lines().map_while(Result::ok);
        if lines.any(|line| line.contains("started successfully")) {
            std::thread::spawn(move || lines.for_each(drop));
            return Some((driver, free.port()));
        }
        let _ = driver.wait();
    }
    panic!("chromedriver does not start on any of {PORTS_TRIED} ports");
}
