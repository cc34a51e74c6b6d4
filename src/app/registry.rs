//! The registry: every route that an attribute wrote, gathered when the program is linked.
//!
//! Whether routes from several packages may meet in one app is decided in `app.rs`; here they are only found.
use pixie_core::Route;

/// A route as the attribute registers it; made by the macro only.
#[derive(Clone, Copy)]
pub struct Registered {
    /// The package that the handler is in.
    pub package: &'static str,
    /// Makes the route.
    pub route: fn() -> Route,
}

inventory::collect!(Registered);

/// Goes through all routes of the program, in no particular order.
pub(crate) fn registered() -> impl Iterator<Item = &'static Registered> {
    inventory::iter::<Registered>()
}
