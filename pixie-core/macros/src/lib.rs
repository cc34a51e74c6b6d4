//! The `#[route]` attribute of pixie.
