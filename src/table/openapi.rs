//! `OpenApi`: where an app serves its OpenAPI document, and what it adds. Feature `openapi`.
//!
//! The folder `src/openapi/` makes the document.
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use pixie_core::{
    Place, Security,
    openapi::{SchemaOf, type_schema},
};

type Edit = Arc<dyn Fn(&mut utoipa::openapi::OpenApi) + Send + Sync>;

/// Where an app serves its OpenAPI document, and what the document says beyond the routes: for
/// [`App::openapi`](crate::App::openapi).
///
/// A path alone is enough: title, version and description are then those of the package in `Cargo.toml`.
///
/// ```
/// use pixie_web::{App, OpenApi, Route};
///
/// let api = OpenApi::at("/openapi.json").docs("/docs").title("Shop").version("2.1");
/// let app = App::new().route(Route::get("/prices").name("prices").sync(|_| "1,2,3")).openapi(api);
/// let client = app.test()?;
/// let document: serde_json::Value = client.get("/openapi.json").send().assert_status(200).json();
/// assert_eq!(document["paths"]["/prices"]["get"]["operationId"], "prices");
/// client.get("/docs").send().assert_status(200).assert_header("content-type", "text/html; charset=utf-8");
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[doc(alias("swagger", "documentation", "schema"))]
#[derive(Clone)]
pub struct OpenApi {
    pub(crate) path: &'static str,
    pub(crate) docs: Option<&'static str>,
    pub(crate) title: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) prefix: &'static str,
    pub(crate) schemes: Vec<(&'static str, Security)>,
    /// The form of errors, if it is not that of pixie.
    pub(crate) error: Option<SchemaOf>,
    pub(crate) edit: Option<Edit>,
    /// Set by the composition, if this is the main process.
    pub(crate) published: Arc<OnceLock<Bytes>>,
}

impl From<&'static str> for OpenApi {
    fn from(path: &'static str) -> OpenApi {
        OpenApi::at(path)
    }
}

impl OpenApi {
    /// Serves the document as JSON at this path.
    pub fn at(path: &'static str) -> OpenApi {
        OpenApi {
            path,
            docs: None,
            title: None,
            version: None,
            description: None,
            prefix: "",
            schemes: Vec::new(),
            error: None,
            edit: None,
            published: Arc::default(),
        }
    }

    /// Serves a page at this path that shows the document and sends requests. The page loads nothing from other
    /// hosts, and everyone may read it: a hook for the path can refuse. Default: no page.
    pub fn docs(mut self, path: &'static str) -> OpenApi {
        self.docs = Some(path);
        self
    }

    /// Sets the title. Default: the name of the package.
    pub fn title(mut self, title: impl Into<String>) -> OpenApi {
        self.title = Some(title.into());
        self
    }

    /// Sets the version of the API. Default: the version of the package.
    pub fn version(mut self, version: impl Into<String>) -> OpenApi {
        self.version = Some(version.into());
        self
    }

    /// Sets the description, as Markdown. Default: the description of the package.
    pub fn description(mut self, description: impl Into<String>) -> OpenApi {
        self.description = Some(description.into());
        self
    }

    /// Describes only the routes whose paths are under this prefix, such as `/api`. Default: all routes, except
    /// for mounted folders and the pages of pixie itself. `openapi = false` hides a single route.
    pub fn only(mut self, prefix: &'static str) -> OpenApi {
        self.prefix = prefix.trim_end_matches('/');
        self
    }

    /// Declares a security scheme that hooks check. Routes name it with the option `security`. The extractors
    /// `Bearer` and `BasicAuth` need no declaration.
    pub fn security(mut self, name: &'static str, scheme: Security) -> OpenApi {
        self.schemes.push((name, scheme));
        self
    }

    /// Describes the JSON of errors by this type, for an app with `App::error_pages` of its own. Default: problem
    /// documents (RFC 9457).
    pub fn errors<T: utoipa::ToSchema>(mut self) -> OpenApi {
        self.error = Some(type_schema::<T>);
        self
    }

    /// Changes the finished document, for what routes and types do not say, such as servers or a license.
    pub fn edit(mut self, edit: impl Fn(&mut utoipa::openapi::OpenApi) + Send + Sync + 'static) -> OpenApi {
        self.edit = Some(Arc::new(edit));
        self
    }
}

impl fmt::Debug for OpenApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenApi").field("path", &self.path).field("docs", &self.docs).finish_non_exhaustive()
    }
}

/// What an app has decided about its document.
#[derive(Default)]
pub(crate) struct Wanted {
    /// What the app asks for, and the line of the program that asks.
    pub(crate) served: Option<(OpenApi, Place)>,
    /// Name, version and description of the package that has the routes.
    pub(crate) package: Option<[&'static str; 3]>,
}
