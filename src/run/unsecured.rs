//! The same as `secured.rs` in a program without the feature `tls`.
use pixie_server::Listener;

use crate::{error::StartError, table::settings::variable};

/// Returns an error if `pixie dev` asks for HTTPS.
pub(super) fn under_dev(passed: Listener) -> Result<Listener, StartError> {
    match variable("PIXIE_DEV_CERTIFICATE")? {
        None => Ok(passed),
        Some(_) => Err(StartError::new(
            "`pixie dev --https` needs the feature `tls` of pixie-web: run `cargo add pixie-web --features tls`",
        )),
    }
}
