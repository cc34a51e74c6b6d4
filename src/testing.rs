//! `TestClient`: an app asked in-process, without a socket, as a browser would that keeps its cookies.
//!
//! Pool routes run on a thread, through the same encoding and decoding as in a worker, so that what cannot travel fails
//! in tests too. Real workers are one call away, and need one line: [`test_worker!`](crate::test_worker).
use std::{
    ffi::OsString,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use cookie::{Cookie, CookieJar};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use pixie_core::{Body, Result};
use pixie_pool::Sandbox;
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Runtime;
use tower_service::Service;

use crate::{App, AppService, Urls, app::compose, jobs::worker};

/// Between the parts of a form; no test's content has it.
const BOUNDARY: &str = "pixie-test-boundary-5b0c7a1e";
/// The worker's command line under a test harness: run only the test that `test_worker!` wrote.
const WORKER_ARGS: [&str; 3] = ["pixie_worker", "--nocapture", "--test-threads=1"];

impl App {
    /// Returns a client that asks this app in-process; pool and stream routes run on a thread, without the sandboxes of their pools.
    ///
    /// ```
    /// use pixie_web::{App, Route};
    /// let client = App::new().route(Route::get("/").sync(|_| "Hello")).test()?;
    /// client.get("/").send().assert_status(200).assert_text("Hello");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn test(mut self) -> Result<TestClient> {
        self.settings.workers_in_test = Some(0);
        // A thread has none, and what a sandbox allows may not be there where tests run.
        self.pools.iter_mut().for_each(|pool| pool.sandbox = Sandbox::none());
        TestClient::new(self)
    }

    /// Returns a client that asks this app in-process, with so many real worker processes.
    ///
    /// The tests' program is its own worker: write [`test_worker!`](crate::test_worker) once in it.
    pub fn test_with_workers(mut self, workers: usize) -> Result<TestClient> {
        self.settings.worker_args = Some(WORKER_ARGS.map(OsString::from).to_vec());
        self.settings.workers_in_test = Some(workers);
        TestClient::new(self)
    }
}

/// Lets the program of a test start itself as a worker: `pixie_web::test_worker!(app)`, where `app` is a function that
/// returns the [`App`] under test. It writes a test named `pixie_worker`, which does nothing in an ordinary run.
#[macro_export]
macro_rules! test_worker {
    ($app:expr) => {
        #[test]
        fn pixie_worker() {
            $crate::__macro::work_if_asked($app);
        }
    };
}

/// Becomes a worker of this app, if the process was started as one.
#[doc(hidden)]
pub fn work_if_asked(make: impl FnOnce() -> App) {
    if let Some(worker) = pixie_pool::worker() {
        let (app, _) = compose::compose(make()).expect("the app under test fits together");
        worker::serve(worker.in_a_test(), &app);
    }
}

/// Asks an app in-process and keeps the cookies that it sets.
///
/// Its calls block, so use it in plain tests, not in async ones.
pub struct TestClient {
    runtime: Runtime,
    service: AppService,
    jar: Mutex<CookieJar>,
}

impl TestClient {
    fn new(app: App) -> Result<TestClient> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let service = app.into_service()?;
        Ok(TestClient { runtime, service, jar: Mutex::default() })
    }

    /// Starts a GET request.
    pub fn get(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::GET, path)
    }

    /// Starts a POST request.
    pub fn post(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::POST, path)
    }

    /// Starts a PUT request.
    pub fn put(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PUT, path)
    }

    /// Starts a DELETE request.
    pub fn delete(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, path)
    }

    /// Starts a request of any method.
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        let mut request = http::Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_else(|error| panic!("`{path}` is no path: {error}"));
        TestRequest { client: self, request }
    }

    /// Returns the addresses of the app's routes.
    pub fn urls(&self) -> Urls {
        self.service.app().urls.clone()
    }

    /// Returns the value of a cookie that the app has set.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.with_jar(|jar| jar.get(name).map(|cookie| cookie.value().to_owned()))
    }

    fn with_jar<T>(&self, run: impl FnOnce(&mut CookieJar) -> T) -> T {
        run(&mut self.jar.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn cookie_header(&self) -> Option<HeaderValue> {
        let pairs =
            self.with_jar(|jar| jar.iter().map(|cookie| cookie.encoded().stripped().to_string()).collect::<Vec<_>>());
        (!pairs.is_empty()).then(|| HeaderValue::try_from(pairs.join("; ")).ok()).flatten()
    }

    fn keep_cookies(&self, response: &http::Response<Body>) {
        let texts = response.headers().get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for cookie in texts.filter_map(|text| Cookie::parse_encoded(text.to_owned()).ok()) {
            let is_over = cookie.max_age().is_some_and(|age| age.is_zero() || age.is_negative());
            self.with_jar(|jar| match is_over {
                true => jar.force_remove(cookie.name()),
                false => jar.add_original(cookie.clone()),
            });
        }
    }
}

/// A request that is being put together.
pub struct TestRequest<'c> {
    client: &'c TestClient,
    request: http::Request<Body>,
}

impl TestRequest<'_> {
    /// Sets a header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap_or_else(|_| panic!("`{name}` is no header name"));
        let value = HeaderValue::from_str(value).unwrap_or_else(|_| panic!("`{value}` is no header value"));
        self.request.headers_mut().insert(name, value);
        self
    }

    /// Sets the query string from names and values.
    #[track_caller]
    pub fn query(mut self, query: &impl Serialize) -> Self {
        let query = serde_urlencoded::to_string(query).unwrap_or_else(|error| panic!("no query string: {error}"));
        let target = format!("{}?{query}", self.request.uri().path());
        *self.request.uri_mut() = target.parse().unwrap_or_else(|error| panic!("`{target}` is no path: {error}"));
        self
    }

    /// Sends an urlencoded form.
    #[track_caller]
    pub fn form(self, form: &impl Serialize) -> Self {
        let form = serde_urlencoded::to_string(form).unwrap_or_else(|error| panic!("no form: {error}"));
        self.header("content-type", "application/x-www-form-urlencoded").body(form)
    }

    /// Adds a field to a multipart form.
    pub fn field(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), value.as_bytes())
    }

    /// Adds a file to a multipart form.
    pub fn file(self, field: &str, file_name: &str, content: impl AsRef<[u8]>) -> Self {
        let names = format!("name=\"{field}\"; filename=\"{file_name}\"\r\nContent-Type: application/octet-stream");
        self.part(&names, content.as_ref())
    }

    fn part(mut self, names: &str, content: &[u8]) -> Self {
        let end = format!("--{BOUNDARY}--\r\n");
        let before =
            self.request.body().as_bytes().and_then(|body| body.strip_suffix(end.as_bytes())).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n\r\n");
        let form = [before, head.as_bytes(), content, b"\r\n", end.as_bytes()].concat();
        *self.request.body_mut() = Body::from(form);
        self.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"))
    }

    /// Sends JSON.
    #[track_caller]
    pub fn json(self, value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).unwrap_or_else(|error| panic!("no JSON: {error}"));
        self.header("content-type", "application/json").body(json)
    }

    /// Sends a body of any kind.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends the request and waits for the whole answer.
    pub fn send(mut self) -> TestResponse {
        if let Some(cookies) = self.client.cookie_header() {
            self.request.headers_mut().entry(header::COOKIE).or_insert(cookies);
        }
        let mut service = self.client.service.clone();
        let answer = async move {
            let Ok(response) = service.call(self.request).await;
            self.client.keep_cookies(&response);
            let (head, mut body) = response.into_parts();
            let mut bytes = Vec::new();
            let mut is_cut = false;
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                    Err(_) => is_cut = true,
                }
            }
            TestResponse { head, body: Bytes::from(bytes), is_cut }
        };
        self.client.runtime.block_on(answer)
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct TestResponse {
    head: http::response::Parts,
    body: Bytes,
    is_cut: bool,
}

impl TestResponse {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Returns a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Returns all headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns the body.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Returns the body as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads the body as JSON.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no such JSON: {error}\n{}", self.text()))
    }

    /// Says whether the body broke off before its end.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub fn assert_status(self, code: u16) -> Self {
        assert_eq!(self.status().as_u16(), code, "the body was: {}", self.text());
        self
    }

    /// Fails the test unless the body is this text.
    #[track_caller]
    pub fn assert_text(self, text: &str) -> Self {
        assert_eq!(self.text(), text);
        self
    }

    /// Fails the test unless a header has this value.
    #[track_caller]
    pub fn assert_header(self, name: &str, value: &str) -> Self {
        assert_eq!(self.header(name), Some(value), "header {name}");
        self
    }
}
