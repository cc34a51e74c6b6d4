//! `TestClient`: sends requests to an app in the same process, without a socket, and keeps cookies as a
//! browser does (`jar.rs`).
//!
//! Pool routes run on a thread. Their requests and responses are encoded and decoded as in a worker, so that
//! a value that cannot be sent to a worker fails in tests too. Real workers need one line:
//! [`test_worker!`](crate::test_worker).
mod jar;
#[cfg(feature = "websocket")]
mod socket;

#[cfg(feature = "websocket")]
pub use socket::TestSocket;

use std::{
    ffi::OsString,
    net::SocketAddr,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::{Frame, SizeHint};
use pixie_core::{Body, BoxError, Peer, Result, Scheme};
use pixie_pool::Sandbox;
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Runtime;
use tower_service::Service;

use crate::{
    App, Urls,
    app::compose,
    jobs::worker,
    request::service::AppService,
    run::lifecycle::{self, Started},
    table::settings::Workers,
    testing::jar::{Jar, Origin},
};

/// Separates the parts of a form. The content of tests must not contain it.
const BOUNDARY: &str = "pixie-test-boundary-5b0c7a1e";
/// Arguments of a worker under a test harness: run only the test that `test_worker!` defines.
const WORKER_ARGS: [&str; 3] = ["pixie_worker", "--nocapture", "--test-threads=1"];

/// # Testing
impl App {
    /// Returns a client for this app in the same process. Pool and stream routes run on threads, without the
    /// sandboxes of their pools.
    ///
    /// ```
    /// use pixie_web::{App, Route};
    /// let client = App::new().route(Route::get("/").sync(|_| "Hello")).test()?;
    /// client.get("/").send().assert_status(200).assert_text("Hello");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    pub fn test(mut self) -> Result<TestClient> {
        self.settings.workers = Workers::OfTest(0);
        // Threads have no sandbox, and the paths that a sandbox allows may be missing where tests run.
        self.pools = self.pools.into_iter().map(|pool| pool.sandbox(Sandbox::none())).collect();
        TestClient::new(self)
    }

    /// Returns a client for this app in the same process, with this number of real worker processes.
    ///
    /// The test program also runs as the worker: put [`test_worker!`](crate::test_worker) into it once.
    pub fn test_with_workers(mut self, workers: usize) -> Result<TestClient> {
        self.settings.worker_args = Some(WORKER_ARGS.map(OsString::from).to_vec());
        self.settings.workers = Workers::OfTest(workers);
        TestClient::new(self)
    }
}

/// Lets a test program start itself as a worker: `pixie_web::test_worker!(app)`, where `app` is a function
/// that returns the [`App`] under test. The macro defines a test named `pixie_worker`, which has no effect in
/// an ordinary test run.
#[macro_export]
macro_rules! test_worker {
    ($app:expr) => {
        #[test]
        fn pixie_worker() {
            $crate::__macro::work_if_asked($app);
        }
    };
}

/// Runs as a worker of this app, if the process was started as a worker.
#[doc(hidden)]
pub fn work_if_asked(make: impl FnOnce() -> App) {
    if let Some(worker) = pixie_pool::worker() {
        let (app, _) = compose::compose(make()).expect("the app under test is valid");
        worker::serve(worker.in_a_test(), &app);
    }
}

/// Sends requests to an app in the same process, and keeps the cookies that the app sets.
///
/// A cookie is sent back as RFC 6265, section 5.4, says: to its domain and path, and a `Secure` one only over
/// HTTPS, which is an app with [`App::https`] or a request to a URL that begins with `https://`. The host is
/// that of the URL or of the header `Host`, otherwise `localhost`.
///
/// Its methods block. Use it in plain tests, not in async ones.
///
/// ```standalone_crate
/// use pixie_web::{App, Cookies, Form, Response, get, post};
///
/// #[post("/login", sync)]
/// fn login(form: Form<Vec<(String, String)>>) -> Response {
///     let name = form.0.first().map_or("", |(_, name)| name);
///     Response::new("welcome").header("set-cookie", format!("name={name}"))
/// }
///
/// #[get("/me", sync)]
/// fn me(cookies: Cookies) -> String {
///     cookies.get("name").unwrap_or("a guest").to_owned()
/// }
///
/// let client = App::collect().test()?;
/// client.post("/login").form(&[("name", "Ada")]).send().assert_status(200);
/// assert_eq!(client.cookie("name").as_deref(), Some("Ada"));
/// client.get("/me").send().assert_text("Ada");
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[doc(alias("test", "mock"))]
#[derive(Debug)]
pub struct TestClient {
    runtime: Runtime,
    /// What is left to do at the end. The lock lets threads share the client.
    started: Mutex<Option<Started>>,
    service: AppService,
    jar: Mutex<Jar>,
}

impl TestClient {
    fn new(mut app: App) -> Result<TestClient> {
        app.settings.is_test = true;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let service = app.service()?;
        let started = Mutex::new(runtime.block_on(lifecycle::start(service.app()))?);
        Ok(TestClient { runtime, started, service, jar: Mutex::default() })
    }

    /// Waits until the work of [`AfterResponse`](crate::AfterResponse) has ended, for up to 5 s.
    pub fn finish_background(&self) {
        self.runtime.block_on(lifecycle::finish_background(self.service.app()));
    }

    /// Returns the app's store, to prepare it or to look at what a handler has put there.
    #[cfg(feature = "store")]
    pub fn store(&self) -> pixie_store::Store {
        // A test process is never a worker here.
        self.service.app().store.clone().unwrap_or_else(pixie_store::Store::memory)
    }

    /// Returns the OpenAPI document of the app as JSON to read, for a snapshot test. The app need not serve it.
    ///
    /// ```
    /// use pixie_web::{App, Route};
    /// let client = App::new().route(Route::get("/prices").name("prices").sync(|_| "1,2,3")).test()?;
    /// assert!(client.openapi().contains(r#""operationId": "prices""#)); // or insta::assert_snapshot!(client.openapi())
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[cfg(feature = "openapi")]
    #[track_caller]
    pub fn openapi(&self) -> String {
        crate::openapi::as_text(self.service.app()).unwrap_or_else(|error| panic!("{error}"))
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

    /// Starts a PATCH request.
    pub fn patch(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::PATCH, path)
    }

    /// Starts a DELETE request.
    pub fn delete(&self, path: &str) -> TestRequest<'_> {
        self.request(Method::DELETE, path)
    }

    /// Starts a request of any method.
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'_> {
        let mut request = http::Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_else(|error| panic!("invalid path `{path}`: {error}"));
        TestRequest { client: self, request }
    }

    /// Returns the URLs of the app's routes.
    pub fn urls(&self) -> Urls {
        self.service.app().urls.clone()
    }

    /// Returns the value of a cookie that the app has set, for any path. Of several, the one with the longest
    /// path.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.with_jar(|jar| jar.value(name))
    }

    fn with_jar<T>(&self, run: impl FnOnce(&mut Jar) -> T) -> T {
        run(&mut self.jar.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs [`App::on_stop`](crate::App::on_stop).
impl Drop for TestClient {
    fn drop(&mut self) {
        let started = self.started.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(started) = started.filter(Started::has_stops) {
            self.finish_background();
            self.runtime.block_on(started.stop());
        }
    }
}

/// A body that is not there with its head, as on a connection, so that hooks cannot read it.
struct Arriving(Body);

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// A request that is being built.
#[derive(Debug)]
pub struct TestRequest<'c> {
    client: &'c TestClient,
    request: http::Request<Body>,
}

impl TestRequest<'_> {
    /// Sets a header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap_or_else(|_| panic!("invalid header name `{name}`"));
        let value = HeaderValue::from_str(value).unwrap_or_else(|_| panic!("invalid header value `{value}`"));
        self.request.headers_mut().insert(name, value);
        self
    }

    /// Sets the address that the request comes from. Without it, the address is not known.
    pub fn peer(mut self, address: impl Into<SocketAddr>) -> Self {
        self.request.extensions_mut().insert(Peer(address.into()));
        self
    }

    /// Sets the query string from names and values.
    #[track_caller]
    pub fn query(mut self, query: &impl Serialize) -> Self {
        let query =
            serde_urlencoded::to_string(query).unwrap_or_else(|error| panic!("cannot encode the query: {error}"));
        let target = format!("{}?{query}", self.request.uri().path());
        *self.request.uri_mut() = target.parse().unwrap_or_else(|error| panic!("invalid path `{target}`: {error}"));
        self
    }

    /// Sets an urlencoded form as the body.
    #[track_caller]
    pub fn form(self, form: &impl Serialize) -> Self {
        let form = serde_urlencoded::to_string(form).unwrap_or_else(|error| panic!("cannot encode the form: {error}"));
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

    /// Sets JSON as the body.
    #[track_caller]
    pub fn json(self, value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).unwrap_or_else(|error| panic!("cannot encode the JSON: {error}"));
        self.header("content-type", "application/json").body(json)
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends the request and waits for the whole response.
    pub fn send(mut self) -> TestResponse {
        if self.request.uri().scheme() == Some(&http::uri::Scheme::HTTPS) {
            self.request.extensions_mut().insert(Scheme::Https);
        }
        let origin = Origin::of(&self.request, self.client.service.app().settings.https);
        if let Some(cookies) = self.client.with_jar(|jar| jar.header(&origin)) {
            self.request.headers_mut().entry(header::COOKIE).or_insert(cookies);
        }
        if !self.request.body().as_bytes().is_some_and(<[u8]>::is_empty) {
            self.request = self.request.map(|body| Body::new(Arriving(body)));
        }
        let mut service = self.client.service.clone();
        let answer = async move {
            let Ok(response) = service.call(self.request).await;
            self.client.with_jar(|jar| jar.keep(&origin, response.headers()));
            let (head, mut body) = response.into_parts();
            let mut bytes = Vec::new();
            let mut is_cut = false;
            while let Some(data) = body.next_data().await {
                match data {
                    Ok(data) => bytes.extend_from_slice(&data),
                    Err(_) => is_cut = true,
                }
            }
            TestResponse { head, body: Bytes::from(bytes), is_cut }
        };
        self.client.runtime.block_on(answer)
    }
}

/// A response, read to its end.
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

    /// Returns the body as text. Invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads the body as JSON.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("cannot read the body as JSON: {error}\n{}", self.text()))
    }

    /// Returns whether the body was cut off before its end.
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
