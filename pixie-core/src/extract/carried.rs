//! `Carried` and `Extension`: what hooks and layers leave on a request for its handler.
//!
//! An extension is any value and stays in the process that made it; a carried value is serialized, so it reaches workers
//! too. Which of the two a route may read is judged when the app starts.
use std::{any::type_name, ops::Deref};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, FromRequest, Needs, Rejection, RejectionKind, Request};

/// A value that a before hook put on the request with [`Request::carry`]; it reaches routes of every kind.
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
#[derive(Clone, Copy, Debug)]
pub struct Carried<T>(pub T);

impl<T> Deref for Carried<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Carried<T> {
    fn needs(needs: &mut Needs) {
        needs.carried(type_name::<T>());
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let failed =
            |kind, detail: String| Rejection::new(kind, detail).with_status(http::StatusCode::INTERNAL_SERVER_ERROR);
        let name = type_name::<T>();
        let carried = request.plumbing().carried.iter().find(|(known, _)| known == name);
        let (_, json) = carried.ok_or_else(|| {
            failed(RejectionKind::Missing, format!("no before hook carried a {name}: call `request.carry(&value)`"))
        })?;
        let unreadable = |error| failed(RejectionKind::Invalid, format!("the carried {name} cannot be read: {error}"));
        serde_json::from_slice(json).map(Carried).map_err(unreadable)
    }
}

impl Request {
    /// Puts a value on the request that travels with it to any kind of route, in place of an earlier one of its type.
    ///
    /// Its handler reads it with [`Carried`]. It travels as JSON, so keep it small: who asks, not all that is known of them.
    #[track_caller]
    pub fn carry<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let name = type_name::<T>();
        let json = serde_json::to_vec(value)
            .map_err(|error| Error::internal(format!("the {name} cannot be carried: {error}")))?;
        self.plumbing_mut().carry(name.into(), json);
        Ok(())
    }
}

/// A value that a layer or a before hook put into the request's extensions.
///
/// It stays in the main process: an app in which a pool or stream route asks for one does not start.
#[derive(Clone, Copy, Debug)]
pub struct Extension<T>(pub T);

impl<T> Deref for Extension<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone + Send + Sync + 'static> FromRequest for Extension<T> {
    fn needs(needs: &mut Needs) {
        needs.extension(type_name::<T>());
    }

    fn from_request(request: &mut Request) -> Result<Self, Rejection> {
        let missing = || {
            let detail = format!("nobody put a {} into the request's extensions", type_name::<T>());
            Rejection::new(RejectionKind::Missing, detail).with_status(http::StatusCode::INTERNAL_SERVER_ERROR)
        };
        request.extensions().get().cloned().map(Extension).ok_or_else(missing)
    }
}
