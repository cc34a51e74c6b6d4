//! `Urls`: URLs of routes, made from the names of their handlers.
use std::{
    collections::HashMap,
    fmt::{self, Display},
    sync::Arc,
};

use pixie_core::{Error, FromRequest, Needs, Pattern, Request, Result, Route, State};

/// Makes the URL of a route from the name of its handler. It is an extractor for every kind of route.
///
/// ```standalone_crate
/// use pixie_web::{App, Redirect, Result, Urls, get};
///
/// #[get("/user/<id>", sync)]
/// fn user(id: u32) -> String {
///     format!("user {id}")
/// }
///
/// #[get("/first", sync)]
/// fn first(urls: Urls) -> Result<Redirect> {
///     Ok(Redirect::to(urls.url_for("user", &[("id", &1)])?))
/// }
///
/// let client = App::collect().test()?;
/// client.get("/first").send().assert_header("location", "/user/1");
/// assert_eq!(client.urls().url_for("user", &[("id", &7)])?, "/user/7");
/// # Ok::<(), pixie_web::Error>(())
/// ```
#[doc(alias("url_for", "reverse", "named route"))]
#[derive(Clone)]
pub struct Urls(Arc<HashMap<&'static str, Named>>);

enum Named {
    One(Pattern),
    /// Several handlers have this name, so it is ambiguous.
    Many,
}

impl Urls {
    /// Collects the names of these routes. A route with an invalid path is refused elsewhere.
    pub(crate) fn of<'r>(routes: impl Iterator<Item = &'r Route>) -> Urls {
        let mut named = HashMap::new();
        for route in routes {
            let Ok(pattern) = route.pattern() else { continue };
            let name = route.place().name;
            let entry = match named.contains_key(name) {
                true => Named::Many,
                false => Named::One(pattern.clone()),
            };
            named.insert(name, entry);
        }
        Urls(Arc::new(named))
    }

    /// Returns the path of the route with this name, with its wildcards filled in and percent-encoded.
    ///
    /// # Errors
    ///
    /// Fails if no route or several routes have the name, or if a value is missing, unknown or invalid.
    #[track_caller]
    pub fn url_for(&self, name: &str, params: &[(&str, &dyn Display)]) -> Result<String> {
        let pattern = match self.0.get(name) {
            Some(Named::One(pattern)) => pattern,
            Some(Named::Many) => {
                let fix = "give each a different `name = \"…\"`";
                return Err(Error::internal(format!("url_for: several routes are named `{name}`: {fix}")));
            }
            None => return Err(Error::internal(format!("url_for: no route is named `{name}`"))),
        };
        let texts: Vec<_> = params.iter().map(|(name, value)| (*name, value.to_string())).collect();
        let params: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
        pattern.url(&params).map_err(|error| Error::internal(format!("url_for `{name}`: {error}")))
    }
}

impl fmt::Debug for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromRequest for Urls {
    fn needs(needs: &mut Needs) {
        <State<Urls> as FromRequest>::needs(needs);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        State::<Urls>::from_request(request).map(|State(urls)| urls.as_ref().clone())
    }
}
