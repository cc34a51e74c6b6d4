//! The common parts of the demo's pages: where they ran, the time they took, and the format that the client
//! accepts.
use std::{fmt, thread, time::Instant};

use pixie_web::{
    Error, FromRequest, Headers, IntoResponse, Json, Needs, Request, Response, Result, header, proc_env, template,
};
use serde::Serialize;

/// A custom extractor: when the handler started, and the format that the client accepts.
pub(crate) struct Started {
    at: Instant,
    pub(crate) wants: Wants,
}

/// A page for people, or data for the first page's script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Page,
    Data,
}

impl FromRequest for Started {
    fn needs(needs: &mut Needs) {
        needs.header(header::ACCEPT);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let is_data = request.header(header::ACCEPT).is_some_and(|accept| accept.contains("application/json"));
        Ok(Started { at: Instant::now(), wants: if is_data { Wants::Data } else { Wants::Page } })
    }
}

impl Started {
    /// Returns where the handler runs, and its time up to now.
    pub(crate) fn ran(&self, kind: &'static str) -> Ran {
        let env = proc_env();
        Ran {
            kind,
            process: env.process_type.to_string(),
            pid: env.pid,
            worker: env.worker,
            thread: thread::current().name().unwrap_or("unnamed").to_owned(),
            took_ms: self.at.elapsed().as_secs_f64() * 1000.0,
        }
    }

    /// Returns the page of a handler.
    pub(crate) fn page(&self, kind: &'static str, says: &'static str) -> Page {
        Page { wants: self.wants, body: Body { says, ran: self.ran(kind), button: None } }
    }

    /// Returns the beginning of a streamed page.
    pub(crate) fn opening(&self, heading: &Heading) -> Result<String> {
        match self.wants {
            Wants::Page => Ok(template::render(heading)?),
            Wants::Data => Ok(String::new()),
        }
    }
}

impl Wants {
    pub(crate) fn media(self) -> &'static str {
        match self {
            Wants::Page => "text/html; charset=utf-8",
            Wants::Data => "text/plain; charset=utf-8",
        }
    }

    /// Returns a line of a streamed page. Does not escape the text, because it comes from this program.
    pub(crate) fn line(self, text: &str) -> String {
        match self {
            Wants::Page => format!("<p class=piece>{text}</p>\n"),
            Wants::Data => format!("{text}\n"),
        }
    }
}

/// Where a handler ran.
#[derive(Serialize)]
pub(crate) struct Ran {
    pub(crate) kind: &'static str,
    pub(crate) process: String,
    pub(crate) pid: u32,
    pub(crate) worker: usize,
    pub(crate) thread: String,
    pub(crate) took_ms: f64,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ran { kind, process, pid, worker, thread, took_ms } = self;
        write!(f, "{kind}, {process} process {pid}, worker {worker}, thread {thread}, {took_ms:.1} ms")
    }
}

/// A response in the format that the client accepts.
pub(crate) struct Page {
    wants: Wants,
    body: Body,
}

#[template("page.html", config = "examples/demo/askama.toml")]
#[derive(Serialize)]
struct Body {
    says: &'static str,
    ran: Ran,
    #[serde(skip)]
    button: Option<(&'static str, &'static str)>,
}

impl Page {
    /// Adds a form with one button.
    pub(crate) fn with_button(mut self, action: &'static str, text: &'static str) -> Page {
        self.body.button = Some((action, text));
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        match self.wants {
            Wants::Page => self.body.into_response(),
            Wants::Data => Json(self.body).into_response(),
        }
    }
}

/// The first part of a streamed page.
#[template("heading.html", config = "examples/demo/askama.toml")]
pub(crate) struct Heading {
    pub(crate) title: &'static str,
}

/// The first page.
#[template("index.html", config = "examples/demo/askama.toml")]
pub(crate) struct Index {
    ran: Ran,
    headers: Vec<(String, String)>,
    variables: Vec<(&'static str, String)>,
    greeted: Option<String>,
}

impl Index {
    pub(crate) fn new(ran: Ran, headers: &Headers, greeted: Option<String>) -> Index {
        let text = |value: &pixie_web::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let variables = vec![
            ("pixie", env!("CARGO_PKG_VERSION").to_owned()),
            ("system", std::env::consts::OS.to_owned()),
            ("processor", std::env::consts::ARCH.to_owned()),
            ("processors", thread::available_parallelism().map_or(1, |count| count.get()).to_string()),
        ];
        Index { ran, headers, variables, greeted }
    }
}
