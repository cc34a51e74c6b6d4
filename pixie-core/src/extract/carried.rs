//! `Carried` and `Extension`: what hooks and layers leave on a request for its handler.
//!
//! An extension is a value of any type and stays in its process. A carried value is serialized, so it also
//! reaches workers. When the app starts, it checks which of the two a route reads.
use std::any::type_name;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, FromRequest, Needs, Request, error::unprovided};

/// A value that a before hook added to the request with [`Request::carry`]. It reaches routes of every kind.
///
/// ```
/// use pixie_core::{Carried, FromRequest, Method, Request, Uri};
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct User { name: String }
///
/// let mut request = Request::new(Method::GET, Uri::from_static("/"));
/// request.carry(&User { name: "Ada".into() })?;
/// let Ok(Carried(user)) = Carried::<User>::from_request(&mut request) else { panic!("no user") };
/// assert_eq!(user.name, "Ada");
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[doc(alias("middleware", "request data"))]
#[derive(Clone, Copy, Debug)]
pub struct Carried<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Carried<T> {
    fn needs(needs: &mut Needs) {
        needs.carried.push(type_name::<T>());
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let name = type_name::<T>();
        let carried = request.plumbing().carried.iter().find(|(known, _)| known == name);
        let (_, json) = carried.ok_or_else(|| {
            let message = format!("no before hook carried a {name}: call `request.carry(&value)`");
            unprovided(message).of_something_missing()
        })?;
        let unreadable = |error| unprovided(format!("the carried {name} cannot be read: {error}"));
        serde_json::from_slice(json).map(Carried).map_err(unreadable)
    }
}

impl Request {
    /// Adds a value to the request for a route of any kind, in place of an earlier value of the same type.
    ///
    /// The handler reads it with [`Carried`]. The value is sent as JSON, so keep it small: the id of a user,
    /// for example, not the whole account.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be written as JSON.
    #[track_caller]
    pub fn carry<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let name = type_name::<T>();
        let json = serde_json::to_vec(value)
            .map_err(|error| Error::internal(format!("the {name} cannot be carried: {error}")))?;
        self.plumbing_mut().carry(name.into(), json);
        Ok(())
    }
}

/// A value that a layer or a before hook added to the extensions of the request.
///
/// It stays in the main process: an app does not start if a pool or stream route reads an extension.
///
/// ```
/// use pixie_core::{Extension, FromRequest, Method, Request, Uri};
/// #[derive(Clone)]
/// struct Tenant(&'static str);
///
/// let mut request = Request::new(Method::GET, Uri::from_static("/"));
/// request.extensions_mut().insert(Tenant("blue"));
/// let Extension(tenant) = Extension::<Tenant>::from_request(&mut request)?;
/// assert_eq!(tenant.0, "blue");
/// # Ok::<(), pixie_core::Error>(())
/// ```
#[doc(alias("middleware", "request data"))]
#[derive(Clone, Copy, Debug)]
pub struct Extension<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromRequest for Extension<T> {
    fn needs(needs: &mut Needs) {
        needs.extensions.push(type_name::<T>());
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let missing = || {
            let detail = format!(
                "the request has no extension of the type {}: add it in a layer or a before hook",
                type_name::<T>()
            );
            unprovided(detail).of_something_missing()
        };
        request.extensions().get().cloned().map(Extension).ok_or_else(missing)
    }
}
