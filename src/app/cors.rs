//! `Cors`: which pages of other origins may read the responses of the app.
//!
//! The layer of tower-http sends the headers. This file checks the settings at the start, because a browser
//! that refuses a response does not tell the server why.
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use pixie_core::{HttpRequest, Layered, Place};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::{app::App, error::StartError, request::service::LayerFn, table::csrf};

/// Which pages of other origins may read the responses of an app, for [`App::cors`] (Fetch standard, section
/// 3.3, "CORS protocol").
///
/// ```
/// use pixie_web::{App, Cors, Method, Route};
///
/// let cors = Cors::origins(["https://shop.example"]).credentials(true);
/// let client = App::new().route(Route::put("/cart").sync(|_| "saved")).cors(cors).test()?;
/// let from_shop = || client.request(Method::OPTIONS, "/cart").header("origin", "https://shop.example");
/// let preflight = from_shop().header("access-control-request-method", "PUT").send();
/// preflight.assert_header("access-control-allow-origin", "https://shop.example");
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[doc(alias("cross-origin", "access-control-allow-origin"))]
#[derive(Clone, Debug)]
pub struct Cors {
    /// `None` stands for every origin.
    origins: Option<Vec<String>>,
    methods: Vec<Method>,
    headers: Vec<String>,
    exposed: Vec<String>,
    credentials: bool,
    max_age: Duration,
}

/// Time for which browsers keep an answer to their question. Chrome keeps it for two hours at most; a change
/// of the settings has its effect after this time.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

impl Cors {
    /// Allows pages of these origins, such as `https://shop.example` or `http://localhost:5173`.
    ///
    /// They may also send requests that [`App::csrf`] refuses otherwise, as after [`App::trust_origin`].
    pub fn origins<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Cors {
        Cors::new(Some(origins.into_iter().map(Into::into).collect()))
    }

    /// Allows pages of every origin, without the cookies of the user. For APIs that everyone may read.
    ///
    /// The pages may also send PUT, PATCH and DELETE, and POST with JSON, but no forms.
    pub fn any_origin() -> Cors {
        Cors::new(None)
    }

    fn new(origins: Option<Vec<String>>) -> Cors {
        Cors {
            origins,
            methods: vec![Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE],
            headers: [header::CONTENT_TYPE, header::AUTHORIZATION].map(|name| name.to_string()).into(),
            exposed: Vec::new(),
            credentials: false,
            max_age: MAX_AGE,
        }
    }

    /// Sets the methods that pages may use. Default: GET, HEAD, POST, PUT, PATCH and DELETE.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Cors {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Sets the headers that pages may send. Default: `Content-Type` and `Authorization`.
    pub fn headers<H: Into<String>>(mut self, names: impl IntoIterator<Item = H>) -> Cors {
        self.headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the headers of responses that pages may read, beside those that every page may. Default: none.
    pub fn expose<H: Into<String>>(mut self, names: impl IntoIterator<Item = H>) -> Cors {
        self.exposed = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether browsers send the user's cookies with the requests of these pages. Default: no.
    pub fn credentials(mut self, sent: bool) -> Cors {
        self.credentials = sent;
        self
    }

    /// Sets for how long browsers need not ask again before a request. Default: 1 h.
    pub fn max_age(mut self, time: Duration) -> Cors {
        self.max_age = time;
        self
    }

    /// Returns the layer, or what is wrong with the settings.
    fn layer(&self) -> Result<CorsLayer, String> {
        let origin = match &self.origins {
            None if self.credentials => {
                return Err("browsers refuse cookies for every origin: name the origins with `Cors::origins`".into());
            }
            None => AllowOrigin::any(),
            Some(origins) if origins.is_empty() => {
                return Err("no origin is allowed: name one, or remove `App::cors`".into());
            }
            Some(origins) => AllowOrigin::list(origins.iter().map(|text| origin(text)).collect::<Result<Vec<_>, _>>()?),
        };
        Ok(CorsLayer::new()
            .allow_origin(origin)
            .allow_methods(self.methods.clone())
            .allow_headers(names(&self.headers)?)
            .expose_headers(names(&self.exposed)?)
            .allow_credentials(self.credentials)
            .max_age(self.max_age))
    }

    /// Returns the outermost layer of an app, and the origins whose requests are not forged; `None` stands for
    /// every origin.
    pub(crate) fn checked(self, place: Place) -> Result<(LayerFn, Option<Vec<String>>), StartError> {
        let Place { file, line, .. } = place;
        let layer = self.layer();
        let layer = layer.map_err(|why| StartError::at(place, format!("`App::cors` ({file}:{line}): {why}")))?;
        Ok((Box::new(move |inner| around(&layer, inner)), self.origins))
    }
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    match text {
        "*" => Err("`*` is not an origin: use `Cors::any_origin()`".to_owned()),
        "null" => Err("`null` is the origin of every page in a sandbox: it cannot be allowed".to_owned()),
        _ if !csrf::is_origin(text) => Err(format!(
            "`{text}` is not an origin: write `https://host` or `https://host:port`, {}",
            csrf::ORIGIN_RULE
        )),
        _ => HeaderValue::from_str(text).map_err(|error| format!("`{text}`: {error}")),
    }
}

fn names(names: &[String]) -> Result<Vec<HeaderName>, String> {
    let name = |text: &String| {
        let fix = "write its name, such as `x-api-key`";
        HeaderName::try_from(text).map_err(|_| format!("`{text}` is not a header: {fix}"))
    };
    names.iter().map(name).collect()
}

/// Wraps an app. OPTIONS without a question of a browser is answered by the app.
fn around(layer: &CorsLayer, inner: Layered) -> Layered {
    let asked = layer.layer(inner.clone());
    Layered::new(move |request: HttpRequest| {
        let is_question = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() == Method::OPTIONS && !is_question {
            return inner.answer(request);
        }
        let answer = asked.clone().call(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    })
}

/// # Requests of other sites
impl App {
    /// Allows pages of other origins to read the responses of the app (CORS). Default: browsers refuse it.
    ///
    /// Applies to the whole app, also to its error pages. Mistakes are found at the start.
    #[doc(alias("cross-origin", "access-control-allow-origin"))]
    #[track_caller]
    pub fn cors(mut self, cors: Cors) -> App {
        self.cors = Some((cors, Place::here("pixie::cors")));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let wrong = |cors: Cors| cors.layer().expect_err("it is wrong");
        for (text, part) in [
            ("*", "use `Cors::any_origin()`"),
            ("null", "sandbox"),
            ("shop.example", "`shop.example` is not an origin"),
            ("https://shop.example/", "without a path"),
            ("https://Shop.example", "in lower case"),
        ] {
            let why = wrong(Cors::origins([text]));
            assert!(why.contains(part), "{text}: {why}");
        }
        assert!(wrong(Cors::any_origin().credentials(true)).contains("name the origins"));
        assert!(wrong(Cors::origins([""; 0])).contains("no origin"));
        assert!(wrong(Cors::any_origin().headers(["x api key"])).contains("`x api key` is not a header"));
        assert!(wrong(Cors::any_origin().expose(["naïve"])).contains("is not a header"));
    }
}
