//! The registry: collects the routes from attributes when the program is linked.
//!
//! `app.rs` decides whether routes of several packages may be in one app.
use pixie_core::Route;

/// Stands for the package of routes that were added with `App::route`: they are not checked.
pub(crate) const BY_HAND: &str = "";

/// A route as the attribute registers it. Only the macro makes it.
#[derive(Clone, Copy, Debug)]
pub struct Registered {
    /// The package of the handler.
    pub package: &'static str,
    /// Makes the route.
    pub route: fn() -> Route,
}

inventory::collect!(Registered);

/// Returns all routes of the program, in no particular order.
pub(crate) fn registered() -> impl Iterator<Item = &'static Registered> {
    inventory::iter::<Registered>()
}
