//! `RouteConflict`: the error for two routes with the same requests. It names both paths and both lines of
//! code.

use std::{error::Error, fmt};

use http::Method;

use crate::{Place, RouteEntry};

/// Two routes for the same requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConflict {
    method: Method,
    routes: Box<[(String, Place); 2]>,
}

impl RouteConflict {
    pub(crate) fn new<T>(method: Method, first: &RouteEntry<T>, second: &RouteEntry<T>) -> RouteConflict {
        let named = |entry: &RouteEntry<T>| (entry.pattern.to_string(), entry.place);
        RouteConflict { method, routes: Box::new([named(first), named(second)]) }
    }
}

impl fmt::Display for RouteConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = &self.method;
        let [(first, here), (second, there)] = &*self.routes;
        write!(
            f,
            "two routes answer the same requests: {method} {first} of {here} and {method} {second} of {there}; "
        )?;
        f.write_str("give one of them another path or method")
    }
}

impl Error for RouteConflict {}
