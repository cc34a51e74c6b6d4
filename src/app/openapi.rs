//! `App::openapi`. Feature `openapi`.
use std::collections::BTreeSet;

use pixie_core::{Place, Route};

use crate::{
    app::{
        App,
        routes::{BY_HAND, registered},
    },
    table::openapi::OpenApi,
};

/// # OpenAPI
impl App {
    /// Serves a description of the app's routes (OpenAPI 3.1) as JSON, and a page that shows it if
    /// [`OpenApi::docs`] asks for one. Default: not served.
    ///
    /// The document follows from the routes, the types of their arguments and results, and the comments above
    /// their handlers: see the guide's page [`openapi`](crate::guide::openapi). `pixie openapi` prints it.
    ///
    /// ```standalone_crate
    /// use pixie_web::{App, Json, OpenApi, Query, get};
    ///
    /// #[derive(serde::Deserialize, utoipa::ToSchema)]
    /// struct Page { number: u32 }
    ///
    /// /// Lists the names of a page.
    /// #[get("/names", sync)]
    /// fn names(page: Query<Page>) -> Json<Vec<String>> {
    ///     Json(vec![format!("page {}", page.number)])
    /// }
    ///
    /// let client = App::collect().openapi(OpenApi::at("/openapi.json").docs("/docs")).test()?;
    /// let document: serde_json::Value = client.get("/openapi.json").send().json();
    /// let operation = &document["paths"]["/names"]["get"];
    /// assert_eq!(operation["summary"], "Lists the names of a page.");
    /// assert_eq!(operation["parameters"][0]["name"], "number");
    /// # Ok::<(), pixie_web::Error>(())
    /// ```
    #[doc(alias("swagger", "documentation", "schema"))]
    #[track_caller]
    pub fn openapi(mut self, api: impl Into<OpenApi>) -> App {
        self.openapi.served = Some((api.into(), Place::here("pixie::openapi")));
        self
    }
}

/// Returns name, version and description of the package of the routes. Packages that the app includes count
/// only if there is no other.
pub(super) fn package(
    routes: &[(&'static str, Route)],
    included: &BTreeSet<&'static str>,
) -> Option<[&'static str; 3]> {
    let names: BTreeSet<_> = routes.iter().map(|(package, _)| *package).filter(|name| *name != BY_HAND).collect();
    let name = names.iter().find(|name| !included.contains(*name)).or(names.first())?;
    let found = registered().find(|found| found.package == *name)?;
    Some([found.package, found.version, found.description])
}
